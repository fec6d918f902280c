package tracing_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/internal/tracing"
	"github.com/cellfed/cellfed/internal/tracing/tracingtest"
)

// answers gives the same answer always.
type answers struct{ admission.Response }

func (a *answers) Handle(context.Context, admission.Request) admission.Response { return a.Response }

func TestWebhook(t *testing.T) {
	const caller = "0af7651916cd43dd8448eb211c80319c"
	// The content is what no span may hold.
	object := func(metadata string) runtime.RawExtension {
		return runtime.RawExtension{Raw: []byte(`{"kind":"FederatedSecret","metadata":{` + metadata + `},"spec":{"template":{"data":{"password":"hunter2"}}}}`)}
	}
	one, two := `"uid":"u1","generation":1`, `"uid":"u1","generation":2`
	allowed, refused := admission.Allowed(""), admission.Denied("spec.template.data.password: Invalid value: hunter2")
	cases := map[string]struct {
		reason      string
		operation   admissionv1.Operation
		object, old string
		dry, called bool
		mutating    bool
		answer      admission.Response
		// generation is that whose trace the answer begins; zero for one of its own, or the caller's.
		generation int64
		want       map[attribute.Key]string
		failed     bool
	}{
		"Created":      {reason: "the first generation", operation: admissionv1.Create, object: one, answer: allowed, generation: 1, want: map[attribute.Key]string{tracing.KeyGeneration: "1", tracing.KeyUID: "u1"}},
		"Changed":      {reason: "a generation more", operation: admissionv1.Update, object: two, old: one, answer: allowed, generation: 2, want: map[attribute.Key]string{tracing.KeyGeneration: "2", tracing.KeyUID: "u1"}},
		"Called":       {reason: "the API server's own trace is referred to", operation: admissionv1.Update, object: two, old: one, called: true, answer: allowed, generation: 2, want: map[attribute.Key]string{tracing.KeyGeneration: "2", tracing.KeyUID: "u1"}},
		"Labeled":      {reason: "nothing is propagated anew", operation: admissionv1.Update, object: two, old: two, answer: allowed, want: map[attribute.Key]string{tracing.KeyUID: "u1"}},
		"Deleted":      {reason: "the deletion is a generation, which the API server counts when it has asked", operation: admissionv1.Delete, old: two, answer: allowed, generation: 3, want: map[attribute.Key]string{tracing.KeyGeneration: "3", tracing.KeyUID: "u1"}},
		"DeletedAgain": {reason: "it is being deleted already", operation: admissionv1.Delete, old: two + `,"deletionTimestamp":"2030-01-01T00:00:00Z"`, answer: allowed, want: map[attribute.Key]string{tracing.KeyUID: "u1"}},
		"DryRun":       {reason: "nothing comes of it", operation: admissionv1.Update, object: two, old: one, dry: true, answer: allowed, want: map[attribute.Key]string{tracing.KeyUID: "u1", tracing.KeyDryRun: "true"}},
		"Refused":      {reason: "nothing comes of it", operation: admissionv1.Update, object: two, old: one, answer: refused, want: map[attribute.Key]string{tracing.KeyUID: "u1", tracing.KeyStatusCode: "403"}},
		"RefusedThere": {reason: "it is told in the caller's trace", operation: admissionv1.Update, object: two, old: one, called: true, answer: refused, want: map[attribute.Key]string{tracing.KeyUID: "u1", tracing.KeyStatusCode: "403"}},
		"Errored":      {reason: "it could not tell", operation: admissionv1.Update, object: two, old: one, answer: admission.Errored(http.StatusInternalServerError, context.DeadlineExceeded), failed: true, want: map[attribute.Key]string{tracing.KeyUID: "u1", tracing.KeyStatusCode: "500"}},
		"Defaulted":    {reason: "the generation is not known yet, only what the writer says", operation: admissionv1.Update, object: two, old: one, mutating: true, answer: allowed, want: map[attribute.Key]string{tracing.KeyUID: "u1"}},
		"Nameless":     {reason: "an API server that gives no UID", operation: admissionv1.Create, object: `"generation":1`, answer: allowed, want: map[attribute.Key]string{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tracer, spans := tracingtest.New(t, 1)
			hook := tracer.Webhook("/validate-federated", &answers{tc.answer}, !tc.mutating)
			sent := httptest.NewRequest(http.MethodPost, "/validate-federated", nil)
			if tc.called {
				sent.Header.Set("traceparent", "00-"+caller+"-b7ad6b7169203331-01")
			}
			request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
				Operation: tc.operation, Namespace: "acme", Name: "x", DryRun: &tc.dry,
				Resource: metav1.GroupVersionResource{Group: "types.kubefed.io", Version: "v1beta1", Resource: "federatedsecrets"},
			}}
			if tc.object != "" {
				request.Object = object(tc.object)
			}
			if tc.old != "" {
				request.OldObject = object(tc.old)
			}
			hook.Handle(hook.WithContextFunc(t.Context(), sent), request)
			got := spans()
			if len(got) != 1 {
				t.Fatalf("%d spans", len(got))
			}
			span := got[0]
			own := tracer.Generation("u1", tc.generation).Root
			switch trace := span.SpanContext.TraceID(); {
			case tc.generation != 0:
				if !span.SpanContext.Equal(own.WithRemote(false)) || span.Parent.IsValid() {
					t.Errorf("%s: %v below %v, want %v", tc.reason, span.SpanContext, span.Parent, own)
				}
				if linked := slices.ContainsFunc(span.Links, func(l sdktrace.Link) bool { return l.SpanContext.TraceID().String() == caller }); linked != tc.called {
					t.Errorf("%s: links %v", tc.reason, span.Links)
				}
			case tc.called != (trace.String() == caller):
				t.Errorf("%s: it is in the trace %s", tc.reason, trace)
			}
			tc.want[tracing.KeyWebhook], tc.want[tracing.KeyOperation], tc.want[tracing.KeyResource] = "validate-federated", string(tc.operation), "federatedsecrets.types.kubefed.io"
			tc.want[tracing.KeyNamespace], tc.want[tracing.KeyName], tc.want[tracing.KeyAllowed] = "acme", "x", "false"
			if tc.answer.Allowed {
				tc.want[tracing.KeyAllowed] = "true"
			}
			if diff := cmp.Diff(tc.want, tracingtest.Attributes(span)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if failed := span.Status.Code == codes.Error; failed != tc.failed || strings.Contains(span.Status.Description, "hunter2") {
				t.Errorf("%s: %+v", tc.reason, span.Status)
			}
		})
	}
}
