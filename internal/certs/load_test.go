package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cellfed/cellfed/internal/certs"
)

// party is a client that trusts what it was told last.
type party struct {
	bundle atomic.Pointer[[]byte]
}

func (p *party) tell(bundle []byte) { p.bundle.Store(&bundle) }

// Lacking implements certs.Clients.
func (p *party) Lacking(_ context.Context, ca *x509.Certificate) (string, error) {
	for _, block := range blocks(*p.bundle.Load()) {
		if cert := parse(block); cert.Equal(ca) {
			return "", nil
		}
	}
	return "the party", nil
}

// client makes a connection for every request.
func (p *party) client(now func() time.Time) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(*p.bundle.Load())
			dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: host, Time: now, MinVersion: tls.VersionTLS12}}
			return dialer.DialContext(ctx, network, address)
		},
	}}
}

// TestNoRequestFails has clients connect without a pause to three replicas while serving certificates and CAs are
// renewed many times over. The clients are told of a bundle a minute late, and one connection is never closed.
func TestNoRequestFails(t *testing.T) {
	w := newWorld(t)
	told := &party{}
	o := w.options()
	o.Clients = told
	replicas := make([]*certs.Rotator, 3)
	urls := make([]string, len(replicas))
	for i := range replicas {
		told.tell(nil)
		replicas[i] = w.replica(o)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
		listener := tls.NewListener(server.Listener, &tls.Config{GetCertificate: replicas[i].GetCertificate, MinVersion: tls.VersionTLS12})
		server.Listener = listener
		server.Start()
		t.Cleanup(server.Close)
		urls[i] = "https://" + listener.Addr().String()
	}
	told.tell(replicas[0].Bundle())
	first := replicas[0].Bundle()
	w.run(replicas...)

	var requests, failures atomic.Int64
	ask := func(c *http.Client, url string) {
		requests.Add(1)
		res, err := c.Get(url)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		if err != nil && failures.Add(1) == 1 {
			t.Errorf("at %s: %v", w.clock.Now(), err)
		}
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	load := func(c *http.Client) {
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					ask(c, urls[i%len(urls)])
				}
			}
		})
	}
	load(told.client(w.clock.Now))
	load(told.client(w.clock.Now))
	kept := told.client(w.clock.Now)
	kept.Transport.(*http.Transport).DisableKeepAlives = false
	load(kept)

	authorities, leaves := map[string]bool{}, map[string]bool{}
	for range 7 * 60 { // Seven hours: the CA is replaced every other one.
		late := replicas[0].Bundle()
		w.clock.advance(time.Minute)
		w.rest(len(replicas))
		before := requests.Load()
		poll(t, "requests", func() bool { return requests.Load() >= before+3 })
		told.tell(late)
		for _, block := range blocks(late) {
			authorities[parse(block).SerialNumber.String()] = true
		}
		leaves[served(t, replicas[0]).SerialNumber.String()] = true
	}
	close(stop)
	group.Wait()
	t.Logf("%d requests, %d CAs, %d serving certificates", requests.Load(), len(authorities), len(leaves))
	if n := failures.Load(); n > 0 {
		t.Errorf("%d of %d requests failed", n, requests.Load())
	}
	if len(authorities) < 4 || len(leaves) < 20 {
		t.Errorf("got %d CAs and %d serving certificates, want at least 4 and 20", len(authorities), len(leaves))
	}
	if slices.Equal(first, replicas[0].Bundle()) {
		t.Error("the first CA is still trusted")
	}
}

func parse(file []byte) *x509.Certificate {
	block, _ := pem.Decode(file)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		panic(err)
	}
	return cert
}
