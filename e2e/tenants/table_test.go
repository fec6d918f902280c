package tenants

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	document   = "docs/security.md"
	beginTable = "<!-- attack table: begin -->"
	endTable   = "<!-- attack table: end -->"
)

// row is a try under one propagator, and what came of it.
type row struct {
	group, try, propagator, answer string
	// reached are the places of others where something of the try arrived.
	reached []string
	run     *run1
	want    want
}

func (r *row) where() string {
	if len(r.reached) == 0 {
		return "never"
	}
	return strings.Join(r.reached, ", ")
}

// table is all tries.
type table struct{ rows []*row }

func (t *table) add(group, what string, as *propagation, run *run1) *row {
	text := run.answer.String()
	r := &row{group: group, try: what, propagator: as.title(), answer: text, run: run}
	t.rows = append(t.rows, r)
	return r
}

// somewhere notes a place that was reached, and that nothing tells which try did it.
func (t *table) somewhere(group, where string) {
	const one = "one of these, nobody knows which"
	for _, r := range t.rows {
		if r.group == group && r.try == one {
			r.reached = append(r.reached, where)
			return
		}
	}
	t.rows = append(t.rows, &row{group: group, try: one, propagator: "-", answer: "-", reached: []string{where}, run: &run1{name: one}})
}

// text is the answer, and what became of what was admitted.
func (r *row) text() string {
	if r.want.admitted != "" {
		return r.answer + ", admitted: " + r.want.admitted
	}
	return r.answer
}

// merged returns the rows, those that came out the same under both propagators as one.
func (t *table) merged() []*row {
	var all []*row
	for _, r := range t.rows {
		index := slices.IndexFunc(all, func(o *row) bool {
			return o.group == r.group && o.try == r.try && o.text() == r.text() && slices.Equal(o.reached, r.reached)
		})
		if index >= 0 && all[index].propagator != r.propagator {
			merged := *all[index]
			merged.propagator = "both"
			all[index] = &merged
			continue
		}
		all = append(all, r)
	}
	// The rows of one try stand together.
	first := map[string]int{}
	for i, r := range all {
		if _, known := first[r.group+r.try]; !known {
			first[r.group+r.try] = i
		}
	}
	slices.SortStableFunc(all, func(a, b *row) int { return first[a.group+a.try] - first[b.group+b.try] })
	return all
}

// print writes the table as text.
func (t *table) print(out io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	writer := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(writer, "\nTRY\tPROPAGATOR\tANSWER\tREACHED MEMBER")
	group, through := "", 0
	for _, r := range t.merged() {
		if r.group != group {
			group = r.group
			fmt.Fprintf(writer, "%s\t\t\t\n", strings.ToUpper(group))
		}
		if len(r.reached) > 0 {
			through++
		}
		fmt.Fprintf(writer, "  %s\t%s\t%s\t%s\n", r.try, r.propagator, r.text(), r.where())
	}
	if err := writer.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	fmt.Fprintf(out, "\n%d tries, %d reached another tenant\n", len(t.rows), through)
}

// markdown returns the table for the document.
func (t *table) markdown() string {
	var b strings.Builder
	group := ""
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ")
	for _, r := range t.merged() {
		if r.group != group {
			group = r.group
			fmt.Fprintf(&b, "\n### %s\n\n| try | propagator | answer | reached member |\n|---|---|---|---|\n", group)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", escape.Replace(r.try), r.propagator, escape.Replace(r.text()), r.where())
	}
	fmt.Fprintf(&b, "\n%d tries.\n", len(t.rows))
	return b.String()
}

// record compares the document's table with this one, or writes it there.
func (t *table) record() error {
	root, err := framework.ModuleRoot()
	if err != nil {
		return err
	}
	path := filepath.Join(root, document)
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the recorded table: %w", err)
	}
	begin, end := bytes.Index(old, []byte(beginTable)), bytes.Index(old, []byte(endTable))
	if begin < 0 || end < begin {
		return fmt.Errorf("%s lacks the lines %q and %q", document, beginTable, endTable)
	}
	made := slices.Concat(old[:begin+len(beginTable)], []byte("\n"+t.markdown()+"\n"), old[end:])
	switch {
	case bytes.Equal(made, old):
		return nil
	case *update:
		return os.WriteFile(path, made, 0o644)
	default:
		return fmt.Errorf("%s does not have the table that the tries came to: look at what changed, and run \"go test ./e2e/tenants -update\"", document)
	}
}
