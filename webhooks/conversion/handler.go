// Package conversion serves the conversion of federated objects between their two versions to API servers. It speaks
// ConversionReview of apiextensions.k8s.io/v1 and converts every kind of types.kubefed.io.
//
// It only adapts: the rules are in internal/federated.
package conversion

import (
	"bytes"
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/semaphore"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/tracing"
)

const (
	// Path is where the conversion is served.
	Path = "/convert"

	// DefaultMaxRequestBytes is the default bound for one request. An API server puts all objects of a list that
	// need it into one request, so it is large.
	DefaultMaxRequestBytes = 128 << 20

	// DefaultMaxInFlightBytes is the default bound for the requests that are served at once. An answer is about
	// as large as its request, so the memory in use is up to about twice that: half of what config/manager allows.
	DefaultMaxInFlightBytes = 2 * DefaultMaxRequestBytes

	// requestTimeout is how long a request may take to arrive, and then an answer to leave. API servers give up on
	// a conversion after 30 seconds.
	requestTimeout = 30 * time.Second

	// maxPooledBytes bounds the buffers that are kept for the next request.
	maxPooledBytes = 1 << 20
)

// Options are what a Handler can be told. The zero value is good.
type Options struct {
	// MaxRequestBytes bounds the body of one request; zero means DefaultMaxRequestBytes. A larger one is answered
	// with 413.
	MaxRequestBytes int64

	// MaxInFlightBytes bounds the bodies of the requests that are served at once; zero means
	// DefaultMaxInFlightBytes, and it is never less than MaxRequestBytes. Requests beyond it wait.
	MaxInFlightBytes int64

	// Tracer records a span for each request. Nil records none.
	Tracer *tracing.Tracer
}

// Handler answers conversion reviews. It can be used concurrently.
type Handler struct {
	maxBytes int64
	timeout  time.Duration
	inFlight *semaphore.Weighted
	tracer   *tracing.Tracer
	convert  converter
	buffers  sync.Pool
}

// NewHandler returns a Handler.
func NewHandler(o Options) *Handler {
	if o.MaxRequestBytes <= 0 {
		o.MaxRequestBytes = DefaultMaxRequestBytes
	}
	if o.MaxInFlightBytes <= 0 {
		o.MaxInFlightBytes = DefaultMaxInFlightBytes
	}
	return &Handler{
		maxBytes: o.MaxRequestBytes,
		timeout:  requestTimeout,
		inFlight: semaphore.NewWeighted(max(o.MaxInFlightBytes, o.MaxRequestBytes)),
		tracer:   o.Tracer,
		convert:  federated.AppendConvertChecked,
		buffers:  sync.Pool{New: func() any { return &buffers{} }},
	}
}

// SetupWithServer serves the conversion at Path on the manager's webhook server.
func SetupWithServer(server webhook.Server, o Options) {
	server.Register(Path, NewHandler(o))
}

// buffers are what a request and its answer are held in.
type buffers struct {
	body   bytes.Buffer
	answer []byte
}

func (h *Handler) release(b *buffers) {
	if b.body.Cap() > maxPooledBytes || cap(b.answer) > maxPooledBytes {
		return
	}
	b.body.Reset()
	b.answer = b.answer[:0]
	h.buffers.Put(b)
}

// ServeHTTP answers a review with a review. A request that is none, or that could not be answered with one for want of
// a uid, gets an HTTP error whose body, plain text, is what an API server tells its client.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	started := time.Now()
	ctx, cancel := context.WithTimeout(req.Context(), h.timeout)
	defer cancel()
	b := h.buffers.Get().(*buffers)
	defer h.release(b)

	size, err := h.admit(ctx, w, req)
	if err == nil {
		defer h.inFlight.Release(size)
		err = h.read(w, req, b)
	}
	var r review
	if err == nil {
		r, err = h.parse(b)
	}
	var pieces [][]byte
	if err == nil {
		pieces, err = convertAll(ctx, b.answer, r, h.convert)
	}
	result := h.answer(ctx, w, b, r, pieces, err)

	// The review's own text is a view of a buffer that is used again.
	to := strings.Clone(r.to)
	if to == "" {
		to = unknownVersion
	}
	requestsTotal.WithLabelValues(to, string(result)).Inc()
	durationSeconds.WithLabelValues(to).Observe(time.Since(started).Seconds())
	if result == resultSuccess {
		objectsTotal.WithLabelValues(to).Add(float64(len(r.objects)))
	}
	if h.tracer != nil {
		h.trace(req, started, to, result, len(r.objects))
	}
}

// trace records the span of a request. It is of no object's trace: a request may bring many, and none of them is written.
func (h *Handler) trace(req *http.Request, started time.Time, to string, ended result, objects int) {
	span := tracing.Span{Name: "conversion", Kind: trace.SpanKindServer, Start: started, Attributes: []attribute.KeyValue{
		tracing.KeyVersion.String(to), tracing.KeyObjects.Int(objects), tracing.KeyResult.String(string(ended)),
	}}
	if ended != resultSuccess {
		span.Failed = string(ended)
	}
	h.tracer.Record(trace.SpanContextFromContext(h.tracer.Caller(req.Context(), req)), span)
}

// admit refuses what can be refused before the body is read, and waits until there is room for it. It returns the room
// that was taken.
func (h *Handler) admit(ctx context.Context, w http.ResponseWriter, req *http.Request) (int64, error) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return 0, rejectf(http.StatusMethodNotAllowed, reasonMethod, "method %.20q: conversion reviews are sent by POST", req.Method)
	}
	mediaType, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return 0, rejectf(http.StatusUnsupportedMediaType, reasonContentType, "content type %.100q: conversion reviews are application/json", req.Header.Get("Content-Type"))
	}
	if encoding := req.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return 0, rejectf(http.StatusUnsupportedMediaType, reasonContentType, "content encoding %.100q: conversion reviews are sent as they are", encoding)
	}
	if req.ContentLength > h.maxBytes {
		return 0, h.tooLarge()
	}
	size := req.ContentLength
	if size < 0 {
		size = h.maxBytes
	}
	if err := h.inFlight.Acquire(ctx, size); err != nil {
		return 0, rejectf(http.StatusServiceUnavailable, reasonBusy, "too many large conversions at once: try again, or list fewer objects at a time")
	}
	return size, nil
}

func (h *Handler) tooLarge() error {
	return rejectf(http.StatusRequestEntityTooLarge, reasonTooLarge, "the review is larger than %d bytes: list fewer objects at a time (kubectl's --chunk-size, the API's limit)", h.maxBytes)
}

// read reads the body, and checks that it is JSON.
func (h *Handler) read(w http.ResponseWriter, req *http.Request, b *buffers) error {
	// A body that trickles holds room that others wait for. Not every ResponseWriter has a deadline to set.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.timeout))
	if req.ContentLength > 0 {
		b.body.Grow(int(req.ContentLength) + bytes.MinRead)
	}
	if _, err := b.body.ReadFrom(http.MaxBytesReader(w, req.Body, h.maxBytes)); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return h.tooLarge()
		}
		return rejectf(http.StatusBadRequest, reasonBody, "the body did not arrive whole: %v", err)
	}
	if err := federated.CheckJSON(b.body.Bytes()); err != nil {
		return rejectf(http.StatusBadRequest, reasonNotJSON, "the body is %v", err)
	}
	return nil
}

// parse reads the review from the body. Its strings are good until the buffers are released.
func (h *Handler) parse(b *buffers) (review, error) {
	body := b.body.Bytes()
	// This is safe because nobody writes to the buffer before release, and nothing that outlives the request
	// keeps a part of it: messages are formatted, and labels of metrics are constants.
	return parseReview(unsafe.String(unsafe.SliceData(body), len(body)))
}

// answer writes the answer: the converted objects, or the review as failed, or an HTTP error.
func (h *Handler) answer(ctx context.Context, w http.ResponseWriter, b *buffers, r review, pieces [][]byte, err error) result {
	if err == nil {
		b.answer = pieces[0]
		write(w, h.timeout, pieces...)
		return resultSuccess
	}
	log := logf.FromContext(ctx).WithName("conversion")
	if rejected := (*reject)(nil); errors.As(err, &rejected) {
		failuresTotal.WithLabelValues(string(rejected.reason)).Inc()
		log.V(1).Info("Rejected a conversion request", "status", rejected.status, "message", rejected.msg)
		http.Error(w, rejected.msg, rejected.status)
		return resultRejected
	}
	why := reasonCanceled
	if f := (*failure)(nil); errors.As(err, &f) {
		why = f.reason
	}
	failuresTotal.WithLabelValues(string(why)).Inc()
	log.V(1).Info("Failed a conversion review", "message", err.Error())
	body, err := failed(r.uid, err)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return resultFailure
	}
	write(w, h.timeout, body)
	return resultFailure
}

// write writes a review. An error means that the caller is gone, and there is nobody left to tell.
func write(w http.ResponseWriter, timeout time.Duration, pieces ...[]byte) {
	// As with the body: a caller who does not read holds room that others wait for. The connection goes on to serve
	// whoever comes next, so the deadline goes again.
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(timeout))
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	size := 0
	for _, p := range pieces {
		size += len(p)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	for _, p := range pieces {
		if _, err := w.Write(p); err != nil {
			return
		}
	}
}
