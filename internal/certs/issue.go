package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"

	// skew is how long before it is issued a certificate begins to be valid, for clients whose clocks are behind.
	skew = 5 * time.Minute
)

// pair is a certificate and its key. A nil pair is one that is not there.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// begin is when a certificate was issued.
func begin(cert *x509.Certificate) time.Time { return cert.NotBefore.Add(skew) }

// due is when a certificate is to be renewed: after two thirds of its life.
func due(cert *x509.Certificate) time.Time { return cert.NotAfter.Add(-lifetime(cert) / 3) }

// lastCall is when a certificate is so near its end that it must be replaced at any price: after eleven twelfths.
func lastCall(cert *x509.Certificate) time.Time { return cert.NotAfter.Add(-lifetime(cert) / 12) }

func lifetime(cert *x509.Certificate) time.Duration { return cert.NotAfter.Sub(begin(cert)) }

// valid returns whether a certificate has not ended. One that has not begun was issued by a replica whose clock is ahead
// of this one's, and is not to be replaced for it.
func valid(cert *x509.Certificate, now time.Time) bool { return now.Before(cert.NotAfter) }

// usable returns whether the pair can be used now.
func (p *pair) usable(now time.Time) bool { return p != nil && valid(p.cert, now) }

// is returns whether the pair's certificate is this one.
func (p *pair) is(cert *x509.Certificate) bool { return p != nil && p.cert.Equal(cert) }

// newAuthority returns a CA that signs its own certificate.
func newAuthority(now time.Time, lifetime time.Duration) (*pair, error) {
	return issue(&x509.Certificate{
		// A name of its own tells one CA from the next one where certificates are only shown by their names.
		Subject:               pkix.Name{CommonName: "cellfed-ca " + now.UTC().Format(time.RFC3339)},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, nil)
}

// serve returns a serving certificate of the CA, which it does not outlive.
func (p *pair) serve(names []string, now time.Time, lifetime time.Duration) (*pair, error) {
	if len(names) == 0 {
		return nil, errors.New("issue a serving certificate: no host is named")
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "cellfed"},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(p.cert.NotAfter) {
		template.NotAfter = p.cert.NotAfter
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return issue(template, p)
}

// issue signs the template with a new key; a nil issuer means with its own.
func issue(template *x509.Certificate, issuer *pair) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate %q: %w", template.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the certificate %q: %w", template.Subject.CommonName, err)
	}
	return &pair{cert: cert, key: key}, nil
}

// hosts returns what a certificate is for, in order.
func hosts(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	slices.Sort(names)
	return names
}

// lacking returns the first name that a certificate is not for.
func lacking(cert *x509.Certificate, names []string) (string, bool) {
	have := hosts(cert)
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			name = ip.String()
		}
		if !slices.Contains(have, name) {
			return name, true
		}
	}
	return "", false
}

func encodeCertificates(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, cert := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: cert.Raw})...)
	}
	return out
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}
