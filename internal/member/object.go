package member

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// Target is a type of objects in the members.
type Target struct {
	// Resource is what its objects are read and written as.
	Resource schema.GroupVersionResource
	// Kind is their kind, of the same group and version.
	Kind schema.GroupVersionKind
	// Namespaced says whether they are in namespaces.
	Namespaced bool
}

// Object is a member's object as the caches hold it. It is shared, and parts of it with other objects: it must not be
// changed.
type Object struct {
	// Unstructured is the object without its managedFields.
	*unstructured.Unstructured
	// Applied is what cellfed's own server-side apply owns in it, nil when there is no entry of it.
	Applied *fieldpath.Set
	// Legacy says that somebody wrote the managed label by an update, as upstream KubeFed does: what that manager owns
	// has to become cellfed's before an apply can take fields away.
	Legacy bool

	// parts keeps what the object shares with others in the tables of the sharer.
	parts []*tree
}

// The flavors in which propagated objects are told from others: each has a label of its own, and a watch.
const (
	flavorKubeFed = iota
	flavorCellfed
	flavors
)

// flavorLabels are the labels whose value "true" marks an object of a flavor.
var flavorLabels = [flavors]string{v1alpha1.KubeFedManagedLabel, v1alpha1.ManagedLabel}

// flavorOf returns the flavor of an object. One that has both labels is upstream's. ok is false when it has none.
func flavorOf(u *unstructured.Unstructured) (flavor int, ok bool) {
	for flavor, label := range flavorLabels {
		if hasFlavor(u, label) {
			return flavor, true
		}
	}
	return 0, false
}

func hasFlavor(u *unstructured.Unstructured, label string) bool {
	value, _, _ := unstructured.NestedString(u.Object, "metadata", "labels", label)
	return value == "true"
}

// key tells the objects of a target in a member apart.
type key struct{ namespace, name string }

func keyOf(u *unstructured.Unstructured) key { return key{u.GetNamespace(), u.GetName()} }
