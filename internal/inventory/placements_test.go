package inventory_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/inventory/inventorytest"
)

func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"namespace": namespace, "name": name},
	}}
}

// Every type is read in the version that is stored, what is in no namespace with that of all, and one that cannot be read is an error.
func TestPlacements(t *testing.T) {
	clusterScoped := config("clusterroles", "FederatedClusterRole", "ClusterRole")
	clusterScoped.Spec.TargetType.Scope = apiextensionsv1.ClusterScoped
	foreign := config("others.example.com", "FederatedOther", "Other")
	foreign.Spec.FederatedType.Group, foreign.Spec.FederatedType.Version = "example.com", "v1"
	stored := policy("secrets", v1alpha1.PropagatorCellfed)
	stored.Status.StorageVersion = "v2beta1"
	f := inventorytest.New(t, config("configmaps", "FederatedConfigMap", "ConfigMap"), config("secrets", "FederatedSecret", "Secret"), stored, foreign, clusterScoped)

	kinds := map[schema.GroupVersionResource]string{}
	for _, r := range []string{"v1beta1/federatedconfigmaps", "v2beta1/federatedsecrets", "v1beta1/federatedclusterroles"} {
		kinds[schema.GroupVersionResource{Group: "types.kubefed.io", Version: r[:7], Resource: r[8:]}] = "FederatedList"
	}
	kinds[schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "federatedothers"}] = "FederatedOtherList"
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds,
		object("types.kubefed.io/v1beta1", "FederatedConfigMap", "acme", "a"), object("types.kubefed.io/v1beta1", "FederatedConfigMap", "other", "b"),
		object("types.kubefed.io/v2beta1", "FederatedSecret", "acme", "c"), object("example.com/v1", "FederatedOther", "acme", "d"),
		object("types.kubefed.io/v1beta1", "FederatedClusterRole", "", "e"))
	p := inventory.NewPlacements(f.Inventory, client)
	for namespace, want := range map[string][]string{
		"acme": {"configmaps FederatedConfigMap a", "others.example.com FederatedOther d", "secrets FederatedSecret c"},
		"": {"clusterroles FederatedClusterRole e", "configmaps FederatedConfigMap a", "configmaps FederatedConfigMap b",
			"others.example.com FederatedOther d", "secrets FederatedSecret c"},
	} {
		objects, err := p.Objects(t.Context(), namespace)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range objects {
			got = append(got, o.Type.Name+" "+o.Type.Kind+" "+o.GetName())
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in %q: -want +got:\n%s", namespace, diff)
		}
	}

	broken := errors.New("broken")
	client.PrependReactor("list", "federatedsecrets", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, broken })
	if _, err := p.Objects(t.Context(), "acme"); !errors.Is(err, broken) {
		t.Errorf("a type that cannot be read: %v", err)
	}
}
