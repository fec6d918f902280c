package scope

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
)

// owned returns the labels of what belongs to a tenant and a workspace group, and more labels, in pairs.
func owned(tenant, group string, more ...string) map[string]string {
	labels := map[string]string{}
	if tenant != "" {
		labels[v1alpha1.TenantLabel] = tenant
	}
	if group != "" {
		labels[v1alpha1.WorkspaceGroupLabel] = group
	}
	for i := 0; i < len(more); i += 2 {
		labels[more[i]] = more[i+1]
	}
	return labels
}

// shared are the labels of a physical cluster that serves everybody.
var shared = map[string]string{v1alpha1.SharedLabel: "true"}

// cell returns a cell's topology.
func cell(namespace, name string, labels, member map[string]string) Topology {
	return Topology{
		Name: namespace + "." + name, Labels: labels, Member: "hz-a", MemberLabels: member,
		View: &mapping.View{Namespace: namespace, Cell: name, TargetNamespace: namespace + "-" + name},
	}
}

// into leads a cell into another namespace.
func into(t Topology, target string, namesake Namesake) Topology {
	t.View.TargetNamespace, t.Namesake = target, namesake
	return t
}

// unknown returns a cell's topology of which nobody knows whose member it is on.
func unknown(t Topology) Topology {
	t.MemberUnknown = true
	return t
}

// physical returns the topology of a physical cluster.
func physical(name string, labels map[string]string) Topology {
	return Topology{Name: name, Labels: labels, Member: name, MemberLabels: labels}
}

func TestEligible(t *testing.T) {
	acme := owned("acme", "prod")
	cases := map[string]struct {
		reason    string
		namespace string
		labels    map[string]string
		topology  Topology
		want      bool
	}{
		"OwnCell": {
			reason:    "a cell serves its namespace",
			namespace: "acme-prod", labels: acme, topology: cell("acme-prod", "a", acme, acme), want: true,
		},
		"OwnCellOnTenantsCluster": {
			reason:    "a tenant's cluster that is no workspace group's can have the tenant's cells",
			namespace: "acme-prod", labels: acme, topology: cell("acme-prod", "a", acme, owned("acme", "")), want: true,
		},
		"OwnCellOnOtherGroupsCluster": {
			reason:    "a cluster that is set aside for another workspace group has no cells of this one",
			namespace: "acme-prod", labels: acme, topology: cell("acme-prod", "a", acme, owned("acme", "test")),
		},
		"OwnCellOnNobodysCluster": {
			reason:    "a cluster that nobody owns has cells of nobody alone",
			namespace: "acme-prod", labels: acme, topology: cell("acme-prod", "a", acme, nil),
		},
		"OwnCellOnUnknownCluster": {
			reason:    "a cluster that vanished is not another tenant's: what the cell holds is waited for",
			namespace: "acme-prod", labels: acme, topology: unknown(cell("acme-prod", "a", acme, nil)), want: true,
		},
		"FormerTenantsCellOnUnknownCluster": {
			reason:    "that the cluster is not known opens nothing else",
			namespace: "acme-prod", labels: owned("new", "prod"), topology: unknown(cell("acme-prod", "a", acme, nil)),
		},
		"OwnCellOnForeignCluster": {
			reason:    "a cluster that became another tenant's is out of reach, its cells included",
			namespace: "acme-prod", labels: acme, topology: cell("acme-prod", "a", acme, owned("evil", "prod")),
		},
		"OwnCellOnSharedCluster": {
			reason:    "a cluster that is shared can have anybody's cells",
			namespace: "acme-prod", labels: acme, topology: cell("acme-prod", "a", acme, owned("evil", "prod", v1alpha1.SharedLabel, "true")), want: true,
		},
		"OwnCellInForeignNamespace": {
			reason:    "on a shared cluster the target namespace may be somebody's",
			namespace: "acme-prod", labels: acme, topology: into(cell("acme-prod", "a", acme, shared), "payments", Namesake{}),
		},
		"OwnCellInAnyNamespaceOfOwnCluster": {
			reason:    "on a cluster of the tenant's alone the tenant decides",
			namespace: "acme-prod", labels: acme, topology: into(cell("acme-prod", "a", acme, acme), "payments", Namesake{}), want: true,
		},
		"OwnCellInForeignNamesake": {
			reason:    "another owner's objects go there",
			namespace: "acme-prod", labels: acme, topology: into(cell("acme-prod", "a", acme, acme), "payments", NamesakeOf(owned("evil", "prod"))),
		},
		"OwnCellInSystem": {
			reason:    "no cell has the cluster's own",
			namespace: "acme-prod", labels: acme, topology: into(cell("acme-prod", "a", acme, acme), "kube-system", Namesake{}),
		},
		"OwnCellOnUnknownClusterInAnyNamespace": {
			reason:    "what the cell holds is waited for until the cluster is back",
			namespace: "acme-prod", labels: acme, topology: unknown(into(cell("acme-prod", "a", acme, nil), "payments", Namesake{})), want: true,
		},
		"OtherNamespacesCell": {
			reason:    "a cell serves no other namespace, also none of the same tenant and group",
			namespace: "acme-prod", labels: acme, topology: cell("acme-prod-2", "a", acme, shared),
		},
		"CellLostLabels": {
			reason:    "a cell whose KubeFedCluster lost its labels is nobody's until they are back",
			namespace: "acme-prod", labels: acme, topology: cell("acme-prod", "a", nil, shared),
		},
		"CellOfFormerTenant": {
			reason:    "the namespace changed hands, and the KubeFedCluster has not followed yet",
			namespace: "acme-prod", labels: owned("new", "prod"), topology: cell("acme-prod", "a", acme, shared),
		},
		"CellOfFormerGroup": {
			reason:    "the namespace moved to another workspace group, and the KubeFedCluster has not followed yet",
			namespace: "acme-prod", labels: owned("acme", "test"), topology: cell("acme-prod", "a", acme, shared),
		},
		"NamespaceLostLabels": {
			reason:    "a namespace without labels is nobody's, and the cell is somebody's",
			namespace: "acme-prod", topology: cell("acme-prod", "a", acme, shared),
		},
		"NobodysCell": {
			reason:    "without tenants everything is nobody's",
			namespace: "plain", topology: cell("plain", "a", nil, nil), want: true,
		},
		"EmptyLabels": {
			reason:    "an empty label is an absent one",
			namespace: "plain", labels: map[string]string{v1alpha1.TenantLabel: ""}, topology: cell("plain", "a", map[string]string{v1alpha1.WorkspaceGroupLabel: ""}, nil), want: true,
		},
		"NobodysCellOnSomebodysCluster": {
			reason:    "nobody is not the tenant",
			namespace: "plain", topology: cell("plain", "a", nil, owned("acme", "")),
		},
		"ClusterScopedToCell": {
			reason:    "an object without a namespace has no cells",
			namespace: "", topology: cell("", "a", nil, shared),
		},
		"OwnCluster": {
			reason:    "a physical cluster serves its tenant's workspace group",
			namespace: "acme-prod", labels: acme, topology: physical("hz-a", acme), want: true,
		},
		"ClusterOfOtherGroup": {
			reason:    "another workspace group of the tenant is another owner",
			namespace: "acme-prod", labels: acme, topology: physical("hz-a", owned("acme", "test")),
		},
		"ClusterOfTenantAlone": {
			reason:    "a cluster without a workspace group is not one of this group",
			namespace: "acme-prod", labels: acme, topology: physical("hz-a", owned("acme", "")),
		},
		"ForeignCluster": {
			reason:    "another tenant's cluster is out of reach",
			namespace: "acme-prod", labels: acme, topology: physical("hz-a", owned("evil", "prod")),
		},
		"NobodysCluster": {
			reason:    "a cluster that nobody owns does not serve somebody",
			namespace: "acme-prod", labels: acme, topology: physical("hz-a", nil),
		},
		"SharedCluster": {
			reason:    "a cluster that is shared serves everybody",
			namespace: "acme-prod", labels: acme, topology: physical("hz-a", map[string]string{v1alpha1.SharedLabel: "true"}), want: true,
		},
		"SharedOtherwise": {
			reason:    "only true opens a cluster",
			namespace: "acme-prod", labels: acme, topology: physical("hz-a", map[string]string{v1alpha1.SharedLabel: "yes"}),
		},
		"Upstream": {
			reason:    "for who never heard of tenants everything is as with upstream",
			namespace: "plain", topology: physical("hz-a", nil), want: true,
		},
		"NobodysNamespaceOnOwnedCluster": {
			reason:    "a namespace that nobody owns does not reach somebody's cluster",
			namespace: "plain", topology: physical("hz-a", acme),
		},
		"ClusterScoped": {
			reason:    "an object without a namespace is nobody's",
			namespace: "", topology: physical("hz-a", nil), want: true,
		},
		"ClusterScopedOnOwnedCluster": {
			reason:    "an object without a namespace is nobody's",
			namespace: "", topology: physical("hz-a", acme),
		},
		"CellWithoutView": {
			reason:    "what stands for a cell is no physical cluster, although nobody knows the cell",
			namespace: "acme-prod", labels: acme, topology: physical("acme-prod.a", owned("acme", "prod", v1alpha1.TopologyTypeLabel, "cell")),
		},
		"GeneratedWithoutView": {
			reason:    "what cellfed generated is no physical cluster",
			namespace: "acme-prod", labels: acme, topology: physical("acme-prod.a", owned("acme", "prod", v1alpha1.GeneratedLabel, "true")),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Eligible(tc.namespace, tc.labels, tc.topology); got != tc.want {
				t.Errorf("%s: Eligible = %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

func TestOpensTo(t *testing.T) {
	acme := owned("acme", "prod")
	cases := map[string]struct {
		reason            string
		member, namespace map[string]string
		want              bool
	}{
		"Own":                {"a tenant's cluster hosts the tenant's cells", owned("acme", "prod"), acme, true},
		"Tenants":            {"any workspace group of the tenant, where the cluster names none", owned("acme", ""), acme, true},
		"OtherGroup":         {"not those of a workspace group that it is not set aside for", owned("acme", "test"), acme, false},
		"GroupForNone":       {"nor those of no workspace group", owned("acme", "prod"), owned("acme", ""), false},
		"Foreign":            {"another tenant's cluster", owned("evil", "prod"), acme, false},
		"ForeignTenantAlone": {"another tenant's cluster, of the same workspace group's name", owned("evil", ""), acme, false},
		"Nobodys":            {"nobody's cluster hosts no tenant's cells", nil, acme, false},
		"NobodysForNobody":   {"nobody's cluster hosts nobody's cells", nil, nil, true},
		"OwnForNobody":       {"a tenant's cluster does not host nobody's cells", owned("acme", ""), nil, false},
		"GroupAlone":         {"a workspace group without a tenant is no other's either", owned("", "prod"), nil, false},
		"GroupAloneOwn":      {"two that have a workspace group and no tenant", owned("", "prod"), owned("", "prod"), true},
		"NobodysForGroup":    {"nobody's cluster hosts whatever has no tenant", nil, owned("", "prod"), true},
		"Shared":             {"a shared cluster hosts everybody's cells", shared, acme, true},
		"SharedForeign":      {"whosever it is", owned("evil", "prod", v1alpha1.SharedLabel, "true"), acme, true},
		"SharedForNobody":    {"and nobody's", shared, nil, true},
		"SharedOtherwise":    {"only true opens a cluster", map[string]string{v1alpha1.SharedLabel: "yes"}, acme, false},
		"Empty":              {"an empty label is an absent one", map[string]string{v1alpha1.TenantLabel: "", v1alpha1.WorkspaceGroupLabel: ""}, nil, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := OpensTo(tc.member, tc.namespace); got != tc.want {
				t.Errorf("%s: OpensTo = %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

func TestPreselect(t *testing.T) {
	acme := owned("acme", "prod")
	all := []Topology{
		cell("acme-prod", "b", acme, shared), physical("hz-b", owned("evil", "")), cell("other", "a", acme, shared), cell("acme-prod", "a", acme, acme), physical("hz-a", acme),
	}
	var got []string
	for _, topology := range Preselect("acme-prod", acme, all) {
		got = append(got, topology.Name)
	}
	if diff := cmp.Diff([]string{"acme-prod.b", "acme-prod.a", "hz-a"}, got); diff != "" {
		t.Errorf("Preselect keeps the order of what is eligible: -want +got:\n%s", diff)
	}
}
