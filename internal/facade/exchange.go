package facade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/internal/facade/mapping"
)

const (
	jsonType = "application/json"
	// maxBody is the size of the largest body that API servers take (k8s.io/apiserver, MaxRequestBodyBytes).
	maxBody = 3 << 20
	// maxErrorBody bounds what is read of a member's error.
	maxErrorBody = 1 << 20
)

var (
	noResource schema.GroupResource

	// errTimeout is the cause of a context that ended because the member took too long.
	errTimeout = errors.New("the member cluster took too long")
	// errClientGone stands for a client that did not wait. Its code is nginx's, which HTTP has none for.
	errClientGone = &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: 499, Reason: metav1.StatusReasonUnknown, Message: "the client went away",
	}}
	// errEnded is the cause of a context that ended because watches are to end.
	errEnded = errors.New("the watch was ended")
)

// exchange is one request and what is needed to answer it.
type exchange struct {
	handler *Handler
	w       *recorder
	r       *http.Request
	target  *Target
	request *mapping.Request
	route   *mapping.Route

	// limit is how long the member may take, for an answer to begin and for it to go on.
	limit time.Duration
	timer *time.Timer
	// cancel ends the exchange with a cause.
	cancel context.CancelCauseFunc
}

func (x *exchange) verb() string {
	switch {
	case x.request == nil:
		return "none"
	case !x.request.IsResource():
		return "nonresource"
	default:
		return string(x.request.Verb)
	}
}

func (x *exchange) resource() string {
	if x.request == nil {
		return ""
	}
	return x.request.GroupResource().String()
}

func gvr(r mapping.Resource) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Resource}
}

// bound returns the context of the exchange, which ends when the member takes too long. progress extends it, unbounded
// lifts it.
func (x *exchange) bound() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(x.r.Context())
	x.cancel = cancel
	x.limit = x.handler.timeout
	if !x.request.IsResource() && isHealth(x.request) {
		x.limit = x.handler.healthTimeout
	}
	x.timer = time.AfterFunc(x.limit, func() { cancel(errTimeout) })
	return ctx, func() {
		x.timer.Stop()
		cancel(nil)
	}
}

func isHealth(q *mapping.Request) bool {
	switch q.Root() {
	case "healthz", "livez", "readyz":
		return true
	}
	return false
}

func (x *exchange) progress()  { x.timer.Reset(x.limit) }
func (x *exchange) unbounded() { x.timer.Stop() }

// call is a request to the member.
type call struct {
	method      string
	path        string
	query       url.Values
	accept      string
	contentType string
	body        []byte
}

// forwarded are the headers of a client that the member sees. Members take the default name of a field manager from the
// User-Agent.
var forwarded = []string{"User-Agent", "If-None-Match", "If-Modified-Since", "Kubectl-Command", "Kubectl-Session"}

// send sends a request to the member. The caller closes the answer's body.
func (x *exchange) send(ctx context.Context, c call) (*http.Response, error) {
	target := url.URL{Scheme: x.target.BaseURL.Scheme, Host: x.target.BaseURL.Host}
	path := c.path
	if prefix := strings.Trim(x.target.BaseURL.EscapedPath(), "/"); prefix != "" {
		path = "/" + prefix + c.path
	}
	parsed, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, apierrors.NewBadRequest("the path of the request is refused: it cannot be written as a URL")
	}
	target.Path, target.RawPath, target.RawQuery = parsed.Path, parsed.RawPath, c.query.Encode()
	var body io.Reader
	if c.body != nil {
		body = bytes.NewReader(c.body)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, target.String(), body)
	if err != nil {
		return nil, apierrors.NewBadRequest("the request cannot be sent to a member cluster")
	}
	for _, name := range forwarded {
		if value := x.r.Header.Get(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "cellfed-facade")
	}
	req.Header.Set("Accept", c.accept)
	req.Header.Set("Accept-Encoding", "identity")
	if c.contentType != "" {
		req.Header.Set("Content-Type", c.contentType)
	}
	resp, err := x.target.Transport.RoundTrip(req)
	if err != nil {
		return nil, x.memberError(ctx, err)
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		err = apierrors.NewServiceUnavailable(fmt.Sprintf(
			"member cluster %q rejects the token in the Secret of its KubeFedCluster: put a valid one there", x.target.Cluster))
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified,
		resp.StatusCode < 200, resp.StatusCode > 599:
		err = x.garbage(fmt.Sprintf("status %d", resp.StatusCode))
	case resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		err = x.garbage("an encoding that was not asked for")
	}
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// memberError returns what a client is told when the member could not be asked.
func (x *exchange) memberError(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTimeout) {
		return timeoutError(fmt.Sprintf("member cluster %q did not answer within %s", x.target.Cluster, x.limit))
	}
	if x.r.Context().Err() != nil {
		return x.r.Context().Err()
	}
	return apierrors.NewServiceUnavailable(fmt.Sprintf("member cluster %q cannot be reached: %v", x.target.Cluster, err))
}

// timeoutError is apierrors.NewTimeoutError without a time after which to retry, which would make clients wait.
func timeoutError(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusGatewayTimeout, Reason: metav1.StatusReasonTimeout, Message: message,
	}}
}

// garbage returns what a client is told when the member answers with something that no API server does.
func (x *exchange) garbage(what string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusBadGateway, Reason: metav1.StatusReasonInternalError,
		Message: fmt.Sprintf("member cluster %q answers with %s: is spec.apiEndpoint of its KubeFedCluster an API server?",
			x.target.Cluster, what),
	}}
}

// isJSON says whether a media type is JSON.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == jsonType
}

// accept returns the Accept header for answers that are mapped: JSON, in the shapes (Table, partial metadata) that the
// client asks for, whatever encoding it prefers.
func accept(headers []string) string {
	var out []string
	seen := map[string]bool{}
	for _, clause := range strings.Split(strings.Join(headers, ","), ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(clause))
		if err != nil {
			continue
		}
		switch media {
		case jsonType, "*/*", "application/*", "application/yaml", "application/cbor", "application/vnd.kubernetes.protobuf":
		default:
			continue
		}
		shape := jsonType
		for _, name := range []string{"as", "v", "g"} {
			if value := params[name]; value != "" && isToken(value) {
				shape += ";" + name + "=" + value
			}
		}
		if !seen[shape] && len(out) < 16 {
			seen[shape] = true
			out = append(out, shape)
		}
	}
	if len(out) == 0 {
		return jsonType
	}
	return strings.Join(out, ",")
}

func isToken(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-'
	})
}
