package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// TestCellDeletedWhilePlaced deletes a Cell that a federated object still names: it waits, says for what, and goes
// when nothing is placed on it any more.
func TestCellDeletedWhilePlaced(t *testing.T) {
	s := newTenant(t, environment(t), "cell-deletion")
	s.cell("rz00a", hangzhou, "cell-deletion-a", nil)
	s.cell("rz00b", hangzhou, "cell-deletion-b", nil)
	s.waitReady()
	s.create(`
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: settings}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}, {name: rz00b}]}
  template:
    data: {level: info}
`)
	data := map[string]string{"level": "info"}
	s.waitData("rz00a", "settings", data)
	s.waitData("rz00b", "settings", data)

	before := s.mark()
	cell := &cellfedv1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Name: "rz00a", Namespace: s.namespace}}
	s.must(s.env.Host.Client.Delete(s.ctx, cell))
	blocked := s.waitCondition("rz00a", cellfedv1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue)
	if !strings.Contains(blocked.Message, "settings") || !strings.Contains(blocked.Message, "FederatedConfigMap") {
		t.Errorf("the cell does not say which object holds it: %s (%s)", blocked.Message, blocked.Reason)
	}
	s.waitData("rz00a", "settings", data)
	s.wantNoWrites(before, "while a Cell waits for its deletion")

	s.patch("FederatedConfigMap", v2beta1, "settings", `{"spec":{"placement":{"topologies":[{"name":"rz00b"}]}}}`)
	s.waitGone("rz00a", "settings")
	s.eventually("the Cell and what was generated for it to be gone", s.cellGone("rz00a"))
	s.waitData("rz00b", "settings", data)
	if writes := s.writes(before, hangzhou, "cell-deletion-b"); len(writes) > 0 {
		t.Errorf("the deletion of a cell made writes to its neighbor:\n%s", lines(writes))
	}
}

// cellGone is a condition that holds when the Cell, its KubeFedCluster and its Secrets are gone.
func (s *tenant) cellGone(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := gone(s.env.Host.Client.Get(ctx, s.key(name), &cellfedv1alpha1.Cell{})); err != nil {
			return fmt.Errorf("the Cell: %w", err)
		}
		key := client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: s.namespace + "." + name}
		if err := gone(s.env.Host.Client.Get(ctx, key, &kubefedv1beta1.KubeFedCluster{})); err != nil {
			return fmt.Errorf("the KubeFedCluster: %w", err)
		}
		secrets := &corev1.SecretList{}
		err := s.env.Host.Client.List(ctx, secrets, client.InNamespace(framework.KubeFedNamespace), client.MatchingLabels{
			cellfedv1alpha1.NamespaceLabel: s.namespace, cellfedv1alpha1.CellLabel: name,
		})
		if err != nil {
			return err
		}
		if len(secrets.Items) > 0 {
			return fmt.Errorf("%d Secrets are there", len(secrets.Items))
		}
		return nil
	}
}
