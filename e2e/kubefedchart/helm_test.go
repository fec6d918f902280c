// Package kubefedchart tests the chart kubefed: what it renders, that its CustomResourceDefinitions are upstream's, and that
// upstream's controller manager does its work with what the chart installs, and with no other rights.
package kubefedchart

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// chart returns the chart's directory.
func chart(t *testing.T) string {
	t.Helper()
	root, err := framework.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "charts", "cellfed", "charts", "kubefed")
}

// upstream returns the directory of upstream's own chart, which comes with the module that has its Go types.
func upstream(t *testing.T) string {
	t.Helper()
	root, err := framework.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kubefed")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("find upstream's module: %v", err)
	}
	return filepath.Join(string(bytes.TrimSpace(out)), "charts", "kubefed")
}

// runHelm runs helm, which keeps what it keeps for itself in a directory of the test's, and returns what it wrote.
func runHelm(ctx context.Context, t *testing.T, args ...string) (string, error) {
	t.Helper()
	bin, err := framework.Binary("helm")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = append(os.Environ(),
		"HELM_CONFIG_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+os.DevNull)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("helm %v: %w: %s", args, err, stderr.String())
	}
	return stdout.String(), nil
}

func helm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := runHelm(t.Context(), t, args...)
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
