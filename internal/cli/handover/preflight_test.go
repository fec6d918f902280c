package handover

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func crdWith(status apiextensionsv1.ConditionStatus, message string) *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "federateddeployments.types.kubefed.io"},
		Status: apiextensionsv1.CustomResourceDefinitionStatus{Conditions: []apiextensionsv1.CustomResourceDefinitionCondition{
			{Type: apiextensionsv1.CustomResourceDefinitionConditionType(v1alpha1.ConditionTopologies), Status: status, Message: message},
		}},
	}
}

// well returns the facts of a type of two objects against which nothing stands.
func well(to v1alpha1.Propagator) facts {
	f := facts{
		to: to, config: kubetest.TypeConfig("deployments", "apps", "v1", "Deployment"), crd: crdWith(apiextensionsv1.ConditionTrue, ""),
		objects: 2, leases: true, renewed: now, now: now,
	}
	f.config.Status.PropagationController = kubefedv1beta1.ControllerStatusRunning
	if to == v1alpha1.PropagatorKubeFed {
		f.policy = kubetest.Policy("deployments.apps", v1alpha1.PropagatorCellfed)
	}
	return f
}

func TestPreflight(t *testing.T) {
	cellfed, kubeFed := v1alpha1.PropagatorCellfed, v1alpha1.PropagatorKubeFed
	cases := map[string]struct {
		reason             string
		to                 v1alpha1.Propagator
		change             func(*facts)
		blockers, warnings []string
		unchanged          bool
	}{
		"Well":     {reason: "nothing stands against it", to: cellfed},
		"WellBack": {reason: "nor back", to: kubeFed},
		"Already":  {reason: "the policy says so", to: cellfed, change: func(f *facts) { f.policy = kubetest.Policy("deployments.apps", cellfed) }, unchanged: true},
		"Default":  {reason: "without a policy it is KubeFed's", to: kubeFed, change: func(f *facts) { f.policy = nil }, unchanged: true},
		"CRD": {
			reason: "cellfed needs v2beta1", to: cellfed, change: func(f *facts) { f.crd = crdWith(apiextensionsv1.ConditionFalse, "the webhook did not answer") },
			blockers: []string{"the CRD federateddeployments.types.kubefed.io does not serve v2beta1: the webhook did not answer"},
		},
		"NoCRD": {reason: "there is none", to: cellfed, change: func(f *facts) { f.crd = nil }, blockers: []string{"the CRD of the federated kind is not there: make it with kubectl cells enable"}},
		"Silent": {
			reason: "the manager has not looked", to: cellfed, change: func(f *facts) { f.crd.Status.Conditions = nil },
			blockers: []string{"nothing reports on v2beta1 of the CRD federateddeployments.types.kubefed.io: does cellfed's manager run?"},
		},
		"Held": {
			reason: "KubeFed would release them", to: kubeFed, change: func(f *facts) { f.held = []string{"acme/pay"} },
			blockers: []string{"1 object is held, and KubeFed, which knows no mask, would release it: acme/pay: release it with kubectl cells release TYPE/NAME --all, or complete its mask"},
		},
		"HeldMany": {
			reason: "many are spoken of as many", to: kubeFed, change: func(f *facts) { f.held, f.deleting = []string{"acme/fee", "acme/pay"}, 1 },
			blockers: []string{"2 objects are held, and KubeFed, which knows no mask, would release them: acme/fee and acme/pay: release them with kubectl cells release TYPE/NAME --all, or complete their masks"},
			warnings: []string{"1 object is being deleted, which waits while nobody propagates the type"},
		},
		"HeldThere": {reason: "cellfed obeys masks", to: cellfed, change: func(f *facts) { f.held = []string{"acme/pay"} }},
		"Unfit": {
			reason: "KubeFed would write elsewhere", to: kubeFed, change: func(f *facts) { f.unfit = []string{"acme/pay (spec.x: no)"} },
			blockers: []string{"KubeFed could not propagate as cellfed does: acme/pay (spec.x: no): correct this"},
		},
		"Deleting": {
			reason: "there is nothing to hand over", to: cellfed, change: func(f *facts) { f.config.DeletionTimestamp = &metav1.Time{Time: now} },
			blockers: []string{"the FederatedTypeConfig is being deleted: wait until it has gone, and enable the type again"},
		},
		"Down": {
			reason: "its lease runs out", to: cellfed, change: func(f *facts) { f.renewed = now.Add(-time.Hour) },
			warnings: []string{"KubeFed seems not to run: its leader lease is waited for to run out, and cellfed begins then"},
		},
		"DownBack": {reason: "nobody would propagate", to: kubeFed, change: func(f *facts) { f.leases = false }, warnings: []string{"KubeFed seems not to run: nobody propagates the type until it does"}},
		"Stopped": {
			reason: "it is not KubeFed's now", to: cellfed, change: func(f *facts) { f.config.Status.PropagationController = "" },
			warnings: []string{"KubeFed does not report that it propagates the type: it is waited for until it does, or reports that it stopped"},
		},
		"Disabled": {
			reason: "what was not written is written", to: cellfed, change: func(f *facts) { f.config.Spec.Propagation = kubefedv1beta1.PropagationDisabled },
			warnings: []string{"the FederatedTypeConfig is disabled, so that nobody propagates the type now: cellfed will, and what was not written since then is"},
		},
		"Annotations": {
			reason: "they are dropped either way", to: cellfed, change: func(f *facts) { f.dropped, f.droppedIn = []string{"a/b", "c"}, 2 },
			warnings: []string{"the templates of 2 objects have annotations that the policy does not name, and cellfed drops them, as KubeFed does: a/b and c: name them in spec.propagatingAnnotations of the policy if they are to be propagated"},
		},
		"Members": {
			reason: "a member is down", to: kubeFed, change: func(f *facts) { f.lagging = []string{"hz-a"} },
			warnings: []string{"not ready: hz-a: what is for a member that is not ready waits, whoever propagates the type, and the hand-over takes half a minute longer"},
		},
		"Migration": {
			reason: "it is turned round", to: kubeFed, change: func(f *facts) {
				f.policy.Status.Conditions = []metav1.Condition{{Type: migratedCondition, Status: metav1.ConditionFalse, Message: "1 of 2 objects are stored in v2beta1"}}
			},
			warnings: []string{"the stored objects are being migrated (1 of 2 objects are stored in v2beta1): the hand-over turns that round"},
		},
		"NamespacesFirst": {
			reason: "KubeFed needs them", to: cellfed, change: func(f *facts) {
				f.config = kubetest.TypeConfig("namespaces", "", "v1", "Namespace")
				f.config.Status.PropagationController = kubefedv1beta1.ControllerStatusRunning
				f.others = map[v1alpha1.Propagator][]string{kubeFed: {"secrets"}}
			},
			warnings: []string{"KubeFed still propagates secrets and reads FederatedNamespaces for them: hand namespaces over last, or KubeFed cannot start while cellfed is down"},
		},
		"NamespacesBackLast": {
			reason: "KubeFed needs them", to: kubeFed, change: func(f *facts) { f.others = map[v1alpha1.Propagator][]string{cellfed: {"namespaces"}} },
			warnings: []string{"cellfed propagates namespaces, which KubeFed reads for this type: hand namespaces back first, or KubeFed cannot start while cellfed is down"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := well(tc.to)
			if tc.change != nil {
				tc.change(&f)
			}
			r := preflight(f)
			if diff := cmp.Diff(append([]string{}, tc.blockers...), r.Blockers); diff != "" {
				t.Errorf("%s: blockers, -want +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(append([]string{}, tc.warnings...), r.Warnings); diff != "" {
				t.Errorf("%s: warnings, -want +got:\n%s", tc.reason, diff)
			}
			if r.Unchanged != tc.unchanged || (len(r.Steps) == 0) != tc.unchanged {
				t.Errorf("%s: got %+v", tc.reason, r)
			}
		})
	}
}

func TestUnfinished(t *testing.T) {
	policy := func(generation, observed int64, by v1alpha1.Propagator, status metav1.ConditionStatus, stored string) *v1alpha1.FederatedTypePolicy {
		p := kubetest.Policy("x", by)
		p.Generation, p.Status.StorageVersion = generation, stored
		p.Status.Conditions = []metav1.Condition{{Type: "Propagating", Status: status, ObservedGeneration: observed, Message: "it waits"}}
		return p
	}
	cases := map[string]struct {
		reason string
		policy *v1alpha1.FederatedTypePolicy
		to     v1alpha1.Propagator
		want   string
	}{
		"Done":      {"all is said", policy(2, 2, "Cellfed", "True", "v2beta1"), "Cellfed", ""},
		"DoneBack":  {"all is said", policy(2, 2, "KubeFed", "True", "v1beta1"), "KubeFed", ""},
		"Stale":     {"it speaks of what was before", policy(2, 1, "Cellfed", "True", "v2beta1"), "Cellfed", "waiting until cellfed's manager reports on the FederatedTypePolicy: does it run?"},
		"Waiting":   {"the condition says for what", policy(2, 2, "", "False", ""), "Cellfed", "it waits"},
		"Other":     {"it is the other's still", policy(2, 2, "Cellfed", "True", "v2beta1"), "KubeFed", "it waits"},
		"Migration": {"the objects are not stored so yet", policy(2, 2, "Cellfed", "True", "v1beta1"), "Cellfed", "Cellfed propagates the type: objects are still to be counted by the version that they are stored in"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := unfinished(tc.policy, tc.to); got != tc.want {
				t.Errorf("%s: got %q", tc.reason, got)
			}
		})
	}
}

// TestStored: one, none and many read as such.
func TestStored(t *testing.T) {
	want := []string{
		"there is no object yet that would have to be stored anew in v2beta1", "the object is stored anew in v2beta1, with the same content",
		"the 2 objects are stored anew in v2beta1, one after the other, with the same content",
	}
	for n, want := range want {
		if got := stored(n, "v2beta1"); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
