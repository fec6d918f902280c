package propagation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/report"
	"github.com/cellfed/cellfed/internal/scope"
)

func TestOwnerOf(t *testing.T) {
	cell, cluster := givenCell().Topology, givenPhysical("hz").Topology
	managed := func(namespace, name string) map[string]string {
		return map[string]string{v1alpha1.ManagedLabel: labelTrue, v1alpha1.NamespaceLabel: namespace, v1alpha1.CellLabel: name}
	}
	both := managed("acme", "a1")
	both[v1alpha1.KubeFedManagedLabel] = labelTrue
	off := managed("acme", "a1")
	off[v1alpha1.KubeFedManagedLabel] = labelFalse
	cases := map[string]struct {
		reason string
		labels map[string]string
		in     scope.Topology
		want   owner
	}{
		"ClusterOurs":      {"upstream's label is the cluster's", map[string]string{v1alpha1.KubeFedManagedLabel: labelTrue}, cluster, ours},
		"ClusterCells":     {"a cell's object is not the cluster's", managed("acme", "a1"), cluster, foreign},
		"ClusterFree":      {"nobody's", nil, cluster, free},
		"ClusterOdd":       {"a value that means nothing", map[string]string{v1alpha1.KubeFedManagedLabel: "yes"}, cluster, free},
		"CellOurs":         {"all three labels", managed("acme", "a1"), cell, ours},
		"CellOther":        {"another cell of the namespace", managed("acme", "a2"), cell, foreign},
		"CellOtherTenant":  {"a cell of that name in another namespace", managed("globex", "a1"), cell, foreign},
		"CellClusters":     {"the physical cluster's", map[string]string{v1alpha1.KubeFedManagedLabel: labelTrue}, cell, foreign},
		"CellBoth":         {"the member's cache takes it for the cluster's", both, cell, foreign},
		"CellUnmanaged":    {"hands off", off, cell, unmanaged},
		"ClusterUnmanaged": {"hands off, whatever else it says", off, cluster, unmanaged},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := ownerOf(tc.labels, tc.in); got != tc.want {
				t.Errorf("%s: got %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
	for _, in := range []scope.Topology{cell, cluster} {
		labels := map[string]string{v1alpha1.ManagedLabel: labelTrue, v1alpha1.NamespaceLabel: "acme", v1alpha1.CellLabel: "a1"}
		if in.View == nil {
			labels = map[string]string{v1alpha1.KubeFedManagedLabel: labelTrue}
		}
		for _, label := range labelsOf(in) {
			delete(labels, label)
		}
		if got := ownerOf(labels, in); got != free {
			t.Errorf("released from %q, and owner is %d", in.Name, got)
		}
	}
}

func TestTopologiesOf(t *testing.T) {
	cluster := func(name string, labels map[string]string) fedv1b1.KubeFedCluster {
		return fedv1b1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	}
	hosting := cluster("hz", map[string]string{"city": "hangzhou"})
	generated := func(change func(map[string]string)) fedv1b1.KubeFedCluster {
		labels := map[string]string{v1alpha1.TopologyTypeLabel: "cell", v1alpha1.NamespaceLabel: "acme", v1alpha1.GeneratedLabel: "true"}
		if change != nil {
			change(labels)
		}
		return cluster("acme.a1", labels)
	}
	cell := func(change func(*v1alpha1.Cell)) []v1alpha1.Cell {
		c := v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "a1", Generation: 2}}
		c.Spec.ClusterName, c.Spec.TargetNamespace = "hz", "acme-a1"
		c.Status.Conditions = []metav1.Condition{{Type: string(v1alpha1.ConditionGenerated), Status: metav1.ConditionTrue, ObservedGeneration: 2}}
		if change != nil {
			change(&c)
		}
		return []v1alpha1.Cell{c}
	}
	type found struct {
		Name, Member, Target, City string
		Blocked, Unknown           bool
		Namesake                   scope.Namesake
	}
	physical := found{Name: "hz", Member: "hz", City: "hangzhou"}
	usable := found{Name: "acme.a1", Member: "hz", Target: "acme-a1", City: "hangzhou"}
	blocked := found{Name: "acme.a1", Member: "hz", Target: "acme-a1", City: "hangzhou", Blocked: true}
	vanished := found{Name: "acme.a1", Member: "hz", Target: "acme-a1", Blocked: true, Unknown: true}
	cases := map[string]struct {
		reason   string
		clusters []fedv1b1.KubeFedCluster
		cells    []v1alpha1.Cell
		want     []found
	}{
		"Physical":      {"a registered cluster is a topology and its own member", []fedv1b1.KubeFedCluster{hosting}, nil, []found{physical}},
		"Cell":          {"a cell leads into its part of the member", []fedv1b1.KubeFedCluster{hosting, generated(nil)}, cell(nil), []found{usable, physical}},
		"NoCell":        {"where it led nobody knows any more", []fedv1b1.KubeFedCluster{hosting, generated(nil)}, nil, []found{{Name: "acme.a1", Blocked: true, Unknown: true}, physical}},
		"NoCluster":     {"the physical cluster is gone", []fedv1b1.KubeFedCluster{generated(nil)}, cell(nil), []found{vanished}},
		"NotLookedAt":   {"the Cell's spec is newer than its status", []fedv1b1.KubeFedCluster{hosting, generated(nil)}, cell(func(c *v1alpha1.Cell) { c.Generation = 3 }), []found{blocked, physical}},
		"NeverLookedAt": {"there is no status", []fedv1b1.KubeFedCluster{hosting, generated(nil)}, cell(func(c *v1alpha1.Cell) { c.Status.Conditions = nil }), []found{blocked, physical}},
		"Conflict": {"another cell has the target namespace", []fedv1b1.KubeFedCluster{hosting, generated(nil)}, cell(func(c *v1alpha1.Cell) {
			c.Status.Conditions[0].Status, c.Status.Conditions[0].Reason = metav1.ConditionFalse, string(v1alpha1.ReasonTargetNamespaceConflict)
			c.Status.Conditions[0].Message = "an older cell has it"
		}), []found{blocked, physical}},
		"NotOpenYet": {"the controller has not looked at the cell since the cluster opened to it: another may have the target namespace", []fedv1b1.KubeFedCluster{hosting, generated(nil)}, cell(func(c *v1alpha1.Cell) {
			c.Status.Conditions[0].Status, c.Status.Conditions[0].Reason = metav1.ConditionFalse, string(v1alpha1.ReasonClusterOfAnotherTenant)
			c.Status.Conditions[0].Message = "the cluster is not open to the namespace"
		}), []found{blocked, physical}},
		"NotItsTarget": {"the controller has said that the namespace is not the cell's to have", []fedv1b1.KubeFedCluster{hosting, generated(nil)}, cell(func(c *v1alpha1.Cell) {
			c.Status.Conditions[0].Status, c.Status.Conditions[0].Reason = metav1.ConditionFalse, string(v1alpha1.ReasonTargetOfAnotherTenant)
			c.Status.Conditions[0].Message = "the cell may not have the namespace"
		}), []found{blocked, physical}},
		"OfKubeFed": {"what the host has under the name of the target namespace", []fedv1b1.KubeFedCluster{hosting}, cell(func(c *v1alpha1.Cell) { c.Spec.TargetNamespace = "other" }),
			[]found{{Name: "acme.a1", Member: "hz", Target: "other", City: "hangzhou", Blocked: true, Namesake: scope.Namesake{KubeFed: true}}, physical}},
		"DefaultTarget":             {"the target namespace is the Cell's own", []fedv1b1.KubeFedCluster{hosting, generated(nil)}, cell(func(c *v1alpha1.Cell) { c.Spec.TargetNamespace = "" }), []found{{Name: "acme.a1", Member: "hz", Target: "acme", City: "hangzhou", Namesake: scope.Namesake{Exists: true, Tenant: "acme"}}, physical}},
		"OnACell":                   {"a cell is not on a cell", []fedv1b1.KubeFedCluster{generated(nil)}, cell(func(c *v1alpha1.Cell) { c.Spec.ClusterName = "acme.a1" }), []found{{Name: "acme.a1", Member: "acme.a1", Target: "acme-a1", Blocked: true, Unknown: true}}},
		"StrangeName":               {"a name that no cell has", []fedv1b1.KubeFedCluster{cluster("a1", map[string]string{v1alpha1.TopologyTypeLabel: "cell", v1alpha1.NamespaceLabel: "acme"})}, nil, nil},
		"WrongNamespace":            {"a label that contradicts the name", []fedv1b1.KubeFedCluster{hosting, generated(func(l map[string]string) { l[v1alpha1.NamespaceLabel] = "globex" })}, cell(nil), []found{blocked, physical}},
		"LabelsLost":                {"what was generated is no physical cluster", []fedv1b1.KubeFedCluster{generated(func(l map[string]string) { delete(l, v1alpha1.TopologyTypeLabel) })}, cell(nil), []found{vanished}},
		"NoKubeFedCluster":          {"somebody deleted what is generated again: what the cell holds is still the cell's", []fedv1b1.KubeFedCluster{hosting}, cell(nil), []found{blocked, physical}},
		"NoKubeFedClusterNorMember": {"nobody can tell whose the member is", nil, cell(nil), []found{vanished}},
		"GoingCell": {"what is generated goes with the Cell", []fedv1b1.KubeFedCluster{hosting}, cell(func(c *v1alpha1.Cell) {
			c.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)}
		}), []found{physical}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []found
			for _, topology := range topologiesOf(tc.clusters, tc.cells, map[string]scope.Namesake{"acme": {Exists: true, Tenant: "acme"}, "other": {KubeFed: true}}) {
				f := found{Name: topology.Name, Member: topology.Member, City: topology.MemberLabels["city"], Blocked: topology.Blocked != "", Unknown: topology.MemberUnknown, Namesake: topology.Namesake}
				if topology.View != nil {
					f.Target = topology.View.TargetNamespace
				}
				got = append(got, f)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFederatedKey(t *testing.T) {
	cells := map[string]string{v1alpha1.ManagedLabel: labelTrue, v1alpha1.NamespaceLabel: "acme", v1alpha1.CellLabel: "a1"}
	both := map[string]string{v1alpha1.ManagedLabel: labelTrue, v1alpha1.NamespaceLabel: "acme", v1alpha1.CellLabel: "a1", v1alpha1.KubeFedManagedLabel: labelTrue}
	object := func(namespace, name string, labels map[string]string) *member.Object {
		u := &unstructured.Unstructured{}
		u.SetNamespace(namespace)
		u.SetName(name)
		u.SetLabels(labels)
		return &member.Object{Unstructured: u}
	}
	key := func(namespace, name, topology string) engine.Key {
		return engine.Key{ObjectKey: engine.ObjectKey{Type: "t", Namespace: namespace, Name: name}, Topology: topology}
	}
	things, namespaces := &engine.Running{Name: "t", Target: configMap}, &engine.Running{Name: "t", Target: namespaceKind}
	cases := map[string]struct {
		reason string
		run    *engine.Running
		given  *member.Object
		want   engine.Key
	}{
		"Cluster":          {"it is where it is", things, object("acme", "x", map[string]string{kubeFedLabel: labelTrue}), key("acme", "x", "hz")},
		"Cell":             {"the labels say whose it is", things, object("acme-a1", "x", cells), key("acme", "x", "acme.a1")},
		"Both":             {"upstream's label counts", things, object("acme-a1", "x", both), key("acme-a1", "x", "hz")},
		"Namespace":        {"its federated object is in it", namespaces, object("", "acme", map[string]string{kubeFedLabel: labelTrue}), key("acme", "acme", "hz")},
		"NamespaceOfACell": {"a cell's Namespace has a name of its own", namespaces, object("", "acme-a1", cells), key("acme", "acme", "acme.a1")},
		"ClusterScoped":    {"it is in no namespace", things, object("", "x", map[string]string{kubeFedLabel: labelTrue}), key("", "x", "hz")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := federatedKey(tc.run, "hz", tc.given); got != tc.want {
				t.Errorf("%s: got %+v, want %+v", tc.reason, got, tc.want)
			}
		})
	}
}

func TestFinding(t *testing.T) {
	live := givenLive(nil)
	failed := Entry{Outcome: report.Outcome{Status: federated.StatusDeletionFailed}}
	present, absent, held := scope.Decision{Want: scope.Present, Placed: true}, scope.Decision{Want: scope.Absent}, scope.Decision{Held: true}
	cases := map[string]struct {
		reason                   string
		given                    finding
		shown, pending, deleting bool
	}{
		"PresentNew":       {"nobody has looked yet", finding{Decision: present, known: true}, true, true, true},
		"PresentLooked":    {"it was looked at", finding{Decision: present, known: true, found: true, looked: true}, true, false, true},
		"HeldThere":        {"what is held is shown, and a deletion waits for it", finding{Decision: held, live: live, known: true}, true, false, true},
		"HeldGone":         {"there is nothing to hold", finding{Decision: held, known: true}, false, false, false},
		"HeldPlaced":       {"held and placed is shown; a deletion has nothing to wait for", finding{Decision: scope.Decision{Held: true, Placed: true}, known: true}, true, false, false},
		"HeldUnknown":      {"it may be there, for it was", finding{Decision: held, listed: true}, true, false, true},
		"HeldNeverThere":   {"a member that is down and never had it is not waited for", finding{Decision: held}, false, false, false},
		"Leaving":          {"it is still there", finding{Decision: absent, live: live, known: true}, true, true, true},
		"LeavingLooked":    {"it was asked to go", finding{Decision: absent, live: live, known: true, found: true, looked: true}, true, false, true},
		"Left":             {"it is not there", finding{Decision: absent, known: true}, false, false, false},
		"LeavingUnknown":   {"nobody knows, and it was there", finding{Decision: absent, listed: true}, true, true, true},
		"NeverThere":       {"nobody knows, and it never was there", finding{Decision: absent}, false, false, false},
		"LeavingFailed":    {"it could not be deleted", finding{Decision: absent, known: true, found: true, looked: true, entry: failed}, true, false, true},
		"Gone":             {"the member was asked", finding{Decision: absent, known: true, found: true, looked: true, entry: Entry{Gone: true}}, false, false, false},
		"GoneEarlier":      {"it was gone in another generation", finding{Decision: present, known: true, found: true, entry: Entry{Gone: true}}, true, true, true},
		"KeptNamespace":    {"a cell's Namespace goes with the cell", finding{Decision: absent, live: live, known: true, kept: true}, false, false, false},
		"NothingIsDecided": {"nobody can say where it belongs", finding{live: live, known: true}, false, false, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			shown, pending := tc.given.living()
			if deleting := tc.given.deleting(); shown != tc.shown || pending != tc.pending || deleting != tc.deleting {
				t.Errorf("%s: shown %v, pending %v, deleting %v, want %v, %v, %v", tc.reason, shown, pending, deleting, tc.shown, tc.pending, tc.deleting)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	var got []time.Duration
	for n := range 13 {
		got = append(got, backoff(n))
	}
	const ms = time.Millisecond
	want := []time.Duration{100 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms, 51200 * ms, time.Minute, time.Minute}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if backoff(1<<30) != lastRetry {
		t.Error("it overflows")
	}
}
