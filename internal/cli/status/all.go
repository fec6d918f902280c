package status

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/cli/printing"
)

// Objects is what -o json and -o yaml print of several objects.
type Objects struct {
	Items []matrix.Matrix `json:"items"`
}

// all tells of all objects of a namespace, or of all namespaces.
func (o *Options) all(ctx context.Context) error {
	namespace := ""
	if !o.AllNamespaces {
		var err error
		if namespace, _, err = o.kube.Namespace(); err != nil {
			return err
		}
	}
	fleet, err := o.kube.Fleet(ctx, namespace, client.MatchingLabelsSelector{Selector: o.selector})
	if err != nil {
		return err
	}
	if note := fleet.Note(); note != "" {
		fmt.Fprintf(o.kube.ErrOut, "note: %s\n", note)
	}
	if !o.Watch {
		return o.printAll(fleet, namespace)
	}
	told, first := "", true
	return o.kube.Follow(ctx, o.kube.Watched(fleet, namespace), func(ctx context.Context) (bool, error) {
		fleet, err := o.kube.Fleet(ctx, namespace, client.MatchingLabelsSelector{Selector: o.selector})
		if err != nil {
			return false, err
		}
		// What is told is told again if it differs: much changes in a status that no mark shows.
		now := strings.Join(o.lines(fleet, false), "\n")
		if !first && now == told {
			return false, nil
		}
		o.clear(first)
		told, first = now, false
		return false, o.printAll(fleet, namespace)
	})
}

func (o *Options) printAll(fleet *kube.Fleet, namespace string) error {
	objects := matrix.OfFleet(fleet, o.now())
	switch {
	case o.Print.Structured():
		return o.Print.Print(o.kube.Out, printing.Table{}, Objects{Items: append([]matrix.Matrix{}, objects...)}, nil)
	case o.Print.Output == printing.FormName:
		names := make([]string, 0, len(objects))
		for i := range objects {
			names = append(names, name(fleet, &objects[i]))
		}
		return o.Print.Print(o.kube.Out, printing.Table{}, nil, names)
	}
	if len(objects) == 0 {
		where := ""
		if namespace != "" {
			where = fmt.Sprintf(" in the namespace %q", namespace)
		}
		fmt.Fprintf(o.kube.ErrOut, "No federated objects found%s.\n", where)
		return nil
	}
	for _, line := range o.lines(fleet, printing.Colored(o.kube.Out)) {
		if _, err := fmt.Fprintln(o.kube.Out, line); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
	}
	return nil
}

// name returns the object as -o name prints it.
func name(fleet *kube.Fleet, m *matrix.Matrix) string {
	for _, t := range fleet.Objects {
		if t.Name == m.Type {
			return strings.ToLower(t.Federated.Kind) + "." + t.Federated.Group + "/" + m.Name
		}
	}
	return m.Type + "/" + m.Name
}

// lines lays out a grid for each namespace that has objects.
func (o *Options) lines(fleet *kube.Fleet, colored bool) []string {
	objects := matrix.OfFleet(fleet, o.now())
	cells := map[string][]v1alpha1.Cell{}
	for i := range fleet.Cells {
		cells[fleet.Cells[i].Namespace] = append(cells[fleet.Cells[i].Namespace], fleet.Cells[i])
	}
	var lines []string
	for start := 0; start < len(objects); {
		end := start
		for end < len(objects) && objects[end].Namespace == objects[start].Namespace {
			end++
		}
		lines = append(lines, o.namespaceLines(objects[start:end], cells[objects[start].Namespace], colored)...)
		start = end
	}
	if len(lines) > 0 {
		lines = append(lines, matrix.Legend(painter(colored)))
	}
	return lines
}

func (o *Options) namespaceLines(objects []matrix.Matrix, cells []v1alpha1.Cell, colored bool) []string {
	var lines []string
	grid := matrix.NewGrid(objects, matrix.Columns(cells))
	if !o.Print.NoHeaders {
		where := "Namespace " + objects[0].Namespace
		if objects[0].Namespace == "" {
			where = "Without a namespace"
		}
		lines = append(lines, fmt.Sprintf("%s: %s, %s", where, counted(len(objects), "object"), counted(len(grid.Columns), "cell or cluster")), "")
	}
	return append(append(lines, grid.Lines(printing.Width(o.kube.Out), painter(colored))...), "")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if what == "cell or cluster" {
		return fmt.Sprintf("%d cells or clusters", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// moods are the colors of the states.
var moods = map[matrix.State]printing.Mood{
	matrix.InSync: printing.Good, matrix.Progressing: printing.Waiting, matrix.Held: printing.Waiting,
	matrix.Failed: printing.Bad, matrix.Removing: printing.Waiting, matrix.Unknown: printing.Dim,
}

func painter(colored bool) matrix.Paint {
	return func(text string, state matrix.State) string { return printing.Paint(text, moods[state], colored) }
}
