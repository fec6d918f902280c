package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/cellfed/cellfed/internal/federated"
)

// collections are the parts of metadata that a template may not bring along. What an override adds to one of them
// finds it there.
var collections = map[string]func() any{
	"annotations":     func() any { return map[string]any{} },
	"finalizers":      func() any { return []any{} },
	"ownerReferences": func() any { return []any{} },
}

// override applies overrides, with the library that upstream does it with: a replace of what is not there adds it,
// while anything below a parent that is not there fails.
func override(object map[string]any, overrides []federated.Override) (map[string]any, error) {
	metadata, _ := object["metadata"].(map[string]any)
	for _, o := range overrides {
		for key, empty := range collections {
			if strings.HasPrefix(o.Path, "/metadata/"+key+"/") && metadata[key] == nil {
				metadata[key] = empty()
			}
		}
	}
	document, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	patched, err := patch(document, overrides)
	if err != nil {
		return nil, blame(document, overrides, err)
	}
	var out map[string]any
	if err := utiljson.Unmarshal(patched, &out); err != nil || out == nil {
		return nil, errors.New("together they leave something that is not an object: remove the one whose path is empty")
	}
	return out, nil
}

// patch applies overrides to a JSON document. The library gives up on some operations by a panic.
func patch(document []byte, overrides []federated.Override) (patched []byte, err error) {
	operations := make([]map[string]any, 0, len(overrides))
	for _, o := range overrides {
		operation := map[string]any{"op": o.Op, "path": o.Path}
		if o.Op == "" {
			operation["op"] = "replace"
		}
		if o.Value != nil {
			operation["value"] = o.Value
		}
		operations = append(operations, operation)
	}
	content, err := json.Marshal(operations)
	if err != nil {
		return nil, err
	}
	decoded, err := jsonpatch.DecodePatch(content)
	if err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil {
			patched, err = nil, errors.New("it cannot be applied to what is there")
		}
	}()
	return decoded.Apply(document)
}

// blame names the first override that fails.
func blame(document []byte, overrides []federated.Override, err error) error {
	for i, o := range overrides {
		next, failed := patch(document, overrides[i:i+1])
		if failed == nil {
			document = next
			continue
		}
		op := o.Op
		if op == "" {
			op = "replace"
		}
		return fmt.Errorf("[%d] (%s %q) fails: %w: correct its path, or give the template what it stands on", i, op, o.Path, failed)
	}
	return err
}
