package defaulting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/tidwall/gjson"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// object is what of an object decides about its defaults, as it is in the JSON.
type object struct {
	apiVersion gjson.Result
	kind       gjson.Result
	metadata   gjson.Result
	spec       gjson.Result
}

func read(data []byte) (*object, error) {
	o := &object{}
	all := gjson.ParseBytes(data)
	if !all.IsObject() {
		return nil, federated.ErrNotObject
	}
	all.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "apiVersion":
			o.apiVersion = value
		case "kind":
			o.kind = value
		case "metadata":
			o.metadata = value
		case "spec":
			o.spec = value
		}
		return true
	})
	if !o.metadata.IsObject() {
		return nil, fmt.Errorf("metadata: %w", federated.ErrNotObject)
	}
	return o, nil
}

// entry returns the value of a key, the last one where it is there more than once, as an API server has it.
func entry(in gjson.Result, key string) gjson.Result {
	var found gjson.Result
	if in.IsObject() {
		in.ForEach(func(k, value gjson.Result) bool {
			if k.Str == key {
				found = value
			}
			return true
		})
	}
	return found
}

// Generated reports whether cellfed made the object in the JSON, for a Cell or for what a Cell needs: it carries the label
// that says so, or, where somebody took that away, the UID of the Cell. Nothing at all was not made by anybody.
func Generated(data []byte) bool {
	o, err := read(data)
	return err == nil && (o.generated() || entry(entry(o.metadata, "annotations"), v1alpha1.CellUIDAnnotation).Str != "")
}

// absent says whether there is nothing, or null.
func absent(value gjson.Result) bool { return value.Type == gjson.Null }

// labels corrects the labels that tell whose the object is.
func (o *object) labels(of map[string]string) (Patch, error) {
	labels := entry(o.metadata, "labels")
	if !absent(labels) && !labels.IsObject() {
		return nil, fmt.Errorf("metadata.labels: %w", federated.ErrNotObject)
	}
	var patch Patch
	missing := map[string]string{}
	for _, key := range []string{v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel} {
		want, got := of[key], entry(labels, key)
		switch {
		case want != "" && absent(labels):
			missing[key] = want
		case want != "" && (got.Type != gjson.String || got.Str != want):
			patch = append(patch, add(quoted(want), "metadata", "labels", escape(key)))
		case want == "" && got.Exists():
			patch = append(patch, Operation{Op: "remove", Path: "/metadata/labels/" + escape(key)})
		}
	}
	if len(missing) > 0 {
		value, err := json.Marshal(missing)
		if err != nil {
			return nil, err
		}
		patch = append(patch, add(value, "metadata", "labels"))
	}
	return patch, nil
}

// finalizer keeps an object that is created from going before it has gone from the members, so that the propagator need
// not write it before it writes to them.
func (o *object) finalizer() Patch {
	finalizers := entry(o.metadata, "finalizers")
	if absent(finalizers) {
		return Patch{add(json.RawMessage(`["`+federated.Finalizer+`"]`), "metadata", "finalizers")}
	}
	if !finalizers.IsArray() {
		return nil
	}
	there := false
	finalizers.ForEach(func(_, value gjson.Result) bool {
		there = value.Type == gjson.String && value.Str == federated.Finalizer
		return !there
	})
	if there {
		return nil
	}
	return Patch{add(quoted(federated.Finalizer), "metadata", "finalizers", "-")}
}

// same reports whether two JSON values say the same. Numbers that are not written alike are taken for different ones, and
// an absent value for null.
func same(a, b gjson.Result) bool {
	if a.Raw == b.Raw {
		return true
	}
	if absent(a) || absent(b) {
		return absent(a) && absent(b)
	}
	left, ok := decode(a.Raw)
	if !ok {
		return false
	}
	right, ok := decode(b.Raw)
	return ok && reflect.DeepEqual(left, right)
}

func decode(raw string) (value any, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(raw)))
	decoder.UseNumber()
	return value, decoder.Decode(&value) == nil
}
