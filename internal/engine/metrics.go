package engine

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

var (
	memberQueueDesc = prometheus.NewDesc("cellfed_engine_member_queue_depth",
		"Keys that are ready to be propagated to a member, one for each federated object and topology, by physical cluster. What is being written, and what waits for another attempt, is not in it. The leader alone has it.",
		[]string{"cluster"}, nil)
	typeQueueDesc = prometheus.NewDesc("cellfed_engine_type_queue_depth",
		"Federated objects that are ready to be planned or reported on, by federated type and queue: plan or report. The leader alone has it, for the types that it propagates.",
		[]string{"type", "queue"}, nil)
)

// Collector returns the metrics of the engine's queues. Where the engine does not run it has none.
func (e *Engine) Collector() prometheus.Collector { return queueCollector{e} }

type queueCollector struct{ engine *Engine }

// Describe implements prometheus.Collector.
func (c queueCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- memberQueueDesc
	descs <- typeQueueDesc
}

// Collect implements prometheus.Collector.
func (c queueCollector) Collect(samples chan<- prometheus.Metric) {
	c.engine.mu.Lock()
	members := maps.Clone(c.engine.members)
	running := maps.Clone(c.engine.types)
	c.engine.mu.Unlock()
	for name, u := range members {
		samples <- prometheus.MustNewConstMetric(memberQueueDesc, prometheus.GaugeValue, float64(u.queue.Len()), name)
	}
	for name, r := range running {
		samples <- prometheus.MustNewConstMetric(typeQueueDesc, prometheus.GaugeValue, float64(r.plan.queue.Len()), name, "plan")
		samples <- prometheus.MustNewConstMetric(typeQueueDesc, prometheus.GaugeValue, float64(r.report.queue.Len()), name, "report")
	}
}

// changed tells of a change of an object. By now the store may hold a later one, which then is told of too.
func (e *Engine) changed(r *Running, key ObjectKey) {
	if e.options.Changed == nil {
		return
	}
	if u := r.Store.latest(types.NamespacedName{Namespace: key.Namespace, Name: key.Name}); u != nil {
		e.options.Changed(key, u.GetGeneration())
	}
}
