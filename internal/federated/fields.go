package federated

import (
	"github.com/tidwall/gjson"

	"github.com/cellfed/cellfed/internal/topology"
)

// renamed is a key that each version spells in its own way. Converting swaps the two spellings, so that a field which
// nobody knows and which has the other version's name comes back too.
type renamed struct {
	v1beta1, v2beta1 string
}

var (
	listKey      = renamed{"clusters", "topologies"}
	selectorKey  = renamed{"clusterSelector", "topologySelector"}
	nameKey      = renamed{"clusterName", "topologyName"}
	overridesKey = renamed{"clusterOverrides", "topologyOverrides"}
)

const topologyTypeKey = "topologyType"

// typeOf returns the topology type of a spec.
func (c *converter) typeOf(spec string) topology.Type {
	mark := len(c.members)
	typ, _, _ := readType(c.push(spec))
	c.members = c.members[:mark]
	return typ
}

// readType returns the topology type among the members of a spec, how often it is there and where it is last. A type
// that is absent is the default, and one that nobody registered leaves names as they are.
func readType(ms []member) (typ topology.Type, count, at int) {
	at = -1
	name := topology.Default
	for i, m := range ms {
		if m.key == topologyTypeKey {
			count, at, name = count+1, i, ""
			if m.kind == gjson.String {
				name = m.str
			}
		}
	}
	typ, _ = topology.Lookup(name)
	return typ, count, at
}

// spec converts a spec. A topology type that is absent becomes the default, and the default, given once and where
// sorted would put it, becomes absent: an upstream object that nobody here wrote says what it is in v2beta1, and is
// itself again in v1beta1. Given anywhere else the default is left alone, or its place would be lost.
func (c *converter) spec(raw string) {
	mark := len(c.members)
	ms := c.push(raw)
	var count, at int
	c.typ, count, at = readType(ms)
	place := sorted(ms, topologyTypeKey, at)
	omit := count == 1 && at == place && ms[at].is(topology.Default)
	c.open('{')
	for i, m := range ms {
		if count == 0 && i == place {
			c.defaultType()
		}
		switch {
		case omit && i == at:
		case m.key == "placement" && m.isObject():
			c.key(m.rawKey)
			c.placement(m.raw, true)
			c.comma()
		case m.key == "placementMask" && m.isObject():
			c.key(m.rawKey)
			c.placement(m.raw, false)
			c.comma()
		case m.key == "overrides" && m.isArray():
			c.key(m.rawKey)
			c.overrides(m.raw)
			c.comma()
		default:
			c.copy(m)
		}
	}
	if count == 0 && place == len(ms) {
		c.defaultType()
	}
	c.close('}')
	c.members = c.members[:mark]
}

func (c *converter) defaultType() {
	c.string(topologyTypeKey)
	c.dst = append(c.dst, ':')
	c.string(topology.Default)
	c.comma()
}

// placement converts a placement or a placement mask, which has no selector.
func (c *converter) placement(raw string, selector bool) {
	mark := len(c.members)
	ms := c.push(raw)
	c.open('{')
	for _, m := range ms {
		key, ours := c.rename(listKey, m.key)
		switch {
		case ours && m.isArray():
			c.string(key)
			c.dst = append(c.dst, ':')
			c.list(m.raw)
			c.comma()
		case key != "":
			c.entry(key, m.raw)
		case selector:
			c.selector(m)
		default:
			c.copy(m)
		}
	}
	c.close('}')
	c.members = c.members[:mark]
}

func (c *converter) overrides(raw string) {
	c.open('[')
	gjson.Result{Type: gjson.JSON, Raw: raw}.ForEach(func(_, item gjson.Result) bool {
		if !item.IsObject() {
			c.dst = append(c.dst, item.Raw...)
			c.comma()
			return true
		}
		c.open('{')
		item.ForEach(func(key, value gjson.Result) bool {
			if name, ours := c.rename(nameKey, key.Str); name != "" {
				c.string(name)
				c.dst = append(c.dst, ':')
				c.name(value, ours)
			} else if name, _ := c.rename(overridesKey, key.Str); name != "" {
				c.string(name)
				c.dst = append(append(c.dst, ':'), value.Raw...)
			} else {
				c.key(key.Raw)
				c.dst = append(c.dst, value.Raw...)
			}
			c.comma()
			return true
		})
		c.close('}')
		c.comma()
		return true
	})
	c.close(']')
}

func (c *converter) status(raw string) {
	c.open('{')
	gjson.Result{Type: gjson.JSON, Raw: raw}.ForEach(func(key, value gjson.Result) bool {
		name, ours := c.rename(listKey, key.Str)
		if name == "" {
			c.key(key.Raw)
		} else {
			c.string(name)
			c.dst = append(c.dst, ':')
		}
		if ours && value.IsArray() {
			c.list(value.Raw)
		} else {
			c.dst = append(c.dst, value.Raw...)
		}
		c.comma()
		return true
	})
	c.close('}')
}

// list converts the names in a list of objects that have one.
func (c *converter) list(raw string) {
	c.open('[')
	gjson.Result{Type: gjson.JSON, Raw: raw}.ForEach(func(_, item gjson.Result) bool {
		if !item.IsObject() {
			c.dst = append(c.dst, item.Raw...)
			c.comma()
			return true
		}
		c.open('{')
		item.ForEach(func(key, value gjson.Result) bool {
			c.key(key.Raw)
			c.name(value, key.Str == "name")
			c.comma()
			return true
		})
		c.close('}')
		c.comma()
		return true
	})
	c.close(']')
}

// name writes a topology's name, converted if it is one of the version that is read.
func (c *converter) name(value gjson.Result, ours bool) {
	if !ours || value.Type != gjson.String {
		c.dst = append(c.dst, value.Raw...)
		return
	}
	name := text(value.Str)
	convert := c.typ.FromCluster
	if c.toV1 {
		convert = c.typ.ToCluster
	}
	converted := convert(c.namespace, name)
	if converted == name {
		c.dst = append(c.dst, value.Raw...)
		return
	}
	c.string(converted)
}

// rename returns the other version's spelling of a key, and whether the key is what the version that is read calls
// it, so that the value is what it should be. It returns nothing for a key that is neither spelling.
func (c *converter) rename(r renamed, key string) (other string, ours bool) {
	switch key {
	case r.v1beta1:
		return r.v2beta1, !c.toV1
	case r.v2beta1:
		return r.v1beta1, c.toV1
	}
	return "", false
}
