package framework

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"testing"
)

func TestCertificates(t *testing.T) {
	certificates, err := NewCertificates(filepath.Join(t.TempDir(), "certs"))
	if err != nil {
		t.Fatal(err)
	}
	first := certificates.CA()
	verify(t, certificates, first, true)

	if err := certificates.Rotate(); err != nil {
		t.Fatal(err)
	}
	verify(t, certificates, first, true)

	if err := certificates.RotateAuthority(); err != nil {
		t.Fatal(err)
	}
	verify(t, certificates, first, false)
	verify(t, certificates, certificates.CA(), true)
}

// verify checks whether a client that trusts the authority takes the serving certificate for 127.0.0.1's.
func verify(t *testing.T, c *Certificates, ca []byte, want bool) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(c.Dir, "tls.crt"), filepath.Join(c.Dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "127.0.0.1"})
	if got := err == nil; got != want {
		t.Errorf("the serving certificate is trusted: %v (%v), want %v", got, err, want)
	}
}
