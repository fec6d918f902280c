package cell

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/placementcache"
)

// The objects of a type are read in the version that its CRD stores, whatever its FederatedTypeConfig names.
func TestStoredVersion(t *testing.T) {
	config := &kubefedv1beta1.FederatedTypeConfig{
		ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: "configmaps"},
		Spec: kubefedv1beta1.FederatedTypeConfigSpec{
			TargetType: kubefedv1beta1.APIResource{Version: "v1", Kind: "ConfigMap", Scope: apiextensionsv1.NamespaceScoped},
			FederatedType: kubefedv1beta1.APIResource{
				Group: typesGroup, Version: "v1beta1", Kind: "FederatedConfigMap", PluralName: "federatedconfigmaps", Scope: apiextensionsv1.NamespaceScoped,
			},
		},
	}
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "federatedconfigmaps." + typesGroup, UID: "u"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{Versions: []apiextensionsv1.CustomResourceDefinitionVersion{
			{Name: "v1beta1", Served: true, Storage: true}, {Name: "v2beta1", Served: true},
		}},
	}
	scheme, err := framework.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(config, crd).Build()
	r := &typeReconciler{client: c, live: c, placements: placementcache.New(dynamicfake.NewSimpleDynamicClient(runtime.NewScheme()))}
	reconcile := func() (placementcache.Type, bool) {
		t.Helper()
		if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(config)}); err != nil {
			t.Fatal(err)
		}
		return r.placements.Type("configmaps")
	}
	want := placementcache.Type{Name: "configmaps", Kind: "FederatedConfigMap", CRD: "u", Resource: federatedType(config).Resource}
	got, _ := reconcile()
	compare(t, want, got, "v1beta1 is stored")

	if err := c.Get(t.Context(), client.ObjectKeyFromObject(crd), crd); err != nil {
		t.Fatal(err)
	}
	crd.Spec.Versions[0].Storage, crd.Spec.Versions[1].Storage = false, true
	if err := c.Update(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	want.Resource.Version = "v2beta1"
	got, _ = reconcile()
	compare(t, want, got, "v2beta1 is stored")

	if err := c.Delete(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	if got, ok := reconcile(); ok {
		t.Errorf("a type without a CRD is read as %+v", got)
	}
}
