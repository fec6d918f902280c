package cell

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// federatedNamespace waits until the namespace's FederatedNamespace satisfies the check, and returns it.
func (w *world) federatedNamespace(n string, check func(*unstructured.Unstructured) error) *unstructured.Unstructured {
	w.t.Helper()
	object := federatedObject("FederatedNamespace", n, n, "{}")
	w.eventually("the FederatedNamespace of "+n, func() error {
		if err := w.c.Get(w.ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		if check == nil {
			return nil
		}
		return check(object)
	})
	return object
}

// placed is the spec of a FederatedNamespace that cellfed makes.
func placed(n string, typed bool) func(*unstructured.Unstructured) error {
	want := map[string]any{
		"placement": map[string]any{"clusterSelector": map[string]any{"matchLabels": map[string]any{
			"cellfed.io/namespace": n, "cellfed.io/topology-type": "cell",
		}}},
		"template": map[string]any{},
	}
	if typed {
		want["topologyType"] = "cell"
	}
	return func(object *unstructured.Unstructured) error {
		if diff := cmp.Diff(want, object.Object["spec"]); diff != "" {
			return errors.New(diff)
		}
		return has(object.GetLabels(), "cellfed.io/generated", "true")
	}
}

func TestFederatedNamespace(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	n := w.namespace("n", nil)
	cells := []*v1alpha1.Cell{w.cell(n, "a", "hz-a", "a", nil), w.cell(n, "b", "hz-b", "b", nil)}
	for _, cell := range cells {
		w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionTrue, v1alpha1.ReasonNamespacePlaced)
	}
	made := w.federatedNamespace(n, placed(n, true))

	// Drift is reverted.
	w.update(made, func() {
		_ = unstructured.SetNestedField(made.Object, "x", "spec", "placement", "clusterSelector", "matchLabels", "city")
		unstructured.RemoveNestedField(made.Object, "spec", "topologyType")
	})
	w.federatedNamespace(n, placed(n, true))

	// What somebody adds is theirs, and is named where it is in the way.
	w.update(made, func() { _ = unstructured.SetNestedSlice(made.Object, []any{}, "spec", "placement", "clusters") })
	message := w.condition(cells[0], v1alpha1.ConditionNamespaceFederated, metav1.ConditionFalse, v1alpha1.ReasonNamespaceNotPlaced)
	if !strings.Contains(message, "remove spec.placement.clusters") {
		t.Errorf("%q does not say what to do", message)
	}
	w.update(made, func() { unstructured.RemoveNestedField(made.Object, "spec", "placement", "clusters") })
	w.condition(cells[0], v1alpha1.ConditionNamespaceFederated, metav1.ConditionTrue, v1alpha1.ReasonNamespacePlaced)

	// Whoever deletes it gets it back, as long as there are cells.
	uid := w.federatedNamespace(n, nil).GetUID()
	w.remove(made)
	w.federatedNamespace(n, func(u *unstructured.Unstructured) error {
		if u.GetUID() == uid {
			return errors.New("it is not a new one")
		}
		return placed(n, true)(u)
	})

	// It outlives the last cell: its deletion would delete the namespace in every member.
	for _, cell := range cells {
		w.remove(cell)
		w.gone(cell)
	}
	if left := w.federatedNamespace(n, nil); left.GetDeletionTimestamp() != nil {
		t.Error("it is being deleted")
	}
}

func TestFederatedNamespaceOfAUser(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	for name, tc := range map[string]struct {
		reason string
		spec   string
		placed bool
		says   string
	}{
		"named":       {"by the name of the KubeFedCluster", `{"placement":{"clusters":[{"name":"x"},{"name":"N.a"}]}}`, true, ""},
		"selected":    {"by its labels", `{"placement":{"clusterSelector":{"matchLabels":{"city":"hangzhou"}}}}`, true, ""},
		"everything":  {"by a selector that selects every cluster", `{"placement":{"clusterSelector":{}}}`, true, ""},
		"cells":       {"cells are named in v2beta1", `{"topologyType":"cell","placement":{"clusters":[{"name":"N.b"}]}}`, false, `add "a" to spec.placement.topologies (v2beta1)`},
		"clusters":    {"the user of plain KubeFed names clusters", `{"placement":{"clusters":[{"name":"hz-a"}]}}`, false, `add the cluster "N.a"`},
		"unplaced":    {"nothing is placed", `{"placement":{}}`, false, `add the cluster "N.a"`},
		"othercity":   {"by labels that the cell does not have", `{"placement":{"clusterSelector":{"matchLabels":{"city":"shanghai"}}}}`, false, `add the cluster "N.a"`},
		"emptylist":   {"an empty list puts the selector out of force", `{"placement":{"clusters":[],"clusterSelector":{}}}`, false, `add the cluster "N.a"`},
		"nonsensical": {"a selector that upstream cannot make sense of", `{"placement":{"clusterSelector":{"matchExpressions":[{"key":"a","operator":"Foo"}]}}}`, false, `add the cluster "N.a"`},
	} {
		t.Run(name, func(t *testing.T) {
			n := w.namespace(name, nil)
			theirs := federatedObject("FederatedNamespace", n, n, strings.ReplaceAll(tc.spec, "N.", n+"."))
			w.create(theirs)
			cell := w.cell(n, "a", "hz-a", "", map[string]string{"city": "hangzhou"})
			status, reason := metav1.ConditionFalse, v1alpha1.ReasonNamespaceNotPlaced
			if tc.placed {
				status, reason = metav1.ConditionTrue, v1alpha1.ReasonNamespacePlaced
			}
			message := w.condition(cell, v1alpha1.ConditionNamespaceFederated, status, reason)
			if want := strings.ReplaceAll(tc.says, "N.", n+"."); !strings.Contains(message, want) {
				t.Errorf("%s: %q does not say %q", tc.reason, message, want)
			}
			before := theirs.GetResourceVersion()
			w.get(theirs)
			if theirs.GetResourceVersion() != before {
				t.Errorf("%s: it was written: %v", tc.reason, theirs)
			}
		})
	}
}

func TestNamespacesNotFederated(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	cell := w.cell(n, "a", "hz-a", "", nil)
	message := w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionFalse, v1alpha1.ReasonNamespacesNotFederated)
	if !strings.Contains(message, "kubefedctl enable namespaces") {
		t.Errorf("%q does not say what to do", message)
	}
	// A FederatedTypeConfig without a CRD is not enough.
	config := w.createConfig("namespaces", "Namespace", "Cluster")
	w.settle(cell)
	w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionFalse, v1alpha1.ReasonNamespacesNotFederated)

	// A CRD that does not declare the type: it is dropped, and written again when the CRD declares it.
	w.createCRD("namespaces", "Namespace", false)
	w.federatedNamespace(n, placed(n, false))
	w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionTrue, v1alpha1.ReasonNamespacePlaced)
	w.createCRD("namespaces", "Namespace", true)
	w.federatedNamespace(n, placed(n, true))

	w.update(config, func() { config.Spec.Propagation = kubefedv1beta1.PropagationDisabled })
	message = w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionFalse, v1alpha1.ReasonNamespacesNotFederated)
	if !strings.Contains(message, "Disabled") {
		t.Errorf("%q does not say what is wrong", message)
	}
	w.update(config, func() { config.Spec.Propagation = kubefedv1beta1.PropagationEnabled })
	w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionTrue, v1alpha1.ReasonNamespacePlaced)

	// The CRD vanishes, and comes again.
	crd := federatedCRD("namespaces", "Namespace", true)
	w.remove(crd)
	w.gone(crd)
	w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionFalse, v1alpha1.ReasonNamespacesNotFederated)
	w.createCRD("namespaces", "Namespace", true)
	w.federatedNamespace(n, placed(n, true))
	w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionTrue, v1alpha1.ReasonNamespacePlaced)
}

// A namespace that is being deleted takes no new FederatedNamespace, and its cells do not fail for that.
func TestNamespaceTerminating(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	cell := w.cell(n, "a", "hz-a", "", nil)
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	namespace := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	namespace.SetName(n)
	// Without a namespace controller it stays as it is from now on.
	w.remove(namespace)
	w.federateNamespaces()
	w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionFalse, v1alpha1.ReasonNamespaceNotPlaced)
	w.settle(cell)
	if log := w.logs.String(); strings.Contains(log, "create FederatedNamespace") {
		t.Error("somebody tried to create a FederatedNamespace")
	}
	w.remove(cell)
	w.gone(cell)
}
