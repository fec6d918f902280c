// Package mapping is what the façade does to a request and to its answer, and nothing else: it turns paths, selectors
// and metadata as a client of a cell writes them into what the member cluster holds, and back. It is pure: no
// client, no context, no logger and no clock. A spec is never parsed.
package mapping

import (
	"github.com/tidwall/gjson"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

const labelTrue = "true"

// View is the part of a member cluster that a cell shows.
type View struct {
	// Namespace is the Cell's own namespace in the host cluster, and the one namespace that clients of the façade
	// know.
	Namespace string
	// Cell is the Cell's name.
	Cell string
	// TargetNamespace is the namespace in the member that stands for Namespace. It may be the same.
	TargetNamespace string
}

// Labels returns the labels that mark an object in the member as the cell's. They stand there for upstream's own
// label, v1alpha1.KubeFedManagedLabel.
func (v View) Labels() map[string]string {
	return map[string]string{
		v1alpha1.ManagedLabel:   labelTrue,
		v1alpha1.NamespaceLabel: v.Namespace,
		v1alpha1.CellLabel:      v.Cell,
	}
}

// Resource is a kind of object as paths name it.
type Resource struct {
	Group, Version, Resource string
	// Subresource is empty for the object itself.
	Subresource string
}

func (r Resource) isNamespace() bool { return r.Group == "" && r.Resource == "namespaces" }

func (r Resource) isEvent() bool {
	return r.Resource == "events" && (r.Group == "" || r.Group == "events.k8s.io")
}

// Ownership says who manages an object in a member's target namespace, as its labels tell.
type Ownership int

const (
	// Free objects are managed by nobody. They can be seen through the façade, changed and adopted.
	Free Ownership = iota
	// Ours are the cell's own.
	Ours
	// Foreign objects are managed by upstream through the physical cluster, or by another cell. They are not there
	// for clients of the façade, the Namespace excepted.
	Foreign
	// Outside is what a member answers with that was not asked for: an object of another namespace.
	Outside
)

// String names the ownership for messages.
func (o Ownership) String() string {
	switch o {
	case Free:
		return "free"
	case Ours:
		return "ours"
	case Foreign:
		return "foreign"
	default:
		return "outside"
	}
}

// State is what the façade must know of an object in the member to map a request or an answer that speaks of it.
type State struct {
	// Owner is who manages the object.
	Owner Ownership
	// UID and ResourceVersion are the member's. Empty when the object did not say.
	UID, ResourceVersion string
	// KubeFedValue is the value of upstream's label as it is stored, and HasKubeFed whether there is one.
	KubeFedValue string
	HasKubeFed   bool
}

// Shown says whether clients of the façade see the object.
func (s State) Shown(r Resource) bool {
	switch s.Owner {
	case Free, Ours:
		return true
	case Foreign:
		return r.isNamespace()
	default:
		return false
	}
}

// Read returns the state of an object of the member, given as JSON.
func (v View) Read(r Resource, object []byte) State {
	return v.state(r, gjson.GetBytes(object, "metadata").Raw)
}

// state reads the metadata of an object of the member.
func (v View) state(r Resource, metadata string) State {
	var s State
	outside := false
	var managed, namespace, cell string
	each(metadata, func(key, value gjson.Result) bool {
		switch key.Str {
		case "uid":
			s.UID = value.Str
		case "resourceVersion":
			s.ResourceVersion = value.Str
		case "namespace":
			outside = outside || value.Str != v.TargetNamespace
		case "name":
			outside = outside || r.isNamespace() && value.Str != v.TargetNamespace
		case "labels":
			each(value.Raw, func(key, value gjson.Result) bool {
				switch key.Str {
				case v1alpha1.KubeFedManagedLabel:
					s.KubeFedValue, s.HasKubeFed = value.Str, true
				case v1alpha1.ManagedLabel:
					managed = value.Str
				case v1alpha1.NamespaceLabel:
					namespace = value.Str
				case v1alpha1.CellLabel:
					cell = value.Str
				}
				return true
			})
		}
		return true
	})
	switch {
	case outside:
		s.Owner = Outside
	case s.KubeFedValue == labelTrue:
		s.Owner = Foreign
	case managed == labelTrue && namespace == v.Namespace && cell == v.Cell:
		s.Owner = Ours
	case managed == labelTrue:
		s.Owner = Foreign
	}
	return s
}

// viewLabel returns upstream's label as the view shows it, for selectors to be matched against.
func (s State) viewLabel() (value string, ok bool) {
	switch s.Owner {
	case Ours:
		return labelTrue, true
	case Free:
		return s.KubeFedValue, s.HasKubeFed
	default:
		return "", false
	}
}

// isCellLabel says whether a key is one of the labels that mark a cell's objects in a member.
func isCellLabel(key string) bool {
	return key == v1alpha1.ManagedLabel || key == v1alpha1.NamespaceLabel || key == v1alpha1.CellLabel
}
