package certs

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The keys of the Secret. The first three are those of a mounted directory; whoever reads the Secret with a kubelet's
// help can serve with it and trust by it.
const (
	authorityKeyFile = "ca.key"
	successorKeyFile = "next-ca.key"
)

// state is what the Secret holds.
type state struct {
	// trusted is what clients are told to trust: the signer's certificate, the successor's, and those of former CAs.
	trusted []*x509.Certificate
	// signer is the CA that issues; nil while there is none.
	signer *pair
	// next is the CA that is trusted already and issues nothing yet; nil while there is none.
	next *pair
	// serving is what is served.
	serving *pair
	// faults say what could not be read, without what it was.
	faults []string
}

// parse reads as much of the Secret's data as can be read.
func parse(data map[string][]byte) state {
	var s state
	fault := func(name string, err error) { s.faults = append(s.faults, name+": "+err.Error()) }

	var err error
	if s.trusted, err = parseCertificates(data[bundleFile]); err != nil {
		fault(bundleFile, err)
	}
	s.trusted = slices.DeleteFunc(s.trusted, func(cert *x509.Certificate) bool {
		if !cert.IsCA {
			fault(bundleFile, errors.New("it holds a certificate that is not a CA's"))
		}
		return !cert.IsCA
	})
	for name, at := range map[string]**pair{authorityKeyFile: &s.signer, successorKeyFile: &s.next} {
		if len(data[name]) == 0 {
			continue
		}
		if *at, err = findPair(data[name], s.trusted); err != nil {
			fault(name, err)
		}
	}
	leaves, err := parseCertificates(data[certificateFile])
	if err != nil {
		fault(certificateFile, err)
	} else if s.serving, err = findPair(data[keyFile], leaves[:1]); err != nil {
		fault(keyFile, err)
	}
	slices.Sort(s.faults)
	return s
}

// parseCertificates returns the certificates of a PEM file that holds nothing else. With an error come those before it.
func parseCertificates(file []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for rest := file; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != certificateBlock {
			return certs, fmt.Errorf("it holds a %s: it must hold certificates and nothing else", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return certs, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("it holds no certificate in PEM")
	}
	return certs, nil
}

// findPair reads a key and finds the certificate that it belongs to. Its errors tell nothing of the key.
func findPair(file []byte, certs []*x509.Certificate) (*pair, error) {
	block, _ := pem.Decode(file)
	if block == nil || block.Type != keyBlock {
		return nil, errors.New("it holds no PKCS #8 key in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it holds a broken key")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("it holds a key that is not for ECDSA")
	}
	for _, cert := range certs {
		if key.PublicKey.Equal(cert.PublicKey) {
			return &pair{cert: cert, key: key}, nil
		}
	}
	return nil, errors.New("it holds the key of no certificate that is there")
}

// encode returns the Secret's data; a key whose value is nil is not to be there.
func (s state) encode() (map[string][]byte, error) {
	data := map[string][]byte{
		bundleFile:       s.bundle(),
		certificateFile:  encodeCertificates(s.serving.cert),
		keyFile:          nil,
		authorityKeyFile: nil,
		successorKeyFile: nil,
	}
	for name, p := range map[string]*pair{keyFile: s.serving, authorityKeyFile: s.signer, successorKeyFile: s.next} {
		if p == nil {
			continue
		}
		var err error
		if data[name], err = encodeKey(p.key); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// bundle returns what clients are told to trust, in PEM. Two replicas that know the same return the same.
func (s state) bundle() []byte { return encodeCertificates(s.trusted...) }

// servable returns nil if a client that trusts the bundle trusts the serving certificate.
func (s state) servable(now time.Time) error {
	if s.serving == nil {
		return errors.New("there is no serving certificate")
	}
	pool := x509.NewCertPool()
	for _, cert := range append(slices.Clone(s.trusted), s.serving.cert) {
		if cert.NotBefore.After(now) && valid(s.serving.cert, now) {
			now = cert.NotBefore // See valid.
		}
	}
	for _, cert := range s.trusted {
		pool.AddCert(cert)
	}
	if _, err := s.serving.cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now}); err != nil {
		return fmt.Errorf("the serving certificate is not good: %w", err)
	}
	return nil
}

// sound returns whether nothing needs to be mended.
func (s state) sound(now time.Time) bool {
	return len(s.faults) == 0 && s.servable(now) == nil && (s.signer.usable(now) || s.next.usable(now))
}

// sealed returns the state without the CAs' keys: what is served stays trusted, and nothing more can be issued.
func (s state) sealed() state {
	return state{trusted: s.trusted, serving: s.serving}
}

// idle returns whether a trusted certificate is good for nothing any more.
func (s state) idle(cert *x509.Certificate) bool {
	return !s.signer.is(cert) && !s.next.is(cert) && (s.serving == nil || s.serving.cert.CheckSignatureFrom(cert) != nil)
}
