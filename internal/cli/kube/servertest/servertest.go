// Package servertest gives verbs a host cluster with an API server, for tests of what only one can show. It has no controllers:
// the tests write what they would.
package servertest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework" //nolint:depguard // tests alone import this package
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

// patience is how long something that must happen may take on a busy machine.
const patience = time.Minute

// Run runs a host cluster with KubeFed's CRDs and cellfed's.
func Run(t testing.TB) *framework.Cluster {
	t.Helper()
	host := framework.RunCluster(t, framework.Options{})
	ctx := t.Context()
	_, err := framework.InstallKubeFed(ctx, host)
	must(t, err)
	root, err := framework.ModuleRoot()
	must(t, err)
	crds, err := framework.ReadManifests(filepath.Join(root, "config/crd/bases/cellfed.io_cells.yaml"),
		filepath.Join(root, "config/crd/bases/cellfed.io_federatedtypepolicies.yaml"))
	must(t, err)
	must(t, host.Apply(ctx, crds...))
	framework.Eventually(t, patience, "cellfed's CRDs", func(ctx context.Context) error {
		if err := host.Client.List(ctx, &v1alpha1.FederatedTypePolicyList{}); err != nil {
			return err
		}
		return host.Client.List(ctx, &v1alpha1.CellList{})
	})
	return host
}

// StoreDeployments has FederatedDeployments stored and served in v2beta1. Nothing is converted: all is to be written and read in
// that version.
func StoreDeployments(t testing.TB, host *framework.Cluster) {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	must(t, host.Client.Get(t.Context(), client.ObjectKey{Name: "federateddeployments.types.kubefed.io"}, crd))
	nowhere := "https://127.0.0.1:1/convert"
	upgraded, err := federatedcrd.Upgrade(crd, federatedcrd.Options{
		Owner: "kube-federation-system/deployments.apps", StorageVersion: "v2beta1",
		ClientConfig: apiextensionsv1.WebhookClientConfig{URL: &nowhere},
	})
	must(t, err)
	must(t, host.Client.Update(t.Context(), upgraded))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
