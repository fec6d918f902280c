package federated

import (
	"bytes"
	"fmt"
	"slices"
	"unsafe"

	"github.com/tidwall/gjson"
)

// MaxDepth is how deep a document may nest, which is as deep as encoding/json follows and so as deep as anything
// that comes from an API server.
const MaxDepth = 10_000

// CheckJSON returns an ErrInvalidJSON if data is not one JSON value, or nests deeper than MaxDepth. It allocates
// nothing if data is good.
func CheckJSON(data []byte) error {
	// gjson checks by recursion, and a stack that overflows ends the process.
	if tooDeep(data) {
		return fmt.Errorf("%w: nested deeper than %d", ErrInvalidJSON, MaxDepth)
	}
	if !gjson.ValidBytes(data) {
		return ErrInvalidJSON
	}
	return nil
}

// tooDeep reports whether data nests deeper than MaxDepth, as far as data is JSON.
func tooDeep(data []byte) bool {
	if bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) <= MaxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = endOfString(data, i)
		case '{', '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// endOfString returns the index of the quote that ends the string which begins at data[start], or len(data).
func endOfString(data []byte, start int) int {
	for i := start + 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(data)
}

// view returns data as a string without copying it. The string is good for as long as nobody writes to data.
func view(data []byte) string {
	return unsafe.String(unsafe.SliceData(data), len(data))
}

// member is one entry of a JSON object, or, without a key, one element of an array.
type member struct {
	key    string // decoded
	rawKey string
	raw    string
	str    string // decoded, if kind is gjson.String
	kind   gjson.Type
}

func (m member) isObject() bool { return m.raw[0] == '{' }
func (m member) isArray() bool  { return m.raw[0] == '[' }

// is reports whether the value is that string.
func (m member) is(s string) bool { return m.kind == gjson.String && m.str == s }

// appendMembers appends the entries of a JSON object, or the elements of an array, in order and with all that occur
// more than once.
func appendMembers(ms []member, raw string) []member {
	gjson.Result{Type: gjson.JSON, Raw: raw}.ForEach(func(key, value gjson.Result) bool {
		ms = append(ms, member{key: text(key.Str), rawKey: key.Raw, raw: value.Raw, str: text(value.Str), kind: value.Type})
		return true
	})
	return ms
}

// sorted returns where a key that is put into an object belongs: before the first key that sorts after it. API
// servers write the keys of every object in order, so that is where the key is found again after one has had the
// object in hand. The members at the indexes to skip are taken for absent.
func sorted(ms []member, key string, skip ...int) int {
	at := 0
	for i, m := range ms {
		if slices.Contains(skip, i) {
			continue
		}
		if m.key > key {
			return at
		}
		at++
	}
	return at
}
