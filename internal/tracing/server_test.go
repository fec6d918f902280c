package tracing_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/tracing"
	"github.com/cellfed/cellfed/internal/tracing/tracingtest"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// things are of a kind of the test's own.
const things = `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.test.cellfed.io"},
"spec": {"group": "test.cellfed.io", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": [{"name": "v1", "served": true, "storage": true,
"subresources": {"status": {}}, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}`

const asking = `{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "tracing"},
"webhooks": [{"name": "tracing.cellfed.io", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail", "clientConfig": {"url": %q, "caBundle": %q},
"rules": [{"apiGroups": ["test.cellfed.io"], "apiVersions": ["*"], "resources": ["things"], "operations": ["CREATE", "UPDATE", "DELETE"]}]}]}`

// TestServer: the generation that a validating webhook sees, or reckons, is the one that a real API server stores, and the
// API server says in what trace of its own it asks.
func TestServer(t *testing.T) {
	config := filepath.Join(t.TempDir(), "tracing.yaml")
	must(t, os.WriteFile(config, []byte("apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\nendpoint: 127.0.0.1:1\nsamplingRatePerMillion: 1000000\n"), 0o600))
	cluster := framework.RunCluster(t, framework.Options{ExtraArgs: []string{"--tracing-config-file=" + config}})
	tracer, spans := tracingtest.New(t, 1)
	url, ca := serve(t, tracer)
	must(t, cluster.Apply(t.Context(), object(t, things), object(t, fmt.Sprintf(asking, url, base64.StdEncoding.EncodeToString(ca)))))

	thing := object(t, `{"apiVersion": "test.cellfed.io/v1", "kind": "Thing", "metadata": {"namespace": "default", "name": "x", "finalizers": ["cellfed.io/test"]}, "spec": {"a": 1}}`)
	// An API server begins to ask when it comes to it.
	framework.Eventually(t, time.Minute, "the API server to ask", func(ctx context.Context) error {
		if err := cluster.Client.Create(ctx, thing.DeepCopy(), client.DryRunAll); err != nil {
			return err
		}
		if len(spans()) == 0 {
			return fmt.Errorf("nobody has asked")
		}
		return nil
	})
	created := expect(t, tracer, "a creation", during(spans, func() { must(t, cluster.Client.Create(t.Context(), thing)) }), thing, true)
	patch := func(document string) {
		must(t, cluster.Client.Patch(t.Context(), thing, client.RawPatch(types.MergePatchType, []byte(document))))
	}
	changed := expect(t, tracer, "a change of the spec", during(spans, func() { patch(`{"spec": {"a": 2}}`) }), thing, true)
	expect(t, tracer, "a label", during(spans, func() { patch(`{"metadata": {"labels": {"a": "b"}}}`) }), thing, false)
	deleted := expect(t, tracer, "a deletion", during(spans, func() {
		must(t, cluster.Client.Delete(t.Context(), thing))
		must(t, cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(thing), thing))
	}), thing, true)
	expect(t, tracer, "the same again", during(spans, func() {
		must(t, client.IgnoreNotFound(cluster.Client.Delete(t.Context(), thing)))
	}), thing, false)
	if diff := cmp.Diff([]int64{1, 2, 3}, []int64{created, changed, deleted}); diff != "" {
		t.Errorf("generations: -want +got:\n%s", diff)
	}
}

// during returns the spans of what happens.
func during(spans func() tracetest.SpanStubs, happen func()) tracetest.SpanStubs {
	before := len(spans())
	happen()
	return spans()[before:]
}

// expect checks that a write was told, in the trace of the generation that is stored now, or in the API server's own. It
// returns the generation. An API server that took an older version of the object from its cache asks once more for the one
// that there is, and that one is stored.
func expect(t *testing.T, tracer *tracing.Tracer, what string, got tracetest.SpanStubs, stored *unstructured.Unstructured, own bool) int64 {
	t.Helper()
	if len(got) == 0 {
		t.Fatalf("%s was not told", what)
	}
	root := tracer.Generation(stored.GetUID(), stored.GetGeneration()).Root
	span := got[len(got)-1]
	if is := span.SpanContext.TraceID() == root.TraceID(); is != own {
		t.Errorf("%s: in the trace of generation %d: %v", what, stored.GetGeneration(), is)
	}
	var caller trace.SpanContext
	if own && len(span.Links) == 1 {
		caller = span.Links[0].SpanContext
	} else if !own {
		caller = span.Parent
	}
	if !caller.IsValid() || !caller.IsSampled() {
		t.Errorf("%s: it is not known who asked: %+v", what, span)
	}
	return stored.GetGeneration()
}

// serve serves a webhook that allows everything.
func serve(t *testing.T, tracer *tracing.Tracer) (url string, ca []byte) {
	t.Helper()
	certificates, err := framework.NewCertificates(t.TempDir())
	must(t, err)
	port, err := framework.FreePort()
	must(t, err)
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, CertDir: certificates.Dir})
	server.Register("/x", tracer.Webhook("/x", &answers{admission.Allowed("")}, true))
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := server.Start(ctx); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	framework.Eventually(t, time.Minute, "the webhook server", func(context.Context) error { return server.StartedChecker()(nil) })
	return fmt.Sprintf("https://127.0.0.1:%d/x", port), certificates.CA()
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	must(t, u.UnmarshalJSON([]byte(text)))
	return u
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
