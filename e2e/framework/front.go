package framework

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"

	"k8s.io/client-go/rest"
)

// Front is an HTTPS server before an API server, in this process, that can answer in its place: with errors, or with
// what is no answer at all. It has a certificate of its own.
type Front struct {
	server   *http.Server
	listener net.Listener
	ca       []byte
	done     sync.WaitGroup

	mu     sync.Mutex
	answer *frontAnswer
	// streams is canceled when requests that are under way are to end.
	streams context.Context
	cancel  context.CancelFunc
}

type frontAnswer struct {
	status int
	body   string
}

// NewFront starts a front before the API server on a free port of 127.0.0.1.
func (c *ControlPlane) NewFront(certificates *Certificates) (*Front, error) {
	proxy, err := c.reverseProxy()
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("start a front before %s: %w", c.Name, err)
	}
	f := &Front{listener: listener, ca: certificates.CA()}
	f.streams, f.cancel = context.WithCancel(context.Background())
	f.server = &http.Server{Handler: f.handler(proxy), ErrorLog: log.New(io.Discard, "", 0)}
	f.done.Go(func() {
		// It ends with http.ErrServerClosed.
		_ = f.server.ServeTLS(listener, filepath.Join(certificates.Dir, "tls.crt"), filepath.Join(certificates.Dir, "tls.key"))
	})
	return f, nil
}

func (c *ControlPlane) reverseProxy() (*httputil.ReverseProxy, error) {
	config, err := c.Config()
	if err != nil {
		return nil, err
	}
	if err := rest.LoadTLSFiles(config); err != nil {
		return nil, fmt.Errorf("read the kubeconfig of %s: %w", c.Name, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(config.CAData) {
		return nil, fmt.Errorf("start a front before %s: %s has no CA certificate", c.Name, c.Kubeconfig)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("start a front before %s: %w", c.Name, err)
	}
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
	}, nil
}

func (f *Front) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		answer, streams := f.answer, f.streams
		f.mu.Unlock()
		if answer != nil {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(answer.status)
			_, _ = io.WriteString(w, answer.body)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		stop := context.AfterFunc(streams, cancel)
		defer stop()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// URL returns the front's https URL.
func (f *Front) URL() string { return "https://" + f.listener.Addr().String() }

// CA returns the authority that signed the front's certificate, in PEM.
func (f *Front) CA() []byte { return f.ca }

// Answer ends the requests that are under way, watches among them, and gives every further one this answer.
func (f *Front) Answer(status int, body string) { f.set(&frontAnswer{status: status, body: body}) }

// Pass lets the API server answer again.
func (f *Front) Pass() { f.set(nil) }

func (f *Front) set(answer *frontAnswer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
	f.cancel()
	f.streams, f.cancel = context.WithCancel(context.Background())
}

// Close ends the front and its connections.
func (f *Front) Close() error {
	f.mu.Lock()
	f.cancel()
	f.mu.Unlock()
	err := f.server.Close()
	f.done.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
