package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuantile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	cases := map[string]struct {
		reason string
		values []int
		q      float64
		want   int
	}{
		"Median":   {reason: "Half of the values are at or below it.", values: hundred, q: 0.5, want: 50},
		"P99":      {reason: "The largest of a hundred is beyond the 99th percentile.", values: hundred, q: 0.99, want: 99},
		"P99OfFew": {reason: "Of few values the largest counts, not one that is forgotten.", values: []int{3, 1, 2}, q: 0.99, want: 3},
		"Lowest":   {reason: "No share is the least value.", values: []int{3, 1, 2}, q: 0, want: 1},
		"None":     {reason: "Nothing is zero.", q: 0.5},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := quantile(tc.values, tc.q); got != tc.want {
				t.Errorf("%s: got %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
	if hundred[0] != 100 {
		t.Error("the values were sorted in place")
	}
}

func TestMiddle(t *testing.T) {
	phases := []phase{{took: 3 * time.Second}, {took: time.Second}, {took: 2 * time.Second}}
	if got := middle(phases).took; got != 2*time.Second {
		t.Errorf("got %s, want 2s", got)
	}
	if got := middle(phases[:2]).took; got != time.Second {
		t.Errorf("of two rounds the faster counts: got %s, want 1s", got)
	}
}

func TestFigureLines(t *testing.T) {
	cases := map[string]struct {
		reason string
		figure figure
		want   []line
	}{
		"Kept": {
			reason: "A bound on a ratio shows the ratio and that it was kept.",
			figure: figure{What: "a", Cellfed: new(2.0), Upstream: new(20.0), bounds: []bound{{upstreamOver, true, 8}}},
			want:   []line{{What: "a", Cellfed: new(2.0), Upstream: new(20.0), Ratio: new(10.0), Bound: "upstream/cellfed >= 8", OK: new(true)}},
		},
		"Broken": {
			reason: "A bound that is not kept says so, each in its own line.",
			figure: figure{What: "a", Cellfed: new(2.0), Upstream: new(10.0), Floor: new(1.0), bounds: []bound{{overFloor, false, 1.3}, {overUpstream, false, 0.5}}},
			want: []line{
				{What: "a", Cellfed: new(2.0), Upstream: new(10.0), Floor: new(1.0), Ratio: new(2.0), Bound: "cellfed/floor <= 1.30", OK: new(false)},
				{What: "a", Cellfed: new(2.0), Upstream: new(10.0), Floor: new(1.0), Ratio: new(0.2), Bound: "cellfed/upstream <= 0.50", OK: new(true), more: true},
			},
		},
		"Value": {
			reason: "A bound on cellfed's own value needs no ratio, and zero is a value.",
			figure: figure{What: "a", Cellfed: new(0.0), bounds: []bound{{value, false, 0}}},
			want:   []line{{What: "a", Cellfed: new(0.0), Bound: "cellfed <= 0", OK: new(true)}},
		},
		"Unmeasured": {
			reason: "What was not measured is neither kept nor broken.",
			figure: figure{What: "a", Upstream: new(1.0), bounds: []bound{{upstreamOver, true, 8}}},
			want:   []line{{What: "a", Upstream: new(1.0), Bound: "upstream/cellfed >= 8"}},
		},
		"NoBound": {
			reason: "Without a bound the ratio is how much faster than upstream it is.",
			figure: figure{What: "a", Cellfed: new(1.0), Upstream: new(4.0)},
			want:   []line{{What: "a", Cellfed: new(1.0), Upstream: new(4.0), Ratio: new(4.0)}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.figure.lines(), cmp.AllowUnexported(line{})); diff != "" {
				t.Errorf("%s (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func TestReport(t *testing.T) {
	f := figure{Section: "A", What: "create", Unit: "s", Cellfed: new(1.234), Upstream: new(26.0), Floor: new(1.0),
		bounds: []bound{{upstreamOver, true, 8}, {overFloor, false, 1.2}}}
	r := report{Command: "bench", Lines: f.lines(), Sizes: sizes{Concurrency: 16}}
	var out bytes.Buffer
	if err := r.table(&out); err != nil {
		t.Fatal(err)
	}
	rows := strings.SplitAfter(out.String(), "\n")
	want := "SECTION  WHAT    CELLFED  UPSTREAM  FLOOR  RATIO  BOUND                  OK\n" +
		"A        create  1.23 s   26 s      1 s    21.1   upstream/cellfed >= 8  ok\n" +
		"                                           1.23   cellfed/floor <= 1.20  NOT\n"
	if diff := cmp.Diff(want, strings.Join(rows[:3], "")); diff != "" {
		t.Errorf("the table (-want +got)\n%s", diff)
	}
	out.Reset()
	if err := r.json(&out); err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got.Lines) != 2 || *got.Lines[1].OK {
		t.Errorf("the JSON %s does not tell the same: %v", out.String(), err)
	}
}

func TestParse(t *testing.T) {
	for name, args := range map[string][]string{
		"an unknown section": {"--only", "A,nothing"}, "an unknown output": {"-o", "xml"}, "no objects": {"--objects", "0"},
	} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
	o, err := parse([]string{"--only", "A,latency"}, io.Discard)
	if diff := cmp.Diff([]string{"A", "latency"}, o.only); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err := parse([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("help: got %v", err)
	}
}

func TestEach(t *testing.T) {
	l := lives{byCellfed: {}}
	calls := func(p phase) float64 { return float64(p.conversions) }
	for i, v := range lifecycle {
		l[byCellfed][v] = []phase{{conversions: 10 * i}}
	}
	if got := l.each(byCellfed, 10, calls); got == nil || *got != 3 {
		t.Errorf("got %v, want 3", got)
	}
	if got := l.each(byUpstream, 10, calls); got != nil {
		t.Errorf("what was not measured is %v, want nothing", *got)
	}
}

func TestBesideUpstreamOf(t *testing.T) {
	both := lives{byUpstream: {created: {{took: time.Minute}}}, byCellfed: {created: {{took: time.Second}}}}
	one := lives{byCellfed: {created: {{took: time.Millisecond}}}}
	got := one.besideUpstreamOf(both)
	if up, own := got.of(byUpstream, created, took), got.of(byCellfed, created, took); up == nil || *up != 60 || own == nil || *own != 0.001 {
		t.Errorf("upstream took %v and cellfed %v, want the one's 60 s beside its own 1 ms", up, own)
	}
	if one[byUpstream] != nil {
		t.Error("what it is put beside was changed")
	}
	for _, f := range alone("A", lives{}.besideUpstreamOf(both).burstFigures(sizes{Objects: 1})) {
		if f.Cellfed != nil || f.Upstream != nil || f.Floor != nil {
			t.Errorf("%s: there is a figure where cellfed was not measured", f.What)
		}
		if f.Section != "A, v2beta1 alone" {
			t.Errorf("%s is a figure of section %q, which has both versions served", f.What, f.Section)
		}
	}
}
