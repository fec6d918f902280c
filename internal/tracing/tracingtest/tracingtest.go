// Package tracingtest records spans for tests.
package tracingtest

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/cellfed/cellfed/internal/tracing"
)

// New returns a Tracer and what returns the spans that it has recorded so far.
func New(t *testing.T, rate float64) (*tracing.Tracer, func() tracetest.SpanStubs) {
	t.Helper()
	memory := tracetest.NewInMemoryExporter()
	tracer := tracing.New(sdktrace.NewSimpleSpanProcessor(memory), rate, resource.Empty())
	t.Cleanup(func() {
		if err := tracer.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return tracer, memory.GetSpans
}

// Attributes returns a span's attributes as text.
func Attributes(span tracetest.SpanStub) map[attribute.Key]string {
	all := map[attribute.Key]string{}
	for _, a := range span.Attributes {
		all[a.Key] = a.Value.String()
	}
	return all
}
