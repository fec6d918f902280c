package engine

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestFencedResources(t *testing.T) {
	policy := func(wanted, now v1alpha1.Propagator, uid string, deleting bool) v1alpha1.FederatedTypePolicy {
		p := v1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "kubefed", Name: "deployments.apps"}}
		p.Spec.Propagator = wanted
		p.Status.Propagator, p.Status.FederatedTypeConfigUID = now, uid
		if deleting {
			p.DeletionTimestamp = new(metav1.Now())
		}
		return p
	}
	config := func(uid types.UID, plural string) []fedv1b1.FederatedTypeConfig {
		c := fedv1b1.FederatedTypeConfig{ObjectMeta: metav1.ObjectMeta{Namespace: "kubefed", Name: "deployments.apps", UID: uid}}
		c.Spec.TargetType = fedv1b1.APIResource{Group: "apps", Version: "v1", Kind: "Deployment", PluralName: plural}
		return []fedv1b1.FederatedTypeConfig{c}
	}
	const kubeFed, cellfed = v1alpha1.PropagatorKubeFed, v1alpha1.PropagatorCellfed
	cases := map[string]struct {
		reason  string
		policy  v1alpha1.FederatedTypePolicy
		configs []fedv1b1.FederatedTypeConfig
		want    []string
	}{
		"KubeFed":        {"upstream writes", policy(kubeFed, kubeFed, "", false), config("u", "deployments"), nil},
		"HandingOver":    {"upstream must be able to end what it began", policy(cellfed, "", "", false), config("u", "deployments"), nil},
		"TakenOver":      {"from the moment that the type is cellfed's", policy(cellfed, cellfed, "u", false), config("u", "deployments"), []string{"deployments.apps"}},
		"DefaultPlural":  {"the plural may be left to the name", policy(cellfed, cellfed, "u", false), config("u", ""), []string{"deployments.apps"}},
		"OtherPlural":    {"the name need not tell the resource", policy(cellfed, cellfed, "u", false), config("u", "others"), []string{"others.apps"}},
		"ConfigGone":     {"the type is cellfed's until the controller says otherwise", policy(cellfed, cellfed, "u", false), nil, []string{"deployments.apps"}},
		"EnabledByHand":  {"nobody was asked to hand the type back", policy(cellfed, "", "u", false), config("u", "deployments"), []string{"deployments.apps"}},
		"ConfigReplaced": {"the new one is upstream's until it was handed over", policy(cellfed, "", "u", false), config("v", "deployments"), nil},
		"Draining":       {"until the push reconciler has stopped", policy(kubeFed, cellfed, "u", false), config("u", "deployments"), []string{"deployments.apps"}},
		"HandingBack":    {"open before upstream starts", policy(kubeFed, "", "u", false), config("u", "deployments"), nil},
		"PolicyDeleted":  {"the same by deletion", policy(cellfed, "", "u", true), config("u", "deployments"), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for resource, why := range FencedResources([]v1alpha1.FederatedTypePolicy{c.policy}, c.configs) {
				got = append(got, resource.String())
				if why == "" {
					t.Error("a fence without a reason is none")
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: %s", c.reason, diff)
			}
		})
	}
}
