// Package kubefedchart tests the chart kubefed: what it renders, that its CustomResourceDefinitions are upstream's, and that
// upstream's controller manager does its work with what the chart installs, and with no other rights.
package kubefedchart

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	namespace = framework.KubeFedNamespace
	release   = "kubefed"
)

func TestMain(m *testing.M) {
	// What matters of a client's log is in the errors that it returns.
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// newHelm returns a helm that reaches no cluster but one that it is told.
func newHelm(t *testing.T) *framework.Helm {
	t.Helper()
	h, err := framework.NewHelm(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// chart returns the chart's directory.
func chart(t *testing.T) string {
	t.Helper()
	return newHelm(t).Chart("charts", "kubefed")
}

// upstream returns the directory of upstream's own chart.
func upstream(t *testing.T) string {
	t.Helper()
	dir, err := framework.UpstreamChart(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func helm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := newHelm(t).Run(t.Context(), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rendered is what a chart renders, by kind and name.
type rendered map[string]*unstructured.Unstructured

// render renders the chart for a release outside the namespace of KubeFed.
func render(t *testing.T, args ...string) rendered {
	t.Helper()
	args = append([]string{"template", release, chart(t), "--namespace", "elsewhere"}, args...)
	return parse(t, helm(t, args...))
}

func parse(t *testing.T, manifests string) rendered {
	t.Helper()
	objects, err := framework.ParseManifests([]byte(manifests))
	if err != nil {
		t.Fatal(err)
	}
	all := rendered{}
	for _, object := range objects {
		key := object.GetKind() + "/" + object.GetName()
		if all[key] != nil {
			t.Fatalf("%s is rendered twice", key)
		}
		all[key] = object
	}
	return all
}

// get returns what is at a path of the object, numbers being the places in a list, or nil.
func (r rendered) get(key string, path ...any) any {
	object := r[key]
	if object == nil {
		return nil
	}
	var at any = object.Object
	for _, step := range path {
		switch step := step.(type) {
		case string:
			fields, _ := at.(map[string]any)
			at = fields[step]
		case int:
			items, _ := at.([]any)
			if step >= len(items) {
				return nil
			}
			at = items[step]
		}
	}
	return at
}
