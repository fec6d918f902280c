package validation

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
)

// claimant is a Cell of a tenant's on a cluster with these labels.
func claimant(namespace, name, owner string, cluster map[string]string) HostedCell {
	group := ""
	if owner == "acme" {
		group = "prod"
	}
	return HostedCell{Namespace: namespace, Name: name, NamespaceLabels: tenant(owner, group), Cluster: &Cluster{Name: "hz", Labels: cluster}}
}

// sites are the topologies of namespace acme as they are to an owner: a cell on a cluster of each kind, and the clusters.
func sites(owner map[string]string) []scope.Topology {
	var all []scope.Topology
	for _, c := range []struct {
		name   string
		labels map[string]string
	}{
		{"tenants", tenant("acme", "")}, {"groups", tenant("acme", "prod")}, {"shared", labeled(v1alpha1.SharedLabel, "true")}, {"unknown", nil},
	} {
		member := c.labels
		if c.name == "unknown" {
			member = owner
		} else {
			all = append(all, scope.Topology{Name: c.name, Labels: member, Member: c.name, MemberLabels: member})
		}
		labels := maps.Clone(owner)
		if labels == nil {
			labels = map[string]string{}
		}
		labels["on"] = c.name
		all = append(all, scope.Topology{
			Name: "acme.on-" + c.name, Labels: labels, Member: c.name, MemberLabels: member,
			View: &mapping.View{Namespace: "acme", Cell: "on-" + c.name, TargetNamespace: "acme-x"},
		})
	}
	return all
}

func TestNamespace(t *testing.T) {
	named := func(name string, clusters ...string) Placed {
		return Placed{Kind: "FederatedX", Name: name, Placement: federated.Placement{Clusters: clusters}}
	}
	left := func(name string, clusters ...string) Placed {
		return Placed{Kind: "FederatedX", Name: name, Placement: federated.Placement{Clusters: []string{}, StatusClusters: clusters}}
	}
	selecting := func(name, on string) Placed {
		return Placed{Kind: "FederatedX", Name: name, Placement: federated.Placement{Selector: &metav1.LabelSelector{MatchLabels: labeled("on", on)}}}
	}
	const way = ": take these out of their placements and wait until they are gone there, or give the clusters the same labels first, or for the time of the change cellfed.io/shared: \"true\""
	cut := func(path, value, who, what string) []string {
		return []string{path + `: Invalid value: "` + value + `": the change would cut off what clusters hold that do not serve ` + who + `: ` + what + way}
	}
	idle := func(who string, cells ...string) []string {
		var all []string
		for _, c := range cells {
			all = append(all, `the cell "on-`+c+`" is out of reach from now on: cluster "`+c+`" does not serve `+who)
		}
		return all
	}
	const tenantPath, groupPath = "metadata.labels[cellfed.io/tenant]", "metadata.labels[cellfed.io/workspace-group]"
	const evil, test = `workspace group "prod" of tenant "evil"`, `workspace group "test" of tenant "acme"`
	for name, tc := range map[string]struct {
		reason      string
		labels, old map[string]string
		objects     []Placed
		claimants   []HostedCell
		change      TenantChange
		want        said
	}{
		"Unchanged": {reason: "the owner stays", labels: tenant("acme", "prod"), old: tenant("acme", "prod"), objects: []Placed{named("a", "groups")}},
		"Empty":     {reason: "an empty label is an absent one", labels: tenant("", ""), old: nil, objects: []Placed{named("a", "groups")}},
		"NewTenant": {
			reason: "another tenant reaches nothing but what is shared, and what is on that moves with it", labels: tenant("evil", "prod"), old: tenant("acme", "prod"),
			objects: []Placed{named("a", "acme.on-tenants", "acme.on-shared", "shared"), left("b", "groups"), selecting("c", "groups")},
			want: said{Errors: cut(tenantPath, "evil", evil,
				`FederatedX "a" on cell "on-tenants" of cluster "tenants", FederatedX "b" on cluster "groups", FederatedX "c" on cell "on-groups" of cluster "groups"`)},
		},
		"NewGroup": {
			reason: "another group keeps the cells on the tenant's own clusters", labels: tenant("acme", "test"), old: tenant("acme", "prod"),
			objects: []Placed{named("a", "acme.on-tenants", "acme.on-groups", "groups", "tenants")},
			want: said{Errors: cut(groupPath, "test", test,
				`FederatedX "a" on cell "on-groups" of cluster "groups", FederatedX "a" on cluster "groups"`)},
		},
		"Unlabeled": {
			reason: "a label that goes is a change", old: tenant("acme", "prod"), objects: []Placed{named("a", "groups")},
			want: said{
				Errors:   cut(tenantPath, "", "namespaces without a tenant", `FederatedX "a" on cluster "groups"`),
				Warnings: idle("namespaces without a tenant", "tenants", "groups"),
			},
		},
		"Unclear": {
			reason: "an object whose placement nobody can read may be anywhere", labels: tenant("acme", "test"), old: tenant("acme", "prod"),
			objects: []Placed{{Kind: "FederatedX", Name: "a", Unclear: true}},
			want: said{Errors: cut(groupPath, "test", test,
				`FederatedX "a" on cell "on-groups" of cluster "groups", FederatedX "a" on cluster "groups"`)},
		},
		"Idle":       {reason: "cells that hold nothing are merely out of reach", labels: tenant("evil", "prod"), old: tenant("acme", "prod"), want: said{Warnings: idle(evil, "tenants", "groups")}},
		"Elsewhere":  {reason: "what is on a cluster that neither owner reaches is not cut off", labels: tenant("third", ""), old: tenant("evil", ""), objects: []Placed{named("a", "groups", "acme.on-groups")}},
		"FirstOwner": {reason: "cells of nobody's namespace on a shared cluster", labels: tenant("acme", "prod"), old: nil, objects: []Placed{named("a", "shared", "acme.on-shared")}},
		"Unknown":    {reason: "of a cluster that is not registered nothing is known", labels: tenant("evil", ""), old: tenant("third", ""), objects: []Placed{named("a", "acme.on-unknown")}},
		"Warned": {
			reason: "an option lets it pass", labels: tenant("acme", "test"), old: tenant("acme", "prod"), objects: []Placed{named("a", "groups")}, change: WarnTenantChange,
			want: said{Warnings: append(cut(groupPath, "test", test, `FederatedX "a" on cluster "groups"`), idle(test, "groups")...)},
		},
		"ForeignCells": {
			reason: "a cell of another owner is in the namespace of this name in its cluster", labels: tenant("acme", "prod"), old: tenant("evil", ""),
			claimants: []HostedCell{claimant("evil", "x", "evil", tenant("evil", "")), claimant("evil", "y", "evil", tenant("evil", "")), {Namespace: "acme", Name: "own"}},
			want: said{Errors: []string{tenantPath + `: Invalid value: "acme": Cells of another tenant or workspace group have the namespace "acme" in their clusters, ` +
				`as their spec.targetNamespace says: delete them (evil/x, evil/y), or use another name`}},
		},
		"NeverServed": {
			reason: "a cell that the former owner's Namespace kept from the namespace loses nothing", labels: tenant("acme", "prod"), old: tenant("evil", ""),
			claimants: []HostedCell{claimant("third", "y", "third", tenant("third", ""))},
		},
		"ForeignCellsWarned": {
			reason: "namespaces that swap owners pass one after the other", labels: tenant("acme", "prod"), old: tenant("third", ""), change: WarnTenantChange,
			claimants: []HostedCell{claimant("third", "y", "third", tenant("third", ""))},
			want: said{Warnings: []string{tenantPath + `: Invalid value: "acme": Cells of another tenant or workspace group have the namespace "acme" in their clusters, ` +
				`as their spec.targetNamespace says: delete them (third/y), or use another name`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Namespace(Metadata{Name: "acme", Labels: tc.labels}, &Metadata{Name: "acme", Labels: tc.old}, NamespaceFacts{
				Before: sites(tc.old), After: sites(tc.labels), Objects: tc.objects, Claimants: tc.claimants, Change: tc.change,
			})
			if diff := cmp.Diff(tc.want, sayOf(got)); diff != "" {
				t.Errorf("%s: Namespace: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestNamespaceCreated(t *testing.T) {
	foreign := []HostedCell{claimant("evil", "x", "evil", tenant("evil", "")), claimant("own", "x", "acme", tenant("acme", ""))}
	want := said{Errors: []string{`metadata.name: Invalid value: "acme": Cells of another tenant or workspace group have the namespace "acme" in their clusters, ` +
		`as their spec.targetNamespace says: delete them (evil/x), or use another name, or give the Namespace their owner's labels as it is created`}}
	if diff := cmp.Diff(want, sayOf(Namespace(Metadata{Name: "acme", Labels: tenant("acme", "prod")}, nil, NamespaceFacts{Claimants: foreign}))); diff != "" {
		t.Errorf("what the namespace places on clusters would meet another tenant's: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(said{}, sayOf(Namespace(Metadata{Name: "acme", Labels: tenant("acme", "prod")}, nil, NamespaceFacts{Claimants: foreign[1:]}))); diff != "" {
		t.Errorf("a tenant's cell may be in what becomes the tenant's Namespace: -want +got:\n%s", diff)
	}
	want.Errors[0] = strings.ReplaceAll(strings.ReplaceAll(want.Errors[0], `"acme"`, `"own-x"`), "(evil/x)", "(own/x)")
	if diff := cmp.Diff(want, sayOf(Namespace(Metadata{Name: "own-x"}, nil, NamespaceFacts{Claimants: foreign[1:]}))); diff != "" {
		t.Errorf("a Namespace of nobody's would stop the cell as well: -want +got:\n%s", diff)
	}
}

// A Cell that is not served has nothing in a member, and whoever wrote it cannot keep a name from its owner.
func TestNamespaceSquatted(t *testing.T) {
	shared, evil := labeled(v1alpha1.SharedLabel, "true"), tenant("evil", "")
	absent, foreign, onCell := claimant("evil", "x", "evil", nil), claimant("evil", "x", "evil", tenant("third", "")), claimant("evil", "x", "evil", evil)
	absent.Cluster = nil
	onCell.Cluster.Labels = labeled(v1alpha1.TenantLabel, "evil", v1alpha1.TopologyTypeLabel, "cell")
	beside := claimant("evil", "x", "evil", evil)
	beside.Namesake.KubeFed = true
	for name, tc := range map[string]struct {
		reason   string
		claimant HostedCell
		refused  bool
	}{
		"OwnCluster":     {"it is served on the tenant's own cluster", claimant("evil", "x", "evil", evil), true},
		"Prefixed":       {"it is served on a shared one", claimant("acme", "x", "evil", shared), true},
		"Shared":         {"on a shared cluster the name is not its to have", claimant("evil", "x", "evil", shared), false},
		"NoCluster":      {"there is no such cluster", absent, false},
		"ForeignCluster": {"the cluster does not serve it", foreign, false},
		"OnACell":        {"a cell hosts none", onCell, false},
		"KubeFed":        {"no cell has KubeFed's namespace", beside, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := Namespace(Metadata{Name: "acme-x", Labels: tenant("acme", "prod")}, nil, NamespaceFacts{Claimants: []HostedCell{tc.claimant}})
			if refused := len(r.Errors) > 0; refused != tc.refused {
				t.Errorf("%s: it says %v", tc.reason, r.Errors)
			}
		})
	}
}

func TestNamespaceMaskDefault(t *testing.T) {
	annotated := func(value string) Metadata {
		return Metadata{Name: "acme", Annotations: map[string]string{v1alpha1.DefaultPlacementMaskAnnotation: value}}
	}
	refused := said{Errors: []string{`metadata.annotations[cellfed.io/default-placement-mask]: Unsupported value: "some": supported values: "all", "keep", "none"`}}
	for name, tc := range map[string]struct {
		reason    string
		namespace Metadata
		old       *Metadata
		want      said
	}{
		"Absent":     {reason: "the manager's flag holds", namespace: Metadata{Name: "acme"}},
		"Known":      {reason: "a value that is known", namespace: annotated("keep")},
		"Unknown":    {reason: "a slip would release everything", namespace: annotated("some"), want: refused},
		"Empty":      {reason: "to say nothing the annotation is left out", namespace: annotated(""), want: said{Errors: []string{`metadata.annotations[cellfed.io/default-placement-mask]: Unsupported value: "": supported values: "all", "keep", "none"`}}},
		"Changed":    {reason: "a change to it is refused", namespace: annotated("some"), old: new(annotated("all")), want: refused},
		"Stored":     {reason: "what was stored does not forbid to edit the rest", namespace: annotated("some"), old: new(annotated("some"))},
		"StoredElse": {reason: "one mistake is not changed for another", namespace: annotated("some"), old: new(annotated("")), want: refused},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, sayOf(Namespace(tc.namespace, tc.old, NamespaceFacts{}))); diff != "" {
				t.Errorf("%s: Namespace: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
