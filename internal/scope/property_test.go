package scope

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/federated"
)

// world is everything that a decision depends on. All of it is drawn from few values, so that they meet often.
type world struct {
	namespace  string
	labels     map[string]string
	topologies []Topology
	object     *federated.Object
	fedSpace   *federated.Object
	namespaced bool
}

var (
	someNamespaces = []string{"acme-prod", "other"}
	someCells      = []string{"a", "b"}
	someClusters   = []string{"hz-a", "hz-b"}
	someTenants    = rapid.SampledFrom([]string{"", "acme", "acme", "evil"})
	someGroups     = rapid.SampledFrom([]string{"", "prod", "prod", "test"})
	someNames      = []string{"acme-prod.a", "acme-prod.b", "other.a", "other.b", "hz-a", "hz-b", "gone"}
)

var someLabels = rapid.Custom(func(t *rapid.T) map[string]string {
	labels := owned(someTenants.Draw(t, "tenant"), someGroups.Draw(t, "group"))
	if rapid.IntRange(0, 3).Draw(t, "shared") == 0 {
		labels[v1alpha1.SharedLabel] = "true"
	}
	if rapid.Bool().Draw(t, "city") {
		labels["city"] = "hz"
	}
	return labels
})

var someWorld = rapid.Custom(func(t *rapid.T) world {
	w := world{namespace: "acme-prod", labels: someLabels.Draw(t, "namespace"), namespaced: rapid.Bool().Draw(t, "namespaced")}
	for _, name := range someClusters {
		w.topologies = append(w.topologies, physical(name, someLabels.Draw(t, name)))
	}
	for _, namespace := range someNamespaces {
		for _, name := range someCells {
			member := rapid.SampledFrom(w.topologies[:len(someClusters)]).Draw(t, "member")
			c := cell(namespace, name, someLabels.Draw(t, namespace+"."+name), member.Labels)
			c.Member = member.Name
			if rapid.IntRange(0, 3).Draw(t, "elsewhere") == 0 {
				target := rapid.SampledFrom([]string{namespace, namespace + "x", "payments", "kube-public"}).Draw(t, "target")
				c = into(c, target, rapid.SampledFrom([]Namesake{{}, {}, {KubeFed: true}, NamesakeOf(owned("acme", "prod")), NamesakeOf(owned("evil", ""))}).Draw(t, "namesake"))
			}
			if rapid.IntRange(0, 9).Draw(t, "vanished") == 0 {
				c.MemberLabels, c.MemberUnknown = nil, true
			}
			if rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
				c = physical(c.Name, owned("acme", "prod", v1alpha1.TopologyTypeLabel, "cell"))
			}
			w.topologies = append(w.topologies, c)
		}
	}
	w.topologies = rapid.Permutation(w.topologies).Draw(t, "order")
	w.object = someObject(t, "object")
	if rapid.IntRange(0, 5).Draw(t, "federated") > 0 {
		w.fedSpace = someObject(t, "fedNamespace")
	}
	return w
})

func someObject(t *rapid.T, label string) *federated.Object {
	named := func(label string) []any {
		list := []any{}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(someNames), rapid.ID[string]).Draw(t, label) {
			list = append(list, map[string]any{"name": name})
		}
		return list
	}
	placement, mask := map[string]any{}, map[string]any{}
	switch rapid.IntRange(0, 4).Draw(t, label+" placed by") {
	case 0:
		placement["clusterSelector"] = map[string]any{}
	case 1:
		placement["clusterSelector"] = map[string]any{"matchLabels": map[string]any{"city": "hz"}}
	case 2, 3:
		placement["clusters"] = named(label + " clusters")
	}
	spec := map[string]any{"placement": placement, "topologyType": rapid.SampledFrom([]string{"cell", "cluster"}).Draw(t, label+" type")}
	if rapid.IntRange(0, 2).Draw(t, label+" masked") > 0 {
		mask["clusters"] = named(label + " mask")
		spec["placementMask"] = mask
	}
	switch rapid.IntRange(0, 19).Draw(t, label+" odd") {
	case 0:
		spec["placement"] = 1
	case 1:
		spec["placementMask"] = 1
	case 2:
		spec["overrides"] = 1
	}
	data, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	o := read(t, "v1beta1", string(data))
	o.Deleting = rapid.IntRange(0, 3).Draw(t, label+" deleting") == 0
	if rapid.IntRange(0, 3).Draw(t, label+" orphan") == 0 {
		o.Annotations = map[string]string{federated.OrphanAnnotation: "true"}
	}
	return o
}

// decide takes the steps as a reconciler takes them. An error means that nothing is touched.
func (w world) decide() (map[string]Decision, error) {
	all := Preselect(w.namespace, w.labels, w.topologies)
	placed, err := Place(w.object, w.fedSpace, w.namespaced, all)
	if err != nil {
		return nil, err
	}
	decisions := map[string]Decision{}
	for _, t := range all {
		decisions[t.Name] = Decide(w.object, placed[t.Name], t.Name)
	}
	return decisions, nil
}

// selects says once more what a placement selects.
func selects(o *federated.Object, t Topology) bool {
	if o.Placement.Clusters != nil {
		return slices.Contains(o.Placement.Clusters, t.Name)
	}
	if o.Placement.Selector == nil {
		return false
	}
	for key, value := range o.Placement.Selector.MatchLabels {
		if t.Labels[key] != value {
			return false
		}
	}
	return true
}

func TestNothingOutsideIsEverWanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := someWorld.Draw(t, "world")
		decisions, err := w.decide()
		if err != nil {
			return
		}
		for _, topology := range w.topologies {
			d, ok := decisions[topology.Name]
			if !ok {
				continue
			}
			assertReachable(t, w, topology)
			placed := selects(w.object, topology) && (!w.namespaced || w.fedSpace != nil && selects(w.fedSpace, topology))
			allowed := w.object.Mask == nil || slices.Contains(w.object.Mask.Clusters, topology.Name)
			if d.Placed != placed {
				t.Fatalf("%s: placed is %t, and should be %t", topology.Name, d.Placed, placed)
			}
			if d.Held == allowed {
				t.Fatalf("%s: held is %t, and the mask allows it: %t", topology.Name, d.Held, allowed)
			}
			if d.Want != Untouched && !allowed {
				t.Fatalf("%s: %s is wanted outside the mask", topology.Name, d.Want)
			}
			if d.Want == Untouched && allowed {
				t.Fatalf("%s: nothing is wanted within the mask", topology.Name)
			}
			if (d.Want == Present) != (placed && allowed && !w.object.Deleting) {
				t.Fatalf("%s: %s is wanted; placed: %t, allowed: %t, deleting: %t", topology.Name, d.Want, placed, allowed, w.object.Deleting)
			}
		}
	})
}

// assertReachable says once more what keeps tenants apart.
func assertReachable(t *rapid.T, w world, topology Topology) {
	t.Helper()
	tenant, group := w.labels[v1alpha1.TenantLabel], w.labels[v1alpha1.WorkspaceGroupLabel]
	memberTenant, shared := topology.MemberLabels[v1alpha1.TenantLabel], topology.MemberLabels[v1alpha1.SharedLabel] == "true"
	if topology.View == nil {
		if !slices.Contains(someClusters, topology.Name) {
			t.Fatalf("%s stands for a cell that nobody knows", topology.Name)
		}
		if !shared && (memberTenant != tenant || topology.MemberLabels[v1alpha1.WorkspaceGroupLabel] != group) {
			t.Fatalf("%s is another owner's", topology.Name)
		}
		return
	}
	if *topology.View != (mapping.View{Namespace: w.namespace, Cell: topology.View.Cell, TargetNamespace: topology.View.TargetNamespace}) {
		t.Fatalf("%s is another namespace's cell", topology.Name)
	}
	if topology.Labels[v1alpha1.TenantLabel] != tenant || topology.Labels[v1alpha1.WorkspaceGroupLabel] != group {
		t.Fatalf("%s is another owner's", topology.Name)
	}
	assertOwnTarget(t, w, topology)
	if shared || topology.MemberUnknown {
		return
	}
	if memberTenant != tenant {
		t.Fatalf("%s is on another tenant's cluster", topology.Name)
	}
	if memberGroup := topology.MemberLabels[v1alpha1.WorkspaceGroupLabel]; memberGroup != "" && memberGroup != group {
		t.Fatalf("%s is on another workspace group's cluster", topology.Name)
	}
}

// assertOwnTarget says once more what keeps apart those who share a cluster.
func assertOwnTarget(t *rapid.T, w world, topology Topology) {
	t.Helper()
	target, known := topology.View.TargetNamespace, topology.Namesake
	if strings.HasPrefix(target, "kube-") || known.KubeFed {
		t.Fatalf("%s leads into %q, which is the system's", topology.Name, target)
	}
	if target == w.namespace {
		return
	}
	if known.Exists && known != NamesakeOf(w.labels) {
		t.Fatalf("%s leads into %q, which is another owner's", topology.Name, target)
	}
	tenants := w.labels[v1alpha1.TenantLabel] != "" && topology.MemberLabels[v1alpha1.SharedLabel] != "true"
	if !topology.MemberUnknown && !tenants && !strings.HasPrefix(target, w.namespace+"-") {
		t.Fatalf("%s leads into %q, which may be anybody's", topology.Name, target)
	}
}

// A wider mask touches what the narrower one does, in the same way, and nothing that the wider one does not name.
func TestDecideIsMonotonicInTheMask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := someWorld.Draw(t, "world")
		wide, err := w.decide()
		if err != nil || w.object.Invalid != nil {
			return
		}
		names := someNames
		if w.object.Mask != nil {
			names = w.object.Mask.Clusters
		}
		narrow := w
		object := *w.object
		object.Mask = &federated.Mask{}
		for _, name := range names {
			if rapid.Bool().Draw(t, "keep "+name) {
				object.Mask.Clusters = append(object.Mask.Clusters, name)
			}
		}
		narrow.object = &object
		less, err := narrow.decide()
		if err != nil {
			t.Fatalf("a narrower mask fails: %v", err)
		}
		for name, d := range less {
			if d.Want != Untouched && d != wide[name] {
				t.Fatalf("%s: the narrower mask wants %s, and the wider one %s", name, d.Want, wide[name].Want)
			}
			if d.Placed != wide[name].Placed {
				t.Fatalf("%s: the mask changes whether it is placed", name)
			}
		}
		if diff := cmp.Diff(len(wide), len(less)); diff != "" {
			t.Fatalf("the mask changes what is eligible: %s", diff)
		}
	})
}

// What cannot be read touches nothing.
func TestWhatIsRefusedTouchesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := someWorld.Draw(t, "world")
		w.object = read(t, "v1beta1", rapid.SampledFrom([]string{
			`{"placement":1}`, `{"placement":{"clusterSelector":{}},"placementMask":1}`, `{"placement":{"clusters":[{"name":"acme-prod.a"}]},"placementMask":{"topologies":[]}}`, `1`,
		}).Draw(t, "refused"))
		w.object.Deleting = rapid.Bool().Draw(t, "deleting")
		decisions, _ := w.decide()
		for name, d := range decisions {
			if d.Want != Untouched {
				t.Fatalf("%s: %s is wanted of an object that is refused: %v", name, d.Want, w.object.Invalid)
			}
		}
		for _, placed := range []bool{false, true} {
			if d := Decide(w.object, placed, "acme-prod.a"); d.Want != Untouched {
				t.Fatalf("%s is wanted of an object that is refused: %v", d.Want, w.object.Invalid)
			}
		}
	})
}
