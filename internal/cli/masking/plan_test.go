package masking

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
	"github.com/cellfed/cellfed/internal/federated"
)

// report is what cellfed reports of an object in three cells, of which the last has an older generation.
const report = `
status:
  observedGeneration: 4
  summary: {placed: 3, inSync: 2, held: 1, failed: 0, available: 0}
  conditions: [{type: Propagated, status: "True", reason: Propagated}]
  topologies:
  - {name: rz00a, generation: 4}
  - {name: rz00b, generation: 4}
  - {name: rz01a, status: Held, generation: 3}
`

const named = "  placement: {topologies: [{name: rz00a}, {name: rz00b}, {name: rz01a}]}\n"

// objectOf returns FederatedDeployment pay of generation 4 with what the spec holds beside the type of topologies.
func objectOf(spec, status string, more ...string) string {
	return fmt.Sprintf("apiVersion: types.kubefed.io/v2beta1\nkind: FederatedDeployment\nmetadata: {name: pay, namespace: acme, generation: 4%s}\nspec:\n  topologyType: cell\n%s%s",
		strings.Join(more, ""), spec, status)
}

func cell(name string, labels map[string]string) v1alpha1.Cell {
	return v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name, Labels: labels}, Spec: v1alpha1.CellSpec{ClusterName: "hz-a"}}
}

func stateOf(t *testing.T, document string, propagator v1alpha1.Propagator) State {
	t.Helper()
	object, err := federated.Decode(kubetest.FromYAML(t, document))
	if err != nil {
		t.Fatal(err)
	}
	hz := map[string]string{"city": "hz"}
	return State{
		Type: kube.Type{
			Name: "deployments.apps", Namespaced: true, Propagator: propagator,
			Federated: schema.GroupVersionKind{Group: "types.kubefed.io", Version: "v2beta1", Kind: "FederatedDeployment"},
			Resource:  schema.GroupVersionResource{Group: "types.kubefed.io", Version: "v2beta1", Resource: "federateddeployments"},
		},
		Object: object,
		Cells:  []v1alpha1.Cell{cell("rz00a", hz), cell("rz00b", hz), cell("rz01a", nil), cell("spare", nil)},
	}
}

func TestNew(t *testing.T) {
	const mask = "  placementMask: {topologies: [{name: rz00b}, {name: rz00a}]}\n"
	const later = "a cell that is placed later is held until it is released"
	cases := map[string]struct {
		reason string
		object string
		intent Intent
		want   Plan
	}{
		"HoldFirst": {
			reason: "without a mask it names all others", object: objectOf(named, report), intent: Intent{Hold, []string{"rz00a"}},
			want: Plan{Mask: []string{"rz00b", "rz01a"}, Changes: true, Held: []string{"rz00a"}, Open: 2, Known: 3, Noun: "cell",
				Told: []string{"rz00a stays at generation 4", later}},
		},
		"HoldMore": {
			reason: "what is in the mask beside stays there", object: objectOf(named+mask, report), intent: Intent{Hold, []string{"rz00a", "rz00a"}},
			want: Plan{Mask: []string{"rz00b"}, Changes: true, Held: []string{"rz00a"}, Open: 1, Known: 3, Noun: "cell",
				Told: []string{"rz00a stays at generation 4", "still held: rz01a"}},
		},
		"HoldHeld": {
			reason: "it is held already", object: objectOf(named+mask, report), intent: Intent{Hold, []string{"rz01a"}},
			want: Plan{Mask: []string{"rz00b", "rz00a"}, Open: 2, Known: 3, Noun: "cell"},
		},
		"HoldAll": {
			reason: "an empty mask is one", object: objectOf(named+mask, report), intent: Intent{Set, nil},
			want: Plan{Mask: []string{}, Changes: true, Held: []string{"rz00a", "rz00b"}, Known: 3, Noun: "cell",
				Told: []string{"rz00a stays at generation 4", "rz00b stays at generation 4", "still held: rz01a"}},
		},
		"HoldOnTheWay": {
			reason: "what is on its way cannot be called back",
			object: objectOf(named, strings.Replace(report, "{name: rz00a, generation: 4}", "{name: rz00a, generation: 2}", 1)), intent: Intent{Hold, []string{"rz00a"}},
			want: Plan{Mask: []string{"rz00b", "rz01a"}, Changes: true, Held: []string{"rz00a"}, Open: 2, Known: 3, Noun: "cell",
				Told: []string{"rz00a stays as it is: it has generation 2 as far as is known, and generation 4 may be on its way", later}},
		},
		"HoldLeavesRemovals": {
			reason: "what is being removed elsewhere goes on to be", object: objectOf("  placement: {topologies: [{name: rz00a}, {name: rz00b}]}\n", report), intent: Intent{Hold, []string{"rz00a"}},
			want: Plan{Mask: []string{"rz00b", "rz01a"}, Changes: true, Held: []string{"rz00a"}, Open: 2, Known: 3, Noun: "cell",
				Told: []string{"rz00a stays at generation 4", later}},
		},
		"HoldSelected": {
			reason: "a selector of cells selects by their labels", object: objectOf("  placement: {topologySelector: {matchLabels: {city: hz}}}\n", ""), intent: Intent{Hold, []string{"rz00a"}},
			want: Plan{Mask: []string{"rz00b"}, Changes: true, Held: []string{"rz00a"}, Open: 1, Known: 2, Noun: "cell",
				Told: []string{"rz00a stays as it is, and gets nothing", later}},
		},
		"Release": {
			reason: "it is added", object: objectOf(named+mask, report), intent: Intent{Release, []string{"rz01a"}},
			want: Plan{Mask: []string{"rz00b", "rz00a", "rz01a"}, Changes: true, Released: []string{"rz01a"}, Open: 3, Known: 3, Noun: "cell",
				Told: []string{"rz01a gets generation 5: it has generation 3"}},
		},
		"ReleaseReleased": {
			reason: "without a mask nothing is held", object: objectOf(named, report), intent: Intent{Release, []string{"rz01a"}},
			want: Plan{Open: 3, Known: 3, Noun: "cell"},
		},
		"ReleaseNew": {
			reason: "nothing is known to be there", object: objectOf(named+mask, ""), intent: Intent{Release, []string{"rz01a"}},
			want: Plan{Mask: []string{"rz00b", "rz00a", "rz01a"}, Changes: true, Released: []string{"rz01a"}, Open: 3, Known: 3, Noun: "cell",
				Told: []string{"rz01a gets generation 5, for the first time as far as is known"}},
		},
		"ReleaseRemoved": {
			reason: "it is placed no longer", object: objectOf("  placement: {topologies: [{name: rz00a}, {name: rz00b}]}\n"+mask, report), intent: Intent{Release, []string{"rz01a"}},
			want: Plan{Mask: []string{"rz00b", "rz00a", "rz01a"}, Changes: true, Released: []string{"rz01a"}, Open: 3, Known: 3, Noun: "cell",
				Told: []string{"rz01a: the object is removed from there, as it is not placed there any more"}},
		},
		"ReleaseDeselected": {
			reason: "the selector selects it no longer, and its status tells that it is held alone",
			object: objectOf("  placement: {topologySelector: {matchLabels: {city: hz}}}\n"+mask, report), intent: Intent{Release, []string{"rz01a"}},
			want: Plan{Mask: []string{"rz00b", "rz00a", "rz01a"}, Changes: true, Released: []string{"rz01a"}, Open: 3, Known: 3, Noun: "cell",
				Told: []string{"rz01a: the object is removed from there, as it is not placed there any more"}},
		},
		"ReleaseOfClusterSelector": {
			reason: "whose labels are not known here",
			object: objectOf("  placement: {clusterSelector: {matchLabels: {city: hz}}}\n"+mask, report), intent: Intent{Release, []string{"rz01a"}},
			want: Plan{Mask: []string{"rz00b", "rz00a", "rz01a"}, Changes: true, Released: []string{"rz01a"}, Open: 3, Known: 3, Noun: "cell",
				Told: []string{"rz01a gets generation 5: it has generation 3; if the selector does not select it any more, the object is removed from there instead"}},
		},
		"ReleaseAll": {
			reason: "the mask goes", object: objectOf(named+mask, report), intent: Intent{Clear, nil},
			want: Plan{Changes: true, Released: []string{"rz01a"}, Open: 3, Known: 3, Noun: "cell",
				Told: []string{"rz01a gets generation 5: it has generation 3", "a cell that is placed later gets the object at once"}},
		},
		"ReleaseAllOfFullMask": {
			reason: "a mask that names all is another than none", object: objectOf("  placement: {topologies: [{name: rz00a}]}\n  placementMask: {topologies: [{name: rz00a}]}\n", ""), intent: Intent{Clear, nil},
			want: Plan{Changes: true, Open: 1, Known: 1, Noun: "cell", Told: []string{"a cell that is placed later gets the object at once"}},
		},
		"ReleaseDeleted": {
			reason: "to release it is to delete it", object: objectOf(named+mask, report, `, deletionTimestamp: "2026-11-23T12:00:00Z"`), intent: Intent{Release, []string{"rz01a"}},
			want: Plan{Mask: []string{"rz00b", "rz00a", "rz01a"}, Changes: true, Released: []string{"rz01a"}, Open: 3, Known: 3, Noun: "cell",
				Told: []string{"rz01a: the object is deleted there, as the federated object is"}},
		},
		"ReleaseOrphaned": {
			reason: "unless it stays", object: objectOf(named+mask, report, `, deletionTimestamp: "2026-11-23T12:00:00Z", annotations: {kubefed.io/orphan: "true"}`), intent: Intent{Release, []string{"rz01a"}},
			want: Plan{Mask: []string{"rz00b", "rz00a", "rz01a"}, Changes: true, Released: []string{"rz01a"}, Open: 3, Known: 3, Noun: "cell",
				Told: []string{"rz01a: the object stays there and is not the federation's any more, as the federated object is being deleted"}},
		},
		"Set": {
			reason: "both ways at once", object: objectOf(named+mask, report), intent: Intent{Set, []string{"rz01a"}},
			want: Plan{Mask: []string{"rz01a"}, Changes: true, Held: []string{"rz00a", "rz00b"}, Released: []string{"rz01a"}, Open: 1, Known: 3, Noun: "cell",
				Told: []string{"rz00a stays at generation 4", "rz00b stays at generation 4", "rz01a gets generation 5: it has generation 3"}},
		},
		"SetSame": {
			reason: "the order means nothing", object: objectOf(named+mask, report), intent: Intent{Set, []string{"rz00a", "rz00b"}},
			want: Plan{Mask: []string{"rz00a", "rz00b"}, Open: 2, Known: 3, Noun: "cell"},
		},
		"SetUnreadable": {
			reason: "a mask that cannot be read is set right", object: objectOf(named+"  placementMask: {nope: 1}\n", report), intent: Intent{Set, nil},
			want: Plan{Mask: []string{}, Changes: true, Known: 3, Noun: "cell", Told: []string{"still held: rz00a, rz00b and rz01a"}},
		},
		"Clusters": {
			reason: "an object may name clusters", object: strings.Replace(objectOf("  placement: {topologies: [{name: hz-a}, {name: hz-b}]}\n", ""), "topologyType: cell", "topologyType: cluster", 1), intent: Intent{Hold, []string{"hz-a"}},
			want: Plan{Mask: []string{"hz-b"}, Changes: true, Held: []string{"hz-a"}, Open: 1, Known: 2, Noun: "cluster",
				Told: []string{"hz-a stays as it is, and gets nothing", "a cluster that is placed later is held until it is released"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := New(stateOf(t, tc.object, v1alpha1.PropagatorCellfed), tc.intent)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	const mask = "  placementMask: {topologies: [{name: rz00a}]}\n"
	const selector = "  placement: {clusterSelector: {matchLabels: {city: hz}}}\n"
	cases := map[string]struct {
		reason     string
		object     string
		propagator v1alpha1.Propagator
		intent     Intent
		change     func(*State)
		want       string
		code       int
	}{
		"KubeFed": {
			reason: "KubeFed obeys no mask", object: objectOf(named, report), propagator: v1alpha1.PropagatorKubeFed, intent: Intent{Hold, []string{"rz00a"}}, code: exit.Failure,
			want: "deployments.apps/pay: KubeFed propagates deployments.apps and knows no mask, so that nothing can be held: hand the type over first with: kubectl cells handover deployments.apps --to Cellfed",
		},
		"Old": {
			reason: "v1beta1 alone has no mask", object: objectOf(named, report), intent: Intent{Hold, []string{"rz00a"}}, change: func(s *State) { s.Type.Federated.Version = "v1beta1" }, code: exit.Failure,
			want: "deployments.apps/pay: the host cluster does not serve federateddeployments.types.kubefed.io in v2beta1, and would drop a mask: kubectl cells doctor says why",
		},
		"Unknown": {
			reason: "there is no such cell", object: objectOf(named, report), intent: Intent{Release, []string{"rz99"}}, code: exit.Usage,
			want: `there is no cell "rz99" in the namespace "acme": deployments.apps/pay is placed on rz00a, rz00b and rz01a`,
		},
		"Elsewhere": {
			reason: "there is one, and the object is not placed there", object: objectOf(named+mask, report), intent: Intent{Release, []string{"spare"}}, code: exit.Usage,
			want: `deployments.apps/pay is not placed on the cell "spare", so that there is nothing to hold or release: place it there first; deployments.apps/pay is placed on rz00a, rz00b and rz01a`,
		},
		"Unsure": {
			reason: "nobody knows what a selector of clusters selects before it is reported", object: objectOf(selector, strings.Replace(report, "observedGeneration: 4", "observedGeneration: 3", 1)), intent: Intent{Hold, []string{"rz00a"}}, code: exit.Failure,
			want: "deployments.apps/pay: what its selector selects is not known until its status speaks of generation 4: try again in a moment",
		},
		"Hidden": {
			reason: "nor what one of cells does to who may not read them", object: objectOf("  placement: {topologySelector: {}}\n", ""), intent: Intent{Hold, []string{"rz00a"}}, change: func(s *State) { s.Cells, s.CellsHidden = nil, true }, code: exit.Failure,
			want: "deployments.apps/pay: what its selector selects is not known until its status speaks of generation 4: try again in a moment",
		},
		"Deleted": {
			reason: "what is deleted is not deleted everywhere at once by a flag", object: objectOf(named+mask, report, `, deletionTimestamp: "2026-11-23T12:00:00Z"`), intent: Intent{Clear, nil}, code: exit.Failure,
			want: "deployments.apps/pay is being deleted, and its mask is what keeps it where it is held: to delete it there as well, release by name: kubectl cells release deployments.apps/pay CELL",
		},
		"Placement": {
			reason: "nobody knows where it belongs", object: objectOf("  placement: {topologySelector: {matchExpressions: [{key: city, operator: Near}]}}\n", report), intent: Intent{Hold, []string{"rz00a"}}, code: exit.Failure,
			want: "deployments.apps/pay: nobody can tell where it is placed: correct it first: the placement cannot be used: spec.placement.topologySelector: \"Near\" is not a valid label selector operator: correct it, or name the topologies",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.propagator == "" {
				tc.propagator = v1alpha1.PropagatorCellfed
			}
			s := stateOf(t, tc.object, tc.propagator)
			if tc.change != nil {
				tc.change(&s)
			}
			_, err := New(s, tc.intent)
			if err == nil {
				t.Fatalf("%s: it is not refused", tc.reason)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" || exit.Code(err) != tc.code {
				t.Errorf("%s: code %d, -want +got:\n%s", tc.reason, exit.Code(err), diff)
			}
		})
	}
}

// TestClearUnderKubeFed: what KubeFed does not obey can go.
func TestClearUnderKubeFed(t *testing.T) {
	s := stateOf(t, objectOf(named+"  placementMask: {topologies: [{name: rz00a}]}\n", ""), v1alpha1.PropagatorKubeFed)
	plan, err := New(s, Intent{Action: Clear})
	if err != nil || !plan.Changes || plan.Mask != nil {
		t.Errorf("got %+v, %v", plan, err)
	}
}

// TestShorten: many topologies are counted.
func TestShorten(t *testing.T) {
	lines := make([]string, most+5)
	if got := shorten(lines); len(got) != most+1 || got[most] != "and 5 more" {
		t.Errorf("got %q", got)
	}
	if got := shorten(lines[:most+1]); len(got) != most+1 {
		t.Errorf("a line that says that there is one more takes as much as the one: got %d lines", len(got))
	}
}

// TestNewKeptOut: an object goes nowhere where the FederatedNamespace does not place the namespace.
func TestNewKeptOut(t *testing.T) {
	const mask = "  placementMask: {topologies: []}\n"
	const gets = "rz01a gets generation 5: it has generation 3"
	const first = "rz00b gets generation 5, for the first time as far as is known"
	namespace := func(placement string) string {
		return "{apiVersion: types.kubefed.io/v2beta1, kind: FederatedNamespace, metadata: {name: acme, namespace: acme}, spec: {topologyType: cell, placement: {" + placement + "}}}"
	}
	there := strings.Replace(report, "  - {name: rz00b, generation: 4}\n", "", 1)
	cases := map[string]struct {
		reason    string
		namespace string
		known     bool
		want      []string
	}{
		"Placed":   {reason: "it is open", namespace: namespace("topologies: [{name: rz00b}, {name: rz01a}]"), known: true, want: []string{first, gets}},
		"Selected": {reason: "a selector opens it", namespace: namespace("topologySelector: {matchLabels: {cellfed.io/cluster: hz-a}}"), known: true, want: []string{first, gets}},
		"Unknown":  {reason: "nobody can tell", want: []string{first, gets}},
		"Elsewhere": {
			reason: "the namespace is elsewhere", namespace: namespace("topologies: [{name: rz00a}]"), known: true, want: []string{
				`rz00b gets nothing as long as no FederatedNamespace "acme" places the namespace there`,
				`rz01a: the object is removed from there, as no FederatedNamespace "acme" places the namespace there any more`,
			},
		},
		"NotSelected": {
			reason: "the selector selects others", namespace: namespace("topologySelector: {matchLabels: {city: hz}}"), known: true, want: []string{
				first, `rz01a: the object is removed from there, as no FederatedNamespace "acme" places the namespace there any more`,
			},
		},
		"None": {
			reason: "the namespace is nowhere", known: true, want: []string{
				`rz00b gets nothing as long as no FederatedNamespace "acme" places the namespace there`,
				`rz01a: the object is removed from there, as no FederatedNamespace "acme" places the namespace there any more`,
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := stateOf(t, objectOf(named+mask, there), v1alpha1.PropagatorCellfed)
			if s.NamespaceKnown = tc.known; tc.namespace != "" {
				own, err := federated.Decode(kubetest.FromYAML(t, tc.namespace))
				if err != nil {
					t.Fatal(err)
				}
				s.Namespace = own
			}
			plan, err := New(s, Intent{Release, []string{"rz00b", "rz01a"}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append(tc.want, "still held: rz00a"), plan.Told); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
