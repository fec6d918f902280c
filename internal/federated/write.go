package federated

import (
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// The methods here write JSON. Every member and element is followed by a comma, the last one included, which close
// turns into the bracket.

func (c *converter) open(bracket byte) {
	c.dst = append(c.dst, bracket)
}

func (c *converter) close(bracket byte) {
	if last := len(c.dst) - 1; c.dst[last] == ',' {
		c.dst[last] = bracket
		return
	}
	c.dst = append(c.dst, bracket)
}

func (c *converter) comma() {
	c.dst = append(c.dst, ',')
}

func (c *converter) key(raw string) {
	c.dst = append(append(c.dst, raw...), ':')
}

func (c *converter) string(s string) {
	c.dst = gjson.AppendJSONString(c.dst, s)
}

// entry writes a member with a new key.
func (c *converter) entry(key, raw string) {
	c.string(key)
	c.dst = append(append(c.dst, ':'), raw...)
	c.comma()
}

// copy writes a member, or an element, as it is.
func (c *converter) copy(m member) {
	if m.rawKey != "" {
		c.key(m.rawKey)
	}
	c.dst = append(c.dst, m.raw...)
	c.comma()
}

// text returns a decoded string as encoding/json would decode it, with a replacement character for every byte that
// is not UTF-8. Without it a name could come back as another one.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
