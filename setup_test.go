package main

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cellfed/cellfed/internal/certs"
)

// noCertificate leaves the certificate to the server.
type noCertificate struct{ certs.Source }

func (noCertificate) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }

// TestServingTLS: a client that would rather have HTTP/2, or an old TLS, of webhooks and metrics.
func TestServingTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	// controller-runtime begins with this.
	server.TLS = &tls.Config{NextProtos: []string{"h2"}} //nolint:gosec // The version is what is tested.
	servingTLS(noCertificate{})(server.TLS)
	server.StartTLS()
	t.Cleanup(server.Close)

	client := server.Client()
	transport := client.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = true
	response, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if response.ProtoMajor != 1 {
		t.Errorf("It answered by %s, want HTTP/1.1", response.Proto)
	}
	transport.CloseIdleConnections()
	transport.TLSClientConfig.MaxVersion = tls.VersionTLS11
	if response, err := client.Get(server.URL); err == nil {
		_ = response.Body.Close()
		t.Errorf("It answered by TLS %x, want none below 1.2", response.TLS.Version)
	}
}
