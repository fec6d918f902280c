package member

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

func TestTransform(t *testing.T) {
	const (
		ours       = `{"manager":"cellfed","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{}}}}`
		oursOld    = `{"manager":"cellfed","operation":"Apply","apiVersion":"v0","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:b":{}}}}`
		oursStatus = `{"manager":"cellfed","operation":"Apply","apiVersion":"v1","subresource":"status","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:c":{}}}}`
		oursUpdate = `{"manager":"cellfed","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:d":{}}}}`
		upstream   = `{"manager":"hyperfed","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:kubefed.io/managed":{}}}}}`
		facade     = `{"manager":"hyperfed","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{"f:cellfed.io/managed":{}}}}}`
		other      = `{"manager":"kubectl","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{"f:kubefed.io/managed":{}}}}}`
	)
	path := func(name string) fieldpath.Path { return fieldpath.MakePathOrDie("data", name) }
	cases := map[string]struct {
		reason  string
		entries string
		applied *fieldpath.Set
		legacy  bool
	}{
		"None":     {"nobody is told of", ``, nil, false},
		"Ours":     {"our own entry", ours, fieldpath.NewSet(path("a")), false},
		"Versions": {"our own entries of two versions", ours + "," + oursOld, fieldpath.NewSet(path("a"), path("b")), false},
		"Not":      {"what is of a subresource or of an update is not what we apply", oursStatus + "," + oursUpdate, nil, false},
		"Upstream": {"upstream wrote it", ours + "," + upstream, fieldpath.NewSet(path("a")), true},
		"Facade":   {"upstream wrote it through the façade", facade, nil, true},
		"Other":    {"who applies the label did not write it by an update", other, nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			const rest = `"apiVersion":"v1","kind":"ConfigMap","data":{"a":"b"},"number":1.0,"int":1`
			u := parse(t, `{`+rest+`,"metadata":{"name":"x","uid":"u","managedFields":[`+tc.entries+`]}}`)
			want := parse(t, `{`+rest+`,"metadata":{"name":"x","uid":"u"}}`)
			o, err := new(sharer).transform(u)
			must(t, err)
			if diff := cmp.Diff(want.Object, o.Object); diff != "" {
				t.Errorf("%s: %s", tc.reason, diff)
			}
			if o.Legacy != tc.legacy || (o.Applied == nil) != (tc.applied == nil) || tc.applied != nil && !tc.applied.Equals(o.Applied) {
				t.Errorf("%s: got %v, legacy %v", tc.reason, o.Applied, o.Legacy)
			}
		})
	}
}

// TestShare: what objects have in common is kept once, for as long as one of them is, and nothing is mistaken for another.
func TestShare(t *testing.T) {
	s := &sharer{}
	var all []*Object
	for n := range 20 {
		u := parse(t, fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"b"},"metadata":{"name":"x%d","labels":{"l":"v"},
"managedFields":[{"manager":"cellfed","operation":"Apply","fieldsV1":{"f:data":{"f:a":{}}}}]}}`, n))
		o, err := s.transform(u)
		must(t, err)
		all = append(all, o)
	}
	if trees, sets := s.trees.len(), s.sets.len(); trees != 2 || sets != 1 {
		t.Errorf("%d trees and %d sets of 20 like objects", trees, sets)
	}
	for _, o := range all[1:] {
		if o.Applied != all[0].Applied {
			t.Error("a set is kept twice")
		}
	}
	distinct := map[digest]string{}
	for _, text := range []string{`{"a":1}`, `{"a":1.0}`, `{"a":"1"}`, `{"a":true}`, `{"a":null}`, `{"a":[1]}`, `{"a":{"1":1}}`, `{"a":[]}`, `{"a":{}}`, `{"a":"","b":""}`, `["a",""]`, `{"ab":""}`, `{"a":["b","c"]}`, `{"a":["bc"]}`} {
		value := parse(t, `{"kind":"X","v":`+text+`}`).Object["v"]
		if before, again := distinct[sumOf(value)]; again {
			t.Errorf("%s is taken for %s", text, before)
		}
		distinct[sumOf(value)] = text
	}
	clear(all)
	eventually(t, "what nobody uses to be dropped", func() bool {
		runtime.GC()
		return s.trees.len() == 0 && s.sets.len() == 0
	})
}

// BenchmarkTransform tells the time and the memory that an object costs, the first of a federated object's and further ones.
func BenchmarkTransform(b *testing.B) {
	s := &sharer{}
	data := map[string]any{}
	for n := range 8 {
		data[fmt.Sprintf("key-%d", n)] = fmt.Sprintf("%0128d", n)
	}
	kept := make([]*Object, 0, b.N)
	raws := make([][]byte, 100)
	for n := range raws {
		u := configMap("x", data)
		u.SetName(fmt.Sprintf("x%d", n))
		u.SetUID("0a1b2c3d-0000-0000-0000-000000000000")
		u.Object["metadata"].(map[string]any)["managedFields"] = []any{map[string]any{
			"manager": "cellfed", "operation": "Apply", "fieldsV1": map[string]any{"f:data": map[string]any{"f:a": map[string]any{}}},
		}}
		raws[n], _ = json.Marshal(u.Object)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := 0; b.Loop(); n++ {
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(raws[n%len(raws)]); err != nil {
			b.Fatal(err)
		}
		o, err := s.transform(u)
		if err != nil {
			b.Fatal(err)
		}
		kept = append(kept, o)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(kept)), "B/object")
}
