package report_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

var podKind = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}

func ready() *unstructured.Unstructured {
	return live(map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}})
}

// TestConditions: what the topologies amount to. A condition is given as its status, reason and message.
func TestConditions(t *testing.T) {
	type told = map[string]string
	var many []report.Topology
	for i := range 13 {
		many = append(many, report.Topology{Name: fmt.Sprintf("acme.c%02d", i), Placed: true, Held: true, Outcome: held(2)})
	}
	cases := map[string]struct {
		reason     string
		edit       func(*federated.Object)
		topologies []report.Topology
		aggregate  report.AggregateReason
		message    string
		want       told
		summary    federated.Summary
	}{
		"Everywhere": {
			reason:     "Every topology has this generation, and works.",
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: wrote(5), Live: ready()}, {Name: "acme.b", Placed: true, Outcome: wrote(5), Live: ready()}},
			want: told{
				"Propagation": "True ", "Propagated": "True Propagated 2 of 2 have generation 5",
				"Available": "True Available Available wherever the object is placed", "Held": "False NothingHeld Every topology may be touched",
			},
			summary: federated.Summary{Placed: 2, InSync: 2, Available: 2},
		},
		"Canary": {
			reason: "The one in scope has it; the ones that are held do not work against it, and upstream's condition says that not all have it.",
			topologies: []report.Topology{
				{Name: "acme.a", Placed: true, Outcome: wrote(5), Live: ready()}, {Name: "acme.b", Placed: true, Held: true, Outcome: held(4), Live: ready()},
				{Name: "acme.c", Placed: true, Held: true, Outcome: held(0), Known: true},
			},
			want: told{
				"Propagation": "False CheckClusters Not as the object says: b, c", "Propagated": "True Propagated 1 of 1 have generation 5",
				"Available": "True Available Available wherever the object is placed", "Held": "True Masked Not in the placement mask: b, c",
			},
			summary: federated.Summary{Placed: 3, InSync: 1, Held: 2, Available: 2},
		},
		"OnTheWay": {
			reason: "One is behind, and nothing is known of another one.",
			topologies: []report.Topology{
				{Name: "acme.b", Placed: true, Outcome: wrote(4), Live: ready()}, {Name: "acme.a", Placed: true}, {Name: "acme.c", Placed: true, Outcome: wrote(5), Live: ready()},
			},
			want: told{
				"Propagation": "False CheckClusters Not as the object says: a, b", "Propagated": "False Progressing 1 of 3 have generation 5; waiting for a, b",
				"Available": "False Progressing Not available: a", "Held": "False NothingHeld Every topology may be touched",
			},
			summary: federated.Summary{Placed: 3, InSync: 1, Available: 2},
		},
		"Failing": {
			reason: "What failed is told, by what failed; a cluster's own message is told with the cluster.",
			topologies: []report.Topology{
				{Name: "acme.d", Placed: true, Outcome: failing(federated.StatusUpdateFailed, "x"), Live: ready()},
				{Name: "acme.c", Placed: true, Outcome: failing(federated.StatusCreationFailed, "y")},
				{Name: "acme.b", Placed: true, Outcome: failing(federated.StatusUpdateFailed, "z"), Live: live(map[string]any{"phase": "Failed"})},
				{Name: "edge", Placed: true, Outcome: failing(federated.StatusClusterNotReady, "down"), Live: ready()},
			},
			want: told{
				"Propagation": "False CheckClusters Not as the object says: b, c, cluster:edge, d",
				"Propagated":  "False Failed ClusterNotReady: cluster:edge; CreationFailed: c; UpdateFailed: b, d",
				"Available":   "False Failed Failed: b", "Held": "False NothingHeld Every topology may be touched",
			},
			summary: federated.Summary{Placed: 4, Failed: 4, Available: 1},
		},
		"Unreachable": {
			reason:     "Nobody can tell whether it works in a cluster that does not answer, whatever it said before.",
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: failing(federated.StatusClusterNotReady, ""), Live: ready()}},
			want: told{
				"Propagation": "False CheckClusters Not as the object says: a", "Propagated": "False Failed ClusterNotReady: a",
				"Available": "Unknown NotKnown Not known: a", "Held": "False NothingHeld Every topology may be touched",
			},
			summary: federated.Summary{Placed: 1, Failed: 1},
		},
		"NothingInScope": {
			reason:     "An empty mask leaves nothing to be done, and a list of names has an end.",
			topologies: many,
			want: told{
				"Propagation": "False CheckClusters Not as the object says: c00, c01, c02, c03, c04, c05, c06, c07, c08, c09 and 3 more",
				"Propagated":  "True NothingInScope The placement mask holds every topology",
				"Available":   "Unknown NotKnown Not seen yet",
				"Held":        "True Masked Not in the placement mask: c00, c01, c02, c03, c04, c05, c06, c07, c08, c09 and 3 more",
			},
			summary: federated.Summary{Placed: 13, Held: 13},
		},
		"Nowhere": {
			reason: "An object that is placed nowhere is where it should be.",
			want: told{
				"Propagation": "True ", "Propagated": "True NotPlaced The object is placed nowhere",
				"Available": "Unknown NotPlaced There is nowhere where the object is to work", "Held": "False NothingHeld Every topology may be touched",
			},
		},
		"Leaving": {
			reason:     "A change of the placement has not arrived as long as the object is where it should not be.",
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: wrote(5), Live: ready()}, {Name: "acme.b", Outcome: &report.Outcome{}, Live: ready()}},
			want: told{
				"Propagation": "False CheckClusters Not as the object says: b", "Propagated": "False Progressing Waiting for removal from b",
				"Available": "True Available Available wherever the object is placed", "Held": "False NothingHeld Every topology may be touched",
			},
			summary: federated.Summary{Placed: 1, InSync: 1, Available: 1},
		},
		"DeletionHeld": {
			reason:     "A deletion that waits says for what, and the way out.",
			edit:       deleting,
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: &report.Outcome{}, Live: ready()}, {Name: "acme.b", Placed: true, Held: true, Live: ready()}},
			want: told{
				"Propagation": "False CheckClusters Not as the object says: a, b", "Propagated": "False Deleting Waiting for removal from a",
				"Available": "Unknown NotPlaced There is nowhere where the object is to work",
				"Held":      "True DeletionHeld The deletion waits for what the placement mask does not name: b; name it in spec.placementMask, or remove the mask",
			},
			summary: federated.Summary{Placed: 2, Held: 1},
		},
		"NotFederated": {
			reason:    "Why nothing is propagated is told in upstream's word.",
			aggregate: federated.ReasonNamespaceNotFederated, message: "Namespace acme has no FederatedNamespace",
			want: told{
				"Propagation": "False NamespaceNotFederated Namespace acme has no FederatedNamespace", "Propagated": "False NamespaceNotFederated Namespace acme has no FederatedNamespace",
				"Available": "Unknown NotPlaced There is nowhere where the object is to work", "Held": "False NothingHeld Every topology may be touched",
			},
		},
		"Note": {
			reason:     "What no policy propagates is told.",
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: wrote(5), Live: ready()}},
			message:    "metadata.annotations[x] is not propagated",
			want: told{
				"Propagation": "True ", "Propagated": "True Propagated 1 of 1 have generation 5; metadata.annotations[x] is not propagated",
				"Available": "True Available Available wherever the object is placed", "Held": "False NothingHeld Every topology may be touched",
			},
			summary: federated.Summary{Placed: 1, InSync: 1, Available: 1},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := pay(federated.Status{})
			if tc.edit != nil {
				tc.edit(o)
			}
			got, _ := report.Build(report.Input{Object: o, Topologies: tc.topologies, Reason: tc.aggregate, Message: tc.message, Now: now, Kind: podKind})
			tell := told{}
			for _, c := range got.Conditions {
				tell[c.Type] = c.Status + " " + c.Reason
				if c.Message != "" {
					tell[c.Type] += " " + c.Message
				}
				if c.ObservedGeneration != 5 || c.LastTransitionTime != now {
					t.Errorf("condition %s: got generation %d and time %s", c.Type, c.ObservedGeneration, c.LastTransitionTime)
				}
			}
			if diff := cmp.Diff(tc.want, tell); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(&tc.summary, got.Summary); diff != "" {
				t.Errorf("%s\nsummary, -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestConditionTimes: whose time moves when.
func TestConditionTimes(t *testing.T) {
	one := func(generation int64) []report.Topology {
		return []report.Topology{{Name: "acme.a", Placed: true, Outcome: &report.Outcome{Generation: generation, AppliedVersion: fmt.Sprint(generation)}, Live: ready()}}
	}
	two := append(one(5), report.Topology{Name: "acme.b", Placed: true, Outcome: failing(federated.StatusCreationFailed, "")})
	before, _ := report.Build(report.Input{Object: pay(federated.Status{}), Topologies: one(5), Now: then, Kind: podKind})
	cases := map[string]struct {
		reason     string
		generation int64
		topologies []report.Topology
		aggregate  report.AggregateReason
		update     string
		transition map[string]string
	}{
		"Written": {
			reason: "Upstream's condition has the time of the last change in a member, and nothing else moves.", generation: 6, topologies: one(6), update: now,
			transition: map[string]string{"Propagation": then, "Propagated": then, "Available": then, "Held": then},
		},
		"Behind": {
			reason: "A new generation that has not arrived makes a transition.", generation: 6, topologies: one(5), update: now,
			transition: map[string]string{"Propagation": now, "Propagated": now, "Available": then, "Held": then},
		},
		"Failed": {
			reason: "So does a failure.", generation: 5, topologies: two, update: now,
			transition: map[string]string{"Propagation": now, "Propagated": now, "Available": now, "Held": then},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := pay(before, func(o *federated.Object) { o.Generation = tc.generation })
			got, changed := report.Build(report.Input{Object: o, Topologies: tc.topologies, Reason: tc.aggregate, Now: now, Kind: podKind})
			if !changed {
				t.Fatalf("%s\nnothing changed", tc.reason)
			}
			transition := map[string]string{}
			for _, c := range got.Conditions {
				transition[c.Type] = c.LastTransitionTime
				if c.Type == "Propagation" && c.LastUpdateTime != tc.update || c.Type != "Propagation" && c.LastUpdateTime != "" {
					t.Errorf("%s\n%s: got lastUpdateTime %q", tc.reason, c.Type, c.LastUpdateTime)
				}
			}
			if diff := cmp.Diff(tc.transition, transition); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestReasonTimes: upstream's condition moves with its reason, the others with their status alone.
func TestReasonTimes(t *testing.T) {
	o := pay(federated.Status{})
	topologies := []report.Topology{{Name: "acme.a", Placed: true, Outcome: failing(federated.StatusCreationFailed, "")}}
	o.Status, _ = report.Build(report.Input{Object: o, Topologies: topologies, Now: then, Kind: configMap})
	got, _ := report.Build(report.Input{Object: o, Topologies: topologies, Reason: federated.ReasonNamespaceNotFederated, Now: now, Kind: configMap})
	want := map[string]string{"Propagation": now, "Propagated": then, "Held": then}
	for _, c := range got.Conditions {
		if c.LastTransitionTime != want[c.Type] {
			t.Errorf("%s: got lastTransitionTime %s, want %s", c.Type, c.LastTransitionTime, want[c.Type])
		}
	}
}

// TestOthersConditions: a condition that somebody else sets stays, behind ours.
func TestOthersConditions(t *testing.T) {
	theirs := federated.Condition{Type: "Approved", Status: "True", LastTransitionTime: then}
	got, _ := report.Build(report.Input{Object: pay(federated.Status{Conditions: []federated.Condition{theirs}}), Now: now, Kind: configMap})
	if diff := cmp.Diff(theirs, got.Conditions[len(got.Conditions)-1]); len(got.Conditions) != 4 || diff != "" {
		t.Errorf("got %d conditions, -want +got:\n%s", len(got.Conditions), diff)
	}
}

// TestAvailabilityAfterRestart: what was said goes on to hold until every topology is seen, unless there is worse to say.
func TestAvailabilityAfterRestart(t *testing.T) {
	names := []string{"acme.a", "acme.b"}
	topologies := func(lives ...*unstructured.Unstructured) []report.Topology {
		var ts []report.Topology
		for i, l := range lives {
			ts = append(ts, report.Topology{Name: names[i], Placed: true, Live: l})
		}
		return ts
	}
	running := topologies(ready(), ready())
	for i := range running {
		running[i].Outcome = wrote(5)
	}
	before, _ := report.Build(report.Input{Object: pay(federated.Status{}), Topologies: running, Now: then, Kind: podKind})
	cases := map[string]struct {
		reason     string
		topologies []report.Topology
		want       string
		available  int64
	}{
		"Nothing": {reason: "None is seen.", topologies: topologies(nil, nil), want: "True", available: 2},
		"One":     {reason: "One is seen as it was.", topologies: topologies(nil, ready()), want: "True", available: 2},
		"Worse":   {reason: "One is seen, and does not work.", topologies: topologies(nil, live(map[string]any{"phase": "Pending"})), want: "False", available: 1},
		"All":     {reason: "All are seen.", topologies: topologies(ready(), ready()), want: "True", available: 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, _ := report.Build(report.Input{Object: pay(before), Topologies: tc.topologies, Now: now, Kind: podKind})
			if c := got.Conditions[2]; c.Type != "Available" || c.Status != tc.want || got.Summary.Available != tc.available {
				t.Errorf("%s\ngot %s=%s and %d available, want %s and %d", tc.reason, c.Type, c.Status, got.Summary.Available, tc.want, tc.available)
			}
		})
	}
}

// TestUnreachableAfterRestart: a cluster that did not answer when it was last asked is not known to work, although the
// cache has an object of it.
func TestUnreachableAfterRestart(t *testing.T) {
	o := pay(federated.Status{})
	down := report.Topology{Name: "acme.a", Placed: true, Outcome: failing(federated.StatusClusterNotReady, "down"), Live: ready()}
	o.Status, _ = report.Build(report.Input{Object: o, Topologies: []report.Topology{down}, Now: then, Kind: podKind})
	down.Outcome = nil
	if got, changed := report.Build(report.Input{Object: o, Topologies: []report.Topology{down}, Now: now, Kind: podKind}); changed {
		t.Errorf("it changes with a restart:\n%s", cmp.Diff(o.Status, got))
	}
}
