package federated

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"pgregory.net/rapid"
)

// stored makes an object that is nearly a federated one, as an API server would hand it out: no key occurs twice, and
// every number can be a number of Go.
func stored(version string) *rapid.Generator[string] {
	return rapid.Map(oddObjectOf(version), func(raw string) string {
		var content map[string]any
		if err := utiljson.Unmarshal([]byte(raw), &content); err != nil {
			return ""
		}
		if version == V1Beta1 {
			// API servers prune it, because v1beta1 does not declare it. Where it holds no selector it would become
			// in v2beta1 what the cluster selector becomes too, and one of them would be lost.
			unstructured.RemoveNestedField(content, "spec", "placement", selectorKey.v2beta1)
		}
		data, err := json.Marshal(content)
		if err != nil {
			return ""
		}
		return string(data)
	}).Filter(func(data string) bool { return data != "" })
}

// about is what an object says of clusters, and which of its parts cannot be used.
func about(o *Object) (Object, []string) {
	said := *o
	said.APIVersion, said.Invalid = "", nil
	return said, sortedKinds(o.Invalid)
}

func sortedKinds(err error) []string {
	all := kinds(err)
	var ordered []string
	for _, kind := range []string{"placement", "mask", "template", "overrides"} {
		for _, k := range all {
			if k == kind {
				ordered = append(ordered, k)
			}
		}
	}
	return ordered
}

func TestDecodeIsTheSameInBothVersions(t *testing.T) {
	for from, to := range map[string]string{V1Beta1: V2Beta1, V2Beta1: V1Beta1} {
		t.Run(from, rapid.MakeCheck(func(t *rapid.T) {
			data := stored(from).Draw(t, "object")
			assertSameDecoded(t, data, to)
		}))
		t.Run(from+"/placements", rapid.MakeCheck(func(t *rapid.T) {
			data := stored(from).Draw(t, "object")
			u := unstructuredOf(t, data)
			spec, ok := u.Object["spec"].(map[string]any)
			if !ok {
				spec = map[string]any{}
			}
			// Often enough of cells, with a mask and a placement of their own.
			spec["topologyType"] = rapid.SampledFrom([]string{"cell", "cell", "cluster", "zone"}).Draw(t, "type")
			spec["placementMask"] = map[string]any{rapid.SampledFrom([]string{"clusters", "topologies"}).Draw(t, "list"): []any{map[string]any{"name": names.Draw(t, "name")}}}
			u.Object["spec"] = spec
			data = jsonOf(t, u.Object)
			assertSameDecoded(t, data, to)
		}))
	}
}

func assertSameDecoded(t *rapid.T, data, to string) {
	t.Helper()
	converted, err := Convert([]byte(data), to)
	if err != nil {
		t.Fatalf("Convert(%s): %v", data, err)
	}
	a, err := Decode(unstructuredOf(t, data))
	if err != nil {
		t.Fatalf("Decode(%s): %v", data, err)
	}
	b, err := Decode(unstructuredOf(t, string(converted)))
	if err != nil {
		t.Fatalf("Decode(%s): %v", converted, err)
	}
	wantSaid, wantKinds := about(a)
	gotSaid, gotKinds := about(b)
	if diff := cmp.Diff(wantSaid, gotSaid); diff != "" {
		t.Fatalf("%s\nand the same in the other version,\n%s\nare read differently:\n%s", data, converted, diff)
	}
	if diff := cmp.Diff(wantKinds, gotKinds); diff != "" {
		t.Fatalf("%s (%v)\nand the same in the other version,\n%s (%v)\nare refused differently:\n%s", data, a.Invalid, converted, b.Invalid, diff)
	}
}

func jsonOf(t *rapid.T, value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What is read where it is must be what upstream would have read.
func TestPlainReadingIsUpstreams(t *testing.T) {
	for _, version := range []string{V1Beta1, V2Beta1} {
		t.Run(version, rapid.MakeCheck(func(t *rapid.T) {
			r := readerOf(t, version, stored(version).Draw(t, "object"))
			if value, ok := r.spec["placement"]; ok {
				if clusters, selector, plain := r.plainPlacement(value); plain {
					wantClusters, wantSelector, err := r.anyPlacement(value)
					if diff := cmp.Diff([]any{wantClusters, wantSelector, error(nil)}, []any{clusters, selector, err}); diff != "" {
						t.Fatalf("placement %s: -upstream +plain:\n%s", jsonOf(t, value), diff)
					}
				}
			}
			if value, ok := r.spec["overrides"]; ok {
				if entries, plain := r.plainOverrides(value); plain {
					want, err := r.anyOverrides(value)
					if err != nil {
						t.Fatalf("overrides %s: %v", jsonOf(t, value), err)
					}
					if diff := cmp.Diff(want, entries, cmp.AllowUnexported(overridden{})); diff != "" {
						t.Fatalf("overrides %s: -upstream +plain:\n%s", jsonOf(t, value), diff)
					}
				}
			}
		}))
	}
}

func readerOf(t *rapid.T, version, data string) *reader {
	u := unstructuredOf(t, data)
	spec, _ := u.Object["spec"].(map[string]any)
	return newReader(version, u.GetNamespace(), spec)
}

// Selectors and lists that chance seldom makes, and that are nearly plain.
func TestDecodeNearlyPlain(t *testing.T) {
	cases := map[string]struct {
		reason, spec string
	}{
		"OtherNamespace":      {reason: "a selector that asks for another namespace's cells selects none", spec: `{"placement":{"topologySelector":{"matchLabels":{"cellfed.io/namespace":"other"}}}}`},
		"OtherType":           {reason: "a selector that asks for another type selects nothing", spec: `{"placement":{"topologySelector":{"matchLabels":{"cellfed.io/topology-type":"x","a":"b"}}}}`},
		"OwnNamespace":        {reason: "a label that is there already is not the restriction's", spec: `{"placement":{"topologySelector":{"matchLabels":{"cellfed.io/namespace":"acme"}}}}`},
		"EmptyLabels":         {reason: "empty labels stay empty", spec: `{"placement":{"topologySelector":{"matchLabels":{}}}}`},
		"OwnTail":             {reason: "expressions that look like the restriction's are restricted once more", spec: `{"placement":{"topologySelector":{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"cellfed.io/topology-type","operator":"In","values":["cell"]},{"key":"cellfed.io/namespace","operator":"In","values":["acme"]}]}}}`},
		"ForeignTail":         {reason: "and so are those that look like a selector of clusters", spec: `{"placement":{"topologySelector":{"matchExpressions":[{"key":"cellfed.io/topology-type","operator":"Exists"}]}}}`},
		"Expressions":         {reason: "other expressions stay", spec: `{"placement":{"topologySelector":{"matchExpressions":[{"key":"a","operator":"NotIn","values":["b"]}]}}}`},
		"BothSelectors":       {reason: "the restricted one counts", spec: `{"placement":{"clusterSelector":{"matchLabels":{"a":"b"}},"topologySelector":{"matchLabels":{"c":"d"}}}}`},
		"ClusterSelector":     {reason: "a selector of clusters is not restricted", spec: `{"placement":{"clusterSelector":{"matchLabels":{"a":"b"}}}}`},
		"ExpressionCase":      {reason: "upstream reads values in any case", spec: `{"placement":{"clusterSelector":{"matchExpressions":[{"key":"a","operator":"In","Values":["b"]}]}}}`},
		"ExpressionMoreCases": {reason: "upstream reads values in any case", spec: `{"placement":{"topologySelector":{"matchExpressions":[{"key":"a","operator":"In","values":["b"],"Values":["c"],"KEY":"d"}]}}}`},
		"NameInTwoCases":      {reason: "upstream takes the one that comes last", spec: `{"placement":{"topologies":[{"Name":"a","name":"b"},{"NAME":"c"},{"name":"d","namE":"e"}]}}`},
		"OverrideInTwoCases":  {reason: "upstream takes the one that comes last", spec: `{"overrides":[{"topologyName":"a","topologyOverrides":[{"path":"/x"}],"clusteroverrides":[{"path":"/y"}]}]}`},
	}
	for name, tc := range cases {
		for _, typ := range []string{"cell", "cluster"} {
			t.Run(name+"/"+typ, func(t *testing.T) {
				data := `{"apiVersion":"types.kubefed.io/v2beta1","metadata":{"namespace":"acme"},"spec":{"topologyType":"` + typ + `",` + tc.spec[1:] + `}`
				converted, err := Convert([]byte(data), V1Beta1)
				if err != nil {
					t.Fatal(err)
				}
				want, wantKinds := about(decoded(t, string(converted)))
				got, gotKinds := about(decoded(t, data))
				if diff := cmp.Diff([]any{want, wantKinds}, []any{got, gotKinds}); diff != "" {
					t.Errorf("%s: Decode: -as v1beta1 +as v2beta1:\n%s", tc.reason, diff)
				}
			})
		}
	}
}

// A placement of v1beta1 is what PlacementOf makes of it, which other parts of cellfed go by.
func TestDecodeAgreesWithPlacementOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := unstructuredOf(t, stored(V1Beta1).Draw(t, "object"))
		delete(u.Object, "status")
		want, err := PlacementOf(u.Object)
		o, decodeErr := Decode(u)
		if decodeErr != nil {
			t.Fatalf("Decode: %v", decodeErr)
		}
		refused := len(kinds(o.Invalid)) > 0 && sortedKinds(o.Invalid)[0] == "placement"
		if err != nil {
			if !refused {
				t.Fatalf("PlacementOf(%s) fails, and Decode does not: %v", jsonOf(t, u.Object), err)
			}
			return
		}
		if refused {
			if _, err := want.Selects("x", nil); err == nil {
				t.Fatalf("Decode(%s) refuses a placement that can be used: %v", jsonOf(t, u.Object), o.Invalid)
			}
			return
		}
		if diff := cmp.Diff(want, o.Placement); diff != "" {
			t.Fatalf("Decode(%s): -PlacementOf +Decode:\n%s", jsonOf(t, u.Object), diff)
		}
	})
}

func TestDecodeKeepsNothingThatChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := unstructuredOf(t, stored(rapid.SampledFrom([]string{V1Beta1, V2Beta1}).Draw(t, "version")).Draw(t, "object"))
		before := (&unstructured.Unstructured{Object: u.Object}).DeepCopy()
		if _, err := Decode(u); err != nil {
			t.Fatalf("Decode: %v", err)
		}
		if diff := cmp.Diff(before.Object, u.Object); diff != "" {
			t.Fatalf("Decode changed the object: -before +after:\n%s", diff)
		}
	})
}
