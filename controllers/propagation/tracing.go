package propagation

import (
	"context"
	"maps"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/tracing"
)

// tracedFailures is how often in a row the same may fail in a topology and still be told in the trace of the generation. A
// member that refuses an object for days would make that trace a long one.
const tracedFailures = 8

// How the propagation of a generation ends in its trace, beside the states of metrics.
const (
	stateOvertaken = "overtaken"
	stateGone      = "gone"
)

// Traces tell what is done for federated objects. What is done for a generation as long as it is on its way is told in the
// generation's own trace, which its admission began; what comes later, such as a repair, in one that refers to it. What
// costs no request is not told. Traces that are nil tell nothing, and cost nothing.
type Traces struct {
	tracer *tracing.Tracer
	ledger *Ledger

	mu sync.Mutex
	// open are the generations that were not yet reported on as a whole.
	open map[engine.ObjectKey]opened
}

// opened is a generation that is on its way, and since when.
type opened struct {
	uid        types.UID
	generation int64
	since      time.Time
}

// NewTraces returns nil for a nil Tracer.
func NewTraces(tracer *tracing.Tracer, ledger *Ledger) *Traces {
	if tracer == nil {
		return nil
	}
	return &Traces{tracer: tracer, ledger: ledger, open: map[engine.ObjectKey]opened{}}
}

// Now is when something begins that may be told.
func (t *Traces) Now() time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.tracer.Now()
}

// Planned tells of a generation that was fanned out. Since is when the watch brought it.
func (t *Traces) Planned(key engine.ObjectKey, o *federated.Object, since, began time.Time, queued int) {
	if t == nil || o == nil || !t.begin(key, o, since) {
		return
	}
	t.tracer.Record(t.generation(o).Propagation, tracing.Span{
		Name: "plan", Start: began, Attributes: append(naming(key, o), tracing.KeyTopologies.Int(queued)),
	})
}

// begin notes that a generation is on its way, unless its status says that it is not.
func (t *Traces) begin(key engine.ObjectKey, o *federated.Object, since time.Time) bool {
	if o.Status.ObservedGeneration == o.Generation {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	before, ok := t.open[key]
	if ok && before.uid == o.UID && before.generation == o.Generation {
		return true
	}
	if ok {
		t.finish(key, before, stateOvertaken)
	}
	t.open[key] = opened{o.UID, o.Generation, since}
	return true
}

func (t *Traces) isOpen(key engine.ObjectKey, o *federated.Object) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	on, ok := t.open[key]
	return ok && on.uid == o.UID && on.generation == o.Generation
}

// Reported tells of a write to the host that reports on a generation which is on its way.
func (t *Traces) Reported(key engine.ObjectKey, o *federated.Object, began time.Time, name string, err error) {
	if t == nil || !t.isOpen(key, o) {
		return
	}
	t.tracer.Record(t.generation(o).Propagation, request(name, "patch", began, time.Now(), err, naming(key, o)))
}

// Settled tells that a generation has come as far as it can for now, and how it is.
func (t *Traces) Settled(key engine.ObjectKey, o *federated.Object, state string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if on, ok := t.open[key]; ok && on.uid == o.UID && on.generation <= o.Generation {
		t.finish(key, on, state)
	}
}

// Forget tells that an object is gone.
func (t *Traces) Forget(key engine.ObjectKey) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if on, ok := t.open[key]; ok {
		t.finish(key, on, stateGone)
	}
}

// ForgetType forgets the objects of a type.
func (t *Traces) ForgetType(name string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.open, func(key engine.ObjectKey, _ opened) bool { return key.Type == name })
}

// finish tells of the propagation of a generation as a whole. The lock is held.
func (t *Traces) finish(key engine.ObjectKey, on opened, state string) {
	delete(t.open, key)
	span := tracing.Span{Name: "propagation", Start: on.since, Attributes: append(
		naming(key, &federated.Object{UID: on.uid, Generation: on.generation}), tracing.KeyState.String(state))}
	if state == placementFailed {
		span.Failed = state
	}
	t.tracer.RecordPropagation(t.tracer.Generation(on.uid, on.generation), span)
}

func (t *Traces) generation(o *federated.Object) tracing.Generation {
	return t.tracer.Generation(o.UID, o.Generation)
}

// naming names an object.
func naming(key engine.ObjectKey, o *federated.Object) []attribute.KeyValue {
	return []attribute.KeyValue{
		tracing.KeyType.String(key.Type), tracing.KeyNamespace.String(key.Namespace), tracing.KeyName.String(key.Name),
		tracing.KeyUID.String(string(o.UID)), tracing.KeyGeneration.Int64(o.Generation),
	}
}

// request returns the span of a request to an API server.
func request(name, verb string, began, ended time.Time, err error, attributes []attribute.KeyValue) tracing.Span {
	result := resultOf(err)
	span := tracing.Span{
		Name: name, Kind: trace.SpanKindClient, Start: began, End: ended,
		Attributes: append(append(attributes, tracing.KeyVerb.String(verb), tracing.KeyResult.String(result)), tracing.Error(err)...),
	}
	if err != nil && !apierrors.IsNotFound(err) && result != "conflict" {
		span.Failed = result
	}
	return span
}

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
