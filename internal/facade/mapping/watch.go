package mapping

import (
	"fmt"

	"github.com/tidwall/gjson"
)

// maxHidden bounds what a Watch remembers of objects that it does not show.
const maxHidden = 4096

// Watch maps the events of one watch.
//
// An object can leave the view while the member still matches it, because somebody else took it over; clients are told
// that it is deleted, once. An object that comes into the view is told as added.
type Watch struct {
	view     View
	resource Resource
	route    *Route
	// hidden holds the UIDs of objects that clients do not see, as far as it is known.
	hidden map[string]struct{}
	// columns holds the definitions of a Table's columns, which come with the first event only, while that event is
	// not shown.
	columns string
}

// NewWatch returns the mapping for the events of one watch.
func (v View) NewWatch(r Resource, route *Route) *Watch {
	return &Watch{view: v, resource: r, route: route}
}

// Event appends an event as the view shows it, and nothing when it is not to be sent.
func (w *Watch) Event(dst, event []byte) ([]byte, error) {
	kind := gjson.GetBytes(event, "type")
	object := gjson.GetBytes(event, "object")
	if kind.Type != gjson.String || !isObject(object.Raw) {
		return dst, fmt.Errorf("%w: not a watch event", ErrMalformed)
	}
	switch kind.Str {
	case "ADDED", "MODIFIED", "DELETED":
	default:
		// BOOKMARK carries no object, ERROR a Status.
		return append(dst, event...), nil
	}
	raw := []byte(object.Raw)
	table := isTable(raw)
	var mapped []byte
	var state State
	if table {
		raw = w.withColumns(raw)
		mapped, state = w.view.tableOut(nil, w.resource, raw, w.route.BareRows)
	} else {
		mapped, state = w.view.Out(make([]byte, 0, len(raw)+256), w.resource, raw)
	}
	eventType, body := w.decide(kind.Str, state, raw, mapped, table)
	if eventType == "" {
		if table {
			w.keepColumns(raw)
		}
		return dst, nil
	}
	dst = append(dst, `{"type":"`...)
	dst = append(dst, eventType...)
	dst = append(dst, `","object":`...)
	dst = append(dst, body...)
	return append(dst, '}'), nil
}

// decide returns the type and the object of the event to be sent, an empty type for none.
func (w *Watch) decide(kind string, state State, raw, mapped []byte, table bool) (string, []byte) {
	_, hidden := w.hidden[state.UID]
	visible := w.route.Filter.Visible(w.resource, state)
	switch {
	case visible && kind == "MODIFIED" && hidden:
		delete(w.hidden, state.UID)
		return "ADDED", mapped
	case visible:
		delete(w.hidden, state.UID)
		return kind, mapped
	case kind == "DELETED":
		delete(w.hidden, state.UID)
		return "", nil
	case kind == "ADDED" || hidden || state.Owner == Outside || w.route.Filter.nothing:
		w.hide(state.UID)
		return "", nil
	}
	w.hide(state.UID)
	return "DELETED", w.gone(raw, mapped, state, table)
}

func (w *Watch) hide(uid string) {
	if w.route.Filter.nothing {
		return
	}
	if w.hidden == nil || len(w.hidden) >= maxHidden {
		w.hidden = make(map[string]struct{})
	}
	w.hidden[uid] = struct{}{}
}

// gone returns the object of the event that tells that an object left the view: all of it when it is still one that the
// cell may read, else its name and nothing that somebody else wrote.
func (w *Watch) gone(raw, mapped []byte, state State, table bool) []byte {
	if state.Shown(w.resource) {
		return mapped
	}
	if !table {
		return w.tombstone(raw)
	}
	o := newObjectWriter(nil)
	each(string(raw), func(key, value gjson.Result) bool {
		if key.Str != "rows" {
			o.raw(key.Raw, value.Raw)
			return true
		}
		row := value.Get("0")
		o.key(key.Raw)
		o.buf = append(o.buf, `[{"cells":[`...)
		for i := range row.Get("cells.#").Int() {
			if i > 0 {
				o.buf = append(o.buf, ",null"...)
			} else {
				o.buf = appendString(o.buf, row.Get("object.metadata.name").Str)
			}
		}
		o.buf = append(o.buf, `],"object":`...)
		if w.route.BareRows {
			o.buf = append(o.buf, "null"...)
		} else {
			o.buf = append(o.buf, w.tombstone([]byte(row.Get("object").Raw))...)
		}
		o.buf = append(o.buf, "}]"...)
		return true
	})
	return o.end()
}

// tombstone returns what may be told of an object that somebody else took over.
func (w *Watch) tombstone(object []byte) []byte {
	o := newObjectWriter(nil)
	for _, key := range []string{"kind", "apiVersion"} {
		if value := gjson.GetBytes(object, key); value.Type == gjson.String {
			o.raw(`"`+key+`"`, value.Raw)
		}
	}
	o.key(`"metadata"`)
	m := newObjectWriter(o.buf)
	metadata := gjson.GetBytes(object, "metadata")
	for _, key := range []string{"name", "uid", "resourceVersion"} {
		if value := metadata.Get(key); value.Type == gjson.String {
			m.raw(`"`+key+`"`, value.Raw)
		}
	}
	if metadata.Get("namespace").Str != "" {
		m.str("namespace", w.view.Namespace)
	}
	o.buf = m.end()
	return o.end()
}

// keepColumns remembers the columns of a Table whose event is not sent.
func (w *Watch) keepColumns(table []byte) {
	if columns := gjson.GetBytes(table, "columnDefinitions").Raw; firstByte(columns) == '[' && len(columns) > 2 {
		w.columns = columns
	}
}

// withColumns gives a Table the columns that no event has told the client yet.
func (w *Watch) withColumns(table []byte) []byte {
	if w.columns == "" {
		return table
	}
	o := newObjectWriter(make([]byte, 0, len(table)+len(w.columns)))
	o.raw(`"columnDefinitions"`, w.columns)
	each(string(table), func(key, value gjson.Result) bool {
		if key.Str != "columnDefinitions" {
			o.raw(key.Raw, value.Raw)
		}
		return true
	})
	w.columns = ""
	return o.end()
}
