package mapping

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// each calls f for every member of a JSON object, duplicates included and in order, with positions relative to raw. It
// does nothing when raw is not an object.
func each(raw string, f func(key, value gjson.Result) bool) {
	if !isObject(raw) {
		return
	}
	gjson.Result{Type: gjson.JSON, Raw: raw}.ForEach(f)
}

func isObject(raw string) bool { return firstByte(raw) == '{' }

// firstByte returns the first byte of a JSON text that is not white space, or 0.
func firstByte(raw string) byte {
	for i := range len(raw) {
		switch raw[i] {
		case ' ', '\t', '\r', '\n':
		default:
			return raw[i]
		}
	}
	return 0
}

// objectWriter appends a JSON object member by member.
type objectWriter struct {
	buf   []byte
	empty bool
}

func newObjectWriter(dst []byte) *objectWriter {
	return &objectWriter{buf: append(dst, '{'), empty: true}
}

// key appends a member's key, given as JSON; the caller appends the value to buf.
func (w *objectWriter) key(rawKey string) {
	if !w.empty {
		w.buf = append(w.buf, ',')
	}
	w.empty = false
	w.buf = append(w.buf, rawKey...)
	w.buf = append(w.buf, ':')
}

func (w *objectWriter) raw(rawKey, rawValue string) {
	w.key(rawKey)
	w.buf = append(w.buf, rawValue...)
}

// str appends a member whose key needs no escaping.
func (w *objectWriter) str(key, value string) {
	w.key(`"` + key + `"`)
	w.buf = appendString(w.buf, value)
}

func (w *objectWriter) end() []byte { return append(w.buf, '}') }

func appendString(dst []byte, s string) []byte {
	return gjson.AppendJSONString(dst, s)
}

// checkObject returns an error unless body is a JSON object. Nesting is bounded here (encoding/json allows 10,000
// levels), so that what follows may recurse.
func checkObject(body []byte) error {
	if !json.Valid(body) {
		return apierrors.NewBadRequest("the body of the request is not valid JSON")
	}
	if !isObject(string(body)) {
		return apierrors.NewBadRequest("the body of the request must be a JSON object")
	}
	return nil
}

// members returns the members of a client's JSON object in order. A key given twice is an error: parsers differ in
// which one counts, and the member's must not read another object than the façade checked.
func members(raw, path string) ([]member, error) {
	var out []member
	seen := make(map[string]struct{}, 8)
	var twice *string
	each(raw, func(key, value gjson.Result) bool {
		if _, ok := seen[key.Str]; ok {
			twice = &key.Str
			return false
		}
		seen[key.Str] = struct{}{}
		out = append(out, member{name: key.Str, rawKey: key.Raw, value: value})
		return true
	})
	if twice != nil {
		return nil, apierrors.NewBadRequest("the key " + quote(strings.TrimPrefix(path+"."+*twice, ".")) +
			" is given twice in the body of the request: give it once")
	}
	return out, nil
}

type member struct {
	name   string
	rawKey string
	value  gjson.Result
}

func (m member) isNull() bool { return m.value.Type == gjson.Null }

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}
