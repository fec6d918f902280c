package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

const root = "../.."

// others are metrics that the manager serves and does not declare: those of controller-runtime and of the Go client.
var others = map[string][]string{
	"leader_election_master_status": {"name"},
	"process_resident_memory_bytes": nil,
	"process_cpu_seconds_total":     nil,
}

// scraped are labels that Prometheus gives to every series.
var scraped = []string{"job", "instance"}

// known returns the labels of every series that there is, by its name.
func known(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/reference/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for name, of := range others {
		all[name] = append(slices.Clone(of), scraped...)
	}
	row := regexp.MustCompile("(?m)^\\| `(cellfed_[a-z0-9_]+)` \\| ([a-z ]+) \\| ([^|]*) \\|")
	word := regexp.MustCompile("`([a-z]+)`")
	for _, found := range row.FindAllStringSubmatch(string(text), -1) {
		of := slices.Clone(scraped)
		for _, label := range word.FindAllStringSubmatch(found[3], -1) {
			of = append(of, label[1])
		}
		if !strings.HasSuffix(found[2], "histogram") {
			all[found[1]] = of
			continue
		}
		all[found[1]+"_bucket"] = append(slices.Clone(of), "le")
		all[found[1]+"_count"], all[found[1]+"_sum"] = of, of
	}
	if len(all) < 20 {
		t.Fatalf("docs/reference/metrics.md names no more than %d series: is it generated?", len(all))
	}
	return all
}

// check says what is wrong with a query: it does not parse, or names what there is not.
func check(expr string, series map[string][]string) error {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(strings.ReplaceAll(expr, "$__rate_interval", "5m"))
	if err != nil {
		return err
	}
	var wrong error
	var allowed []string
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if v, ok := node.(*parser.VectorSelector); ok {
			of, there := series[v.Name]
			if !there {
				wrong = fmt.Errorf("there is no metric %q", v.Name)
			}
			allowed = append(allowed, of...)
			for _, m := range v.LabelMatchers {
				if m.Name != "__name__" && !slices.Contains(of, m.Name) {
					wrong = fmt.Errorf("%s has no label %q", v.Name, m.Name)
				}
			}
		}
		return nil
	})
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		var named []string
		switch n := node.(type) {
		case *parser.AggregateExpr:
			named = n.Grouping
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				named = append(slices.Clone(n.VectorMatching.MatchingLabels), n.VectorMatching.Include...)
			}
		}
		for _, label := range named {
			if !slices.Contains(allowed, label) {
				wrong = fmt.Errorf("no metric in it has the label %q", label)
			}
		}
		return nil
	})
	return wrong
}

func TestCheck(t *testing.T) {
	series := map[string][]string{"a_total": {"cluster"}, "b": {"cell"}}
	cases := map[string]struct {
		reason, expr string
		ok           bool
	}{
		"Fine":     {"", `sum by (cluster) (rate(a_total{cluster=~"$cluster"}[$__rate_interval]))`, true},
		"NoMetric": {"a typo in a name", `sum(c_total)`, false},
		"NoLabel":  {"a label of another metric", `a_total{cell="x"}`, false},
		"NoBy":     {"a label that nothing in it has", `sum by (type) (a_total)`, false},
		"NoOn":     {"", `a_total and on (type) b`, false},
		"Syntax":   {"", `sum(a_total`, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if err := check(tc.expr, series); (err == nil) != tc.ok {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}

// TestDashboards: what is in config/prometheus is what the code makes, and every query in it can have an answer.
func TestDashboards(t *testing.T) {
	series := known(t)
	values := regexp.MustCompile(`^label_values\((.+), ([a-z]+)\)$`)
	for name, builder := range dashboards() {
		text, err := render(builder)
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join(root, "config/prometheus/dashboards", name))
		if err != nil || !bytes.Equal(have, text) {
			t.Errorf("config/prometheus/dashboards/%s is not as the code has it: run make generate (%v)", name, err)
		}
		var made struct {
			Templating struct {
				List []struct{ Name, Type, Query string }
			}
			Panels []struct {
				Title, Type, Description string
				Targets                  []struct{ Expr, LegendFormat string }
			}
		}
		if err := json.Unmarshal(text, &made); err != nil {
			t.Fatal(err)
		}
		variables := []string{"__rate_interval"}
		for _, v := range made.Templating.List {
			variables = append(variables, v.Name)
			if v.Type != "query" {
				continue
			}
			found := values.FindStringSubmatch(v.Query)
			if found == nil {
				t.Errorf("%s: variable %s: %q is no label_values(SERIES, LABEL)", name, v.Name, v.Query)
				continue
			}
			if err := check("count by ("+found[2]+") ("+found[1]+")", series); err != nil {
				t.Errorf("%s: variable %s: %v", name, v.Name, err)
			}
		}
		queries := 0
		for _, p := range made.Panels {
			if p.Type != "row" && (p.Title == "" || p.Description == "" || len(p.Targets) == 0) {
				t.Errorf("%s: panel %q has no title, no description or no query", name, p.Title)
			}
			for _, target := range p.Targets {
				queries++
				if err := checkPanel(target.Expr, target.LegendFormat, series, variables); err != nil {
					t.Errorf("%s: panel %q: %s: %v", name, p.Title, target.Expr, err)
				}
			}
		}
		if queries < 10 {
			t.Errorf("%s: %d queries are all that were found", name, queries)
		}
	}
}

// checkPanel checks the variables of a query and the labels of its legend too.
func checkPanel(expr, legend string, series map[string][]string, variables []string) error {
	for _, used := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(expr, -1) {
		if !slices.Contains(variables, used[1]) {
			return fmt.Errorf("there is no variable %q", used[1])
		}
	}
	for _, used := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(legend, -1) {
		if used[1] != "instance" && !regexp.MustCompile(`by \([^)]*\b`+used[1]+`\b`).MatchString(expr) {
			return fmt.Errorf("the legend names the label %q, which is not what it is summed by", used[1])
		}
	}
	return check(expr, series)
}
