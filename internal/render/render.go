// Package render makes of a federated object what a member is to hold, keeps of the member's object what is the
// member's own, and tells whether the two differ. All of it is pure.
package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
)

// ErrTopology means that a topology cannot hold the object, whatever its template says: the object is of another
// namespace than the cell, or belongs to no namespace.
var ErrTopology = errors.New("the topology cannot hold the object")

// Target is the kind of what a federated type puts into the members.
type Target struct {
	Kind       schema.GroupVersionKind
	Namespaced bool
}

// IsNamespace says whether the target is the Namespace, which is named after the namespace of a cell in the member.
func (t Target) IsNamespace() bool { return t.Kind.Group == "" && t.Kind.Kind == "Namespace" }

func (t Target) isSecret() bool { return t.Kind.Group == "" && t.Kind.Kind == "Secret" }

// Rendered is what a member is to hold.
type Rendered struct {
	// Object is the whole of it. It shares nothing with the federated object.
	Object         *unstructured.Unstructured
	retainReplicas bool
	policy         *Policy
	// overridden are the JSON pointers that the topology's overrides name.
	overridden []string
	// Dropped is what of the template's metadata is not propagated: the keys of annotations, and the words
	// "finalizers" and "ownerReferences". Sorted.
	Dropped []string
}

// Render returns what a topology's member is to hold: the template, then the topology's overrides, then what ties the
// object to the federated one. Errors are federated.ErrTemplate, federated.ErrOverrides or ErrTopology.
//
// The name, the namespace and the kind are never the template's. Its annotations are dropped but for those that the policy
// propagates, its finalizers and owner references always; overrides can set all of these. Where there are none to begin
// with, an override of a single annotation finds an empty collection instead of failing.
func Render(o *federated.Object, t scope.Topology, target Target, p *Policy) (*Rendered, error) {
	if o.Invalid != nil {
		for _, kind := range []error{federated.ErrTemplate, federated.ErrOverrides} {
			if errors.Is(o.Invalid, kind) {
				return nil, o.Invalid
			}
		}
	}
	if err := checkTopology(o, t, target); err != nil {
		return nil, err
	}
	object := map[string]any{}
	if o.Template != nil {
		object = runtime.DeepCopyJSON(o.Template)
	}
	metadata, err := templateMetadata(object)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", federated.ErrTemplate, err)
	}
	r := &Rendered{Dropped: p.strip(metadata), retainReplicas: o.RetainReplicas, policy: p}
	identify(object, o.Namespace, o.Name, target)
	if overrides := o.Overrides[t.Name]; len(overrides) > 0 {
		for _, each := range overrides {
			r.overridden = append(r.overridden, each.Path)
		}
		if object, err = override(object, overrides); err == nil {
			_, err = templateMetadata(object)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: those of %q: %w", federated.ErrOverrides, t.Name, err)
		}
	}
	finish(object, o, t, target)
	r.Object = &unstructured.Unstructured{Object: object}
	return r, nil
}

// checkTopology refuses what must not happen, so that no mistake elsewhere carries an object out of its namespace.
func checkTopology(o *federated.Object, t scope.Topology, target Target) error {
	if t.View == nil {
		return nil
	}
	switch {
	case t.View.TargetNamespace == "":
		return fmt.Errorf("%w: the cell %q has no target namespace", ErrTopology, t.Name)
	case o.Namespace == "" || o.Namespace != t.View.Namespace:
		return fmt.Errorf("%w: it is in namespace %q, the cell %q serves namespace %q alone", ErrTopology, o.Namespace, t.Name, t.View.Namespace)
	case target.IsNamespace() && o.Name != o.Namespace:
		return fmt.Errorf("%w: it stands for the namespace %q, the cell %q serves namespace %q alone", ErrTopology, o.Name, t.Name, t.View.Namespace)
	case !target.Namespaced && !target.IsNamespace():
		return fmt.Errorf("%w: a %s is in no namespace and cannot be put into the cell %q: place it on physical clusters", ErrTopology, target.Kind.Kind, t.Name)
	}
	return nil
}

// finish gives a rendered object what ties it to the federated one, and takes away what is not the federated object's to
// say.
func finish(object map[string]any, o *federated.Object, t scope.Topology, target Target) {
	delete(object, "status")
	if target.isSecret() {
		storedForm(object)
	}
	metadata, _ := object["metadata"].(map[string]any)
	for _, key := range serverOwned {
		delete(metadata, key)
	}
	for _, key := range []string{"annotations", "finalizers", "ownerReferences"} {
		if isEmpty(metadata[key]) {
			delete(metadata, key)
		}
	}
	namespace, name := o.Namespace, o.Name
	if t.View != nil {
		namespace = t.View.TargetNamespace
		if target.IsNamespace() {
			name = t.View.TargetNamespace
		}
	}
	identify(object, namespace, name, target)
	label(object, t, target)
}

// identify sets name, namespace and kind. The apiVersion is the template's as long as it has one.
func identify(object map[string]any, namespace, name string, target Target) {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		object["metadata"] = metadata
	}
	metadata["name"] = name
	if target.Namespaced && !target.IsNamespace() {
		metadata["namespace"] = namespace
	} else {
		delete(metadata, "namespace")
	}
	object["kind"] = target.Kind.Kind
	if version, _ := object["apiVersion"].(string); version == "" {
		object["apiVersion"] = target.Kind.GroupVersion().String()
	}
}

// Digest stands for Object and for what decides which part of it the member has the last word on: a change of either is a
// reason to look at the member's object. It is the same for the same input, always.
func (r *Rendered) Digest() string {
	h := sha256.New()
	content, _ := json.Marshal(r.Object.Object) // It came from JSON.
	h.Write(content)
	if r.retainReplicas {
		h.Write([]byte("\nretainReplicas"))
	}
	if r.policy != nil {
		for _, path := range r.policy.Retain {
			h.Write([]byte("\n" + path.String()))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// Version names the state of a member's object in upstream's words: by its generation, or by its resourceVersion where
// the kind counts none.
func Version(live *unstructured.Unstructured) string {
	if generation := live.GetGeneration(); generation != 0 {
		return "gen:" + strconv.FormatInt(generation, 10)
	}
	return "rv:" + live.GetResourceVersion()
}
