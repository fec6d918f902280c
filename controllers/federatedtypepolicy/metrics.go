package federatedtypepolicy

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

var (
	handoversTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cellfed_federatedtypepolicy_handovers_total",
		Help: "Hand-overs of federated types, by type, direction (to_cellfed or to_kubefed) and outcome: begun, completed, or interrupted (somebody enabled the FederatedTypeConfig of a type that was cellfed's).",
	}, []string{"type", "direction", "outcome"})

	policiesDesc = prometheus.NewDesc("cellfed_federatedtypepolicy_types",
		"1 for each FederatedTypePolicy, by type, who is to propagate it (wanted), who does (propagator, empty for nobody), and status and reason of its condition Propagating. The leader alone has it.",
		[]string{"type", "wanted", "propagator", "propagating", "reason"}, nil)
)

// outcomes are what the events that are recorded mean for hand-overs.
var outcomes = map[string]struct{ direction, outcome string }{
	reasonHandoverBegun: {"to_cellfed", "begun"},
	reasonHandedOver:    {"to_cellfed", "completed"},
	reasonHandedBack:    {"to_kubefed", "completed"},
	string(v1alpha1.ReasonFederatedTypeConfigEnabled): {"to_cellfed", "interrupted"},
}

// countHandover counts what an event tells of a type.
func countHandover(typeName, reason string) {
	if o, ok := outcomes[reason]; ok {
		handoversTotal.WithLabelValues(typeName, o.direction, o.outcome).Inc()
	}
}

// forgetHandovers ends the series of a type that has neither a policy nor a FederatedTypeConfig any more.
func forgetHandovers(typeName string) {
	handoversTotal.DeletePartialMatch(prometheus.Labels{"type": typeName})
}

// policyCollector tells what the policies in the cache say when it is asked. Only the leader does.
type policyCollector struct {
	client    client.Reader
	namespace string
	elected   <-chan struct{}
}

// Describe implements prometheus.Collector.
func (c *policyCollector) Describe(descs chan<- *prometheus.Desc) { descs <- policiesDesc }

// Collect implements prometheus.Collector.
func (c *policyCollector) Collect(samples chan<- prometheus.Metric) {
	select {
	case <-c.elected:
	default:
		return
	}
	policies := &v1alpha1.FederatedTypePolicyList{}
	if err := c.client.List(context.Background(), policies, client.InNamespace(c.namespace), client.UnsafeDisableDeepCopy); err != nil {
		// An invalid sample would take every other metric of the manager with it.
		log.Log.WithName(name).Error(err, "Left out the metric of the policies: they cannot be listed")
		return
	}
	for i := range policies.Items {
		p := &policies.Items[i]
		status, reason := "Unknown", ""
		if is := condition(p); is != nil {
			status, reason = string(is.Status), is.Reason
		}
		samples <- prometheus.MustNewConstMetric(policiesDesc, prometheus.GaugeValue, 1,
			p.Name, string(p.WantedPropagator()), string(p.Status.Propagator), status, reason)
	}
}

// registerMetrics registers the metrics, in place of those of an earlier manager in this process.
func registerMetrics(reader client.Reader, namespace string, elected <-chan struct{}) error {
	collector := &policyCollector{client: reader, namespace: namespace, elected: elected}
	metrics.Registry.Unregister(collector)
	for _, c := range []prometheus.Collector{collector, handoversTotal} {
		var already prometheus.AlreadyRegisteredError
		if err := metrics.Registry.Register(c); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}
