package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"pgregory.net/rapid"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/federated"
)

var (
	words = rapid.SampledFrom([]string{
		"name", "port", "protocol", "containerPort", "key", "type", "ports", "env", "containers", "limits", "requests", "selector",
		"nodeSelector", "matchLabels", "finalizers", "data", "caBundle", "metadata", "labels", "annotations", "a", "b", "x.io/y", "é",
	})
	scalars = rapid.OneOf(
		rapid.SampledFrom([]any{"", "a", "b", "TCP", "1", "1000m", "1Gi", "YQ==", true, false, nil, int64(0), int64(1), int64(53), 1.5, 0.0}),
		rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "text") }),
	)
)

func anything(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		switch {
		case depth > 0 && kind < 3:
			return anyObject(depth-1).Draw(t, "object")
		case depth > 0 && kind == 3:
			return rapid.SliceOfN(anything(depth-1), 0, 3).Draw(t, "list")
		default:
			return scalars.Draw(t, "scalar")
		}
	})
}

func anyObject(depth int) *rapid.Generator[map[string]any] {
	return rapid.MapOfN(words, anything(depth), 0, 4)
}

// template makes a template with labels and annotations that an API server takes.
func template(t *rapid.T) map[string]any {
	out := anyObject(4).Draw(t, "content")
	metadata := map[string]any{}
	for _, key := range []string{"labels", "annotations"} {
		if rapid.Bool().Draw(t, key) {
			m := map[string]any{}
			for k, v := range rapid.MapOfN(rapid.OneOf(words, rapid.Just(v1alpha1.KubeFedManagedLabel)), rapid.String(), 0, 3).Draw(t, key) {
				m[k] = v
			}
			metadata[key] = m
		}
	}
	if rapid.Bool().Draw(t, "other metadata") {
		maps.Copy(metadata, map[string]any{"name": "x", "namespace": "y", "uid": "u", "creationTimestamp": nil, "generateName": "x-"})
	}
	delete(out, "metadata")
	if rapid.Bool().Draw(t, "metadata") {
		out["metadata"] = metadata
	}
	return out
}

// TestCellIsWhatTheFacadeMakesOfIt compares with what upstream would send through the façade: its own rendering, which is
// the object with upstream's label in the cell's namespace.
func TestCellIsWhatTheFacadeMakesOfIt(t *testing.T) {
	resources := map[Target]mapping.Resource{
		configMaps: {Version: "v1", Resource: "configmaps"}, namespaces: {Version: "v1", Resource: "namespaces"}, customs: {Group: "x.io", Version: "v1", Resource: "foos"},
	}
	everything := policy(t, []string{"**"}, nil)
	rapid.Check(t, func(t *rapid.T) {
		target := rapid.SampledFrom([]Target{configMaps, namespaces, customs}).Draw(t, "target")
		o := &federated.Object{Namespace: "acme", Name: "a", Template: template(t)}
		if target.IsNamespace() {
			o.Name = "acme"
		}
		inCell, err := Render(o, cell, target, everything)
		if err != nil {
			t.Fatal(err)
		}
		onCluster, err := Render(o, physical, target, everything)
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(onCluster.Object.Object)
		if err != nil {
			t.Fatal(err)
		}
		in, err := cell.View.In(mapping.Create, resources[target], body, nil)
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := utiljson.Unmarshal(in.JSON, &want); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(inCell.Object.Object)
		if err != nil {
			t.Fatal(err)
		}
		var same map[string]any
		if err := utiljson.Unmarshal(got, &same); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, same); diff != "" {
			t.Fatalf("-façade +rendered:\n%s", diff)
		}
	})
}

// TestOverridesNeverPanic applies any overrides to anything.
func TestOverridesNeverPanic(t *testing.T) {
	segment := rapid.OneOf(words, rapid.SampledFrom([]string{"-", "0", "1", "-1", "99", "-99", "~", "~1", ""}))
	rapid.Check(t, func(t *rapid.T) {
		o := &federated.Object{Namespace: "acme", Name: "a", Template: template(t)}
		var overrides []federated.Override
		for range rapid.IntRange(0, 4).Draw(t, "overrides") {
			path := ""
			for range rapid.IntRange(0, 4).Draw(t, "depth") {
				path += "/" + segment.Draw(t, "segment")
			}
			overrides = append(overrides, federated.Override{
				Op: rapid.SampledFrom([]string{"", "add", "remove", "replace", "test", "copy", "?"}).Draw(t, "op"), Path: path, Value: anything(2).Draw(t, "value"),
			})
		}
		o.Overrides = map[string][]federated.Override{cell.Name: overrides}
		before := runtime.DeepCopyJSON(o.Template)
		r, err := Render(o, cell, configMaps, nil)
		if diff := cmp.Diff(before, o.Template); diff != "" {
			t.Fatalf("the template has changed: %s", diff)
		}
		if err != nil {
			if !errors.Is(err, federated.ErrOverrides) {
				t.Fatal(err)
			}
			return
		}
		want := map[string]string{"cellfed.io/managed": "true", "cellfed.io/namespace": "acme", "cellfed.io/cell": "rz00a"}
		labels := r.Object.GetLabels()
		for key, value := range want {
			if labels[key] != value {
				t.Fatalf("the label %s is %q", key, labels[key])
			}
		}
		if r.Object.GetName() != "a" || r.Object.GetNamespace() != "acme-rz00a" || r.Object.GetKind() != "ConfigMap" || r.Object.GetUID() != "" {
			t.Fatalf("it is %s %s/%s", r.Object.GetKind(), r.Object.GetNamespace(), r.Object.GetName())
		}
	})
}

// leaf is a scalar within an object, and how to change it.
type leaf struct {
	path   string
	value  any
	set    func(any)
	remove func()
}

func leaves(v any, path string, set func(any), remove func()) []leaf {
	var out []leaf
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, leaves(v[key], path+fieldText(key), func(to any) { v[key] = to }, func() { delete(v, key) })...)
		}
	case []any:
		for i, item := range v {
			out = append(out, leaves(item, fmt.Sprintf("%s[%d]", path, i), func(to any) { v[i] = to }, nil)...)
		}
	default:
		out = append(out, leaf{path, v, set, remove})
	}
	return out
}

// atomic returns what our manager owns of an object whose lists all have a single owner.
func atomic(v map[string]any, path fieldpath.Path, set *fieldpath.Set) *fieldpath.Set {
	for key, value := range v {
		at := append(path.Copy(), fieldpath.FieldNameElement(key))
		if len(path) == 0 && (key == "apiVersion" || key == "kind") || len(path) == 1 && *path[0].FieldName == "metadata" && (key == "name" || key == "namespace") {
			continue
		}
		if m, ok := value.(map[string]any); ok && len(m) > 0 {
			atomic(m, at, set)
			continue
		}
		set.Insert(at)
	}
	return set
}

// TestDiffSeesEveryLeaf compares rendered objects with themselves, and with themselves but for one leaf.
func TestDiffSeesEveryLeaf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target := rapid.SampledFrom([]Target{configMaps, secrets, services, deployments, customs}).Draw(t, "target")
		r, err := Render(&federated.Object{Namespace: "acme", Name: "a", Template: template(t)}, cell, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		live := &Live{Object: r.Object.DeepCopy()}
		switch rapid.IntRange(0, 2).Draw(t, "owned") {
		case 0:
			live.Applied = atomic(r.Object.Object, nil, fieldpath.NewSet())
		case 1:
			live.Legacy = true
		}
		if got := Diff(r.Object, live, cell, target); got != nil {
			t.Fatalf("an object differs from itself: %v", got)
		}
		all := leaves(live.Object.Object, "", nil, nil)
		at := rapid.SampledFrom(all).Draw(t, "leaf")
		if at.path == ".kind" || at.value == nil {
			return
		}
		if at.remove != nil && rapid.Bool().Draw(t, "remove") {
			if at.remove(); isZero(at.value) {
				return
			}
		} else {
			at.set("changed!")
		}
		if got := Diff(r.Object, live, cell, target); got == nil {
			t.Fatalf("a change of %s, which was %v, is not seen", at.path, at.value)
		}
	})
}

// TestRetainTouchesNothingElse wants what is not retained as it was rendered, what is retained as it is in the member or not
// there, and the same answer again.
func TestRetainTouchesNothingElse(t *testing.T) {
	names := []string{"name", "port", "a", "b", "ports", "env"}
	step := rapid.OneOf(rapid.SampledFrom(names), rapid.Just("[*]"))
	rapid.Check(t, func(t *rapid.T) {
		text := "." + rapid.SampledFrom(names).Draw(t, "first")
		for range rapid.IntRange(0, 3).Draw(t, "steps") {
			if s := step.Draw(t, "step"); s == "[*]" {
				text += s
			} else {
				text += "." + s
			}
		}
		path, err := ParsePath(text)
		if err != nil {
			return
		}
		p := &Policy{Retain: []Path{path}}
		rendered := &unstructured.Unstructured{Object: anyObject(3).Draw(t, "rendered")}
		live := &Live{Object: &unstructured.Unstructured{Object: anyObject(3).Draw(t, "live")}, Legacy: rapid.Bool().Draw(t, "legacy")}
		if rapid.Bool().Draw(t, "applied") {
			live.Applied = atomic(live.Object.Object, nil, fieldpath.NewSet())
		}
		got, pin := Retain(&Rendered{Object: rendered}, live, &federated.Object{}, customs, p)
		cut(rendered.Object, path)
		rest := got.DeepCopy()
		cut(rest.Object, path)
		if diff := cmp.Diff(tidy(rendered.Object), tidy(rest.Object)); diff != "" {
			t.Fatalf("%s: beside it, -rendered +result:\n%s", path, diff)
		}
		again, pinned := Retain(&Rendered{Object: got}, live, &federated.Object{}, customs, p)
		if diff := cmp.Diff(got.Object, again.Object); diff != "" || pin != pinned {
			t.Fatalf("%s: the second time, pin %v then %v:\n%s", path, pin, pinned, diff)
		}
	})
}

// cut takes a path out of an object.
func cut(v any, path Path) {
	switch v := v.(type) {
	case map[string]any:
		switch {
		case path[0].each:
		case len(path) == 1:
			delete(v, path[0].field)
		default:
			cut(v[path[0].field], path[1:])
		}
	case []any:
		for _, item := range v {
			if path[0].each && len(path) > 1 {
				cut(item, path[1:])
			}
		}
	}
}

// tidy takes out objects that hold nothing: the parents of what is retained come and go with it.
func tidy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, child := range v {
			if child = tidy(child); child != nil {
				out[key] = child
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			out = append(out, tidy(item))
		}
		return out
	}
	return v
}
