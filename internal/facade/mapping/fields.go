package mapping

import (
	"github.com/tidwall/gjson"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// The paths of labels in managedFields, as kubectl and server-side apply read them.
const (
	kubeFedField   = "f:" + v1alpha1.KubeFedManagedLabel
	managedField   = "f:" + v1alpha1.ManagedLabel
	namespaceField = "f:" + v1alpha1.NamespaceLabel
	cellField      = "f:" + v1alpha1.CellLabel
)

// fieldsOut appends managedFields of the member as the view shows them: who owns cellfed's managed label owns upstream's
// here, and the other two are hidden.
func fieldsOut(dst []byte, managedFields string) []byte {
	return mapLabelFields(dst, managedFields, func(w *objectWriter, key, value gjson.Result) {
		switch key.Str {
		case managedField:
			w.raw(`"`+kubeFedField+`"`, value.Raw)
		case namespaceField, cellField:
		default:
			w.raw(key.Raw, value.Raw)
		}
	})
}

// fieldsIn is the inverse of fieldsOut for an object that is the cell's.
func fieldsIn(dst []byte, managedFields string) []byte {
	return mapLabelFields(dst, managedFields, func(w *objectWriter, key, value gjson.Result) {
		switch key.Str {
		case kubeFedField:
			w.raw(`"`+managedField+`"`, value.Raw)
			w.raw(`"`+namespaceField+`"`, value.Raw)
			w.raw(`"`+cellField+`"`, value.Raw)
		case managedField, namespaceField, cellField:
		default:
			w.raw(key.Raw, value.Raw)
		}
	})
}

// mapLabelFields appends managedFields with every member of [*].fieldsV1.f:metadata.f:labels given to f.
func mapLabelFields(dst []byte, managedFields string, f func(w *objectWriter, key, value gjson.Result)) []byte {
	if firstByte(managedFields) != '[' {
		return append(dst, managedFields...)
	}
	dst = append(dst, '[')
	first := true
	gjson.Result{Type: gjson.JSON, Raw: managedFields}.ForEach(func(_, entry gjson.Result) bool {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = descend(dst, entry.Raw, []string{"fieldsV1", "f:metadata", "f:labels"}, f)
		return true
	})
	return append(dst, ']')
}

// descend appends an object with the members of the object at path given to f.
func descend(dst []byte, raw string, path []string, f func(w *objectWriter, key, value gjson.Result)) []byte {
	if !isObject(raw) {
		return append(dst, raw...)
	}
	w := newObjectWriter(dst)
	each(raw, func(key, value gjson.Result) bool {
		switch {
		case len(path) == 0:
			f(w, key, value)
		case key.Str == path[0]:
			w.key(key.Raw)
			w.buf = descend(w.buf, value.Raw, path[1:], f)
		default:
			w.raw(key.Raw, value.Raw)
		}
		return true
	})
	return w.end()
}
