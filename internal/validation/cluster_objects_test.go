package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

func TestKubeFedClusterObjects(t *testing.T) {
	const (
		tenantLabel = "metadata.labels[cellfed.io/tenant] FieldValueInvalid"
		sharedLabel = "metadata.labels[cellfed.io/shared] FieldValueInvalid"
	)
	shared := map[string]string{v1alpha1.SharedLabel: "true"}
	of := func(namespace string, owner map[string]string, p federated.Placement) PlacedIn {
		return PlacedIn{Placed: Placed{Kind: "FederatedConfigMap", Name: "pay", Placement: p}, Namespace: namespace, NamespaceLabels: owner}
	}
	named, there := federated.Placement{Clusters: []string{"hz"}}, federated.Placement{StatusClusters: []string{"hz"}}
	everywhere := federated.Placement{Selector: &metav1.LabelSelector{}}
	acme, evil := ownedBy("acme", "prod"), ownedBy("evil", "prod")
	cases := map[string]struct {
		reason   string
		old, now map[string]string
		objects  []PlacedIn
		want     []string
		// unasked says that the objects need not even be known.
		unasked bool
	}{
		"Named":       {reason: "it is placed there by name", now: acme, objects: []PlacedIn{of("plain", nil, named)}, want: []string{tenantLabel + " acme"}},
		"Selected":    {reason: "or by a selector, with the labels that it had", now: acme, objects: []PlacedIn{of("plain", nil, everywhere)}, want: []string{tenantLabel + " acme"}},
		"StillThere":  {reason: "or is there yet", now: acme, objects: []PlacedIn{of("plain", nil, there)}, want: []string{tenantLabel + " acme"}},
		"Unclear":     {reason: "what cannot be read may be anywhere", now: acme, objects: []PlacedIn{{Placed: Placed{Unclear: true}, Namespace: "plain"}}, want: []string{tenantLabel + " acme"}},
		"NoNamespace": {reason: "what is in no namespace is nobody's", now: acme, objects: []PlacedIn{of("", nil, named)}, want: []string{tenantLabel + " acme"}},
		"Unlabeled":   {reason: "a tenant's cluster that becomes nobody's", old: acme, objects: []PlacedIn{of("acme", acme, named)}, want: []string{tenantLabel}},
		"Unshared":    {reason: "one that was everybody's", old: shared, now: nil, objects: []PlacedIn{of("acme", acme, named), of("plain", nil, named)}, want: []string{sharedLabel}},
		"OtherOwner":  {reason: "another's from now on", old: acme, now: evil, objects: []PlacedIn{of("acme", acme, named)}, want: []string{tenantLabel + " evil"}},
		"LikeACell":   {reason: "what says that it stands for a cell serves nobody", now: map[string]string{v1alpha1.TopologyTypeLabel: "cell"}, objects: []PlacedIn{of("plain", nil, named)}, want: []string{"metadata.labels[cellfed.io/topology-type] FieldValueInvalid cell"}},

		"Shared":     {reason: "everybody may", old: acme, now: shared, objects: []PlacedIn{of("acme", acme, named), of("plain", nil, named)}, unasked: true},
		"Elsewhere":  {reason: "it is not there", now: acme, objects: []PlacedIn{of("plain", nil, federated.Placement{Clusters: []string{"sh"}, StatusClusters: []string{"sh"}})}},
		"Follows":    {reason: "it can be reached from now on", now: acme, objects: []PlacedIn{of("acme", acme, named)}},
		"Never":      {reason: "it could not be reached before", old: acme, now: evil, objects: []PlacedIn{of("plain", nil, named)}},
		"OtherLabel": {reason: "the city serves nobody", old: acme, now: map[string]string{v1alpha1.TenantLabel: "acme", v1alpha1.WorkspaceGroupLabel: "prod", "city": "hz"}, objects: []PlacedIn{of("acme", acme, named)}, unasked: true},
		"Cell":       {reason: "a cell's KubeFedCluster is nobody's to be placed on", old: map[string]string{v1alpha1.GeneratedLabel: "true"}, now: acme, objects: []PlacedIn{of("acme", acme, named)}, unasked: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			old, now := Cluster{Name: "hz", Labels: tc.old}, Cluster{Name: "hz", Labels: tc.now}
			r := KubeFedClusterObjects(now, old, tc.objects, RefuseTenantChange)
			if diff := cmp.Diff(tc.want, problems(r)); diff != "" || len(r.Warnings) > 0 {
				t.Errorf("%s: KubeFedClusterObjects: -want +got:\n%s\n%v", tc.reason, diff, r)
			}
			if asked := ClusterCutsOff(now, old); len(tc.want) > 0 && !asked || tc.unasked && asked {
				t.Errorf("%s: that it is asked about the objects is %t", tc.reason, asked)
			}
			r = KubeFedClusterObjects(now, old, tc.objects, WarnTenantChange)
			if len(r.Errors) > 0 || len(r.Warnings) != len(tc.want) {
				t.Errorf("%s: KubeFedClusterObjects that warns = %v", tc.reason, r)
			}
		})
	}
}

func TestKubeFedClusterObjectsNames(t *testing.T) {
	placement := federated.Placement{Clusters: []string{"hz"}}
	r := KubeFedClusterObjects(Cluster{Name: "hz", Labels: ownedBy("acme", "prod")}, Cluster{Name: "hz"}, []PlacedIn{
		{Placed: Placed{Kind: "FederatedSecret", Name: "key", Placement: placement}, Namespace: "plain"},
		{Placed: Placed{Kind: "FederatedConfigMap", Name: "pay", Placement: placement}, Namespace: "plain"},
		{Placed: Placed{Kind: "FederatedClusterRole", Name: "view", Placement: placement}},
	}, RefuseTenantChange)
	want := `metadata.labels[cellfed.io/tenant]: Invalid value: "acme": the change would cut off what the cluster holds of namespaces that it does not serve then: ` +
		`FederatedClusterRole "view", FederatedConfigMap "plain/pay", FederatedSecret "plain/key": take the cluster out of their placements and wait until they are gone there, ` +
		`or leave the label as it was, or set cellfed.io/shared: "true" for the time in which their Namespaces follow`
	if diff := cmp.Diff(want, r.Errors.ToAggregate().Error()); diff != "" {
		t.Error(diff)
	}
}
