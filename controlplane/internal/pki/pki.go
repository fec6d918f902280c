// Package pki keeps the keys and certificates of one control plane in a directory: two certificate
// authorities, the API server's certificate, the clients' certificates and the service-account key.
// What is there and still good is used as it is; what is missing, near its end or no longer fitting is
// made anew.
package pki

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Lifetimes, and how long before the end a certificate is replaced. An authority is replaced early
// enough that no certificate that it signs ends with it.
const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	caRenew      = 2 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour
	leafRenew    = 90 * 24 * time.Hour
	// clockSkew is how far a client's clock may be behind this machine's.
	clockSkew = 5 * time.Minute
)

// Names of the authorities' and the certificates' files, without extension.
const (
	caName               = "ca"
	frontProxyCAName     = "front-proxy-ca"
	frontProxyClientName = "front-proxy-client"
	servingName          = "apiserver"
	serviceAccountName   = "sa"

	// Admin is the certificate of the cluster administrator.
	Admin = "admin"
	// ControllerManager is the certificate of kube-controller-manager.
	ControllerManager = "controller-manager"
	// Scheduler is the certificate of kube-scheduler.
	Scheduler = "scheduler"
)

// FrontProxyClientUser is the common name of the certificate with which the API server speaks to
// aggregated API servers and webhooks.
const FrontProxyClientUser = "front-proxy-client"

// Config says what Ensure shall bring about.
type Config struct {
	// Dir is the directory of the files. It is created with mode 0700.
	Dir string
	// SANs are the IP addresses and DNS names of the API server's certificate.
	SANs []string
	// Now is the time that decides what is near its end.
	Now time.Time
}

// Files are the paths of what Ensure keeps.
type Files struct {
	// Dir is the directory that holds the files.
	Dir string
	// Renewed are the names, without extension, of the certificates and keys that were made by this
	// call. Empty means that everything was there and good.
	Renewed []string
}

// CACert is the certificate of the authority that signs the API server's and the clients' certificates.
func (f *Files) CACert() string { return f.path(caName, "crt") }

// CAKey is the key of that authority.
func (f *Files) CAKey() string { return f.path(caName, "key") }

// FrontProxyCACert is the certificate of the authority that vouches for the front proxy.
func (f *Files) FrontProxyCACert() string { return f.path(frontProxyCAName, "crt") }

// FrontProxyClientCert is the API server's own certificate towards aggregated API servers.
func (f *Files) FrontProxyClientCert() string { return f.path(frontProxyClientName, "crt") }

// FrontProxyClientKey is the key of FrontProxyClientCert.
func (f *Files) FrontProxyClientKey() string { return f.path(frontProxyClientName, "key") }

// ServingCert is the API server's certificate.
func (f *Files) ServingCert() string { return f.path(servingName, "crt") }

// ServingKey is the key of ServingCert.
func (f *Files) ServingKey() string { return f.path(servingName, "key") }

// ServiceAccountKey is the private key that signs service-account tokens.
func (f *Files) ServiceAccountKey() string { return f.path(serviceAccountName, "key") }

// ServiceAccountPublicKey verifies what ServiceAccountKey signed.
func (f *Files) ServiceAccountPublicKey() string { return f.path(serviceAccountName, "pub") }

// ClientCert is the certificate of a client: Admin, ControllerManager or Scheduler.
func (f *Files) ClientCert(client string) string { return f.path(client, "crt") }

// ClientKey is the key of ClientCert.
func (f *Files) ClientKey(client string) string { return f.path(client, "key") }

func (f *Files) path(name, ext string) string { return filepath.Join(f.Dir, name+"."+ext) }

// Ensure makes the files of cfg.Dir complete and good. An authority that is renewed keeps its key, so
// that what it signed before stays valid. A private key that is there is never replaced when others
// depend on it (the authorities', the service accounts'): one that cannot be read is an error.
func Ensure(cfg Config) (*Files, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("directory of certificates: %w", err)
	}
	f := &Files{Dir: cfg.Dir}
	ca, err := f.ensureAuthority(caName, "cellfed-control-plane-ca", cfg.Now)
	if err != nil {
		return nil, err
	}
	frontProxyCA, err := f.ensureAuthority(frontProxyCAName, "cellfed-front-proxy-ca", cfg.Now)
	if err != nil {
		return nil, err
	}
	for _, s := range leaves(ca, frontProxyCA, cfg.SANs) {
		if err := f.ensureLeaf(s, cfg.Now); err != nil {
			return nil, err
		}
	}
	if err := f.ensureServiceAccountKey(); err != nil {
		return nil, err
	}
	return f, nil
}

// leaf describes one certificate that is signed by an authority.
type leaf struct {
	name       string
	authority  *authority
	commonName string
	groups     []string
	sans       []string
	usage      x509.ExtKeyUsage
}

func leaves(ca, frontProxyCA *authority, sans []string) []leaf {
	client := x509.ExtKeyUsageClientAuth
	return []leaf{
		{name: servingName, authority: ca, commonName: "kube-apiserver", sans: sans, usage: x509.ExtKeyUsageServerAuth},
		{name: Admin, authority: ca, commonName: "cellfed-admin", groups: []string{"system:masters"}, usage: client},
		{name: ControllerManager, authority: ca, commonName: "system:kube-controller-manager", usage: client},
		{name: Scheduler, authority: ca, commonName: "system:kube-scheduler", usage: client},
		{name: frontProxyClientName, authority: frontProxyCA, commonName: FrontProxyClientUser, usage: client},
	}
}

// splitSANs parts IP addresses from DNS names.
func splitSANs(sans []string) (ips []net.IP, names []string) {
	for _, san := range sans {
		if ip := net.ParseIP(san); ip != nil {
			ips = append(ips, ip)
			continue
		}
		names = append(names, san)
	}
	return ips, names
}
