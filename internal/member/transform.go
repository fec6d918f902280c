package member

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// transform makes of an object that a member sent the one that is kept: without managedFields, but with what they said of
// cellfed, and sharing what other objects have too. The object must not be used any longer.
func (s *sharer) transform(u *unstructured.Unstructured) (*Object, error) {
	metadata, ok := u.Object["metadata"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("read an object of kind %q: it has no metadata", u.GetKind())
	}
	o := &Object{}
	if entries, ok := metadata["managedFields"].([]any); ok {
		if err := s.readManagers(o, entries); err != nil {
			return nil, fmt.Errorf("read the managedFields of %s %q: %w", u.GetKind(), u.GetNamespace()+"/"+u.GetName(), err)
		}
	}
	slim := make(map[string]any, len(metadata))
	for field, value := range metadata {
		switch field {
		case "managedFields":
			continue
		case "namespace", "name":
			if text, ok := value.(string); ok {
				value = unique.Make(text).Value()
			}
		default:
			value = s.share(o, value)
		}
		slim[unique.Make(field).Value()] = value
	}
	content := make(map[string]any, len(u.Object))
	for field, value := range u.Object {
		switch text, isText := value.(string); {
		case field == "metadata":
			value = slim
		case isText && (field == "kind" || field == "apiVersion"):
			value = unique.Make(text).Value()
		default:
			value = s.share(o, value)
		}
		content[unique.Make(field).Value()] = value
	}
	o.Unstructured = &unstructured.Unstructured{Object: content}
	return o, nil
}

// readManagers takes from managedFields what is needed of them.
func (s *sharer) readManagers(o *Object, entries []any) error {
	for _, each := range entries {
		entry, _ := each.(map[string]any)
		fields, _ := entry["fieldsV1"].(map[string]any)
		if subresource, _ := entry["subresource"].(string); subresource != "" || fields == nil {
			continue
		}
		switch operation, _ := entry["operation"].(string); {
		case operation == string(metav1.ManagedFieldsOperationUpdate):
			o.Legacy = o.Legacy || ownsManagedLabel(fields)
		case operation == string(metav1.ManagedFieldsOperationApply) && entry["manager"] == v1alpha1.FieldManager:
			set, err := s.fieldSet(fields)
			if err != nil {
				return err
			}
			if o.Applied != nil { // Entries of several API versions.
				set = o.Applied.Union(set)
			}
			o.Applied = set
		}
	}
	return nil
}

// ownsManagedLabel says whether an entry's fields include a label that marks propagated objects.
func ownsManagedLabel(fields map[string]any) bool {
	metadata, _ := fields["f:metadata"].(map[string]any)
	labels, _ := metadata["f:labels"].(map[string]any)
	for _, label := range flavorLabels {
		if _, ok := labels["f:"+label]; ok {
			return true
		}
	}
	return false
}

// fieldSet parses fieldsV1. Objects of one make have the same set, which is parsed and kept once.
func (s *sharer) fieldSet(fields map[string]any) (*fieldpath.Set, error) {
	return s.sets.get(fields, func() (*fieldpath.Set, error) {
		raw, err := json.Marshal(fields)
		if err != nil {
			return nil, err
		}
		set := &fieldpath.Set{}
		return set, set.FromJSON(bytes.NewReader(raw))
	})
}

// share returns a value that equals the given one and that equal objects use too.
func (s *sharer) share(o *Object, value any) any {
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 {
			return value
		}
	case []any:
		if len(v) == 0 {
			return value
		}
	default:
		return value
	}
	shared, _ := s.trees.get(value, func() (*tree, error) { return &tree{compact(value)}, nil })
	o.parts = append(o.parts, shared)
	return shared.value
}

// compact copies a value with one copy of each key.
func compact(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, each := range v {
			out[unique.Make(k).Value()] = compact(each)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for n, each := range v {
			out[n] = compact(each)
		}
		return out
	default:
		return value
	}
}
