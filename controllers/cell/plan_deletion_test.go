package cell

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/placementcache"
)

func TestHold(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		kind   string
		object string
		want   hold
	}{
		"Named": {
			reason: "it names the cell",
			object: `{metadata: {generation: 1}, spec: {placement: {clusters: [{name: other}, {name: shop.rz00a}]}}}`,
			want:   holdNamed,
		},
		"Selected": {
			reason: "its selector matches the labels of the cell's KubeFedCluster",
			object: `{metadata: {generation: 1}, spec: {placement: {clusterSelector: {matchLabels: {cellfed.io/tenant: acme, city: hangzhou}}}}}`,
			want:   holdSelected,
		},
		"SelectedAll": {
			reason: "an empty selector matches every cluster",
			object: `{metadata: {generation: 1}, spec: {placement: {clusterSelector: {}}}}`,
			want:   holdSelected,
		},
		"Elsewhere": {
			reason: "it was created elsewhere and never changed: upstream need not say so",
			object: `{metadata: {generation: 1}, spec: {placement: {clusters: [{name: shop.rz01a}]}}}`,
			want:   holdNone,
		},
		"EmptyList": {
			reason: "an empty list puts the selector out of force",
			object: `{metadata: {generation: 1}, spec: {placement: {clusters: [], clusterSelector: {}}}}`,
			want:   holdNone,
		},
		"Listed": {
			reason: "upstream says that it is still there",
			object: `{metadata: {generation: 2}, spec: {placement: {clusters: []}}, status: {observedGeneration: 2, clusters: [{name: shop.rz00a}]}}`,
			want:   holdListed,
		},
		"ListedElsewhere": {
			reason: "upstream says that it is elsewhere",
			object: `{metadata: {generation: 2}, spec: {placement: {clusters: []}}, status: {observedGeneration: 2, clusters: [{name: shop.rz01a}]}}`,
			want:   holdNone,
		},
		"Masked": {
			reason: "it is placed nowhere any more, and its mask holds it where it is",
			object: `{metadata: {generation: 2}, spec: {placement: {clusters: []}}, status: {observedGeneration: 2, clusters: [{name: shop.rz00a, status: Held}]}}`,
			want:   holdMasked,
		},
		"MaskedDeleting": {
			reason: "it is being deleted, and its mask holds it where it is",
			object: `{metadata: {generation: 2, deletionTimestamp: "2026-01-01T00:00:00Z"}, spec: {placement: {clusters: [{name: shop.rz00a}]}}, status: {observedGeneration: 2, clusters: [{name: shop.rz00a, status: Held}]}}`,
			want:   holdMasked,
		},
		"MaskedElsewhere": {
			reason: "its mask holds it in another cell",
			object: `{metadata: {generation: 2}, spec: {placement: {clusters: []}}, status: {observedGeneration: 2, clusters: [{name: shop.rz01a, status: Held}]}}`,
			want:   holdNone,
		},
		"MaskedAndPlaced": {
			reason: "first it must not be placed there any more",
			object: `{metadata: {generation: 2}, spec: {placement: {clusters: [{name: shop.rz00a}]}}, status: {observedGeneration: 2, clusters: [{name: shop.rz00a, status: Held}]}}`,
			want:   holdNamed,
		},
		"Unobserved": {
			reason: "upstream has not acted on the change yet",
			object: `{metadata: {generation: 2}, spec: {placement: {clusters: []}}, status: {observedGeneration: 1}}`,
			want:   holdUnobserved,
		},
		"NeverObserved": {
			reason: "it was changed and upstream has never reported: it may have begun",
			object: `{metadata: {generation: 2}, spec: {placement: {clusters: []}}}`,
			want:   holdUnobserved,
		},
		"Begun": {
			reason: "upstream has begun: the labels of the cell may have been others then",
			object: `{metadata: {generation: 1, finalizers: [kubefed.io/sync-controller]}, spec: {placement: {clusters: []}}}`,
			want:   holdUnobserved,
		},
		"Deleting": {
			reason: "it is being deleted from where it is placed",
			object: `{metadata: {generation: 2, deletionTimestamp: "2026-01-01T00:00:00Z"}, spec: {placement: {clusters: [{name: shop.rz00a}]}}, status: {observedGeneration: 1}}`,
			want:   holdNamed,
		},
		"DeletingElsewhere": {
			reason: "it is being deleted elsewhere, on which upstream never reports: a dead member there is no concern of this cell's",
			object: `{metadata: {generation: 2, deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [kubefed.io/sync-controller]}, spec: {placement: {clusters: [{name: shop.rz01a}]}}, status: {observedGeneration: 1, clusters: [{name: shop.rz01a}]}}`,
			want:   holdNone,
		},
		"DeletingChanged": {
			reason: "it was taken from the cell and deleted before upstream had acted",
			object: `{metadata: {generation: 3, deletionTimestamp: "2026-01-01T00:00:00Z"}, spec: {placement: {clusters: []}}, status: {observedGeneration: 1}}`,
			want:   holdUnobserved,
		},
		"OurNamespace": {
			reason: "the FederatedNamespace that cellfed made places every cell",
			kind:   namespacesType,
			object: `{metadata: {generation: 2, labels: {cellfed.io/generated: "true"}}, spec: {placement: {clusterSelector: {}}}, status: {clusters: [{name: shop.rz00a}]}}`,
			want:   holdNone,
		},
		"TheirNamespace": {
			reason: "one that somebody wrote counts",
			kind:   namespacesType,
			object: `{metadata: {generation: 1}, spec: {placement: {clusterSelector: {}}}}`,
			want:   holdSelected,
		},
		"OthersMark": {
			reason: "the mark on an object of another type means nothing",
			object: `{metadata: {generation: 1, labels: {cellfed.io/generated: "true"}}, spec: {placement: {clusterSelector: {}}}}`,
			want:   holdSelected,
		},
		"BadSelector": {
			reason: "upstream leaves an object in place whose selector it cannot read",
			object: `{metadata: {generation: 1}, spec: {placement: {clusterSelector: {matchExpressions: [{key: a, operator: Foo}]}}}}`,
			want:   holdUnclear,
		},
		"BadPlacement": {
			reason: "or whose placement is no object",
			object: `{metadata: {generation: 1}, spec: {placement: everywhere}}`,
			want:   holdUnclear,
		},
		"NoSpec": {
			reason: "an object without a placement is placed nowhere",
			object: `{metadata: {generation: 1}, spec: {}}`,
			want:   holdNone,
		},
	} {
		t.Run(name, func(t *testing.T) {
			kind := tc.kind
			if kind == "" {
				kind = "configmaps"
			}
			f := newFacts()
			if got := holdOf(object(t, kind, tc.object), f.clusterName(), clusterLabels(f)); got != tc.want {
				t.Errorf("%s: holdOf() = %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
}

// What is stored in v2beta1 is read like v1beta1.
func TestHoldTopologies(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		kind   string
		object string
		want   hold
	}{
		"Named": {
			reason: "it names the cell",
			object: `{metadata: {generation: 1}, spec: {topologyType: cell, placement: {topologies: [{name: rz00a}]}}}`,
			want:   holdNamed,
		},
		"Selected": {
			reason: "it selects all cells of the namespace",
			object: `{metadata: {generation: 1}, spec: {topologyType: cell, placement: {topologySelector: {}}}}`,
			want:   holdSelected,
		},
		"Listed": {
			reason: "the push reconciler says that it is still there",
			object: `{metadata: {generation: 2}, spec: {topologyType: cell, placement: {topologies: []}}, status: {observedGeneration: 2, topologies: [{name: rz00a, status: WaitingForRemoval}]}}`,
			want:   holdListed,
		},
		"Masked": {
			reason: "the push reconciler says that it is held",
			object: `{metadata: {generation: 2}, spec: {topologyType: cell, placement: {topologies: []}}, status: {observedGeneration: 2, topologies: [{name: rz00a, status: Held}]}}`,
			want:   holdMasked,
		},
		"Unobserved": {
			reason: "the push reconciler has not reported on the change yet",
			object: `{metadata: {generation: 2}, spec: {topologyType: cell, placement: {topologies: []}}, status: {observedGeneration: 1, topologies: []}}`,
			want:   holdUnobserved,
		},
		"Gone": {
			reason: "it has been removed",
			object: `{metadata: {generation: 2, finalizers: [kubefed.io/sync-controller]}, spec: {topologyType: cell, placement: {topologies: []}}, status: {observedGeneration: 2, topologies: []}}`,
			want:   holdNone,
		},
		"OurNamespace": {
			reason: "the FederatedNamespace that cellfed made places every cell, and is still in all of them",
			kind:   namespacesType,
			object: `{metadata: {generation: 2, labels: {cellfed.io/generated: "true"}}, spec: {topologyType: cell, placement: {topologySelector: {}}}, status: {topologies: [{name: rz00a}]}}`,
			want:   holdNone,
		},
	} {
		t.Run(name, func(t *testing.T) {
			kind := tc.kind
			if kind == "" {
				kind = "configmaps"
			}
			f := newFacts()
			o := objectIn(t, "types.kubefed.io/v2beta1", kind, tc.object)
			if got := holdOf(o, f.clusterName(), clusterLabels(f)); got != tc.want {
				t.Errorf("%s: holdOf() = %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
}

// An object of a type in a group that somebody chose is read like any other.
func TestHoldForeignGroup(t *testing.T) {
	f := newFacts()
	o := object(t, "widgets", `{metadata: {generation: 1}, spec: {placement: {clusters: [{name: shop.rz00a}]}}}`)
	o.SetAPIVersion("types.example.com/v1alpha1")
	if got := holdOf(o, f.clusterName(), nil); got != holdNamed {
		t.Errorf("holdOf() = %d, want %d", got, holdNamed)
	}
	if got := o.GetAPIVersion(); got != "types.example.com/v1alpha1" {
		t.Errorf("the object, which is shared, was changed: %s", got)
	}
}

func TestBlockedMessage(t *testing.T) {
	f := newFacts(generatedFully, deleted)
	add := func(kind, name, content string) {
		o := object(t, "things", "kind: "+kind+"\nmetadata: {name: "+name+", generation: 2}\n"+content)
		f.objects = append(f.objects, o)
	}
	add("FederatedSecret", "key", "spec: {placement: {clusters: []}}\nstatus: {observedGeneration: 1}")
	add("FederatedDeployment", "pay", "spec: {placement: {clusters: [{name: shop.rz00a}]}}")
	add("FederatedDeployment", "book", "spec: {placement: {clusterSelector: {}}}")
	add("FederatedConfigMap", "cfg", "spec: {placement: {clusters: []}}\nstatus: {observedGeneration: 2, clusters: [{name: shop.rz00a}]}")
	add("FederatedConfigMap", "bad", "spec: {placement: 1}")
	f.objects[1].SetDeletionTimestamp(f.cell.DeletionTimestamp)
	f.unreadable = []string{"FederatedWidget"}

	blockers := blockersOf(f)
	want := `waiting for FederatedConfigMap "bad" (its placement is malformed: correct it), ` +
		`FederatedConfigMap "cfg" (still there: it has not been removed yet), ` +
		`FederatedDeployment "book" (selects it: change the selector, or the labels of the Cell), ` +
		`FederatedDeployment "pay" (is being deleted), ` +
		`FederatedSecret "key" (changed: its status does not speak of the change yet), ` +
		`FederatedWidget (cannot be read)`
	compare(t, want, blockedMessage(blockers), "each with its way out, in order")
	compare(t, v1alpha1.ReasonPlaced, blockedReason(blockers), "objects that are known come before those that are not")

	f.objects = nil
	compare(t, v1alpha1.ReasonUnreadable, blockedReason(blockersOf(f)), "nothing is known to place it")

	for i := range 12 {
		add("FederatedConfigMap", fmt.Sprintf("c%02d", 11-i), "spec: {placement: {clusterSelector: {}}}")
	}
	message := blockedMessage(blockersOf(f))
	if !strings.Contains(message, `"c00"`) || !strings.Contains(message, `"c09"`) || strings.Contains(message, `"c10"`) {
		t.Errorf("the message does not name the first ten: %s", message)
	}
	if !strings.HasSuffix(message, " and 3 more") {
		t.Errorf("the message does not count the rest: %s", message)
	}
}

// What upstream selects by are the labels that the KubeFedCluster has, not those that it will have.
func TestBlockersByLiveLabels(t *testing.T) {
	f := newFacts(generatedFully, deleted)
	f.objects = []placementcache.Object{object(t, "configmaps", `{kind: FederatedConfigMap, metadata: {name: cfg, generation: 1}, spec: {placement: {clusterSelector: {matchLabels: {city: hangzhou}}}}}`)}
	f.cell.Labels = nil
	if len(blockersOf(f)) != 1 {
		t.Error("an object is let go before upstream can have seen the new labels")
	}
	f.own = liveCluster(desiredCluster(f, "t0"))
	if blockers := blockersOf(f); len(blockers) != 0 {
		t.Errorf("an object that does not select the new labels blocks: %v", blockers)
	}
}
