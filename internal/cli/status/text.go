package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/cli/printing"
	"github.com/cellfed/cellfed/internal/federated"
)

func (o *Options) printOne(t kube.Type, m *matrix.Matrix) error {
	names := []string{strings.ToLower(t.Federated.Kind) + "." + t.Federated.Group + "/" + m.Name}
	if o.Print.Output != "" && o.Print.Output != printing.FormTable && !o.Print.Wide() {
		return o.Print.Print(o.kube.Out, printing.Table{}, m, names)
	}
	if !o.Print.NoHeaders {
		for _, line := range head(t, m) {
			if _, err := fmt.Fprintln(o.kube.Out, line); err != nil {
				return fmt.Errorf("write the output: %w", err)
			}
		}
	}
	return o.Print.Print(o.kube.Out, o.table(m), nil, nil)
}

// head returns the lines above the table.
func head(t kube.Type, m *matrix.Matrix) []string {
	what := strings.ToLower(t.Federated.Kind) + "." + t.Federated.Group + "/" + m.Name
	if m.Namespace != "" {
		what += " in " + m.Namespace
	}
	lines := []string{fmt.Sprintf("%s, generation %d: %s", what, m.Generation, headline(m))}
	if m.Deleting {
		lines = append(lines, "It is being deleted.")
	}
	lines = append(lines, mask(m))
	for _, c := range m.Conditions {
		wrong := c.Status != "True"
		switch c.Type {
		case "Held":
			continue
		case federated.PropagationCondition:
			// Cellfed's own condition says the same, and of what is released alone.
			wrong = wrong && m.Propagator != v1alpha1.PropagatorCellfed
		}
		if wrong {
			lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s: %s (%s): %s", c.Type, c.Status, c.Reason, printing.Line(c.Message)), ": "))
		}
	}
	for _, note := range m.Notes {
		lines = append(lines, "Note: "+note+".")
	}
	return append(lines, "")
}

// headline counts.
func headline(m *matrix.Matrix) string {
	s := m.Summary
	parts := []string{fmt.Sprintf("%d of %d in sync", s.InSync, s.Placed)}
	for _, part := range []struct {
		n    int
		text string
	}{{s.Progressing, "on its way"}, {s.Held, "held"}, {s.Failed, "failed"}, {s.Removing, "being removed"}, {s.Unknown, "not known"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	if _, judged := m.Condition("Available"); judged {
		parts = append(parts, fmt.Sprintf("%d available", s.Available))
	}
	return strings.Join(parts, ", ")
}

// mask says what a change may touch.
func mask(m *matrix.Matrix) string {
	switch {
	case m.Mask == nil:
		return "Mask: none, so that a change reaches everything that is placed."
	case m.Propagator == v1alpha1.PropagatorKubeFed:
		return "Mask: one that nobody obeys, so that a change reaches everything that is placed."
	case len(m.Mask.Names) == 0:
		return "Mask: empty, so that a change reaches nothing."
	default:
		return "Mask: a change reaches " + strings.Join(m.Mask.Names, ", ") + "."
	}
}

// table is the matrix.
func (o *Options) table(m *matrix.Matrix) printing.Table {
	first := "CELL"
	if m.TopologyType != "cell" {
		first = "NAME"
	}
	table := printing.Table{Columns: []printing.Column{
		{Name: first}, {Name: "CLUSTER"}, {Name: "GENERATION"}, {Name: "STATE"}, {Name: "SINCE"}, {Name: "AVAILABLE"}, {Name: "MESSAGE"},
		{Name: "TARGET-NAMESPACE", Wide: true}, {Name: "KUBEFEDCLUSTER", Wide: true},
	}}
	for i := range m.Rows {
		r := &m.Rows[i]
		generation, message := "-", r.Message
		if r.Generation != 0 {
			generation = fmt.Sprint(r.Generation)
		}
		if r.Reason != "" {
			message = strings.TrimSuffix(r.Reason+": "+r.Message, ": ")
		}
		table.Rows = append(table.Rows, []printing.Cell{
			printing.Text(r.Name), printing.Text(dash(r.Cluster)), printing.Text(generation), {Text: string(r.State), Mood: moods[r.State]},
			printing.Text(o.since(r.Since)), health(r), printing.Text(printing.Line(message)),
			printing.Text(dash(r.TargetNamespace)), printing.Text(r.KubeFedCluster),
		})
	}
	return table
}

func health(r *matrix.Row) printing.Cell {
	switch r.Health {
	case matrix.Available:
		return printing.Cell{Text: r.Working, Mood: printing.Good}
	case matrix.NotAvailable:
		return printing.Cell{Text: r.Working, Mood: printing.Waiting}
	case matrix.Broken:
		return printing.Cell{Text: r.Working + " (failed)", Mood: printing.Bad}
	default:
		return printing.Text("-")
	}
}

func (o *Options) since(changed string) string {
	t, err := time.Parse(time.RFC3339, changed)
	if err != nil {
		return "-"
	}
	return printing.Age(t, o.now())
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
