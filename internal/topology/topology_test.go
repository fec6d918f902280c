package topology

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	cases := map[string]struct {
		reason     string
		namespaced bool
		want       []string
	}{
		"Namespaced": {
			reason:     "a namespaced federated object can use every type",
			namespaced: true,
			want:       []string{"cell", "cluster"},
		},
		"ClusterScoped": {
			reason: "a cluster-scoped federated object has no namespace whose cells it could name",
			want:   []string{"cluster"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Names(tc.namespaced)); diff != "" {
				t.Errorf("%s: Names(%t): -want +got:\n%s", tc.reason, tc.namespaced, diff)
			}
		})
	}
}

func TestRegistryIsSound(t *testing.T) {
	var seen []string
	for _, typ := range registered {
		if typ.Name == "" || slices.Contains(seen, typ.Name) {
			t.Errorf("type %q: a registered type must have a name of its own", typ.Name)
		}
		seen = append(seen, typ.Name)
		if (typ.toCluster == nil) != (typ.fromCluster == nil) {
			t.Errorf("type %q: a naming rule needs both directions", typ.Name)
		}
		got, ok := Lookup(typ.Name)
		if !ok || got.Name != typ.Name || got.Namespaced != typ.Namespaced {
			t.Errorf("Lookup(%q) = %v, %t: want the registered type", typ.Name, got, ok)
		}
	}
	if _, ok := Lookup(Default); !ok {
		t.Errorf("Lookup(%q): the default type must be registered", Default)
	}
	for _, name := range []string{"", "Cell", "zone"} {
		if _, ok := Lookup(name); ok {
			t.Errorf("Lookup(%q): want no such type", name)
		}
	}
}

func TestNaming(t *testing.T) {
	cases := map[string]struct {
		reason    string
		typ       string
		namespace string
		name      string
		cluster   string
	}{
		"Cell": {
			reason: "a cell's cluster is named after namespace and cell",
			typ:    Cell, namespace: "acme-prod", name: "rz00a", cluster: "acme-prod.rz00a",
		},
		"CellWithDot": {
			reason: "the first dot splits the name, because no namespace holds one",
			typ:    Cell, namespace: "acme-prod", name: "rz.00a", cluster: "acme-prod.rz.00a",
		},
		"ForeignCluster": {
			reason: "a cluster that stands for no cell of the namespace keeps its name, marked as one",
			typ:    Cell, namespace: "acme-prod", name: "cluster:hz-a", cluster: "hz-a",
		},
		"CellOfAnotherNamespace": {
			reason: "another namespace's cell is a foreign cluster",
			typ:    Cell, namespace: "acme-prod", name: "cluster:acme-test.rz00a", cluster: "acme-test.rz00a",
		},
		"NamespaceIsPrefixOfAnother": {
			reason: "a namespace does not match the beginning of a longer one",
			typ:    Cell, namespace: "acme", name: "cluster:acme-prod.rz00a", cluster: "acme-prod.rz00a",
		},
		"NamespaceAlone": {
			reason: "a cluster that is named like the namespace is no cell of it",
			typ:    Cell, namespace: "acme", name: "cluster:acme", cluster: "acme",
		},
		"EmptyName": {
			reason: "an empty name is odd but not lost",
			typ:    Cell, namespace: "acme", name: "", cluster: "acme.",
		},
		"EmptyCluster": {
			reason: "an empty cluster name is odd but not lost",
			typ:    Cell, namespace: "acme", name: "cluster:", cluster: "",
		},
		"MarkedTwice": {
			reason: "the mark is taken off once only",
			typ:    Cell, namespace: "acme", name: "cluster:cluster:x", cluster: "cluster:x",
		},
		"ImpossibleCell": {
			reason: "a cell whose name begins with the mark cannot be, yet its cluster name comes back",
			typ:    Cell, namespace: "acme", name: "cluster:acme.x", cluster: "acme.cluster:x",
		},
		"NoNamespace": {
			reason: "without a namespace there is no cell that a name could mean",
			typ:    Cell, namespace: "", name: "rz00a", cluster: "rz00a",
		},
		"Cluster": {
			reason: "a cluster's name is its name",
			typ:    Cluster, namespace: "acme", name: "acme.rz00a", cluster: "acme.rz00a",
		},
		"Unregistered": {
			reason: "what nobody registered passes through",
			typ:    "zone", namespace: "acme", name: "acme.rz00a", cluster: "acme.rz00a",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			typ, _ := Lookup(tc.typ)
			if got := typ.ToCluster(tc.namespace, tc.name); got != tc.cluster {
				t.Errorf("%s: ToCluster(%q, %q) = %q, want %q", tc.reason, tc.namespace, tc.name, got, tc.cluster)
			}
			if got := typ.FromCluster(tc.namespace, tc.cluster); got != tc.name {
				t.Errorf("%s: FromCluster(%q, %q) = %q, want %q", tc.reason, tc.namespace, tc.cluster, got, tc.name)
			}
		})
	}
}

// Every registered type's naming rule must be a bijection, or the conversion built on it is not lossless.
func TestNamingIsBijective(t *testing.T) {
	piece := rapid.SampledFrom([]string{"cluster:", "cluster", ":", ".", "acme", "acme.", "acme-prod.", "x", "", "é"})
	anything := rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string {
		var s string
		for _, p := range rapid.SliceOfN(piece, 0, 5).Draw(t, "pieces") {
			s += p
		}
		return s
	}))
	for _, typ := range registered {
		t.Run(typ.Name, rapid.MakeCheck(func(t *rapid.T) {
			namespace := rapid.OneOf(rapid.Just("acme"), anything).Draw(t, "namespace")
			s := anything.Draw(t, "string")
			if got := typ.FromCluster(namespace, typ.ToCluster(namespace, s)); got != s {
				t.Errorf("FromCluster(ToCluster(%q)) = %q in namespace %q", s, got, namespace)
			}
			if got := typ.ToCluster(namespace, typ.FromCluster(namespace, s)); got != s {
				t.Errorf("ToCluster(FromCluster(%q)) = %q in namespace %q", s, got, namespace)
			}
		}))
	}
}

func TestSplitCellClusterName(t *testing.T) {
	type want struct {
		namespace, cell string
		ok              bool
	}
	cases := map[string]struct {
		reason  string
		cluster string
		want    want
	}{
		"Cell":           {reason: "what CellClusterName makes is split", cluster: CellClusterName("acme", "rz00a"), want: want{"acme", "rz00a", true}},
		"NoDot":          {reason: "a physical cluster", cluster: "hz-a"},
		"TwoDots":        {reason: "no cell's name holds a dot", cluster: "hz-a.prod.example"},
		"EmptyNamespace": {reason: "a namespace has a name", cluster: ".rz00a"},
		"EmptyCell":      {reason: "a cell has a name", cluster: "acme."},
		"Empty":          {reason: "an empty name names nothing", cluster: ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got want
			got.namespace, got.cell, got.ok = SplitCellClusterName(tc.cluster)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s: SplitCellClusterName(%q): -want +got:\n%s", tc.reason, tc.cluster, diff)
			}
		})
	}
}

func TestRestriction(t *testing.T) {
	type want struct {
		Labels [2]Label
		OK     bool
	}
	cases := map[string]struct {
		reason    string
		typ       string
		namespace string
		want      want
	}{
		"Cell": {
			reason: "a selector of cells selects among the namespace's own cells only",
			typ:    Cell, namespace: "acme",
			want: want{Labels: [2]Label{{"cellfed.io/namespace", "acme"}, {"cellfed.io/topology-type", "cell"}}, OK: true},
		},
		"CellWithoutNamespace": {reason: "there are no cells to restrict to", typ: Cell},
		"Cluster":              {reason: "a selector of clusters means what it says", typ: Cluster, namespace: "acme"},
		"Unregistered":         {reason: "what nobody registered passes through", typ: "zone", namespace: "acme"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			typ, _ := Lookup(tc.typ)
			var got want
			got.Labels, got.OK = typ.Restriction(tc.namespace)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: Restriction(%q): -want +got:\n%s", tc.reason, tc.namespace, diff)
			}
		})
	}
}
