package e2e

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const payInTwoCells = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedDeployment
metadata: {name: pay}
spec:
  topologyType: cell
  placement:
    topologies: [{name: rz00a}, {name: rz01a}]
  template:
    metadata:
      labels: {app: pay}
    spec:
      replicas: 2
      selector: {matchLabels: {app: pay}}
      template:
        metadata: {labels: {app: pay}}
        spec:
          containers: [{name: pay, image: "registry.invalid/pay:1.0"}]
  overrides:
  - topologyName: rz01a
    topologyOverrides:
    - {path: /spec/replicas, value: 3}
---
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: pay}
spec:
  topologyType: cell
  placement:
    topologies: [{name: rz00a}, {name: rz01a}]
  template:
    data: {cell: none, currency: CNY}
  overrides:
  - topologyName: rz00a
    topologyOverrides: [{path: /data/cell, value: rz00a}]
  - topologyName: rz01a
    topologyOverrides: [{path: /data/cell, value: rz01a}]
`

// TestCellsOnTwoClusters is the main job: an application in two cells on two clusters.
func TestCellsOnTwoClusters(t *testing.T) {
	s := newTenant(t, environment(t), "two-clusters")
	s.cell("rz00a", hangzhou, "two-clusters-rz00a", map[string]string{"city": "hangzhou"})
	s.cell("rz01a", shanghai, "", nil)
	s.waitReady()
	s.checkGenerated()

	s.create(payInTwoCells)
	s.waitData("rz00a", "pay", map[string]string{"cell": "rz00a", "currency": "CNY"})
	s.waitData("rz01a", "pay", map[string]string{"cell": "rz01a", "currency": "CNY"})
	s.waitReplicas("rz00a", "pay", 2)
	s.waitReplicas("rz01a", "pay", 3)
	s.waitPropagated("FederatedConfigMap", "pay", "rz00a", "rz01a")
	s.waitPropagated("FederatedDeployment", "pay", "rz00a", "rz01a")
	s.waitReported("pay", map[string]int64{"rz00a": 2, "rz01a": 3})

	s.patch("FederatedConfigMap", v2beta1, "pay", `{"spec":{"template":{"data":{"currency":"EUR"}}}}`)
	s.waitData("rz00a", "pay", map[string]string{"cell": "rz00a", "currency": "EUR"})
	s.waitData("rz01a", "pay", map[string]string{"cell": "rz01a", "currency": "EUR"})

	s.patch("FederatedConfigMap", v2beta1, "pay", `{"spec":{"placement":{"topologies":[{"name":"rz01a"}]}}}`)
	s.waitGone("rz00a", "pay")
	s.waitData("rz01a", "pay", map[string]string{"cell": "rz01a", "currency": "EUR"})

	s.delete("FederatedConfigMap", v2beta1, "pay")
	s.waitGone("rz01a", "pay")
}

// checkGenerated looks at what stands for the cells in the host: upstream is given façades, not members.
func (s *tenant) checkGenerated() {
	s.t.Helper()
	for cell, where := range s.places {
		name := s.namespace + "." + cell
		cluster := &kubefedv1beta1.KubeFedCluster{}
		key := client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: name}
		s.must(s.env.Host.Client.Get(s.ctx, key, cluster))
		if want := s.env.Cellfed.FacadeURL() + "/cells/" + s.namespace + "/" + cell; cluster.Spec.APIEndpoint != want {
			s.t.Errorf("the KubeFedCluster %s has the endpoint %s, want %s", name, cluster.Spec.APIEndpoint, want)
		}
		for label, want := range map[string]string{
			cellfedv1alpha1.TenantLabel:         "acme",
			cellfedv1alpha1.WorkspaceGroupLabel: s.namespace,
			cellfedv1alpha1.NamespaceLabel:      s.namespace,
			cellfedv1alpha1.CellLabel:           cell,
			cellfedv1alpha1.ClusterLabel:        where.cluster,
			cellfedv1alpha1.TopologyTypeLabel:   "cell",
			cellfedv1alpha1.GeneratedLabel:      "true",
		} {
			if got := cluster.Labels[label]; got != want {
				s.t.Errorf("the KubeFedCluster %s has the label %s=%q, want %q", name, label, got, want)
			}
		}
		s.checkTokens(cell, cluster.Spec.SecretRef.Name)
	}
	s.eventually("the namespace to be federated to its cells", func(ctx context.Context) error {
		object := federated("FederatedNamespace", v1beta1)
		if err := s.env.Host.Client.Get(ctx, s.key(s.namespace), object); err != nil {
			return err
		}
		if got := object.GetLabels()[cellfedv1alpha1.GeneratedLabel]; got != "true" {
			return fmt.Errorf("its label %s is %q", cellfedv1alpha1.GeneratedLabel, got)
		}
		return nil
	})
}

// checkTokens checks that upstream holds a token of the façade's and that no member's own token is among a cell's.
func (s *tenant) checkTokens(cell, current string) {
	s.t.Helper()
	secrets := &corev1.SecretList{}
	s.must(s.env.Host.Client.List(s.ctx, secrets, client.InNamespace(framework.KubeFedNamespace), client.MatchingLabels{
		cellfedv1alpha1.NamespaceLabel: s.namespace, cellfedv1alpha1.CellLabel: cell,
	}))
	if len(secrets.Items) != 1 {
		s.t.Fatalf("the cell %s has %d Secrets, want one", cell, len(secrets.Items))
	}
	secret := secrets.Items[0]
	if secret.Name != current {
		s.t.Errorf("the cell %s has the Secret %s, but its KubeFedCluster names %s", cell, secret.Name, current)
	}
	if len(secret.Data["token"]) < 32 {
		s.t.Errorf("the token of the cell %s has %d bytes, which can be guessed", cell, len(secret.Data["token"]))
	}
}

// waitReplicas waits until the Deployment in the cell's member has this many replicas and all are available.
func (s *tenant) waitReplicas(cell, name string, want int32) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the Deployment %s in the cell %s", name, cell), func(ctx context.Context) error {
		got, err := s.deployment(ctx, cell, name)
		if err != nil {
			return err
		}
		if replicas := ptr.Deref(got.Spec.Replicas, 0); replicas != want || got.Status.AvailableReplicas != want {
			return fmt.Errorf("it has %d replicas, %d available, want %d", replicas, got.Status.AvailableReplicas, want)
		}
		return s.owned(cell, got)
	})
}

// waitReported waits until the FederatedDeployment's status has the available replicas of each cell.
func (s *tenant) waitReported(name string, want map[string]int64) {
	s.t.Helper()
	s.eventually("the status of FederatedDeployment "+name, func(ctx context.Context) error {
		object := federated("FederatedDeployment", v2beta1)
		if err := s.env.Host.Client.Get(ctx, s.key(name), object); err != nil {
			return err
		}
		entries, err := statusEntries(object)
		if err != nil {
			return err
		}
		if len(entries) != len(want) {
			return fmt.Errorf("it speaks of %d cells, want %d", len(entries), len(want))
		}
		for cell, replicas := range want {
			got, _, err := unstructured.NestedInt64(entries[cell], "remoteStatus", "availableReplicas")
			if err != nil {
				return err
			}
			if got != replicas {
				return fmt.Errorf("it reports %d available replicas in %s, want %d", got, cell, replicas)
			}
		}
		return nil
	})
}
