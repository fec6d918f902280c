package conversion

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/tracing"
	"github.com/cellfed/cellfed/internal/tracing/tracingtest"
)

// TestTrace: each request is one span, in the API server's trace where it has one, whatever came of it.
func TestTrace(t *testing.T) {
	const caller = "0af7651916cd43dd8448eb211c80319c"
	good := reviewOf(t, "", federated.APIVersionV2Beta1, deployment(federated.V1Beta1, "x", 0), deployment(federated.V1Beta1, "y", 0))
	cases := map[string]struct {
		reason string
		body   []byte
		called bool
		want   map[attribute.Key]string
		failed string
	}{
		"Alone":  {"the API server does not trace", good, false, map[attribute.Key]string{tracing.KeyVersion: federated.V2Beta1, tracing.KeyObjects: "2", tracing.KeyResult: "success"}, ""},
		"Called": {"it does", good, true, map[attribute.Key]string{tracing.KeyVersion: federated.V2Beta1, tracing.KeyObjects: "2", tracing.KeyResult: "success"}, ""},
		"Failed": {"what was wrong may quote the object", reviewOf(t, "", federated.APIVersionV2Beta1, `{"apiVersion":"types.kubefed.io/v7","kind":"FederatedSecret","hunter2":1}`), false,
			map[attribute.Key]string{tracing.KeyVersion: federated.V2Beta1, tracing.KeyObjects: "1", tracing.KeyResult: "failure"}, "failure"},
		"Rejected": {"it is no review", []byte("hunter2"), false, map[attribute.Key]string{tracing.KeyVersion: unknownVersion, tracing.KeyObjects: "0", tracing.KeyResult: "rejected"}, "rejected"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tracer, spans := tracingtest.New(t, 1)
			request := httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(tc.body))
			request.Header.Set("Content-Type", "application/json")
			if tc.called {
				request.Header.Set("traceparent", "00-"+caller+"-b7ad6b7169203331-01")
			}
			NewHandler(Options{Tracer: tracer}).ServeHTTP(httptest.NewRecorder(), request)
			got := spans()
			if len(got) != 1 || got[0].Name != "conversion" {
				t.Fatalf("%s: %+v", tc.reason, got)
			}
			if diff := cmp.Diff(tc.want, tracingtest.Attributes(got[0])); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if called := got[0].SpanContext.TraceID().String() == caller; called != tc.called || got[0].Status.Description != tc.failed {
				t.Errorf("%s: %+v", tc.reason, got[0])
			}
		})
	}
}
