package validating

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/inventory/inventorytest"
	"github.com/cellfed/cellfed/internal/validation"
)

const (
	fedConfigMap = `{apiVersion: types.kubefed.io/v2beta1, kind: FederatedConfigMap, metadata: {namespace: acme, name: pay}, spec: %s}`
	placedOnA    = `{topologyType: cell, placement: {topologies: [{name: a}]}, template: {data: {x: "1"}}}`
)

// world is a host with two tenants, a cell for each, and one type.
func world() []client.Object {
	return []client.Object{
		namespace("acme", "acme"), namespace("evil", "evil"), namespace("plain", ""),
		cluster("hz", "acme"), cluster("sh", "acme"), cluster("secret", "evil"),
		cell("acme", "a", "hz", "acme-a"), cell("evil", "a", "secret", "evil-a"), cell("evil", "squatter", "hz", "wanted"),
		config(fedv1b1.PropagationDisabled), policy(v1alpha1.PropagatorCellfed, v1alpha1.PropagatorCellfed),
	}
}

// What is decided about federated objects, Cells and policies is decided without a request.
func TestFromTheCacheAlone(t *testing.T) {
	v1 := func(spec string) string {
		return strings.Replace(fmt.Sprintf(fedConfigMap, spec), "v2beta1", "v1beta1", 1)
	}
	fed := func(spec string) string { return fmt.Sprintf(fedConfigMap, spec) }
	in := func(ns string, p *v1alpha1.FederatedTypePolicy, annotations ...string) *v1alpha1.FederatedTypePolicy {
		p.Namespace, p.Spec.PropagatingAnnotations = ns, annotations
		return p
	}
	h := newHost(t, world()...)
	h.placed.err = errTest
	for name, tc := range map[string]struct {
		reason      string
		path        string
		object, old any
		want        said
	}{
		"Federated":           {"an object on the tenant's cell", FederatedPath, fed(placedOnA), nil, allowed},
		"FederatedChanged":    {"an object that changes", FederatedPath, fed(placedOnA), fed(`{}`), allowed},
		"FederatedDeleted":    {"an object that is deleted", FederatedPath, nil, fed(placedOnA), allowed},
		"FederatedForeign":    {"a cluster of another tenant", FederatedPath, v1(`{placement: {clusters: [{name: secret}]}}`), nil, denied("spec.placement.clusters[0].name")},
		"FederatedUnknown":    {"a kind that nobody federates", FederatedPath, strings.ReplaceAll(fed(placedOnA), "ConfigMap", "Other"), nil, allowed},
		"FederatedTwice":      {"every field is named", FederatedPath, v1(`{placement: {clusters: [{name: secret}]}, topologyType: moon}`), nil, denied("spec.topologyType", "spec.placement.clusters[0].name")},
		"Cell":                {"a cell on the tenant's cluster", CellPath, cell("acme", "b", "hz", "acme-b"), nil, allowed},
		"CellForeign":         {"a cell on another tenant's", CellPath, cell("acme", "b", "secret", ""), nil, denied("spec.clusterName")},
		"CellTaken":           {"a place that another cell has", CellPath, cell("acme", "b", "hz", "acme-a"), nil, denied("spec.targetNamespace")},
		"CellSquatted":        {"a claim of a cell that the cluster is not open to", CellPath, cell("acme", "b", "hz", "wanted"), nil, allowed},
		"CellOfNamespace":     {"another tenant's Namespace", CellPath, cell("acme", "b", "hz", "evil"), nil, denied("spec.targetNamespace")},
		"CellOfKubeFed":       {"KubeFed's Namespace", CellPath, cell("acme", "b", "hz", inventorytest.KubeFedNamespace), nil, denied("spec.targetNamespace")},
		"CellUnknown":         {"a cluster that is not registered", CellPath, cell("acme", "b", "nj", ""), nil, said{Allowed: true, Warnings: []string{`spec.clusterName: no KubeFedCluster is named "nj" yet: the cell waits for it`}}},
		"CellSame":            {"a cell that stays where it is", CellPath, cell("evil", "a", "hz", ""), cell("evil", "a", "hz", ""), allowed},
		"CellDeleted":         {"its finalizer sees to it", CellPath, nil, cell("acme", "a", "hz", ""), allowed},
		"Policy":              {"a policy in its place", PolicyPath, policy(v1alpha1.PropagatorCellfed, ""), nil, allowed},
		"PolicyElsewhere":     {"a policy that nobody reads", PolicyPath, in("acme", policy(v1alpha1.PropagatorCellfed, "")), nil, denied("metadata.namespace")},
		"PolicyGlob":          {"a glob that matches nothing", PolicyPath, in(inventorytest.KubeFedNamespace, policy("", ""), "a", "/b"), policy("", ""), denied("spec.propagatingAnnotations[1]")},
		"PolicyDeleted":       {"its finalizer sees to it", PolicyPath, nil, policy("", ""), allowed},
		"ClusterRelabeled":    {"nobody is cut off from a shared cluster", KubeFedClusterPath, shared(cluster("hz", "")), cluster("hz", "acme"), allowed},
		"ClusterDeleted":      {"its cell would be lost", KubeFedClusterPath, nil, cluster("hz", "acme"), warned(denied("metadata.name"), `1 Cell stands on the KubeFedCluster "hz" that it does not serve: what was released to them before is out of reach`)},
		"ClusterIdle":         {"a cluster without cells", KubeFedClusterPath, nil, cluster("sh", "acme"), allowed},
		"ClusterCreated":      {"a cluster that everybody may use", KubeFedClusterPath, shared(cluster("nj", "")), nil, allowed},
		"ClusterElsewhere":    {"what nobody reads", KubeFedClusterPath, nil, elsewhere(cluster("hz", "acme")), allowed},
		"ClusterGenerated":    {"what is made again", KubeFedClusterPath, nil, generated("acme.a"), said{Allowed: true, Warnings: []string{`the KubeFedCluster "acme.a" stands for the Cell acme/a and is made again: delete the Cell instead`}}},
		"ClusterVacated":      {"what its controller deletes", KubeFedClusterPath, nil, generated("acme.gone"), allowed},
		"NamespaceAnnotated":  {"a slip in the annotation", NamespacePath, annotated("acme", "acme", "some"), namespace("acme", "acme"), denied("metadata.annotations[cellfed.io/default-placement-mask]")},
		"NamespaceCreated":    {"a Namespace that is new", NamespacePath, namespace("new", "acme"), nil, allowed},
		"NamespaceSquatted":   {"another tenant's cell has its name already", NamespacePath, namespace("evil-a", "acme"), nil, denied("metadata.name")},
		"NamespaceDeleted":    {"nobody's to forbid", NamespacePath, nil, namespace("acme", "acme"), allowed},
		"FederatedMalformed":  {"what is no object", FederatedPath, `[1]`, fed(`{}`), odd},
		"FederatedOldMissing": {"a change of nothing", FederatedPath, fed(`{}`), `null`, odd},
	} {
		t.Run(name, func(t *testing.T) {
			got := sayOf(h.ask(tc.path, requestOf(t, tc.object, tc.old)))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	if h.Requests() != 0 || h.placed.reads != 0 {
		t.Errorf("it took %d requests and %d looks at what is placed", h.Requests(), h.placed.reads)
	}
}

// While a hand-back waits, nothing is let in that it would wait for.
func TestFederatedWhileHandedBack(t *testing.T) {
	held := fmt.Sprintf(fedConfigMap, strings.Replace(placedOnA, "template", "placementMask: {topologies: []}, template", 1))
	released := fmt.Sprintf(fedConfigMap, placedOnA)
	deleted := policy(v1alpha1.PropagatorCellfed, v1alpha1.PropagatorCellfed)
	deleted.DeletionTimestamp, deleted.Finalizers = new(metav1.Now()), []string{v1alpha1.HandoverFinalizer}
	refused := denied("spec.placementMask")
	for name, tc := range map[string]struct {
		reason      string
		policy      *v1alpha1.FederatedTypePolicy
		object, old any
		want        said
	}{
		"Stays":    {"cellfed obeys masks", policy(v1alpha1.PropagatorCellfed, v1alpha1.PropagatorCellfed), held, released, allowed},
		"Held":     {"KubeFed would release it", policy(v1alpha1.PropagatorKubeFed, v1alpha1.PropagatorCellfed), held, released, refused},
		"New":      {"that is not there yet", policy(v1alpha1.PropagatorKubeFed, v1alpha1.PropagatorCellfed), held, nil, refused},
		"Deleted":  {"who deletes the policy hands the type back", deleted, held, released, refused},
		"Released": {"that is what it waits for", policy(v1alpha1.PropagatorKubeFed, v1alpha1.PropagatorCellfed), released, held, allowed},
		"Gone":     {"and so is that", policy(v1alpha1.PropagatorKubeFed, v1alpha1.PropagatorCellfed), nil, released, allowed},
	} {
		t.Run(name, func(t *testing.T) {
			objects := world()
			h := newHost(t, append(objects[:len(objects)-1:len(objects)-1], tc.policy)...)
			response := h.ask(FederatedPath, write(t, tc.object, tc.old))
			if diff := cmp.Diff(tc.want, sayOf(response)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if !response.Allowed && !errorSays(response, "the type is being handed back to KubeFed") {
				t.Errorf("%s: it says %s", tc.reason, response.Result.Message)
			}
		})
	}
}

// requestOf is write for objects that may be malformed.
func requestOf(t *testing.T, object, old any) admissionv1.AdmissionRequest {
	switch {
	case object == `[1]`:
		request := write(t, old, nil)
		request.Operation, request.OldObject, request.Object.Raw = admissionv1.Update, request.Object, []byte(`[1]`)
		return request
	case old == `null`:
		request := write(t, object, nil)
		request.Operation = admissionv1.Update
		return request
	}
	return write(t, object, old)
}

func elsewhere(c *fedv1b1.KubeFedCluster) *fedv1b1.KubeFedCluster {
	c.Namespace = "acme"
	return c
}

func shared(c *fedv1b1.KubeFedCluster) *fedv1b1.KubeFedCluster {
	c.Labels = map[string]string{v1alpha1.SharedLabel: "true"}
	return c
}

func generated(name string) *fedv1b1.KubeFedCluster {
	c := cluster(name, "acme")
	c.Labels[v1alpha1.GeneratedLabel], c.Labels[v1alpha1.TopologyTypeLabel] = "true", "cell"
	return c
}

func annotated(name, tenant, value string) any {
	n := namespace(name, tenant)
	n.Annotations = map[string]string{v1alpha1.DefaultPlacementMaskAnnotation: value}
	return n
}

// A FederatedTypeConfig is decided about by the policy as it is, whatever the cache has.
func TestTypeConfig(t *testing.T) {
	const on, off = fedv1b1.PropagationEnabled, fedv1b1.PropagationDisabled
	for name, tc := range map[string]struct {
		reason      string
		live        *v1alpha1.FederatedTypePolicy
		object, old any
		want        said
	}{
		"Enabled":    {"two would propagate it", policy(v1alpha1.PropagatorCellfed, v1alpha1.PropagatorCellfed), config(on), config(off), denied("spec.propagation")},
		"HandedBack": {"the cache lags behind the hand-back", policy(v1alpha1.PropagatorKubeFed, v1alpha1.PropagatorCellfed), config(on), config(off), allowed},
		"NoPolicy":   {"nobody has handed it over", nil, config(on), config(off), allowed},
		"Deleted":    {"cellfed propagates it", policy(v1alpha1.PropagatorCellfed, v1alpha1.PropagatorCellfed), nil, config(off), denied("metadata.name")},
		"Beside":     {"two would propagate its objects", nil, renamed("aa", config(on)), nil, denied("spec.federatedType")},
		"Created":    {"what is created is upstream's", policy(v1alpha1.PropagatorCellfed, v1alpha1.PropagatorCellfed), config(on), nil, allowed},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, world()...)
			if tc.live != nil {
				h.policies = []client.Object{tc.live}
			}
			if diff := cmp.Diff(tc.want, sayOf(h.ask(TypeConfigPath, write(t, tc.object, tc.old)))); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func renamed(name string, config *fedv1b1.FederatedTypeConfig) *fedv1b1.FederatedTypeConfig {
	config.Name = name
	return config
}

// What moves is decided about by what is placed, as the API server has it.
func TestPlaced(t *testing.T) {
	const namedA = `{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {namespace: acme, name: pay}, spec: {topologyType: cell, placement: {clusters: [{name: acme.a}]}}}`
	const stillOnA = `{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {namespace: acme, name: pay}, spec: {placement: {clusters: []}}, status: {clusters: [{name: acme.a}]}}`
	const own = `{apiVersion: types.kubefed.io/v1beta1, kind: FederatedNamespace, metadata: {namespace: acme, name: acme, labels: {cellfed.io/generated: "true"}}, spec: {placement: {clusterSelector: {}}}}`
	const unclear = `{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {namespace: acme, name: pay}, spec: {placement: 1}}`
	const otherGroup = `{apiVersion: example.com/v1, kind: FederatedConfigMap, metadata: {namespace: acme, name: pay}, spec: {placement: {clusters: [{name: acme.b}]}}}`
	const onCluster = `{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {namespace: acme, name: pay}, spec: {placement: {clusters: [{name: sh}]}}}`
	moved, before := cell("acme", "a", "sh", "acme-a"), cell("acme", "a", "hz", "acme-a")
	for name, tc := range map[string]struct {
		reason      string
		path        string
		object, old any
		placed      []string
		err         error
		change      validation.TenantChange
		want        said
	}{
		"CellMoved":         {reason: "what it holds would stay", path: CellPath, object: moved, old: before, placed: []string{namedA}, want: denied("spec.clusterName")},
		"CellStillHolds":    {reason: "what is still there would stay", path: CellPath, object: moved, old: before, placed: []string{stillOnA}, want: denied("spec.clusterName")},
		"CellUnclear":       {reason: "nobody knows what is there", path: CellPath, object: moved, old: before, placed: []string{unclear}, want: denied("spec.clusterName")},
		"CellOtherGroup":    {reason: "a placement is read in whatever group somebody has put the type", path: CellPath, object: moved, old: before, placed: []string{otherGroup}, want: allowed},
		"CellEmpty":         {reason: "cellfed's own FederatedNamespace holds up nothing", path: CellPath, object: moved, old: before, placed: []string{own}, want: allowed},
		"CellUnreadable":    {reason: "what cannot be read is not taken for absent", path: CellPath, object: moved, old: before, err: errTest, want: failed},
		"Cluster":           {reason: "its cell would be cut off", path: KubeFedClusterPath, object: cluster("hz", ""), old: cluster("hz", "acme"), placed: []string{namedA}, want: denied("metadata.labels[cellfed.io/tenant]")},
		"ClusterHolds":      {reason: "what is placed on the cluster itself would be cut off", path: KubeFedClusterPath, object: cluster("sh", ""), old: cluster("sh", "acme"), placed: []string{onCluster}, want: denied("metadata.labels[cellfed.io/tenant]")},
		"ClusterHoldsBoth":  {reason: "everything that is cut off is told", path: KubeFedClusterPath, object: cluster("hz", ""), old: cluster("hz", "acme"), placed: []string{strings.ReplaceAll(onCluster, "sh", "hz")}, want: denied("metadata.labels[cellfed.io/tenant]", "metadata.labels[cellfed.io/tenant]")},
		"ClusterWarned":     {reason: "an option lets it pass", path: KubeFedClusterPath, object: cluster("sh", ""), old: cluster("sh", "acme"), placed: []string{onCluster}, change: validation.WarnTenantChange, want: said{Allowed: true, Warnings: []string{""}}},
		"ClusterFree":       {reason: "what is elsewhere is not concerned, nor what cellfed made", path: KubeFedClusterPath, object: cluster("sh", ""), old: cluster("sh", "acme"), placed: []string{namedA, own}, want: allowed},
		"ClusterForeign":    {reason: "what it did not serve before, it cuts off from nothing", path: KubeFedClusterPath, object: cluster("secret", "acme"), old: cluster("secret", "evil"), placed: []string{strings.ReplaceAll(onCluster, "sh", "secret")}, want: denied("metadata.labels[cellfed.io/tenant]")},
		"ClusterUnreadable": {reason: "what cannot be read is not taken for absent", path: KubeFedClusterPath, object: cluster("sh", ""), old: cluster("sh", "acme"), err: errTest, want: failed},
		"Namespace":         {reason: "it would be cut off", path: NamespacePath, object: namespace("acme", "evil"), old: namespace("acme", "acme"), placed: []string{namedA}, want: denied("metadata.labels[cellfed.io/tenant]")},
		"NamespaceWarned":   {reason: "an option lets it pass", path: NamespacePath, object: namespace("acme", "evil"), old: namespace("acme", "acme"), placed: []string{namedA}, change: validation.WarnTenantChange, want: said{Allowed: true, Warnings: []string{""}}},
		"NamespaceEmpty": {reason: "the cell is out of reach, and nothing in it", path: NamespacePath, object: namespace("acme", "evil"), old: namespace("acme", "acme"), placed: []string{own},
			want: said{Allowed: true, Warnings: []string{`the cell "a" is out of reach from now on: cluster "hz" does not serve tenant "evil"`}}},
		"NamespaceUnreadable": {reason: "what cannot be read is not taken for absent", path: NamespacePath, object: namespace("acme", "evil"), old: namespace("acme", "acme"), err: errTest, want: failed},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, world()...)
			h.change, h.placed.err = tc.change, tc.err
			if tc.err == nil {
				h.place(tc.placed...)
			}
			response := h.ask(tc.path, write(t, tc.object, tc.old))
			got := sayOf(response)
			if tc.err != nil && (!errorSays(response, tc.err.Error()) || !errorSays(response, "FederatedTypeConfig")) {
				t.Errorf("%s: what cannot be read, and the way out, are not told: %v", tc.reason, response.Result)
			}
			if tc.change == validation.WarnTenantChange && len(got.Warnings) == 1 {
				if !strings.Contains(got.Warnings[0], "metadata.labels[cellfed.io/tenant]") {
					t.Errorf("%s: the warning is %q", tc.reason, got.Warnings[0])
				}
				got.Warnings[0] = ""
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func errorSays(r admission.Response, text string) bool {
	return r.Result != nil && strings.Contains(r.Result.Message, text)
}

// What is not in the cache yet is looked up, and where that fails nothing is allowed.
func TestNotKnown(t *testing.T) {
	fresh := strings.Replace(fmt.Sprintf(fedConfigMap, placedOnA), "namespace: acme", "namespace: new", 1)
	for path, object := range map[string]any{FederatedPath: fresh, CellPath: cell("new", "a", "hz", "")} {
		h := newHost(t, world()...)
		if diff := cmp.Diff(failed, sayOf(h.ask(path, write(t, object, nil)))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", path, diff)
		}
		if h.Requests() != 1 {
			t.Errorf("%s: it took %d requests", path, h.Requests())
		}
	}
}

// A denial is a status that kubectl shows field by field.
func TestAnswer(t *testing.T) {
	errs := field.ErrorList{field.Invalid(field.NewPath("spec", "x"), "1", "use 2"), field.Required(field.NewPath("spec", "y"), "give one")}
	request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Name: "pay", Kind: metav1.GroupVersionKind{Group: "g", Version: "v", Kind: "K"}}}
	got := answer(request, validation.Result{Errors: errs, Warnings: []string{"odd"}}).AdmissionResponse
	want := admissionv1.AdmissionResponse{
		Warnings: []string{"odd"},
		Result: &metav1.Status{
			Status: "Failure", Code: 422, Reason: "Invalid",
			Message: `K.g "pay" is invalid: [spec.x: Invalid value: "1": use 2, spec.y: Required value: give one]`,
			Details: &metav1.StatusDetails{Group: "g", Kind: "K", Name: "pay", Causes: []metav1.StatusCause{
				{Type: "FieldValueInvalid", Field: "spec.x", Message: `Invalid value: "1": use 2`},
				{Type: "FieldValueRequired", Field: "spec.y", Message: `Required value: give one`},
			}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWarnings(t *testing.T) {
	var many []string
	for i := range 12 {
		many = append(many, fmt.Sprint("w", i))
	}
	got := warnings(many)
	if len(got) != 11 || got[9] != "w9" || got[10] != "and 2 more" {
		t.Errorf("twelve warnings became %q", got)
	}
	if got := warnings(many[:10]); len(got) != 10 || got[9] != "w9" {
		t.Errorf("ten warnings became %q", got)
	}
	if got := warnings(nil); got != nil {
		t.Errorf("no warnings became %q", got)
	}
	for _, text := range []string{strings.Repeat("元", 200), "a" + strings.Repeat("元", 200), strings.Repeat("x", 300)} {
		got := shorten(text)
		if len(got) > 256 || len(got) < 250 || !utf8.ValidString(got) || !strings.HasSuffix(got, "...") {
			t.Errorf("a long warning became %q, which is %d long", got, len(got))
		}
	}
	if got := shorten(strings.Repeat("x", 256)); len(got) != 256 || strings.HasSuffix(got, ".") {
		t.Errorf("a warning that fits became %q", got)
	}
	if got := warnings([]string{"two\nlines\r\n"}); !slices.Equal(got, []string{"two lines"}) {
		t.Errorf("two lines became %q", got)
	}
	long := strings.Repeat("x", 1000) + " way out"
	if got := warnings([]string{long, long}); !slices.Equal(got, []string{long, long}) {
		t.Errorf("two long warnings lose their ends: %q", got)
	}
	for _, got := range warnings([]string{long, long, long, long}) {
		if len(got) != 256 {
			t.Errorf("of more than an API server passes on, a warning has %d bytes", len(got))
		}
	}
}

func TestSetup(t *testing.T) {
	h := newHost(t)
	complete := Options{Inventory: h.Inventory, Live: h.Cache, Placements: &h.placed}
	for name, change := range map[string]func(*Options){
		"Inventory":    func(o *Options) { o.Inventory = nil },
		"Live":         func(o *Options) { o.Live = nil },
		"Placements":   func(o *Options) { o.Placements = nil },
		"TenantChange": func(o *Options) { o.TenantChange = "Ask" },
	} {
		o := complete
		change(&o)
		if err := Setup(&mux{}, o); err == nil {
			t.Errorf("it is set up with a bad %s", name)
		}
	}
	if _, _, err := typed[runtime.Unknown](admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Operation: admissionv1.Connect}}); err == nil {
		t.Error("a connection is no write")
	}
}
