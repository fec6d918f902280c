package helmlife

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cellfed/cellfed/e2e/framework"
)

// tellGivenCertificates: a Secret of somebody's serves instead of what the manager made, and everybody is told. When its
// certificate is renewed, and when its CA is replaced as docs/certificates.md says, no request fails.
func tellGivenCertificates(s *story) {
	before := s.remember()
	first, err := framework.NewCertificates(filepath.Join(dir, "given"))
	s.must(err)
	issue := func(authority *framework.Certificates, bundle ...[]byte) map[string][]byte {
		return s.issue(authority, []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}, bundle...)
	}
	s.write("given", issue(first, first.CA()))
	s.upgrade(newer, "certificates.mode=Given", "certificates.given.secretName=given", "certificates.extraNames=null")
	s.told(first.CA())
	s.trusted()
	s.propagates()
	s.same(before, "another certificate")

	successor, err := framework.NewCertificates(filepath.Join(dir, "given-successor"))
	s.must(err)
	manager := s.pods.running[managerName]
	s.unharmed(func() {
		renewed := issue(first, first.CA())
		s.renew("given", renewed)
		renewed["ca.crt"] = slices.Concat(first.CA(), successor.CA())
		s.renew("given", renewed)
		s.told(renewed["ca.crt"])
		s.renew("given", issue(successor, first.CA(), successor.CA()))
		s.propagates()
		s.renew("given", issue(successor, successor.CA()))
		s.told(successor.CA())
		s.propagates()
	})
	if s.pods.running[managerName] != manager {
		s.Error("the manager was started anew to serve another certificate")
	}
	s.same(before, "another CA")
}

// certManagerKind is a kind of cert-manager's that the chart has objects of.
const certManagerKind = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.cert-manager.io}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {plural: %[1]s, kind: %[2]s}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

// tellCertManager: the test is cert-manager, and makes the Secret that the chart's Certificate asks for. Its CA reaches every
// client by the manager, without cert-manager's injector. No request fails while it is renewed.
func tellCertManager(s *story) {
	before := s.remember()
	for plural, kind := range map[string]string{"certificates": "Certificate", "issuers": "Issuer"} {
		s.run(fmt.Sprintf(certManagerKind, plural, kind), "create -f -")
		s.run("", "wait --for=condition=Established crd "+plural+".cert-manager.io --timeout=60s")
	}
	s.change(newer, "certificates.mode=CertManager")
	authority, err := framework.NewCertificates(filepath.Join(dir, "cert-manager"))
	s.must(err)
	wanted := s.certificate("cellfed-serving-cert")
	s.selfIssued(wanted)
	var addresses []net.IP
	for _, address := range wanted.IPAddresses {
		addresses = append(addresses, net.ParseIP(address))
	}
	s.write(wanted.SecretName, s.issue(authority, wanted.DNSNames, addresses, authority.CA()))
	s.roll()
	s.told(authority.CA())
	s.trusted()
	s.propagates()
	s.same(before, "cert-manager's certificate")

	s.unharmed(func() {
		for range 10 {
			s.renew(wanted.SecretName, s.issue(authority, wanted.DNSNames, addresses, authority.CA()))
		}
		s.told(authority.CA())
		s.propagates()
	})
	s.same(before, "a renewal by cert-manager")
}

// certificate is what cert-manager is told by a Certificate.
type certificate struct {
	SecretName  string   `json:"secretName"`
	IsCA        bool     `json:"isCA"`
	DNSNames    []string `json:"dnsNames"`
	IPAddresses []string `json:"ipAddresses"`
	IssuerRef   struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"issuerRef"`
}

func (s *story) certificate(name string) certificate {
	s.Helper()
	var read struct {
		Spec certificate `json:"spec"`
	}
	s.must(json.Unmarshal([]byte(s.run("", "-n "+system+" get certificates.cert-manager.io "+name+" -o json")), &read))
	return read.Spec
}

// selfIssued checks that cert-manager could issue the certificate, by a CA that it makes of another one.
func (s *story) selfIssued(wanted certificate) {
	s.Helper()
	issuer := func(c certificate, jsonpath string) string {
		return s.run("", "-n "+system+" get issuers.cert-manager.io "+c.IssuerRef.Name+" -o", "jsonpath="+jsonpath)
	}
	authority := s.certificate("cellfed-ca")
	if got := issuer(wanted, "{.spec.ca.secretName}"); got != authority.SecretName || !authority.IsCA {
		s.Errorf("the issuer's CA is in the Secret %s, and the Certificate %+v is to make it", got, authority)
	}
	if got := issuer(authority, "{.spec.selfSigned}"); got != "{}" {
		s.Errorf("the issuer of the CA signs by itself: %q, want {}", got)
	}
}

// issue returns what a Secret of a new serving certificate holds.
func (s *story) issue(authority *framework.Certificates, names []string, addresses []net.IP, bundle ...[]byte) map[string][]byte {
	s.Helper()
	crt, key, err := authority.Issue(names, addresses)
	s.must(err)
	return map[string][]byte{"tls.crt": crt, "tls.key": key, "ca.crt": slices.Concat(bundle...)}
}

// write writes a Secret of a serving certificate.
func (s *story) write(name string, data map[string][]byte) {
	s.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: name}, Type: corev1.SecretTypeTLS}
	_, err := controllerutil.CreateOrUpdate(s.Context(), s.host.Client, secret, func() error {
		secret.Data = data
		return nil
	})
	s.must(err)
}

// renew writes the Secret, which a kubelet then brings to the manager, and waits until that serves it.
func (s *story) renew(name string, data map[string][]byte) {
	s.Helper()
	s.write(name, data)
	s.must(s.pods.fill(s.Context(), s.pods.running[managerName]))
	block, _ := pem.Decode(data["tls.crt"])
	for _, port := range []int{s.release.webhook, s.release.facade, s.release.metrics} {
		framework.Eventually(s, patience, "the new certificate", func(ctx context.Context) error {
			served, err := connect(ctx, port, data["ca.crt"])
			if err == nil && !bytes.Equal(served.Raw, block.Bytes) {
				err = errors.New("another one is served")
			}
			return err
		})
	}
}

// told waits until every client of the manager's has been told these CAs.
func (s *story) told(bundle []byte) {
	s.Helper()
	framework.Eventually(s, patience, "all clients to be told the CAs", func(ctx context.Context) error {
		clients, err := s.clients(ctx)
		if err != nil {
			return err
		}
		for _, client := range clients {
			if !bytes.Equal(bytes.TrimSpace(client.bundle), bytes.TrimSpace(bundle)) {
				return errors.New(client.name + " has others")
			}
		}
		return nil
	})
}
