package facade

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// DefaultDrainTimeout is how long a Server that stops waits for requests that are under way.
const DefaultDrainTimeout = 10 * time.Second

// Server serves a Handler over TLS. It is a manager.Runnable, and runs on every replica.
type Server struct {
	// Handler is what is served.
	Handler *Handler
	// Address is the host and port to listen at.
	Address string
	// GetCertificate returns the server's certificate for every handshake, so that it can change while it serves.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Log is for failed handshakes and the like.
	Log logr.Logger
	// DrainTimeout is DefaultDrainTimeout when it is 0.
	DrainTimeout time.Duration

	address atomic.Pointer[net.TCPAddr]
}

// NeedLeaderElection says that every replica serves.
func (s *Server) NeedLeaderElection() bool { return false }

// Start listens and serves until the context ends. Then watches end, so that clients connect to another replica, and
// other requests may finish within the drain timeout.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("listen at the façade's address %q: %w", s.Address, err)
	}
	server := &http.Server{
		Handler: s.Handler,
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: s.GetCertificate,
			NextProtos:     []string{"h2", "http/1.1"},
		},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 1000,
			// A client that is gone without a word must not hold its watches.
			SendPingTimeout:  30 * time.Second,
			PingTimeout:      15 * time.Second,
			WriteByteTimeout: 30 * time.Second,
		},
		ErrorLog: log.New(logWriter{s.Log}, "", 0),
	}
	if address, ok := listener.Addr().(*net.TCPAddr); ok {
		s.address.Store(address)
	}
	defer s.address.Store(nil)
	s.Log.Info("Serving the façades of cells", "address", listener.Addr().String())
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the façade at %q: %w", s.Address, err)
	case <-ctx.Done():
	}
	return s.stop(server)
}

// stop drains the server, and closes it when that takes too long.
func (s *Server) stop(server *http.Server) error {
	timeout := s.DrainTimeout
	if timeout == 0 {
		timeout = DefaultDrainTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	s.Handler.Drain()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.Log.Info("Broke off requests that were still under way", "after", timeout.String())
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("stop the façade: %w", err)
	}
	return nil
}

// listening returns the address that the server listens at, nil while it does not.
func (s *Server) listening() *net.TCPAddr { return s.address.Load() }

// Check is a healthz.Checker: it returns an error unless the server accepts TLS connections with its certificate.
func (s *Server) Check(req *http.Request) error {
	address := s.listening()
	if address == nil {
		return errors.New("the façade does not listen yet")
	}
	target := *address
	if target.IP.IsUnspecified() {
		target.IP = net.IPv4(127, 0, 0, 1)
	}
	ctx, cancel := context.WithTimeout(req.Context(), 3*time.Second)
	defer cancel()
	// Only that a handshake completes is asked; whom the certificate names depends on how clients reach it.
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} //nolint:gosec // See above.
	conn, err := dialer.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return fmt.Errorf("the façade does not accept connections: %w", err)
	}
	return conn.Close()
}

// logWriter takes what net/http logs: handshakes that fail and the like, which clients cause.
type logWriter struct{ log logr.Logger }

// Write logs a line.
func (w logWriter) Write(b []byte) (int, error) {
	w.log.V(1).Info("HTTP server", "message", string(b))
	return len(b), nil
}
