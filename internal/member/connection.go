package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/cellfed/cellfed/internal/wire"
)

const (
	// maxAnswer bounds an answer that is one object.
	maxAnswer = 32 << 20
	// maxList bounds an answer that is a list.
	maxList = 1 << 30
	// watchGrace is how much longer than it was asked to a watch may go on.
	watchGrace = time.Minute
	// readyBody is how much of a probe's answer is told.
	readyBody = 256
)

// connection is a client of a member with one set of credentials.
type connection struct {
	member *Member
	rest   rest.Interface
	lists  dynamic.Interface
	// wait bounds how long the header of an answer may take.
	wait time.Duration
	// limit is the limit of requests, nil when there is none.
	limit *rate.Limiter
}

func newConnection(m *Member, wait time.Duration, metrics *metrics) (*connection, error) {
	c := &connection{member: m, wait: wait}
	config := dynamic.ConfigFor(m.Config())
	wire.Configure(config, nil)
	config.Transport = counted{c, metrics}
	config.WarningHandler = rest.NoWarnings{}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of member cluster %q: %w", m.Name(), err)
	}
	restClient, err := rest.UnversionedRESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("make a client of member cluster %q: %w", m.Name(), err)
	}
	c.rest, c.lists = restClient, dynamic.New(restClient)
	return c, nil
}

// RoundTrip bounds how long an answer may take to begin, and how large it may become. It implements http.RoundTripper.
func (c *connection) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(c.wait, func() { cancel(errNoAnswer) })
	resp, err := c.member.RoundTrip(req.WithContext(ctx))
	if !timer.Stop() && err == nil && context.Cause(ctx) != nil {
		_ = resp.Body.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		if context.Cause(ctx) == errNoAnswer { //nolint:errorlint // The cause is this one or another.
			err = fmt.Errorf("%w within %s", errNoAnswer, c.wait)
		}
		cancel(nil)
		return nil, err
	}
	rest := &body{ReadCloser: resp.Body, left: maxAnswer, done: func() { cancel(nil) }}
	switch query := req.URL.Query(); {
	case query.Get("watch") != "":
		rest.endless = true
		// Who was asked to end a watch and does not has forgotten it.
		seconds, _ := strconv.Atoi(query.Get("timeoutSeconds"))
		overdue := time.AfterFunc(time.Duration(seconds)*time.Second+watchGrace, func() { cancel(errNoAnswer) })
		rest.done = func() { overdue.Stop(); cancel(nil) }
	case req.Method == http.MethodGet && query.Has("labelSelector"):
		rest.left = maxList
	}
	resp.Body = rest
	return resp, nil
}

var errNoAnswer = errors.New("the member does not answer")

// errTooLarge ends an answer that is larger than any that makes sense.
var errTooLarge = &AnswerError{Problem: "it is too large"}

// body is the rest of an answer.
type body struct {
	io.ReadCloser
	left    int64
	endless bool
	done    func()
}

// Read returns an error in place of what is too much.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 && !b.endless {
		return n, errTooLarge
	}
	return n, err
}

// Close lets go of the request.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.done()
	return err
}

// probe asks whether the API server is ready, and says why it is not.
func (c *connection) probe(ctx context.Context) (why string) {
	for _, path := range []string{"/readyz", "/healthz"} {
		raw, err := c.rest.Get().AbsPath(path).MaxRetries(0).DoRaw(ctx)
		err = redacted(err, c.member.token)
		switch {
		case err == nil && len(raw) > 0 && raw[0] == '<':
			return path + " answers with a page that is no API server's"
		case err == nil:
			return ""
		case apierrors.IsNotFound(err):
			continue
		case apierrors.IsForbidden(err):
			// It lives, and knows who asks.
			return ""
		case apierrors.IsUnauthorized(err):
			return "it refuses the token of the KubeFedCluster's Secret"
		default:
			return fmt.Sprintf("%s: %s", path, cut(reason(err), readyBody))
		}
	}
	return "it knows neither /readyz nor /healthz"
}

// reason tells an error without the URL, which the member's name stands for.
func reason(err error) string {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err.Error()
	}
	return err.Error()
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
