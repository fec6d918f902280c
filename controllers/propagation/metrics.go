package propagation

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/member"
)

// Metrics count what is written to members. Its labels are names of members and of federated types.
type Metrics struct {
	writes    *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	latency   *prometheus.HistogramVec
	statusLag *prometheus.HistogramVec
}

// longWaits are the classic buckets of what takes between a moment and an outage.
var longWaits = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200}

// NewMetrics returns metrics that are registered.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cellfed_propagation_writes_total",
			Help: "Writes of the push reconciler to members, by physical cluster, type, verb and result: ok, conflict, refused (an API server said no) or unreachable.",
		}, []string{"cluster", "type", "verb", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "cellfed_propagation_write_duration_seconds",
			Help:                            "How long a member takes to answer a write of the push reconciler, the wait for its turn where requests are limited included, by physical cluster and verb.",
			Buckets:                         []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"cluster", "verb"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "cellfed_propagation_latency_seconds",
			Help:                            "From the moment that the manager's watch brought a change of a federated object to the answer of a member that has just written it, for each topology that was written to, by federated type. What a member's outage or refusals took is included; what was changed before this process led, and what was held and is released by nothing but a later change, is not.",
			Buckets:                         longWaits,
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"type"}),
		statusLag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "cellfed_propagation_status_lag_seconds",
			Help:                            "From the first look that found something to report on a federated object to the host's answer to the write of its status, by federated type. Reports that are put off while many objects change count with the time that they were.",
			Buckets:                         longWaits,
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"type"}),
	}
	return m, errors.Join(registerer.Register(m.writes), registerer.Register(m.duration), registerer.Register(m.latency), registerer.Register(m.statusLag))
}

// wrote counts one write that began then.
func (m *Metrics) wrote(name string, t member.Target, verb string, began time.Time, err error) {
	if errors.Is(err, member.ErrUnhealthy) {
		return // No request was sent.
	}
	m.writes.WithLabelValues(name, t.Resource.GroupResource().String(), verb, resultOf(err)).Inc()
	m.duration.WithLabelValues(name, verb).Observe(time.Since(began).Seconds())
}

// delivered counts a change that has arrived in a topology. It may be called on nil.
func (m *Metrics) delivered(typeName string, took time.Duration) {
	if m != nil {
		m.latency.WithLabelValues(typeName).Observe(took.Seconds())
	}
}

// reported counts a status that was written. It may be called on nil.
func (m *Metrics) reported(typeName string, took time.Duration) {
	if m != nil {
		m.statusLag.WithLabelValues(typeName).Observe(took.Seconds())
	}
}

// forgetMember ends the series of a member that is gone. It may be called on nil.
func (m *Metrics) forgetMember(name string) {
	if m != nil {
		m.writes.DeletePartialMatch(prometheus.Labels{"cluster": name})
		m.duration.DeletePartialMatch(prometheus.Labels{"cluster": name})
	}
}

// forgetType ends the series of a type that is not propagated any more.
func (m *Metrics) forgetType(name string) {
	of := prometheus.Labels{"type": name}
	m.writes.DeletePartialMatch(of)
	m.latency.DeletePartialMatch(of)
	m.statusLag.DeletePartialMatch(of)
}

// measured counts the writes to Members.
type measured struct {
	Members
	metrics *Metrics
}

func (m *measured) Create(ctx context.Context, name string, t member.Target, desired *unstructured.Unstructured) (*member.Object, error) {
	began := time.Now()
	o, err := m.Members.Create(ctx, name, t, desired)
	m.metrics.wrote(name, t, "create", began, err)
	return o, err
}

func (m *measured) Apply(ctx context.Context, name string, t member.Target, desired *unstructured.Unstructured, live *member.Object, pin bool) (*member.Object, error) {
	began := time.Now()
	o, err := m.Members.Apply(ctx, name, t, desired, live, pin)
	m.metrics.wrote(name, t, "apply", began, err)
	return o, err
}

func (m *measured) Delete(ctx context.Context, name string, t member.Target, live *member.Object, options metav1.DeleteOptions) (bool, error) {
	began := time.Now()
	gone, err := m.Members.Delete(ctx, name, t, live, options)
	m.metrics.wrote(name, t, "delete", began, err)
	return gone, err
}

func (m *measured) Release(ctx context.Context, name string, t member.Target, live *member.Object, labels []string) error {
	began := time.Now()
	err := m.Members.Release(ctx, name, t, live, labels)
	m.metrics.wrote(name, t, "release", began, err)
	return err
}

func resultOf(err error) string {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return "ok"
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return "conflict"
	case errors.As(err, &status) && status.Status().Code < 500:
		return "refused"
	default:
		return "unreachable"
	}
}
