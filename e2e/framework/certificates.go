package framework

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates is a directory with tls.crt, tls.key and ca.crt: a serving certificate for 127.0.0.1 and localhost and
// the authority that signed it.
type Certificates struct {
	// Dir holds the three files.
	Dir string

	authority    *x509.Certificate
	authorityKey *ecdsa.PrivateKey
	caPEM        []byte
	serial       int64
}

// NewCertificates makes an authority and a serving certificate and writes them into dir.
func NewCertificates(dir string) (*Certificates, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	c := &Certificates{Dir: dir}
	return c, c.RotateAuthority()
}

// Rotate replaces the serving certificate by one that the same authority signed.
func (c *Certificates) Rotate() error {
	certificate, key, err := c.Issue([]string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	return c.write(map[string][]byte{"ca.crt": c.caPEM, "tls.key": key, "tls.crt": certificate})
}

// Issue returns another serving certificate of the authority, and its key, in PEM.
func (c *Certificates) Issue(names []string, addresses []net.IP) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a serving certificate: %w", err)
	}
	template := c.template("cellfed-manager")
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames, template.IPAddresses = names, addresses
	der, err := x509.CreateCertificate(rand.Reader, template, c.authority, &private.PublicKey, c.authorityKey)
	if err != nil {
		return nil, nil, fmt.Errorf("sign a serving certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a serving certificate's key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

// RotateAuthority replaces the authority and the serving certificate.
func (c *Certificates) RotateAuthority() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a certificate authority: %w", err)
	}
	template := c.template("cellfed-e2e")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("sign a certificate authority: %w", err)
	}
	if c.authority, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("parse a certificate authority: %w", err)
	}
	c.authorityKey = key
	c.caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return c.Rotate()
}

// CA returns the authority's certificate in PEM.
func (c *Certificates) CA() []byte { return c.caPEM }

func (c *Certificates) template(name string) *x509.Certificate {
	c.serial++
	now := time.Now()
	return &x509.Certificate{
		// Two authorities of one name must not share a serial number either.
		SerialNumber: new(big.Int).Add(big.NewInt(now.UnixNano()), big.NewInt(c.serial)),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Minute),
		NotAfter:     now.Add(24 * time.Hour),
	}
}

// write replaces the files one by one, each as a whole, the certificate last.
func (c *Certificates) write(files map[string][]byte) error {
	for _, name := range []string{"ca.crt", "tls.key", "tls.crt"} {
		path := filepath.Join(c.Dir, name)
		if err := os.WriteFile(path+".new", files[name], 0o600); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}
