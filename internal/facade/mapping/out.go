package mapping

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// namespaceNameLabel is set on every Namespace to its own name by the API server.
const namespaceNameLabel = "kubernetes.io/metadata.name"

// Out appends an object of the member, given as JSON, to dst as the view shows it. Everything outside metadata is
// copied byte for byte, the references of an Event excepted. An object that the view does not show is not appended. The
// state is of the object as the member holds it.
func (v View) Out(dst []byte, r Resource, object []byte) ([]byte, State) {
	metadata := gjson.GetBytes(object, "metadata")
	state := v.state(r, metadata.Raw)
	if !state.Shown(r) {
		return dst, state
	}
	if r.isEvent() {
		return v.eventOut(dst, r, object, state), state
	}
	if metadata.Index == 0 || !isObject(metadata.Raw) {
		return append(dst, object...), state
	}
	dst = append(dst, object[:metadata.Index]...)
	dst = v.metadataOut(dst, r, metadata.Raw, state)
	return append(dst, object[metadata.Index+len(metadata.Raw):]...), state
}

// metadataOut appends the metadata of an object of the member as the view shows it.
func (v View) metadataOut(dst []byte, r Resource, metadata string, state State) []byte {
	w := newObjectWriter(dst)
	labeled := false
	each(metadata, func(key, value gjson.Result) bool {
		switch {
		case key.Str == "selfLink":
			// It was a path of the member, which means nothing here.
		case key.Str == "namespace" && value.Str == v.TargetNamespace,
			key.Str == "name" && r.isNamespace() && value.Str == v.TargetNamespace:
			w.key(key.Raw)
			w.buf = appendString(w.buf, v.Namespace)
		case key.Str == "labels" && isObject(value.Raw):
			labeled = true
			w.key(key.Raw)
			w.buf = v.labelsOut(w.buf, r, value.Raw, state)
		case key.Str == "managedFields" && strings.Contains(value.Raw, v1alpha1.GroupVersion.Group):
			w.key(key.Raw)
			w.buf = fieldsOut(w.buf, value.Raw)
		default:
			w.raw(key.Raw, value.Raw)
		}
		return true
	})
	if state.Owner == Ours && !labeled {
		w.key(`"labels"`)
		w.buf = v.labelsOut(w.buf, r, "{}", state)
	}
	return w.end()
}

// labelsOut appends the labels of an object of the member as the view shows them: the cell's three are gone, and
// upstream's is there in their stead when the object is the cell's.
func (v View) labelsOut(dst []byte, r Resource, labels string, state State) []byte {
	w := newObjectWriter(dst)
	each(labels, func(key, value gjson.Result) bool {
		switch {
		case isCellLabel(key.Str):
		case key.Str == v1alpha1.KubeFedManagedLabel && state.Owner != Free:
		case key.Str == namespaceNameLabel && r.isNamespace():
			w.key(key.Raw)
			w.buf = appendString(w.buf, v.swapNamespace(value.Str))
		default:
			w.raw(key.Raw, value.Raw)
		}
		return true
	})
	if state.Owner == Ours {
		w.str(v1alpha1.KubeFedManagedLabel, labelTrue)
	}
	return w.end()
}

// swapNamespace maps a namespace's name, both ways: the view's and the member's change places, so that the map is one
// to one, and others stay what they are.
func (v View) swapNamespace(name string) string {
	switch name {
	case v.Namespace:
		return v.TargetNamespace
	case v.TargetNamespace:
		return v.Namespace
	default:
		return name
	}
}

// eventReferences are the fields of an Event, in its two groups, that refer to an object.
var eventReferences = map[string]bool{"involvedObject": true, "regarding": true, "related": true}

// eventOut appends an Event with the namespaces of what it speaks of mapped: an Event's must be its own, and
// clients select by it.
func (v View) eventOut(dst []byte, r Resource, object []byte, state State) []byte {
	w := newObjectWriter(dst)
	each(string(object), func(key, value gjson.Result) bool {
		w.key(key.Raw)
		switch {
		case key.Str == "metadata" && isObject(value.Raw):
			w.buf = v.metadataOut(w.buf, r, value.Raw, state)
		case eventReferences[key.Str]:
			w.buf = mapReference(w.buf, value.Raw, v.TargetNamespace, v.Namespace)
		default:
			w.buf = append(w.buf, value.Raw...)
		}
		return true
	})
	return w.end()
}

// mapReference appends an object reference with one namespace replaced by another, also where it is the name of a
// Namespace.
func mapReference(dst []byte, ref, from, to string) []byte {
	if from == to || !isObject(ref) {
		return append(dst, ref...)
	}
	ofNamespace := gjson.Get(ref, "kind").Str == "Namespace"
	w := newObjectWriter(dst)
	each(ref, func(key, value gjson.Result) bool {
		if value.Str == from && (key.Str == "namespace" || key.Str == "name" && ofNamespace) {
			w.key(key.Raw)
			w.buf = appendString(w.buf, to)
		} else {
			w.raw(key.Raw, value.Raw)
		}
		return true
	})
	return w.end()
}
