package mapping

import (
	"fmt"
	"strconv"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// Write is the kind of write that a body stands for. It decides what a body that says nothing of upstream's label means.
type Write int

const (
	// Create makes a new object. It is the cell's, whether the body carries upstream's label or not.
	Create Write = iota
	// Update replaces an object. One whose body lacks upstream's label is free from then on.
	Update
	// Apply is a server-side apply. It never takes upstream's label away by leaving it out.
	Apply
)

// Body is a body for the member.
type Body struct {
	JSON []byte
	// Pinned says that the façade made the write depend on the version of the object that it looked at. A conflict is
	// then one that the client did not ask for: look again and retry.
	Pinned bool
}

// In returns the object that a client sent, as JSON, as the member is to hold it. current is the object's state in the
// member, nil when there is none; where the client named no resourceVersion, the state's is put in, so that the
// write happens to the object that was looked at and to no other. Errors are apierrors with a message for the client.
func (v View) In(write Write, r Resource, body []byte, current *State) (Body, error) {
	if err := checkObject(body); err != nil {
		return Body{}, err
	}
	top, err := members(string(body), "")
	if err != nil {
		return Body{}, err
	}
	var pinned bool
	w, err := v.topLevel(top, r, len(body), func(w *objectWriter, metadata string) error {
		w.buf, pinned, err = v.metadataIn(w.buf, write, r, metadata, current)
		return err
	})
	if err != nil {
		return Body{}, err
	}
	return Body{JSON: w.end(), Pinned: pinned}, nil
}

// topLevel writes the members of a client's body with its metadata, {} when it has none, given to f.
func (v View) topLevel(top []member, r Resource, size int, f func(w *objectWriter, metadata string) error) (*objectWriter, error) {
	w := newObjectWriter(make([]byte, 0, size+256))
	seen := false
	for _, m := range top {
		w.key(m.rawKey)
		switch {
		case m.name == "metadata":
			seen = true
			if err := f(w, m.value.Raw); err != nil {
				return nil, err
			}
		case r.isEvent() && eventReferences[m.name]:
			w.buf = mapReference(w.buf, m.value.Raw, v.Namespace, v.TargetNamespace)
		default:
			w.buf = append(w.buf, m.value.Raw...)
		}
	}
	if seen {
		return w, nil
	}
	before := *w
	w.key(`"metadata"`)
	start := len(w.buf)
	if err := f(w, "{}"); err != nil {
		return nil, err
	}
	if string(w.buf[start:]) == "{}" {
		*w = before
	}
	return w, nil
}

// metadataIn appends a body's metadata, and says whether it put the resourceVersion in.
func (v View) metadataIn(dst []byte, write Write, r Resource, metadata string, current *State) ([]byte, bool, error) {
	if !isObject(metadata) {
		return nil, false, apierrors.NewBadRequest("metadata must be a JSON object")
	}
	all, err := members(metadata, "metadata")
	if err != nil {
		return nil, false, err
	}
	labels := ""
	for _, m := range all {
		if m.name == "labels" && !m.isNull() {
			labels = m.value.Raw
		}
	}
	plan, err := v.planLabels(write, r, labels, current)
	if err != nil {
		return nil, false, err
	}
	w := newObjectWriter(dst)
	named := false
	for _, m := range all {
		switch m.name {
		case "namespace":
			if err := v.checkNamespace(r, m.value); err != nil {
				return nil, false, err
			}
			w.key(m.rawKey)
			if m.value.Str == "" {
				w.buf = append(w.buf, m.value.Raw...)
			} else {
				w.buf = appendString(w.buf, v.TargetNamespace)
			}
		case "name":
			named = true
			w.key(m.rawKey)
			if w.buf, err = v.nameIn(w.buf, r, m.value); err != nil {
				return nil, false, err
			}
		case "labels":
			if !plan.touch {
				w.raw(m.rawKey, m.value.Raw)
			}
		case "managedFields":
			w.key(m.rawKey)
			if plan.ours {
				w.buf = fieldsIn(w.buf, m.value.Raw)
			} else {
				w.buf = append(w.buf, m.value.Raw...)
			}
		case "resourceVersion":
			if !unversioned(m.value) {
				current = nil
				w.raw(m.rawKey, m.value.Raw)
			}
		default:
			w.raw(m.rawKey, m.value.Raw)
		}
	}
	if r.isNamespace() && write == Create && !named {
		return nil, false, v.otherNamespace(r, "")
	}
	if plan.touch {
		w.key(`"labels"`)
		w.buf = v.writeLabels(w.buf, r, plan)
	}
	pinned := current != nil && current.ResourceVersion != ""
	if pinned {
		w.str("resourceVersion", current.ResourceVersion)
	}
	return w.end(), pinned, nil
}

// unversioned says whether a client's resourceVersion stands for no version. The API server parses it as a number, and
// 0 means any version.
func unversioned(value gjson.Result) bool {
	if value.Type != gjson.String {
		return value.Type == gjson.Null
	}
	if value.Str == "" {
		return true
	}
	n, err := strconv.ParseUint(value.Str, 10, 64)
	return err == nil && n == 0
}

// checkNamespace refuses a body's namespace that is not the view's.
func (v View) checkNamespace(r Resource, value gjson.Result) error {
	switch {
	case value.Type == gjson.Null, value.Type == gjson.String && value.Str == "":
		return nil
	case value.Type == gjson.String && value.Str == v.Namespace && !r.isNamespace():
		return nil
	case r.isNamespace():
		return apierrors.NewBadRequest("metadata.namespace must be empty for a Namespace")
	default:
		return apierrors.NewBadRequest(fmt.Sprintf("the namespace of the object, %s, is not the namespace of the request, %q",
			value.Raw, v.Namespace))
	}
}

// nameIn appends an object's name as the member knows it: only the Namespace's differs.
func (v View) nameIn(dst []byte, r Resource, value gjson.Result) ([]byte, error) {
	if !r.isNamespace() {
		return append(dst, value.Raw...), nil
	}
	if value.Type != gjson.String || value.Str != v.Namespace {
		return nil, v.otherNamespace(r, value.Str)
	}
	return appendString(dst, v.TargetNamespace), nil
}

// otherNamespace is the refusal of anything that speaks of a namespace that the cell does not show.
func (v View) otherNamespace(r Resource, asked string) error {
	return apierrors.NewForbidden(schema.GroupResource{Group: r.Group, Resource: r.Resource}, "",
		fmt.Errorf("the request is for the namespace %q: cell %q shows the namespace %q and no other", asked, v.Cell, v.Namespace))
}

// labelPlan is what becomes of a body's labels.
type labelPlan struct {
	// touch is false when the labels are sent as they came.
	touch bool
	// ours says that the object is the cell's after the write.
	ours   bool
	labels []member
}

// planLabels checks a body's labels, "" for none, and decides whose the object will be.
func (v View) planLabels(write Write, r Resource, labels string, current *State) (labelPlan, error) {
	var plan labelPlan
	value, has := "", false
	if labels != "" {
		if !isObject(labels) {
			return plan, apierrors.NewBadRequest("metadata.labels must be a JSON object")
		}
		var err error
		if plan.labels, err = members(labels, "metadata.labels"); err != nil {
			return plan, err
		}
		plan.touch = true
	}
	for _, m := range plan.labels {
		if isCellLabel(m.name) {
			return plan, reservedLabel(r, m.name)
		}
		if m.name == v1alpha1.KubeFedManagedLabel {
			value, has = m.value.Str, m.value.Type == gjson.String
		}
	}
	switch {
	case has:
		plan.ours = value == labelTrue
	case r.Subresource == "scale":
		// A Scale carries no labels of the object that it scales.
	case current == nil:
		plan.ours = write != Update
	case write == Apply, r.Subresource != "":
		plan.ours = current.Owner == Ours
	}
	plan.touch = plan.touch || plan.ours
	return plan, nil
}

// reservedLabel is the refusal of a label that only the façade writes.
func reservedLabel(r Resource, key string) error {
	return apierrors.NewForbidden(schema.GroupResource{Group: r.Group, Resource: r.Resource}, "",
		fmt.Errorf("the label %q is written by cellfed alone: set %q to %q, and it follows", key,
			v1alpha1.KubeFedManagedLabel, labelTrue))
}

// writeLabels appends the labels of a plan as the member is to hold them.
func (v View) writeLabels(dst []byte, r Resource, plan labelPlan) []byte {
	w := newObjectWriter(dst)
	for _, m := range plan.labels {
		switch {
		case m.name == v1alpha1.KubeFedManagedLabel && plan.ours:
		case m.name == namespaceNameLabel && r.isNamespace() && m.value.Type == gjson.String:
			w.key(m.rawKey)
			w.buf = appendString(w.buf, v.swapNamespace(m.value.Str))
		default:
			w.raw(m.rawKey, m.value.Raw)
		}
	}
	if plan.ours {
		v.writeCellLabels(w)
	}
	return w.end()
}

func (v View) writeCellLabels(w *objectWriter) {
	w.str(v1alpha1.ManagedLabel, labelTrue)
	w.str(v1alpha1.NamespaceLabel, v.Namespace)
	w.str(v1alpha1.CellLabel, v.Cell)
}
