package defaulting_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/cellfed/cellfed/internal/defaulting"
	"github.com/cellfed/cellfed/internal/federated"
)

// touched are the only places that defaults are written to.
var touched = map[string]bool{
	"/metadata/labels": true, "/metadata/labels/cellfed.io~1tenant": true, "/metadata/labels/cellfed.io~1workspace-group": true,
	"/metadata/finalizers": true, "/metadata/finalizers/-": true, "/spec": true, "/spec/placementMask": true,
}

// FuzzFederated looks for an object that is another after a second run, or of which anything is another after the first
// than what has a default.
func FuzzFederated(f *testing.F) {
	const plain = `{"apiVersion":"types.kubefed.io/v2beta1","metadata":{"name":"a"},"spec":{"template":{"n":1e3,"z":9007199254740993}}}`
	const masked = `{"apiVersion":"types.kubefed.io/v1beta1","metadata":{"labels":{"cellfed.io/tenant":"x","a":"b"},"finalizers":["f"]},"spec":{"placementMask":{"clusters":[{"name":"n.a"}]},"retainReplicas":true}}`
	for _, old := range []string{"", plain, masked, `{"metadata":{}}`} {
		for _, object := range []string{plain, masked, `{"metadata":{"labels":null,"finalizers":null},"spec":null}`, `{"metadata":{"labels":{}},"spec":{"placementMask":null}}`} {
			for mask := range uint8(3) {
				f.Add([]byte(object), []byte(old), mask, "acme", "", true)
				f.Add([]byte(object), []byte(old), mask, "", "g<&>\"", true)
			}
		}
	}
	f.Fuzz(func(t *testing.T, object, old []byte, mask uint8, tenant, group string, propagated bool) {
		if len(old) == 0 {
			old = nil
		}
		if !usable(object) || old != nil && !usable(old) {
			return
		}
		facts := defaulting.Facts{
			// Nothing else can be stored.
			NamespaceLabels: map[string]string{
				"cellfed.io/tenant": strings.ToValidUTF8(tenant, ""), "cellfed.io/workspace-group": strings.ToValidUTF8(group, ""),
			},
			Propagated: propagated, Mask: defaulting.MaskDefaults()[int(mask)%len(defaulting.MaskDefaults())],
		}
		patch, err := defaulting.Federated(object, old, facts)
		if err != nil {
			return
		}
		for _, operation := range patch {
			if !touched[operation.Path] {
				t.Errorf("%s %s is no default", operation.Op, operation.Path)
			}
		}
		after := apply(t, object, patch)
		again, err := defaulting.Federated(after, old, facts)
		if err != nil || len(again) > 0 {
			t.Errorf("the second run: got %v and error %v, want nothing\nobject %s\nold %s\nafter %s", again, err, object, old, after)
		}
		if diff := cmp.Diff(rest(t, object), rest(t, after)); diff != "" {
			t.Errorf("the rest of the object (-before +after):\n%s", diff)
		}
	})
}

// usable says whether an API server could send this: an object in which every key is there once.
func usable(data []byte) bool {
	if federated.CheckJSON(data) != nil {
		return false
	}
	var object map[string]any
	if json.Unmarshal(data, &object) != nil || object == nil {
		return false
	}
	once, err := json.Marshal(object)
	var keys any
	return err == nil && json.Unmarshal(once, &keys) == nil && bytes.Count(once, []byte{':'}) == bytes.Count(data, []byte{':'})
}

func apply(t *testing.T, object []byte, patch defaulting.Patch) []byte {
	t.Helper()
	data, err := patch.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if data == nil {
		return object
	}
	operations, err := jsonpatch.DecodePatch(data)
	if err != nil {
		t.Fatal(err)
	}
	after, err := operations.Apply(object)
	if err != nil {
		t.Fatalf("%v\nobject %s\npatch %s", err, object, data)
	}
	return after
}

// rest returns the object without all that has a default. Of finalizers and labels what else is in them is left.
func rest(t *testing.T, data []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatal(err)
	}
	if metadata, ok := object["metadata"].(map[string]any); ok {
		labels, _ := metadata["labels"].(map[string]any)
		delete(labels, "cellfed.io/tenant")
		delete(labels, "cellfed.io/workspace-group")
		if len(labels) == 0 {
			delete(metadata, "labels")
		}
		finalizers, isList := metadata["finalizers"].([]any)
		if last := len(finalizers) - 1; last >= 0 && finalizers[last] == federated.Finalizer {
			metadata["finalizers"] = finalizers[:last]
		}
		if left, _ := metadata["finalizers"].([]any); len(left) == 0 && (isList || metadata["finalizers"] == nil) {
			delete(metadata, "finalizers")
		}
	}
	spec, isObject := object["spec"].(map[string]any)
	delete(spec, "placementMask")
	if object["spec"] == nil || isObject && len(spec) == 0 {
		delete(object, "spec")
	}
	return object
}
