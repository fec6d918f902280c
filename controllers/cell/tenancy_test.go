package cell

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// owned gives a physical cluster to a tenant, and to nobody else.
func (w *world) owned(cluster *kubefedv1beta1.KubeFedCluster, tenant string) {
	w.t.Helper()
	w.update(cluster, func() { cluster.Labels = map[string]string{v1alpha1.TenantLabel: tenant} })
}

func TestClusterOfAnotherTenant(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	n := w.namespace("n", map[string]string{v1alpha1.TenantLabel: "acme"})
	cluster := w.join(n + "-hz")
	w.owned(cluster, "globex")
	w.reportReady(cluster.Name)

	// Nothing is made for a cell on another tenant's cluster, and the condition says the way out, and not whose it is.
	cell := w.cell(n, "a", cluster.Name, n, nil)
	message := w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClusterOfAnotherTenant)
	for _, part := range []string{"spec.clusterName", cluster.Name, `"acme"`, v1alpha1.SharedLabel} {
		if !strings.Contains(message, part) {
			t.Errorf("%q does not say %s", message, part)
		}
	}
	if strings.Contains(message, "globex") {
		t.Errorf("%q tells whose the cluster is", message)
	}
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonClusterOfAnotherTenant)
	w.condition(cell, v1alpha1.ConditionClusterReady, metav1.ConditionFalse, v1alpha1.ReasonClusterOfAnotherTenant)
	if secrets := w.secrets(cell); len(secrets) != 0 {
		t.Errorf("%d tokens were made for it", len(secrets))
	}

	// The cluster's labels change: the cell is judged anew.
	w.owned(cluster, "acme")
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	served := w.generatedCluster(cell, nil)
	w.reportReady(served.Name)
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	// And back: what upstream knows the cell by stays.
	w.owned(cluster, "globex")
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClusterOfAnotherTenant)
	kept := w.generatedCluster(cell, nil)
	if diff := cmp.Diff(served.Spec, kept.Spec); diff != "" || kept.UID != served.UID || len(w.secrets(cell)) != 1 {
		t.Errorf("what the cell had changed: %s", diff)
	}

	// The Namespace's labels change: the cell is judged anew, and what it has follows.
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n}}
	w.update(namespace, func() { namespace.Labels[v1alpha1.TenantLabel] = "globex" })
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	w.generatedCluster(cell, func(c *kubefedv1beta1.KubeFedCluster) error { return has(c.Labels, v1alpha1.TenantLabel, "globex") })
	w.update(namespace, func() { namespace.Labels[v1alpha1.TenantLabel] = "initech" })
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClusterOfAnotherTenant)
	w.generatedCluster(cell, func(c *kubefedv1beta1.KubeFedCluster) error { return has(c.Labels, v1alpha1.TenantLabel, "initech") })

	// The Cell can go, and nobody looks into another tenant's cluster for it.
	w.remove(cell)
	w.gone(cell)
	w.gone(kept)
}

// A place in a tenant's cluster is not lost to who has claimed it first and may not be there.
func TestClaimOfAnotherTenant(t *testing.T) {
	w := start(t)
	intruders, n := w.namespace("a", map[string]string{v1alpha1.TenantLabel: "globex"}), w.namespace("n", map[string]string{v1alpha1.TenantLabel: "acme"})
	name := n + "-hz"
	older := w.cell(intruders, "a", name, n+"-pay", nil)
	w.condition(older, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	w.nextSecond(older)
	cell := w.cell(n, "a", name, n+"-pay", nil)
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonTargetNamespaceConflict)

	cluster := w.join(name)
	w.owned(cluster, "acme")
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	w.condition(older, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonClusterOfAnotherTenant)

	// The older one's Namespace becomes the tenant's: it is the older one's place again.
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: intruders}}
	w.update(namespace, func() { namespace.Labels[v1alpha1.TenantLabel] = "acme" })
	w.condition(older, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonTargetNamespaceConflict)
}

func TestTargetOfAnotherTenant(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	n := w.namespace("n", map[string]string{v1alpha1.TenantLabel: "acme"})
	cluster := w.join(n + "-hz")
	w.reportReady(cluster.Name)

	// Nothing is made for a cell in what may be anybody's namespace of a shared cluster, and the condition says the way out.
	target := n[:len(n)-1] + "-pay"
	cell := w.cell(n, "a", cluster.Name, target, nil)
	message := w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTargetOfAnotherTenant)
	for _, part := range []string{"spec.targetNamespace", cluster.Name, target, n + "-"} {
		if !strings.Contains(message, part) {
			t.Errorf("%q does not say %s", message, part)
		}
	}
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonTargetOfAnotherTenant)
	w.condition(cell, v1alpha1.ConditionClusterReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if secrets := w.secrets(cell); len(secrets) != 0 {
		t.Errorf("%d tokens were made for it", len(secrets))
	}

	// The cluster becomes the tenant's alone: the cell is judged anew.
	w.owned(cluster, "acme")
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	served := w.generatedCluster(cell, nil)
	w.reportReady(served.Name)
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	// A Namespace of that name comes to another tenant: what upstream knows the cell by stays, and whose it is, is not told.
	namesake := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: target, Labels: map[string]string{v1alpha1.TenantLabel: "globex"}}}
	w.create(namesake)
	message = w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTargetOfAnotherTenant)
	if strings.Contains(message, "globex") {
		t.Errorf("%q tells whose the Namespace is", message)
	}
	kept := w.generatedCluster(cell, nil)
	if diff := cmp.Diff(served.Spec, kept.Spec); diff != "" || kept.UID != served.UID || len(w.secrets(cell)) != 1 {
		t.Errorf("what the cell had changed: %s", diff)
	}
	w.update(namesake, func() { namesake.Labels[v1alpha1.TenantLabel] = "acme" })
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.update(namesake, func() { namesake.Labels[v1alpha1.TenantLabel] = "globex" })
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTargetOfAnotherTenant)

	// The Cell can go, and nobody looks into the other's namespace for it.
	w.remove(cell)
	w.gone(cell)
	w.gone(kept)
}

// A place in a shared cluster is not lost to who has claimed it first without a right to it.
func TestClaimOfAnothersTarget(t *testing.T) {
	w := start(t)
	intruders, n := w.namespace("a", map[string]string{v1alpha1.TenantLabel: "globex"}), w.namespace("n", map[string]string{v1alpha1.TenantLabel: "acme"})
	cluster := w.join(n + "-hz")
	older := w.cell(intruders, "a", cluster.Name, n+"-pay", nil)
	w.condition(older, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonTargetOfAnotherTenant)
	w.nextSecond(older)
	cell := w.cell(n, "a", cluster.Name, n+"-pay", nil)
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)

	// The intruder's own cluster, as it turns out: there the older has the place.
	w.owned(cluster, "globex")
	w.condition(older, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonClusterOfAnotherTenant)
}
