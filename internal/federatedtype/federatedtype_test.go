package federatedtype

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/federatedcrd"
)

func TestCRD(t *testing.T) {
	cases := map[string]struct {
		reason   string
		target   Target
		name     string
		scope    apiextensionsv1.ResourceScope
		short    []string
		scalable bool
	}{
		"Core":       {"a core type has no group", Target{"", "v1", "ConfigMap", "configmaps", []string{"cm"}, true, false}, "federatedconfigmaps.types.kubefed.io", "Namespaced", []string{"fcm"}, false},
		"Scalable":   {"an autoscaler may own replicas", Target{"apps", "v1", "Deployment", "deployments", []string{"deploy"}, true, true}, "federateddeployments.types.kubefed.io", "Namespaced", []string{"fdeploy"}, true},
		"Cluster":    {"a cluster-scoped type has a cluster-scoped federated kind", Target{"rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", nil, false, false}, "federatedclusterroles.types.kubefed.io", "Cluster", nil, false},
		"Namespaces": {"that of Namespaces is in what it federates", Target{"", "v1", "Namespace", "namespaces", []string{"ns"}, false, false}, "federatednamespaces.types.kubefed.io", "Namespaced", []string{"fns"}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			crd := &apiextensionsv1.CustomResourceDefinition{}
			// A copy fails for what no API object can hold.
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(CRD(tc.target).DeepCopy().Object, crd); err != nil {
				t.Fatal(err)
			}
			if crd.Name != tc.name || crd.Spec.Scope != tc.scope {
				t.Errorf("%s: got %s of scope %s", tc.reason, crd.Name, crd.Spec.Scope)
			}
			if diff := cmp.Diff(tc.short, crd.Spec.Names.ShortNames); diff != "" {
				t.Errorf("%s: short names, -want +got:\n%s", tc.reason, diff)
			}
			if _, got := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["retainReplicas"]; got != tc.scalable {
				t.Errorf("%s: retainReplicas: %t", tc.reason, got)
			}
			url := "https://x/convert"
			if _, err := federatedcrd.Upgrade(crd, federatedcrd.Options{Owner: "a/b", ClientConfig: apiextensionsv1.WebhookClientConfig{URL: &url}}); err != nil {
				t.Errorf("%s: cellfed cannot add its version: %v", tc.reason, err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	config := &kubefedv1beta1.FederatedTypeConfig{}
	target := Target{Group: "example.com", Version: "v2", Kind: "Widget", Plural: "widgets", Namespaced: true}
	object := Config(target, "federation", kubefedv1beta1.PropagationEnabled)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.DeepCopy().Object, config); err != nil {
		t.Fatal(err)
	}
	want := kubefedv1beta1.FederatedTypeConfigSpec{
		Propagation:   "Enabled",
		TargetType:    kubefedv1beta1.APIResource{Group: "example.com", Version: "v2", Kind: "Widget", PluralName: "widgets", Scope: "Namespaced"},
		FederatedType: kubefedv1beta1.APIResource{Group: "types.kubefed.io", Version: "v1beta1", Kind: "FederatedWidget", PluralName: "federatedwidgets", Scope: "Namespaced"},
	}
	if diff := cmp.Diff(want, config.Spec); diff != "" || config.Name != "widgets.example.com" || config.Namespace != "federation" {
		t.Errorf("%s/%s, -want +got:\n%s", config.Namespace, config.Name, diff)
	}
	// Upstream's own defaults find nothing to add.
	kubefedv1beta1.SetFederatedTypeConfigDefaults(config)
	if diff := cmp.Diff(want.TargetType, config.Spec.TargetType); diff != "" {
		t.Errorf("defaults: -want +got:\n%s", diff)
	}
}

func TestScalable(t *testing.T) {
	with := func(replicas apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
		return &apiextensionsv1.JSONSchemaProps{Properties: map[string]apiextensionsv1.JSONSchemaProps{
			"spec": {Properties: map[string]apiextensionsv1.JSONSchemaProps{"replicas": replicas}},
		}}
	}
	cases := map[string]struct {
		reason string
		schema *apiextensionsv1.JSONSchemaProps
		want   bool
	}{
		"Int32":  {"it is what autoscalers write", with(apiextensionsv1.JSONSchemaProps{Type: "integer", Format: "int32"}), true},
		"String": {"it is something else", with(apiextensionsv1.JSONSchemaProps{Type: "string"}), false},
		"Empty":  {"there is none", &apiextensionsv1.JSONSchemaProps{}, false},
		"None":   {"nothing is declared", nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Scalable(tc.schema); got != tc.want {
				t.Errorf("%s: got %t", tc.reason, got)
			}
		})
	}
}
