package placementcache

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/internal/wire"
)

func parse(t *testing.T, content string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(content))
	if err == nil {
		// Whole numbers are what the API machinery takes them for.
		err = json.Unmarshal(raw, &u.Object)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestUnread: a client sees the end of what a watch begins with.
func TestUnread(t *testing.T) {
	bookmark := `{"kind":"FederatedConfigMap","apiVersion":"types.kubefed.io/v1beta1","metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}`
	object, err := wire.Object([]byte(bookmark), Unread)
	if err != nil || object.GetAnnotations()[metav1.InitialEventsAnnotationKey] != "true" {
		t.Errorf("A bookmark is read as %v, %v", object, err)
	}
}

func TestStrip(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		object string
		want   string
	}{
		"Full": {
			reason: "what says where the object is placed stays, and nothing else",
			object: `
apiVersion: types.kubefed.io/v1beta1
kind: FederatedConfigMap
metadata:
  name: cfg
  namespace: shop
  uid: u
  resourceVersion: "7"
  generation: 3
  creationTimestamp: "2026-01-01T00:00:00Z"
  deletionTimestamp: "2026-01-01T00:00:00Z"
  finalizers: [kubefed.io/sync-controller]
  labels: {cellfed.io/generated: "true", app: pay}
  annotations: {a: b, kubectl.kubernetes.io/last-applied-configuration: '{}'}
  managedFields: [{manager: m}]
spec:
  topologyType: cell
  placement: {clusters: [{name: shop.a}], clusterSelector: {matchLabels: {x: "y"}}}
  placementMask: {clusters: []}
  template: {data: {big: x}}
  overrides: [{clusterName: shop.a}]
status:
  observedGeneration: 2
  conditions: [{type: Propagation}]
  summary: {placed: 2}
  clusters: [{name: shop.a, status: X, remoteStatus: {big: x}}, {name: shop.b}]`,
			want: `
apiVersion: types.kubefed.io/v1beta1
kind: FederatedConfigMap
metadata:
  name: cfg
  namespace: shop
  uid: u
  resourceVersion: "7"
  generation: 3
  deletionTimestamp: "2026-01-01T00:00:00Z"
  finalizers: [kubefed.io/sync-controller]
  labels: {cellfed.io/generated: "true"}
spec:
  topologyType: cell
  placement: {clusters: [{name: shop.a}], clusterSelector: {matchLabels: {x: "y"}}}
status:
  observedGeneration: 2
  clusters: [{name: shop.a}, {name: shop.b}]`,
		},
		"AbsentAndEmpty": {
			reason: "a list that is not there and one that is empty mean different things",
			object: `{metadata: {name: a}, spec: {placement: {clusters: []}}}`,
			want:   `{metadata: {name: a}, spec: {placement: {clusters: []}}}`,
		},
		"Bare": {
			reason: "what is not there does not come",
			object: `{metadata: {name: a, labels: {app: pay}}, spec: {template: {}}, status: {}}`,
			want:   `{metadata: {name: a}}`,
		},
		"Malformed": {
			reason: "what is malformed is left to whoever reads it",
			object: `{metadata: {name: a}, spec: {placement: everywhere}, status: {clusters: nowhere, observedGeneration: x}}`,
			want:   `{metadata: {name: a}, spec: {placement: everywhere}, status: {observedGeneration: x}}`,
		},
		"Topologies": {
			reason: "v2beta1 becomes v1beta1, which says the same, and what is held is told from what is not",
			object: `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: cfg, namespace: shop, generation: 3, resourceVersion: "7"}
spec:
  topologyType: cell
  placement: {topologies: [{name: a}, {name: "cluster:x"}], topologySelector: {matchLabels: {x: "y"}}}
  placementMask: {topologies: []}
  template: {data: {big: x}}
status:
  observedGeneration: 2
  topologies: [{name: a, status: Held, generation: 1, message: m}, {name: b, status: X}]`,
			want: `
apiVersion: types.kubefed.io/v1beta1
kind: FederatedConfigMap
metadata: {name: cfg, namespace: shop, generation: 3, resourceVersion: "7"}
spec:
  topologyType: cell
  placement:
    clusters: [{name: shop.a}, {name: x}]
    clusterSelector: {matchLabels: {x: "y", cellfed.io/namespace: shop, cellfed.io/topology-type: cell}}
status:
  observedGeneration: 2
  clusters: [{name: shop.a, status: Held}, {name: shop.b}]`,
		},
		"TopologiesEmpty": {
			reason: "an empty list means in v2beta1 what it means in v1beta1, and an absent type is spelt out",
			object: `{apiVersion: types.kubefed.io/v2beta1, metadata: {name: a, namespace: shop}, spec: {placement: {topologies: []}}}`,
			want:   `{apiVersion: types.kubefed.io/v1beta1, metadata: {name: a, namespace: shop}, spec: {topologyType: cluster, placement: {clusters: []}}}`,
		},
		"TopologiesMalformed": {
			reason: "what is malformed is left in v2beta1 too",
			object: `{apiVersion: types.kubefed.io/v2beta1, metadata: {name: a, namespace: shop}, spec: {topologyType: cell, placement: everywhere}}`,
			want:   `{apiVersion: types.kubefed.io/v1beta1, metadata: {name: a, namespace: shop}, spec: {topologyType: cell, placement: everywhere}}`,
		},
		"NoSpec": {
			reason: "a spec that is no object has no placement",
			object: `{metadata: {name: a}, spec: 1, status: {clusters: [1, {status: x}]}}`,
			want:   `{metadata: {name: a}, status: {clusters: [{name: null}]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			object := parse(t, tc.object)
			before := object.DeepCopy()
			got, err := Strip(object)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parse(t, tc.want), got); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(before, object); diff != "" {
				t.Errorf("the object itself was changed:\n%s", diff)
			}
			content, err := json.Marshal(object.Object)
			if err != nil {
				t.Fatal(err)
			}
			unread, err := wire.Decode(content, Unread)
			if err != nil {
				t.Fatal(err)
			}
			if stripped, err := Strip(&unstructured.Unstructured{Object: unread}); err != nil || !cmp.Equal(got, stripped) {
				t.Errorf("what a client reads makes a difference (%v):\n%s", err, cmp.Diff(got, stripped))
			}
			again, err := Strip(got)
			if diff := cmp.Diff(got, again); diff != "" || err != nil {
				t.Errorf("once more makes a difference (%v):\n%s", err, diff)
			}
		})
	}
	other := &metav1.PartialObjectMetadata{}
	if got, err := Strip(other); got != any(other) || err != nil {
		t.Errorf("what is not unstructured became %v, %v", got, err)
	}
}

// TestRenamed: what is converted where it is becomes what the conversion makes of it, and what is left to that is left as it is.
func TestRenamed(t *testing.T) {
	names := rapid.SampledFrom([]any{"a", "shop.a", "cluster:x", "cluster:shop.x", "shop.cluster:x", "cluster:", "", "shop.", "é<&>", nil, int64(1)})
	item := rapid.Custom(func(t *rapid.T) any {
		if rapid.IntRange(1, 30).Draw(t, "odd") == 1 {
			return rapid.SampledFrom([]any{nil, "a", map[string]any{}, map[string]any{"name": "a", "x": "y"}}).Draw(t, "item")
		}
		item := map[string]any{"name": names.Draw(t, "name")}
		if rapid.Bool().Draw(t, "held") {
			item["status"] = rapid.SampledFrom([]any{"Held", nil}).Draw(t, "status")
		}
		return item
	})
	list := rapid.Custom(func(t *rapid.T) any {
		if rapid.IntRange(1, 20).Draw(t, "odd") == 1 {
			return rapid.SampledFrom([]any{nil, "x", map[string]any{}}).Draw(t, "list")
		}
		return append([]any{}, rapid.SliceOfN(item, 0, 3).Draw(t, "items")...)
	})
	sometimes := func(t *rapid.T, object map[string]any, key string, odds int, value *rapid.Generator[any]) {
		if rapid.IntRange(1, odds).Draw(t, key+" there") == 1 {
			object[key] = value.Draw(t, key)
		}
	}
	here, elsewhere := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		placement, spec, status := map[string]any{}, map[string]any{}, map[string]any{}
		object := map[string]any{"apiVersion": "types.kubefed.io/v2beta1", "metadata": map[string]any{"name": "a", "namespace": "shop"}}
		if rapid.IntRange(1, 10).Draw(t, "scope") == 1 {
			object["metadata"] = map[string]any{"name": "a"}
		}
		if rapid.IntRange(1, 10).Draw(t, "placed") > 1 {
			placement["topologies"] = list.Draw(t, "topologies")
		}
		sometimes(t, placement, "topologySelector", 10, rapid.Just[any](map[string]any{"matchLabels": map[string]any{"x": "y"}}))
		sometimes(t, placement, "clusters", 10, list)
		sometimes(t, spec, "topologyType", 2, rapid.SampledFrom([]any{"cell", "cell", "cell", "cluster", "zone", "", nil, int64(1)}))
		if spec["placement"] = placement; rapid.IntRange(1, 10).Draw(t, "odd placement") == 1 {
			spec["placement"] = rapid.SampledFrom([]any{nil, "everywhere", []any{}}).Draw(t, "placement")
		}
		sometimes(t, status, "topologies", 2, list)
		sometimes(t, status, "clusters", 20, list)
		sometimes(t, status, "observedGeneration", 2, rapid.Just[any](int64(3)))
		sometimes(t, object, "spec", 1, rapid.Just[any](spec))
		sometimes(t, object, "status", 2, rapid.SampledFrom([]any{status, status, status, status, nil, "x"}))
		before := (&unstructured.Unstructured{Object: object}).DeepCopy()
		want, err := converted(before.DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		got := before.DeepCopy()
		if !renamed(got) {
			elsewhere++
			want = before
		} else {
			here++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%v: -want, +got:\n%s", before, diff)
		}
	})
	if here == 0 || elsewhere == 0 {
		t.Errorf("%d were converted where they are and %d were not: nothing was compared", here, elsewhere)
	}
}
