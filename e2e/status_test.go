package e2e

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
)

const twoNeighborDeployments = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedDeployment
metadata: {name: pay}
spec:
  topologyType: cell
  placement:
    topologies: [{name: rz00a}, {name: rz00b}, {name: rz09z}]
  template:
    metadata: {labels: {app: pay}}
    spec:
      replicas: 1
      selector: {matchLabels: {app: pay}}
      template:
        metadata: {labels: {app: pay}}
        spec:
          containers: [{name: pay, image: "registry.invalid/pay:1.0"}]
  overrides:
  - topologyName: rz00b
    topologyOverrides: [{path: /spec/replicas, value: 2}]
`

// TestStatusByCell reads what becomes of an object under the cells' names, a cell that is in trouble among them.
func TestStatusByCell(t *testing.T) {
	s := newTenant(t, environment(t), "status")
	s.cell("rz00a", hangzhou, "status-a", nil)
	s.cell("rz00b", hangzhou, "status-b", nil)
	s.waitReady()
	s.cell("rz09z", "nowhere", "", nil)
	missing := s.waitCondition("rz09z", cellfedv1alpha1.ConditionClusterReady, metav1.ConditionFalse)
	if missing.Reason != string(cellfedv1alpha1.ReasonClusterNotFound) {
		t.Errorf("a cell on a cluster that is not there has the reason %s", missing.Reason)
	}

	s.create(twoNeighborDeployments)
	s.waitReplicas("rz00a", "pay", 1)
	s.waitReplicas("rz00b", "pay", 2)
	s.waitRemote("rz00a", 1)
	s.waitRemote("rz00b", 2)

	t.Log("What changes in the member comes back: a pod of one cell fails")
	s.fail("rz00b")
	s.waitRemote("rz00b", 1)
	s.waitRemote("rz00a", 1)

	t.Log("The cell that never was goes again once nothing names it")
	s.must(s.env.Host.Client.Delete(s.ctx, &cellfedv1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Name: "rz09z", Namespace: s.namespace}}))
	s.waitCondition("rz09z", cellfedv1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue)
	s.patch("FederatedDeployment", v2beta1, "pay", `{"spec":{"placement":{"topologies":[{"name":"rz00a"},{"name":"rz00b"}]}}}`)
	s.eventually("the cell to be gone", s.cellGone("rz09z"))
	s.waitRemote("rz00b", 1)
}

// waitRemote waits until the status has the available replicas of the cell.
func (s *tenant) waitRemote(cell string, want int64) {
	s.t.Helper()
	s.eventually("the remote status of "+cell, func(ctx context.Context) error {
		object := federated("FederatedDeployment", v2beta1)
		if err := s.env.Host.Client.Get(ctx, s.key("pay"), object); err != nil {
			return err
		}
		entries, err := statusEntries(object)
		if err != nil {
			return err
		}
		got, found, err := unstructured.NestedInt64(entries[cell], "remoteStatus", "availableReplicas")
		if err != nil {
			return err
		}
		if !found || got != want {
			return fmt.Errorf("status.topologies is %v", entries)
		}
		return nil
	})
}

// fail makes one pod of the cell's Deployment unready. Nothing in the member makes it ready again.
func (s *tenant) fail(cell string) {
	s.t.Helper()
	member, key := s.in(cell, "pay")
	pods := &corev1.PodList{}
	s.must(member.List(s.ctx, pods, client.InNamespace(key.Namespace)))
	if len(pods.Items) == 0 {
		s.t.Fatalf("the cell %s has no pods", cell)
	}
	pod := &pods.Items[0]
	before := pod.DeepCopy()
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == corev1.PodReady {
			pod.Status.Conditions[i].Status = corev1.ConditionFalse
		}
	}
	s.must(member.Status().Patch(s.ctx, pod, client.MergeFrom(before)))
}
