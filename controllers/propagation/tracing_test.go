package propagation

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	webhook "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/tracing"
	"github.com/cellfed/cellfed/internal/tracing/tracingtest"
)

// refusing is a member that refuses to create things, in words that quote them.
type refusing struct{ Members }

func (refusing) Create(_ context.Context, _ string, _ member.Target, desired *unstructured.Unstructured) (*member.Object, error) {
	return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "x", fmt.Errorf("data.k: %v", desired.Object["data"]))
}

// tracedScene is a scene whose reconcilers record spans.
func tracedScene(t *testing.T) (*scene, *tracing.Tracer, func() tracetest.SpanStubs) {
	t.Helper()
	s := newScene(t, typeConfigMaps, func(o *federated.Object) { o.Template = map[string]any{"data": map[string]any{"k": "hunter2"}} })
	tracer, spans := tracingtest.New(t, 1)
	traces := NewTraces(tracer, s.ledger)
	s.planner.Traces, s.propagator.Traces, s.reporter.Traces = traces, traces, traces
	s.propagator.Members = &traced{s}
	return s, tracer, spans
}

// changed brings the change to the planner, as the watch does.
func (s *scene) changed(t *testing.T) {
	t.Helper()
	s.ledger.Changed(s.key().ObjectKey, s.object.Generation, s.clock.Now())
	s.plan(t)
}

// admit has a webhook let the object in, as it is.
func (s *scene) admit(t *testing.T, tracer *tracing.Tracer) {
	t.Helper()
	hook := tracer.Webhook("/validate-federated", webhook.HandlerFunc(func(context.Context, webhook.Request) webhook.Response { return webhook.Allowed("") }), true)
	request := webhook.Request{AdmissionRequest: admissionv1.AdmissionRequest{Operation: admissionv1.Create, Object: runtime.RawExtension{
		Raw: fmt.Appendf(nil, `{"metadata":{"uid":%q,"generation":%d}}`, s.object.UID, s.object.Generation)}}}
	hook.Handle(hook.WithContextFunc(t.Context(), httptest.NewRequest(http.MethodPost, "/", nil)), request)
}

// tree is what was recorded: each span as its name and what tells of it, below its parent, by trace.
func tree(spans tracetest.SpanStubs) []string {
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	var lines []string
	var below func(parent tracetest.SpanStub, depth int)
	line := func(span tracetest.SpanStub, depth int) {
		attributes := tracingtest.Attributes(span)
		text := strings.Repeat("  ", depth) + span.Name
		for _, key := range []attribute.Key{tracing.KeyCluster, tracing.KeyCell, tracing.KeyOutcome, tracing.KeyEvent, tracing.KeyResult, tracing.KeyStatusCode, tracing.KeyErrorType, tracing.KeyState} {
			if value, ok := attributes[key]; ok {
				text += " " + value
			}
		}
		if span.Status.Description != "" {
			text += " !" + span.Status.Description
		}
		if len(span.Links) > 0 {
			text += " ->"
		}
		lines = append(lines, text)
	}
	below = func(parent tracetest.SpanStub, depth int) {
		for _, span := range spans {
			if span.Parent.SpanID() == parent.SpanContext.SpanID() && span.Parent.TraceID() == parent.SpanContext.TraceID() {
				line(span, depth)
				below(span, depth+1)
			}
		}
	}
	for _, span := range spans {
		if !span.Parent.IsValid() {
			line(span, 0)
			below(span, 1)
		}
	}
	return lines
}

// TestTrace: admission and propagation, which share nothing but the object, tell of a generation in one trace.
func TestTrace(t *testing.T) {
	s, tracer, spans := tracedScene(t)
	s.topology = givenCell()
	s.topology.Name = "hz" // That is where everything in the scene is placed.
	s.admit(t, tracer)
	s.changed(t)
	s.propagate(t)
	s.report(t)
	got := spans()
	for _, span := range got {
		if span.SpanContext.TraceID() != got[0].SpanContext.TraceID() {
			t.Errorf("%s is in a trace of its own", span.Name)
		}
		if strings.Contains(fmt.Sprint(span.Attributes, span.Status, span.Events), "hunter2") {
			t.Errorf("%s holds what the object holds: %+v", span.Name, span)
		}
	}
	want := []string{
		"admission validate-federated",
		"  propagation in_sync",
		"    plan",
		"    propagate hz a1 OK",
		"      decide",
		"      member create hz a1 ok",
		"    report ok",
	}
	if diff := cmp.Diff(want, tree(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestTraceOfFailure: a failure is an error by its word and code, and nothing that the member said is told.
func TestTraceOfFailure(t *testing.T) {
	s, tracer, spans := tracedScene(t)
	s.propagator.Members = &traced{refusing{s}}
	s.admit(t, tracer)
	s.changed(t)
	s.propagate(t)
	s.report(t)
	// What fails on and on does not make the trace longer and longer, and what comes of it in the end is told there again.
	for range tracedFailures + 2 {
		s.propagate(t)
	}
	got := spans()
	if text := fmt.Sprint(got); strings.Contains(text, "hunter2") {
		t.Errorf("a span holds what the member said: %s", text)
	}
	fails := []string{"propagate hz CreationFailed !CreationFailed", "  decide", "  member create hz refused 403 Forbidden !refused"}
	nested := func(lines []string) (all []string) {
		for _, line := range lines {
			all = append(all, "    "+line)
		}
		return all
	}
	want := []string{"admission validate-federated", "  propagation failed !failed", "    plan"}
	want = append(want, nested(fails)...)
	want = append(want, "    report ok")
	for range tracedFailures - 1 {
		want = append(want, nested(fails)...)
	}
	for range 3 {
		want = append(want, append([]string{fails[0] + " ->"}, fails[1:]...)...)
	}
	if diff := cmp.Diff(want, tree(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	s.propagator.Members = &traced{s}
	s.propagate(t)
	got = spans()
	if last := got[len(got)-3]; last.Name != "propagate" || last.SpanContext.TraceID() != tracer.Generation(s.object.UID, s.object.Generation).Root.TraceID() {
		t.Errorf("its arrival is not told in its trace: %+v", last)
	}
}

// TestTraceOfRepair: what is done long after the generation has arrived is told in a trace of its own.
func TestTraceOfRepair(t *testing.T) {
	s, tracer, spans := tracedScene(t)
	s.changed(t)
	s.propagate(t)
	s.report(t)
	s.object.Status.ObservedGeneration = s.object.Generation // As the report has it.
	before := len(spans())
	s.live = givenLive(func(u *unstructured.Unstructured) {
		u.Object["data"] = map[string]any{"k": "other"}
		u.SetResourceVersion("8")
	})
	s.propagate(t)
	s.report(t)
	got := spans()[before:]
	if diff := cmp.Diff([]string{"propagate hz OK DriftRepaired ->", "  decide", "  member apply hz ok"}, tree(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	root := tracer.Generation(s.object.UID, s.object.Generation).Root
	if links := got[0].Links; len(links) != 1 || !links[0].SpanContext.Equal(root) {
		t.Errorf("it refers to %v", links)
	}
	s.live.Object["data"] = map[string]any{"k": "hunter2"}
	s.propagate(t)
	if more := spans()[before+len(got):]; len(more) > 0 {
		t.Errorf("a look that costs no request is told: %v", tree(more))
	}
}

// TestTraceOvertaken: a generation that the next one overtakes ends, and so does one whose object is gone.
func TestTraceOvertaken(t *testing.T) {
	s, tracer, spans := tracedScene(t)
	first := s.object
	s.changed(t)
	s.change(func(*federated.Object) {})
	s.changed(t)
	second, key := s.object, s.key().ObjectKey
	s.object = nil
	if _, err := s.reporter.Reconcile(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, span := range spans() {
		if state := tracingtest.Attributes(span)[tracing.KeyState]; state != "" {
			got[span.SpanContext.SpanID().String()] = state
		}
	}
	want := map[string]string{
		tracer.Generation(first.UID, first.Generation).Propagation.SpanID().String():   stateOvertaken,
		tracer.Generation(second.UID, second.Generation).Propagation.SpanID().String(): stateGone,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestTraceOfStraggler: who has looked at the object before a change came does not end what tells of that.
func TestTraceOfStraggler(t *testing.T) {
	s, _, spans := tracedScene(t)
	s.changed(t)
	s.during = func() {
		s.change(func(*federated.Object) {})
		s.changed(t)
	}
	s.propagate(t)
	s.during = nil
	s.propagate(t)
	s.report(t)
	var got []string
	for _, span := range spans() {
		if state := tracingtest.Attributes(span)[tracing.KeyState]; state != "" {
			got = append(got, tracingtest.Attributes(span)[tracing.KeyGeneration]+" "+state)
		}
	}
	first := s.object.Generation - 1
	want := []string{fmt.Sprint(first, " ", stateOvertaken), fmt.Sprint(first+1, " ", placementInSync)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestTraceOfDeletion: a deletion is a generation, and ends when the object is let go.
func TestTraceOfDeletion(t *testing.T) {
	s, _, spans := tracedScene(t)
	s.live = givenLive(nil)
	s.change(func(o *federated.Object) { o.Deleting = true })
	s.changed(t)
	s.propagate(t)
	s.report(t)
	if !s.finished {
		t.Fatal("it is not let go")
	}
	var ends []string
	for _, span := range spans() {
		ends = append(ends, span.Name)
	}
	if diff := cmp.Diff([]string{"plan", "propagate", "decide", "member delete", "let go", "propagation"}, ends); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestTracesOff: what is off costs nothing.
func TestTracesOff(t *testing.T) {
	if NewTraces(nil, NewLedger()) != nil {
		t.Fatal("there are traces without a Tracer")
	}
	s := newScene(t, typeConfigMaps, nil)
	var off *Traces
	key, ctx, situation := s.key().ObjectKey, t.Context(), &situation{}
	if allocations := testing.AllocsPerRun(100, func() {
		began := off.Now()
		off.Planned(key, s.object, began, began, 1)
		same, l := off.Look(ctx)
		l.decide(situation)
		l.done(situation, step{}, nil)
		off.Reported(key, s.object, began, "report", nil)
		off.Settled(key, s.object, "")
		off.Forget(key)
		off.ForgetType("t")
		if same != ctx || !began.IsZero() {
			t.Error("it does something")
		}
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
