package validating

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/validation"
)

// A Namespace that says nothing of an owner is decided about without a request, whatever is not in the cache.
func TestUnownedNamespace(t *testing.T) {
	h := newHost(t, append(world(), cell("unseen", "a", "hz", "unseen-a"))...)
	h.placed.err = errTest
	for name, tc := range map[string]struct {
		reason, namespace string
		want              said
	}{
		"Free":      {"nobody's cell has the name", "free", allowed},
		"Taken":     {"a cell that is served has it", "acme-a", denied("metadata.name")},
		"Squatted":  {"the cell that wants it is not served", "wanted", allowed},
		"Uncached":  {"the cell's Namespace is too new for the cache", "unseen-a", allowed},
		"OfTheCell": {"it is the cell's own", "acme", allowed},
	} {
		t.Run(name, func(t *testing.T) {
			got := sayOf(h.ask(UnownedNamespacePath, write(t, namespace(tc.namespace, ""), nil)))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	if h.Requests() != 0 || h.placed.reads != 0 {
		t.Errorf("it took %d requests and %d looks at what is placed", h.Requests(), h.placed.reads)
	}
}

// What KubeFed propagates is judged once more where a Namespace comes to a tenant, and told where a cluster comes to somebody.
func TestOwnersUnderKubeFed(t *testing.T) {
	const (
		everywhere = `{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {namespace: plain, name: pay}, spec: {placement: {clusterSelector: {}}}}`
		tenants    = `{apiVersion: example.com/v1, kind: FederatedConfigMap, metadata: {namespace: evil, name: pay}, spec: {placement: {clusterSelector: {}}}}`
		own        = `{apiVersion: types.kubefed.io/v1beta1, kind: FederatedNamespace, metadata: {namespace: plain, name: plain, labels: {cellfed.io/generated: "true"}}, spec: {placement: {clusterSelector: {}}}}`
	)
	refused := denied("metadata.labels[cellfed.io/tenant]")
	tells := func(object string) said {
		return said{Allowed: true, Warnings: []string{"KubeFed places on the cluster what it does not serve: FederatedConfigMap \"" + object +
			`": take it out of their placements, or hand their types over to cellfed`}}
	}
	for name, tc := range map[string]struct {
		reason      string
		path        string
		object, old any
		placed      string
		by          v1alpha1.Propagator
		change      validation.TenantChange
		err         error
		reads       int
		want        said
	}{
		"Namespace":        {reason: "the selector is not a tenant's to have", path: NamespacePath, object: namespace("plain", "acme"), old: namespace("plain", ""), placed: everywhere, reads: 1, want: refused},
		"NamespaceWarned":  {reason: "an option lets it pass", path: NamespacePath, object: namespace("plain", "acme"), old: namespace("plain", ""), placed: everywhere, change: validation.WarnTenantChange, reads: 1, want: said{Allowed: true, Warnings: []string{""}}},
		"NamespaceCellfed": {reason: "cellfed propagates it", path: NamespacePath, object: namespace("plain", "acme"), old: namespace("plain", ""), placed: everywhere, by: v1alpha1.PropagatorCellfed, reads: 1, want: allowed},
		"NamespaceOwn":     {reason: "cellfed made it", path: NamespacePath, object: namespace("plain", "acme"), old: namespace("plain", ""), placed: own, reads: 1, want: allowed},
		"NamespaceSame":    {reason: "the owner stays", path: NamespacePath, object: annotated("plain", "acme", "all"), old: namespace("plain", "acme"), placed: everywhere, want: allowed},
		"Joins":            {reason: "upstream asks nobody whose the cluster is", path: KubeFedClusterPath, object: cluster("nj", "acme"), placed: everywhere, reads: 1, want: tells("plain/pay")},
		"JoinsTenants":     {reason: "in whatever group somebody has put the type", path: KubeFedClusterPath, object: cluster("nj", "acme"), placed: tenants, reads: 1, want: tells("evil/pay")},
		"JoinsCellfed":     {reason: "cellfed asks", path: KubeFedClusterPath, object: cluster("nj", "acme"), placed: everywhere, by: v1alpha1.PropagatorCellfed, reads: 1, want: allowed},
		"JoinsNobodys":     {reason: "nobody's cluster may have what is nobody's", path: KubeFedClusterPath, object: cluster("nj", ""), placed: everywhere, reads: 1, want: allowed},
		"JoinsUnreadable": {reason: "a cluster joins all the same", path: KubeFedClusterPath, object: cluster("nj", "acme"), err: errTest, reads: 1,
			want: said{Allowed: true, Warnings: []string{""}}},
		"Sold":         {reason: "what was on it before is told in the same way", path: KubeFedClusterPath, object: cluster("idle", "acme"), old: cluster("idle", "third"), placed: tenants, reads: 1, want: tells("evil/pay")},
		"JoinsCell":    {reason: "it stands for a cell", path: KubeFedClusterPath, object: generated("acme.a"), placed: everywhere, want: allowed},
		"JoinsShared":  {reason: "it is everybody's", path: KubeFedClusterPath, object: shared(cluster("nj", "")), placed: everywhere, want: allowed},
		"JoinsNothing": {reason: "nobody reads what is in another namespace", path: KubeFedClusterPath, object: elsewhere(cluster("nj", "acme")), placed: everywhere, want: allowed},
	} {
		t.Run(name, func(t *testing.T) {
			objects := world()
			objects[len(objects)-1] = policy(tc.by, tc.by)
			h := newHost(t, objects...)
			h.change = tc.change
			if h.placed.err = tc.err; tc.err == nil {
				h.placeTyped(tc.placed)
			}
			got := sayOf(h.ask(tc.path, write(t, tc.object, tc.old)))
			if len(tc.want.Warnings) == 1 && tc.want.Warnings[0] == "" && len(got.Warnings) == 1 {
				if !strings.Contains(got.Warnings[0], "KubeFed") {
					t.Errorf("%s: the warning is %q", tc.reason, got.Warnings[0])
				}
				got.Warnings[0] = ""
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if h.placed.reads != tc.reads {
				t.Errorf("%s: what is placed was read %d times, want %d", tc.reason, h.placed.reads, tc.reads)
			}
		})
	}
}

// placeTyped is place for objects whose type the host knows.
func (h *host) placeTyped(manifests ...string) {
	h.t.Helper()
	h.place(manifests...)
	for _, objects := range h.placed.objects {
		for i := range objects {
			objects[i].Type.Resource = schema.GroupVersionResource{Group: "types.kubefed.io", Version: "v1beta1", Resource: fedv1b1.PluralName(objects[i].Type.Kind)}
		}
	}
}
