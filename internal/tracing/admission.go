package tracing

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Webhook returns a webhook of whose answers the Tracer records one span each. The webhook is named by the path that it is
// served at. last says that it speaks last of federated objects, when their UIDs and generations are what is going to be
// stored: its answer begins the generation's trace, unless nothing is going to be.
func (t *Tracer) Webhook(path string, handler admission.Handler, last bool) *webhook.Admission {
	if t == nil {
		return &webhook.Admission{Handler: handler}
	}
	name := strings.TrimPrefix(path, "/")
	handle := func(ctx context.Context, request admission.Request) admission.Response {
		start := time.Now()
		response := handler.Handle(ctx, request)
		t.answered(trace.SpanContextFromContext(ctx), name, start, &request, &response, last)
		return response
	}
	return &webhook.Admission{Handler: admission.HandlerFunc(handle), WithContextFunc: t.Caller}
}

// Caller adds the span of who sent a request, which an API server that traces names in it.
func (t *Tracer) Caller(ctx context.Context, request *http.Request) context.Context {
	if t == nil {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(request.Header))
}

func (t *Tracer) answered(caller trace.SpanContext, name string, start time.Time, request *admission.Request, response *admission.Response, last bool) {
	span := Span{Name: "admission " + name, Kind: trace.SpanKindServer, Start: start, End: time.Now(), Attributes: []attribute.KeyValue{
		KeyWebhook.String(name), KeyOperation.String(string(request.Operation)),
		KeyResource.String(schema.GroupResource{Group: request.Resource.Group, Resource: request.Resource.Resource}.String()),
		KeyNamespace.String(request.Namespace), KeyName.String(request.Name), KeyAllowed.Bool(response.Allowed),
	}}
	if dry(request) {
		span.Attributes = append(span.Attributes, KeyDryRun.Bool(true))
	}
	if !response.Allowed && response.Result != nil {
		span.Attributes = append(span.Attributes, KeyStatusCode.Int(int(response.Result.Code)))
		if response.Result.Code >= http.StatusInternalServerError {
			span.Failed = "Errored" // A refusal is none.
		}
	}
	uid, generation := stored(request)
	if uid != "" {
		span.Attributes = append(span.Attributes, KeyUID.String(string(uid)))
	}
	if !last || !response.Allowed || dry(request) || uid == "" || generation == 0 {
		t.Record(caller, span)
		return
	}
	span.Attributes = append(span.Attributes, KeyGeneration.Int64(generation))
	span.Links = []trace.SpanContext{caller}
	t.RecordRoot(t.Generation(uid, generation), span)
}

func dry(request *admission.Request) bool { return request.DryRun != nil && *request.DryRun }

// stored returns the UID of the object, if it has one yet, and the generation that the write makes, zero if it makes none.
// An API server counts a deletion that waits for finalizers as a generation, after it has asked.
func stored(request *admission.Request) (types.UID, int64) {
	read := func(raw []byte) (uid types.UID, generation int64, deleting bool) {
		metadata := gjson.GetBytes(raw, "metadata")
		return types.UID(metadata.Get("uid").String()), metadata.Get("generation").Int(), metadata.Get("deletionTimestamp").Exists()
	}
	uid, generation, _ := read(request.Object.Raw)
	switch request.Operation {
	case admissionv1.Create:
		return uid, generation
	case admissionv1.Update:
		if _, before, _ := read(request.OldObject.Raw); before != generation {
			return uid, generation
		}
		return uid, 0
	case admissionv1.Delete:
		uid, before, deleting := read(request.OldObject.Raw)
		if deleting || before == 0 {
			return uid, 0
		}
		return uid, before + 1
	}
	return uid, 0
}
