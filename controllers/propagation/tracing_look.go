package propagation

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/tracing"
)

// tracedFailures is how often in a row the same may fail in a topology and still be told in the trace of the generation. A
// member that refuses an object for days would make that trace a long one.
const tracedFailures = 8

// look is what was done in one look at an object in a topology. One that is nil notes nothing.
type look struct {
	traces    *Traces
	began     time.Time
	decisions []interval
	requests  []asked
}

type interval struct{ began, ended time.Time }

// asked is one request to a member.
type asked struct {
	interval
	verb string
	err  error
}

type looking struct{}

// Look begins to note what is done with the context.
func (t *Traces) Look(ctx context.Context) (context.Context, *look) {
	if t == nil {
		return ctx, nil
	}
	l := &look{traces: t, began: time.Now()}
	return context.WithValue(ctx, looking{}, l), l
}

// decide notes how long a decision takes.
func (l *look) decide(s *situation) step {
	if l == nil {
		return decide(s)
	}
	began := time.Now()
	next := decide(s)
	l.decisions = append(l.decisions, interval{began, time.Now()})
	return next
}

// done tells what came of it, before the ledger knows.
func (l *look) done(s *situation, did step, err error) {
	if l == nil || s.object == nil {
		return
	}
	status := did.outcome.Status
	failed := did.report && failing(status) || err != nil
	if len(l.requests) == 0 && (!failed || status == s.before.Outcome.Status) {
		return
	}
	attributes := append(naming(s.key.ObjectKey, s.object), tracing.KeyCluster.String(s.topology.Member))
	if view := s.topology.View; view != nil {
		attributes = append(attributes, tracing.KeyCell.String(view.Cell))
	}
	span := tracing.Span{Name: "propagate", Start: l.began, End: time.Now(), Attributes: append(attributes, tracing.KeyOutcome.String(outcomeOf(did, err)))}
	if did.event != "" && !failed {
		span.Attributes = append(span.Attributes, tracing.KeyEvent.String(did.event))
	}
	if failed || status == federated.StatusClusterNotReady {
		span.Failed = outcomeOf(did, err)
	}
	var parent trace.SpanContext
	if generation := l.traces.generation(s.object); l.joins(s, failed) {
		parent = generation.Propagation
	} else {
		span.Links = []trace.SpanContext{generation.Root}
	}
	l.tell(l.traces.tracer.Record(parent, span), attributes)
}

// joins says whether the look is told in the trace of the generation: that is on its way, to all topologies or to this one.
func (l *look) joins(s *situation, failed bool) bool {
	if failed && s.before.Failures >= tracedFailures {
		return false
	}
	key := s.key.ObjectKey
	return l.traces.begin(key, s.object, l.began) || l.traces.isOpen(key, s.object) || l.traces.ledger.Awaited(s.key, s.object.Generation)
}

func (l *look) tell(parent trace.SpanContext, attributes []attribute.KeyValue) {
	for _, d := range l.decisions {
		l.traces.tracer.Record(parent, tracing.Span{Name: "decide", Start: d.began, End: d.ended})
	}
	for _, r := range l.requests {
		l.traces.tracer.Record(parent, request("member "+r.verb, r.verb, r.began, r.ended, r.err, attributes[:len(attributes):len(attributes)]))
	}
}

// outcomeOf is upstream's word for it.
func outcomeOf(did step, err error) string {
	switch {
	case err != nil:
		return "Error"
	case did.gone:
		return "Gone"
	case did.outcome.Status == federated.StatusOK:
		return "OK"
	}
	return did.outcome.Status
}

// traced notes the requests to Members.
type traced struct{ Members }

func note(ctx context.Context, verb string, began time.Time, err error) {
	if l, ok := ctx.Value(looking{}).(*look); ok {
		l.requests = append(l.requests, asked{interval{began, time.Now()}, verb, err})
	}
}

func (m *traced) Create(ctx context.Context, name string, t member.Target, desired *unstructured.Unstructured) (*member.Object, error) {
	began := time.Now()
	o, err := m.Members.Create(ctx, name, t, desired)
	note(ctx, "create", began, err)
	return o, err
}

func (m *traced) Apply(ctx context.Context, name string, t member.Target, desired *unstructured.Unstructured, live *member.Object, pin bool) (*member.Object, error) {
	began := time.Now()
	o, err := m.Members.Apply(ctx, name, t, desired, live, pin)
	note(ctx, "apply", began, err)
	return o, err
}

func (m *traced) Delete(ctx context.Context, name string, t member.Target, live *member.Object, options metav1.DeleteOptions) (bool, error) {
	began := time.Now()
	gone, err := m.Members.Delete(ctx, name, t, live, options)
	note(ctx, "delete", began, err)
	return gone, err
}

func (m *traced) Release(ctx context.Context, name string, t member.Target, live *member.Object, labels []string) error {
	began := time.Now()
	err := m.Members.Release(ctx, name, t, live, labels)
	note(ctx, "release", began, err)
	return err
}

func (m *traced) Read(ctx context.Context, name string, t member.Target, namespace, object string) (*member.Object, error) {
	began := time.Now()
	o, err := m.Members.Read(ctx, name, t, namespace, object)
	note(ctx, "read", began, err)
	return o, err
}
