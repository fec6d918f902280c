package facade

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cellfed/cellfed/internal/facade/mapping"
)

// Prefix is what the paths of all cells begin with. The namespace and the name of the cell follow.
const Prefix = "/cells/"

const (
	// DefaultTimeout bounds how long a member may take to answer, and to go on with an answer, watches excepted.
	DefaultTimeout = 30 * time.Second
	// DefaultHealthTimeout is the bound for /healthz, /livez and /readyz: upstream takes a cell for offline after it.
	DefaultHealthTimeout = 3 * time.Second

	// recheckInterval is how often a watch that is open is checked for whether it could be begun now.
	recheckInterval = 10 * time.Second
)

// Options are what a Handler is made of.
type Options struct {
	// Resolver knows the cells. It is required.
	Resolver Resolver
	// Log is for what happens to requests. No header, query or body is logged.
	Log logr.Logger
	// Timeout is DefaultTimeout when it is 0.
	Timeout time.Duration
	// HealthTimeout is DefaultHealthTimeout when it is 0.
	HealthTimeout time.Duration
	// Fence returns why a resource is not to be written through the façade, or "". It is asked for every write and must
	// be fast; the context ends with the time that the request may take. Nil means that none is fenced.
	Fence func(ctx context.Context, group, resource string) string
	// Registerer takes the façade's metrics. They are not to be seen when it is nil.
	Registerer prometheus.Registerer
}

// Handler serves the façades of all cells. It is safe for use by several goroutines.
type Handler struct {
	resolver      Resolver
	log           logr.Logger
	timeout       time.Duration
	healthTimeout time.Duration
	recheck       time.Duration
	fence         func(ctx context.Context, group, resource string) string
	metrics       *metrics

	// serving ends when watches are to end, so that clients go to another replica.
	serving context.Context
	drain   context.CancelFunc
}

// NewHandler returns a Handler. The error is of the registration of its metrics.
func NewHandler(o Options) (*Handler, error) {
	h := &Handler{
		resolver: o.Resolver, log: o.Log, timeout: o.Timeout, healthTimeout: o.HealthTimeout,
		recheck: recheckInterval, fence: o.Fence, metrics: newMetrics(),
	}
	if h.timeout == 0 {
		h.timeout = DefaultTimeout
	}
	if h.healthTimeout == 0 {
		h.healthTimeout = DefaultHealthTimeout
	}
	if o.Registerer != nil {
		if err := h.metrics.register(o.Registerer); err != nil {
			return nil, fmt.Errorf("register the façade's metrics: %w", err)
		}
	}
	h.serving, h.drain = context.WithCancel(context.Background())
	return h, nil
}

// Drain ends all watches and lets no new ones begin. Other requests are still served.
func (h *Handler) Drain() { h.drain() }

// ServeHTTP serves a request for any cell. Who does not hold a token of the cell learns nothing, not even whether there
// is such a cell.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	recorder := &recorder{ResponseWriter: w}
	x := &exchange{handler: h, w: recorder, r: r}
	defer func() {
		h.metrics.observe(x.verb(), recorder.code(), time.Since(start))
		if x.target != nil {
			h.log.V(1).Info("Served a request", "namespace", x.target.View.Namespace, "cell", x.target.View.Cell,
				"verb", x.verb(), "resource", x.resource(), "code", recorder.code(), "duration", time.Since(start).String())
		}
	}()
	if err := x.serve(); err != nil {
		x.fail(err)
	}
}

// serve authenticates, resolves and routes a request, and has it carried out.
func (x *exchange) serve() error {
	namespace, cell, rest, ok := splitPrefix(x.r.URL.EscapedPath())
	if err := x.handler.authenticate(x.r, namespace, cell, ok); err != nil {
		return err
	}
	target, err := x.handler.resolver.Resolve(x.r.Context(), namespace, cell)
	if err != nil {
		return x.handler.resolveError(err, namespace, cell)
	}
	x.target = target
	for name := range x.r.Header {
		if strings.HasPrefix(name, "Impersonate-") {
			return apierrors.NewForbidden(noResource, "", fmt.Errorf(
				"the header %s is refused: a cell's token acts for nobody else", name))
		}
	}
	if x.request, err = mapping.ParseRequest(x.r.Method, rest, x.r.URL.RawQuery); err != nil {
		return err
	}
	ctx, stop := x.bound()
	defer stop()
	if err := x.checkFence(ctx); err != nil {
		return err
	}
	scope, err := x.scope(ctx)
	if err != nil {
		return err
	}
	if x.route, err = target.View.Route(x.request, scope); err != nil {
		return err
	}
	return x.carry(ctx)
}

// splitPrefix returns the cell that a path names, and the path behind it as it came.
func splitPrefix(escaped string) (namespace, cell, rest string, ok bool) {
	after, ok := strings.CutPrefix(escaped, Prefix)
	if !ok {
		return "", "", "", false
	}
	parts := strings.SplitN(after, "/", 3)
	if len(parts) < 3 || parts[0] == "" || parts[1] == "" {
		return "", "", "", false
	}
	// Neither name needs escaping, so that one that is escaped names no cell.
	return parts[0], parts[1], "/" + parts[2], true
}

// unauthorized is what everybody is told who does not hold a token of a cell that there is.
func unauthorized() error { return apierrors.NewUnauthorized("Unauthorized") }

// authenticate compares the request's token with all of the cell's, and takes as long when there are none.
func (h *Handler) authenticate(r *http.Request, namespace, cell string, ok bool) error {
	var tokens []string
	if ok {
		var err error
		if tokens, err = h.resolver.Tokens(r.Context(), namespace, cell); err != nil {
			h.log.Error(err, "Cannot read the tokens of a cell", "namespace", namespace, "cell", cell)
			tokens = nil
		}
	}
	given := ""
	if headers := r.Header.Values("Authorization"); len(headers) == 1 {
		if scheme, token, found := strings.Cut(headers[0], " "); found && strings.EqualFold(scheme, "Bearer") {
			given = strings.TrimSpace(token)
		}
	}
	sum := sha256.Sum256([]byte(given))
	none := sha256.Sum256(nil)
	match := 0
	for _, token := range append(tokens, "") {
		want := sha256.Sum256([]byte(token))
		real := 1 - subtle.ConstantTimeCompare(want[:], none[:])
		match |= real & subtle.ConstantTimeCompare(sum[:], want[:])
	}
	if match != 1 {
		return unauthorized()
	}
	return nil
}

// resolveError returns what a client is told when its cell could not be resolved.
func (h *Handler) resolveError(err error, namespace, cell string) error {
	var unavailable *UnavailableError
	switch {
	case errors.Is(err, ErrUnknownCell):
		return unauthorized()
	case errors.As(err, &unavailable):
		return apierrors.NewServiceUnavailable(fmt.Sprintf("cell %q of namespace %q cannot be served: %s", cell, namespace,
			unavailable.Message))
	default:
		h.log.Error(err, "Cannot resolve a cell", "namespace", namespace, "cell", cell)
		return apierrors.NewServiceUnavailable(fmt.Sprintf(
			"cell %q of namespace %q cannot be served: cellfed cannot read what it needs from the host cluster", cell, namespace))
	}
}

// scope returns the scope of the request's kind where the path does not tell it.
func (x *exchange) scope(ctx context.Context) (mapping.Scope, error) {
	if !x.request.NeedsScope() {
		return mapping.ScopeUnknown, nil
	}
	r := x.request.Resource
	namespaced, known, err := x.target.Scopes.Namespaced(ctx, gvr(r))
	switch {
	case err != nil:
		return mapping.ScopeUnknown, x.memberError(ctx, err)
	case !known:
		return mapping.ScopeUnknown, nil
	case namespaced:
		return mapping.ScopeNamespaced, nil
	default:
		return mapping.ScopeCluster, nil
	}
}
