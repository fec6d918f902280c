package scope

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestTargetRefusal(t *testing.T) {
	acme := owned("acme", "prod")
	on := func(name string, cluster map[string]string) Target {
		return Target{Name: name, Namespace: "acme-prod", NamespaceLabels: acme, ClusterLabels: cluster, ClusterKnown: true}
	}
	with := func(target Target, change func(*Target)) Target {
		change(&target)
		return target
	}
	known := func(target Target, labels map[string]string) Target {
		target.Namesake = NamesakeOf(labels)
		return target
	}
	cases := map[string]struct {
		reason string
		target Target
		want   TargetRefusal
	}{
		"Own":             {"what the tenant has goes where it is called the same", on("acme-prod", shared), TargetAllowed},
		"OwnPrefix":       {"the name tells whose it is", on("acme-prod-a", shared), TargetAllowed},
		"Resident":        {"what a shared cluster holds is not known, and not to be taken", on("payments", shared), TargetUnclear},
		"SharedOwned":     {"a cluster that is shared is not the tenant's alone, whosever it is", on("payments", owned("acme", "prod", v1alpha1.SharedLabel, "true")), TargetUnclear},
		"AlmostPrefix":    {"another's name may begin the same", on("acme-production", shared), TargetUnclear},
		"TenantPrefix":    {"the namespace's name counts, not the tenant's", on("acme-a", shared), TargetUnclear},
		"OwnCluster":      {"on the tenant's own cluster the tenant decides", on("payments", acme), TargetAllowed},
		"OtherGroups":     {"the tenant's groups are one tenant's", on("payments", owned("acme", "")), TargetAllowed},
		"Foreign":         {"another tenant's cluster is not the tenant's", on("payments", owned("evil", "prod")), TargetUnclear},
		"NobodysCluster":  {"nor is nobody's", on("payments", nil), TargetUnclear},
		"NobodysOnNobody": {"nobody has no cluster alone", with(on("payments", nil), func(g *Target) { g.NamespaceLabels = nil }), TargetUnclear},
		"UnknownCluster": {"whoever registers it says whose it is", with(on("payments", nil), func(g *Target) { g.ClusterKnown = false }),
			TargetAllowed},
		"OthersNamespace":      {"what another tenant places on the cluster goes there", known(on("payments", acme), owned("evil", "prod")), TargetOfAnotherOwner},
		"OthersPrefixed":       {"the name does not make it the tenant's", known(on("acme-prod-a", shared), owned("evil", "prod")), TargetOfAnotherOwner},
		"OthersOnUnknown":      {"wherever it is", with(known(on("payments", nil), owned("evil", "prod")), func(g *Target) { g.ClusterKnown = false }), TargetOfAnotherOwner},
		"OtherGroupsNamespace": {"another workspace group is another owner", known(on("payments", acme), owned("acme", "test")), TargetOfAnotherOwner},
		"NobodysNamespace":     {"nobody is another owner", known(on("payments", acme), nil), TargetOfAnotherOwner},
		"TenantsNamespace":     {"the owner is the same", known(on("payments", acme), acme), TargetAllowed},
		"TenantsOnShared":      {"on a shared cluster the name has to tell, too", known(on("payments", shared), acme), TargetUnclear},
		"OwnNamesake":          {"its own Namespace is not another's, whatever a cache says", known(on("acme-prod", shared), owned("evil", "prod")), TargetAllowed},
		"Nearer":               {"the name tells that it is meant for another owner's", with(on("acme-prod-a-b", shared), func(g *Target) { g.Nearer = NamesakeOf(owned("evil", "prod")) }), TargetNearerToAnother},
		"NearerOwn":            {"the owner is the same", with(on("acme-prod-a-b", shared), func(g *Target) { g.Nearer = NamesakeOf(acme) }), TargetAllowed},
		"NearerOnOwn":          {"on the tenant's own cluster no other has cells", with(on("acme-prod-a-b", acme), func(g *Target) { g.Nearer = NamesakeOf(owned("evil", "prod")) }), TargetAllowed},
		"System":               {"the cluster's own, on the tenant's too", on("kube-system", acme), TargetOfSystem},
		"SystemOwn":            {"a Cell in such a namespace has it neither", with(on("kube-system", acme), func(g *Target) { g.Namespace = "kube-system" }), TargetOfSystem},
		"SystemPrefixed":       {"a name that begins with a namespace's may be the cluster's own", with(on("kube-system", acme), func(g *Target) { g.Namespace = "kube" }), TargetOfSystem},
		"KubeFed":              {"wherever KubeFed runs", with(on("federation", acme), func(g *Target) { g.Namesake.KubeFed = true }), TargetOfKubeFed},
		"KubeFedOwn":           {"a Cell beside KubeFed has it neither", with(on("federation", acme), func(g *Target) { g.Namesake.KubeFed, g.Namespace = true, "federation" }), TargetOfKubeFed},
		"Default":              {"it is in every cluster", on("default", acme), TargetOfNobody},
		"DefaultOwn":           {"it is the Cell's own", with(on("default", nil), func(g *Target) { g.Namespace, g.NamespaceLabels = "default", nil }), TargetAllowed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := tc.target.Refusal()
			if got != tc.want {
				t.Fatalf("%s: Refusal = %q, want %q", tc.reason, got, tc.want)
			}
			if got == TargetAllowed {
				return
			}
			message := tc.target.RefusedMessage(got, "hz-a")
			if got.Because("hz-a") == "" || !strings.Contains(message, got.Because("hz-a")) || !strings.Contains(message, "\""+tc.target.Name+"\"") || strings.Contains(message, "evil") {
				t.Errorf("%s: it says %q", tc.reason, message)
			}
		})
	}
}

func TestNearer(t *testing.T) {
	for target, tc := range map[string]struct {
		reason string
		want   []string
	}{
		"team":         {"its own name is nobody's nearer", nil},
		"team-a":       {"nothing is between", nil},
		"team-a-x":     {"a Namespace team-a is nearer", []string{"team-a"}},
		"team-a-x-y-z": {"the longest comes first", []string{"team-a-x-y", "team-a-x", "team-a"}},
		"teams-a-x":    {"a name that only begins the same may be somebody's, too", []string{"teams-a", "teams"}},
		"a-b":          {"what is shorter is not nearer", nil},
	} {
		t.Run(target, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, slices.Collect(Nearer(target, "team"))); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
