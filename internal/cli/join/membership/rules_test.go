package membership

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

func TestTargets(t *testing.T) {
	disabled := kubetest.TypeConfig("jobs", "batch", "v1", "Job")
	disabled.Spec.Propagation = kubefedv1beta1.PropagationDisabled
	handedOver := kubetest.TypeConfig("deployments", "apps", "v1", "Deployment")
	handedOver.Spec.Propagation = kubefedv1beta1.PropagationDisabled
	handedOver.Annotations = map[string]string{v1alpha1.HandedOverAnnotation: "true"}
	cases := map[string]struct {
		reason  string
		configs []kubefedv1beta1.FederatedTypeConfig
		want    []schema.GroupResource
	}{
		"None":       {reason: "nothing is federated"},
		"Disabled":   {reason: "a disabled type puts nothing into members", configs: []kubefedv1beta1.FederatedTypeConfig{*disabled}},
		"HandedOver": {reason: "a type that was handed over is disabled for KubeFed alone", configs: []kubefedv1beta1.FederatedTypeConfig{*handedOver}, want: []schema.GroupResource{{Group: "apps", Resource: "deployments"}}},
		"Sorted": {
			reason:  "the role is the same whatever the order",
			configs: []kubefedv1beta1.FederatedTypeConfig{*handedOver, *kubetest.TypeConfig("secrets", "", "v1", "Secret"), *kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap")},
			want:    []schema.GroupResource{{Resource: "configmaps"}, {Resource: "secrets"}, {Group: "apps", Resource: "deployments"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Targets(tc.configs)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRules(t *testing.T) {
	all := []string{"create", "delete", "get", "list", "patch", "update", "watch"}
	base := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: all},
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list"}},
	}
	last := rbacv1.PolicyRule{NonResourceURLs: paths, Verbs: []string{"get"}}
	cases := map[string]struct {
		reason  string
		targets []schema.GroupResource
		want    []rbacv1.PolicyRule
	}{
		"None":      {reason: "a member without types can be looked at, and given namespaces", want: append(base[:2:2], last)},
		"Namespace": {reason: "federated Namespaces need no rule of their own", targets: []schema.GroupResource{{Resource: "namespaces"}}, want: append(base[:2:2], last)},
		"Groups": {
			reason:  "a rule for each group, and no star",
			targets: []schema.GroupResource{{Resource: "configmaps"}, {Resource: "secrets"}, {Group: "apps", Resource: "deployments"}},
			want: append(base[:2:2], rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps", "secrets"}, Verbs: all},
				rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: all}, last),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Rules(tc.targets)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	if diff := cmp.Diff([]string{"deployments.apps", "secrets"}, Added(Rules([]schema.GroupResource{{Resource: "configmaps"}}), cases["Groups"].want)); diff != "" {
		t.Errorf("what is added, -want +got:\n%s", diff)
	}
}
