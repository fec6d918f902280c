// Package tracing tells by OpenTelemetry how a write to a federated object went, from its admission to the last member.
//
// Admission and propagation are different processes, which share nothing but the object that is stored. So the trace of a
// write is derived from what both know of it, the object's UID and generation: see Generation. Spans are recorded when what
// they tell of is over, so nothing is carried along, and nothing is done at all where tracing is off.
//
// No span holds content of an object, nor text that could quote it: an error is told by its reason and status code.
package tracing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/credentials"
)

const (
	// ServiceName is service.name of all spans.
	ServiceName = "cellfed-manager"
	// scope names what makes the spans.
	scope = "github.com/cellfed/cellfed"
)

// Options say where spans go.
type Options struct {
	// Endpoint is the host:port of a collector that speaks OTLP over gRPC. Empty turns tracing off.
	Endpoint string
	// SamplingRate is the share of traces that is recorded, from 0 to 1.
	SamplingRate float64
	// Insecure sends without TLS.
	Insecure bool
	// CAFile holds the CAs that the collector's certificate is checked against. Empty means the system's.
	CAFile string
	// Version is the manager's.
	Version string
	// Log is told when the collector cannot be reached, and when it can be again.
	Log logr.Logger
}

// Tracer records spans. A nil Tracer, which is one that is off, records none. It can be used concurrently.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	sampler  sdktrace.Sampler
}

// Setup returns a Tracer that sends to the collector, nil where there is no endpoint. Nobody ever waits for the collector:
// spans are sent in the background, and what it does not take in time is dropped.
func Setup(ctx context.Context, o Options) (*Tracer, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(o.Endpoint)}
	if o.Insecure {
		options = append(options, otlptracegrpc.WithInsecure())
	} else {
		config, err := trust(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("set up tracing: %w", err)
		}
		options = append(options, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(config)))
	}
	otlp, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("set up tracing to %q: %w", o.Endpoint, err)
	}
	return New(sdktrace.NewBatchSpanProcessor(&exporter{SpanExporter: otlp, endpoint: o.Endpoint, log: o.Log}), o.SamplingRate, identity(ctx, o)), nil
}

// New returns a Tracer that records a share of all traces. It gives its spans to the processor.
func New(processor sdktrace.SpanProcessor, rate float64, who *resource.Resource) *Tracer {
	ratio := sdktrace.TraceIDRatioBased(rate)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(processor), sdktrace.WithResource(who),
		sdktrace.WithIDGenerator(generator{}), sdktrace.WithSampler(sdktrace.ParentBased(ratio)),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer(scope), sampler: ratio}
}

// Shutdown sends what is left, as long as the context allows. The Tracer records nothing after that.
func (t *Tracer) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Now is when something begins that is going to be recorded. It costs nothing where nothing is.
func (t *Tracer) Now() time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Now()
}

// identity says who speaks. What the environment adds (OTEL_RESOURCE_ATTRIBUTES) is taken as far as it can be read.
func identity(ctx context.Context, o Options) *resource.Resource {
	attributes := []attribute.KeyValue{attribute.String("service.name", ServiceName), attribute.String("service.version", o.Version)}
	if name, err := os.Hostname(); err == nil {
		attributes = append(attributes, attribute.String("service.instance.id", name))
	}
	who, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attributes...), resource.WithFromEnv())
	if err != nil {
		o.Log.Info("Traces do not carry all that the environment says", "reason", err.Error())
	}
	return who
}

func trust(caFile string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return config, nil
	}
	data, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(data) {
		return nil, errors.New(caFile + " holds no certificate in PEM")
	}
	return config, nil
}
