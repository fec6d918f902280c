package federated

import (
	"fmt"
	"sync"

	"github.com/tidwall/gjson"

	"github.com/cellfed/cellfed/internal/topology"
)

// growth is by how many bytes an object may grow before the output is copied.
const growth = 512

// Convert returns the object in the version `to`, V1Beta1 or V2Beta1. The object is raw JSON and stays it: what the
// two versions have in common is copied as it stands. An object that is in that version already is returned as a copy.
//
// The conversion is a bijection: converting the result back gives the same members in the same order with the same
// values, also of fields that nobody knows, and of objects that no schema would let pass.
//
// It fails with ErrInvalidJSON, ErrNotObject or ErrUnknownVersion.
func Convert(src []byte, to string) ([]byte, error) {
	return AppendConvert(make([]byte, 0, len(src)+len(src)/16+growth), src, to)
}

// AppendConvert is Convert appending to dst, which must not share memory with src. On an error it returns dst as it
// was given.
func AppendConvert(dst, src []byte, to string) ([]byte, error) {
	if err := CheckJSON(src); err != nil {
		return dst, err
	}
	// The view is safe: src is only read here, and nothing that points into it outlives the call (release).
	return AppendConvertChecked(dst, view(src), to)
}

// AppendConvertChecked is AppendConvert for an src that CheckJSON has passed, by itself or as a part of a document.
// With any other src the result is undefined. It keeps no part of src.
func AppendConvertChecked(dst []byte, src, to string) ([]byte, error) {
	if !known(to) {
		return dst, fmt.Errorf("target version %q is %w: use %s or %s", to, ErrUnknownVersion, V1Beta1, V2Beta1)
	}
	object := gjson.Parse(src)
	if !object.IsObject() {
		return dst, ErrNotObject
	}
	c := converters.Get().(*converter)
	defer c.release()
	c.members = appendMembers(c.members, object.Raw)
	top := readTop(c.members)
	from, err := ParseAPIVersion(top.apiVersion)
	if err != nil {
		return dst, err
	}
	if from == to {
		return append(dst, src...), nil
	}
	c.dst, c.toV1, c.namespace = dst, to == V1Beta1, top.namespace
	c.object(c.members, top)
	return c.dst, nil
}

// converter holds what one conversion needs. Its memory for members is used again by the next.
type converter struct {
	dst       []byte
	toV1      bool
	namespace string
	// typ is the topology type that the names speak of: that of the spec they are in, or of the last one.
	typ topology.Type
	// members is a stack: whoever appends to it cuts it back.
	members []member
}

var converters = sync.Pool{New: func() any { return &converter{members: make([]member, 0, 64)} }}

// maxMembers bounds the memory that a converter keeps for the next conversion.
const maxMembers = 256

func (c *converter) release() {
	members := c.members[:cap(c.members)]
	if len(members) > maxMembers {
		members = make([]member, 0, 64)
	}
	clear(members)
	*c = converter{members: members[:0]}
	converters.Put(c)
}

// top is what must be known of an object before any of it is converted.
type top struct {
	apiVersion   string
	apiVersionAt int
	namespace    string
	specAt       int // -1 if there is none
}

// readTop reads the members of an object. Of those that occur more than once the last counts, as for API servers.
func readTop(ms []member) top {
	t := top{apiVersionAt: -1, specAt: -1}
	for i, m := range ms {
		switch m.key {
		case "apiVersion":
			t.apiVersion, t.apiVersionAt = "", i
			if m.kind == gjson.String {
				t.apiVersion = m.str
			}
		case "metadata":
			t.namespace = readNamespace(m)
		case "spec":
			t.specAt = i
		}
	}
	return t
}

func readNamespace(metadata member) string {
	if !metadata.isObject() {
		return ""
	}
	namespace := ""
	gjson.Result{Type: gjson.JSON, Raw: metadata.raw}.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "namespace" {
			namespace = ""
			if value.Type == gjson.String {
				namespace = text(value.Str)
			}
		}
		return true
	})
	return namespace
}

func (c *converter) object(ms []member, t top) {
	c.open('{')
	for i, m := range ms {
		switch {
		case i == t.apiVersionAt:
			c.key(m.rawKey)
			c.apiVersion()
			c.comma()
		case m.key == "spec" && m.isObject():
			c.key(m.rawKey)
			c.spec(m.raw)
			c.comma()
		case m.key == "status" && m.isObject():
			if t.specAt < 0 || !ms[t.specAt].isObject() {
				c.typ = topology.Type{}
			} else if t.specAt > i {
				c.typ = c.typeOf(ms[t.specAt].raw)
			}
			c.key(m.rawKey)
			c.status(m.raw)
			c.comma()
		default:
			c.copy(m)
		}
	}
	c.close('}')
}

func (c *converter) apiVersion() {
	if c.toV1 {
		c.string(APIVersionV1Beta1)
		return
	}
	c.string(APIVersionV2Beta1)
}
