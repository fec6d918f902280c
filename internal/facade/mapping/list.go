package mapping

import (
	"errors"
	"fmt"
	"io"

	"github.com/tidwall/gjson"
)

// CopyList copies a list, or a Table, from src to dst as the view shows it, item by item while they arrive. An error
// that is of src wraps nothing of its content. Nothing was written when the error is ErrMalformed and n is 0.
func (v View) CopyList(dst io.Writer, src io.Reader, r Resource, route *Route) (n int64, err error) {
	c := listCopy{view: v, resource: r, route: route, in: NewScanner(src, ListBuffer), out: counter{w: dst}}
	err = c.object()
	if err == nil {
		// What follows the list is no part of it.
		if _, more := c.in.Peek(); more == nil {
			err = fmt.Errorf("%w: more than one value", ErrMalformed)
		} else if !errors.Is(more, io.EOF) {
			err = more
		}
	}
	return c.out.n, err
}

type listCopy struct {
	view     View
	resource Resource
	route    *Route
	in       *Scanner
	out      counter
	scratch  []byte
}

// counter counts what it writes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// object copies the list's object, key by key.
func (c *listCopy) object() error {
	if _, err := c.in.expect("{"); err != nil {
		return err
	}
	if next, err := c.in.Peek(); err != nil {
		return unexpected(err)
	} else if next == '}' {
		_, _ = c.in.expect("}")
		return c.write("{}")
	}
	open := "{"
	for {
		key, err := c.in.Value()
		if err != nil {
			return unexpected(err)
		}
		if key[0] != '"' {
			return fmt.Errorf("%w: a key that is no string", ErrMalformed)
		}
		name := gjson.ParseBytes(key).Str
		c.scratch = append(append(append(c.scratch[:0], open...), key...), ':')
		open = ","
		if _, err := c.in.expect(":"); err != nil {
			return err
		}
		if _, err := c.out.Write(c.scratch); err != nil {
			return err
		}
		if err := c.value(name); err != nil {
			return unexpected(err)
		}
		end, err := c.in.expect(",}")
		if err != nil {
			return err
		}
		if end == '}' {
			return c.write("}")
		}
	}
}

func (c *listCopy) write(s string) error {
	_, err := io.WriteString(&c.out, s)
	return err
}

func (c *listCopy) value(name string) error {
	if name == "items" || name == "rows" {
		if next, err := c.in.Peek(); err != nil {
			return err
		} else if next == '[' {
			return c.elements(name == "rows")
		}
	}
	value, err := c.in.Value()
	if err != nil {
		return err
	}
	_, err = c.out.Write(value)
	return err
}

// elements copies the array of a list's items or a Table's rows.
func (c *listCopy) elements(rows bool) error {
	if _, err := c.in.expect("["); err != nil {
		return err
	}
	if err := c.write("["); err != nil {
		return err
	}
	if next, err := c.in.Peek(); err != nil {
		return err
	} else if next == ']' {
		_, err = c.in.expect("]")
		if err != nil {
			return err
		}
		return c.write("]")
	}
	first := true
	for {
		value, err := c.in.Value()
		if err != nil {
			return err
		}
		c.scratch = c.scratch[:0]
		if !first {
			c.scratch = append(c.scratch, ',')
		}
		before := len(c.scratch)
		c.scratch = c.element(c.scratch, value, rows)
		if len(c.scratch) > before {
			first = false
			if _, err := c.out.Write(c.scratch); err != nil {
				return err
			}
		}
		end, err := c.in.expect(",]")
		if err != nil {
			return err
		}
		if end == ']' {
			return c.write("]")
		}
	}
}

// element appends an item or a row as the view shows it, and nothing when the view does not show it.
func (c *listCopy) element(dst, value []byte, row bool) []byte {
	before := len(dst)
	var state State
	if row {
		dst, state = c.view.rowOut(dst, c.resource, value, c.route.BareRows)
	} else {
		dst, state = c.view.Out(dst, c.resource, value)
	}
	if !c.route.Filter.Visible(c.resource, state) {
		return dst[:before]
	}
	return dst
}
