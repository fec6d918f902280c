package facade

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cellfed/cellfed/internal/facade/mapping"
)

// carry carries out a request that was routed.
func (x *exchange) carry(ctx context.Context) error {
	switch {
	case x.route.Mode == mapping.AsIs:
		return x.passThrough(ctx)
	case x.request.Verb == mapping.VerbGet:
		return x.get(ctx)
	case x.request.Verb == mapping.VerbList:
		return x.list(ctx)
	case x.request.Verb == mapping.VerbWatch:
		return x.watch(ctx)
	default:
		return x.mutate(ctx)
	}
}

func (x *exchange) get(ctx context.Context) error {
	if x.request.Resource.Subresource == "scale" {
		// A Scale does not tell whose the object is that it scales.
		if _, err := x.visible(ctx); err != nil {
			return err
		}
	}
	resp, err := x.send(ctx, call{
		method: http.MethodGet, path: x.route.Path, query: x.route.Query, accept: accept(x.r.Header.Values("Accept")),
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is lost.
	return x.relayObject(ctx, resp)
}

// buffers hold what lists are written through.
var buffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, mapping.ListBuffer) }}

// list answers with a list, item by item while they come.
func (x *exchange) list(ctx context.Context) error {
	return x.copyList(ctx, call{
		method: http.MethodGet, path: x.route.Path, query: x.route.Query, accept: accept(x.r.Header.Values("Accept")),
	})
}

func (x *exchange) copyList(ctx context.Context, c call) error {
	resp, err := x.send(ctx, c)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is lost.
	if resp.StatusCode >= 400 {
		return x.relayError(ctx, resp)
	}
	if !isJSON(resp.Header.Get("Content-Type")) {
		return x.garbage("no JSON")
	}
	x.progress()
	x.copyHeader(resp)
	x.w.Header().Set("Content-Type", jsonType)
	buffer := buffers.Get().(*bufio.Writer)
	buffer.Reset(&slowWriter{x: x})
	defer func() {
		buffer.Reset(nil)
		buffers.Put(buffer)
	}()
	_, err = x.target.View.CopyList(buffer, &progressReader{x: x, r: resp.Body}, x.request.Resource, x.route)
	if err == nil {
		return buffer.Flush()
	}
	if x.w.began() {
		return err
	}
	for _, name := range returned {
		x.w.Header().Del(name)
	}
	if errors.Is(err, mapping.ErrMalformed) || errors.Is(err, mapping.ErrTooLarge) || errors.Is(err, io.ErrUnexpectedEOF) {
		return x.garbage("a broken list")
	}
	return x.memberError(ctx, err)
}

// slowWriter gives the client a bounded time for every piece.
type slowWriter struct{ x *exchange }

// Write writes a piece of an answer.
func (s *slowWriter) Write(b []byte) (int, error) {
	s.x.extend()
	n, err := s.x.w.Write(b)
	s.x.progress()
	return n, err
}

// watch answers with events while they come.
func (x *exchange) watch(ctx context.Context) error {
	if x.handler.serving.Err() != nil {
		return apierrors.NewServiceUnavailable("this replica of cellfed is stopping: connect again")
	}
	resp, err := x.send(ctx, call{
		method: http.MethodGet, path: x.route.Path, query: x.route.Query, accept: accept(x.r.Header.Values("Accept")),
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is lost.
	if resp.StatusCode >= 400 {
		return x.relayError(ctx, resp)
	}
	if !isJSON(resp.Header.Get("Content-Type")) {
		return x.garbage("no JSON")
	}
	defer x.open(ctx)()
	x.copyHeader(resp)
	x.w.Header().Set("Content-Type", jsonType)
	x.w.WriteHeader(http.StatusOK)
	if err := x.flush(); err != nil {
		return nil
	}
	x.events(mapping.NewScanner(resp.Body, mapping.WatchBuffer))
	return nil
}

// open makes a stream that is not bounded in time, which ends when its member's credentials are replaced, this replica
// stops, or the client could not begin it any more. The function that it returns closes it.
func (x *exchange) open(ctx context.Context) func() {
	x.unbounded()
	end := func() { x.cancel(errEnded) }
	stops := []func() bool{
		context.AfterFunc(x.target.Membership, end),
		context.AfterFunc(x.handler.serving, end),
	}
	done := x.handler.metrics.watching(x.target.Cluster)
	ctx, stopChecks := context.WithCancel(ctx)
	checks := make(chan struct{})
	go func() {
		defer close(checks)
		x.recheck(ctx, end)
	}()
	return func() {
		for _, stop := range stops {
			stop()
		}
		stopChecks()
		<-checks
		done()
	}
}

// recheck calls end once the stream could not be begun as it was: its token was revoked, its Cell is gone or must not be
// served, or another part of a member stands behind it. Another tenant's may stand where the stream still looks.
func (x *exchange) recheck(ctx context.Context, end func()) {
	ticker := time.NewTicker(x.handler.recheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !x.current(ctx) {
			end()
			return
		}
	}
}

// current says whether the exchange's token and target are still those of its cell.
func (x *exchange) current(ctx context.Context) bool {
	view := x.target.View
	if x.handler.authenticate(x.r, view.Namespace, view.Cell, true) != nil {
		return false
	}
	target, err := x.handler.resolver.Resolve(ctx, view.Namespace, view.Cell)
	return err == nil && target.View == view && target.Membership == x.target.Membership
}

// events sends events until there are no more. A watch that breaks ends as one that is over: clients ask again for
// what follows the last event that they got whole.
func (x *exchange) events(in *mapping.Scanner) {
	events := x.target.View.NewWatch(x.request.Resource, x.route)
	var out []byte
	for {
		event, err := in.Value()
		if err != nil {
			return
		}
		if out, err = events.Event(out[:0], event); err != nil {
			return
		}
		if len(out) > 0 {
			x.extend()
			if _, err := x.w.Write(append(out, '\n')); err != nil {
				return
			}
		}
		if in.Buffered() {
			continue
		}
		if err := x.flush(); err != nil {
			return
		}
		in.Release()
		if cap(out) > mapping.WatchBuffer {
			out = nil
		}
	}
}

func (x *exchange) flush() error {
	x.extend()
	err := http.NewResponseController(x.w).Flush()
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Time{})
	return err
}
