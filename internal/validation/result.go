// Package validation says what must never be stored, and what is merely odd: the rules of admission. Every error names a
// field, the value and the way out, in the words of the version that was written.
//
// Everything here is a pure function of objects and of what surrounds them. What surrounds an object may be unknown, to
// a linter that reads files alone: a rule that needs it is silent then.
package validation

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/scope"
)

// Result is what is wrong with an object, and what is odd about it.
type Result struct {
	// Errors forbid to store the object.
	Errors field.ErrorList
	// Warnings are for whoever writes it.
	Warnings []string
}

// Type is what must be known of the type of a federated object.
type Type struct {
	// Name is the FederatedTypeConfig's.
	Name string
	// Target is the kind of what the type puts into members.
	Target render.Target
	// Namespaced says that the federated kind itself is namespaced, as that of Namespaces is.
	Namespaced bool
	// Propagator is who writes the type to members now.
	Propagator v1alpha1.Propagator
	// HandingBack says of a type that cellfed propagates that it is to be given to KubeFed: a write must not bring what holds that up.
	HandingBack bool
	// PolicyDeleted says that the FederatedTypePolicy is being deleted, which nobody can take back.
	PolicyDeleted bool
	// Annotations is the type's policy, which tells the annotations that are propagated. A nil one propagates none.
	Annotations *render.Policy
}

// Facts is what surrounds a federated object. What is not known is left out.
type Facts struct {
	// Type is nil where nobody federates the object's kind, or nobody knows. In a namespace that is known to be a tenant's
	// the object is judged as one of KubeFed's then.
	Type *Type
	// NamespaceLabels are those of the object's Namespace, if NamespaceKnown.
	NamespaceLabels map[string]string
	NamespaceKnown  bool
	// Topologies are the cells of the object's namespace and all physical clusters, if TopologiesKnown.
	Topologies      []scope.Topology
	TopologiesKnown bool
}
