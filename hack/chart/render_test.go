package main

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/e2e/framework"
)

const chartDir = "../../charts/cellfed"

// helm runs helm with values as its input, and returns what it printed, or what it said was wrong.
func helm(t testing.TB, values string, args ...string) (string, error) {
	t.Helper()
	h, err := framework.NewHelm(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return h.Run(t.Context(), values, args...)
}

// helmTemplate renders the chart with values, as YAML, as helm would install it into a namespace.
func helmTemplate(t testing.TB, namespace, values string, args ...string) ([]*unstructured.Unstructured, error) {
	t.Helper()
	return renderChart(t, "charts/cellfed", namespace, values, args...)
}

func renderChart(t testing.TB, chart, namespace, values string, args ...string) ([]*unstructured.Unstructured, error) {
	t.Helper()
	args = append([]string{"template", "cellfed", chart, "--namespace", namespace, "--values", "-"}, args...)
	out, err := helm(t, values, args...)
	if err != nil {
		return nil, err
	}
	return parse([]byte(out))
}

// mustTemplate renders the chart in the namespace of KubeFed.
func mustTemplate(t testing.TB, values string, args ...string) map[string]*unstructured.Unstructured {
	t.Helper()
	objects, err := helmTemplate(t, framework.KubeFedNamespace, values, args...)
	if err != nil {
		t.Fatal(err)
	}
	return byName(t, objects)
}

func kustomize(t testing.TB, dir string) map[string]*unstructured.Unstructured {
	t.Helper()
	kubectl, err := framework.NewKubectl(filepath.Join(t.TempDir(), "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := kubectl.Must(t.Context(), "", "kustomize", filepath.Join("..", "..", dir))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := parse([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	return byName(t, objects)
}

// byName keeps objects by kind, namespace and name, none of which may be there twice.
func byName(t testing.TB, objects []*unstructured.Unstructured) map[string]*unstructured.Unstructured {
	t.Helper()
	named := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		key := object.GetKind() + " " + path.Join(object.GetNamespace(), object.GetName())
		if _, ok := named[key]; ok {
			t.Errorf("%s is rendered twice", key)
		}
		named[key] = object
	}
	return named
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// changes tells what of the objects is other than before, as lines of YAML.
func changes(t testing.TB, before, after map[string]*unstructured.Unstructured) string {
	t.Helper()
	keys := map[string]*unstructured.Unstructured{}
	maps.Copy(keys, before)
	maps.Copy(keys, after)
	var out strings.Builder
	for _, key := range sortedKeys(keys) {
		was, is := lines(t, before[key]), lines(t, after[key])
		if slices.Equal(was, is) {
			continue
		}
		fmt.Fprintf(&out, "# %s\n", key)
		switch {
		case is == nil:
			fmt.Fprintln(&out, "# is gone")
			continue
		case was == nil && after[key].GetKind() == "CustomResourceDefinition":
			fmt.Fprintln(&out, "# is new, as it is in the chart")
			continue
		}
		for _, line := range lineDiff(was, is) {
			fmt.Fprintln(&out, line)
		}
	}
	return out.String()
}

func lines(t testing.TB, object *unstructured.Unstructured) []string {
	t.Helper()
	if object == nil {
		return nil
	}
	data, err := yaml.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// lineDiff returns the lines of a longest common subsequence's difference, with two lines of what is around each.
func lineDiff(a, b []string) []string {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var all []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, " "+a[i])
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || length[i+1][j] >= length[i][j+1]):
			all = append(all, "-"+a[i])
			i++
		default:
			all = append(all, "+"+b[j])
			j++
		}
	}
	return around(all, 2)
}

// around leaves out what is more than so many lines away from a change.
func around(all []string, near int) []string {
	var kept []string
	gap := false
	for i := range all {
		changed := slices.ContainsFunc(all[max(0, i-near):min(len(all), i+near+1)], func(line string) bool { return line[0] != ' ' })
		if changed && gap {
			kept = append(kept, " ...")
		}
		if changed {
			kept = append(kept, all[i])
		}
		gap = !changed
	}
	return kept
}

func golden(name string) string { return filepath.Join("testdata", name) }
