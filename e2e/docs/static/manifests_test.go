package static

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/e2e/docs/pages"
	"github.com/cellfed/cellfed/internal/cli"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

// besides is a line of two manifests that a page compares, one beside the other.
var besides = regexp.MustCompile(`(?m)^(apiVersion|kind|spec): .*\s{2,}(apiVersion|kind|spec):`)

// TestManifests: every YAML block can be read, and every whole manifest of cellfed's and of federated objects passes kubectl
// cells lint, together with those that its page has the reader save before.
func TestManifests(t *testing.T) {
	_, all := load(t)
	for _, page := range all {
		var saved strings.Builder
		for i := range page.Steps {
			step := &page.Steps[i]
			if step.Language != "yaml" || besides.MatchString(step.Text()) {
				continue
			}
			at := fmt.Sprintf("%s:%d", page.Path, step.Line)
			found, err := objects(step.Text())
			switch {
			case err != nil:
				t.Errorf("%s: this is no YAML: %v", at, err)
			case step.LintSkip || strings.Contains(step.Text(), "..."):
			case judged(found):
				lint(t, at, saved.String()+"---\n"+step.Text())
			}
			if step.File != "" && !step.LintSkip {
				saved.WriteString("---\n" + step.Text())
			}
		}
	}
}

// objects returns the documents of a block.
func objects(text string) ([]unstructured.Unstructured, error) {
	var all []unstructured.Unstructured
	for document := range strings.SplitSeq(text, "\n---\n") {
		var value any
		if err := yaml.Unmarshal([]byte(document), &value); err != nil {
			return nil, err
		}
		if fields, ok := value.(map[string]any); ok {
			all = append(all, unstructured.Unstructured{Object: fields})
		}
	}
	return all, nil
}

// judged reports whether lint has something to say of an object.
func judged(objects []unstructured.Unstructured) bool {
	for _, o := range objects {
		group := o.GroupVersionKind().Group
		if o.GetName() != "" && o.Object["spec"] != nil && (group == "types.kubefed.io" || group == "cellfed.io") {
			return true
		}
	}
	return false
}

func lint(t *testing.T, at, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	cmd := cli.NewCommand(kube.New(streams), "docs")
	cmd.SetArgs([]string{"lint", "-o", "json", "-f", file})
	if err := cmd.ExecuteContext(t.Context()); err != nil && exit.Code(err) != exit.NotSo {
		t.Fatalf("%s: lint: %v: %s", at, err, errOut)
	}
	report := struct {
		Findings []struct{ Severity, Kind, Name, Message string }
		Checked  int
	}{}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%s: lint printed %q: %v", at, out, err)
	}
	if report.Checked == 0 {
		t.Errorf("%s: lint judged nothing of it", at)
	}
	for _, finding := range report.Findings {
		t.Errorf("%s: %s: %s %s: %s", at, finding.Severity, finding.Kind, finding.Name, finding.Message)
	}
}

// TestLint: a manifest that admission would refuse is found.
func TestLint(t *testing.T) {
	step := pages.Step{Lines: []string{"apiVersion: cellfed.io/v1alpha1", "kind: Cell", "metadata: {name: a, namespace: b}", "spec: {clusterName: c}"}}
	found, err := objects(step.Text())
	if err != nil || !judged(found) {
		t.Fatalf("a Cell is judged, and this one was not: %v", err)
	}
}
