package mapping

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"pgregory.net/rapid"
)

func TestMergePatch(t *testing.T) {
	ours := State{Owner: Ours, ResourceVersion: "7"}
	const own = `"cellfed.io/managed":"true","cellfed.io/namespace":"acme","cellfed.io/cell":"rz"`
	const none = `"cellfed.io/managed":null,"cellfed.io/namespace":null,"cellfed.io/cell":null`
	cases := map[string]struct {
		reason    string
		strategic bool
		current   State
		in, want  string
	}{
		"Free": {
			"as upstream takes its label away", false, ours, `{"metadata":{"labels":{"kubefed.io/managed":null}}}`,
			`{"metadata":{"labels":{"kubefed.io/managed":null,` + none + `},"resourceVersion":"7"}}`,
		},
		"Adopt": {
			"a label that says otherwise goes", false, State{ResourceVersion: "7", HasKubeFed: true, KubeFedValue: "false"},
			`{"metadata":{"labels":{"kubefed.io/managed":"true"}}}`,
			`{"metadata":{"labels":{"kubefed.io/managed":null,` + own + `},"resourceVersion":"7"}}`,
		},
		"Spec": {
			"a spec passes as it is", false, ours, `{"spec":{"n":1.50}}`, `{"spec":{"n":1.50},"metadata":{"resourceVersion":"7"}}`,
		},
		"Namespace": {
			"the namespace may be stated", false, ours, `{"metadata":{"namespace":"acme","name":"a"}}`,
			`{"metadata":{"namespace":"acme-rz","name":"a","resourceVersion":"7"}}`,
		},
		"Version": {
			"a version that the client names counts", false, ours, `{"metadata":{"resourceVersion":"5"}}`, `{"metadata":{"resourceVersion":"5"}}`,
		},
		"AllLabels": {
			"taking all labels away frees the object", false, ours, `{"metadata":{"labels":null,"resourceVersion":null}}`,
			`{"metadata":{"labels":null,"resourceVersion":"7"}}`,
		},
		"Replace": {
			"labels that are replaced as a whole hold no nulls", true, ours,
			`{"metadata":{"labels":{"$patch":"replace","kubefed.io/managed":"true","a":"b"}}}`,
			`{"metadata":{"labels":{"$patch":"replace",` + own + `,"a":"b"},"resourceVersion":"7"}}`,
		},
		"UnknownLabelRemoved": {
			"what the view does not show can be taken away without effect", true, ours, `{"metadata":{"labels":{"cellfed.io/cell":null}}}`,
			`{"metadata":{"labels":{},"resourceVersion":"7"}}`,
		},
		"ListDirectives": {
			"directives on lists pass", true, ours, `{"metadata":{"$deleteFromPrimitiveList/finalizers":["x"]},"spec":{"$patch":"replace"}}`,
			`{"metadata":{"$deleteFromPrimitiveList/finalizers":["x"],"resourceVersion":"7"},"spec":{"$patch":"replace"}}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := testView.MergePatch(tc.strategic, configMaps, []byte(tc.in), tc.current)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			sameJSON(t, tc.reason, tc.want, string(got.JSON))
		})
	}
}

func TestPatchRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, kind, in string
		is               func(error) bool
	}{
		"MergeNamespace":     {"an object stays in its namespace", "merge", `{"metadata":{"namespace":"other"}}`, apierrors.IsBadRequest},
		"MergeNoNamespace":   {"and has one", "merge", `{"metadata":{"namespace":null}}`, apierrors.IsBadRequest},
		"MergeReserved":      {"the cell's labels are cellfed's to write", "merge", `{"metadata":{"labels":{"cellfed.io/cell":"x"}}}`, apierrors.IsForbidden},
		"MergeMetadataNull":  {"metadata is not thrown away", "merge", `{"metadata":null}`, apierrors.IsBadRequest},
		"MergeTwice":         {"a key is given once", "merge", `{"metadata":{},"metadata":{"labels":null}}`, apierrors.IsBadRequest},
		"Strategic":          {"nor replaced", "strategic", `{"$patch":"replace"}`, apierrors.IsBadRequest},
		"StrategicMetadata":  {"nor is its inside", "strategic", `{"metadata":{"$patch":"replace"}}`, apierrors.IsBadRequest},
		"StrategicRetain":    {"nor what is not named", "strategic", `{"metadata":{"$retainKeys":["name"]}}`, apierrors.IsBadRequest},
		"JSONObject":         {"a JSON patch is an array", "json", `{}`, apierrors.IsBadRequest},
		"JSONScalar":         {"of objects", "json", `[1]`, apierrors.IsBadRequest},
		"JSONUnknown":        {"of known operations", "json", `[{"op":"Add","path":"/a","value":1}]`, apierrors.IsBadRequest},
		"JSONNoValue":        {"that are whole", "json", `[{"op":"add","path":"/a"}]`, apierrors.IsBadRequest},
		"JSONRoot":           {"not of the whole object", "json", `[{"op":"replace","path":"","value":{}}]`, apierrors.IsBadRequest},
		"JSONRelative":       {"not of paths that servers read in their own way", "json", `[{"op":"add","path":"x/metadata/labels/a","value":"b"}]`, apierrors.IsBadRequest},
		"JSONMetadata":       {"not of metadata as a whole", "json", `[{"op":"remove","path":"/metadata"}]`, apierrors.IsBadRequest},
		"JSONEscaped":        {"however it is spelled", "json", `[{"op":"remove","p\u0061th":"\/metadata"}]`, apierrors.IsBadRequest},
		"JSONNamespace":      {"not of the namespace", "json", `[{"op":"replace","path":"/metadata/namespace","value":"other"}]`, apierrors.IsBadRequest},
		"JSONReserved":       {"not of the cell's labels", "json", `[{"op":"add","path":"/metadata/labels/cellfed.io~1cell","value":"x"}]`, apierrors.IsForbidden},
		"JSONReservedWhole":  {"not among all labels", "json", `[{"op":"add","path":"/metadata/labels","value":{"cellfed.io/cell":"x"}}]`, apierrors.IsForbidden},
		"JSONMoveLabels":     {"not moved there", "json", `[{"op":"move","from":"/metadata/annotations","path":"/metadata/labels"}]`, apierrors.IsBadRequest},
		"JSONCopyFrom":       {"nor copied from there", "json", `[{"op":"copy","from":"/metadata/labels","path":"/metadata/annotations"}]`, apierrors.IsBadRequest},
		"JSONCopyMetadata":   {"nor as a part of more", "json", `[{"op":"copy","from":"/metadata","path":"/spec"}]`, apierrors.IsBadRequest},
		"JSONMoveVersion":    {"nor the version", "json", `[{"op":"move","from":"/metadata/name","path":"/metadata/resourceVersion"}]`, apierrors.IsBadRequest},
		"JSONTwoPaths":       {"a key is given once", "json", `[{"op":"add","path":"/a","path":"/metadata","value":1}]`, apierrors.IsBadRequest},
		"JSONDeepLabel":      {"a label has no inside", "json", `[{"op":"add","path":"/metadata/labels/a/b","value":1}]`, apierrors.IsBadRequest},
		"JSONManagedFieldIn": {"managed fields are replaced as a whole", "json", `[{"op":"remove","path":"/metadata/managedFields/0"}]`, apierrors.IsBadRequest},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := patch(tc.kind, []byte(tc.in), State{Owner: Ours, ResourceVersion: "7"})
			if err == nil || !tc.is(err) {
				t.Errorf("%s: got %s, %v", tc.reason, got.JSON, err)
			}
		})
	}
}

func patch(kind string, body []byte, state State) (Body, error) {
	if kind == "json" {
		return testView.JSONPatch(configMaps, body, state)
	}
	return testView.MergePatch(kind == "strategic", configMaps, body, state)
}

// drawObject draws an object of the member that the view shows.
func drawObject(t *rapid.T) []byte {
	labels := rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "x/y"}), rapid.SampledFrom([]string{"", "1", "true"}), 0, 3).Draw(t, "labels")
	switch rapid.SampledFrom([]string{"ours", "free", "unmanaged"}).Draw(t, "owner") {
	case "ours":
		maps.Copy(labels, testView.Labels())
	case "unmanaged":
		labels["kubefed.io/managed"] = "false"
	}
	metadata := map[string]any{"name": "o", "namespace": "acme-rz", "resourceVersion": "7", "uid": "u", "annotations": map[string]string{"n": "m"}}
	if len(labels) > 0 || rapid.Bool().Draw(t, "empty labels") {
		metadata["labels"] = labels
	}
	object, err := json.Marshal(map[string]any{"metadata": metadata, "spec": map[string]any{"a": 1}})
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func drawLabel(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "x~1y", "kubefed.io~1managed", "kubefed.io~1managed"}).Draw(t, "label")
}

func drawValue(t *rapid.T) any {
	return rapid.SampledFrom([]any{"true", "true", "false", "1", nil}).Draw(t, "value")
}

// drawJSONPatch draws a JSON patch of what the view shows.
func drawJSONPatch(t *rapid.T) []byte {
	ops := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) map[string]any {
		op := map[string]any{"op": rapid.SampledFrom([]string{"add", "remove", "replace", "test"}).Draw(t, "op")}
		switch rapid.SampledFrom([]string{"label", "label", "label", "labels", "spec", "move"}).Draw(t, "what") {
		case "label":
			op["path"], op["value"] = "/metadata/labels/"+drawLabel(t), drawValue(t)
		case "labels":
			keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "kubefed.io/managed"}), 0, 2, rapid.ID).Draw(t, "keys")
			all := map[string]any{}
			for _, k := range keys {
				all[k] = rapid.SampledFrom([]string{"true", "1"}).Draw(t, "value")
			}
			op["path"], op["value"] = "/metadata/labels", all
		case "spec":
			op["path"], op["value"] = "/spec/a", drawValue(t)
		case "move":
			op["op"], op["from"], op["path"] = "move", "/metadata/labels/a", "/metadata/labels/b"
		}
		if op["op"] == "remove" || op["op"] == "move" {
			delete(op, "value")
		}
		return op
	}), 1, 6).Draw(t, "patch")
	patch, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	return patch
}

// TestJSONPatchCommutes: patching what the view shows, and showing what was patched in the member, is the same; where one
// fails, so does the other.
func TestJSONPatchCommutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object, patch := drawObject(t), drawJSONPatch(t)
		shown, state := testView.Out(nil, configMaps, object)
		mapped, err := testView.JSONPatch(configMaps, patch, state)
		if err != nil {
			t.Fatalf("the patch %s is refused: %v", patch, err)
		}
		inView, viewErr := applyJSONPatch(shown, patch)
		inMember, memberErr := applyJSONPatch(object, mapped.JSON)
		if (viewErr == nil) != (memberErr == nil) {
			t.Fatalf("%s on %s: %v in the view, %v in the member (%s)", patch, object, viewErr, memberErr, mapped.JSON)
		}
		if viewErr == nil {
			equalShown(t, inView, inMember, fmt.Sprintf("%s as %s on %s", patch, mapped.JSON, object))
		}
	})
}

// TestMergePatchCommutes is the same for JSON merge patches.
func TestMergePatchCommutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object := drawObject(t)
		labels := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			labels[strings.ReplaceAll(drawLabel(t), "~1", "/")] = drawValue(t)
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"a": drawValue(t)}})
		if err != nil {
			t.Fatal(err)
		}
		shown, state := testView.Out(nil, configMaps, object)
		mapped, err := testView.MergePatch(false, configMaps, patch, state)
		if err != nil {
			t.Fatalf("the patch %s is refused: %v", patch, err)
		}
		inView, err := jsonpatch.MergePatch(shown, patch)
		if err != nil {
			t.Fatal(err)
		}
		inMember, err := jsonpatch.MergePatch(object, mapped.JSON)
		if err != nil {
			t.Fatal(err)
		}
		equalShown(t, inView, inMember, fmt.Sprintf("%s as %s on %s", patch, mapped.JSON, object))
	})
}

func applyJSONPatch(object, patch []byte) ([]byte, error) {
	p, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, err
	}
	return p.Apply(object)
}

// equalShown compares an object of the view with how one of the member is shown. No labels and empty ones are the same to
// the API.
func equalShown(t *rapid.T, inView, inMember []byte, what string) {
	t.Helper()
	shown, _ := testView.Out(nil, configMaps, inMember)
	var want, got map[string]any
	if json.Unmarshal(inView, &want) != nil || json.Unmarshal(shown, &got) != nil {
		t.Fatalf("%s: %s in the view, %s in the member", what, inView, inMember)
	}
	for _, o := range []map[string]any{want, got} {
		m := o["metadata"].(map[string]any)
		if l, ok := m["labels"].(map[string]any); ok && len(l) == 0 || m["labels"] == nil {
			delete(m, "labels")
		}
	}
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	if !slices.Equal(a, b) {
		t.Fatalf("%s: in the view\n%s\nin the member\n%s", what, a, b)
	}
}

// FuzzPatch: whatever is sent, nothing panics, what comes out is JSON, and it names the cell's labels only to set them to
// the cell's own values or to take them away.
func FuzzPatch(f *testing.F) {
	f.Add([]byte(`[{"op":"remove","path":"/metadata/labels/kubefed.io~1managed"},{"op":"test","path":"/metadata/labels","value":{"a":"b"}}]`))
	f.Add([]byte(`{"metadata":{"labels":{"kubefed.io/managed":null,"$patch":"replace"},"namespace":"acme"}}`))
	f.Add([]byte(`{"metadata":{"managedFields":[{"fieldsV1":{"f:metadata":{"f:labels":{"f:kubefed.io/managed":{}}}}}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, state := range []State{{Owner: Ours, ResourceVersion: "7"}, {Owner: Free, HasKubeFed: true, KubeFedValue: "x"}} {
			for _, kind := range []string{"json", "merge", "strategic"} {
				got, err := patch(kind, body, state)
				if err != nil {
					continue
				}
				if !json.Valid(got.JSON) {
					t.Fatalf("%s patch %s becomes %s", kind, body, got.JSON)
				}
				if kind != "merge" {
					continue
				}
				var p struct {
					Metadata struct{ Labels map[string]any }
				}
				if json.Unmarshal(got.JSON, &p) != nil {
					continue
				}
				if p.Metadata.Labels["kubefed.io/managed"] == "true" {
					t.Fatalf("patch %s makes the object upstream's", body)
				}
				for key, want := range testView.Labels() {
					if value, ok := p.Metadata.Labels[key]; ok && value != nil && value != want {
						t.Fatalf("patch %s sets %s to %v", body, key, value)
					}
				}
			}
		}
	})
}
