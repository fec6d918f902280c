package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	yamlnode "go.yaml.in/yaml/v3"
)

// ordered writes JSON anew with the keys in the order of a node. Keys that the node does not have itself, because it merges
// another, follow in order.
func ordered(content []byte, node *yamlnode.Node) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return appendOrdered(nil, value, node)
}

func appendOrdered(dst []byte, value any, node *yamlnode.Node) ([]byte, error) {
	for node != nil && node.Kind == yamlnode.AliasNode {
		node = node.Alias
	}
	var err error
	switch v := value.(type) {
	case map[string]any:
		dst = append(dst, '{')
		for i, key := range keysOf(v, node) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendScalar(dst, key.name), ':')
			if dst, err = appendOrdered(dst, v[key.name], key.value); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			var below *yamlnode.Node
			if node != nil && node.Kind == yamlnode.SequenceNode && i < len(node.Content) {
				below = node.Content[i]
			}
			if dst, err = appendOrdered(dst, item, below); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	default:
		return appendScalar(dst, v), nil
	}
}

// appendScalar writes a value as it is, angle brackets included.
func appendScalar(dst []byte, value any) []byte {
	buffer := bytes.NewBuffer(dst)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // Strings, numbers, booleans and null marshal.
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))
}

type key struct {
	name  string
	value *yamlnode.Node
}

func keysOf(m map[string]any, node *yamlnode.Node) []key {
	var keys []key
	seen := make(map[string]bool, len(m))
	if node != nil && node.Kind == yamlnode.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			name := node.Content[i].Value
			if _, ok := m[name]; ok && !seen[name] {
				seen[name] = true
				keys = append(keys, key{name, node.Content[i+1]})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !seen[name] {
			keys = append(keys, key{name: name})
		}
	}
	return keys
}

// AppendYAML appends a JSON object as YAML, its keys in their order.
func AppendYAML(dst, content []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	node, err := nodeOf(decoder)
	if err != nil {
		return dst, fmt.Errorf("write YAML: %w", err)
	}
	buffer := bytes.NewBuffer(dst)
	encoder := yamlnode.NewEncoder(buffer)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(node); err != nil {
		return dst, fmt.Errorf("write YAML: %w", err)
	}
	return buffer.Bytes(), encoder.Close()
}

// nodeOf reads one JSON value.
func nodeOf(decoder *json.Decoder) (*yamlnode.Node, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	node := &yamlnode.Node{}
	switch t := token.(type) {
	case json.Delim:
		node.Kind = yamlnode.MappingNode
		if t == '[' {
			node.Kind = yamlnode.SequenceNode
		}
		for decoder.More() {
			below, err := nodeOf(decoder)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, below)
		}
		if len(node.Content) == 0 {
			node.Style = yamlnode.FlowStyle
		}
		_, err = decoder.Token()
		return node, err
	case json.Number:
		node.Kind, node.Value = yamlnode.ScalarNode, t.String()
		return node, nil
	default:
		// Encode quotes the strings that a reader would take for something else, but for the key that merges.
		err := node.Encode(t)
		if node.Value == "<<" {
			node.Tag, node.Style = "!!str", yamlnode.DoubleQuotedStyle
		}
		return node, err
	}
}
