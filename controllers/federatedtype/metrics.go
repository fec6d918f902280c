package federatedtype

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

const (
	stateMissing   = "Missing"
	stateUntouched = "Untouched"
)

var typesByState = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "cellfed_federatedtype_types",
	Help: "Federated types by the reason of their CRD's condition cellfed.io/Topologies, Missing where there is no CRD, Untouched where it was never changed.",
}, []string{"state"})

func init() { metrics.Registry.MustRegister(typesByState) }

// states remembers the state of every CRD that an FTC names, for the metric.
type states struct {
	mu    sync.Mutex
	byCRD map[string]string
}

func newStates() *states {
	// A state that no type is in is zero, not absent.
	for _, reason := range []v1alpha1.ConditionReason{
		v1alpha1.ReasonServed, v1alpha1.ReasonUnsupported, v1alpha1.ReasonConflict, v1alpha1.ReasonWebhookUnreachable,
		v1alpha1.ReasonRemoved, v1alpha1.ReasonFieldsKept, v1alpha1.ReasonStillStored, stateMissing, stateUntouched,
	} {
		typesByState.WithLabelValues(string(reason)).Set(0)
	}
	return &states{byCRD: map[string]string{}}
}

// set tells whether the CRD was in another state before.
func (s *states) set(crd, state string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.byCRD[crd]
	if known && old == state {
		return false
	}
	if known {
		typesByState.WithLabelValues(old).Dec()
	}
	s.byCRD[crd] = state
	typesByState.WithLabelValues(state).Inc()
	return true
}

// retain forgets the CRDs that no FTC names any more.
func (s *states) retain(named func(crd string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for crd, state := range s.byCRD {
		if !named(crd) {
			typesByState.WithLabelValues(state).Dec()
			delete(s.byCRD, crd)
		}
	}
}
