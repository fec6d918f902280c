package printing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// List is several API objects as kubectl prints them.
type List struct {
	// APIVersion is v1, Kind is List: NewList sets them.
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	// Items are the objects, each with its own apiVersion and kind.
	Items []runtime.Object `json:"items"`
}

// NewList returns a list of the objects. Without any it has an empty one, not none.
func NewList(objects ...runtime.Object) *List {
	return &List{APIVersion: "v1", Kind: "List", Metadata: map[string]any{"resourceVersion": ""}, Items: append([]runtime.Object{}, objects...)}
}

func printJSON(out io.Writer, objects any) error {
	text, err := encode(objects)
	if err != nil {
		return err
	}
	return write(out, string(text))
}

func printYAML(out io.Writer, objects any) error {
	text, err := encode(objects)
	if err != nil {
		return err
	}
	if text, err = yaml.JSONToYAML(text); err != nil {
		return fmt.Errorf("encode the output as YAML: %w", err)
	}
	return write(out, string(text))
}

// encode returns the value as JSON.
func encode(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode the output as JSON: %w", err)
	}
	_, one := value.(runtime.Object)
	_, several := value.(*List)
	if one || several {
		var content any
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&content); err != nil {
			return nil, fmt.Errorf("encode the output as JSON: %w", err)
		}
		dropManagedFields(content)
		value = content
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "    ")
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode the output as JSON: %w", err)
	}
	return b.Bytes(), nil
}

// dropManagedFields takes them from an object, or from the objects in a list.
func dropManagedFields(content any) {
	object, _ := content.(map[string]any)
	if metadata, ok := object["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
	items, _ := object["items"].([]any)
	for _, item := range items {
		dropManagedFields(item)
	}
}
