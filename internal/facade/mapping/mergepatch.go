package mapping

import (
	"fmt"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// MergePatch returns a client's JSON merge patch, or a strategic merge patch, as the member is to apply it to the object
// whose state is current. Taking upstream's label away frees the object; the labels that only the façade writes cannot be
// named. Errors are apierrors with a message for the client.
func (v View) MergePatch(strategic bool, r Resource, patch []byte, current State) (Body, error) {
	if err := checkObject(patch); err != nil {
		return Body{}, err
	}
	top, err := members(string(patch), "")
	if err != nil {
		return Body{}, err
	}
	for _, m := range top {
		if strategic && (m.name == "$patch" || m.name == "$retainKeys") {
			return Body{}, directive(m.name)
		}
	}
	var pinned bool
	w, err := v.topLevel(top, r, len(patch), func(w *objectWriter, metadata string) error {
		w.buf, pinned, err = v.metadataPatch(w.buf, strategic, r, metadata, current)
		return err
	})
	if err != nil {
		return Body{}, err
	}
	return Body{JSON: w.end(), Pinned: pinned}, nil
}

// metadataPatch appends a patch of metadata, and says whether it put the resourceVersion in.
func (v View) metadataPatch(dst []byte, strategic bool, r Resource, metadata string, current State) ([]byte, bool, error) {
	if !isObject(metadata) {
		return nil, false, apierrors.NewBadRequest("a patch must not replace metadata as a whole: patch its fields")
	}
	all, err := members(metadata, "metadata")
	if err != nil {
		return nil, false, err
	}
	versioned := current.ResourceVersion == ""
	w := newObjectWriter(dst)
	for _, m := range all {
		if strategic && (m.name == "$patch" && m.value.Str != "merge" || m.name == "$retainKeys") {
			return nil, false, directive("metadata." + m.name)
		}
		switch m.name {
		case "namespace":
			if m.value.Type != gjson.String || m.value.Str == "" || v.checkNamespace(r, m.value) != nil {
				return nil, false, apierrors.NewBadRequest(fmt.Sprintf(
					"a patch must not set metadata.namespace to %s: an object stays in %q", m.value.Raw, v.Namespace))
			}
			w.key(m.rawKey)
			w.buf = appendString(w.buf, v.TargetNamespace)
		case "name":
			w.key(m.rawKey)
			if w.buf, err = v.nameIn(w.buf, r, m.value); err != nil {
				return nil, false, err
			}
		case "labels":
			w.key(m.rawKey)
			if w.buf, err = v.labelsPatch(w.buf, strategic, r, m.value, current); err != nil {
				return nil, false, err
			}
		case "managedFields":
			w.key(m.rawKey)
			if current.Owner == Ours {
				w.buf = fieldsIn(w.buf, m.value.Raw)
			} else {
				w.buf = append(w.buf, m.value.Raw...)
			}
		case "resourceVersion":
			if !unversioned(m.value) {
				versioned = true
				w.raw(m.rawKey, m.value.Raw)
			}
		default:
			w.raw(m.rawKey, m.value.Raw)
		}
	}
	if !versioned {
		w.str("resourceVersion", current.ResourceVersion)
	}
	return w.end(), !versioned, nil
}

// labelsPatch appends a merge patch of labels as the member is to apply it.
func (v View) labelsPatch(dst []byte, strategic bool, r Resource, labels gjson.Result, current State) ([]byte, error) {
	if labels.Type == gjson.Null {
		return append(dst, labels.Raw...), nil
	}
	if !isObject(labels.Raw) {
		return nil, apierrors.NewBadRequest("metadata.labels must be a JSON object")
	}
	all, err := members(labels.Raw, "metadata.labels")
	if err != nil {
		return nil, err
	}
	// A map that is replaced as a whole holds what the patch holds, nulls included: none may be added.
	replaced := false
	for _, m := range all {
		if strategic && m.name == "$patch" && m.value.Str == "replace" {
			replaced = true
		}
	}
	w := newObjectWriter(dst)
	for _, m := range all {
		switch {
		case isCellLabel(m.name) && m.isNull():
			// The view has no such label, so that taking it away does nothing. kubectl does so when it reads, in the last
			// applied configuration, what the member wrote there on a server-side apply.
		case isCellLabel(m.name):
			return nil, reservedLabel(r, m.name)
		case strategic && m.name == "$retainKeys":
			return nil, directive("metadata.labels." + m.name)
		case m.name == v1alpha1.KubeFedManagedLabel:
			v.managedPatch(w, m, current, replaced)
		case m.name == namespaceNameLabel && r.isNamespace() && m.value.Type == gjson.String:
			w.key(m.rawKey)
			w.buf = appendString(w.buf, v.swapNamespace(m.value.Str))
		default:
			w.raw(m.rawKey, m.value.Raw)
		}
	}
	return w.end(), nil
}

// managedPatch writes what a patch of upstream's label means in the member.
func (v View) managedPatch(w *objectWriter, m member, current State, replaced bool) {
	if m.value.Type == gjson.String && m.value.Str == labelTrue {
		if current.HasKubeFed && !replaced {
			w.raw(m.rawKey, "null")
		}
		v.writeCellLabels(w)
		return
	}
	w.raw(m.rawKey, m.value.Raw)
	if replaced {
		return
	}
	for _, key := range []string{v1alpha1.ManagedLabel, v1alpha1.NamespaceLabel, v1alpha1.CellLabel} {
		w.raw(`"`+key+`"`, "null")
	}
}

func directive(path string) error {
	return apierrors.NewBadRequest("the directive " + quote(path) +
		" could take an object out of the cell's view: patch the fields one by one")
}
