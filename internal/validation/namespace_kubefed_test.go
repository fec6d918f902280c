package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/scope"
)

// storedAs is a federated ConfigMap in a namespace, of a type that somebody propagates.
func storedAs(t *testing.T, by v1alpha1.Propagator, namespace string, owner map[string]string, spec string) Stored {
	t.Helper()
	u := &unstructured.Unstructured{}
	text := "{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {namespace: " + namespace + ", name: pay}, spec: " + spec + "}"
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return Stored{Object: u, NamespaceLabels: owner, Type: &Type{Name: "configmaps", Namespaced: true, Propagator: by}}
}

// A selector that was nobody's to object to while the namespace had no tenant is refused once it has one.
func TestNamespaceObjects(t *testing.T) {
	const kubeFed, cellfed = v1alpha1.PropagatorKubeFed, v1alpha1.PropagatorCellfed
	clusters := []scope.Topology{
		{Name: "shared", Labels: labeled(v1alpha1.SharedLabel, "true"), Member: "shared", MemberLabels: labeled(v1alpha1.SharedLabel, "true")},
		{Name: "plain", Member: "plain"},
		{Name: "globex", Labels: tenant("globex", ""), Member: "globex", MemberLabels: tenant("globex", "")},
		{Name: "acme", Labels: tenant("acme", "prod"), Member: "acme", MemberLabels: tenant("acme", "prod")},
	}
	refused := func(field string) []string {
		return []string{`metadata.labels[cellfed.io/tenant]: Invalid value: "acme": KubeFed knows no tenants, and would place what is in the namespace on clusters that do not serve ` +
			`workspace group "prod" of tenant "acme", be it when they join: FederatedConfigMap "pay" (` + field + `): have these name clusters that do, or shared ones, ` +
			`or hand their types over to cellfed (a FederatedTypePolicy), before the label is changed; after it a selector can have matchLabels {cellfed.io/tenant: acme, cellfed.io/workspace-group: prod}`}
	}
	const everything = `{placement: {clusterSelector: {}}}`
	for name, tc := range map[string]struct {
		reason   string
		spec     string
		old, now map[string]string
		by       v1alpha1.Propagator
		deleting bool
		unknown  bool
		change   TenantChange
		want     said
	}{
		"Everything":  {reason: "whatever joins would be selected", spec: everything, now: tenant("acme", "prod"), by: kubeFed, want: said{Errors: refused("spec.placement.clusterSelector {}")}},
		"OtherTenant": {reason: "what was one tenant's selector is none of the other's", spec: `{placement: {clusterSelector: {matchLabels: {cellfed.io/tenant: globex}}}}`, old: tenant("globex", ""), now: tenant("acme", "prod"), by: kubeFed, want: said{Errors: refused(`spec.placement.clusterSelector {"matchLabels":{"cellfed.io/tenant":"globex"}}`)}},
		"Shared":      {reason: "a label of shared clusters is one that another's cluster can have", spec: `{placement: {clusterSelector: {matchLabels: {cellfed.io/shared: "true"}}}}`, now: tenant("acme", "prod"), by: kubeFed, want: said{Errors: refused(`spec.placement.clusterSelector {"matchLabels":{"cellfed.io/shared":"true"}}`)}},
		"Joining":     {reason: "whose it is going to be, nobody asks when it joins", spec: `{placement: {clusters: [{name: shared}, {name: soon}]}}`, now: tenant("acme", "prod"), by: kubeFed, want: said{Errors: refused("spec.placement.clusters[1].name soon")}},
		"Foreign":     {reason: "it could not be reached before, and is named", spec: `{placement: {clusters: [{name: globex}]}}`, now: tenant("acme", "prod"), by: kubeFed, want: said{Errors: refused("spec.placement.clusters[0].name globex")}},
		"AllCells":    {reason: "upstream takes the selector of all clusters for what it says", spec: `{topologyType: cell, placement: {clusterSelector: {}}}`, now: tenant("acme", "prod"), by: kubeFed, want: said{Errors: refused("spec.placement.clusterSelector {}")}},
		"Unfederated": {reason: "once the type is federated, KubeFed has it", spec: everything, now: tenant("acme", "prod"), unknown: true, want: said{Errors: refused("spec.placement.clusterSelector {}")}},
		"Warned":      {reason: "an option lets it pass", spec: everything, now: tenant("acme", "prod"), by: kubeFed, change: WarnTenantChange, want: said{Warnings: refused("spec.placement.clusterSelector {}")}},

		"Pinned":    {reason: "it selects the new owner's", spec: `{placement: {clusterSelector: {matchLabels: {cellfed.io/tenant: acme, cellfed.io/workspace-group: prod}}}}`, now: tenant("acme", "prod"), by: kubeFed},
		"Named":     {reason: "the clusters serve the new owner too", spec: `{placement: {clusters: [{name: shared}]}}`, now: tenant("acme", "prod"), by: kubeFed},
		"CutOff":    {reason: "that is told as what it is", spec: `{placement: {clusters: [{name: plain}]}}`, now: tenant("acme", "prod"), by: kubeFed},
		"OwnCells":  {reason: "they are those of the namespace", spec: `{topologyType: cell, placement: {clusterSelector: {matchLabels: {cellfed.io/namespace: acme, cellfed.io/topology-type: cell}}}}`, now: tenant("acme", "prod"), by: kubeFed},
		"Cellfed":   {reason: "what is reached is decided elsewhere", spec: everything, now: tenant("acme", "prod"), by: cellfed},
		"Deleting":  {reason: "it is placed nowhere any more", spec: everything, now: tenant("acme", "prod"), by: kubeFed, deleting: true},
		"Nowhere":   {reason: "it is placed nowhere yet", spec: `{placement: {clusters: []}}`, now: tenant("acme", "prod"), by: kubeFed},
		"Malformed": {reason: "upstream places nothing by it", spec: `{placement: 1}`, now: tenant("acme", "prod"), by: kubeFed},
		"Unchanged": {reason: "what is stored does not forbid to edit the rest", spec: everything, old: tenant("acme", "prod"), now: tenant("acme", "prod"), by: kubeFed},
		"Nobodys":   {reason: "nobody's may select what is nobody's", spec: everything, old: tenant("acme", "prod"), by: kubeFed},
		"Duplicate": {reason: "the change does not make it worse", spec: `{placement: {clusters: [{name: shared}, {name: shared}]}}`, now: tenant("acme", "prod"), by: kubeFed},
	} {
		t.Run(name, func(t *testing.T) {
			object := storedAs(t, tc.by, "acme", nil, tc.spec)
			if tc.deleting {
				object.Object.Object["metadata"].(map[string]any)["deletionTimestamp"] = "2026-01-01T00:00:00Z"
			}
			if tc.unknown {
				object.Type = nil
			}
			got := NamespaceObjects(Metadata{Name: "acme", Labels: tc.now}, Metadata{Name: "acme", Labels: tc.old}, []Stored{object}, clusters, clusters, tc.change)
			if diff := cmp.Diff(tc.want, sayOf(got)); diff != "" {
				t.Errorf("%s: NamespaceObjects: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestKubeFedClusterPlaced(t *testing.T) {
	const kubeFed, everything, named = v1alpha1.PropagatorKubeFed, `{placement: {clusterSelector: {}}}`, `{placement: {clusters: [{name: hz}]}}`
	acme, globex, shared := tenant("acme", "prod"), tenant("globex", ""), labeled(v1alpha1.SharedLabel, "true")
	warning := func(object string) []string {
		return []string{"KubeFed places on the cluster what it does not serve: " + object + ": take it out of their placements, or hand their types over to cellfed"}
	}
	for name, tc := range map[string]struct {
		reason   string
		now, old map[string]string
		created  bool
		object   Stored
		want     []string
		// unasked says that the objects need not even be known.
		unasked bool
	}{
		"Joins":      {reason: "a tenant's object that selects everything", now: globex, created: true, object: storedAs(t, kubeFed, "acme", acme, everything), want: warning(`FederatedConfigMap "acme/pay"`)},
		"JoinsAlone": {reason: "whose it is going to be is not known yet", created: true, object: storedAs(t, kubeFed, "acme", acme, named), want: warning(`FederatedConfigMap "acme/pay"`)},
		"Nobodys":    {reason: "nobody's object named it before", now: globex, created: true, object: storedAs(t, kubeFed, "plain", nil, named), want: warning(`FederatedConfigMap "plain/pay"`)},
		"Sold":       {reason: "what neither owner had there", now: globex, old: tenant("third", ""), object: storedAs(t, kubeFed, "acme", acme, everything), want: warning(`FederatedConfigMap "acme/pay"`)},
		"WasACells":  {reason: "it stands for no cell any more", now: globex, old: labeled(v1alpha1.TopologyTypeLabel, "cell"), object: storedAs(t, kubeFed, "plain", nil, named), want: warning(`FederatedConfigMap "plain/pay"`)},

		"CutOff":     {reason: "that is told as what it is", now: globex, old: acme, object: storedAs(t, kubeFed, "acme", acme, named)},
		"Own":        {reason: "the cluster is the tenant's", now: acme, created: true, object: storedAs(t, kubeFed, "acme", acme, everything)},
		"Unselected": {reason: "it is not placed there", now: globex, created: true, object: storedAs(t, kubeFed, "plain", nil, `{placement: {clusterSelector: {matchExpressions: [{key: cellfed.io/tenant, operator: DoesNotExist}]}}}`)},
		"Cellfed":    {reason: "what is reached is decided elsewhere", now: globex, created: true, object: storedAs(t, v1alpha1.PropagatorCellfed, "acme", acme, everything)},
		"Malformed":  {reason: "upstream places nothing by it", now: globex, created: true, object: storedAs(t, kubeFed, "acme", acme, `{placement: 1}`)},
		"Shared":     {reason: "it is everybody's", now: shared, created: true, object: storedAs(t, kubeFed, "acme", acme, everything), unasked: true},
		"OfACell":    {reason: "behind it is a façade", now: labeled(v1alpha1.GeneratedLabel, "true", v1alpha1.TopologyTypeLabel, "cell"), created: true, object: storedAs(t, kubeFed, "acme", acme, `{placement: {clusters: []}}`), unasked: true},
		"City":       {reason: "the city is nobody's", now: labeled("city", "hz"), old: labeled("city", "sh"), object: storedAs(t, kubeFed, "plain", nil, everything), unasked: true},
	} {
		t.Run(name, func(t *testing.T) {
			cluster, old := Cluster{Name: "hz", Labels: tc.now}, &Cluster{Name: "hz", Labels: tc.old}
			if tc.created {
				old = nil
			}
			if diff := cmp.Diff(tc.want, KubeFedClusterPlaced(cluster, old, []Stored{tc.object})); diff != "" {
				t.Errorf("%s: KubeFedClusterPlaced: -want +got:\n%s", tc.reason, diff)
			}
			if asked := ClusterOpens(cluster, old); asked == tc.unasked {
				t.Errorf("%s: that it is asked about the objects is %t", tc.reason, asked)
			}
		})
	}
}
