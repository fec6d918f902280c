package facts

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/cli/manifest"
	"github.com/cellfed/cellfed/internal/federated"
)

// Gather adds what documents hold to what is known, and returns the federated objects among them. What can be read of
// neither kind is left out; what cannot be read at all is an error.
func Gather(known *Known, documents []manifest.Document, namespace string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	var failed []error
	for i := range documents {
		d := &documents[i]
		if d.Err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", d, d.Err))
		}
		if d.Err != nil || d.Empty() {
			continue
		}
		for _, item := range d.Items() {
			u, err := item.Object()
			if err != nil {
				continue
			}
			InNamespace(u, namespace)
			if err := known.Add(u); err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", d, err))
			}
			if u.GroupVersionKind().Group == federated.Group {
				objects = append(objects, u)
			}
		}
	}
	return objects, errors.Join(failed...)
}

// InNamespace puts an object that names no namespace where it is going to be, unless it is known to be in none.
func InNamespace(u *unstructured.Unstructured, namespace string) {
	if u.GetNamespace() != "" || namespace == "" || Is(u, Namespace) {
		return
	}
	if t, err := assume(u); err != nil || t.Namespaced {
		u.SetNamespace(namespace)
	}
}
