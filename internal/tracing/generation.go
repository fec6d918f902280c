package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"strconv"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/types"
)

// Generation is the trace of a generation of a federated object. Whoever knows the object's UID and the generation knows
// the trace, so that all tell of a write in the same one.
type Generation struct {
	// Root is the span of the admission that let the write in, and Propagation, below it, that of what came of it.
	Root, Propagation trace.SpanContext
}

// Generation returns the trace of a generation. The share of traces that is recorded is chosen by their IDs, so that all
// processes choose the same ones.
func (t *Tracer) Generation(uid types.UID, generation int64) Generation {
	sum := sha256.Sum256(strconv.AppendInt(append([]byte(uid), '/'), generation, 10))
	config := trace.SpanContextConfig{TraceID: trace.TraceID(sum[:16]), SpanID: trace.SpanID(sum[16:24]), Remote: true}
	if t.sampler.ShouldSample(sdktrace.SamplingParameters{TraceID: config.TraceID}).Decision == sdktrace.RecordAndSample {
		config.TraceFlags = trace.FlagsSampled
	}
	root := trace.NewSpanContext(config)
	config.SpanID = trace.SpanID(sum[24:32])
	return Generation{Root: root, Propagation: trace.NewSpanContext(config)}
}

// generator makes up the IDs of spans, unless they are known.
type generator struct{}

type known struct{}

// NewIDs implements sdktrace.IDGenerator.
func (g generator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if sc, ok := ctx.Value(known{}).(trace.SpanContext); ok {
		return sc.TraceID(), sc.SpanID()
	}
	var id trace.TraceID
	for !id.IsValid() {
		binary.BigEndian.PutUint64(id[:8], rand.Uint64())
		binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID implements sdktrace.IDGenerator.
func (generator) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if sc, ok := ctx.Value(known{}).(trace.SpanContext); ok {
		return sc.SpanID()
	}
	var id trace.SpanID
	for !id.IsValid() {
		binary.BigEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}
