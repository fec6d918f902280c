package member

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// timing is how long the parts of an exchange with a member may take.
type timing struct {
	dial, handshake, write, idle time.Duration
	// A member that sends nothing for pingAfter is pinged. One that does not answer within pingTimeout is dead, and its
	// watches end.
	pingAfter, pingTimeout time.Duration
	// grace is how long requests that are under way may go on with credentials that were replaced.
	grace time.Duration
}

var defaultTiming = timing{
	dial: 3 * time.Second, handshake: 3 * time.Second, write: 10 * time.Second, idle: 90 * time.Second,
	pingAfter: 10 * time.Second, pingTimeout: 5 * time.Second, grace: 30 * time.Second,
}

// ErrRetired is returned for requests through a Member that was closed.
var ErrRetired = errors.New("the connection to the member cluster was replaced or closed")

// Member is the connection to one member cluster with one set of credentials. It is shared by all the cells of the
// cluster. Use Pool to get one.
type Member struct {
	name      string
	key       string
	base      *url.URL
	token     string
	transport *http.Transport
	scopes    scopes

	ctx    context.Context
	cancel context.CancelFunc

	retire sync.Once

	mu     sync.Mutex
	closed bool
	conns  map[*trackedConn]struct{}
}

func newMember(s *settings, key string, t timing) *Member {
	m := &Member{
		name: s.cluster, key: key, base: s.base, token: s.token,
		conns: map[*trackedConn]struct{}{},
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	dialer := &net.Dialer{Timeout: t.dial, KeepAlive: 15 * time.Second}
	m.transport = &http.Transport{
		Proxy: s.proxyFunc(),
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return m.track(conn)
		},
		TLSClientConfig:       s.tlsConfig(),
		TLSHandshakeTimeout:   t.handshake,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
		IdleConnTimeout:       t.idle,
		MaxIdleConnsPerHost:   25,
		ExpectContinueTimeout: time.Second,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  t.pingAfter,
			PingTimeout:      t.pingTimeout,
			WriteByteTimeout: t.write,
		},
	}
	m.scopes.member = m
	return m
}

// Name returns the name of the KubeFedCluster.
func (m *Member) Name() string { return m.name }

// BaseURL returns the URL of the member's API server. It may have a path. It must not be changed.
func (m *Member) BaseURL() *url.URL { return m.base }

// Context ends when the member must not be used any longer, because its credentials changed or its KubeFedCluster is gone.
// Watches must then end, so that who reads them comes again; other requests that are under way may finish within a
// bounded time.
func (m *Member) Context() context.Context { return m.ctx }

// Config returns a configuration for clients of the member. Clients share the member's connections, and are not limited
// in their rate.
func (m *Member) Config() *rest.Config {
	return &rest.Config{Host: m.base.String(), Transport: m, QPS: -1}
}

// RoundTrip sends a request with the member's credentials. It implements http.RoundTripper.
func (m *Member) RoundTrip(req *http.Request) (*http.Response, error) {
	if m.isClosed() {
		return nil, ErrRetired
	}
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+m.token)
	return m.transport.RoundTrip(out)
}

func (m *Member) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// stop takes the member out of use. Who holds it may finish what consists of several requests until grace is over; then
// its connections are closed, with what is still under way.
func (m *Member) stop(grace time.Duration) {
	m.retire.Do(func() {
		m.cancel()
		time.AfterFunc(grace, m.closeConnections)
	})
}

func (m *Member) closeConnections() {
	m.mu.Lock()
	conns := m.conns
	m.conns, m.closed = nil, true
	m.mu.Unlock()
	m.transport.CloseIdleConnections()
	for c := range conns {
		_ = c.Conn.Close()
	}
}

// track remembers a connection until it is closed, so that all of them can be.
func (m *Member) track(conn net.Conn) (net.Conn, error) {
	t := &trackedConn{Conn: conn, member: m}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		_ = conn.Close()
		return nil, ErrRetired
	}
	m.conns[t] = struct{}{}
	return t, nil
}

type trackedConn struct {
	net.Conn
	member *Member
}

// Close closes the connection and forgets it.
func (c *trackedConn) Close() error {
	c.member.mu.Lock()
	delete(c.member.conns, c)
	c.member.mu.Unlock()
	return c.Conn.Close()
}
