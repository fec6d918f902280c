package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"slices"
	"sort"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// authority is a certificate authority with its key.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// ensureAuthority loads the authority name, makes it if it is missing, and signs its certificate anew,
// with the same key, when that is near its end.
func (f *Files) ensureAuthority(name, commonName string, now time.Time) (*authority, error) {
	certPath, keyPath := f.path(name, "crt"), f.path(name, "key")
	cert, err := readCert(certPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("certificate authority: %w: restore the file, or remove %s to start with new certificates", err, f.Dir)
	}
	key, err := readKey(keyPath)
	switch {
	case errors.Is(err, fs.ErrNotExist) && cert != nil:
		return nil, fmt.Errorf("certificate authority: %s is there and its key %s is not: restore the key, or remove %s to start with new certificates", certPath, keyPath, f.Dir)
	case errors.Is(err, fs.ErrNotExist):
		if key, err = f.newKey(name); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("certificate authority: %w: restore the file, or remove %s to start with new certificates", err, f.Dir)
	}
	if cert != nil && !samePublicKey(cert.PublicKey, key.Public()) {
		return nil, fmt.Errorf("certificate authority: %s does not belong to %s: restore the pair, or remove %s to start with new certificates", keyPath, certPath, f.Dir)
	}
	if cert != nil && inForce(cert, now, caRenew) {
		return &authority{cert: cert, key: key}, nil
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	cert, err = f.sign(name, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key}, nil
}

// ensureLeaf keeps the certificate s if it is good and issues it, with a new key, if not.
func (f *Files) ensureLeaf(s leaf, now time.Time) error {
	if f.leafIsGood(s, now) {
		return nil
	}
	key, err := f.newKey(s.name)
	if err != nil {
		return err
	}
	ips, names := splitSANs(s.sans)
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: s.commonName, Organization: s.groups},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(leafLifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{s.usage},
		BasicConstraintsValid: true,
		IPAddresses:           ips,
		DNSNames:              names,
	}
	_, err = f.sign(s.name, template, s.authority.cert, key.Public(), s.authority.key)
	return err
}

// leafIsGood tells whether the stored certificate and key are what s asks for. Anything unreadable is
// not good: a leaf can be replaced at any time.
func (f *Files) leafIsGood(s leaf, now time.Time) bool {
	cert, err := readCert(f.path(s.name, "crt"))
	if err != nil {
		return false
	}
	key, err := readKey(f.path(s.name, "key"))
	if err != nil {
		return false
	}
	ips, names := splitSANs(s.sans)
	return samePublicKey(cert.PublicKey, key.Public()) &&
		inForce(cert, now, leafRenew) &&
		cert.CheckSignatureFrom(s.authority.cert) == nil &&
		cert.Subject.CommonName == s.commonName &&
		slices.Equal(cert.Subject.Organization, s.groups) &&
		slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{s.usage}) &&
		sameSet(cert.DNSNames, names) &&
		sameSet(texts(cert.IPAddresses), texts(ips))
}

// ensureServiceAccountKey makes the key pair that signs and verifies service-account tokens.
func (f *Files) ensureServiceAccountKey() error {
	key, err := readKey(f.ServiceAccountKey())
	if errors.Is(err, fs.ErrNotExist) {
		key, err = f.newKey(serviceAccountName)
		f.Renewed = append(f.Renewed, serviceAccountName)
	}
	if err != nil {
		return fmt.Errorf("service-account key: %w: restore the file, or remove it to start with a new key (tokens issued so far end)", err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("service-account key: %w", err)
	}
	return writeFile(f.ServiceAccountPublicKey(), encodePublicKey(der))
}

func (f *Files) newKey(name string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key %s: %w", name, err)
	}
	data, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, fmt.Errorf("making the key %s: %w", name, err)
	}
	return key, writeFile(f.path(name, "key"), data)
}

func (f *Files) sign(name string, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("issuing the certificate %s: %w", name, err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("issuing the certificate %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("issuing the certificate %s: %w", name, err)
	}
	data, err := certutil.EncodeCertificates(cert)
	if err != nil {
		return nil, fmt.Errorf("issuing the certificate %s: %w", name, err)
	}
	f.Renewed = append(f.Renewed, name)
	return cert, writeFile(f.path(name, "crt"), data)
}

func readCert(path string) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	certs, err := certutil.ParseCertsPEM(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certs[0], nil
}

func readKey(path string) (crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := keyutil.ParsePrivateKeyPEM(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: a key of type %T cannot sign", path, key)
	}
	// A copy or a restore may have opened the file to others.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	return signer, nil
}

func inForce(cert *x509.Certificate, now time.Time, margin time.Duration) bool {
	return !now.Before(cert.NotBefore) && now.Add(margin).Before(cert.NotAfter)
}

func samePublicKey(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}

func texts[T interface{ String() string }](in []T) []string {
	out := make([]string, 0, len(in))
	for _, v := range in {
		out = append(out, v.String())
	}
	return out
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	sort.Strings(a)
	sort.Strings(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
