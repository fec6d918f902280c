// Package member connects to member clusters, with what their KubeFedClusters and Secrets say.
package member

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpguts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// TokenKey is the key under which a KubeFedCluster's Secret holds the bearer token for the member
// (sigs.k8s.io/kubefed/pkg/controller/util, TokenKey, which does not compile beside a current controller-runtime).
const TokenKey = "token"

// ConfigError says what in the registration of a member cluster keeps cellfed from connecting to it. It never holds a
// token.
type ConfigError struct {
	// Cluster is the KubeFedCluster's name.
	Cluster string
	// Field is the path of the field that is wrong, in the KubeFedCluster or, with its name before it, in the Secret.
	Field string
	// Problem says what is wrong and what to do.
	Problem string
}

// Error names the cluster, the field and the problem.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("member cluster %q: %s: %s", e.Cluster, e.Field, e.Problem)
}

// settings are what a connection to a member is made of.
type settings struct {
	cluster string
	base    *url.URL
	ca      []byte
	token   string
	proxy   *url.URL
	// The TLS checks that are left out, as upstream leaves them out.
	skipAll, skipName, skipValidity bool
}

// readSettings reads and checks a physical KubeFedCluster and its Secret as upstream KubeFed v0.10.0 reads them
// (pkg/controller/util/cluster_util.go, BuildClusterConfig).
func readSettings(cluster *fedv1b1.KubeFedCluster, secret *corev1.Secret) (*settings, error) {
	wrong := func(field, format string, args ...any) (*settings, error) {
		return nil, &ConfigError{Cluster: cluster.Name, Field: field, Problem: fmt.Sprintf(format, args...)}
	}
	s := &settings{cluster: cluster.Name, ca: cluster.Spec.CABundle}
	for _, check := range cluster.Spec.DisabledTLSValidations {
		switch check {
		case fedv1b1.TLSAll:
			s.skipAll = true
		case fedv1b1.TLSSubjectName:
			s.skipName = true
		case fedv1b1.TLSValidityPeriod:
			s.skipValidity = true
		default:
			return wrong("spec.disabledTLSValidations", "%q is none of *, SubjectName, ValidityPeriod", check)
		}
	}
	if cluster.Spec.APIEndpoint == "" {
		return wrong("spec.apiEndpoint", "it is empty: set it to the URL of the member's API server")
	}
	secure := len(s.ca) > 0 || s.skipAll
	base, _, err := rest.DefaultServerURL(cluster.Spec.APIEndpoint, "", schema.GroupVersion{}, secure)
	switch {
	case err != nil:
		return wrong("spec.apiEndpoint", "%q is not the URL of an API server: %v", cluster.Spec.APIEndpoint, err)
	case base.Scheme != "https" && base.Scheme != "http":
		return wrong("spec.apiEndpoint", "%q must begin with https:// or http://", cluster.Spec.APIEndpoint)
	case base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return wrong("spec.apiEndpoint", "it must be a URL with a host, and without a user, query or fragment")
	}
	s.base = base
	if len(s.ca) > 0 && !x509.NewCertPool().AppendCertsFromPEM(s.ca) {
		return wrong("spec.caBundle", "it holds no PEM certificate")
	}
	if cluster.Spec.ProxyURL != "" {
		s.proxy, err = url.Parse(cluster.Spec.ProxyURL)
		if err != nil || s.proxy.Host == "" || s.proxy.Scheme != "http" && s.proxy.Scheme != "https" && s.proxy.Scheme != "socks5" {
			// The text of a parse error would repeat a password in the URL.
			return wrong("spec.proxyURL", "it must be a URL that begins with http://, https:// or socks5://")
		}
	}
	if cluster.Spec.SecretRef.Name == "" {
		return wrong("spec.secretRef.name", "it is empty: name a Secret with the key %q", TokenKey)
	}
	field := fmt.Sprintf("Secret %q: data.%s", cluster.Spec.SecretRef.Name, TokenKey)
	if secret == nil {
		return wrong("spec.secretRef.name", "there is no Secret %q in namespace %q", cluster.Spec.SecretRef.Name, cluster.Namespace)
	}
	s.token = string(secret.Data[TokenKey])
	if s.token == "" {
		return wrong(field, "it is missing or empty: put the member's bearer token there")
	}
	if !httpguts.ValidHeaderFieldValue(s.token) {
		return wrong(field, "it holds bytes that no HTTP header can, such as a line break: store the bare token")
	}
	return s, nil
}

// key tells whether two settings lead to the same connection. It reveals none of them.
func (s *settings) key() string {
	proxy := ""
	if s.proxy != nil {
		proxy = s.proxy.String()
	}
	// JSON keeps the parts apart.
	b, err := json.Marshal([]any{s.base.String(), s.ca, s.token, proxy, s.skipAll, s.skipName, s.skipValidity})
	if err != nil {
		panic(err) // Strings, bytes and booleans marshal.
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// tlsConfig returns the TLS settings, with upstream's meaning of the checks that are left out.
func (s *settings) tlsConfig() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(s.ca) > 0 {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(s.ca)
	}
	switch {
	case s.skipAll:
		config.InsecureSkipVerify = true //nolint:gosec // The KubeFedCluster says so: disabledTLSValidations is "*".
	case s.skipName || s.skipValidity:
		// crypto/tls has no switch for single checks: its own are off, and verify makes those that are left.
		config.InsecureSkipVerify = true //nolint:gosec // verify takes its place.
		config.VerifyConnection = s.verify(config.RootCAs)
	}
	return config
}

// verify returns the checks of a server's certificate, less those that are left out.
func (s *settings) verify(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		leaf := state.PeerCertificates[0]
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, c := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(c)
		}
		if !s.skipName {
			options.DNSName = s.base.Hostname()
		}
		if s.skipValidity {
			options.CurrentTime = leaf.NotBefore.Add(time.Second)
		}
		_, err := leaf.Verify(options)
		return err
	}
}

func (s *settings) proxyFunc() func(*http.Request) (*url.URL, error) {
	if s.proxy != nil {
		return http.ProxyURL(s.proxy)
	}
	return http.ProxyFromEnvironment
}
