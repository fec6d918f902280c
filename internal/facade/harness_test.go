package facade

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/member"
)

const (
	memberToken = "member-s3cret"
	cellToken   = "cell-s3cret"
	otherToken  = "other-s3cret"
)

// fakeMember is a member's API server: it answers as a test tells it, and remembers what it was asked.
type fakeMember struct {
	*httptest.Server
	connections atomic.Int32

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc
	requests []recorded
}

type recorded struct {
	method, path, query, protocol, body string
	header                              http.Header
}

func (r recorded) line() string { return strings.TrimSuffix(r.method+" "+r.path+"?"+r.query, "?") }

func newFakeMember(t *testing.T) *fakeMember {
	t.Helper()
	m := &fakeMember{handlers: map[string]http.HandlerFunc{}}
	m.Server = httptest.NewUnstartedServer(m)
	m.EnableHTTP2 = true
	m.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			m.connections.Add(1)
		}
	}
	m.StartTLS()
	t.Cleanup(m.Close)
	return m
}

// ServeHTTP answers with the handler for the method and path.
func (m *fakeMember) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.mu.Lock()
	m.requests = append(m.requests, recorded{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Proto, string(body), r.Header.Clone()})
	handler := m.handlers[r.Method+" "+r.URL.EscapedPath()]
	m.mu.Unlock()
	if handler == nil {
		status(http.StatusNotFound, "NotFound", "the server could not find the requested resource")(w, r)
		return
	}
	handler(w, r)
}

// on sets the answer for a method and path, written as "GET /path".
func (m *fakeMember) on(what string, handler http.HandlerFunc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handlers[what] = handler
}

// seen returns what the member was asked, and forgets it.
func (m *fakeMember) seen() []recorded {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.requests
	m.requests = nil
	return seen
}

func lines(requests []recorded) []string {
	out := []string{}
	for _, r := range requests {
		out = append(out, r.line())
	}
	return out
}

func answer(code int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func object(body string) http.HandlerFunc { return answer(http.StatusOK, "application/json", body) }

func status(code int, reason, message string) http.HandlerFunc {
	return answer(code, "application/json", fmt.Sprintf(
		`{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code))
}

// echo answers with what was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"metadata":{"name":"a","namespace":"acme-rz"}}`))
}

// configMap is an object of the member with labels given as JSON members.
func configMap(labels string) string {
	return `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"acme-rz","uid":"u","resourceVersion":"7","labels":{` +
		labels + `}},"data":{"k":"v"}}`
}

const (
	ownLabels     = `"cellfed.io/managed":"true","cellfed.io/namespace":"acme","cellfed.io/cell":"rz"`
	foreignLabels = `"kubefed.io/managed":"true"`
	aPath         = "/api/v1/namespaces/acme-rz/configmaps/a"
	listPath      = "/api/v1/namespaces/acme-rz/configmaps"
)

// cells is a Resolver over a fixed set of cells.
type cells struct {
	mu      sync.Mutex
	tokens  map[string][]string
	targets map[string]*Target
	err     error
	asked   int
}

// resolved returns how often Resolve was called.
func (c *cells) resolved() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

func (c *cells) Tokens(_ context.Context, namespace, cell string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens[namespace+"/"+cell], nil
}

func (c *cells) Resolve(_ context.Context, namespace, cell string) (*Target, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.err != nil {
		return nil, c.err
	}
	if target := c.targets[namespace+"/"+cell]; target != nil {
		return target, nil
	}
	return nil, ErrUnknownCell
}

// bed is a façade with two cells of one namespace: "rz" and "other", on members of their own unless a test says
// otherwise.
type bed struct {
	t        *testing.T
	member   *fakeMember
	other    *fakeMember
	pool     *member.Pool
	cells    *cells
	handler  *Handler
	server   *httptest.Server
	client   *http.Client
	registry *prometheus.Registry
	log      *lockedBuffer
}

// lockedBuffer is what the façade logs.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.WriteString(s + "\n")
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newBed(t *testing.T, change func(*Options)) *bed {
	t.Helper()
	b := &bed{
		t: t, member: newFakeMember(t), other: newFakeMember(t), pool: member.NewPool(),
		registry: prometheus.NewRegistry(), log: &lockedBuffer{},
		cells: &cells{
			tokens:  map[string][]string{"acme/rz": {"older-s3cret", cellToken}, "acme/other": {otherToken}},
			targets: map[string]*Target{},
		},
	}
	t.Cleanup(b.pool.Close)
	b.connect("rz", b.member, "uid-1")
	b.connect("other", b.other, "uid-2")
	o := Options{
		Resolver: b.cells, Registerer: b.registry,
		Log: funcr.New(func(prefix, args string) { b.log.add(prefix + args) }, funcr.Options{Verbosity: 10}),
	}
	if change != nil {
		change(&o)
	}
	var err error
	if b.handler, err = NewHandler(o); err != nil {
		t.Fatal(err)
	}
	b.server = httptest.NewUnstartedServer(b.handler)
	b.server.EnableHTTP2 = true
	b.server.StartTLS()
	t.Cleanup(func() {
		b.handler.Drain()
		b.server.Close()
	})
	b.client = b.server.Client()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// connect puts a cell on a member.
func (b *bed) connect(cell string, m *fakeMember, uid types.UID) *member.Member {
	b.t.Helper()
	c := &fedv1b1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Name: "hz-" + cell, UID: uid}}
	c.Spec.APIEndpoint = m.URL
	c.Spec.CABundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Certificate().Raw})
	c.Spec.SecretRef.Name = "s"
	connection, err := b.pool.Get(c, &corev1.Secret{Data: map[string][]byte{member.TokenKey: []byte(memberToken)}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.cells.mu.Lock()
	defer b.cells.mu.Unlock()
	b.cells.targets["acme/"+cell] = &Target{
		View:    mapping.View{Namespace: "acme", Cell: cell, TargetNamespace: "acme-" + cell},
		Cluster: "hz-" + cell, BaseURL: connection.BaseURL(), Transport: connection, Scopes: connection,
		Membership: connection.Context(),
	}
	return connection
}

// request returns a request to the cell rz with its token. headers are name, value, name, value.
func (b *bed) request(method, path, body string, headers ...string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+"/cells/acme/rz"+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+cellToken)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// do sends a request and returns the answer with its body read.
func (b *bed) do(r *http.Request) (*http.Response, string) {
	b.t.Helper()
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // It was read.
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(body)
}

// call does both.
func (b *bed) call(method, path, body string, headers ...string) (*http.Response, string) {
	b.t.Helper()
	return b.do(b.request(method, path, body, headers...))
}

// certificate makes a certificate for 127.0.0.1.
func certificate(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
