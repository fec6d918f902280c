package facade

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/cellfed/cellfed/internal/facade/mapping"
)

// passThrough answers with what the member answers, byte for byte: what it says of itself, nodes, and logs of pods.
func (x *exchange) passThrough(ctx context.Context) error {
	if x.request.Resource.Subresource == "log" {
		if _, err := x.visible(ctx); err != nil {
			return err
		}
	}
	accept := strings.Join(x.r.Header.Values("Accept"), ",")
	if accept == "" {
		accept = "*/*"
	}
	resp, err := x.send(ctx, call{method: http.MethodGet, path: x.route.Path, query: x.route.Query, accept: accept})
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is lost.
	stream := x.request.Verb == mapping.VerbWatch || x.request.Follows()
	if stream {
		defer x.open(ctx)()
	}
	x.copyHeader(resp)
	x.w.WriteHeader(resp.StatusCode)
	if err := x.pump(resp.Body, stream); err != nil && !stream {
		return x.memberError(ctx, err)
	}
	return nil
}

// pump copies a body piece by piece. The error is of the member; a client that is gone ends it without one.
func (x *exchange) pump(body io.Reader, stream bool) error {
	piece := make([]byte, 32<<10)
	for {
		if stream {
			if err := x.flush(); err != nil {
				return nil
			}
		}
		n, err := body.Read(piece)
		if n > 0 {
			if !stream {
				x.progress()
			}
			x.extend()
			if _, err := x.w.Write(piece[:n]); err != nil {
				return nil
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
