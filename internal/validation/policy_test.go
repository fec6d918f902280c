package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestPolicy(t *testing.T) {
	facts := PolicyFacts{KubeFedNamespace: "kubefed", Configured: true, ConfigsKnown: true}
	in := func(namespace string, spec v1alpha1.FederatedTypePolicySpec) *v1alpha1.FederatedTypePolicy {
		return &v1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "configmaps"}, Spec: spec}
	}
	bad := v1alpha1.FederatedTypePolicySpec{
		Propagator: "Somebody", PropagatingAnnotations: []string{"fine/*", "a/b/c"}, Retain: []string{".spec.replicas", "[*]"},
		Status: &v1alpha1.StatusPolicy{Collection: v1alpha1.StatusFields, Fields: []string{".x[*]"}},
	}
	wrong := []string{
		`spec.propagatingAnnotations[1]: Invalid value: "a/b/c": can match nothing: the key of an annotation has one '/' at most`,
		`spec.retain[1]: Invalid value: "[*]": begins with a list, but an object is none: begin with a field, such as .spec`,
		`spec.propagator: Unsupported value: "Somebody": supported values: "Cellfed", "KubeFed"`,
		`spec.status.fields[0]: Invalid value: ".x[*]": ends with [*]: leave it out to name the list, or go on with a field of its items`,
	}
	const unserved = "spec.servedVersions: V2Beta1Only does nothing while spec.propagator is KubeFed, which reads v1beta1: both versions are served"
	shifted := bad
	shifted.PropagatingAnnotations = []string{"a/b/c", "fine/*"}
	shifted.Retain = []string{"[*]", "[*].x"}
	for name, tc := range map[string]struct {
		reason      string
		policy, old *v1alpha1.FederatedTypePolicy
		facts       PolicyFacts
		want        said
	}{
		"Empty":   {reason: "what says nothing is upstream's", policy: in("kubefed", v1alpha1.FederatedTypePolicySpec{}), facts: facts},
		"Cellfed": {reason: "a type that is handed over", policy: in("kubefed", v1alpha1.FederatedTypePolicySpec{Propagator: v1alpha1.PropagatorCellfed, Retain: []string{".spec.x"}}), facts: facts},
		"Bad":     {reason: "all that is wrong is said, with its place", policy: in("kubefed", bad), facts: facts, want: said{Errors: wrong}},
		"Elsewhere": {
			reason: "a policy that nobody reads", policy: in("acme", v1alpha1.FederatedTypePolicySpec{}), facts: facts,
			want: said{Errors: []string{`metadata.namespace: Invalid value: "acme": policies count in the namespace that KubeFed runs in alone: create it in "kubefed"`}},
		},
		"NoConfig": {
			reason: "GitOps applies in any order", policy: in("kubefed", v1alpha1.FederatedTypePolicySpec{}), facts: PolicyFacts{KubeFedNamespace: "kubefed", ConfigsKnown: true},
			want: said{Warnings: []string{`metadata.name: no FederatedTypeConfig is named "configmaps" yet, and the policy does nothing until there is one`}},
		},
		"V2Beta1Only": {reason: "a type that is handed over", policy: in("kubefed", v1alpha1.FederatedTypePolicySpec{Propagator: v1alpha1.PropagatorCellfed, ServedVersions: v1alpha1.ServedV2Beta1Only}), facts: facts},
		"V2Beta1OnlyKubeFed": {
			reason: "a wish that is not followed", policy: in("kubefed", v1alpha1.FederatedTypePolicySpec{ServedVersions: v1alpha1.ServedV2Beta1Only}), facts: facts, want: said{Warnings: []string{unserved}},
		},
		"V2Beta1OnlyHandedBack": {
			reason: "it does not keep a type from being handed back", policy: in("kubefed", v1alpha1.FederatedTypePolicySpec{Propagator: v1alpha1.PropagatorKubeFed, ServedVersions: v1alpha1.ServedV2Beta1Only}),
			old: in("kubefed", v1alpha1.FederatedTypePolicySpec{Propagator: v1alpha1.PropagatorCellfed, ServedVersions: v1alpha1.ServedV2Beta1Only}), facts: facts, want: said{Warnings: []string{unserved}},
		},
		"V2Beta1OnlyBefore": {
			reason: "what was said is not said again", policy: in("kubefed", v1alpha1.FederatedTypePolicySpec{ServedVersions: v1alpha1.ServedV2Beta1Only, Retain: []string{".spec.x"}}),
			old: in("kubefed", v1alpha1.FederatedTypePolicySpec{ServedVersions: v1alpha1.ServedV2Beta1Only}), facts: facts,
		},
		"ServedVersionsUnknown": {
			reason: "the schema may be older", policy: in("kubefed", v1alpha1.FederatedTypePolicySpec{ServedVersions: "None"}), facts: facts,
			want: said{Errors: []string{`spec.servedVersions: Unsupported value: "None": supported values: "Both", "V2Beta1Only"`}},
		},
		"NothingKnown": {reason: "a linter knows of no installation", policy: in("acme", v1alpha1.FederatedTypePolicySpec{})},
		"StoredBefore": {reason: "what was wrong before does not forbid a change elsewhere", policy: in("acme", bad), old: in("acme", bad), facts: facts},
		"Moved": {
			reason: "nor does it where it moved in its list, but what is new does", policy: in("acme", shifted), old: in("acme", bad), facts: facts,
			want: said{Errors: []string{`spec.retain[1]: Invalid value: "[*].x": begins with a list, but an object is none: begin with a field, such as .spec`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, sayOf(Policy(tc.policy, tc.old, tc.facts))); diff != "" {
				t.Errorf("%s: Policy: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
