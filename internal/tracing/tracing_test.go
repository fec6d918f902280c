package tracing_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/internal/tracing"
	"github.com/cellfed/cellfed/internal/tracing/tracingtest"
)

func TestGeneration(t *testing.T) {
	one, _ := tracingtest.New(t, 0.25)
	other, _ := tracingtest.New(t, 0.25)
	seen, sampled := map[trace.TraceID]bool{}, 0
	const count = 4000
	for i := range count {
		uid, generation := types.UID(fmt.Sprint("uid-", i/4)), int64(i%4)
		g := one.Generation(uid, generation)
		if diff := cmp.Diff(g, other.Generation(uid, generation), cmp.Comparer(trace.SpanContext.Equal)); diff != "" {
			t.Fatalf("two processes do not agree: %s", diff)
		}
		if !g.Root.IsValid() || g.Root.TraceID() != g.Propagation.TraceID() || g.Root.SpanID() == g.Propagation.SpanID() || seen[g.Root.TraceID()] {
			t.Fatalf("generation %d of %s has %+v", generation, uid, g)
		}
		seen[g.Root.TraceID()] = true
		if g.Root.IsSampled() != g.Propagation.IsSampled() {
			t.Fatal("a part of a trace would be recorded")
		}
		if g.Root.IsSampled() {
			sampled++
		}
	}
	if share := float64(sampled) / count; share < 0.2 || share > 0.3 {
		t.Errorf("a quarter is recorded, and it was %v", share)
	}
}

// TestSampling: what is not sampled is recorded by nobody, and what an API server samples is by everybody.
func TestSampling(t *testing.T) {
	tracer, spans := tracingtest.New(t, 0)
	tracer.RecordRoot(tracer.Generation("u", 1), tracing.Span{Name: "root"})
	tracer.RecordPropagation(tracer.Generation("u", 1), tracing.Span{Name: "propagation"})
	tracer.Record(tracer.Generation("u", 1).Propagation, tracing.Span{Name: "child"})
	tracer.Record(trace.SpanContext{}, tracing.Span{Name: "alone"})
	request := httptest.NewRequest(http.MethodPost, "/", nil)
	request.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	tracer.Record(trace.SpanContextFromContext(tracer.Caller(t.Context(), request)), tracing.Span{Name: "called"})
	var names []string
	for _, span := range spans() {
		names = append(names, span.Name)
	}
	if diff := cmp.Diff([]string{"called"}, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestOff: without an endpoint there is no Tracer, and what there is not costs nothing.
func TestOff(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	tracer, err := tracing.Setup(t.Context(), tracing.Options{SamplingRate: 1})
	if err != nil || tracer != nil {
		t.Fatalf("%v, %v", tracer, err)
	}
	request := httptest.NewRequest(http.MethodPost, "/", nil)
	ctx := t.Context()
	if allocations := testing.AllocsPerRun(100, func() {
		if began := tracer.Now(); !began.IsZero() {
			t.Error("it looked at the clock")
		}
		if tracer.Caller(ctx, request) != ctx {
			t.Error("it read the request")
		}
		tracer.Record(trace.SpanContext{}, tracing.Span{})
		if err := tracer.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
	handler := &answers{}
	if hook := tracer.Webhook("/x", handler, true); hook.Handler != admission.Handler(handler) || hook.WithContextFunc != nil {
		t.Error("the webhook is wrapped")
	}
}

func TestError(t *testing.T) {
	cases := map[string]struct {
		reason string
		given  error
		want   map[string]string
	}{
		"None":     {"it went well", nil, map[string]string{}},
		"Refused":  {"an API server's words may quote the object", fmt.Errorf("apply: %w", apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "x", errors.New("password=hunter2"))), map[string]string{"http.response.status_code": "403", "error.type": "Forbidden"}},
		"Timeout":  {"nobody answered in time", fmt.Errorf("apply: %w", context.DeadlineExceeded), map[string]string{"error.type": "timeout"}},
		"Canceled": {"the manager ends", context.Canceled, map[string]string{"error.type": "canceled"}},
		"Broken":   {"whatever the network said", errors.New("hunter2"), map[string]string{"error.type": "unreachable"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			for _, a := range tracing.Error(tc.given) {
				got[string(a.Key)] = a.Value.String()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// receiver is a collector that keeps the names of spans and services.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	mu   sync.Mutex
	told []string
}

func (r *receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			if strings.HasPrefix(a.Key, "service.") && a.Key != "service.instance.id" {
				r.told = append(r.told, a.Key+"="+a.Value.GetStringValue())
			}
		}
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				r.told = append(r.told, span.Name)
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func TestCollector(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		reason  string
		server  []grpc.ServerOption
		options tracing.Options
		want    []string
	}{
		"TLS": {"the CA is trusted", []grpc.ServerOption{grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: certified.TLS.Certificates}))},
			tracing.Options{CAFile: ca}, []string{"service.name=cellfed-manager", "service.version=v9", "one"}},
		"Strange": {"nothing is sent to whom nobody vouches for", []grpc.ServerOption{grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: certified.TLS.Certificates}))},
			tracing.Options{}, nil},
		"Insecure": {"somebody has said so", nil, tracing.Options{Insecure: true}, []string{"service.name=cellfed-manager", "service.version=v9", "one"}},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			received, server := &receiver{}, grpc.NewServer(tc.server...)
			collector.RegisterTraceServiceServer(server, received)
			var done sync.WaitGroup
			done.Go(func() { _ = server.Serve(listener) })
			defer done.Wait()
			defer server.Stop()

			tc.options.Endpoint, tc.options.SamplingRate, tc.options.Version, tc.options.Log = listener.Addr().String(), 1, "v9", logr.Discard()
			tracer, err := tracing.Setup(t.Context(), tc.options)
			if err != nil {
				t.Fatal(err)
			}
			tracer.Record(trace.SpanContext{}, tracing.Span{Name: "one"})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			if tc.want == nil {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			}
			defer cancel()
			if err := tracer.Shutdown(ctx); err != nil && tc.want != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.want, received.told); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestCollectorDown: nobody waits for a collector that is not there, and the log is told once.
func TestCollectorDown(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // It takes connections and never answers.
	var mu sync.Mutex
	var told []string
	log := funcr.New(func(_, args string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, args)
	}, funcr.Options{})
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "5")
	t.Setenv("OTEL_BSP_EXPORT_TIMEOUT", "50")
	tracer, err := tracing.Setup(t.Context(), tracing.Options{Endpoint: listener.Addr().String(), SamplingRate: 1, Insecure: true, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	// Ten times what the queue holds.
	began := time.Now()
	for range 20480 {
		tracer.Record(trace.SpanContext{}, tracing.Span{Name: "lost"})
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = tracer.Shutdown(ctx)
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 1 || !strings.Contains(told[0], "Traces are lost") || !strings.Contains(told[0], listener.Addr().String()) {
		t.Errorf("the log was told %q", told)
	}
}

func TestSetupRefuses(t *testing.T) {
	if _, err := tracing.Setup(t.Context(), tracing.Options{Endpoint: "c:1", CAFile: "/nowhere"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := tracing.Setup(t.Context(), tracing.Options{Endpoint: "c:1", CAFile: os.Args[0]}); err == nil {
		t.Error("it trusts nobody")
	}
}
