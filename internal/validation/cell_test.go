package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// said is what a Result says, for comparison.
type said struct{ Errors, Warnings []string }

func sayOf(r Result) said { return said{Errors: messages(r.Errors), Warnings: r.Warnings} }

func messages(errs field.ErrorList) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

// labeled returns labels, given in pairs.
func labeled(keysAndValues ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(keysAndValues); i += 2 {
		m[keysAndValues[i]] = keysAndValues[i+1]
	}
	return m
}

func tenant(name, group string) map[string]string {
	return labeled(v1alpha1.TenantLabel, name, v1alpha1.WorkspaceGroupLabel, group)
}

func newCell(namespace, name, cluster, target string) *v1alpha1.Cell {
	return &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.CellSpec{ClusterName: cluster, TargetNamespace: target},
	}
}

func TestCell(t *testing.T) {
	acme := tenant("acme", "prod")
	facts := func(change ...func(*CellFacts)) CellFacts {
		f := CellFacts{
			KubeFedNamespace: "kube-federation-system", NamespaceLabels: acme, NamespaceKnown: true,
			ClusterKnown: true, Cluster: &Cluster{Name: "hz", Labels: acme},
		}
		for _, c := range change {
			c(&f)
		}
		return f
	}
	on := func(labels map[string]string) func(*CellFacts) {
		return func(f *CellFacts) { f.Cluster = &Cluster{Name: "hz", Labels: labels} }
	}
	claimed := func(namespace, name string) func(*CellFacts) {
		return func(f *CellFacts) { f.Claimants = append(f.Claimants, *newCell(namespace, name, "hz", "pay")) }
	}
	target := func(labels map[string]string) func(*CellFacts) {
		return func(f *CellFacts) { f.Target = &Owner{Labels: labels} }
	}
	with := func(c *v1alpha1.Cell, labels ...string) *v1alpha1.Cell {
		c.Labels = labeled(labels...)
		return c
	}
	const notServed = `spec.clusterName: Invalid value: "hz": the cluster does not serve workspace group "prod" of tenant "acme": ` +
		`name one that carries the same labels as the Namespace, or cellfed.io/shared: "true"`
	for name, tc := range map[string]struct {
		reason    string
		cell, old *v1alpha1.Cell
		facts     CellFacts
		want      said
	}{
		"Plain":         {reason: "a cell on a cluster of the tenant's", cell: newCell("acme", "a", "hz", ""), facts: facts()},
		"TenantsShared": {reason: "a cluster of the tenant's without a group serves all its groups", cell: newCell("acme", "a", "hz", ""), facts: facts(on(tenant("acme", "")))},
		"Shared":        {reason: "a cluster that is shared serves everybody", cell: newCell("acme", "a", "hz", ""), facts: facts(on(labeled(v1alpha1.SharedLabel, "true")))},
		"Foreign":       {reason: "a cluster of another tenant", cell: newCell("acme", "a", "hz", ""), facts: facts(on(tenant("evil", "prod"))), want: said{Errors: []string{notServed}}},
		"ForeignGroup":  {reason: "a cluster of another workspace group", cell: newCell("acme", "a", "hz", ""), facts: facts(on(tenant("acme", "test"))), want: said{Errors: []string{notServed}}},
		"Nobodys":       {reason: "a cluster that nobody owns serves no tenant", cell: newCell("acme", "a", "hz", ""), facts: facts(on(nil)), want: said{Errors: []string{notServed}}},
		"NobodyOnTenants": {
			reason: "nobody is not the tenant", cell: newCell("plain", "a", "hz", ""),
			facts: facts(func(f *CellFacts) { f.NamespaceLabels = nil }),
			want: said{Errors: []string{`spec.clusterName: Invalid value: "hz": the cluster does not serve namespaces without a tenant: ` +
				`name one that carries the same labels as the Namespace, or cellfed.io/shared: "true"`}},
		},
		"UnknownNamespace": {reason: "a linter does not know whose it is", cell: newCell("acme", "a", "hz", "b"), facts: facts(func(f *CellFacts) { f.NamespaceKnown = false }, on(tenant("evil", "")), target(nil))},
		"UnknownCluster": {
			reason: "GitOps applies in any order", cell: newCell("acme", "a", "hz", ""), facts: facts(func(f *CellFacts) { f.Cluster = nil }),
			want: said{Warnings: []string{`spec.clusterName: no KubeFedCluster is named "hz" yet: the cell waits for it`}},
		},
		"NothingKnown": {reason: "a linter knows no clusters", cell: newCell("acme", "a", "hz", "b")},
		"ClusterIsCell": {
			reason: "a cell on a cell", cell: newCell("acme", "a", "acme.b", ""),
			facts: facts(on(labeled(v1alpha1.TopologyTypeLabel, "cell"))),
			want:  said{Errors: []string{`spec.clusterName: Invalid value: "acme.b": it is the KubeFedCluster of a cell: name a physical cluster`}},
		},
		"ClusterIsItself": {
			reason: "a cell on itself, before its KubeFedCluster is there", cell: newCell("acme", "a", "acme.a", ""),
			want: said{Errors: []string{`spec.clusterName: Invalid value: "acme.a": it is the KubeFedCluster of this very cell: name a physical cluster`}},
		},
		"ClaimOfNeighbor": {
			reason: "the other cell of the namespace is named", cell: newCell("acme", "a", "hz", "pay"), facts: facts(claimed("other", "x"), claimed("acme", "b")),
			want: said{Errors: []string{`spec.targetNamespace: Invalid value: "pay": the Cell "b" has namespace "pay" of cluster "hz", which two cells cannot share: name another namespace, or another cluster in spec.clusterName`}},
		},
		"ClaimOfStranger": {
			reason: "a cell of another namespace may be another tenant's, and is not named", cell: newCell("acme", "a", "hz", "pay"), facts: facts(claimed("secret", "x")),
			want: said{Errors: []string{`spec.targetNamespace: Invalid value: "pay": a Cell of another namespace has namespace "pay" of cluster "hz", which two cells cannot share: name another namespace, or another cluster in spec.clusterName`}},
		},
		"ClaimOfItself": {reason: "a Cell that is written is in the cache too", cell: newCell("acme", "a", "hz", "pay"), facts: facts(claimed("acme", "a"))},
		"ClaimOfNamesake": {
			reason: "a cell of the same name is another one", cell: newCell("acme", "a", "hz", "pay"), facts: facts(claimed("secret", "a")),
			want: said{Errors: []string{`spec.targetNamespace: Invalid value: "pay": a Cell of another namespace has namespace "pay" of cluster "hz", which two cells cannot share: name another namespace, or another cluster in spec.clusterName`}},
		},
		"ClaimMoved": {
			reason: "the namespace cannot be changed, the cluster can", cell: newCell("acme", "a", "hz", "pay"), old: newCell("acme", "a", "sh", "pay"), facts: facts(claimed("acme", "b")),
			want: said{Errors: []string{`spec.clusterName: Invalid value: "hz": the Cell "b" has namespace "pay" of cluster "hz", which two cells cannot share: name another cluster`}},
		},
		"KubeNamespace": {
			reason: "the Cell's own namespace is what it targets", cell: newCell("kube-system", "a", "hz", ""), facts: facts(),
			want: said{Errors: []string{`spec.targetNamespace: Invalid value: "kube-system": namespaces that begin with kube- are the cluster's own: name a namespace of the Cell's own`}},
		},
		"KubeFedNamespace": {
			reason: "wherever KubeFed runs", cell: newCell("acme", "a", "hz", "federation"), facts: facts(func(f *CellFacts) { f.KubeFedNamespace = "federation" }),
			want: said{Errors: []string{`spec.targetNamespace: Invalid value: "federation": it is the namespace that KubeFed runs in: name a namespace of the Cell's own`}},
		},
		"ForeignNamespace": {
			reason: "what another tenant places on the cluster goes there", cell: newCell("acme", "a", "hz", "victim"), facts: facts(target(tenant("victim", "prod"))),
			want: said{Errors: []string{`spec.targetNamespace: Invalid value: "victim": it is the name of a Namespace of another tenant or workspace group, whose objects go there: name a namespace of the Cell's own`}},
		},
		"NearerNamespace": {
			reason: "another owner's cells have such namespaces on a cluster that both use", cell: newCell("acme", "a", "hz", "acme-pay-x"),
			facts: facts(on(labeled(v1alpha1.SharedLabel, "true")), func(f *CellFacts) { f.Nearer = &Owner{Labels: tenant("victim", "prod")} }),
			want:  said{Errors: []string{`spec.targetNamespace: Invalid value: "acme-pay-x": it begins with the name of a Namespace of another tenant or workspace group, whose cells have such namespaces: name a namespace of the Cell's own`}},
		},
		"DefaultNamespace": {
			reason: "it is there in every cluster, and nobody's", cell: newCell("acme", "a", "hz", "default"), facts: facts(target(nil)),
			want: said{Errors: []string{`spec.targetNamespace: Invalid value: "default": what belongs to nobody is in it: name a namespace of the Cell's own`}},
		},
		"OwnNamespace": {reason: "another Namespace of the same owner", cell: newCell("acme", "a", "hz", "acme-2"), facts: facts(target(tenant("acme", "prod")))},
		"ReservedLabels": {
			reason: "what is ignored is said, but of the tenant, which is set", cell: with(newCell("acme", "a", "hz", ""), "cellfed.io/x", "1", v1alpha1.CellLabel, "b", v1alpha1.TenantLabel, "evil", "city", "hz"), facts: facts(),
			want: said{Warnings: []string{
				`metadata.labels[cellfed.io/cell]: "b" is ignored: labels that begin with cellfed.io/ are cellfed's to set on what stands for the cell; use another prefix`,
				`metadata.labels[cellfed.io/x]: "1" is ignored: labels that begin with cellfed.io/ are cellfed's to set on what stands for the cell; use another prefix`,
			}},
		},
		"ReservedLabelsBefore": {reason: "what was said once is not said again", cell: with(newCell("acme", "a", "hz", ""), "cellfed.io/x", "1"), old: with(newCell("acme", "a", "hz", ""), "cellfed.io/x", "1")},
		"StoredBefore": {
			reason: "a Cell that breaks every rule can still be edited elsewhere", cell: with(newCell("acme", "a", "hz", "kube-x"), "city", "hz"), old: newCell("acme", "a", "hz", "kube-x"),
			facts: facts(on(tenant("evil", "")), claimed("acme", "b"), target(nil), func(f *CellFacts) { f.Placed = []string{"x"} }),
		},
		"MovedPlaced": {
			reason: "what was released stays in the old cluster", cell: newCell("acme", "a", "hz", "pay"), old: newCell("acme", "a", "sh", "pay"),
			facts: facts(func(f *CellFacts) { f.Placed = []string{"a", "b", "c", "d", "e", "f", "g"} }),
			want: said{Errors: []string{`spec.clusterName: Invalid value: "hz": the cell is on cluster "sh", and what was released to it stays there, out of reach: ` +
				`create another Cell, move what is placed on this one (a, b, c, d, e and 2 more), and delete it`}},
		},
		"MovedWithOne": {
			reason: "one object is enough", cell: newCell("acme", "a", "hz", "pay"), old: newCell("acme", "a", "sh", "pay"),
			facts: facts(func(f *CellFacts) { f.Placed = []string{"a"} }),
			want: said{Errors: []string{`spec.clusterName: Invalid value: "hz": the cell is on cluster "sh", and what was released to it stays there, out of reach: ` +
				`create another Cell, move what is placed on this one (a), and delete it`}},
		},
		"MovedEmpty": {reason: "a cell on which nothing is placed can move", cell: newCell("acme", "a", "hz", "pay"), old: newCell("acme", "a", "sh", "pay"), facts: facts()},
		"Several": {
			reason: "all that is wrong is said at once", cell: newCell("acme", "a", "hz", "kube-x"), facts: facts(on(nil), claimed("acme", "b")),
			want: said{Errors: []string{
				`spec.targetNamespace: Invalid value: "kube-x": namespaces that begin with kube- are the cluster's own: name a namespace of the Cell's own`,
				notServed,
			}},
		},
		"TakenOnClosed": {
			reason: "what is taken on another tenant's cluster is not told", cell: newCell("acme", "a", "hz", "pay"), facts: facts(on(tenant("evil", "")), claimed("evil", "b")),
			want: said{Errors: []string{
				`spec.targetNamespace: Invalid value: "pay": cluster "hz" is not the tenant's alone, and the namespace may be somebody's there: leave it out, or begin it with "acme-"`,
				notServed,
			}},
		},
		"ResidentOfShared": {
			reason: "what a shared cluster holds is not known, and not to be taken", cell: newCell("acme", "a", "hz", "cert-manager"), facts: facts(on(labeled(v1alpha1.SharedLabel, "true"))),
			want: said{Errors: []string{`spec.targetNamespace: Invalid value: "cert-manager": cluster "hz" is not the tenant's alone, and the namespace may be somebody's there: leave it out, or begin it with "acme-"`}},
		},
		"ResidentOfNobodys": {
			reason: "nor of one that is nobody's", cell: newCell("plain", "a", "hz", "payments"),
			facts: facts(on(nil), func(f *CellFacts) { f.NamespaceLabels = nil }),
			want:  said{Errors: []string{`spec.targetNamespace: Invalid value: "payments": cluster "hz" is not the tenant's alone, and the namespace may be somebody's there: leave it out, or begin it with "plain-"`}},
		},
		"PrefixedOnShared": {reason: "the name tells whose it is", cell: newCell("acme", "a", "hz", "acme-a"), facts: facts(on(labeled(v1alpha1.SharedLabel, "true")))},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, sayOf(Cell(tc.cell, tc.old, tc.facts))); diff != "" {
				t.Errorf("%s: Cell: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
