package cell

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestNameConflict(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	// It carries some of the labels, as one would that an admin wants to be selected like a cell.
	theirs := w.join(n + ".a")
	w.update(theirs, func() { theirs.Labels = map[string]string{v1alpha1.NamespaceLabel: n, v1alpha1.CellLabel: "a"} })
	before := theirs.ResourceVersion

	cell := w.cell(n, "a", "hz-a", "", nil)
	message := w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonNameConflict)
	for _, part := range []string{theirs.Name, kubefed, "remove it"} {
		if !strings.Contains(message, part) {
			t.Errorf("%q does not say %q", message, part)
		}
	}
	w.get(cell)
	if cell.Status.KubeFedClusterName != "" {
		t.Errorf("status.kubeFedClusterName is %q", cell.Status.KubeFedClusterName)
	}
	if secrets := w.secrets(cell); len(secrets) != 0 {
		t.Errorf("%d tokens were made for it", len(secrets))
	}
	w.get(theirs)
	if theirs.ResourceVersion != before {
		t.Errorf("it was written: %+v", theirs)
	}

	// It goes: the cell gets one.
	w.remove(theirs)
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)

	// A Cell whose name is held by somebody can go, and that stays.
	theirs = w.join(n + ".b")
	other := w.cell(n, "b", "hz-a", "elsewhere", nil)
	w.condition(other, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonNameConflict)
	before = theirs.ResourceVersion
	w.remove(other)
	w.gone(other)
	w.get(theirs)
	if theirs.ResourceVersion != before || theirs.DeletionTimestamp != nil {
		t.Errorf("it was written: %+v", theirs)
	}
}

func TestClusterIsCell(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	first := w.cell(n, "a", "hz-a", "", nil)
	w.generatedCluster(first, nil)
	second := w.cell(n, "b", n+".a", "", nil)
	w.condition(second, v1alpha1.ConditionClusterReady, metav1.ConditionFalse, v1alpha1.ReasonClusterIsCell)
	itself := w.cell(n, "c", n+".c", "", nil)
	w.condition(itself, v1alpha1.ConditionClusterReady, metav1.ConditionFalse, v1alpha1.ReasonClusterIsCell)
	for _, cell := range []*v1alpha1.Cell{second, itself} {
		w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonClusterIsCell)
		if secrets := w.secrets(cell); len(secrets) != 0 {
			t.Errorf("%d tokens were made for %s", len(secrets), cell.Name)
		}
	}
}

func TestTargetNamespaceConflict(t *testing.T) {
	w := start(t)
	n, m := w.namespace("n", nil), w.namespace("m", nil)
	older := w.cell(n, "a", "hz-a", "shared", nil)
	w.condition(older, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	// Ages are in seconds; of the same age the namespace m sorts before n.
	w.nextSecond(older)
	younger := w.cell(m, "b", "hz-a", "shared", nil)
	message := w.condition(younger, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTargetNamespaceConflict)
	for _, part := range []string{"another namespace", `"shared"`, `"hz-a"`} {
		if !strings.Contains(message, part) {
			t.Errorf("%q does not say %s", message, part)
		}
	}
	if strings.Contains(message, n) {
		t.Errorf("%q names what may be another tenant's", message)
	}
	if secrets := w.secrets(younger); len(secrets) != 0 {
		t.Errorf("%d tokens were made for the younger one", len(secrets))
	}
	w.condition(older, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)

	// The older one moves away: the younger one gets the place.
	w.update(older, func() { older.Spec.ClusterName = "hz-b" })
	w.condition(younger, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	served := w.generatedCluster(younger, func(c *kubefedv1beta1.KubeFedCluster) error { return has(c.Labels, v1alpha1.ClusterLabel, "hz-a") })

	// It comes back: it is older, and what the younger one has stays as it is.
	w.update(older, func() { older.Spec.ClusterName = "hz-a" })
	w.condition(younger, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTargetNamespaceConflict)
	w.condition(older, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	kept := w.generatedCluster(younger, nil)
	if kept.UID != served.UID || kept.ResourceVersion != served.ResourceVersion || len(w.secrets(younger)) != 1 {
		t.Errorf("what the younger one had changed:\n%s", cmp.Diff(served, kept))
	}

	// The older one goes.
	w.remove(older)
	w.gone(older)
	w.condition(younger, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
}

// nextSecond waits until an object that is created now is younger than this one.
func (w *world) nextSecond(than client.Object) {
	w.t.Helper()
	created := than.GetCreationTimestamp()
	w.eventually("the next second", func() error {
		probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "probe-", Namespace: kubefed}}
		if err := w.c.Create(w.ctx, probe); err != nil {
			return err
		}
		if !created.Before(&probe.CreationTimestamp) {
			return errors.New("it is the same second")
		}
		return nil
	})
}
