package get

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/cli/printing"
	"github.com/cellfed/cellfed/internal/topology"
)

// row is what is told of a cell.
type row struct {
	cell   v1alpha1.Cell
	health string
	mood   printing.Mood
	counts matrix.Summary
}

func newRow(cell v1alpha1.Cell, counts map[string]matrix.Summary) row {
	r := row{cell: cell, counts: counts[topology.CellClusterName(cell.Namespace, cell.Name)]}
	r.health, r.mood = Health(&cell)
	return r
}

// Health returns in a word how a cell is: Ready, or why it is not.
func Health(cell *v1alpha1.Cell) (string, printing.Mood) {
	ready := meta.FindStatusCondition(cell.Status.Conditions, string(v1alpha1.ConditionReady))
	switch {
	case cell.DeletionTimestamp != nil:
		return "Deleting", printing.Waiting
	case ready == nil || ready.ObservedGeneration != cell.Generation:
		return "Unknown", printing.Waiting
	case ready.Status == metav1.ConditionTrue:
		return "Ready", printing.Good
	case ready.Reason == string(v1alpha1.ReasonGenerating) || ready.Status == metav1.ConditionUnknown:
		return ready.Reason, printing.Waiting
	default:
		return ready.Reason, printing.Bad
	}
}

func (r row) key() string { return r.cell.Namespace + "/" + r.cell.Name }

// same reports whether two rows tell the same, or are of the same object if objects are printed.
func (r row) same(other row, objects bool) bool {
	if objects {
		return r.cell.ResourceVersion == other.cell.ResourceVersion
	}
	return r.health == other.health && r.counts == other.counts && equality.Semantic.DeepEqual(r.cell.Spec, other.cell.Spec)
}

func (o *Options) print(rows []row) error {
	table := printing.Table{Columns: []printing.Column{
		{Name: "NAME"}, {Name: "HEALTH"}, {Name: "CLUSTER"}, {Name: "PLACED"}, {Name: "IN-SYNC"}, {Name: "HELD"}, {Name: "FAILED"}, {Name: "AGE"},
		{Name: "TARGET-NAMESPACE", Wide: true}, {Name: "TENANT", Wide: true}, {Name: "KUBEFEDCLUSTER", Wide: true},
	}}
	if o.AllNamespaces {
		table.Columns = slices.Insert(table.Columns, 0, printing.Column{Name: "NAMESPACE"})
	}
	var names []string
	objects := make([]runtime.Object, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		line := []printing.Cell{
			printing.Text(r.cell.Name), {Text: r.health, Mood: r.mood}, printing.Text(r.cell.Spec.ClusterName),
			printing.Text(strconv.Itoa(r.counts.Placed)), printing.Text(strconv.Itoa(r.counts.InSync)),
			number(r.counts.Held, printing.Waiting), number(r.counts.Failed, printing.Bad),
			printing.Text(printing.Age(r.cell.CreationTimestamp.Time, o.now())),
			printing.Text(r.cell.TargetNamespace()), printing.Text(r.cell.Status.Tenant), printing.Text(r.cell.Status.KubeFedClusterName),
		}
		if o.AllNamespaces {
			line = slices.Insert(line, 0, printing.Text(r.cell.Namespace))
		}
		table.Rows = append(table.Rows, line)
		names = append(names, "cell.cellfed.io/"+r.cell.Name)
		objects = append(objects, kube.WithKind(&r.cell))
	}
	var printed any = printing.NewList(objects...)
	if len(o.Names) == 1 && len(objects) == 1 {
		printed = objects[0]
	}
	if len(o.Names) > 0 && len(objects) == 0 && o.Print.Structured() {
		return nil
	}
	return o.Print.Print(o.kube.Out, table, printed, names)
}

// number returns a count that stands out where there is something to count.
func number(n int, mood printing.Mood) printing.Cell {
	if n == 0 {
		mood = printing.Plain
	}
	return printing.Cell{Text: strconv.Itoa(n), Mood: mood}
}

func byName(a, b v1alpha1.Cell) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

func sorted(rows map[string]row) []row {
	all := make([]row, 0, len(rows))
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		all = append(all, rows[key])
	}
	return all
}
