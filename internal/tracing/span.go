package tracing

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The attributes of spans.
const (
	// KeyWebhook is the webhook that was asked, KeyOperation the operation it was asked about, and KeyDryRun says that
	// nothing was to be stored.
	KeyWebhook   = attribute.Key("cellfed.webhook")
	KeyOperation = attribute.Key("cellfed.operation")
	KeyDryRun    = attribute.Key("cellfed.dry_run")
	// KeyAllowed is the answer.
	KeyAllowed = attribute.Key("cellfed.allowed")
	// KeyNamespace, KeyName, KeyUID and KeyGeneration name an object, and KeyResource or KeyType what it is one of.
	KeyNamespace  = attribute.Key("k8s.namespace.name")
	KeyName       = attribute.Key("cellfed.object.name")
	KeyUID        = attribute.Key("cellfed.object.uid")
	KeyGeneration = attribute.Key("cellfed.object.generation")
	KeyResource   = attribute.Key("cellfed.resource")
	KeyType       = attribute.Key("cellfed.type")
	// KeyCluster is a physical cluster, and KeyCell a cell on it.
	KeyCluster = attribute.Key("cellfed.cluster")
	KeyCell    = attribute.Key("cellfed.cell")
	// KeyOutcome is what is reported of a topology, and KeyState what is of the object as a whole.
	KeyOutcome = attribute.Key("cellfed.outcome")
	KeyState   = attribute.Key("cellfed.state")
	// KeyEvent is the reason of the event that tells people of it.
	KeyEvent = attribute.Key("cellfed.event")
	// KeyVerb is what was asked of an API server, and KeyResult how it ended, in the words of the metrics.
	KeyVerb   = attribute.Key("cellfed.verb")
	KeyResult = attribute.Key("cellfed.result")
	// KeyTopologies and KeyObjects count.
	KeyTopologies = attribute.Key("cellfed.topologies")
	KeyObjects    = attribute.Key("cellfed.objects")
	// KeyVersion is the version that was asked for.
	KeyVersion = attribute.Key("cellfed.version")
	// KeyStatusCode and KeyErrorType are OpenTelemetry's own words for how a request failed.
	KeyStatusCode = attribute.Key("http.response.status_code")
	KeyErrorType  = attribute.Key("error.type")
)

// Span is something that is over.
type Span struct {
	Name       string
	Kind       trace.SpanKind
	Start, End time.Time
	Attributes []attribute.KeyValue
	// Links are what else the span has to do with. What is not valid is left out.
	Links []trace.SpanContext
	// Failed says that it failed: one word that holds nothing of anybody's objects. Empty means that it did not.
	Failed string
}

// Record records a span below a parent, which need not be of this process; without a valid one the span begins a trace.
// It returns what spans below it name as their parent.
func (t *Tracer) Record(parent trace.SpanContext, s Span) trace.SpanContext {
	if t == nil {
		return trace.SpanContext{}
	}
	return t.record(trace.ContextWithRemoteSpanContext(context.Background(), parent), s)
}

// RecordRoot records the span that a generation's trace begins with.
func (t *Tracer) RecordRoot(g Generation, s Span) {
	if t != nil {
		t.record(context.WithValue(context.Background(), known{}, g.Root), s)
	}
}

// RecordPropagation records the span that stands for all that a generation's propagation did.
func (t *Tracer) RecordPropagation(g Generation, s Span) {
	if t != nil {
		ctx := trace.ContextWithRemoteSpanContext(context.Background(), g.Root)
		t.record(context.WithValue(ctx, known{}, g.Propagation), s)
	}
}

func (t *Tracer) record(ctx context.Context, s Span) trace.SpanContext {
	options := []trace.SpanStartOption{
		trace.WithTimestamp(s.Start), trace.WithSpanKind(s.Kind), trace.WithAttributes(s.Attributes...),
	}
	for _, link := range s.Links {
		if link.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: link}))
		}
	}
	_, span := t.tracer.Start(ctx, s.Name, options...)
	if s.Failed != "" {
		span.SetStatus(codes.Error, s.Failed)
	}
	if s.End.IsZero() {
		s.End = time.Now()
	}
	span.End(trace.WithTimestamp(s.End))
	return span.SpanContext()
}

// Error says by attributes how a request to an API server failed, and nothing where it did not. What the API server said
// is not among them: it may quote the object.
func Error(err error) []attribute.KeyValue {
	if err == nil {
		return nil
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		reason := status.Status().Reason
		if reason == metav1.StatusReasonUnknown {
			reason = "Unknown"
		}
		return []attribute.KeyValue{KeyStatusCode.Int(int(status.Status().Code)), KeyErrorType.String(string(reason))}
	}
	kind := "unreachable"
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		kind = "timeout"
	case errors.Is(err, context.Canceled):
		kind = "canceled"
	}
	return []attribute.KeyValue{KeyErrorType.String(kind)}
}
