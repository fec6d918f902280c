package facts

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// Load adds what the host cluster holds, unless an object of the name is known already. Of namespaced objects those in the
// namespaces given are read, and the Cells of all namespaces where the reader may read them. It returns the kinds that the reader may
// not read, which stay unknown.
func (k *Known) Load(ctx context.Context, reader client.Reader, namespaces []string) (forbidden []string, err error) {
	l := loader{known: k, reader: reader}
	inKubeFed := client.InNamespace(k.KubeFedNamespace)
	l.list(ctx, FederatedTypeConfig, fedv1b1.SchemeGroupVersion, inKubeFed)
	l.list(ctx, FederatedTypePolicy, v1alpha1.GroupVersion, inKubeFed)
	l.list(ctx, KubeFedCluster, fedv1b1.SchemeGroupVersion, inKubeFed)
	everywhere := l.list(ctx, Cell, v1alpha1.GroupVersion)
	// All of them tell whose the names of target namespaces are.
	owners := l.list(ctx, Namespace, corev1.SchemeGroupVersion)
	// What is in no namespace has no cells.
	namespaces = slices.DeleteFunc(slices.Clone(namespaces), func(namespace string) bool { return namespace == "" })
	own := !everywhere && len(namespaces) > 0
	for _, namespace := range namespaces {
		if !owners {
			l.get(ctx, corev1.SchemeGroupVersion.WithKind(Namespace), client.ObjectKey{Name: namespace})
		}
		if !everywhere {
			own = l.cells(ctx, namespace) && own
		}
		key := client.ObjectKey{Namespace: namespace, Name: namespace}
		if !l.get(ctx, federatedKind(federated.V2Beta1), key) {
			l.get(ctx, federatedKind(federated.V1Beta1), key)
		}
	}
	if own {
		// Those of the namespaces can be read, and nobody asked for more.
		l.forbidden = slices.DeleteFunc(l.forbidden, func(kind string) bool { return kind == Cell })
	}
	slices.Sort(l.forbidden)
	return slices.Compact(l.forbidden), l.err
}

func federatedKind(version string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: federated.Group, Version: version, Kind: FederatedNamespace}
}

type loader struct {
	known     *Known
	reader    client.Reader
	forbidden []string
	err       error
}

// cells adds the Cells of a namespace, and reports whether it could read them.
func (l *loader) cells(ctx context.Context, namespace string) bool {
	l.known.complete[namespace] = l.read(ctx, Cell, v1alpha1.GroupVersion, client.InNamespace(namespace))
	return l.known.complete[namespace]
}

// list adds all objects of a kind that there are, and reports whether it could read them.
func (l *loader) list(ctx context.Context, kind string, version schema.GroupVersion, options ...client.ListOption) bool {
	l.known.Complete[kind] = l.read(ctx, kind, version, options...)
	return l.known.Complete[kind]
}

func (l *loader) read(ctx context.Context, kind string, version schema.GroupVersion, options ...client.ListOption) bool {
	if l.err != nil {
		return false
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(version.WithKind(kind + "List"))
	err := l.reader.List(ctx, list, options...)
	switch {
	case apierrors.IsForbidden(err):
		l.forbidden = append(l.forbidden, kind)
		return false
	case err != nil && !meta.IsNoMatchError(err):
		l.err = fmt.Errorf("list objects of kind %s: %w", kind, err)
		return false
	}
	for i := range list.Items {
		l.add(&list.Items[i], version.WithKind(kind))
	}
	return true
}

// get adds an object, and reports whether the host cluster knows its kind.
func (l *loader) get(ctx context.Context, kind schema.GroupVersionKind, key client.ObjectKey) bool {
	if l.err != nil {
		return false
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	err := l.reader.Get(ctx, key, object)
	switch {
	case err == nil:
		l.add(object, kind)
	case apierrors.IsForbidden(err):
		l.forbidden = append(l.forbidden, kind.Kind)
	case meta.IsNoMatchError(err):
		return false
	case apierrors.IsNotFound(err):
		l.known.absent[kind.Kind+"/"+key.Name] = true
	default:
		l.err = fmt.Errorf("get %s %s: %w", kind.Kind, key, err)
	}
	return true
}

// add leaves what is known as it is: the files have the last word.
func (l *loader) add(u *unstructured.Unstructured, kind schema.GroupVersionKind) {
	u.SetGroupVersionKind(kind)
	if l.known.has(u) {
		return
	}
	if err := l.known.Add(u); err != nil {
		l.err = err
	}
}

// has reports whether an object of the kind and name is known.
func (k *Known) has(u *unstructured.Unstructured) bool {
	var known bool
	switch name := u.GetName(); u.GetKind() {
	case Namespace:
		_, known = k.namespaces[name]
	case Cell:
		_, known = k.cells[u.GetNamespace()+"/"+name]
	case KubeFedCluster:
		_, known = k.clusters[name]
	case FederatedTypeConfig:
		_, known = k.configs[name]
	case FederatedTypePolicy:
		_, known = k.policies[name]
	case FederatedNamespace:
		_, known = k.federated[u.GetNamespace()]
	}
	return known
}
