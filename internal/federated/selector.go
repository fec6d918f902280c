package federated

import (
	"strings"

	"github.com/tidwall/gjson"
)

const (
	labelsKey      = "matchLabels"
	expressionsKey = "matchExpressions"

	// unknownPrefix goes before the name of a field that nobody knows in v1beta1, and that v2beta1 would take for
	// its selector.
	unknownPrefix = "v1beta1:"
)

// selector converts a member of a placement that is a selector, or could be taken for one, and copies any other.
//
// For a type that restricts nothing the two versions just spell the key in their own way. For one that does, v2beta1
// has two selectors: topologySelector, which is restricted, and clusterSelector, which is how a selector reads that was
// written through v1beta1 without the restriction. v1beta1 has clusterSelector only. What is no selector at all is left
// where it is: under topologySelector it selects nothing in v1beta1, and nothing else would be safe.
func (c *converter) selector(m member) {
	labels, restricted := c.typ.Restriction(c.namespace)
	if !restricted {
		if key, _ := c.rename(selectorKey, m.key); key != "" {
			c.entry(key, m.raw)
			return
		}
		c.copy(m)
		return
	}
	if m.key != selectorKey.v1beta1 && !strings.HasSuffix(m.key, selectorKey.v2beta1) {
		c.copy(m)
		return
	}
	mark := len(c.members)
	defer func() { c.members = c.members[:mark] }()
	s, ok := c.readSelector(m.raw)
	if !ok {
		c.copy(m)
		return
	}
	r := restriction(labels)
	switch {
	case m.key == selectorKey.v2beta1 && c.toV1:
		c.selectorEntry(selectorKey.v1beta1, r.restrict(s), r)
	case m.key != selectorKey.v1beta1:
		c.unknownSelector(m)
	case c.toV1:
		c.selectorEntry(selectorKey.v1beta1, r.markForeign(s), r)
	case r.restricted(s):
		c.selectorEntry(selectorKey.v2beta1, r.release(s), r)
	default:
		c.selectorEntry(selectorKey.v1beta1, r.unmarkForeign(s), r)
	}
}

// unknownSelector converts a field that nobody knows in v1beta1 and whose name is v2beta1's topologySelector, after
// any number of prefixes: v2beta1 has one prefix more.
func (c *converter) unknownSelector(m member) {
	key := m.key
	for strings.HasPrefix(key, unknownPrefix) {
		key = key[len(unknownPrefix):]
	}
	switch {
	case key != selectorKey.v2beta1:
		c.copy(m)
	case c.toV1:
		c.entry(m.key[len(unknownPrefix):], m.raw)
	default:
		c.entry(unknownPrefix+m.key, m.raw)
	}
}

// readSelector takes a selector apart, on the converter's stack. It reports false for what is none: another JSON type,
// a matchLabels that is no object, a matchExpressions that is no array, either of them given twice, or a key that
// differs from one of them in case only, which upstream's decoder would take for it.
func (c *converter) readSelector(raw string) (selector, bool) {
	s := selector{labelsAt: -1, expressionsAt: -1}
	if raw[0] != '{' {
		return s, false
	}
	s.members = c.push(raw)
	for i, m := range s.members {
		switch {
		case m.key == labelsKey && s.labelsAt < 0 && m.isObject():
			s.labels, s.labelsAt = c.push(m.raw), i
		case m.key == expressionsKey && s.expressionsAt < 0 && m.isArray():
			s.expressions, s.expressionsAt = c.push(m.raw), i
		case strings.EqualFold(m.key, labelsKey), strings.EqualFold(m.key, expressionsKey):
			return s, false
		}
	}
	return s, true
}

// push appends the members of an object, or the elements of an array, to the converter's stack and returns them.
func (c *converter) push(raw string) []member {
	mark := len(c.members)
	c.members = appendMembers(c.members, raw)
	return c.members[mark:]
}

func (c *converter) selectorEntry(key string, s selector, r restriction) {
	c.string(key)
	c.dst = append(c.dst, ':')
	newLabels, newExpressions := -1, -1
	if s.labelsAt < 0 && s.addLabels {
		newLabels = sorted(s.members, labelsKey)
	}
	if s.expressionsAt < 0 && s.added != nil {
		newExpressions = sorted(s.members, expressionsKey)
	}
	c.open('{')
	for i := 0; i <= len(s.members); i++ {
		if i == newExpressions {
			c.expressions(`"`+expressionsKey+`"`, s)
		}
		if i == newLabels {
			c.labels(`"`+labelsKey+`"`, s, r)
		}
		switch {
		case i == len(s.members):
		case i == s.labelsAt:
			c.labels(s.members[i].rawKey, s, r)
		case i == s.expressionsAt:
			c.expressions(s.members[i].rawKey, s)
		default:
			c.copy(s.members[i])
		}
	}
	c.close('}')
	c.comma()
}

func (c *converter) labels(rawKey string, s selector, r restriction) {
	c.key(rawKey)
	c.open('{')
	first, second := -1, -1
	if s.addLabels {
		first, second = sorted(s.labels, r[0].Key), sorted(s.labels, r[1].Key)
	}
	for i := 0; i <= len(s.labels); i++ {
		if i == first {
			c.label(r[0].Key, r[0].Value)
		}
		if i == second {
			c.label(r[1].Key, r[1].Value)
		}
		switch {
		case i == len(s.labels), s.dropLabels && r.has(s.labels[i].key):
		default:
			c.copy(s.labels[i])
		}
	}
	c.close('}')
	c.comma()
}

func (c *converter) label(key, value string) {
	c.string(key)
	c.dst = append(c.dst, ':')
	c.string(value)
	c.comma()
}

func (c *converter) expressions(rawKey string, s selector) {
	c.key(rawKey)
	c.open('[')
	for _, m := range s.expressions {
		c.copy(m)
	}
	for _, e := range s.added {
		c.dst = append(c.dst, `{"key":`...)
		c.string(e.key)
		if e.value == "" {
			c.dst = append(c.dst, `,"operator":"Exists"}`...)
		} else {
			c.dst = append(c.dst, `,"operator":"In","values":[`...)
			c.string(e.value)
			c.dst = append(c.dst, `]}`...)
		}
		c.comma()
	}
	c.close(']')
	c.comma()
}

// isExpression reports whether a match expression is exactly what expressions writes for e.
func isExpression(raw string, e expression) bool {
	if raw[0] != '{' {
		return false
	}
	matched, total := 0, 0
	gjson.Result{Type: gjson.JSON, Raw: raw}.ForEach(func(key, value gjson.Result) bool {
		total++
		ok := false
		switch total {
		case 1:
			ok = key.Str == "key" && value.Type == gjson.String && text(value.Str) == e.key
		case 2:
			ok = key.Str == "operator" && value.Type == gjson.String && value.Str == e.operator()
		case 3:
			ok = e.value != "" && key.Str == "values" && isOnly(value, e.value)
		}
		if ok {
			matched++
		}
		return ok
	})
	return matched == total && total == e.members()
}

// isOnly reports whether a JSON value is an array of exactly that string.
func isOnly(value gjson.Result, s string) bool {
	if !value.IsArray() {
		return false
	}
	count, matched := 0, false
	value.ForEach(func(_, element gjson.Result) bool {
		count++
		matched = count == 1 && element.Type == gjson.String && text(element.Str) == s
		return matched
	})
	return matched && count == 1
}
