package main

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/e2e/docs/pages"
	"github.com/cellfed/cellfed/e2e/framework"
)

// TestDocs: what a page shows as values of the chart is taken by it.
func TestDocs(t *testing.T) {
	root, err := framework.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	all, err := pages.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	known, _ := readSchema(t, ".")["properties"].(map[string]any)
	seen := 0
	for _, page := range all {
		for i := range page.Steps {
			step := &page.Steps[i]
			var block map[string]any
			if step.Language != "yaml" || yaml.Unmarshal([]byte(step.Text()), &block) != nil || !ofChart(block, known) {
				continue
			}
			seen++
			if block["extraArgs"] != nil {
				t.Errorf("%s:%d: it gives flags by extraArgs, and every flag has a value of its own", page.Path, step.Line)
			}
			if _, err := helmTemplate(t, framework.KubeFedNamespace, step.Text()); err != nil {
				t.Errorf("%s:%d: %v", page.Path, step.Line, err)
			}
		}
	}
	if seen == 0 {
		t.Error("no page shows values of the chart, which docs/tracing.md does")
	}
}

// ofChart reports whether a block is of the chart's values, one of which may be misspelled.
func ofChart(block, known map[string]any) bool {
	for key := range block {
		if _, ok := known[key]; ok && block["kind"] == nil {
			return true
		}
	}
	return false
}

// TestNotesInOrder: types are federated before a member is joined, whose account is given those that are.
func TestNotesInOrder(t *testing.T) {
	for _, values := range []string{"{}", "{types: {namespaces: {enabled: true}}}"} {
		out, err := helm(t, values, "install", "cellfed", "charts/cellfed", "--dry-run=client", "--values", "-")
		if err != nil {
			t.Fatal(err)
		}
		_, notes, _ := strings.Cut(out, "\nNOTES:\n")
		at := 0
		for i, step := range []string{"\n1. Federate", "\n2. Then register a cluster", "\n3. Make a cell", "\n4. Hand a type over"} {
			now := strings.Index(notes, step)
			if now < at {
				t.Errorf("%s: the notes do not have step %d, %q, where it belongs:\n%s", values, i+1, step, notes)
			}
			at = max(at, now)
		}
	}
}
