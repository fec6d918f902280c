package tracing

import (
	"context"
	"sync/atomic"

	"github.com/go-logr/logr"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporter tells the log once when spans cannot be sent any more, and once when they can again.
type exporter struct {
	sdktrace.SpanExporter
	endpoint string
	log      logr.Logger
	failing  atomic.Bool
}

// ExportSpans sends. Nothing can be done about an error, and the log knows, so none is returned.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	switch err := e.SpanExporter.ExportSpans(ctx, spans); {
	case err != nil && !e.failing.Swap(true):
		e.log.Info("Traces are lost, because they cannot be sent", "endpoint", e.endpoint, "reason", err.Error())
	case err == nil && e.failing.Swap(false):
		e.log.Info("Traces are sent again", "endpoint", e.endpoint)
	}
	return nil
}
