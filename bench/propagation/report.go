package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// quantity is what a bound is about.
type quantity string

const (
	// value is what cellfed has.
	value quantity = "cellfed"
	// overFloor is cellfed's part of the floor's.
	overFloor quantity = "cellfed/floor"
	// overUpstream is cellfed's part of upstream's, and upstreamOver the inverse.
	overUpstream quantity = "cellfed/upstream"
	upstreamOver quantity = "upstream/cellfed"
)

// bound is what a figure has to keep.
type bound struct {
	of      quantity
	atLeast bool
	limit   float64
}

func (b bound) String() string {
	sign := "<="
	if b.atLeast {
		sign = ">="
	}
	return fmt.Sprintf("%s %s %s", b.of, sign, number(b.limit))
}

// figure is what one thing measured. A nil value was not measured.
type figure struct {
	Section, What, Unit      string
	Cellfed, Upstream, Floor *float64
	bounds                   []bound
}

// line is one line of the report: a figure, or one more bound of the figure above it.
type line struct {
	Section  string   `json:"section"`
	What     string   `json:"what"`
	Unit     string   `json:"unit"`
	Cellfed  *float64 `json:"cellfed,omitempty"`
	Upstream *float64 `json:"upstream,omitempty"`
	Floor    *float64 `json:"floor,omitempty"`
	Ratio    *float64 `json:"ratio,omitempty"`
	Bound    string   `json:"bound,omitempty"`
	OK       *bool    `json:"ok,omitempty"`
	more     bool
}

// measured returns the quantity; false where something that it needs was not measured.
func (f figure) measured(of quantity) (float64, bool) {
	ratio := func(a, b *float64) (float64, bool) {
		if a == nil || b == nil || *b == 0 {
			return 0, false
		}
		return *a / *b, true
	}
	switch of {
	case overFloor:
		return ratio(f.Cellfed, f.Floor)
	case overUpstream:
		return ratio(f.Cellfed, f.Upstream)
	case upstreamOver:
		return ratio(f.Upstream, f.Cellfed)
	}
	if f.Cellfed == nil {
		return 0, false
	}
	return *f.Cellfed, true
}

// lines returns a line for each bound, or one.
func (f figure) lines() []line {
	base := line{Section: f.Section, What: f.What, Unit: f.Unit, Cellfed: f.Cellfed, Upstream: f.Upstream, Floor: f.Floor}
	if len(f.bounds) == 0 {
		if ratio, ok := f.measured(upstreamOver); ok {
			base.Ratio = &ratio
		}
		return []line{base}
	}
	var all []line
	for i, b := range f.bounds {
		l := base
		l.more, l.Bound = i > 0, b.String()
		if got, ok := f.measured(b.of); ok {
			if b.of != value {
				l.Ratio = &got
			}
			kept := got <= b.limit
			if b.atLeast {
				kept = got >= b.limit
			}
			l.OK = &kept
		}
		all = append(all, l)
	}
	return all
}

// report is the result of a run.
type report struct {
	Command string   `json:"command"`
	Sizes   sizes    `json:"sizes"`
	Lines   []line   `json:"figures"`
	Errors  []string `json:"errors,omitempty"`
}

func (r report) json(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func (r report) table(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "SECTION\tWHAT\tCELLFED\tUPSTREAM\tFLOOR\tRATIO\tBOUND\tOK")
	for _, l := range r.Lines {
		cells := []string{"", "", "", "", ""}
		if !l.more {
			cells = []string{l.Section, l.What, withUnit(l.Cellfed, l.Unit), withUnit(l.Upstream, l.Unit), withUnit(l.Floor, l.Unit)}
		}
		verdict := ""
		if l.OK != nil {
			verdict = map[bool]string{true: "ok", false: "NOT"}[*l.OK]
		}
		fmt.Fprintln(table, strings.Join(append(cells, withUnit(l.Ratio, ""), l.Bound, verdict), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\nFloor: one client with %d workers that writes the host's objects and, after each, the members' by server-side apply.\n"+
		"A ratio without a bound is upstream/cellfed. An empty field was not measured.\n", r.Command, r.Sizes.Concurrency)
	return nil
}

func withUnit(v *float64, unit string) string {
	if v == nil {
		return ""
	}
	return strings.TrimSpace(number(*v) + " " + unit)
}

// number has three digits that count.
func number(v float64) string {
	switch {
	case v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
