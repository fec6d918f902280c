package cell

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

func TestRestart(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	n := w.namespace("n", map[string]string{v1alpha1.TenantLabel: "acme"})
	ready := w.ready(n, "a")
	// Every state that a Cell can stay in, and one that waits to be deleted.
	w.cell(n, "absent", "nowhere", "x", nil)
	loser := w.cell(n, "loser", ready.Spec.ClusterName, n, nil)
	w.condition(loser, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonTargetNamespaceConflict)
	w.federate("configmaps", "ConfigMap", "Namespaced", true)
	w.create(federatedObject("FederatedConfigMap", n, "cfg", `{"placement":{"clusters":[{"name":"`+n+`.absent"}]}}`))
	absent := &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: n, Name: "absent"}}
	w.condition(absent, v1alpha1.ConditionNamespaceFederated, metav1.ConditionTrue, v1alpha1.ReasonNamespacePlaced)
	w.remove(absent)
	w.condition(absent, v1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue, v1alpha1.ReasonPlaced)
	w.stop()

	mark, err := host.Mark()
	if err != nil {
		t.Fatal(err)
	}
	w.logs = &logs{}
	w.run()
	for _, cell := range []*v1alpha1.Cell{ready, loser, absent} {
		w.reconciled(cell)
	}
	// Once the placements are read as well, and all that came of it is done.
	w.settle(ready)
	w.reconciled(ready)
	writes, err := host.Writes(mark, func(write framework.Write) bool {
		return write.Agent == managerAgent
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(writes) != 1 {
		t.Errorf("%d writes after a restart, want the one label:", len(writes))
		for _, write := range writes {
			t.Log(write)
		}
	}
}

// reconciled waits until the controller has had a look at the Cell and was content.
func (w *world) reconciled(cell *v1alpha1.Cell) {
	w.t.Helper()
	name := fmt.Sprintf(`"name"=%q`, cell.Name)
	w.eventually("a look at "+cell.Name, func() error {
		for line := range strings.Lines(w.logs.String()) {
			if strings.Contains(line, name) && (strings.Contains(line, "Reconcile successful") || strings.Contains(line, "Reconcile done")) {
				return nil
			}
		}
		return errors.New("there was none")
	})
}

func TestQuiet(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	n := w.namespace("n", nil)
	cell := w.ready(n, "a")
	// What follows the Cell's status in its watch is seen after it: from now on the controller knows what it has written.
	w.update(cell, func() { cell.Labels["city"] = "seen" })
	w.generatedCluster(cell, func(c *kubefedv1beta1.KubeFedCluster) error { return has(c.Labels, "city", "seen") })
	mark, err := host.Mark()
	if err != nil {
		t.Fatal(err)
	}
	// Upstream probes every few seconds.
	for range 5 {
		w.reportReady(cell.Spec.ClusterName, n+".a")
	}
	w.update(cell, func() { cell.Labels["city"] = "x" })
	w.generatedCluster(cell, func(c *kubefedv1beta1.KubeFedCluster) error { return has(c.Labels, "city", "x") })
	writes, err := host.Writes(mark, func(write framework.Write) bool { return write.Agent == managerAgent })
	if err != nil {
		t.Fatal(err)
	}
	if len(writes) != 1 {
		t.Errorf("%d writes, want the one label: %v", len(writes), writes)
	}
}
