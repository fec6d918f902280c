package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
)

// TestCertificateAuthorityRotates replaces the authority behind the manager's serving certificate: the API server's
// conversions and upstream's connections to the façades follow it without a restart.
func TestCertificateAuthorityRotates(t *testing.T) {
	env := environment(t)
	s := newTenant(t, env, "authority")
	s.cell("rz00a", hangzhou, "authority-a", nil)
	s.waitReady()
	s.create(`
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: settings}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}]}
  template:
    data: {level: info}
`)
	s.waitData("rz00a", "settings", map[string]string{"level": "info"})

	process := env.Cellfed.Process()
	s.must(env.Cellfed.Certificates.RotateAuthority())
	ca := env.Cellfed.Certificates.CA()
	s.eventually("the CRD, the KubeFedCluster and the webhook configurations to have the new authority", func(ctx context.Context) error {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := env.Host.Client.Get(ctx, client.ObjectKey{Name: "federatedconfigmaps.types.kubefed.io"}, crd); err != nil {
			return err
		}
		if !bytes.Contains(crd.Spec.Conversion.Webhook.ClientConfig.CABundle, bytes.TrimSpace(ca)) {
			return errors.New("the CRD has not")
		}
		cluster := &kubefedv1beta1.KubeFedCluster{}
		key := client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: s.namespace + ".rz00a"}
		if err := env.Host.Client.Get(ctx, key, cluster); err != nil {
			return err
		}
		if !bytes.Contains(cluster.Spec.CABundle, bytes.TrimSpace(ca)) {
			return fmt.Errorf("the KubeFedCluster %s has not", key.Name)
		}
		mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
		if err := errors.Join(
			env.Host.Client.Get(ctx, client.ObjectKey{Name: framework.MutatingConfiguration}, mutating),
			env.Host.Client.Get(ctx, client.ObjectKey{Name: framework.ValidatingConfiguration}, validating),
		); err != nil {
			return err
		}
		for _, config := range []admissionregistrationv1.WebhookClientConfig{mutating.Webhooks[0].ClientConfig, validating.Webhooks[0].ClientConfig} {
			if !bytes.Contains(config.CABundle, bytes.TrimSpace(ca)) {
				return errors.New("a webhook configuration has not")
			}
		}
		return nil
	})
	s.must(env.Cellfed.WaitForAdmission(s.ctx))
	s.waitUpstream("rz00a", true)
	s.patch("FederatedConfigMap", v2beta1, "settings", `{"spec":{"template":{"data":{"level":"debug"}}}}`)
	s.waitData("rz00a", "settings", map[string]string{"level": "debug"})
	s.waitReady()
	if env.Cellfed.Process() != process || process.Err() != nil {
		t.Errorf("the manager was not to be restarted: %v", process.Err())
	}
}
