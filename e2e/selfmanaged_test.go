package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

// TestSelfManagedCertificates lets the manager make its own certificates, which expire within seconds, and writes all the
// while, in both versions: each write is converted and admitted, and none of them may fail. Whoever takes the CA bundle
// from a webhook configuration can connect with it at every moment.
func TestSelfManagedCertificates(t *testing.T) {
	ctx := t.Context()
	host, err := framework.StartCluster(ctx, framework.Options{
		Name: "host", Dir: filepath.Join(suite.dir, "self-managed"), Controllers: framework.MemberControllers,
	})
	if err != nil {
		t.Fatal(err)
	}
	env := &framework.Environment{Host: host}
	t.Cleanup(func() {
		if env.Cellfed != nil {
			if err := env.Cellfed.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		}
		if err := host.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s := &tenant{t: t, ctx: ctx, env: env, namespace: "self-managed"}
	_, err = framework.InstallKubeFed(ctx, host)
	s.must(err)
	env.Cellfed, err = framework.InstallCellfed(ctx, host)
	s.must(err)
	env.Cellfed.ExtraArgs = []string{
		"--certificates=SelfManaged", "--certificate-lifetime=45s", "--certificate-authority-lifetime=66s", "--certificate-settle-period=2s",
	}
	s.must(env.Cellfed.Start(ctx))
	s.must(env.Cellfed.WaitForVersions(ctx, time.Minute, true))
	s.must(host.CreateNamespace(ctx, s.namespace, nil))
	s.create(`
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: busy}
spec:
  placement: {topologies: []}
  template: {data: {writes: "0"}}
`)

	first, served := s.authority(), map[string]bool{}
	framework.Eventually(t, 3*time.Minute, "another CA, and two more certificates", func(ctx context.Context) error {
		for i, version := range []string{v1beta1, v2beta1} {
			object := federated("FederatedConfigMap", version)
			if err := host.Client.Get(ctx, s.key("busy"), object); err != nil {
				return framework.Final(err)
			}
			writes := fmt.Sprint(time.Now().UnixNano() + int64(i))
			if err := unstructured.SetNestedField(object.Object, writes, "spec", "template", "data", "writes"); err != nil {
				return framework.Final(err)
			}
			if err := host.Client.Update(ctx, object); err != nil {
				return framework.Final(err)
			}
		}
		configuration := s.configuration()
		serial, err := serving(ctx, configuration.Webhooks[0].ClientConfig)
		if err != nil {
			return framework.Final(err)
		}
		served[serial] = true
		if bundle := pool(configuration.Webhooks[0].ClientConfig.CABundle); trusts(bundle, first) {
			return errors.New("the first CA is still trusted")
		}
		if len(served) < 3 {
			return fmt.Errorf("%d certificates were served", len(served))
		}
		return nil
	})
	t.Logf("%d serving certificates were seen", len(served))
}

func (s *tenant) configuration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	s.t.Helper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: framework.ValidatingConfiguration}}
	s.must(s.env.Host.Client.Get(s.ctx, client.ObjectKeyFromObject(configuration), configuration))
	return configuration
}

// authority returns the CA that webhooks are trusted by, of which there must be one.
func (s *tenant) authority() *x509.Certificate {
	s.t.Helper()
	block, rest := pem.Decode(s.configuration().Webhooks[0].ClientConfig.CABundle)
	if block == nil || len(rest) > 0 {
		s.t.Fatal("the CA bundle does not hold one certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	s.must(err)
	return certificate
}

func pool(bundle []byte) *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(bundle)
	return p
}

// trusts reports whether a CA is among those of a pool.
func trusts(p *x509.CertPool, ca *x509.Certificate) bool {
	with := p.Clone()
	with.AddCert(ca)
	return with.Equal(p)
}

// serving connects to a webhook as an API server does, and returns the serial number of what it serves.
func serving(ctx context.Context, config admissionregistrationv1.WebhookClientConfig) (string, error) {
	u, err := url.Parse(*config.URL)
	if err != nil {
		return "", err
	}
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: pool(config.CABundle), ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return "", fmt.Errorf("connect to %s: %w", u.Host, err)
	}
	defer conn.Close() //nolint:errcheck // Nothing was sent.
	state := conn.(*tls.Conn).ConnectionState()
	return state.PeerCertificates[0].SerialNumber.String(), nil
}
