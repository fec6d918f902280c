package validation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestKubeFedCluster(t *testing.T) {
	acme := []HostedCell{{Namespace: "acme", Name: "a", NamespaceLabels: tenant("acme", "prod")}, {Namespace: "acme-test", Name: "a", NamespaceLabels: tenant("acme", "test")}}
	nobody := HostedCell{Namespace: "plain", Name: "a"}
	inPay := HostedCell{Namespace: "acme", Name: "b", NamespaceLabels: tenant("acme", "prod"), TargetNamespace: "pay"}
	refused := func(path, value, cells string) said {
		return said{Errors: []string{path + `: Invalid value: "` + value + `": the change would cut ` + cells + ` off from the cluster, and nobody could reach what was released to them: ` +
			`delete or move them first (kubectl get cells -A, column CLUSTER), or leave the label as it was, or set cellfed.io/shared: "true" for the time in which their Namespaces follow`}}
	}
	for name, tc := range map[string]struct {
		reason      string
		labels, old map[string]string
		cells       []HostedCell
		change      TenantChange
		want        said
	}{
		"Sold":        {reason: "all cells would lose their cluster", labels: tenant("evil", ""), old: tenant("acme", ""), cells: acme, want: refused("metadata.labels[cellfed.io/tenant]", "evil", "2 Cells")},
		"SetAside":    {reason: "those of the other group would", labels: tenant("acme", "prod"), old: tenant("acme", ""), cells: acme, want: refused("metadata.labels[cellfed.io/workspace-group]", "prod", "1 Cell")},
		"Given":       {reason: "a label that goes is a change", old: tenant("acme", ""), cells: acme, want: refused("metadata.labels[cellfed.io/tenant]", "", "2 Cells")},
		"Taken":       {reason: "nobody's cells lose a cluster that becomes a tenant's", labels: tenant("acme", ""), cells: []HostedCell{nobody}, want: refused("metadata.labels[cellfed.io/tenant]", "acme", "1 Cell")},
		"Unshared":    {reason: "a cluster that was everybody's", labels: tenant("acme", ""), old: labeled(v1alpha1.TenantLabel, "acme", v1alpha1.SharedLabel, "true"), cells: append(acme, nobody), want: refused("metadata.labels[cellfed.io/shared]", "", "1 Cell")},
		"Disguised":   {reason: "what stands for a cell hosts none", labels: labeled(v1alpha1.TopologyTypeLabel, "cell"), cells: []HostedCell{nobody}, want: refused("metadata.labels[cellfed.io/topology-type]", "cell", "1 Cell")},
		"Shared":      {reason: "a cluster that is opened cuts nobody off", labels: labeled(v1alpha1.SharedLabel, "true"), old: tenant("acme", ""), cells: acme},
		"Empty":       {reason: "without cells there is nothing to cut off", labels: tenant("evil", ""), old: tenant("acme", "")},
		"CutOffSince": {reason: "cells that had no access before lose nothing", labels: tenant("third", ""), old: tenant("evil", ""), cells: acme},
		"OtherLabels": {reason: "labels that say nothing of tenants", labels: labeled("city", "hz", v1alpha1.TenantLabel, "acme"), old: labeled(v1alpha1.TenantLabel, "acme"), cells: acme},
		"Generated":   {reason: "what stands for a cell is the controller's", labels: tenant("evil", ""), old: labeled(v1alpha1.TopologyTypeLabel, "cell", v1alpha1.TenantLabel, "acme"), cells: acme},
		"SharedNow": {
			reason: "on a shared cluster a name must tell whose it is, and to share the cluster is no way out", labels: labeled(v1alpha1.TenantLabel, "acme", v1alpha1.SharedLabel, "true"), old: tenant("acme", ""), cells: []HostedCell{inPay, acme[0]},
			want: said{Errors: []string{strings.TrimSuffix(refused("metadata.labels[cellfed.io/shared]", "true", "1 Cell").Errors[0], `, or set cellfed.io/shared: "true" for the time in which their Namespaces follow`)}},
		},
		"NeverServed": {reason: "a cell that has no right to its target namespace loses nothing", labels: tenant("evil", ""), old: labeled(v1alpha1.SharedLabel, "true"), cells: []HostedCell{inPay}},
		"Warned": {
			reason: "an option lets it pass", labels: tenant("evil", ""), old: tenant("acme", ""), cells: acme, change: WarnTenantChange,
			want: said{Warnings: refused("metadata.labels[cellfed.io/tenant]", "evil", "2 Cells").Errors},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := sayOf(KubeFedCluster(Cluster{Name: "hz", Labels: tc.labels}, Cluster{Name: "hz", Labels: tc.old}, tc.cells, tc.change))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: KubeFedCluster: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestKubeFedClusterDeletion(t *testing.T) {
	generated := labeled(v1alpha1.GeneratedLabel, "true", v1alpha1.TopologyTypeLabel, "cell")
	const way = " on the cluster, and nobody could reach what was released to them: delete or move them first (kubectl get cells -A, column CLUSTER)"
	cells := []HostedCell{{Namespace: "acme", Name: "a"}, {Namespace: "acme", Name: "b"}}
	for name, tc := range map[string]struct {
		reason       string
		labels       map[string]string
		cells        []HostedCell
		generatedFor string
		want         said
	}{
		"Empty": {reason: "a cluster without cells goes as upstream lets it"},
		"One":   {reason: "a cell stands on it", cells: cells[:1], want: said{Errors: []string{`metadata.name: Invalid value: "hz": 1 Cell stands` + way}}},
		"Closed": {
			reason: "a tenant cannot hold up a cluster that does not serve it", cells: []HostedCell{{Namespace: "evil", Name: "a", NamespaceLabels: tenant("evil", "")}},
			want: said{Warnings: []string{`1 Cell stands on the KubeFedCluster "hz" that it does not serve: what was released to them before is out of reach`}},
		},
		"ForeignTarget": {
			reason: "nor can one that asks for what is another's", cells: []HostedCell{{Namespace: "plain", Name: "a", TargetNamespace: "cert-manager"}},
			want: said{Warnings: []string{`1 Cell stands on the KubeFedCluster "hz" that it does not serve: what was released to them before is out of reach`}},
		},
		"Both": {
			reason: "those that it serves count", cells: []HostedCell{{Namespace: "evil", Name: "a", NamespaceLabels: tenant("evil", "")}, cells[0]},
			want: said{
				Errors:   []string{`metadata.name: Invalid value: "hz": 1 Cell stands` + way},
				Warnings: []string{`1 Cell stands on the KubeFedCluster "hz" that it does not serve: what was released to them before is out of reach`},
			},
		},
		"Two":       {reason: "cells stand on it", cells: cells, want: said{Errors: []string{`metadata.name: Invalid value: "hz": 2 Cells stand` + way}}},
		"Generated": {reason: "what was generated is made again", labels: generated, generatedFor: "acme/a", want: said{Warnings: []string{`the KubeFedCluster "hz" stands for the Cell acme/a and is made again: delete the Cell instead`}}},
		"Vacated":   {reason: "the controller deletes it with the Cell, and hears nothing of it", labels: generated},
		"Named":     {reason: "Cells that name what was generated never stood on it", labels: generated, cells: cells},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, sayOf(KubeFedClusterDeletion(Cluster{Name: "hz", Labels: tc.labels}, tc.cells, tc.generatedFor))); diff != "" {
				t.Errorf("%s: KubeFedClusterDeletion: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
