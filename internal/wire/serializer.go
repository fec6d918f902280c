package wire

import (
	"fmt"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// NewDynamic returns a dynamic client whose objects lack the fields that are left out: those that it reads, lists and
// watches, and those that writes are answered with.
func NewDynamic(config *rest.Config, client *http.Client, without Without) (dynamic.Interface, error) {
	config = dynamic.ConfigFor(config)
	Configure(config, without)
	restClient, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("make a dynamic client: %w", err)
	}
	return dynamic.New(restClient), nil
}

// Configure has a client read with this package that is made of a config from dynamic.ConfigFor. It speaks JSON, whatever the
// client library comes to prefer.
func Configure(config *rest.Config, without Without) {
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.NegotiatedSerializer = negotiated{config.NegotiatedSerializer, without}
}

// negotiated has JSON read by a serializer of this package.
type negotiated struct {
	runtime.NegotiatedSerializer
	without Without
}

// SupportedMediaTypes implements runtime.NegotiatedSerializer.
func (n negotiated) SupportedMediaTypes() []runtime.SerializerInfo {
	var all []runtime.SerializerInfo
	for _, info := range n.NegotiatedSerializer.SupportedMediaTypes() {
		if info.MediaType == runtime.ContentTypeJSON {
			info.Serializer = serializer{info.Serializer, n.without}
			stream := *info.StreamSerializer
			stream.Serializer, stream.Framer = events{stream.Serializer}, framer{stream.Framer}
			info.StreamSerializer = &stream
		}
		all = append(all, info)
	}
	return all
}

// serializer reads objects and lists of them. Everything else it leaves to the one that it stands in for.
type serializer struct {
	runtime.Serializer
	without Without
}

// Decode implements runtime.Decoder.
func (s serializer) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if defaults != nil {
		return s.Serializer.Decode(data, defaults, into)
	}
	switch into := into.(type) {
	case nil:
		return s.decodeAny(data)
	case *unstructured.Unstructured:
		return s.decodeInto(data, into)
	case *unstructured.UnstructuredList:
		return s.decodeList(data, into)
	default:
		return s.Serializer.Decode(data, nil, into)
	}
}

// decodeAny reads what a watch brings, or what a server answers with in place of an object.
func (s serializer) decodeAny(data []byte) (runtime.Object, *schema.GroupVersionKind, error) {
	object, kind, err := s.decodeInto(data, &unstructured.Unstructured{})
	if err == nil && (kind.Version == "" || *kind == schema.GroupVersionKind{Version: "v1", Kind: "Status"}) {
		return s.Serializer.Decode(data, nil, nil)
	}
	return object, kind, err
}

func (s serializer) decodeInto(data []byte, into *unstructured.Unstructured) (runtime.Object, *schema.GroupVersionKind, error) {
	object, err := Object(data, s.without)
	if err != nil {
		return nil, nil, err
	}
	into.Object = object.Object
	return into, new(into.GroupVersionKind()), nil
}

func (s serializer) decodeList(data []byte, into *unstructured.UnstructuredList) (runtime.Object, *schema.GroupVersionKind, error) {
	var without Without
	if s.without != nil { // Nil would leave out the items themselves.
		without = Without{"items": s.without}
	}
	content, err := Decode(data, without)
	if err != nil {
		return nil, nil, err
	}
	items, ok := content["items"].([]any)
	if !ok && content["items"] != nil {
		return nil, nil, fmt.Errorf("read a list: items is a %T, no list", content["items"])
	}
	delete(content, "items")
	into.Object = content
	into.Items = make([]unstructured.Unstructured, 0, len(items))
	version, kind := into.GetAPIVersion(), strings.TrimSuffix(into.GetKind(), "List")
	for i, each := range items {
		object, ok := each.(map[string]any)
		if !ok {
			return nil, nil, fmt.Errorf("read a list: items[%d] is a %T, no object", i, each)
		}
		item := unstructured.Unstructured{Object: object}
		// An API server says it of the list alone where all the items are of one kind.
		if item.GetKind() == "" && item.GetAPIVersion() == "" {
			item.SetKind(kind)
			item.SetAPIVersion(version)
		}
		into.Items = append(into.Items, item)
	}
	if into.GetKind() == "" {
		return nil, nil, missingKind(data)
	}
	return into, new(into.GroupVersionKind()), nil
}
