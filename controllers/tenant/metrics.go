package tenant

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var relabeled = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "cellfed_tenant_relabeled_objects_total",
	Help: "Objects that were given the tenant and the workspace group of their Namespace, by kind.",
}, []string{"kind"})

func init() { metrics.Registry.MustRegister(relabeled) }
