package certs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/cellfed/cellfed/internal/certs"
)

// newPair returns a self-signed certificate and its key in PEM.
func newPair(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func write(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		// A reader sees the old file or the new one, as with a mounted Secret.
		temporary := filepath.Join(dir, "."+name)
		if err := os.WriteFile(temporary, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(temporary, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	cert, key := newPair(t, "a")
	_, otherKey := newPair(t, "b")
	good := map[string][]byte{"tls.crt": cert, "tls.key": key, "ca.crt": cert}
	cases := map[string]struct {
		reason string
		file   string
		with   []byte // nil for no such file
		want   string // what the error names
	}{
		"NoBundle":     {reason: "Clients could not be told whom to trust.", file: "ca.crt", want: "ca.crt"},
		"EmptyBundle":  {reason: "An API server refuses an empty bundle.", file: "ca.crt", with: []byte("\n"), want: "ca.crt"},
		"KeyInBundle":  {reason: "The bundle is published.", file: "ca.crt", with: append(append([]byte{}, cert...), key...), want: "PRIVATE KEY"},
		"BrokenBundle": {reason: "An API server refuses what is not a certificate.", file: "ca.crt", with: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), want: "certificate 1"},
		"NoKey":        {reason: "Nothing can be served without a key.", file: "tls.key", want: "tls.key"},
		"OtherKey":     {reason: "The key must be the certificate's.", file: "tls.key", with: otherKey, want: "tls.key"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, good)
			if tc.with == nil {
				if err := os.Remove(filepath.Join(dir, tc.file)); err != nil {
					t.Fatal(err)
				}
			} else {
				write(t, dir, map[string][]byte{tc.file: tc.with})
			}
			if _, err := certs.New(dir, 0); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\ngot error %v, want one that names %s", tc.reason, err, tc.want)
			}
		})
	}
}

// TestRotation: every subscriber hears of a new bundle, whether the pair changed with it or not, and a broken one
// changes nothing.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	first, firstKey := newPair(t, "first")
	write(t, dir, map[string][]byte{"tls.crt": first, "tls.key": firstKey, "ca.crt": first})
	watcher, err := certs.New(dir, 5*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	one, two := watcher.Changes(), watcher.Changes()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- watcher.Start(ctx) }()

	second, secondKey := newPair(t, "second")
	write(t, dir, map[string][]byte{"ca.crt": second})
	for _, changes := range []<-chan event.GenericEvent{one, two} {
		receive(t, changes)
	}
	if diff := cmp.Diff(string(second), string(watcher.Bundle())); diff != "" {
		t.Errorf("bundle after ca.crt changed: %s", diff)
	}

	write(t, dir, map[string][]byte{"ca.crt": []byte("broken")})
	write(t, dir, map[string][]byte{"tls.key": secondKey, "tls.crt": second})
	poll(t, "the new certificate", func() bool {
		got, err := watcher.GetCertificate(nil)
		return err == nil && string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: got.Certificate[0]})) == string(second)
	})
	if diff := cmp.Diff(string(second), string(watcher.Bundle())); diff != "" {
		t.Errorf("bundle after a broken ca.crt: %s", diff)
	}

	write(t, dir, map[string][]byte{"ca.crt": first})
	receive(t, one)
	if diff := cmp.Diff(string(first), string(watcher.Bundle())); diff != "" {
		t.Errorf("bundle after ca.crt was mended: %s", diff)
	}

	cancel()
	if err := <-done; err != nil {
		t.Errorf("Start returned %v", err)
	}
}

func receive(t *testing.T, changes <-chan event.GenericEvent) {
	t.Helper()
	select {
	case <-changes:
	case <-time.After(30 * time.Second):
		t.Fatal("no word of a change")
	}
}

func poll(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s did not come", what)
		}
	}
}
