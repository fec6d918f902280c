package manifest

import (
	"strconv"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"
)

// LineOf returns the line of a field, given as validation names it: spec.placement.topologies[2].name,
// metadata.labels[example.com/x]. Where the field is not there, it is the line of the nearest one that it would be in.
func (d *Document) LineOf(field string) int {
	line, node := d.Line, d.node
	for _, step := range steps(field) {
		at, below := child(node, step)
		if below == nil {
			break
		}
		line, node = d.offset+at, below
	}
	return line
}

// FieldOf returns the field that a message begins with, as warnings of validation do, or nothing.
func FieldOf(message string) string {
	field, _, ok := strings.Cut(message, ": ")
	if !ok || strings.ContainsAny(field, " \"") {
		return ""
	}
	return field
}

// steps divides a field's path. What is in brackets is one step, dots included.
func steps(field string) []string {
	var all []string
	for field != "" {
		switch field[0] {
		case '.':
			field = field[1:]
		case '[':
			end := strings.IndexByte(field, ']')
			if end < 0 {
				return all
			}
			all, field = append(all, field[1:end]), field[end+1:]
		default:
			end := strings.IndexAny(field, ".[")
			if end < 0 {
				end = len(field)
			}
			all, field = append(all, field[:end]), field[end:]
		}
	}
	return all
}

// child returns the line and the value of a member or an item.
func child(node *yamlnode.Node, step string) (line int, value *yamlnode.Node) {
	for node != nil && node.Kind == yamlnode.AliasNode {
		node = node.Alias
	}
	if node == nil {
		return 0, nil
	}
	switch node.Kind {
	case yamlnode.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i].Line, node.Content[i+1]
			}
		}
	case yamlnode.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i].Line, node.Content[i]
		}
	}
	return 0, nil
}

// Items returns the items of a document that is a List, each with its own place; any other document is itself its item.
func (d *Document) Items() []Document {
	if !d.isList() {
		return []Document{*d}
	}
	raw := itemsOf(d.JSON)
	_, nodes := child(d.node, "items")
	items := make([]Document, 0, len(raw))
	for i, content := range raw {
		item := *d
		item.JSON, item.node = content, nil
		if nodes != nil && i < len(nodes.Content) {
			item.node = nodes.Content[i]
			item.Line = d.offset + item.node.Line
		}
		items = append(items, item)
	}
	return items
}
