package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReference: docs/reference/metrics.md is what the code declares.
func TestReference(t *testing.T) {
	var want bytes.Buffer
	if err := run(&want, "../.."); err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(have)); diff != "" {
		t.Errorf("docs/reference/metrics.md is not as the code has it: run make generate\n%s", diff)
	}
}

const header = "package p\n\nimport \"github.com/prometheus/client_golang/prometheus\"\n\n"

func TestFind(t *testing.T) {
	cases := map[string]struct {
		reason, code string
		want         []metric
		// wrong is part of what is said of what cannot be read.
		wrong string
	}{
		"Vec": {"", `var a = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cellfed_a_b_total", Help: "Bs."}, []string{"type"})`,
			[]metric{{name: "cellfed_a_b_total", help: "Bs.", kind: "counter", labels: []string{"type"}}}, ""},
		"Plain": {"", `var a = prometheus.NewGauge(prometheus.GaugeOpts{Name: "cellfed_a_b", Help: "Bs."})`,
			[]metric{{name: "cellfed_a_b", help: "Bs.", kind: "gauge"}}, ""},
		"Native": {"", `var a = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "cellfed_a_seconds", Help: "Bs.", NativeHistogramBucketFactor: 1.1})`,
			[]metric{{name: "cellfed_a_seconds", help: "Bs.", kind: "native histogram"}}, ""},
		"Field": {"a struct holds it", `func f() any { return struct{ a any }{a: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "cellfed_a_seconds", Help: "Bs."}, []string{"verb"})} }`,
			[]metric{{name: "cellfed_a_seconds", help: "Bs.", kind: "histogram", labels: []string{"verb"}}}, ""},
		"Desc": {"what a collector sends", "var d = prometheus.NewDesc(\"cellfed_a_b\", \"Bs.\", []string{\"cell\"}, nil)\nfunc f() { prometheus.MustNewConstMetric(d, prometheus.GaugeValue, 1, \"x\") }",
			[]metric{{name: "cellfed_a_b", help: "Bs.", kind: "gauge", labels: []string{"cell"}}}, ""},
		"Unsent":    {"nobody knows what kind it is of", `var d = prometheus.NewDesc("cellfed_a_b", "Bs.", nil, nil)`, nil, "MustNewConstMetric(d"},
		"Subsystem": {"who looks for the name does not find it", `var a = prometheus.NewGauge(prometheus.GaugeOpts{Subsystem: "a", Name: "b", Help: "Bs."})`, nil, "stand in one place"},
		"Variable":  {"", `var a = prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "Bs."})`, nil, "each a literal"},
		"Labels":    {"", `var a = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "cellfed_a_b", Help: "Bs."}, []string{label})`, nil, "labels of a metric are a literal"},
		"Elsewhere": {"another package's functions are no metrics", `var a = metrics.NewGauge("x")`, nil, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(header+tc.code+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := findIn(dir)
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) {
					t.Errorf("%s: %v", tc.reason, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i].at = ""
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(metric{})); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	if _, err := find(t.TempDir(), nil); err == nil {
		t.Error("an empty tree is as good as any")
	}
}

func TestRules(t *testing.T) {
	good := metric{name: "cellfed_a_b", help: "Bs.", kind: "gauge", labels: []string{"cell"}}
	cases := map[string]struct {
		reason string
		change func(*metric)
		ok     bool
	}{
		"Good":      {"", func(*metric) {}, true},
		"Prefix":    {"", func(m *metric) { m.name = "a_b_c" }, false},
		"Short":     {"", func(m *metric) { m.name = "cellfed_a" }, false},
		"Total":     {"a gauge is no counter", func(m *metric) { m.name = "cellfed_a_b_total" }, false},
		"Counter":   {"", func(m *metric) { m.kind = "counter" }, false},
		"Histogram": {"", func(m *metric) { m.kind = "native histogram" }, false},
		"Sentence":  {"", func(m *metric) { m.help = "Bs" }, false},
		"Unbounded": {"a label that holds an object's name", func(m *metric) { m.labels = []string{"object"} }, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := good
			m.labels = slices.Clone(good.labels)
			tc.change(&m)
			if err := m.check(); (err == nil) != tc.ok {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}
