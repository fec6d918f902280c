package validation

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// HandBack returns why a stored federated object, whose type cellfed propagates, must not be given to KubeFed: what KubeFed
// cannot do, or would do where cellfed does not. facts.Type is the type as it is, with cellfed's policy.
//
// An object that is being deleted is put nowhere any more. Nor does it matter what no propagator goes by: the owner's labels on the
// object, annotations of the template that the policy does not propagate, the template's finalizers, and what a mask names
// beyond what is placed. Annotations that cellfed propagates do: what joins later would get the object without them.
func HandBack(object *unstructured.Unstructured, facts Facts) field.ErrorList {
	if object.GetDeletionTimestamp() != nil {
		return nil
	}
	c, err := readFederated(unignored(object, facts.Type), facts.forKubeFed())
	if err != nil {
		return field.ErrorList{field.Invalid(field.NewPath("apiVersion"), object.GetAPIVersion(), err.Error())}
	}
	c.handingBack = true
	c.fitness(nil)
	c.handedBackMask()
	return c.result().Errors
}

// handedBackMask has the mask hold nothing back. One that cannot be read holds everything.
func (c *checker) handedBackMask() {
	value, ok := c.spec["placementMask"]
	if !ok {
		return
	}
	a := in("spec", "placementMask")
	if err := because(c.o.Invalid, federated.ErrMask); err != nil {
		c.invalid(a, value, "%s", err)
		return
	}
	if because(c.o.Invalid, federated.ErrPlacement) == nil {
		c.obeyed(a, c.holding(nil))
	}
}

// unignored returns an object without what neither propagator goes by, as far as the type is known.
func unignored(object *unstructured.Unstructured, t *Type) *unstructured.Unstructured {
	if t == nil {
		return object
	}
	return &unstructured.Unstructured{Object: withoutIgnored(object.Object, t)}
}

// withoutIgnored returns an object without what neither propagator goes by. It shares the rest.
func withoutIgnored(object map[string]any, t *Type) map[string]any {
	for _, key := range []string{v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel} {
		object = without(object, "metadata", labelsField, key)
	}
	object = without(object, "spec", "template", "metadata", finalizersField)
	annotations, _, _ := unstructured.NestedFieldNoCopy(object, "spec", "template", "metadata", annotationsField)
	content, _ := annotations.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(content)) {
		if !t.Annotations.Propagates(key) {
			object = without(object, "spec", "template", "metadata", annotationsField, key)
		}
	}
	return object
}

// without returns content without a field. It shares the rest.
func without(content map[string]any, path ...string) map[string]any {
	value, ok := content[path[0]]
	if !ok {
		return content
	}
	inner, isObject := value.(map[string]any)
	if len(path) > 1 && !isObject {
		return content
	}
	content = maps.Clone(content)
	if len(path) == 1 {
		delete(content, path[0])
	} else {
		content[path[0]] = without(inner, path[1:]...)
	}
	return content
}
