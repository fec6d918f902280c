package facade

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

// TestServer: it serves TLS with the certificate of the moment, and stops in an orderly way: watches end, so that clients
// connect elsewhere, and other requests are finished.
func TestServer(t *testing.T) {
	b := newBed(t, nil)
	b.member.on("GET "+aPath, object(configMap("")))
	var current atomic.Pointer[tls.Certificate]
	current.Store(certificate(t))
	s := &Server{
		Handler: b.handler, Address: "127.0.0.1:0", Log: logr.Discard(), DrainTimeout: 10 * time.Second,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil },
	}
	if err := s.Check(b.request("GET", "/", "")); err == nil {
		t.Error("a server that was not started is well")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Start(ctx) }()
	poll(t, func() bool { return s.listening() != nil && s.Check(b.request("GET", "/", "")) == nil })

	client := func() *http.Client {
		roots := x509.NewCertPool()
		roots.AddCert(current.Load().Leaf)
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	}
	do := func(c *http.Client, path string) *http.Response {
		r := b.request("GET", path, "")
		r.URL.Host = s.listening().String()
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	first := client()
	if resp := do(first, aView); resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("got %d by %s", resp.StatusCode, resp.Proto)
	}
	current.Store(certificate(t))
	if resp := do(client(), aView); resp.StatusCode != http.StatusOK {
		t.Errorf("with a new certificate: %d", resp.StatusCode)
	}

	w := &watcher{events: make(chan string), gone: make(chan struct{})}
	b.member.on("GET "+listPath, w.serve)
	watch := do(first, "/api/v1/namespaces/acme/configmaps?watch=1")
	release, waits := make(chan struct{}), make(chan struct{})
	b.member.on("GET /version", func(w http.ResponseWriter, r *http.Request) {
		close(waits)
		<-release
		object(`{"late":true}`)(w, r)
	})
	late := make(chan string, 1)
	go func() {
		r := b.request("GET", "/version", "")
		r.URL.Host = s.listening().String()
		resp, err := first.Do(r)
		if err != nil {
			late <- err.Error()
			return
		}
		defer resp.Body.Close() //nolint:errcheck // It was read.
		body, _ := io.ReadAll(resp.Body)
		late <- string(body)
	}()
	<-waits
	stop()
	if rest, err := io.ReadAll(watch.Body); err != nil || len(rest) > 0 {
		t.Errorf("the watch ends with %q, %v", rest, err)
	}
	close(release)
	if got := <-late; got != `{"late":true}` {
		t.Errorf("a request that was under way got %s", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the server stopped with %v", err)
	}
	if err := s.Check(b.request("GET", "/", "")); err == nil {
		t.Error("a server that was stopped is well")
	}
}

func TestServerTakenPort(t *testing.T) {
	b := newBed(t, nil)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // Nothing is lost.
	s := &Server{Handler: b.handler, Address: listener.Addr().String(), Log: logr.Discard()}
	if err := s.Start(t.Context()); err == nil {
		t.Error("it serves at a port that is taken")
	}
}

// TestServerDrainBound: a request that does not finish does not keep the server from stopping.
func TestServerDrainBound(t *testing.T) {
	b := newBed(t, nil)
	waits := make(chan struct{})
	b.member.on("GET /version", func(_ http.ResponseWriter, r *http.Request) {
		close(waits)
		<-r.Context().Done()
	})
	cert := certificate(t)
	s := &Server{
		Handler: b.handler, Address: "127.0.0.1:0", Log: logr.Discard(), DrainTimeout: 50 * time.Millisecond,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil },
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Start(ctx) }()
	poll(t, func() bool { return s.listening() != nil })
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	r := b.request("GET", "/version", "")
	r.URL.Host = s.listening().String()
	go func() {
		if resp, err := client.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-waits
	stop()
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("the server stopped with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server does not stop")
	}
}

// poll waits until a condition holds.
func poll(t *testing.T, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it does not come to pass")
		}
	}
}
