package validation

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"pgregory.net/rapid"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// The generator makes what an API server can store of a federated object, and a little more: the names and labels that the
// rules know, in the places where they count and in some where they do not.

var (
	anyName = rapid.SampledFrom([]string{
		"rz00a", "rz00a", "rz01a", "acme-prod.rz00a", "acme-prod.rz01a", "hz-a", "rival", "shared", "plain", "fake", "astray", "new", "acme-prod.",
		"acme-prod.cluster:x", "cluster:acme-prod.x", "cluster:", "cluster:hz-a", "acme-prod.a.b", "other.rz00a", "", "É",
	})
	anyKey = rapid.SampledFrom([]string{
		"cellfed.io/namespace", "cellfed.io/topology-type", "cellfed.io/tenant", "cellfed.io/workspace-group", "cellfed.io/cluster", "city",
	})
	anyValue = rapid.SampledFrom([]string{"acme-prod", "cell", "acme", "prod", "hangzhou", ""})
	anyPath  = rapid.SampledFrom([]string{
		"/spec/replicas", "/metadata/name", "/metadata", "", "spec", "/spec/~2", "/metadata/labels/cellfed.io~1cell", "/apiVersion", "/spec/absent/x",
		"/metadata/annotations/x", "/metadata/labels", "/metadata/ownerReferences",
	})
)

func some1(t *rapid.T, label string, odds int) bool {
	return rapid.IntRange(1, odds).Draw(t, label) == 1
}

func anyList(t *rapid.T, label string) any {
	if some1(t, label+" odd", 20) {
		return rapid.SampledFrom([]any{nil, "x", map[string]any{}, []any{"x"}, []any{nil}, []any{map[string]any{}}, []any{map[string]any{"name": int64(1)}}}).Draw(t, label)
	}
	list := []any{}
	for _, name := range rapid.SliceOfN(anyName, 0, 3).Draw(t, label) {
		list = append(list, map[string]any{"name": name})
	}
	return list
}

func anySelector(t *rapid.T) any {
	if some1(t, "odd selector", 20) {
		return rapid.SampledFrom([]any{nil, "x", []any{}, map[string]any{"matchLabels": nil}, map[string]any{"MatchLabels": map[string]any{}}}).Draw(t, "selector")
	}
	selector := map[string]any{}
	if some1(t, "restricted", 2) {
		selector["matchLabels"] = map[string]any{"cellfed.io/namespace": "acme-prod", "cellfed.io/topology-type": "cell", "city": "hangzhou"}
		return selector
	}
	if some1(t, "labels", 2) {
		labels := map[string]any{}
		for _, key := range rapid.SliceOfN(anyKey, 0, 3).Draw(t, "keys") {
			labels[key] = anyValue.Draw(t, key)
		}
		selector["matchLabels"] = labels
	}
	if some1(t, "expressions", 2) {
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "many") {
			e := map[string]any{"key": anyKey.Draw(t, "key"), "operator": rapid.SampledFrom([]string{"In", "In", "Exists", "DoesNotExist", "Odd"}).Draw(t, "operator")}
			if e["operator"] == "In" {
				e["values"] = []any{anyValue.Draw(t, "value")}
			}
			list = append(list, e)
		}
		selector["matchExpressions"] = list
	}
	return selector
}

func anyOverrides(t *rapid.T, w words) any {
	list := []any{}
	for range rapid.IntRange(0, 2).Draw(t, "entries") {
		operations := []any{}
		for range rapid.IntRange(0, 2).Draw(t, "operations") {
			o := map[string]any{"path": anyPath.Draw(t, "path")}
			if some1(t, "has op", 2) {
				o["op"] = rapid.SampledFrom([]string{"add", "replace", "remove", "test", ""}).Draw(t, "op")
			}
			if !some1(t, "no value", 4) {
				o["value"] = rapid.SampledFrom([]any{int64(2), "apps/v1", nil, map[string]any{"cellfed.io/cell": "x"}, map[string]any{"a": "b"}}).Draw(t, "value")
			}
			operations = append(operations, o)
		}
		entry := map[string]any{w.overrideName: anyName.Draw(t, "name"), w.overrideList: operations}
		if some1(t, "odd entry", 20) {
			entry[rapid.SampledFrom([]string{"clusterName", "topologyName", "clusteroverrides", "x"}).Draw(t, "key")] = "rz00a"
		}
		list = append(list, entry)
	}
	return list
}

func anyTemplate(t *rapid.T) any {
	return rapid.SampledFrom([]any{
		map[string]any{}, map[string]any{"spec": map[string]any{"replicas": int64(1)}}, map[string]any{"kind": "Deployment", "apiVersion": "apps/v1", "spec": map[string]any{"replicas": int64(1)}},
		map[string]any{"kind": "Pod"}, map[string]any{"metadata": "x"}, map[string]any{"metadata": map[string]any{"annotations": map[string]any{"a": "b"}}}, "x",
	}).Draw(t, "template")
}

func anyObject(t *rapid.T, w words, apiVersion string) string {
	spec := map[string]any{}
	if !some1(t, "no type", 3) {
		spec["topologyType"] = rapid.SampledFrom([]any{"cell", "cell", "cell", "cluster", "zone", "", nil, int64(1)}).Draw(t, "type")
	}
	if !some1(t, "no placement", 6) {
		placement := map[string]any{}
		if some1(t, "list", 2) {
			placement[w.list] = anyList(t, "placed")
		}
		if some1(t, "selector", 2) {
			placement[w.selector] = anySelector(t)
		}
		if some1(t, "odd placement", 10) {
			// What v1beta1 does not declare an API server prunes, and with both selectors one of them is lost.
			keys := []string{"clusters", "topologies", "Clusters", "x", "v1beta1:topologySelector"}
			if _, both := placement[w.selector]; !both {
				keys = append(keys, "clusterSelector", "topologySelector")
			}
			key := rapid.SampledFrom(keys).Draw(t, "key")
			placement[key] = rapid.OneOf(rapid.Custom(anySelector), rapid.Custom(func(t *rapid.T) any { return anyList(t, "list") })).Draw(t, "value")
		}
		spec["placement"] = placement
	}
	if some1(t, "mask", 3) {
		spec["placementMask"] = map[string]any{w.list: anyList(t, "mask")}
		if some1(t, "odd mask", 10) {
			spec["placementMask"] = rapid.SampledFrom([]any{map[string]any{}, "x", map[string]any{"clusters": []any{}}, map[string]any{"x": []any{}}, nil}).Draw(t, "odd")
		}
	}
	if some1(t, "overrides", 2) {
		spec["overrides"] = anyOverrides(t, w)
	}
	if !some1(t, "no template", 4) {
		spec["template"] = anyTemplate(t)
	}
	o := map[string]any{
		"apiVersion": apiVersion, "kind": "FederatedDeployment",
		"metadata": map[string]any{"name": "pay", "namespace": "acme-prod"}, "spec": spec,
	}
	if some1(t, "status", 3) {
		o["status"] = map[string]any{w.list: anyList(t, "status")}
	}
	if some1(t, "no namespace", 10) {
		o["metadata"] = map[string]any{"name": "pay"}
	}
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func anyFacts(t *rapid.T) Facts {
	return rapid.SampledFrom([]Facts{
		{}, ofTenant(v1alpha1.PropagatorCellfed), ofTenant(v1alpha1.PropagatorKubeFed), ofNobody(v1alpha1.PropagatorKubeFed),
		{Type: clusterRoles()}, {Type: namespaces(v1alpha1.PropagatorCellfed), NamespaceKnown: true},
	}).Draw(t, "facts")
}

func read(t interface{ Fatal(...any) }, data string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal([]byte(data), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// What is wrong in one version is wrong in the other, or somebody could store by one what the other refuses.
func TestBothVersionsAreRefusedAlike(t *testing.T) {
	for from, to := range map[string]string{federated.V1Beta1: federated.V2Beta1, federated.V2Beta1: federated.V1Beta1} {
		w, apiVersion := v1Words, v1
		if from == federated.V2Beta1 {
			w, apiVersion = v2Words, v2
		}
		t.Run(from, rapid.MakeCheck(func(t *rapid.T) {
			data := anyObject(t, w, apiVersion)
			converted, err := federated.Convert([]byte(data), to)
			if err != nil {
				t.Fatal(err)
			}
			facts := anyFacts(t)
			a, b := Federated(read(t, data), nil, facts), Federated(read(t, string(converted)), nil, facts)
			if (len(a.Errors) > 0) != (len(b.Errors) > 0) {
				t.Fatalf("%s\n: %v\n%s\n: %v", data, a.Errors, converted, b.Errors)
			}
		}))
	}
}

// An object that is stored can always be written as it is, and its metadata be changed, whatever is wrong with it.
func TestWhatIsStoredCanBeWrittenAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, apiVersion := v1Words, v1
		if rapid.Bool().Draw(t, "v2beta1") {
			w, apiVersion = v2Words, v2
		}
		old := read(t, anyObject(t, w, apiVersion))
		facts := anyFacts(t)
		changed := old.DeepCopy()
		changed.SetFinalizers([]string{"example.com/x"})
		if r := Federated(changed, old, facts); len(r.Errors) > 0 {
			t.Fatalf("%v: %v", old, r.Errors)
		}
		// A field that no rule speaks of.
		spec, ok := changed.Object["spec"].(map[string]any)
		if !ok {
			return
		}
		spec["unknown"] = "x"
		if r := Federated(changed, old, facts); len(r.Errors) > 0 {
			t.Fatalf("%v: %v", old, r.Errors)
		}
		// Nor does what is already wrong keep anybody from making it better.
		delete(spec, "overrides")
		if r := Federated(changed, old, facts); len(r.Errors) > 0 {
			t.Fatalf("%v: %v", old, r.Errors)
		}
	})
}

// Errors are for people who wrote one version: the other's words would send them to fields that they do not have.
func TestErrorsSpeakTheVersionThatWasWritten(t *testing.T) {
	for _, w := range []words{v1Words, v2Words} {
		apiVersion, other := v1, v2Words
		if w == v2Words {
			apiVersion, other = v2, v1Words
		}
		t.Run(apiVersion, rapid.MakeCheck(func(t *rapid.T) {
			data := anyObject(t, w, apiVersion)
			r := Federated(read(t, data), nil, anyFacts(t))
			for _, err := range r.Errors {
				if err.Detail == "" && len(fmt.Sprint(err.BadValue)) == 0 {
					t.Fatalf("%s\n%v says neither value nor way out", data, err)
				}
				for _, word := range []string{"spec.placement." + other.list, "status." + other.list} {
					if strings.Contains(err.Detail, word) {
						t.Fatalf("%s\n%v speaks of %s", data, err, word)
					}
				}
			}
		}))
	}
}

func FuzzFederated(f *testing.F) {
	for _, version := range []string{v1, v2} {
		f.Add(`{"apiVersion":"`+version+`","metadata":{"name":"pay","namespace":"acme-prod"},"spec":{"topologyType":"cell","placement":{"clusters":[{"name":"acme-prod.rz00a"}],"topologySelector":{"matchLabels":{"a":"b"}}},"placementMask":{"topologies":[]},"template":{"metadata":{"labels":{"a":"b"}}},"overrides":[{"topologyName":"rz00a","topologyOverrides":[{"op":"add","path":"/spec/x","value":1}]}]}}`, `{}`)
	}
	f.Add(`{"apiVersion":"types.kubefed.io/v1beta1","spec":[],"status":1,"metadata":[]}`, `{"apiVersion":"types.kubefed.io/v2beta1","spec":{"template":1}}`)
	f.Fuzz(func(t *testing.T, now, before string) {
		u, old := &unstructured.Unstructured{}, &unstructured.Unstructured{}
		if utiljson.Unmarshal([]byte(now), &u.Object) != nil || utiljson.Unmarshal([]byte(before), &old.Object) != nil {
			return
		}
		for _, facts := range []Facts{{}, ofTenant(v1alpha1.PropagatorCellfed), ofTenant(v1alpha1.PropagatorKubeFed), {Type: clusterRoles()}} {
			Federated(u, nil, facts)
			Federated(u, old, facts)
			FederatedDeletion(u, facts)
			if r := Federated(u, u.DeepCopy(), facts); len(r.Errors) > 0 && u.GetAPIVersion() != "" && u.Object["spec"] != nil {
				if _, err := federated.Decode(u); err == nil {
					t.Fatalf("%s cannot be written again: %v", now, r.Errors)
				}
			}
		}
	})
}
