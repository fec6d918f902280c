package federatedtypepolicy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// populate gives the world two tenants, with a cluster and a cell each.
func (w *world) populate() {
	for _, tenant := range []string{"acme", "evil"} {
		owner := map[string]string{v1alpha1.TenantLabel: tenant, v1alpha1.WorkspaceGroupLabel: "prod"}
		w.must(w.inner.Create(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant, Labels: owner}}))
		w.must(w.inner.Create(w.ctx, &fedv1b1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: tenant + "-a", Labels: owner}}))
		w.must(w.inner.Create(w.ctx, &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "rz00a"}, Spec: v1alpha1.CellSpec{ClusterName: tenant + "-a"}}))
	}
	w.must(w.inner.Create(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "nobodys"}}))
}

// store stores a federated object as it is.
func (w *world) store(version, namespace, name, spec string) *unstructured.Unstructured {
	w.t.Helper()
	content := map[string]any{}
	w.must(yaml.Unmarshal([]byte(spec), &content))
	u := &unstructured.Unstructured{Object: map[string]any{"spec": content}}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: federated.Group, Version: version, Kind: "FederatedConfigMap"})
	u.SetNamespace(namespace)
	u.SetName(name)
	w.must(w.inner.Create(w.ctx, u))
	return u
}

func TestObstacles(t *testing.T) {
	type stored struct{ namespace, name, spec string }
	many := func(n int) []stored {
		var all []stored
		for i := range n {
			all = append(all, stored{"acme", fmt.Sprintf("o%d", n-1-i), `{placement: {topologySelector: {}}}`})
		}
		return all
	}
	cases := map[string]struct {
		reason  string
		objects []stored
		held    []string
		unfit   []string
	}{
		"None": {reason: "nothing is in the way"},
		"Fit": {reason: "what KubeFed does as cellfed did", objects: []stored{
			{"acme", "cell", `{topologyType: cell, placement: {topologies: [{name: rz00a}]}}`},
			{"acme", "own", `{placement: {topologies: [{name: acme-a}]}}`},
			{"evil", "own", `{placement: {topologies: [{name: evil-a}]}}`},
			{"nobodys", "soon", `{placement: {topologies: [{name: soon}]}}`},
		}},
		"Foreign": {reason: "each object is judged by its own Namespace", objects: []stored{
			{"acme", "b", `{placement: {topologies: [{name: evil-a}]}}`},
			{"acme", "a", `{placement: {topologySelector: {}}}`},
			{"evil", "c", `{placement: {topologies: [{name: acme-a}]}}`},
			{"nobodys", "d", `{placement: {topologySelector: {}}}`},
		}, unfit: []string{"acme/a", "acme/b", "evil/c", "nobodys/d"}},
		"Held":      {reason: "one that is held is not told of twice", objects: []stored{{"acme", "a", `{placement: {topologySelector: {}}, placementMask: {topologies: []}}`}}, held: []string{"acme/a"}},
		"Annotated": {reason: "only what cellfed propagates is lost", objects: []stored{{"acme", "a", `{template: {metadata: {annotations: {example.com/a: b}}}}`}, {"acme", "b", `{template: {metadata: {annotations: {other.com/a: b}}}}`}}, unfit: []string{"acme/a"}},
		"Many":      {reason: "in the order of their names", objects: many(7), unfit: []string{"acme/o0", "acme/o1", "acme/o2", "acme/o3", "acme/o4", "acme/o5", "acme/o6"}},
	}
	for name, tc := range cases {
		for _, version := range []string{federated.V2Beta1, federated.V1Beta1} {
			t.Run(name+"/"+version, func(t *testing.T) {
				w := newWorld(t)
				w.populate()
				for _, o := range tc.objects {
					spec := o.spec
					if version == federated.V1Beta1 {
						spec = inV1Beta1(spec, o.namespace)
					}
					w.store(version, o.namespace, o.name, spec)
				}
				w.federate(enabled)
				reader := client.Reader(w.inner)
				if version == federated.V1Beta1 {
					reader = withoutV2Beta1(w.inner)
				}
				policy := &v1alpha1.FederatedTypePolicy{Spec: v1alpha1.FederatedTypePolicySpec{PropagatingAnnotations: []string{"example.com/*"}}}
				found, err := (&memory{}).look(w.ctx, reader, w.config(), policy)
				w.must(err)
				if diff := cmp.Diff(tc.held, found.held); diff != "" {
					t.Errorf("%s: held: -want +got:\n%s", tc.reason, diff)
				}
				var names []string
				for _, u := range found.unfit {
					names = append(names, u.name)
				}
				if diff := cmp.Diff(tc.unfit, names); diff != "" {
					t.Errorf("%s: unfit: -want +got:\n%s\n%v", tc.reason, diff, found.unfit)
				}
				if err := Unfit(w.ctx, reader, w.config(), policy); errors.Is(err, ErrUnfit) != (len(tc.unfit) > 0) {
					t.Errorf("%s: Unfit: %v", tc.reason, err)
				}
			})
		}
	}
}

// inV1Beta1 writes a spec in the words of v1beta1.
func inV1Beta1(spec, namespace string) string {
	if strings.Contains(spec, "topologyType: cell") {
		spec = strings.ReplaceAll(spec, "name: ", "name: "+namespace+".")
	}
	return strings.NewReplacer("topologies", "clusters", "topologySelector", "clusterSelector").Replace(spec)
}

// withoutV2Beta1 reads from an API server that does not serve it.
func withoutV2Beta1(c client.WithWatch) client.Reader {
	return interceptor.NewClient(c, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if list.GetObjectKind().GroupVersionKind().Version == federated.V2Beta1 {
				return &meta.NoKindMatchError{GroupKind: list.GetObjectKind().GroupVersionKind().GroupKind()}
			}
			return c.List(ctx, list, opts...)
		},
	})
}

func TestUnfitMessage(t *testing.T) {
	var o obstacles
	for i := range 7 {
		o.unfit = append(o.unfit, unfit{name: fmt.Sprintf("acme/o%d", i), why: "spec: wrong"})
	}
	want := "cellfed goes on: KubeFed could not propagate what is stored as cellfed does: 7 objects, acme/o0 (spec: wrong), acme/o1 (spec: wrong), acme/o2 (spec: wrong), " +
		"acme/o3 (spec: wrong), acme/o4 (spec: wrong) and 2 more. Correct this, and the type is handed back, or set spec.propagator to Cellfed"
	if diff := cmp.Diff(want, o.unfitMessage()); diff != "" {
		t.Error(diff)
	}
}

// TestHandBackWaitsForUnfitObjects: upstream does not get the type before it can do no harm with it, and then at once.
func TestHandBackWaitsForUnfitObjects(t *testing.T) {
	w := newWorld(t)
	w.federate(enabled)
	w.up.start()
	w.want(cellfed)
	w.pass(30*time.Second, 2*time.Second)
	w.check(cellfed, disabledMode)
	w.populate()
	object := w.store(federated.V2Beta1, "acme", "pay", `{placement: {topologySelector: {}}}`)
	w.want(kubeFed)
	w.pass(30*time.Second, 2*time.Second)
	w.check(cellfed, disabledMode)
	c := condition(w.policy())
	if c.Reason != string(v1alpha1.ReasonObjectsUnfit) || c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "acme/pay (spec.placement.topologySelector: ") {
		t.Errorf("the condition is %v", c)
	}
	written := w.writes
	w.pass(30*time.Second, 2*time.Second)
	if w.writes != written {
		t.Errorf("it wrote %d times while nothing changed", w.writes-written)
	}
	w.restart()
	w.pass(4*time.Second, 2*time.Second)
	w.check(cellfed, disabledMode)
	w.must(unstructured.SetNestedSlice(object.Object, []any{map[string]any{"name": "acme-a"}}, "spec", "placement", "topologies"))
	w.must(w.inner.Update(w.ctx, object))
	w.pass(10*time.Second, 2*time.Second)
	w.check(kubeFed, enabled)
}

// TestHandBackLooksTwice: what is stored while the push reconciler drains was admitted for it. Upstream does not get it.
func TestHandBackLooksTwice(t *testing.T) {
	w := newWorld(t)
	w.federate(enabled)
	w.up.start()
	w.want(cellfed)
	w.pass(30*time.Second, 2*time.Second)
	w.check(cellfed, disabledMode)
	var object *unstructured.Unstructured
	w.run.draining = func() {
		if object == nil {
			w.populate()
			object = w.store(federated.V2Beta1, "acme", "pay", `{placement: {topologySelector: {}}}`)
		}
	}
	w.want(kubeFed)
	w.pass(80*time.Second, 2*time.Second)
	w.check(cellfed, disabledMode)
	if c := condition(w.policy()); c.Reason != string(v1alpha1.ReasonObjectsUnfit) {
		t.Errorf("the condition is %v\n%s", c, w.transcript())
	}
	w.must(w.inner.Delete(w.ctx, object))
	w.pass(10*time.Second, 2*time.Second)
	w.check(kubeFed, enabled)
}
