package mutating_test

import (
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// testFederated writes a federated object in every way that there is.
func testFederated(f *fixture) {
	const path = "/validate-federated "
	thing := f.thing("acme-prod", "a", "v2beta1", map[string]string{"cellfed.io/tenant": "evil", "team": "x"})
	f.must(f.client.Create(f.Context(), thing))
	labels := map[string]string{"cellfed.io/tenant": "acme", "cellfed.io/workspace-group": "prod", "team": "x"}
	f.wantLabels(thing, labels)
	if diff := cmp.Diff([]string{"kubefed.io/sync-controller"}, thing.GetFinalizers()); diff != "" {
		f.Errorf("finalizers: -want +got:\n%s", diff)
	}
	if thing.GetGeneration() != 1 {
		f.Errorf("generation %d, want 1: it was stored once", thing.GetGeneration())
	}
	f.wantAsked("a creation", path+"CREATE a")

	f.patch(thing, `{"metadata":{"finalizers":["kubefed.io/sync-controller","a/b"]}}`)
	f.patch(thing, `{"metadata":{"annotations":{"a":"b"}}}`)
	f.patch(thing, `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"a","uid":"u"}]}}`)
	f.must(f.client.Status().Patch(f.Context(), thing, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"a":"b"}}`))))
	f.must(f.client.Update(f.Context(), thing))
	f.wantAsked("what nobody decides about")

	f.patch(thing, `{"metadata":{"labels":{"cellfed.io/tenant":null,"cellfed.io/workspace-group":"evil"}}}`)
	f.wantLabels(thing, labels)
	f.wantAsked("forged labels, of which nothing is left")
	f.patch(thing, `{"metadata":{"labels":null}}`)
	f.wantLabels(thing, acmeLabels)
	f.wantAsked("labels that are gone", path+"UPDATE a")

	f.patch(thing, `{"spec":{"template":{"n":3,"metadata":{"labels":{"version":"1"}}}}}`)
	f.wantAsked("labels of the template", path+"UPDATE a")
	f.patch(thing, `{"spec":{"template":{"n":4,"metadata":{"labels":{"version":"2"}}}}}`)
	f.wantAsked("a release")

	f.patch(thing, `{"spec":{"placementMask":{"topologies":[{"name":"rz00a"}]}}}`)
	thing.Object["spec"] = map[string]any{"template": map[string]any{"n": int64(2)}}
	f.must(f.client.Update(f.Context(), thing))
	kept, _, _ := unstructured.NestedFieldCopy(thing.Object, "spec", "placementMask")
	if diff := cmp.Diff(map[string]any{"topologies": []any{map[string]any{"name": "rz00a"}}}, kept); diff != "" {
		f.Errorf("the mask that was kept: -want +got:\n%s", diff)
	}
	delete(thing.Object, "spec")
	f.must(f.client.Update(f.Context(), thing))
	f.wantAsked("specs", path+"UPDATE a", path+"UPDATE a", path+"UPDATE a")

	f.patch(thing, `{"metadata":{"finalizers":null}}`)
	f.must(f.client.Delete(f.Context(), thing))
	f.wantAsked("a deletion that there is nothing to say of")
	for name, odd := range map[string]map[string]any{
		"masked":   {"spec": map[string]any{"placementMask": map[string]any{"topologies": []any{}}}},
		"optioned": {"metadata": map[string]any{"annotations": map[string]any{"kubefed.io/deleteoption": "{}"}}},
	} {
		thing := f.thing("nobodys", name, "v2beta1", nil)
		for _, path := range [][]string{{"spec"}, {"metadata", "annotations"}} {
			if value, ok, _ := unstructured.NestedMap(odd, path...); ok {
				f.must(unstructured.SetNestedMap(thing.Object, value, path...))
			}
		}
		f.must(f.client.Create(f.Context(), thing))
		f.patch(thing, `{"metadata":{"finalizers":null}}`)
		f.notes.take()
		f.must(f.client.Delete(f.Context(), thing))
		f.wantAsked("a deletion that there may be something to say of", path+"DELETE "+name)
	}
}

// testVersions has both versions asked for, applies included, and a namespace of nobody's.
func testVersions(f *fixture) {
	v1 := f.thing("nobodys", "v1", "v1beta1", map[string]string{"cellfed.io/tenant": "evil"})
	f.must(f.cluster.Apply(f.Context(), v1))
	f.must(f.client.Get(f.Context(), client.ObjectKeyFromObject(v1), v1))
	f.wantLabels(v1, nil)
	f.wantAsked("an apply in v1beta1", "/validate-federated CREATE v1")

	v2 := f.thing("acme-prod", "v2", "v2beta1", nil)
	v2.SetGenerateName("v2-")
	f.must(f.cluster.Apply(f.Context(), v2))
	f.must(f.cluster.Apply(f.Context(), v2))
	f.must(f.client.Get(f.Context(), client.ObjectKeyFromObject(v2), v2))
	f.wantLabels(v2, acmeLabels)
	if len(v2.GetFinalizers()) != 1 {
		f.Errorf("finalizers after a second apply: %v", v2.GetFinalizers())
	}
	f.wantAsked("an apply that is repeated", "/validate-federated CREATE v2")
}

// testLarge has the conditions look at as large an object as can be stored.
func testLarge(f *fixture) {
	large := f.thing("acme-prod", "large", "v2beta1", nil)
	entries := make([]any, 0, 20_000)
	for i := range cap(entries) {
		entries = append(entries, map[string]any{"name": fmt.Sprintf("entry-%06d", i), "value": int64(i), "more": "0123456789"})
	}
	large.Object["spec"] = map[string]any{"template": map[string]any{"entries": entries}}
	f.must(f.client.Create(f.Context(), large))
	f.patch(large, `{"metadata":{"finalizers":["a/b"]}}`)
	f.wantAsked("a large object", "/validate-federated CREATE large")
	entries[len(entries)-1] = map[string]any{}
	large.Object["spec"] = map[string]any{"template": map[string]any{"entries": entries}}
	f.must(f.client.Update(f.Context(), large))
	f.wantAsked("a change of its content")
	f.patch(large, `{"spec":{"overrides":[{"topologyName":"rz00a"}]}}`)
	entries[len(entries)-1] = map[string]any{"name": "last"}
	large.Object["spec"].(map[string]any)["template"] = map[string]any{"entries": entries}
	f.must(f.client.Update(f.Context(), large))
	f.wantAsked("overrides, and a change at its end beside them", "/validate-federated UPDATE large", "/validate-federated UPDATE large")
}

func testCells(f *fixture) {
	cell := &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{Name: "rz00a", Namespace: "acme-prod", Labels: map[string]string{"cellfed.io/tenant": "evil"}},
		Spec:       v1alpha1.CellSpec{ClusterName: "hz-a"},
	}
	f.must(f.client.Create(f.Context(), cell))
	f.wantLabels(cell, acmeLabels)
	f.patch(cell, `{"metadata":{"finalizers":["a/b"]}}`)
	f.patch(cell, `{"metadata":{"finalizers":null}}`)
	f.must(f.client.Status().Patch(f.Context(), cell, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"kubeFedClusterName":"a"}}`))))
	f.wantAsked("a Cell", "/validate-cell CREATE rz00a")
	f.must(f.client.Delete(f.Context(), cell))
	f.wantAsked("its deletion")
}

func testKubeFedClusters(f *fixture) {
	cluster := func(name string, labels map[string]string) *kubefedv1beta1.KubeFedCluster {
		return &kubefedv1beta1.KubeFedCluster{
			ObjectMeta: metav1.ObjectMeta{Namespace: framework.KubeFedNamespace, Name: name, Labels: labels},
			Spec:       kubefedv1beta1.KubeFedClusterSpec{APIEndpoint: "https://a", SecretRef: kubefedv1beta1.LocalSecretReference{Name: "a"}},
		}
	}
	generated := cluster("acme-prod.rz00a", map[string]string{"cellfed.io/generated": "true"})
	f.must(f.client.Create(f.Context(), generated))
	f.wantLabels(generated, map[string]string{"cellfed.io/generated": "true", "cellfed.io/tenant": "acme", "cellfed.io/workspace-group": "prod"})
	registered := cluster("acme-prod.physical", map[string]string{"cellfed.io/tenant": "other"})
	f.must(f.client.Create(f.Context(), registered))
	f.wantLabels(registered, map[string]string{"cellfed.io/tenant": "other"})
	const path = "/validate-kubefedcluster "
	f.wantAsked("two creations", path+"CREATE acme-prod.physical", path+"CREATE acme-prod.rz00a")
	f.patch(generated, `{"metadata":{"annotations":{"cellfed.io/cell-uid":"u"}}}`)
	f.patch(registered, `{"metadata":{"finalizers":["a/b"]}}`)
	f.patch(registered, `{"metadata":{"finalizers":null}}`)
	f.wantAsked("what marks a cluster", path+"UPDATE acme-prod.rz00a")
	f.must(f.client.Delete(f.Context(), registered))
	f.must(f.client.Delete(f.Context(), generated))
	f.wantAsked("two deletions", path+"DELETE acme-prod.physical", path+"DELETE acme-prod.rz00a")
}

// testConfigs has the types' own objects asked for.
func testConfigs(f *fixture) {
	policy := &v1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Name: "things", Namespace: framework.KubeFedNamespace}}
	f.must(f.client.Create(f.Context(), policy))
	f.patch(policy, `{"metadata":{"finalizers":["a/b"]}}`)
	f.patch(policy, `{"metadata":{"finalizers":null}}`)
	f.patch(policy, `{"spec":{"propagator":"Cellfed"}}`)
	f.must(f.client.Delete(f.Context(), policy))
	f.wantAsked("a policy", "/validate-policy CREATE things", "/validate-policy UPDATE things")

	configs := &kubefedv1beta1.FederatedTypeConfigList{}
	f.must(f.client.List(f.Context(), configs))
	config := &configs.Items[0]
	f.patch(config, `{"metadata":{"finalizers":["a/b"]}}`)
	f.patch(config, `{"metadata":{"finalizers":null}}`)
	f.patch(config, `{"metadata":{"annotations":{"cellfed.io/a":"b"}}}`)
	f.patch(config, `{"spec":{"propagation":"Disabled"}}`)
	f.must(f.client.Delete(f.Context(), config))
	const path = "/validate-typeconfig "
	f.wantAsked("a FederatedTypeConfig", path+"DELETE "+config.Name, path+"UPDATE "+config.Name, path+"UPDATE "+config.Name)
}

// testNamespaces has only what is decided about asked for.
func testNamespaces(f *fixture) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "changing"}}
	f.must(f.client.Create(f.Context(), namespace))
	f.wantAsked("a creation of nobody's", "/validate-unowned-namespace CREATE changing")
	f.must(f.client.Create(f.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-own"}}))
	f.wantAsked("a name that no cell may have")
	f.patch(namespace, `{"metadata":{"labels":{"a":"b"},"annotations":{"a":"b"}}}`)
	f.wantAsked("other labels")
	owned := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "owned", Labels: map[string]string{v1alpha1.TenantLabel: "acme"}}}
	f.must(f.client.Create(f.Context(), owned))
	f.wantAsked("a creation with an owner", "/validate-namespace CREATE owned")
	held := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "held", Annotations: map[string]string{v1alpha1.DefaultPlacementMaskAnnotation: "none"}}}
	f.must(f.client.Create(f.Context(), held))
	f.wantAsked("a creation with a default of the mask", "/validate-namespace CREATE held")
	generated := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "generated-"}}
	f.must(f.client.Create(f.Context(), generated))
	f.wantAsked("a name that the API server makes", "/validate-unowned-namespace CREATE "+generated.Name)
	const asked = "/validate-namespace UPDATE changing"
	for _, patch := range []string{
		`{"metadata":{"labels":{"cellfed.io/tenant":"acme"}}}`,
		`{"metadata":{"labels":{"cellfed.io/tenant":"other"}}}`,
		`{"metadata":{"labels":{"cellfed.io/workspace-group":"prod"}}}`,
		`{"metadata":{"labels":null}}`,
		`{"metadata":{"annotations":{"cellfed.io/default-placement-mask":"keep"}}}`,
		`{"metadata":{"annotations":{"cellfed.io/default-placement-mask":""}}}`,
		`{"metadata":{"annotations":null}}`,
	} {
		f.patch(namespace, patch)
		f.wantAsked(patch, asked)
	}
}

// testCollectors deletes as those do who clean up, and as a person does.
func testCollectors(f *fixture) {
	config, err := f.cluster.Config()
	f.must(err)
	for _, user := range []string{
		"system:serviceaccount:kube-system:generic-garbage-collector", "system:serviceaccount:kube-system:namespace-controller",
		"system:kube-controller-manager", "someone",
	} {
		thing := f.thing("nobodys", "collected", "v2beta1", nil)
		thing.SetAnnotations(map[string]string{"kubefed.io/deleteoption": "{}"})
		f.must(f.client.Create(f.Context(), thing))
		f.patch(thing, `{"metadata":{"finalizers":null}}`)
		f.notes.take()
		as := rest.CopyConfig(config)
		as.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
		c, err := client.New(as, client.Options{Scheme: f.client.Scheme()})
		f.must(err)
		f.must(c.Delete(f.Context(), thing))
		if user == "someone" {
			f.wantAsked("a deletion by "+user, "/validate-federated DELETE collected")
		} else {
			f.wantAsked("a deletion by " + user)
		}
	}
}

// testDown stops the webhooks: what people write is refused, and what a propagator writes is not.
func testDown(f *fixture) {
	thing, plain := f.thing("acme-prod", "down", "v2beta1", nil), f.thing("acme-prod", "plain", "v2beta1", nil)
	thing.SetAnnotations(map[string]string{"kubefed.io/deleteoption": "{}"})
	f.must(f.client.Create(f.Context(), thing))
	f.must(f.client.Create(f.Context(), plain))
	f.stop()
	f.patch(thing, `{"metadata":{"finalizers":["kubefed.io/sync-controller","a/b"]}}`)
	f.must(f.client.Status().Patch(f.Context(), thing, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"a":"b"}}`))))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme-prod"}}
	f.patch(namespace, `{"metadata":{"labels":{"a":"b"}}}`)
	// Nobody's creation of a Namespace waits for a manager.
	f.must(f.client.Create(f.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "while-down"}}))
	f.must(f.client.Delete(f.Context(), plain))
	for what, err := range map[string]error{
		"a spec":                   f.client.Patch(f.Context(), thing, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"a":"b"}}`))),
		"a creation":               f.client.Create(f.Context(), f.thing("acme-prod", "new", "v1beta1", nil)),
		"a deletion":               f.client.Delete(f.Context(), thing),
		"the tenant of everything": f.client.Patch(f.Context(), namespace, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":null}}`))),
	} {
		if err == nil || !strings.Contains(err.Error(), "cellfed.io") {
			f.Errorf("%s while nobody answers: error %v, want one that names the webhook", what, err)
		}
	}
}
