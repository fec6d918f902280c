package propagation

import (
	"maps"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/tracing"
)

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

// begin notes that a generation is on its way, unless its status says that it is not, or a later one is: who has looked at
// the object before that came ends nothing.
func (t *Traces) begin(key engine.ObjectKey, o *federated.Object, since time.Time) bool {
	if o.Status.ObservedGeneration == o.Generation {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	before, ok := t.open[key]
	if ok && before.uid == o.UID && before.generation >= o.Generation {
		return before.generation == o.Generation
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
