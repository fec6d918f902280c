package framework

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// proxied returns a proxy before a server that answers with "hello", and a way to ask for it on a new connection.
func proxied(t *testing.T) (*Proxy, func(timeout time.Duration) error) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(server.Close)
	proxy, err := NewProxy(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	return proxy, func(timeout time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, proxy.URL(), nil)
		if err != nil {
			return err
		}
		client := server.Client()
		defer client.CloseIdleConnections()
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err == nil && string(body) != "hello" {
			t.Errorf("the answer is %q", body)
		}
		return err
	}
}

func TestProxyFaults(t *testing.T) {
	proxy, ask := proxied(t)
	if err := ask(10 * time.Second); err != nil {
		t.Errorf("passing: %v", err)
	}

	proxy.Hang()
	if err := ask(300 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging: got %v, want a deadline", err)
	}
	proxy.Drop()
	if err := ask(10 * time.Second); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("dropping: got %v, want a connection that is cut", err)
	}
	proxy.Pass()
	if err := ask(10 * time.Second); err != nil {
		t.Errorf("passing again: %v", err)
	}

	const delay = 200 * time.Millisecond
	proxy.Delay(0, delay)
	start := time.Now()
	if err := ask(20 * time.Second); err != nil {
		t.Errorf("delaying: %v", err)
	}
	// A handshake and an answer, each after the delay.
	if took := time.Since(start); took < 2*delay {
		t.Errorf("delaying: the answer took %s, want %s at least", took, 2*delay)
	}
}

func TestProxyClosesWhatHangs(t *testing.T) {
	proxy, _ := proxied(t)
	proxy.Hang()
	conn, err := net.Dial("tcp", proxy.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := proxy.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open after the proxy was closed")
	}
}

func TestFrontAnswersInstead(t *testing.T) {
	cluster := RunControlPlane(t, Options{})
	certificates, err := NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	front, err := cluster.NewFront(certificates)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := front.Close(); err != nil {
			t.Error(err)
		}
	}()
	client := clientTrusting(t, front.CA())
	ask := func() (int, string) {
		t.Helper()
		response, err := client.Get(front.URL() + "/version")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	// Whatever the API server thinks of a client without credentials, it does not say "garbage".
	if _, body := ask(); body == "garbage" || body == "" {
		t.Errorf("passing: the body is %q", body)
	}
	front.Answer(http.StatusInternalServerError, "garbage")
	if code, body := ask(); code != http.StatusInternalServerError || body != "garbage" {
		t.Errorf("answering: got %d %q", code, body)
	}
	front.Pass()
	if _, body := ask(); body == "garbage" {
		t.Error("passing again: the answer is still the front's")
	}
}
