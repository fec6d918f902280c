package cell

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

var (
	tokensIssued = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "cellfed_cell_tokens_issued_total",
		Help: "Façade tokens that were made.",
	})
	tokensRevoked = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "cellfed_cell_tokens_revoked_total",
		Help: "Façade tokens that were revoked.",
	})

	cellsDesc = prometheus.NewDesc("cellfed_cell_cells",
		"Cells by the physical cluster that they name and the status of their condition Ready.",
		[]string{"cluster", "ready"}, nil)
	deletingDesc = prometheus.NewDesc("cellfed_cell_deleting_cells",
		"Cells that are being deleted, by the physical cluster that they name and whether their deletion waits for something.",
		[]string{"cluster", "blocked"}, nil)
)

// cellCollector counts the Cells that are in the cache when it is asked. Only the leader counts, so that a sum over
// the replicas is right.
type cellCollector struct {
	client  client.Reader
	elected <-chan struct{}
}

// Describe implements prometheus.Collector.
func (c *cellCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- cellsDesc
	descs <- deletingDesc
}

// Collect implements prometheus.Collector.
func (c *cellCollector) Collect(samples chan<- prometheus.Metric) {
	select {
	case <-c.elected:
	default:
		return
	}
	cells := &v1alpha1.CellList{}
	if err := c.client.List(context.Background(), cells, client.UnsafeDisableDeepCopy); err != nil {
		samples <- prometheus.NewInvalidMetric(cellsDesc, err)
		return
	}
	type key struct{ cluster, state string }
	ready, deleting := map[key]float64{}, map[key]float64{}
	for i := range cells.Items {
		cell := &cells.Items[i]
		ready[key{cell.Spec.ClusterName, statusText(cell, v1alpha1.ConditionReady)}]++
		if cell.DeletionTimestamp != nil {
			deleting[key{cell.Spec.ClusterName, statusText(cell, v1alpha1.ConditionDeletionBlocked)}]++
		}
	}
	for k, n := range ready {
		samples <- prometheus.MustNewConstMetric(cellsDesc, prometheus.GaugeValue, n, k.cluster, k.state)
	}
	for k, n := range deleting {
		samples <- prometheus.MustNewConstMetric(deletingDesc, prometheus.GaugeValue, n, k.cluster, k.state)
	}
}

// statusText returns the status of a condition; one that is not there is Unknown, or False where absence means that.
func statusText(cell *v1alpha1.Cell, t v1alpha1.ConditionType) string {
	if condition := find(cell.Status.Conditions, t); condition != nil {
		return string(condition.Status)
	}
	if t == v1alpha1.ConditionDeletionBlocked {
		return string(metav1.ConditionFalse)
	}
	return string(metav1.ConditionUnknown)
}

// registerMetrics registers the metrics, in place of those of an earlier manager in this process.
func registerMetrics(reader client.Reader, elected <-chan struct{}) error {
	collector := &cellCollector{client: reader, elected: elected}
	metrics.Registry.Unregister(collector)
	for _, c := range []prometheus.Collector{collector, tokensIssued, tokensRevoked} {
		var already prometheus.AlreadyRegisteredError
		if err := metrics.Registry.Register(c); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}
