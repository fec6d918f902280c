package federated

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"
)

// upstreamObject has the fields of a federated object that upstream KubeFed v0.10.0 knows
// (pkg/controller/util/genericobject.go, overrides.go, pkg/controller/sync/status/status.go) and the two that cellfed
// adds to its schema.
type upstreamObject struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		Template  json.RawMessage   `json:"template"`
		Placement upstreamPlacement `json:"placement"`
		Overrides []struct {
			ClusterName      string `json:"clusterName"`
			ClusterOverrides []struct {
				Op    string          `json:"op"`
				Path  string          `json:"path"`
				Value json.RawMessage `json:"value"`
			} `json:"clusterOverrides"`
		} `json:"overrides"`
		RetainReplicas bool               `json:"retainReplicas"`
		TopologyType   string             `json:"topologyType"`
		PlacementMask  *upstreamPlacement `json:"placementMask"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64 `json:"observedGeneration"`
		Conditions         []struct {
			Type           string `json:"type"`
			Status         string `json:"status"`
			LastUpdateTime string `json:"lastUpdateTime"`
		} `json:"conditions"`
		Clusters []struct {
			Name         string          `json:"name"`
			Status       string          `json:"status"`
			RemoteStatus json.RawMessage `json:"remoteStatus"`
		} `json:"clusters"`
	} `json:"status"`
}

type upstreamPlacement struct {
	Clusters []struct {
		Name string `json:"name"`
	} `json:"clusters"`
	ClusterSelector *metav1.LabelSelector `json:"clusterSelector"`
}

// validObject makes an object that is valid in v2beta1, where clusterSelector goes with type cell only.
var validObject = rapid.Custom(func(t *rapid.T) string {
	cell := rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?`)
	list := func(label string, rest func(name string) string) string {
		var items []string
		for _, name := range rapid.SliceOfNDistinct(cell, 0, 4, rapid.ID[string]).Draw(t, label) {
			items = append(items, rest(quote(name)))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	name := func(name string) string { return `{"name":` + name + `}` }
	optional := func(label, member string) string {
		if rapid.Bool().Draw(t, label) {
			return member
		}
		return ""
	}
	template := func(label string) string {
		return `{"a":` + wild(3).Draw(t, label) + `}`
	}
	placements := []string{"", `"topologies":` + list("placed", name), `"topologySelector":` + validSelector.Draw(t, "selector")}
	typ := rapid.SampledFrom([]string{"", `,"topologyType":"cell"`, `,"topologyType":"cell"`, `,"topologyType":"cluster"`}).Draw(t, "type")
	if strings.Contains(typ, "cell") {
		placements = append(placements, `"clusterSelector":`+validSelector.Draw(t, "cluster selector"))
	}
	return `{"apiVersion":"types.kubefed.io/v2beta1","kind":"FederatedDeployment","metadata":{"name":"pay","namespace":"acme-prod"},"spec":{` +
		optional("overrides", `"overrides":`+list("overridden", func(name string) string {
			return `{"topologyName":` + name + `,"topologyOverrides":[{"op":"add","path":"/x","value":` + wild(2).Draw(t, "value") + `}]}`
		})+",") +
		`"placement":{` + rapid.SampledFrom(placements).Draw(t, "placement") + `}` +
		optional("mask", `,"placementMask":{"topologies":`+list("masked", name)+`}`) +
		optional("retain", `,"retainReplicas":true`) +
		`,"template":` + template("template") +
		typ + `}` +
		optional("status", `,"status":{"conditions":[{"type":"Propagation","status":"True","lastUpdateTime":"2026-01-01T00:00:00Z"}],"observedGeneration":3,"topologies":`+
			list("reported", func(name string) string {
				return `{"name":` + name + `,"remoteStatus":` + template("remote") + `}`
			})+`}`) + `}`
})

var validSelector = rapid.Custom(func(t *rapid.T) string {
	key := rapid.SampledFrom([]string{"cellfed.io/namespace", "cellfed.io/topology-type", "a", "city", "zz"})
	value := rapid.SampledFrom([]string{"acme-prod", "cell", "other", "x"})
	selector := metav1.LabelSelector{
		MatchLabels: rapid.MapOfN(key, value, 0, 3).Draw(t, "labels"),
		MatchExpressions: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) metav1.LabelSelectorRequirement {
			r := metav1.LabelSelectorRequirement{Key: key.Draw(t, "key"), Operator: metav1.LabelSelectorOperator(rapid.SampledFrom([]string{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, "operator"))}
			if strings.HasSuffix(string(r.Operator), "In") {
				r.Values = rapid.SliceOfN(value, 1, 2).Draw(t, "values")
			}
			return r
		}), 0, 3).Draw(t, "expressions"),
	}
	b, err := json.Marshal(selector)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
})

func decodeUpstream(t failer, data []byte) upstreamObject {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	object := upstreamObject{}
	if err := d.Decode(&object); err != nil {
		t.Fatalf("upstream cannot read %s: %v", data, err)
	}
	return object
}

func TestUpstreamShapeStaysValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := []byte(validObject.Draw(t, "object"))
		got := decodeUpstream(t, assertRoundTrip(t, src, V2Beta1, V1Beta1))
		if got.Spec.TopologyType != "cell" {
			return
		}
		for _, c := range got.Spec.Placement.Clusters {
			if !strings.HasPrefix(c.Name, "acme-prod.") {
				t.Errorf("a cell became cluster %q", c.Name)
			}
		}
	})
}

// clusterLabels are the labels of clusters in all combinations that the selectors made here can tell apart.
func clusterLabels() []labels.Set {
	sets := []labels.Set{{}}
	for key, values := range map[string][]string{
		"cellfed.io/namespace": {"acme-prod", "other"}, "cellfed.io/topology-type": {"cell", "cluster"}, "a": {"x", ""}, "city": {"x"}, "zz": {"x"},
	} {
		for _, set := range sets {
			for _, value := range values {
				sets = append(sets, labels.Merge(set, labels.Set{key: value}))
			}
		}
	}
	return sets
}

// selected returns the labels of all clusters that upstream would select by a v1beta1 object. What upstream cannot read
// selects nothing.
func selected(t failer, object []byte) []labels.Set {
	t.Helper()
	var upstream struct {
		Spec struct {
			Placement upstreamPlacement `json:"placement"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(object, &upstream); err != nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(upstream.Spec.Placement.ClusterSelector)
	if err != nil {
		return nil
	}
	var sets []labels.Set
	for _, set := range clusterLabels() {
		if selector.Matches(set) {
			sets = append(sets, set)
		}
	}
	return sets
}

func selectorObject(version, key, selector string) []byte {
	return wrap(version, testNamespace, cells(`"placement":{"`+key+`":`+selector+`}`))
}

// However odd a topologySelector is, it selects nothing but cells of its namespace.
func TestTopologySelectorIsNeverWider(t *testing.T) {
	check := func(selector *rapid.Generator[string]) func(*testing.T) {
		return rapid.MakeCheck(func(t *rapid.T) {
			object := mustConvert(t, selectorObject(V2Beta1, "topologySelector", selector.Draw(t, "selector")), V1Beta1)
			for _, set := range selected(t, object) {
				if set["cellfed.io/namespace"] != testNamespace || set["cellfed.io/topology-type"] != "cell" {
					t.Fatalf("selects a cluster with labels %v: %s", set, object)
				}
			}
		})
	}
	for i := range 5 {
		t.Run(fmt.Sprint("Odd", i), check(oddSelector))
		t.Run(fmt.Sprint("Valid", i), check(validSelector))
	}
}

// Within the namespace's cells a topologySelector selects what it says, and a clusterSelector selects what it says
// among all clusters.
func TestSelectorsSelectWhatTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		selector := validSelector.Draw(t, "selector")
		said := selected(t, selectorObject(V1Beta1, "clusterSelector", selector))
		cells := 0
		for _, set := range said {
			if set["cellfed.io/namespace"] == testNamespace && set["cellfed.io/topology-type"] == "cell" {
				cells++
			}
		}
		if got := len(selected(t, mustConvert(t, selectorObject(V2Beta1, "topologySelector", selector), V1Beta1))); got != cells {
			t.Errorf("a topologySelector selects %d kinds of cells, want %d", got, cells)
		}
		if got := len(selected(t, mustConvert(t, selectorObject(V2Beta1, "clusterSelector", selector), V1Beta1))); got != len(said) {
			t.Errorf("a clusterSelector selects %d kinds of clusters, want %d", got, len(said))
		}
	})
}
