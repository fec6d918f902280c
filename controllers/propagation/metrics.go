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
	writes   *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics returns metrics that are registered.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cellfed_propagation_writes_total",
			Help: "Writes of the push reconciler to members, by member, federated type, verb and result: ok, conflict, refused (an API server said no) or unreachable.",
		}, []string{"member", "type", "verb", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "cellfed_propagation_write_duration_seconds",
			Help:                            "How long a member takes to answer a write of the push reconciler.",
			Buckets:                         []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"member", "verb"}),
	}
	return m, errors.Join(registerer.Register(m.writes), registerer.Register(m.duration))
}

// wrote counts one write that began then.
func (m *Metrics) wrote(name string, t member.Target, verb string, began time.Time, err error) {
	if errors.Is(err, member.ErrUnhealthy) {
		return // No request was sent.
	}
	m.writes.WithLabelValues(name, t.Resource.GroupResource().String(), verb, resultOf(err)).Inc()
	m.duration.WithLabelValues(name, verb).Observe(time.Since(began).Seconds())
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
