package cell

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// blocked waits until the Cell's deletion waits for what the message is to name.
func (w *world) blocked(cell *v1alpha1.Cell, parts ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the deletion of %s to wait for %q", cell.Name, parts), func() error {
		now := &v1alpha1.Cell{}
		if err := w.c.Get(w.ctx, client.ObjectKeyFromObject(cell), now); err != nil {
			return err
		}
		blocked, ready := find(now.Status.Conditions, v1alpha1.ConditionDeletionBlocked), find(now.Status.Conditions, v1alpha1.ConditionReady)
		if blocked == nil || blocked.Status != metav1.ConditionTrue || blocked.Reason != string(v1alpha1.ReasonPlaced) {
			return fmt.Errorf("condition %+v", blocked)
		}
		if ready.Status != metav1.ConditionFalse || ready.Reason != string(v1alpha1.ReasonTerminating) {
			return fmt.Errorf("condition %+v", ready)
		}
		for _, part := range parts {
			if !strings.Contains(blocked.Message, part) {
				return fmt.Errorf("message %q", blocked.Message)
			}
		}
		return nil
	})
}

func TestDeletionWaits(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	w.federate("configmaps", "ConfigMap", "Namespaced", true)
	w.federate("secrets", "Secret", "Namespaced", false)
	n, other := w.namespace("n", nil), w.namespace("other", nil)
	cell := w.ready(n, "a")
	unplaced := w.ready(n, "b")
	name := n + ".a"

	byName := federatedObject("FederatedConfigMap", n, "cfg", `{"topologyType":"cell","placement":{"clusters":[{"name":"`+name+`"}]}}`)
	byLabel := federatedObject("FederatedSecret", n, "key", `{"placement":{"clusterSelector":{"matchLabels":{"city":"hangzhou"}}}}`)
	w.create(byName)
	w.create(byLabel)
	w.create(federatedObject("FederatedConfigMap", other, "cfg", `{"placement":{"clusterSelector":{}}}`))
	w.propagate(byName, name)
	w.propagate(byLabel, name, n+".b")

	w.remove(cell)
	w.blocked(cell, `FederatedConfigMap "cfg" (names it`, `FederatedSecret "key" (selects it: change the selector, or the labels of the Cell)`)
	w.expectEvents(cell, "DeletionBlocked")
	cluster := w.generatedCluster(cell, nil)
	if cluster.DeletionTimestamp != nil || len(w.secrets(cell)) != 1 {
		t.Error("what upstream needs to take the objects away is gone")
	}

	// While it waits it is kept up: its labels follow, so that a selector can let it go.
	w.update(cell, func() { cell.Labels = nil })
	w.generatedCluster(cell, func(c *kubefedv1beta1.KubeFedCluster) error {
		if _, ok := c.Labels["city"]; ok {
			return errors.New("it still has the label")
		}
		return nil
	})
	w.blocked(cell, `FederatedSecret "key" (still there`)
	w.propagate(byLabel, n+".b")

	w.update(byName, func() { _ = unstructured.SetNestedSlice(byName.Object, []any{}, "spec", "placement", "clusters") })
	w.blocked(cell, `FederatedConfigMap "cfg" (still there`)
	w.update(byName, func() { _ = unstructured.SetNestedField(byName.Object, "x", "spec", "template", "x") })
	w.propagate(byName)

	w.gone(cell)
	w.gone(cluster)
	if secrets := w.secrets(cell); len(secrets) != 0 {
		t.Errorf("%d tokens outlive the Cell", len(secrets))
	}
	w.condition(unplaced, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	// The other cell's object goes while it is deleted; upstream keeps it until it has removed it.
	w.update(byLabel, func() { byLabel.SetFinalizers([]string{syncFinalizer}) })
	w.remove(byLabel)
	w.remove(unplaced)
	w.blocked(unplaced, `FederatedSecret "key" (is being deleted)`)
	w.update(byLabel, func() { byLabel.SetFinalizers(nil) })
	w.gone(unplaced)
}

func TestDeletionUnobserved(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	w.federate("configmaps", "ConfigMap", "Namespaced", true)
	n := w.namespace("n", nil)
	cell := w.ready(n, "a")
	object := federatedObject("FederatedConfigMap", n, "cfg", `{"placement":{"clusters":[{"name":"`+n+`.a"}]}}`)
	w.create(object)
	w.update(object, func() { _ = unstructured.SetNestedSlice(object.Object, []any{}, "spec", "placement", "clusters") })
	w.remove(cell)
	w.blocked(cell, `FederatedConfigMap "cfg" (changed`)
	w.propagate(object)
	w.gone(cell)
}

// Nobody has read the objects of a type since it came, and the Cell goes in the same moment: they count all the same.
func TestDeletionOfAPlacementJustWritten(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	w.createCRD("configmaps", "ConfigMap", true)
	object := federatedObject("FederatedConfigMap", n, "cfg", `{"placement":{"clusters":[{"name":"`+n+`.a"}]}}`)
	cell := w.cell(n, "a", "hz-a", "", nil)
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	w.create(object)
	w.createConfig("configmaps", "ConfigMap", "Namespaced")
	w.remove(cell)
	w.blocked(cell, `FederatedConfigMap "cfg" (names it`)

	// The type goes, with all its objects.
	crd := federatedCRD("configmaps", "ConfigMap", true)
	w.remove(crd)
	w.gone(cell)
}

// A federated type that is broken holds up no other: its FederatedTypeConfig names no CRD, or one that comes later.
func TestTypesComeAndGo(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	w.createConfig("widgets", "Widget", "Namespaced")
	w.federate("configmaps", "ConfigMap", "Namespaced", true)
	config := w.createConfig("secrets", "Secret", "Namespaced")
	w.create(federatedObject("FederatedConfigMap", n, "cfg", `{"placement":{"clusters":[{"name":"`+n+`.a"}]}}`))
	cell := w.cell(n, "a", "hz-a", "", nil)
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	w.remove(cell)
	w.blocked(cell, "FederatedConfigMap")

	w.createCRD("secrets", "Secret", true)
	secret := federatedObject("FederatedSecret", n, "key", `{"placement":{"clusters":[{"name":"`+n+`.a"}]}}`)
	w.create(secret)
	w.blocked(cell, "FederatedConfigMap", "FederatedSecret")

	// Upstream gives a type up: its objects are not federated any more.
	w.remove(config)
	w.eventually("FederatedSecret to be forgotten", func() error {
		w.get(cell)
		if c := find(cell.Status.Conditions, v1alpha1.ConditionDeletionBlocked); c == nil || strings.Contains(c.Message, "FederatedSecret") {
			return fmt.Errorf("condition %+v", c)
		}
		return nil
	})
	crd := federatedCRD("configmaps", "ConfigMap", true)
	w.remove(crd)
	w.gone(cell)
}

// A CRD that is deleted and made again has other objects.
func TestTypeMadeAgain(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	w.federate("configmaps", "ConfigMap", "Namespaced", true)
	cell := w.cell(n, "a", "hz-a", "", nil)
	w.create(federatedObject("FederatedConfigMap", n, "one", `{"placement":{"clusters":[{"name":"`+n+`.b"}]}}`))
	crd := federatedCRD("configmaps", "ConfigMap", true)
	w.remove(crd)
	w.gone(crd)
	w.createCRD("configmaps", "ConfigMap", true)
	w.create(federatedObject("FederatedConfigMap", n, "two", `{"placement":{"clusters":[{"name":"`+n+`.a"}]}}`))
	w.remove(cell)
	w.blocked(cell, `"two"`)
	w.remove(federatedObject("FederatedConfigMap", n, "two", "{}"))
	w.gone(cell)
}

func TestDeletionKeptByAFinalizer(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	cell := w.cell(n, "a", "hz-a", "", nil)
	cluster := w.generatedCluster(cell, nil)
	w.update(cluster, func() { cluster.Finalizers = []string{"example.com/keep"} })
	w.remove(cell)
	message := w.condition(cell, v1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue, v1alpha1.ReasonFinalizersPending)
	if !strings.Contains(message, cluster.Name) || !strings.Contains(message, "example.com/keep") {
		t.Errorf("%q does not say what keeps it", message)
	}
	if len(w.secrets(cell)) != 1 {
		t.Error("the token is revoked while upstream may still use it")
	}
	w.update(cluster, func() { cluster.Finalizers = nil })
	w.gone(cell)
}

// A member that is dead for good holds up neither its own cell, once nothing places it, nor any other.
func TestDeletionOfADeadCell(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	w.federate("configmaps", "ConfigMap", "Namespaced", true)
	n := w.namespace("n", nil)
	dead, alive := w.ready(n, "dead"), w.ready(n, "alive")
	object := federatedObject("FederatedConfigMap", n, "cfg", `{"placement":{"clusters":[{"name":"`+n+`.dead"}]}}`)
	object.SetFinalizers([]string{syncFinalizer})
	w.create(object)
	w.propagate(object, n+".dead")
	w.report(n+".dead", "Offline", "True")
	// Upstream cannot finish this.
	w.remove(object)

	w.remove(alive)
	w.gone(alive)
	w.remove(dead)
	w.blocked(dead, `FederatedConfigMap "cfg" (is being deleted)`)
	w.update(object, func() { object.SetFinalizers(nil) })
	w.gone(dead)
}

// A Cell whose finalizer somebody took is gone without leave: what was generated for it goes too.
func TestOrphans(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	cell := w.cell(n, "a", "hz-a", "", nil)
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	cluster := w.generatedCluster(cell, nil)
	w.stop()
	w.update(cell, func() { cell.Finalizers = nil })
	w.remove(cell)
	theirs := w.join(n + ".b")
	w.run()
	w.gone(cluster)
	w.eventually("the end of its tokens", func() error {
		if secrets := w.secrets(cell); len(secrets) != 0 {
			return fmt.Errorf("%d are left", len(secrets))
		}
		return nil
	})
	w.get(theirs)
}

// Somebody registers a cluster of the cell's name between the moment at which the controller sees none and the one at
// which it writes.
func TestCreateRace(t *testing.T) {
	w := start(t)
	w.stop()
	n := w.namespace("n", nil)
	cell := w.cell(n, "a", "hz-a", "", nil)
	w.get(cell)
	r := &Reconciler{client: w.c, live: w.c}
	f := &facts{cell: cell, settings: settings{kubeFedNamespace: kubefed, facadeURL: facadeURL, caBundle: []byte("CA")}}
	var told []occurrence
	tell := func(o occurrence) { told = append(told, o) }

	theirs := w.join(n + ".a")
	before := theirs.DeepCopy()
	err := r.applyCluster(w.ctx, f, plan{cluster: clusterCreate, tokens: tokenPlan{use: "t"}}, tell)
	if !outdated(err) {
		t.Errorf("create over it: %v", err)
	}
	// The same with one that was ours and has been replaced since it was judged.
	f.own = &kubefedv1beta1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: theirs.Name, UID: "another"}}
	if err := r.applyCluster(w.ctx, f, plan{cluster: clusterApply, tokens: tokenPlan{use: "t"}}, tell); !outdated(err) {
		t.Errorf("apply over it: %v", err)
	}
	if err := r.applyCluster(w.ctx, f, plan{cluster: clusterDelete}, tell); !outdated(err) {
		t.Errorf("delete it: %v", err)
	}
	w.remove(theirs)
	if err := r.applyCluster(w.ctx, f, plan{cluster: clusterApply, tokens: tokenPlan{use: "t"}}, tell); !outdated(err) {
		t.Errorf("apply where it has gone: %v", err)
	}
	theirs = before
	theirs.ResourceVersion = ""
	if err := w.c.Get(w.ctx, client.ObjectKeyFromObject(theirs), theirs); err == nil {
		t.Errorf("something was made: %+v", theirs)
	}
	if len(told) != 0 {
		t.Errorf("it told of %v", told)
	}
}

// Types whose objects the controller may not read could place the Cell.
func TestDeletionUnreadable(t *testing.T) {
	w := start(t)
	w.stop()
	n := w.namespace("n", nil)
	w.federate("configmaps", "ConfigMap", "Namespaced", true)
	w.create(federatedObject("FederatedConfigMap", n, "cfg", `{"placement":{"clusters":[{"name":"`+n+`.a"}]}}`))
	w.user = blindUser
	w.run()
	cell := w.cell(n, "a", "hz-a", "", nil)
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	w.remove(cell)
	message := w.condition(cell, v1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue, v1alpha1.ReasonUnreadable)
	if !strings.Contains(message, "FederatedConfigMap (cannot be read)") {
		t.Errorf("%q does not say what cannot be read", message)
	}
	w.generatedCluster(cell, nil)

	w.stop()
	w.user = managerUser
	w.run()
	w.blocked(cell, `FederatedConfigMap "cfg" (names it`)
}
