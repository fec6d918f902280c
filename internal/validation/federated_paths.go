package validation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// The members of metadata with rules of their own.
const (
	labelsField          = "labels"
	annotationsField     = "annotations"
	finalizersField      = "finalizers"
	ownerReferencesField = "ownerReferences"
)

// touches refuses what would take the object out of its namespace or make it look like somebody else's. KubeFed writes what
// overrides make of the name and the namespace, so that whatever holds one of them is refused with them.
func (c *checker) touches(a at, tokens []string, path, op string, value any, seen map[string]bool) {
	first, second := tokens[0], ""
	if len(tokens) > 1 {
		second = tokens[1]
	}
	const keeps = "what is in a topology keeps the federated object's name, namespace and kind: "
	switch {
	case first == "kind", first == "metadata" && (second == "name" || second == "namespace" || second == "generateName"):
		c.refused(a, path, value, keeps+"remove this override")
	case first == "metadata" && len(tokens) == 1:
		c.refused(a, path, value, keeps+"override single fields of metadata, such as /metadata/labels")
	case first == "apiVersion":
		c.apiVersion(a.child("value"), value, true)
	case first == "status" && c.propagates(v1alpha1.PropagatorCellfed):
		c.warn(a.child("path"), "%q is not propagated: the status is the members' own", path)
	case first != "metadata":
	case second == labelsField, second == annotationsField:
		c.forges(a, tokens, path, value)
		c.stands(a, second, tokens, path, seen)
	case second == finalizersField:
		c.stands(a, second, tokens, path, seen)
	case second == ownerReferencesField && op != "remove":
		c.owners(a, tokens, path, value)
	}
}

// refused adds that a path is refused. With another value it is another thing.
func (c *checker) refused(a at, path string, value any, format string, args ...any) {
	a = a.child("path")
	c.add(a, field.Invalid(a.path, path, fmt.Sprintf(format, args...)), value)
}

// forges refuses the labels and annotations that tell the propagators what is whose.
func (c *checker) forges(a at, tokens []string, path string, value any) {
	what := strings.TrimSuffix(tokens[1], "s")
	if len(tokens) > 2 {
		if marks(tokens[1], tokens[2]) {
			c.refused(a, path, value, "cellfed and KubeFed alone write the %s %s: remove this override", what, tokens[2])
		}
		return
	}
	content, _ := value.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(content)) {
		if marks(tokens[1], key) {
			c.invalid(a.child("value").key(key), content[key], "cellfed and KubeFed alone write the %s %s: take it out", what, key)
		}
	}
}

// marks reports whether a label or an annotation is one that the propagators write or obey.
func marks(collection, key string) bool {
	return strings.HasPrefix(key, reservedPrefix) || key == v1alpha1.KubeFedManagedLabel ||
		collection == annotationsField && strings.HasPrefix(key, kubeFedPrefix)
}

// kubeFedPrefix is that of the annotations that KubeFed obeys.
const kubeFedPrefix = "kubefed.io/"

// stands has an override of a single annotation or finalizer stand on something, where KubeFed propagates: it takes those
// of the template away first, and adds none by itself.
func (c *checker) stands(a at, collection string, tokens []string, path string, seen map[string]bool) {
	if collection == labelsField || len(tokens) < 3 || !c.propagates(v1alpha1.PropagatorKubeFed) || seen["/metadata/"+collection] {
		return
	}
	c.invalid(a.child("path"), path, "%s finds no %s there to change: add the whole of /metadata/%s instead", c.kubeFed(), collection, collection)
}

// owners says what becomes of an object with owners, and refuses to hold up the deletion of what may be somebody else's: a
// member's API server would ask whether the writer may do that, but the propagator may do everything.
func (c *checker) owners(a at, tokens []string, path string, value any) {
	c.warn(a.child("path"), "%q gives the object an owner: a member whose namespace has no such object, with that UID, deletes it again and again", path)
	if blocks(value) || len(tokens) > 3 && tokens[len(tokens)-1] == "blockOwnerDeletion" && value == true {
		c.invalid(a.child("value"), value, "must not set blockOwnerDeletion: take it out")
	}
}

func blocks(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return v["blockOwnerDeletion"] == true
	case []any:
		return slices.ContainsFunc(v, blocks)
	}
	return false
}
