package cell

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestMetrics(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	in := func(cluster, name string, conditions ...metav1.Condition) client.Object {
		cell := newCell("shop", name, cluster, "")
		cell.Status.Conditions = conditions
		return cell
	}
	ready := v1alpha1.NewCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, 1, "")
	notReady := v1alpha1.NewCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTerminating, 1, "")
	blocked := v1alpha1.NewCondition(v1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue, v1alpha1.ReasonPlaced, 1, "")
	going, waiting := in("hz-b", "d", notReady), in("hz-b", "e", notReady, blocked)
	for _, cell := range []client.Object{going, waiting} {
		cell.SetDeletionTimestamp(&metav1.Time{Time: epoch})
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).
		WithObjects(in("hz-a", "a", ready), in("hz-a", "b", ready), in("hz-a", "c"), going, waiting).Build()
	elected := make(chan struct{})
	collector := &cellCollector{client: reader, elected: elected}
	if n := testutil.CollectAndCount(collector); n != 0 {
		t.Errorf("%d samples of a replica that does not lead", n)
	}
	close(elected)
	want := `
# HELP cellfed_cell_cells Cells by the physical cluster that they name and the status of their condition Ready.
# TYPE cellfed_cell_cells gauge
cellfed_cell_cells{cluster="hz-a",ready="True"} 2
cellfed_cell_cells{cluster="hz-a",ready="Unknown"} 1
cellfed_cell_cells{cluster="hz-b",ready="False"} 2
# HELP cellfed_cell_deleting_cells Cells that are being deleted, by the physical cluster that they name and whether their deletion waits for something.
# TYPE cellfed_cell_deleting_cells gauge
cellfed_cell_deleting_cells{blocked="False",cluster="hz-b"} 1
cellfed_cell_deleting_cells{blocked="True",cluster="hz-b"} 1
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(metrics.Registry, "cellfed_cell_cells", "cellfed_cell_tokens_issued_total")
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	// A manager takes over from an earlier one in the same process.
	for range 2 {
		if err := registerMetrics(reader, elected); err != nil {
			t.Error(err)
		}
	}
}
