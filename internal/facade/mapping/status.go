package mapping

import (
	"strings"

	"github.com/tidwall/gjson"
)

// IsStatus says whether an object is a Status, which is how API servers answer what has no object to show.
func IsStatus(object []byte) bool {
	return gjson.GetBytes(object, "kind").Str == "Status" && gjson.GetBytes(object, "apiVersion").Str == "v1"
}

// StatusOut returns a Status of the member as the view shows it: where it speaks of the target namespace, it speaks of
// the view's.
func (v View) StatusOut(status []byte) []byte {
	details := gjson.GetBytes(status, "details")
	if v.Namespace == v.TargetNamespace || details.Get("kind").Str != "namespaces" ||
		details.Get("name").Str != v.TargetNamespace {
		return status
	}
	w := newObjectWriter(make([]byte, 0, len(status)))
	each(string(status), func(key, value gjson.Result) bool {
		w.key(key.Raw)
		switch key.Str {
		case "message":
			w.buf = appendString(w.buf, strings.ReplaceAll(value.Str, quote(v.TargetNamespace), quote(v.Namespace)))
		case "details":
			d := newObjectWriter(w.buf)
			each(value.Raw, func(key, value gjson.Result) bool {
				if key.Str == "name" {
					d.key(key.Raw)
					d.buf = appendString(d.buf, v.Namespace)
				} else {
					d.raw(key.Raw, value.Raw)
				}
				return true
			})
			w.buf = d.end()
		default:
			w.buf = append(w.buf, value.Raw...)
		}
		return true
	})
	return w.end()
}
