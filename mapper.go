package main

import (
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// newMapper returns controller-runtime's mapper, which remembers what it was asked: a read from the manager's cache asks it each
// time whether the kind is namespaced. Kinds that the program knows keep their scope; of the others a CRD may come to say something else.
func newMapper(config *rest.Config, client *http.Client) (meta.RESTMapper, error) {
	mapper, err := apiutil.NewDynamicRESTMapper(config, client)
	if err != nil {
		return nil, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	return &knownKinds{RESTMapper: mapper, scheme: scheme}, nil
}

type knownKinds struct {
	meta.RESTMapper
	scheme *runtime.Scheme
	known  sync.Map // from a schema.GroupVersionKind to its *meta.RESTMapping
}

// RESTMapping implements meta.RESTMapper.
func (k *knownKinds) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if len(versions) != 1 || !k.scheme.Recognizes(kind.WithVersion(versions[0])) {
		return k.RESTMapper.RESTMapping(kind, versions...)
	}
	key := kind.WithVersion(versions[0])
	if mapping, ok := k.known.Load(key); ok {
		return mapping.(*meta.RESTMapping), nil
	}
	mapping, err := k.RESTMapper.RESTMapping(kind, versions...)
	if err == nil {
		k.known.Store(key, mapping)
	}
	return mapping, err
}
