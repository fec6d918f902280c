package e2e

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func tellOverrides(s *stage) {
	template := map[string]any{"spec": map[string]any{
		"replicas": int64(0),
		"selector": map[string]any{"matchLabels": map[string]any{"app": "patched"}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": "patched"}},
			"spec": map[string]any{"containers": []any{map[string]any{
				"name": "app", "image": "registry.invalid/app:1", "args": []any{"-v"}, "workingDir": "/tmp",
			}}},
		},
	}}
	const container = "/spec/template/spec/containers/0"
	f := s.object("Deployment", "patched", template)
	f.Overrides = map[string][]any{s.two: {
		map[string]any{"path": container + "/image", "value": "registry.invalid/app:2"},
		map[string]any{"path": container + "/args/0", "op": "add", "value": "-q"},
		map[string]any{"path": container + "/workingDir", "op": "remove"},
		map[string]any{"path": "/spec/paused", "op": "add", "value": true},
	}}
	s.put(f)
	s.waitContainer(s.one, "patched", "registry.invalid/app:1", "/tmp", "-v")
	s.waitContainer(s.two, "patched", "registry.invalid/app:2", "", "-q", "-v")
	s.waitReport("Deployment", "patched", well(s.one, s.two))

	s.t.Log("An override goes, another one stays")
	s.edit("Deployment", "patched", `{"spec":{"overrides":[{"clusterName":%q,"clusterOverrides":[{"path":%q,"value":"registry.invalid/app:2"}]}]}}`,
		s.two, container+"/image")
	s.waitContainer(s.two, "patched", "registry.invalid/app:2", "/tmp", "-v")
	s.waitObject(s.two, "Deployment", "patched", "not paused", func(object *unstructured.Unstructured) error {
		if paused, _, _ := unstructured.NestedBool(object.Object, "spec", "paused"); paused {
			return fmt.Errorf("it is paused, which no override says any more")
		}
		return nil
	})
	s.waitContainer(s.one, "patched", "registry.invalid/app:1", "/tmp", "-v")
}

// waitContainer waits until a Deployment's container has the image, the working directory and the arguments.
func (s *stage) waitContainer(topology, name, image, dir string, args ...any) {
	s.t.Helper()
	s.waitObject(topology, "Deployment", name, "its container", func(object *unstructured.Unstructured) error {
		containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
		if err != nil {
			return err
		}
		container, _ := containers[0].(map[string]any)
		gotDir, _ := container["workingDir"].(string)
		gotArgs, _ := container["args"].([]any)
		if container["image"] != image || gotDir != dir || !slices.Equal(gotArgs, args) {
			return fmt.Errorf("it is %v, want %s in %q with %v", container, image, dir, args)
		}
		return s.marked(topology, object)
	})
}

func tellOverridesRetained(s *stage) {
	data := map[string]any{"a": "1"}
	s.put(s.configMapOf("annotated", data))
	s.waitMap(s.one, "annotated", data)
	s.waitMap(s.two, "annotated", data)
	s.waitReport("ConfigMap", "annotated", well(s.one, s.two))
	s.touch(s.two, "ConfigMap", "annotated", `{"metadata":{"annotations":{"member.example.com/a":"theirs"}}}`)
	s.edit("ConfigMap", "annotated", `{"spec":{"overrides":[{"clusterName":%q,"clusterOverrides":[
		{"op":"add","path":"/metadata/annotations/example.com~1b","value":"ours"}]}]}}`, s.two)
	s.waitObject(s.two, "ConfigMap", "annotated", "both annotations", func(object *unstructured.Unstructured) error {
		got := object.GetAnnotations()
		if got["member.example.com/a"] != "theirs" || got["example.com/b"] != "ours" {
			return fmt.Errorf("they are %v", got)
		}
		return nil
	})
	s.waitReport("ConfigMap", "annotated", well(s.one, s.two))
}

func tellOverridesFailed(s *stage) {
	data := map[string]any{"a": "1"}
	f := s.configMapOf("misfit", data)
	f.Overrides = map[string][]any{s.two: {map[string]any{"path": "/data/missing", "op": "remove"}}}
	s.put(f)
	s.waitMap(s.one, "misfit", data)
	s.waitReport("ConfigMap", "misfit", report{reason: "CheckClusters", clusters: map[string]string{s.one: "", s.two: "ApplyOverridesFailed"}})
	s.wantAbsent(s.two, "ConfigMap", "misfit")
	s.edit("ConfigMap", "misfit", `{"spec":{"overrides":null}}`)
	s.waitMap(s.two, "misfit", data)
	s.waitReport("ConfigMap", "misfit", well(s.one, s.two))
}

func tellOverridesRefused(s *stage) {
	data := map[string]any{"a": "1"}
	f := s.configMapOf("renamed", data)
	f.Overrides = map[string][]any{s.two: {map[string]any{"path": "/metadata/name", "value": "other"}}}
	s.put(f)
	both := map[string]string{s.one: "ApplyOverridesFailed", s.two: "ApplyOverridesFailed"}
	s.waitReport("ConfigMap", "renamed", report{reason: "CheckClusters", clusters: both})
	s.wantAbsent(s.one, "ConfigMap", "renamed")
	s.wantAbsent(s.two, "ConfigMap", "renamed")
	s.wantAbsent(s.two, "ConfigMap", "other")
}
