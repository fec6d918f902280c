package mapping

import (
	"strings"

	"github.com/tidwall/gjson"
)

// isTable says whether an object is a Table of the API server's making.
func isTable(object []byte) bool {
	return gjson.GetBytes(object, "kind").Str == "Table" &&
		strings.HasPrefix(gjson.GetBytes(object, "apiVersion").Str, "meta.k8s.io/")
}

// rowOut appends a row of a Table as the view shows it. bare leaves its object out. A row that the view does not show is not
// appended.
func (v View) rowOut(dst []byte, r Resource, row []byte, bare bool) ([]byte, State) {
	object := gjson.GetBytes(row, "object")
	mapped, state := v.Out(nil, r, []byte(object.Raw))
	if !isObject(object.Raw) {
		// Whose it is cannot be told.
		state.Owner = Outside
	}
	if !state.Shown(r) {
		return dst, state
	}
	w := newObjectWriter(dst)
	each(string(row), func(key, value gjson.Result) bool {
		w.key(key.Raw)
		switch {
		case key.Str == "object" && bare:
			w.buf = append(w.buf, "null"...)
		case key.Str == "object":
			w.buf = append(w.buf, mapped...)
		case key.Str == "cells" && r.isNamespace():
			w.buf = v.namespaceCells(w.buf, value.Raw)
		default:
			w.buf = append(w.buf, value.Raw...)
		}
		return true
	})
	return w.end(), state
}

// namespaceCells appends the cells of a Namespace's row, the first of which is its name.
func (v View) namespaceCells(dst []byte, cells string) []byte {
	if firstByte(cells) != '[' {
		return append(dst, cells...)
	}
	dst = append(dst, '[')
	i := 0
	gjson.Result{Type: gjson.JSON, Raw: cells}.ForEach(func(_, cell gjson.Result) bool {
		if i > 0 {
			dst = append(dst, ',')
		}
		if i == 0 && cell.Type == gjson.String && cell.Str == v.TargetNamespace {
			dst = appendString(dst, v.Namespace)
		} else {
			dst = append(dst, cell.Raw...)
		}
		i++
		return true
	})
	return append(dst, ']')
}

// tableOut appends a Table that holds rows of one object, as the answer to a get or in a watch event. It says in which
// state the object is, and appends the Table without rows when the view does not show it.
func (v View) tableOut(dst []byte, r Resource, table []byte, bare bool) ([]byte, State) {
	state := State{Owner: Outside}
	w := newObjectWriter(dst)
	each(string(table), func(key, value gjson.Result) bool {
		w.key(key.Raw)
		if key.Str != "rows" || firstByte(value.Raw) != '[' {
			w.buf = append(w.buf, value.Raw...)
			return true
		}
		w.buf = append(w.buf, '[')
		first := true
		value.ForEach(func(_, row gjson.Result) bool {
			before := len(w.buf)
			if !first {
				w.buf = append(w.buf, ',')
			}
			start := len(w.buf)
			w.buf, state = v.rowOut(w.buf, r, []byte(row.Raw), bare)
			if len(w.buf) == start {
				w.buf = w.buf[:before]
			} else {
				first = false
			}
			return true
		})
		w.buf = append(w.buf, ']')
		return true
	})
	return w.end(), state
}

// ObjectOut returns a single object, or the Table that stands for it, as the view shows it, and its state in the member.
// The result is nil when the view does not show it.
func (v View) ObjectOut(r Resource, object []byte, bare bool) ([]byte, State) {
	dst := make([]byte, 0, len(object)+256)
	var state State
	if isTable(object) {
		dst, state = v.tableOut(dst, r, object, bare)
	} else {
		dst, state = v.Out(dst, r, object)
	}
	if !state.Shown(r) {
		return nil, state
	}
	return dst, state
}
