package federatedcrd_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"pgregory.net/rapid"

	"github.com/cellfed/cellfed/internal/federated"
)

// TestNothingIsPruned: what an API server keeps of an object in one version, it keeps of the converted object in the
// other. It drops what a schema does not declare, without a word.
func TestNothingIsPruned(t *testing.T) {
	upgraded := upgrade(t, upstreamCRDs(t)["federateddeployments.types.kubefed.io"])
	schemas := map[string]*structuralschema.Structural{}
	for _, version := range []string{federated.V1Beta1, federated.V2Beta1} {
		schemas[version] = structuralOf(t, schema(t, upgraded, version))
	}
	for from, to := range map[string]string{federated.V1Beta1: federated.V2Beta1, federated.V2Beta1: federated.V1Beta1} {
		t.Run(from, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				object := drawObject(t, from)
				if dropped := prune(object, schemas[from]); len(dropped) > 0 {
					t.Fatalf("the generator makes what %s does not declare: %v", from, dropped)
				}
				raw, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				converted, err := federated.Convert(raw, to)
				if err != nil {
					t.Fatal(err)
				}
				there := map[string]any{}
				if err := json.Unmarshal(converted, &there); err != nil {
					t.Fatal(err)
				}
				if dropped := prune(there, schemas[to]); len(dropped) > 0 {
					t.Fatalf("%s drops %v of %s", to, dropped, converted)
				}
				raw, err = json.Marshal(there)
				if err != nil {
					t.Fatal(err)
				}
				back, err := federated.Convert(raw, from)
				if err != nil {
					t.Fatal(err)
				}
				again := map[string]any{}
				if err := json.Unmarshal(back, &again); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(object, again); diff != "" {
					t.Fatalf("by way of %s: %s", converted, diff)
				}
			})
		})
	}
}

func structuralOf(t *testing.T, schema *apiextensionsv1.JSONSchemaProps) *structuralschema.Structural {
	t.Helper()
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(schema, &internal, nil); err != nil {
		t.Fatal(err)
	}
	s, err := structuralschema.NewStructural(&internal)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// prune drops from the object what the schema does not declare, and returns the paths.
func prune(object map[string]any, schema *structuralschema.Structural) []string {
	return pruning.PruneWithOptions(object, schema, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
}

// drawObject draws an object that the version's schema and rules allow.
func drawObject(t *rapid.T, version string) map[string]any {
	words := struct{ list, selector, name, overrides string }{"clusters", "clusterSelector", "clusterName", "clusterOverrides"}
	if version == federated.V2Beta1 {
		words = struct{ list, selector, name, overrides string }{"topologies", "topologySelector", "topologyName", "topologyOverrides"}
	}
	name := rapid.SampledFrom([]string{"a", "acme.a", "cluster:a", "cluster:acme.a", "other.a", ""})
	names := rapid.Custom(func(t *rapid.T) []any {
		list := []any{}
		for _, n := range rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "names") {
			list = append(list, map[string]any{"name": n})
		}
		return list
	})
	maybe := func(object map[string]any, key string, value func() any) {
		if rapid.Bool().Draw(t, key) {
			object[key] = value()
		}
	}
	spec, placement, status := map[string]any{}, map[string]any{}, map[string]any{}
	maybe(spec, "topologyType", func() any { return rapid.SampledFrom([]string{"cell", "cluster"}).Draw(t, "type") })
	maybe(placement, words.list, func() any { return names.Draw(t, "clusters") })
	maybe(placement, words.selector, func() any { return drawSelector(t) })
	if _, taken := placement[words.selector]; version == federated.V2Beta1 && spec["topologyType"] == "cell" && !taken {
		maybe(placement, "clusterSelector", func() any { return drawSelector(t) })
	}
	maybe(spec, "placement", func() any { return placement })
	maybe(spec, "placementMask", func() any {
		mask := map[string]any{}
		maybe(mask, words.list, func() any { return names.Draw(t, "mask") })
		return mask
	})
	maybe(spec, "overrides", func() any {
		list := []any{}
		for _, n := range rapid.SliceOfNDistinct(name, 0, 2, rapid.ID).Draw(t, "overridden") {
			list = append(list, map[string]any{words.name: n, words.overrides: []any{map[string]any{"path": "/a", "value": map[string]any{words.list: "x"}}}})
		}
		return list
	})
	maybe(spec, "template", func() any {
		return map[string]any{"spec": map[string]any{words.list: []any{map[string]any{"name": "a"}}}}
	})
	maybe(status, words.list, func() any {
		list := names.Draw(t, "status")
		for _, item := range list {
			maybe(item.(map[string]any), "generation", func() any { return 7.0 })
			maybe(item.(map[string]any), "appliedVersion", func() any { return "digest:gen:3" })
			maybe(item.(map[string]any), "lastChangeTime", func() any { return "2026-01-02T03:04:05Z" })
			maybe(item.(map[string]any), "message", func() any { return "clusters" })
		}
		return list
	})
	maybe(status, "conditions", func() any {
		return []any{map[string]any{"type": "Held", "status": "True", "message": "clusters", "observedGeneration": 7.0}}
	})
	maybe(status, "summary", func() any {
		return map[string]any{"placed": 5.0, "inSync": 4.0, "held": 3.0, "failed": 2.0, "available": 1.0}
	})
	object := map[string]any{
		"apiVersion": federated.Group + "/" + version, "kind": "FederatedDeployment",
		"metadata": map[string]any{"name": "pay", "namespace": "acme"}, "spec": spec,
	}
	maybe(object, "status", func() any { return status })
	return object
}

func drawSelector(t *rapid.T) map[string]any {
	labels := []map[string]any{{}, {"city": "hangzhou"}, {"cellfed.io/namespace": "acme"}, {"cellfed.io/namespace": "acme", "cellfed.io/topology-type": "cell"}}
	expression := func(key, value string) any {
		return map[string]any{"key": key, "operator": "In", "values": []any{value}}
	}
	namespace, cell := expression("cellfed.io/namespace", "acme"), expression("cellfed.io/topology-type", "cell")
	expressions := [][]any{{}, {namespace, cell}, {cell, namespace}, {expression("city", "hangzhou"), namespace, cell}}
	selector := map[string]any{}
	if rapid.Bool().Draw(t, "labels") {
		selector["matchLabels"] = maps.Clone(rapid.SampledFrom(labels).Draw(t, "matchLabels"))
	}
	if rapid.Bool().Draw(t, "expressions") {
		selector["matchExpressions"] = append([]any{}, rapid.SampledFrom(expressions).Draw(t, "matchExpressions")...)
	}
	return selector
}
