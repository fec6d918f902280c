package report_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

const (
	then = "2026-01-01T00:00:00Z"
	now  = "2026-01-02T00:00:00Z"
)

var configMap = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}

// pay returns a federated object of generation 5 that names the cells of namespace acme and has the status.
func pay(status federated.Status, edits ...func(*federated.Object)) *federated.Object {
	o := &federated.Object{
		APIVersion: federated.APIVersionV2Beta1, Kind: "FederatedConfigMap", Namespace: "acme", Name: "pay", Generation: 5,
		Placement: federated.Placement{TopologyType: "cell"}, Status: status,
	}
	for _, edit := range edits {
		edit(o)
	}
	return o
}

func deleting(o *federated.Object) { o.Deleting = true }

// live returns a member's object with that status.
func live(status any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"kind": "ConfigMap", "metadata": map[string]any{"name": "pay"}, "status": status}}
}

func wrote(generation int64) *report.Outcome {
	return &report.Outcome{Generation: generation, AppliedVersion: "d:gen:1", Changed: true}
}

func failing(status, message string) *report.Outcome {
	return &report.Outcome{Status: status, Message: message}
}

func held(generation int64) *report.Outcome {
	return &report.Outcome{Status: federated.StatusHeld, Generation: generation}
}

// TestEntries: what the status lists, and what it says of each topology.
func TestEntries(t *testing.T) {
	type clusters = []federated.ClusterStatus
	synced := federated.ClusterStatus{Name: "acme.a", Generation: 5, AppliedVersion: "d:gen:1", LastChangeTime: then, RemoteStatus: map[string]any{"n": int64(1)}}
	with := func(c federated.ClusterStatus, edit func(*federated.ClusterStatus)) federated.ClusterStatus {
		edit(&c)
		return c
	}
	cases := map[string]struct {
		reason     string
		before     clusters
		edit       func(*federated.Object)
		topologies []report.Topology
		policy     *report.StatusPolicy
		aggregate  report.AggregateReason
		want       clusters
	}{
		"Created": {
			reason:     "What was written is told, with the time.",
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: wrote(5), Live: live(map[string]any{"n": int64(1)})}},
			want:       clusters{with(synced, func(c *federated.ClusterStatus) { c.LastChangeTime = now })},
		},
		"Sorted": {
			reason: "The order is by name, and a topology that is given twice is listed once.",
			topologies: []report.Topology{
				{Name: "acme.b", Placed: true, Outcome: failing(federated.StatusCreationFailed, "no")},
				{Name: "acme.a", Placed: true, Outcome: failing(federated.StatusCreationFailed, "no")},
				{Name: "acme.b", Placed: true, Outcome: failing(federated.StatusCreationFailed, "no")},
			},
			want: clusters{
				{Name: "acme.a", Status: federated.StatusCreationFailed, Message: "no", LastChangeTime: now},
				{Name: "acme.b", Status: federated.StatusCreationFailed, Message: "no", LastChangeTime: now},
			},
		},
		"Restarted": {
			reason:     "As long as a topology was not reconciled since the start, what was known of it stays.",
			before:     clusters{with(synced, func(c *federated.ClusterStatus) { c.Status, c.Message = federated.StatusUpdateFailed, "no" })},
			topologies: []report.Topology{{Name: "acme.a", Placed: true}},
			want:       clusters{with(synced, func(c *federated.ClusterStatus) { c.Status, c.Message = federated.StatusUpdateFailed, "no" })},
		},
		"RestartedAndSeen": {
			reason:     "The member's own status is told as soon as it is seen, and is no change of the propagation.",
			before:     clusters{synced},
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Live: live(map[string]any{"n": int64(2)})}},
			want:       clusters{with(synced, func(c *federated.ClusterStatus) { c.RemoteStatus = map[string]any{"n": int64(2)} })},
		},
		"NothingKnown": {
			reason:     "OK would be a lie, and no word of upstream's says that nothing is known yet.",
			topologies: []report.Topology{{Name: "acme.a", Placed: true}},
		},
		"Failed": {
			reason:     "A failure does not forget what the member has received.",
			before:     clusters{synced},
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: failing(federated.StatusUpdateFailed, "no"), Live: live(map[string]any{"n": int64(1)})}},
			want: clusters{with(synced, func(c *federated.ClusterStatus) {
				c.Status, c.Message, c.LastChangeTime = federated.StatusUpdateFailed, "no", now
			})},
		},
		"Unreachable": {
			reason:     "What nobody can see any more was so when it was last seen.",
			before:     clusters{synced},
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: failing(federated.StatusClusterNotReady, "down")}},
			want: clusters{with(synced, func(c *federated.ClusterStatus) {
				c.Status, c.Message, c.LastChangeTime = federated.StatusClusterNotReady, "down", now
			})},
		},
		"GoneInMember": {
			reason:     "A member that is known to have nothing has no status.",
			before:     clusters{synced},
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Known: true, Outcome: failing(federated.StatusCreationFailed, "no")}},
			want: clusters{with(synced, func(c *federated.ClusterStatus) {
				c.Status, c.Message, c.LastChangeTime, c.RemoteStatus = federated.StatusCreationFailed, "no", now, nil
			})},
		},
		"Held": {
			reason:     "The generation is the one that the cell last received, from the outcome.",
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Held: true, Outcome: held(3), Live: live(map[string]any{"n": int64(1)})}},
			want:       clusters{{Name: "acme.a", Status: federated.StatusHeld, Generation: 3, LastChangeTime: now, RemoteStatus: map[string]any{"n": int64(1)}}},
		},
		"HeldAfterRestart": {
			reason:     "The generation is the one that the cell last received, from the status before.",
			before:     clusters{synced},
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Held: true, Outcome: held(0)}},
			want:       clusters{with(synced, func(c *federated.ClusterStatus) { c.Status, c.LastChangeTime = federated.StatusHeld, now })},
		},
		"HeldAndNothingKnown": {
			reason:     "That a topology is held is known without asking it.",
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Held: true}},
			want:       clusters{{Name: "acme.a", Status: federated.StatusHeld, LastChangeTime: now}},
		},
		"HeldAfterFailure": {
			reason:     "Nothing is tried there any more.",
			before:     clusters{with(synced, func(c *federated.ClusterStatus) { c.Status, c.Message = federated.StatusUpdateFailed, "no" })},
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Held: true}},
			want:       clusters{with(synced, func(c *federated.ClusterStatus) { c.Status, c.LastChangeTime = federated.StatusHeld, now })},
		},
		"HeldNotPlaced": {
			reason:     "An unplaced topology is held as long as the member has the object.",
			topologies: []report.Topology{{Name: "acme.a", Held: true, Live: live(nil)}},
			want:       clusters{{Name: "acme.a", Status: federated.StatusHeld, LastChangeTime: now}},
		},
		"HeldNotPlacedAndGone": {
			reason:     "Somebody in the member has deleted it: there is nothing to hold.",
			before:     clusters{synced},
			topologies: []report.Topology{{Name: "acme.a", Held: true, Known: true, Outcome: held(3)}},
		},
		"Released": {
			reason:     "A mask that lets a topology go makes it one that lags behind, as long as nothing has been written.",
			before:     clusters{with(synced, func(c *federated.ClusterStatus) { c.Status, c.Generation = federated.StatusHeld, 3 })},
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: held(3)}},
			want:       clusters{with(synced, func(c *federated.ClusterStatus) { c.Generation, c.LastChangeTime = 3, now })},
		},
		"ReleasedEmpty": {
			reason:     "A topology that never received anything and is not held any more has nothing to be told of.",
			before:     clusters{{Name: "acme.a", Status: federated.StatusHeld, LastChangeTime: then}},
			topologies: []report.Topology{{Name: "acme.a", Placed: true}},
		},
		"PlacedAgain": {
			reason:     "A topology that is to keep the object after all does not wait for its removal.",
			before:     clusters{with(synced, func(c *federated.ClusterStatus) { c.Status = federated.StatusWaitingForRemoval })},
			topologies: []report.Topology{{Name: "acme.a", Placed: true}},
			want:       clusters{with(synced, func(c *federated.ClusterStatus) { c.LastChangeTime = now })},
		},
		"Leaving": {
			reason:     "A topology that is to have the object no more is listed as long as it has it.",
			before:     clusters{synced},
			topologies: []report.Topology{{Name: "acme.a", Outcome: &report.Outcome{Changed: true}, Live: live(map[string]any{"n": int64(1)})}},
			want: clusters{with(synced, func(c *federated.ClusterStatus) {
				c.Status, c.LastChangeTime = federated.StatusWaitingForRemoval, now
			})},
		},
		"LeavingNothingKnown": {
			reason:     "After a restart nobody knows that it is gone.",
			before:     clusters{synced},
			topologies: []report.Topology{{Name: "acme.a"}},
			want: clusters{with(synced, func(c *federated.ClusterStatus) {
				c.Status, c.LastChangeTime = federated.StatusWaitingForRemoval, now
			})},
		},
		"LeavingFailed": {
			reason:     "Why it is still there is worth more than that it is.",
			topologies: []report.Topology{{Name: "acme.a", Outcome: failing(federated.StatusDeletionFailed, "no"), Live: live(nil)}},
			want:       clusters{{Name: "acme.a", Status: federated.StatusDeletionFailed, Message: "no", LastChangeTime: now}},
		},
		"Left": {
			reason:     "What is gone is not listed.",
			before:     clusters{synced},
			topologies: []report.Topology{{Name: "acme.a", Outcome: &report.Outcome{Changed: true}}},
		},
		"LeftByItself": {
			reason:     "What is known to be gone is not listed, whoever deleted it.",
			before:     clusters{synced},
			topologies: []report.Topology{{Name: "acme.a", Known: true}},
		},
		"NeverThere": {
			reason:     "A topology that has nothing to do with the object is not listed.",
			topologies: []report.Topology{{Name: "acme.a"}},
		},
		"Vanished": {
			reason: "A topology that nobody speaks of any more is not listed.",
			before: clusters{synced},
		},
		"PlacementUnknown": {
			reason:    "As long as nobody knows where the object belongs, nothing is forgotten.",
			before:    clusters{synced},
			aggregate: federated.ReasonComputePlacementFailed,
			want:      clusters{synced},
		},
		"Deleting": {
			reason: "An object that is being deleted leaves every topology; those that are held stay.",
			before: clusters{synced},
			edit:   deleting,
			topologies: []report.Topology{
				{Name: "acme.a", Placed: true, Outcome: &report.Outcome{}},
				{Name: "acme.b", Placed: true, Outcome: &report.Outcome{}, Live: live(nil)},
				{Name: "acme.c", Placed: true, Held: true, Outcome: held(2), Live: live(nil)},
			},
			want: clusters{
				{Name: "acme.b", Status: federated.StatusWaitingForRemoval, LastChangeTime: now},
				{Name: "acme.c", Status: federated.StatusHeld, Generation: 2, LastChangeTime: now},
			},
		},
		"UpstreamsEntry": {
			reason:     "What upstream wrote stays what it is, without a time, until something is written.",
			before:     clusters{{Name: "acme.a"}},
			topologies: []report.Topology{{Name: "acme.a", Placed: true}},
			want:       clusters{{Name: "acme.a"}},
		},
		"Fields": {
			reason: "Only what the policy chooses is told.",
			policy: &report.StatusPolicy{Collection: v1alpha1.StatusFields, Fields: func(s map[string]any) map[string]any {
				s = maps.Clone(s)
				delete(s, "secret")
				return s
			}},
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: wrote(5), Live: live(map[string]any{"n": int64(1), "secret": "x"})}},
			want:       clusters{with(synced, func(c *federated.ClusterStatus) { c.LastChangeTime = now })},
		},
		"None": {
			reason:     "Nothing is told, and what was told before goes.",
			before:     clusters{synced},
			policy:     &report.StatusPolicy{Collection: v1alpha1.StatusNone},
			topologies: []report.Topology{{Name: "acme.a", Placed: true}, {Name: "acme.b", Placed: true, Outcome: wrote(5), Live: live(map[string]any{"n": int64(1)})}},
			want: clusters{
				with(synced, func(c *federated.ClusterStatus) { c.RemoteStatus = nil }),
				with(synced, func(c *federated.ClusterStatus) { c.Name, c.RemoteStatus, c.LastChangeTime = "acme.b", nil, now }),
			},
		},
		"OddStatus": {
			reason: "The schema takes nothing but an object, and one odd member must not keep the others from being told of.",
			topologies: []report.Topology{
				{Name: "acme.a", Placed: true, Outcome: wrote(5), Live: live("running")},
				{Name: "acme.b", Placed: true, Outcome: wrote(5), Live: live(map[string]any{})},
			},
			want: clusters{
				with(synced, func(c *federated.ClusterStatus) { c.LastChangeTime, c.RemoteStatus = now, nil }),
				with(synced, func(c *federated.ClusterStatus) { c.Name, c.LastChangeTime, c.RemoteStatus = "acme.b", now, nil }),
			},
		},
		"LongMessage": {
			reason:     "A message is cut between two characters.",
			topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: failing(federated.StatusUpdateFailed, strings.Repeat("é", 1000))}},
			want: clusters{{Name: "acme.a", Status: federated.StatusUpdateFailed, LastChangeTime: now,
				Message: strings.Repeat("é", 510) + "…"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := pay(federated.Status{Clusters: tc.before})
			if tc.edit != nil {
				tc.edit(o)
			}
			got, _ := report.Build(report.Input{Object: o, Topologies: tc.topologies, Now: now, Policy: tc.policy, Reason: tc.aggregate, Kind: configMap})
			if diff := cmp.Diff(tc.want, got.Clusters, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestUnchanged: a write that would tell nothing new is not made.
func TestUnchanged(t *testing.T) {
	topologies := func(remote any, outcome *report.Outcome) []report.Topology {
		return []report.Topology{{Name: "acme.a", Placed: true, Outcome: outcome, Live: live(remote)}}
	}
	before, changed := report.Build(report.Input{Object: pay(federated.Status{}), Now: then, Kind: configMap,
		Topologies: topologies(map[string]any{"n": int64(1), "list": []any{int64(2), "x"}, "f": 0.5}, wrote(5))})
	if !changed {
		t.Fatal("a first status is none")
	}
	cases := map[string]struct {
		reason     string
		edit       func(*federated.Object)
		topologies []report.Topology
		want       bool
	}{
		"Same":       {reason: "Nothing changed but the time.", topologies: topologies(map[string]any{"n": int64(1), "list": []any{int64(2), "x"}, "f": 0.5}, wrote(5))},
		"Numbers":    {reason: "A number is what it amounts to.", topologies: topologies(map[string]any{"n": 1.0, "list": []any{2.0, "x"}, "f": 0.5}, wrote(5))},
		"Null":       {reason: "A null may not survive the API server.", topologies: topologies(map[string]any{"n": int64(1), "list": []any{int64(2), "x"}, "f": 0.5, "none": nil}, wrote(5))},
		"Number":     {reason: "Another number is news.", topologies: topologies(map[string]any{"n": int64(2), "list": []any{int64(2), "x"}, "f": 0.5}, wrote(5)), want: true},
		"Item":       {reason: "Another item is news.", topologies: topologies(map[string]any{"n": int64(1), "list": []any{int64(2), "y"}, "f": 0.5}, wrote(5)), want: true},
		"Field":      {reason: "A field that is gone is news.", topologies: topologies(map[string]any{"n": int64(1), "list": []any{int64(2), "x"}}, wrote(5)), want: true},
		"OtherField": {reason: "Another field is news.", topologies: topologies(map[string]any{"n": int64(1), "list": []any{int64(2), "x"}, "g": 0.5}, wrote(5)), want: true},
		"Version": {reason: "Another version of the member's object is news.", want: true,
			topologies: topologies(map[string]any{"n": int64(1), "list": []any{int64(2), "x"}, "f": 0.5}, &report.Outcome{Generation: 5, AppliedVersion: "d:gen:2"})},
		"Generation": {reason: "A new generation is news, because the status speaks of it.", edit: func(o *federated.Object) { o.Generation = 6 }, want: true,
			topologies: topologies(map[string]any{"n": int64(1), "list": []any{int64(2), "x"}, "f": 0.5}, wrote(5))},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := pay(before)
			if tc.edit != nil {
				tc.edit(o)
			}
			got, changed := report.Build(report.Input{Object: o, Now: now, Topologies: tc.topologies, Kind: configMap})
			if changed != tc.want {
				t.Errorf("%s\ngot changed %t, want %t: %s", tc.reason, changed, tc.want, cmp.Diff(before, got))
			}
			if !changed && !cmp.Equal(before, got) {
				t.Errorf("%s\nunchanged, and yet another status:\n%s", tc.reason, cmp.Diff(before, got))
			}
		})
	}
}

// TestBigNumbers: two integers that are one float64 are two.
func TestBigNumbers(t *testing.T) {
	build := func(before federated.Status, n any) (federated.Status, bool) {
		return report.Build(report.Input{Object: pay(before), Now: now, Kind: configMap,
			Topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: wrote(5), Live: live(map[string]any{"n": n})}}})
	}
	before, _ := build(federated.Status{}, int64(1<<53))
	if _, changed := build(before, float64(1<<53)); changed {
		t.Error("the same number was taken for another one")
	}
	if _, changed := build(before, int64(1<<53+1)); !changed {
		t.Error("another number was taken for the same")
	}
	before, _ = build(federated.Status{}, int64(1<<53+1))
	if _, changed := build(before, float64(1<<53)); !changed {
		t.Error("a number was rounded")
	}
}
