package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// alert is a rule of config/prometheus/alerts.yaml.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "config/prometheus/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there is no alert")
	}
	return all
}

// TestAlerts: every alert can fire, says what a person needs, and is tested.
func TestAlerts(t *testing.T) {
	series := known(t)
	tests, err := os.ReadFile(filepath.Join(root, "config/prometheus/alerts_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	label := regexp.MustCompile(`\$labels\.(\w+)`)
	seen := map[string]bool{}
	for _, a := range alerts(t) {
		if err := check(a.Expr, series); err != nil {
			t.Errorf("%s: %v", a.Alert, err)
		}
		if seen[a.Alert] || !strings.HasPrefix(a.Alert, "Cellfed") {
			t.Errorf("%s: the name is taken, or does not begin with Cellfed", a.Alert)
		}
		seen[a.Alert] = true
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s: severity %q is none of critical, warning and info", a.Alert, a.Labels["severity"])
		}
		if a.For == "" || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s has no for, no summary or no description", a.Alert)
		}
		if url := a.Annotations["runbook_url"]; !strings.HasSuffix(url, "/docs/runbooks/"+a.Alert+".md") {
			t.Errorf("%s: runbook_url %q does not lead to its runbook", a.Alert, url)
		}
		for _, text := range a.Annotations {
			for _, used := range label.FindAllStringSubmatch(text, -1) {
				if !regexp.MustCompile(`by \([^)]*\b` + used[1] + `\b`).MatchString(a.Expr) {
					t.Errorf("%s tells the label %q, which its expression does not keep", a.Alert, used[1])
				}
			}
		}
		if !strings.Contains(string(tests), a.Alert) {
			t.Errorf("alerts_test.yaml never sees %s fire", a.Alert)
		}
	}
}

// TestRunbooks: every alert has a runbook, and every runbook an alert. Each says the same four things.
func TestRunbooks(t *testing.T) {
	series := known(t)
	names := map[string]bool{}
	for _, a := range alerts(t) {
		names[a.Alert] = true
	}
	files, err := filepath.Glob(filepath.Join(root, "docs/runbooks/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	metric := regexp.MustCompile(`\bcellfed_[a-z0-9_]+`)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		if name == "README" {
			continue
		}
		if !names[name] {
			t.Errorf("docs/runbooks/%s.md: there is no such alert", name)
		}
		delete(names, name)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		at := 0
		for _, heading := range []string{"# " + name + "\n", "\n## Meaning\n", "\n## Impact\n", "\n## Diagnosis\n", "\n## Mitigation\n"} {
			next := strings.Index(text[at:], heading)
			if next < 0 {
				t.Errorf("docs/runbooks/%s.md has no %q, or not where it belongs", name, strings.TrimSpace(heading))
				break
			}
			at += next
		}
		if !strings.Contains(text, "```sh\n") {
			t.Errorf("docs/runbooks/%s.md has no command", name)
		}
		for _, used := range metric.FindAllString(text, -1) {
			if series[used] == nil && series[used+"_bucket"] == nil {
				t.Errorf("docs/runbooks/%s.md: there is no metric %s", name, used)
			}
		}
	}
	for name := range names {
		t.Errorf("alert %s has no runbook: write docs/runbooks/%s.md", name, name)
	}
}
