package member

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

const testToken = "t0p-s3cret"

// server is a member's API server as far as connections go.
type server struct {
	*httptest.Server
	connections atomic.Int32
}

// newServer serves TLS and HTTP/2 with a certificate for the given names and times.
func newServer(t *testing.T, handler http.Handler, change func(*x509.Certificate)) (*server, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Server: httptest.NewUnstartedServer(handler)}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = nil
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func newCluster(endpoint string, ca []byte) (*fedv1b1.KubeFedCluster, *corev1.Secret) {
	c := &fedv1b1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Name: "hz-a", Namespace: "kube-federation-system", UID: "uid"}}
	c.Spec.APIEndpoint = endpoint
	c.Spec.CABundle = ca
	c.Spec.SecretRef.Name = "hz-a-secret"
	return c, &corev1.Secret{Data: map[string][]byte{TokenKey: []byte(testToken)}}
}

func newPool(t *testing.T) *Pool {
	p := NewPool()
	p.timing.grace = 50 * time.Millisecond
	t.Cleanup(p.Close)
	return p
}

func get(ctx context.Context, m *Member, path string) (*http.Response, error) {
	target := *m.BaseURL()
	target.Path = path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	return m.RoundTrip(req)
}

func TestSettingsRefused(t *testing.T) {
	_, ca := newServer(t, http.NotFoundHandler(), nil)
	cases := map[string]struct {
		reason string
		change func(*fedv1b1.KubeFedCluster, *corev1.Secret)
		field  string
	}{
		"NoEndpoint":  {"there is nothing to connect to", func(c *fedv1b1.KubeFedCluster, _ *corev1.Secret) { c.Spec.APIEndpoint = "" }, "spec.apiEndpoint"},
		"BadEndpoint": {"that is no URL", func(c *fedv1b1.KubeFedCluster, _ *corev1.Secret) { c.Spec.APIEndpoint = "https://[" }, "spec.apiEndpoint"},
		"OtherScheme": {"API servers speak HTTP", func(c *fedv1b1.KubeFedCluster, _ *corev1.Secret) { c.Spec.APIEndpoint = "ftp://x" }, "spec.apiEndpoint"},
		"UserInfo":    {"a user in the URL would be one more credential", func(c *fedv1b1.KubeFedCluster, _ *corev1.Secret) { c.Spec.APIEndpoint = "https://u:p@x" }, "spec.apiEndpoint"},
		"BadCA":       {"no certificate", func(c *fedv1b1.KubeFedCluster, _ *corev1.Secret) { c.Spec.CABundle = []byte("x") }, "spec.caBundle"},
		"BadCheck": {"a check that there is not", func(c *fedv1b1.KubeFedCluster, _ *corev1.Secret) {
			c.Spec.DisabledTLSValidations = []fedv1b1.TLSValidation{"x"}
		}, "spec.disabledTLSValidations"},
		"BadProxy":     {"a proxy of no known kind", func(c *fedv1b1.KubeFedCluster, _ *corev1.Secret) { c.Spec.ProxyURL = "ssh://" + testToken + "@x" }, "spec.proxyURL"},
		"NoSecretName": {"no Secret is named", func(c *fedv1b1.KubeFedCluster, _ *corev1.Secret) { c.Spec.SecretRef.Name = "" }, "spec.secretRef.name"},
		"NoToken":      {"no token in it", func(_ *fedv1b1.KubeFedCluster, s *corev1.Secret) { s.Data = nil }, `Secret "hz-a-secret": data.token`},
		"BrokenToken":  {"a token that no header can hold", func(_ *fedv1b1.KubeFedCluster, s *corev1.Secret) { s.Data[TokenKey] = []byte(testToken + "\n") }, `Secret "hz-a-secret": data.token`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, s := newCluster("https://127.0.0.1:1", ca)
			tc.change(c, s)
			_, err := newPool(t).Get(c, s)
			var wrong *ConfigError
			if !errors.As(err, &wrong) {
				t.Fatalf("%s: got %v", tc.reason, err)
			}
			if diff := cmp.Diff([]string{"hz-a", tc.field}, []string{wrong.Cluster, wrong.Field}); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
			if strings.Contains(err.Error(), testToken) {
				t.Errorf("%s: the message tells the token: %v", tc.reason, err)
			}
		})
	}
	c, _ := newCluster("https://127.0.0.1:1", ca)
	var wrong *ConfigError
	if _, err := newPool(t).Get(c, nil); !errors.As(err, &wrong) || wrong.Field != "spec.secretRef.name" {
		t.Errorf("a Secret that there is not: got %v", err)
	}
}

func TestTLSValidations(t *testing.T) {
	otherName := func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"elsewhere"} }
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	both := func(c *x509.Certificate) { otherName(c); expired(c) }
	cases := map[string]struct {
		reason   string
		change   func(*x509.Certificate)
		disabled []fedv1b1.TLSValidation
		otherCA  bool
		want     bool
	}{
		"Valid":             {"a good certificate", nil, nil, false, true},
		"OtherName":         {"a name that is not the endpoint's", otherName, nil, false, false},
		"OtherNameIgnored":  {"may be waved through", otherName, []fedv1b1.TLSValidation{fedv1b1.TLSSubjectName}, false, true},
		"Expired":           {"an old certificate", expired, nil, false, false},
		"ExpiredIgnored":    {"may be waved through", expired, []fedv1b1.TLSValidation{fedv1b1.TLSValidityPeriod}, false, true},
		"ExpiredOtherCheck": {"but not by leaving out another check", expired, []fedv1b1.TLSValidation{fedv1b1.TLSSubjectName}, false, false},
		"NameOtherCheck":    {"and the other way round", otherName, []fedv1b1.TLSValidation{fedv1b1.TLSValidityPeriod}, false, false},
		"Both":              {"both at once", both, []fedv1b1.TLSValidation{fedv1b1.TLSSubjectName, fedv1b1.TLSValidityPeriod}, false, true},
		"OtherCA":           {"another CA is never waved through by single checks", nil, []fedv1b1.TLSValidation{fedv1b1.TLSSubjectName, fedv1b1.TLSValidityPeriod}, true, false},
		"All":               {"only by leaving out all", both, []fedv1b1.TLSValidation{fedv1b1.TLSAll}, true, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, ca := newServer(t, http.NotFoundHandler(), tc.change)
			if tc.otherCA {
				_, ca = newServer(t, http.NotFoundHandler(), nil)
			}
			c, secret := newCluster(s.URL, ca)
			c.Spec.DisabledTLSValidations = tc.disabled
			m, err := newPool(t).Get(c, secret)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := get(t.Context(), m, "/")
			if (err == nil) != tc.want {
				t.Fatalf("%s: got %v", tc.reason, err)
			}
			if err == nil {
				_ = resp.Body.Close()
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	var seen sync.Map
	s, ca := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store("authorization", r.Header.Values("Authorization"))
		seen.Store("protocol", r.Proto)
	}), nil)
	p := newPool(t)
	c, secret := newCluster(s.URL+"/prefix", ca)
	m, err := p.Get(c, secret)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := p.Get(c, secret)
		if err != nil || again != m {
			t.Fatalf("the same registration leads to another connection: %v", err)
		}
		resp, err := get(t.Context(), again, "/")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if got, _ := seen.Load("authorization"); !cmp.Equal(got, []string{"Bearer " + testToken}) {
		t.Errorf("the member sees the credentials %v", got)
	}
	if got, _ := seen.Load("protocol"); got != "HTTP/2.0" {
		t.Errorf("the member is spoken to by %v", got)
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections for three requests one after another", n)
	}
	if m.BaseURL().Path != "/prefix" || m.Name() != "hz-a" {
		t.Errorf("the member is %q at %v", m.Name(), m.BaseURL())
	}
}

func TestRetire(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*Pool, *fedv1b1.KubeFedCluster, *corev1.Secret)
		gone   bool
	}{
		"Token":    {"a token that rotated", func(_ *Pool, _ *fedv1b1.KubeFedCluster, s *corev1.Secret) { s.Data[TokenKey] = []byte("other") }, false},
		"Endpoint": {"an endpoint that moved", func(_ *Pool, c *fedv1b1.KubeFedCluster, _ *corev1.Secret) { c.Spec.APIEndpoint += "/x" }, false},
		"Checks": {"checks that changed", func(_ *Pool, c *fedv1b1.KubeFedCluster, _ *corev1.Secret) {
			c.Spec.DisabledTLSValidations = []fedv1b1.TLSValidation{"*"}
		}, false},
		"Proxy": {"a proxy", func(_ *Pool, c *fedv1b1.KubeFedCluster, _ *corev1.Secret) { c.Spec.ProxyURL = "http://127.0.0.1:1" }, false},
		"CA": {"a CA that changed", func(_ *Pool, c *fedv1b1.KubeFedCluster, _ *corev1.Secret) {
			c.Spec.CABundle = append(c.Spec.CABundle, '\n')
		}, false},
		"Gone": {"a cluster that is gone", func(p *Pool, c *fedv1b1.KubeFedCluster, _ *corev1.Secret) { p.Forget(c.UID) }, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, ca := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}), nil)
			p := newPool(t)
			c, secret := newCluster(s.URL, ca)
			old, err := p.Get(c, secret)
			if err != nil {
				t.Fatal(err)
			}
			watch, err := get(t.Context(), old, "/")
			if err != nil {
				t.Fatal(err)
			}
			defer watch.Body.Close() //nolint:errcheck // The test reads it.
			tc.change(p, c, secret)
			if !tc.gone {
				if m, err := p.Get(c, secret); err != nil || m == old {
					t.Fatalf("%s: no new connection: %v", tc.reason, err)
				}
			}
			select {
			case <-old.Context().Done():
			default:
				t.Errorf("%s: the old connection does not say that it is over", tc.reason)
			}
			// What is still under way is broken off when the grace is over.
			if _, err := io.ReadAll(watch.Body); err == nil {
				t.Errorf("%s: the watch ended as if the member had ended it", tc.reason)
			}
			if _, err := get(t.Context(), old, "/"); !errors.Is(err, ErrRetired) {
				t.Errorf("%s: the old connection still takes requests: %v", tc.reason, err)
			}
			old.mu.Lock()
			defer old.mu.Unlock()
			if len(old.conns) != 0 {
				t.Errorf("%s: %d connections are still open", tc.reason, len(old.conns))
			}
		})
	}
}

func TestPoolTellsClustersApart(t *testing.T) {
	_, ca := newServer(t, http.NotFoundHandler(), nil)
	p := newPool(t)
	c, secret := newCluster("https://127.0.0.1:1", ca)
	first, err := p.Get(c, secret)
	if err != nil {
		t.Fatal(err)
	}
	c.UID = types.UID("another")
	second, err := p.Get(c, secret)
	if err != nil || first == second {
		t.Errorf("a KubeFedCluster that was made anew shares the connection of the old: %v", err)
	}
	p.Close()
	if _, err := p.Get(c, secret); !errors.Is(err, ErrRetired) {
		t.Errorf("a closed pool: got %v", err)
	}
}

// TestDeadMember: a member whose packets are lost without a word ends its watches.
func TestDeadMember(t *testing.T) {
	s, ca := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}), nil)
	hole := newBlackHole(t, s.Listener.Addr().String())
	p := newPool(t)
	p.timing.pingAfter, p.timing.pingTimeout = 200*time.Millisecond, 200*time.Millisecond
	c, secret := newCluster("https://"+hole.address, ca)
	m, err := p.Get(c, secret)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := get(t.Context(), m, "/")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Body.Close() //nolint:errcheck // The test reads it.
	hole.closed.Store(true)
	ended := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(watch.Body)
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the watch of a dead member ended as if the member had ended it")
		}
	case <-time.After(10 * time.Second):
		t.Error("the watch of a dead member does not end")
	}
}

// blackHole forwards connections until it is closed; then it swallows what is sent.
type blackHole struct {
	address string
	closed  atomic.Bool
}

func newBlackHole(t *testing.T, target string) *blackHole {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	h := &blackHole{address: listener.Addr().String()}
	pipe := func(to, from net.Conn) {
		defer to.Close() //nolint:errcheck // It is over.
		piece := make([]byte, 4096)
		for {
			n, err := from.Read(piece)
			if err != nil {
				return
			}
			if h.closed.Load() {
				continue
			}
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := (&net.Dialer{}).Dial("tcp", target)
			if err != nil {
				_ = in.Close()
				continue
			}
			go pipe(in, out)
			go pipe(out, in)
		}
	}()
	return h
}

func TestUnreachable(t *testing.T) {
	// It listens, and never accepts.
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // Nothing is lost.
	_, ca := newServer(t, http.NotFoundHandler(), nil)
	p := newPool(t)
	p.timing.handshake = 50 * time.Millisecond
	c, secret := newCluster("https://"+listener.Addr().String(), ca)
	m, err := p.Get(c, secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(t.Context(), m, "/"); err == nil || strings.Contains(err.Error(), testToken) {
		t.Errorf("a member that does not shake hands: got %v", err)
	}
}

func TestNamespaced(t *testing.T) {
	var asked atomic.Int32
	var body atomic.Value
	body.Store(`{"resources":[{"name":"deployments","namespaced":true},{"name":"deployments/scale","namespaced":true},{"name":"things"}]}`)
	s, ca := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/p/apis/apps/v1" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, body.Load().(string))
	}), nil)
	c, secret := newCluster(s.URL+"/p", ca)
	m, err := newPool(t).Get(c, secret)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		reason            string
		r                 schema.GroupVersionResource
		namespaced, known bool
		asked             int32
	}{
		{"a kind in namespaces", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, true, true, 1},
		{"one of the cluster, known by then", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "things"}, false, true, 1},
		{"a kind that there is not is not asked for again at once", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "scale"}, false, false, 1},
		{"a group that there is not", schema.GroupVersionResource{Group: "none", Version: "v1", Resource: "x"}, false, false, 2},
		{"likewise", schema.GroupVersionResource{Group: "none", Version: "v1", Resource: "y"}, false, false, 2},
	}
	for _, tc := range cases {
		namespaced, known, err := m.Namespaced(t.Context(), tc.r)
		if err != nil || namespaced != tc.namespaced || known != tc.known || asked.Load() != tc.asked {
			t.Errorf("%s: namespaced %v, known %v, asked %d times, %v", tc.reason, namespaced, known, asked.Load(), err)
		}
	}
	// A kind that appeared is known when the member is asked again.
	body.Store(`{"resources":[{"name":"fresh","namespaced":true}]}`)
	m.scopes.mu.Lock()
	for gv, g := range m.scopes.groups {
		g.asked = g.asked.Add(-scopesRetry)
		m.scopes.groups[gv] = g
	}
	m.scopes.mu.Unlock()
	if namespaced, known, err := m.Namespaced(t.Context(), schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "fresh"}); !namespaced || !known || err != nil {
		t.Errorf("a kind that appeared: %v %v %v", namespaced, known, err)
	}
	body.Store(`<html>`)
	if _, _, err := m.Namespaced(t.Context(), schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "fresh"}); err != nil {
		t.Errorf("what is remembered is not asked for: %v", err)
	}
}

func TestConfigSharesConnections(t *testing.T) {
	s, ca := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), nil)
	c, secret := newCluster(s.URL, ca)
	m, err := newPool(t).Get(c, secret)
	if err != nil {
		t.Fatal(err)
	}
	config := m.Config()
	if config.QPS >= 0 || config.BearerToken != "" {
		t.Errorf("the configuration limits clients, or spreads the token: QPS %v", config.QPS)
	}
	if u, err := url.Parse(config.Host); err != nil || u.Host != s.Listener.Addr().String() {
		t.Errorf("the configuration leads to %q", config.Host)
	}
	if config.Transport != http.RoundTripper(m) {
		t.Error("clients do not share the connections")
	}
}
