package propagation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/report"
	"github.com/cellfed/cellfed/internal/scope"
)

var (
	configMap     = render.Target{Kind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Namespaced: true}
	namespaceKind = render.Target{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}}
)

// givenObject is a federated object of generation 3 with one key of data.
func givenObject(change func(*federated.Object)) *federated.Object {
	o := &federated.Object{
		APIVersion: federated.APIVersionV2Beta1, Kind: "FederatedConfigMap", Namespace: "acme", Name: "x", UID: "f1", Generation: 3,
		Template: map[string]any{"data": map[string]any{"k": "1"}},
	}
	if change != nil {
		change(o)
	}
	return o
}

func givenPhysical(name string) Topology {
	return Topology{Topology: scope.Topology{Name: name, Member: name}}
}

func givenCell() Topology {
	return Topology{Topology: scope.Topology{Name: "acme.a1", Member: "hz", View: &mapping.View{Namespace: "acme", Cell: "a1", TargetNamespace: "acme-a1"}}}
}

// givenLive is what cellfed has applied for a physical cluster, changed.
func givenLive(change func(*unstructured.Unstructured)) *member.Object {
	fields := map[string]any{"data": map[string]any{"k": "1"}, "metadata": map[string]any{"labels": map[string]any{kubeFedLabel: labelTrue}}}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"k": "1"},
		"metadata": map[string]any{"namespace": "acme", "name": "x", "uid": "m1", "resourceVersion": "7", "labels": map[string]any{kubeFedLabel: labelTrue}},
	}}
	if change != nil {
		change(u)
	}
	return &member.Object{Unstructured: u, Applied: fieldSet(fields)}
}

func labeled(labels map[string]string) func(*unstructured.Unstructured) {
	return func(u *unstructured.Unstructured) { u.SetLabels(labels) }
}

func dying(u *unstructured.Unstructured) {
	u.Object["metadata"].(map[string]any)["deletionTimestamp"] = "2030-01-01T00:00:00Z"
}

// taken is a step as far as it can be compared.
type taken struct {
	Verb       verb
	Pin, Gone  bool
	Reported   bool
	Status     string
	Generation int64
	Applied    string
	Event      string
}

func TestDecide(t *testing.T) {
	const held, ok = federated.StatusHeld, federated.StatusOK
	present := scope.Decision{Want: scope.Present, Placed: true}
	absent, orphaned := scope.Decision{Want: scope.Absent}, scope.Decision{Want: scope.Orphaned}
	deleting := func(o *federated.Object) { o.Deleting = true }
	rendered, err := render.Render(givenObject(nil), givenPhysical("hz").Topology, configMap, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := appliedVersion(rendered.Digest(), givenLive(nil).Unstructured)
	earlier := Entry{Outcome: report.Outcome{Generation: 2, AppliedVersion: "earlier"}}
	cases := map[string]struct {
		reason string
		given  situation
		want   taken
	}{
		"Missing":      {"what is placed and not there is created", situation{object: givenObject(nil), decision: present}, taken{Verb: verbCreate}},
		"AsItShouldBe": {"it costs no request", situation{object: givenObject(nil), decision: present, live: givenLive(nil), before: earlier}, taken{Reported: true, Generation: 3, Applied: "earlier"}},
		"Differs":      {"somebody changed it, or the template was", situation{object: givenObject(nil), decision: present, live: givenLive(func(u *unstructured.Unstructured) { u.Object["data"] = map[string]any{"k": "2"} })}, taken{Verb: verbApply}},
		"Drift": {"what was applied is not any more", situation{object: givenObject(nil), decision: present, live: givenLive(func(u *unstructured.Unstructured) {
			u.Object["data"] = map[string]any{"k": "2"}
			u.SetResourceVersion("8")
		}), before: Entry{Outcome: report.Outcome{Generation: 3, AppliedVersion: now}}}, taken{Verb: verbApply, Event: eventDriftRepaired}},
		"ChangedByOthers":   {"what the API server made of it when it was written is left alone", situation{object: givenObject(nil), decision: present, live: givenLive(func(u *unstructured.Unstructured) { u.Object["data"] = map[string]any{"k": "forced"} }), before: Entry{Outcome: report.Outcome{Generation: 2, AppliedVersion: now}}}, taken{Reported: true, Generation: 3, Applied: now}},
		"AnotherInItsPlace": {"another object of the same version is not what was written", situation{object: givenObject(nil), decision: present, live: givenLive(func(u *unstructured.Unstructured) { u.Object["data"] = map[string]any{"k": "2"}; u.SetUID("m2") }), before: Entry{Outcome: report.Outcome{Generation: 3, AppliedVersion: now}}}, taken{Verb: verbApply, Event: eventDriftRepaired}},
		"Settled":           {"nothing more can be made of it", situation{object: givenObject(nil), decision: present, live: givenLive(func(u *unstructured.Unstructured) { u.Object["data"] = map[string]any{"k": "2"} }), before: Entry{Settled: rendered.Digest() + "@7"}}, taken{Reported: true, Generation: 3}},
		"Unmanaged":         {"hands off", situation{object: givenObject(nil), decision: present, live: givenLive(labeled(map[string]string{kubeFedLabel: labelFalse}))}, taken{Reported: true, Status: federated.StatusManagedLabelFalse}},
		"Foreign":           {"a cell's object is not the cluster's", situation{object: givenObject(nil), decision: present, live: givenLive(labeled(map[string]string{v1alpha1.ManagedLabel: labelTrue}))}, taken{Reported: true, Status: federated.StatusAlreadyExists}},
		"ForeignNamespace":  {"a Namespace is shared, and only seen", situation{object: givenObject(nil), target: namespaceKind, decision: present, live: givenLive(labeled(map[string]string{v1alpha1.ManagedLabel: labelTrue}))}, taken{Reported: true, Status: ok, Generation: 3}},
		"Free":              {"nobody's is not taken where the KubeFedConfig says so", situation{object: givenObject(nil), decision: present, live: givenLive(labeled(nil))}, taken{Reported: true, Status: federated.StatusAlreadyExists}},
		"Adopted":           {"nobody's is taken, if it is still as it was seen", situation{object: givenObject(nil), decision: present, adopts: true, live: givenLive(labeled(nil))}, taken{Verb: verbApply, Pin: true, Event: eventAdopted}},
		"Dying":             {"it is created again when it is gone", situation{object: givenObject(nil), decision: present, live: givenLive(dying), before: earlier}, taken{Reported: true, Status: federated.StatusWaitingForRemoval, Generation: 2, Applied: "earlier"}},
		"BadOverrides": {"upstream's word for it", situation{object: givenObject(func(o *federated.Object) {
			o.Overrides = map[string][]federated.Override{"hz": {{Path: "/data/a/b/c", Value: "1", HasValue: true}}}
		}), decision: present}, taken{Reported: true, Status: federated.StatusApplyOverridesFailed}},

		"Held":             {"it stays, with the generation that it has", situation{object: givenObject(nil), decision: scope.Decision{Held: true, Placed: true}, live: givenLive(nil), before: earlier}, taken{Reported: true, Status: held, Generation: 2, Applied: "earlier"}},
		"HeldAndDown":      {"held comes before not ready: nothing is waited for", situation{object: givenObject(nil), decision: scope.Decision{Held: true, Placed: true}, trouble: "down"}, taken{Reported: true, Status: held}},
		"HeldAndDeleting":  {"the deletion waits too", situation{object: givenObject(deleting), decision: scope.Decision{Held: true, Placed: true}, live: givenLive(nil)}, taken{Reported: true, Status: held}},
		"HeldNotPlaced":    {"what is there stays", situation{object: givenObject(nil), decision: scope.Decision{Held: true}, live: givenLive(nil)}, taken{Reported: true, Status: held}},
		"HeldNotThere":     {"not placed and not there: nothing to hold", situation{object: givenObject(nil), decision: scope.Decision{Held: true}}, taken{}},
		"HeldForeign":      {"what is not ours is nothing to hold", situation{object: givenObject(nil), decision: scope.Decision{Held: true}, live: givenLive(labeled(nil))}, taken{}},
		"NobodyCanPlaceIt": {"the zero decision touches nothing", situation{object: givenObject(nil), live: givenLive(nil)}, taken{}},

		"Down":           {"it waits", situation{object: givenObject(nil), decision: present, trouble: "down", before: earlier}, taken{Reported: true, Status: federated.StatusClusterNotReady, Generation: 2, Applied: "earlier"}},
		"Unread":         {"nobody knows what is there", situation{object: givenObject(nil), decision: present, unread: "not yet"}, taken{Reported: true, Status: federated.StatusCachedRetrievalFailed}},
		"DownNeverThere": {"what was never there is not waited for", situation{object: givenObject(nil), decision: absent, trouble: "down"}, taken{}},
		"DownListed":     {"it may still be there", situation{object: givenObject(func(o *federated.Object) { o.Status.Clusters = []federated.ClusterStatus{{Name: "hz", Generation: 1}} }), decision: absent, trouble: "down"}, taken{Reported: true, Status: federated.StatusClusterNotReady, Generation: 1}},

		"NotPlacedAnyMore":  {"it is deleted", situation{object: givenObject(nil), decision: absent, live: givenLive(nil)}, taken{Verb: verbDelete}},
		"NotPlacedNotThere": {"nothing to say", situation{object: givenObject(nil), decision: absent}, taken{}},
		"NotPlacedForeign":  {"only ours is deleted", situation{object: givenObject(nil), decision: absent, live: givenLive(labeled(nil))}, taken{}},
		"BeingDeleted":      {"it is asked for once", situation{object: givenObject(nil), decision: absent, live: givenLive(dying)}, taken{Reported: true, Status: federated.StatusWaitingForRemoval}},
		"Deleting":          {"of a deleted object too", situation{object: givenObject(deleting), decision: absent, live: givenLive(nil)}, taken{Verb: verbDelete}},
		"DeletingNotSeen":   {"the cache alone does not prove that it is gone", situation{object: givenObject(deleting), decision: absent}, taken{Verb: verbAsk}},
		"DeletingAsked":     {"the member says that there is none", situation{object: givenObject(deleting), decision: absent, asked: true}, taken{Gone: true}},
		"DeletingFree":      {"what is there is not ours", situation{object: givenObject(deleting), decision: absent, asked: true, live: givenLive(labeled(nil))}, taken{Gone: true}},
		"Orphaned":          {"it stays, without the labels", situation{object: givenObject(deleting), decision: orphaned, live: givenLive(nil)}, taken{Verb: verbRelease}},
		"HostNamespace":     {"the host may be a member of its own", situation{object: givenObject(deleting), target: namespaceKind, decision: absent, live: givenLive(nil), hostNamespace: "m1"}, taken{Verb: verbRelease}},
		"CellNamespace":     {"it goes with the cell", situation{object: givenObject(deleting), target: namespaceKind, topology: givenCell(), decision: absent, live: givenLive(nil)}, taken{Gone: true}},

		"NoObject":        {"what is ours is released", situation{live: givenLive(nil)}, taken{Verb: verbRelease}},
		"NoObjectForeign": {"what is not ours is left alone", situation{live: givenLive(labeled(nil))}, taken{}},
		"NoObjectDying":   {"it goes anyway", situation{live: givenLive(dying)}, taken{}},
		"NoObjectDown":    {"later", situation{live: givenLive(nil), trouble: "down"}, taken{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := tc.given
			if s.topology.Name == "" {
				s.topology = givenPhysical("hz")
			}
			if s.target.Kind.Kind == "" {
				s.target = configMap
			}
			s.key = engine.Key{ObjectKey: engine.ObjectKey{Type: "configmaps", Namespace: "acme", Name: "x"}, Topology: s.topology.Name}
			got := decide(&s)
			have := taken{got.verb, got.pin, got.gone, got.report, got.outcome.Status, got.outcome.Generation, got.outcome.AppliedVersion, got.event}
			if diff := cmp.Diff(tc.want, have); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestLast(t *testing.T) {
	upstreams := func(generation int64, status string) *federated.Object {
		return givenObject(func(o *federated.Object) {
			o.Status = federated.Status{ObservedGeneration: generation, Clusters: []federated.ClusterStatus{{Name: "hz", Status: status}}}
		})
	}
	cases := map[string]struct {
		reason     string
		given      situation
		generation int64
		delivered  bool
	}{
		"Nothing":      {"nobody has reported anything", situation{object: givenObject(nil)}, 0, false},
		"Upstream":     {"upstream has delivered this generation", situation{object: upstreams(3, "")}, 3, true},
		"UpstreamOld":  {"upstream has delivered another one", situation{object: upstreams(2, "")}, 0, false},
		"UpstreamBad":  {"upstream has failed", situation{object: upstreams(3, federated.StatusUpdateFailed)}, 0, false},
		"Remembered":   {"this process knows better than the status", situation{object: upstreams(3, ""), before: Entry{Outcome: report.Outcome{Generation: 2}}}, 2, true},
		"JustWritten":  {"this process has delivered it", situation{object: givenObject(nil), before: Entry{Outcome: report.Outcome{Generation: 3}}}, 3, true},
		"AnotherPlace": {"what is said of others says nothing", situation{object: givenObject(func(o *federated.Object) { o.Status.Clusters = []federated.ClusterStatus{{Name: "sh", Generation: 3}} })}, 0, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := tc.given
			s.key.Topology = "hz"
			generation, _ := s.last()
			if generation != tc.generation || s.delivered() != tc.delivered {
				t.Errorf("%s: generation %d, delivered %v, want %d, %v", tc.reason, generation, s.delivered(), tc.generation, tc.delivered)
			}
		})
	}
}
