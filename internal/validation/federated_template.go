package validation

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/scope"
)

// template has a template be one of the type's kind, and say nothing that does not reach the members unsaid.
func (c *checker) template() {
	a := in("spec", "template")
	if err := because(c.o.Invalid, federated.ErrTemplate); err != nil {
		c.unusable = true
		value, isThere := c.spec["template"]
		if _, isObject := value.(map[string]any); isObject || !isThere {
			c.invalid(in("spec", "retainReplicas"), c.spec["retainReplicas"], "%s", err)
			return
		}
		c.add(a, field.Invalid(a.path, jsonType(value), err.Error()), err.Error())
		return
	}
	c.templateKind(a)
	metadata, _ := c.o.Template["metadata"].(map[string]any)
	c.templateMetadata(a.child("metadata"), metadata)
	if _, ok := c.o.Template["status"]; ok && c.propagates(v1alpha1.PropagatorCellfed) {
		c.warn(a.child("status"), "is not propagated: the status is the members' own")
	}
	if _, err := render.Render(c.bare(), scope.Topology{}, c.target(), nil); err != nil {
		c.unusable = true
		why := because(err, federated.ErrTemplate).Error()
		c.add(a, field.Invalid(a.path, jsonType(c.spec["template"]), why), why)
	}
}

// jsonType names what a template is in JSON. An error shows that in its place: a template may hold a Secret's data.
func jsonType(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	}
	return "number"
}

// bare returns the object without its overrides and without the labels of the template that a rule refuses by itself.
func (c *checker) bare() *federated.Object {
	o := *c.o
	o.Overrides, o.Invalid = nil, nil
	metadata, _ := o.Template["metadata"].(map[string]any)
	labels, _ := metadata[labelsField].(map[string]any)
	if len(labels) > 0 {
		o.Template, metadata, labels = maps.Clone(o.Template), maps.Clone(metadata), maps.Clone(labels)
		maps.DeleteFunc(labels, func(key string, _ any) bool { return strings.HasPrefix(key, reservedPrefix) })
		metadata[labelsField] = labels
		o.Template["metadata"] = metadata
	}
	return &o
}

// target returns the kind that is propagated: the type's or, where that is not known, the template's.
func (c *checker) target() render.Target {
	if c.facts.Type != nil {
		return c.facts.Type.Target
	}
	apiVersion, _ := c.o.Template["apiVersion"].(string)
	kind, _ := c.o.Template["kind"].(string)
	return render.Target{Kind: schema.FromAPIVersionAndKind(apiVersion, kind), Namespaced: true}
}

func (c *checker) templateKind(a at) {
	if c.facts.Type == nil {
		return
	}
	want := c.facts.Type.Target.Kind
	if value, ok := c.o.Template["kind"]; ok && value != want.Kind && value != "" {
		c.invalid(a.child("kind"), value, "the type propagates %s: write %q, or leave it out", want.Kind, want.Kind)
	}
	if value, ok := c.o.Template["apiVersion"]; ok && value != "" {
		c.apiVersion(a.child("apiVersion"), value, false)
	}
}

// apiVersion has an apiVersion be that of the type. KubeFed writes in the version that is given, so that another one of the
// same group is merely odd there; of another group it would be another kind, for whose scope nobody stands.
func (c *checker) apiVersion(a at, value any, override bool) {
	if c.facts.Type == nil {
		return
	}
	want := c.facts.Type.Target.Kind.GroupVersion()
	text, _ := value.(string)
	if text == want.String() {
		return
	}
	have, err := schema.ParseGroupVersion(text)
	owner, _ := c.owner()
	if c.propagates(v1alpha1.PropagatorKubeFed) && err == nil && text != "" && (have.Group == want.Group || override && !hasOwner(owner)) {
		c.warn(a, "%q is not the %q that the type names: the object cannot be propagated once the type is handed over to cellfed", text, want)
		return
	}
	c.invalid(a, value, "the type propagates %s of %s: write %q, or leave it out", c.facts.Type.Target.Kind.Kind, want, want)
}

func (c *checker) templateMetadata(a at, metadata map[string]any) {
	namespace, _ := metadata["namespace"].(string)
	name, _ := metadata["name"].(string)
	if namespace != "" && c.o.Namespace != "" && namespace != c.o.Namespace {
		c.warn(a.child("namespace"), "%q is not used: what is propagated is in the namespace of the federated object, %q", namespace, c.o.Namespace)
	}
	if name != "" && c.o.Name != "" && name != c.o.Name {
		c.warn(a.child("name"), "%q is not used: what is propagated has the name of the federated object, %q", name, c.o.Name)
	}
	labels, _ := metadata["labels"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		switch {
		case strings.HasPrefix(key, reservedPrefix):
			c.invalid(a.child("labels").key(key), labels[key], "cellfed alone writes %s labels: take it out", reservedPrefix)
		case key == v1alpha1.KubeFedManagedLabel:
			c.warn(a.child("labels").key(key), "is not used: the propagator alone writes this label")
		}
	}
	annotations, _ := metadata["annotations"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		c.templateAnnotation(a.child("annotations").key(key), key, annotations[key])
	}
	c.templateCollection(a.child("finalizers"), metadata["finalizers"], "they would keep the object in a member when it is to go")
	c.templateCollection(a.child("ownerReferences"), metadata["ownerReferences"],
		"an owner has another UID in every cluster, and the member's garbage collector would delete the object for want of it")
}

func (c *checker) templateAnnotation(a at, key string, value any) {
	switch {
	case strings.HasPrefix(key, reservedPrefix):
		c.invalid(a, value, "cellfed alone writes %s annotations: take it out", reservedPrefix)
	case c.propagates(v1alpha1.PropagatorKubeFed):
		c.invalid(a, value, "%s does not propagate annotations of the template: set it by overrides (op add, path /metadata/annotations), "+
			"%s, with the annotation in propagatingAnnotations", c.kubeFed(), c.orCellfed())
	case c.propagates(v1alpha1.PropagatorCellfed) && !c.facts.Type.Annotations.Propagates(key):
		c.warn(a, "is not propagated: no glob in spec.propagatingAnnotations of the FederatedTypePolicy %q matches it; an override can set it", c.facts.Type.Name)
	}
}

// templateCollection is for what of a template's metadata no propagator should propagate.
func (c *checker) templateCollection(a at, value any, why string) {
	if list, isList := value.([]any); value == nil || isList && len(list) == 0 {
		return
	}
	switch {
	case c.propagates(v1alpha1.PropagatorKubeFed):
		c.invalid(a, value, "must not be in a template: %s; take them out", why)
	case c.propagates(v1alpha1.PropagatorCellfed):
		c.warn(a, "are not propagated: %s", why)
	}
}
