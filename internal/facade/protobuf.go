package facade

import (
	"bytes"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// protobufType is what typed clients of built-in kinds send, kubectl among them.
const protobufType = runtime.ContentTypeProtobuf

// protobufPrefix begins every object in protobuf (k8s.io/apimachinery/pkg/runtime/serializer/protobuf).
var protobufPrefix = []byte{0x6b, 0x38, 0x73, 0x00}

// fromProtobuf returns an object of a built-in kind as JSON. A body that holds more than this version of Kubernetes knows is
// refused: the rest would be lost on the way.
func fromProtobuf(body []byte) ([]byte, error) {
	raw, ok := bytes.CutPrefix(body, protobufPrefix)
	var envelope runtime.Unknown
	if !ok || envelope.Unmarshal(raw) != nil {
		return nil, apierrors.NewBadRequest("the body of the request is not valid protobuf")
	}
	object, gvk, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return nil, notJSON(fmt.Sprintf("%s of %s in protobuf cannot be read here", envelope.Kind, envelope.APIVersion))
	}
	if sized, ok := object.(interface{ Size() int }); !ok || sized.Size() < len(envelope.Raw) {
		return nil, notJSON(fmt.Sprintf("this %s of %s holds fields that are unknown here", envelope.Kind, envelope.APIVersion))
	}
	object.GetObjectKind().SetGroupVersionKind(*gvk)
	out, err := json.Marshal(object)
	if err != nil {
		return nil, apierrors.NewBadRequest("the body of the request cannot be written as JSON")
	}
	return out, nil
}
