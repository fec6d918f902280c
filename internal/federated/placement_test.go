package federated

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func content(t *testing.T, data string) map[string]any {
	t.Helper()
	object := map[string]any{}
	if err := json.Unmarshal([]byte(data), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestPlacementOf(t *testing.T) {
	cases := map[string]struct {
		reason string
		object string
		want   Placement
	}{
		"Named": {
			reason: "names and status are read, other fields are not",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"topologyType":"cell","template":{},
				"placement":{"clusters":[{"name":"acme.a"},{"name":"acme.b"}]}},
				"status":{"clusters":[{"name":"acme.a","remoteStatus":{"replicas":1}},{"name":"acme.c","status":"DeletionFailed"}]}}`,
			want: Placement{TopologyType: "cell", Clusters: []string{"acme.a", "acme.b"}, StatusClusters: []string{"acme.a", "acme.c"}},
		},
		"EmptyList": {
			reason: "an empty list is not an absent one",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"placement":{"clusters":[],"clusterSelector":{}}}}`,
			want:   Placement{TopologyType: "cluster", Clusters: []string{}, Selector: &metav1.LabelSelector{}},
		},
		"NullList": {
			reason: "upstream takes null for absent",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"placement":{"clusters":null,"clusterSelector":null}}}`,
			want:   Placement{TopologyType: "cluster"},
		},
		"Selector": {
			reason: "the selector is read as upstream reads it",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"placement":{"clusterSelector":{"matchLabels":{"a":"b"}}}}}`,
			want:   Placement{TopologyType: "cluster", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}},
		},
		"Nothing": {
			reason: "an object without a spec is placed nowhere",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","metadata":{"name":"x"}}`,
			want:   Placement{TopologyType: "cluster"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := PlacementOf(content(t, tc.object))
			if err != nil {
				t.Fatalf("%s: PlacementOf: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: PlacementOf: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestPlacementOfRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, object string
	}{
		"V2Beta1":        {reason: "names of topologies are not names of clusters", object: `{"apiVersion":"types.kubefed.io/v2beta1"}`},
		"NoVersion":      {reason: "an object of no version could be of the wrong one", object: `{"spec":{}}`},
		"SpecString":     {reason: "upstream cannot read it", object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":"x"}`},
		"ClustersObject": {reason: "upstream cannot read it", object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"placement":{"clusters":{}}}}`},
		"NameNumber":     {reason: "upstream cannot read it", object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"placement":{"clusters":[{"name":1}]}}}`},
		"StatusNumber":   {reason: "upstream cannot read it", object: `{"apiVersion":"types.kubefed.io/v1beta1","status":{"clusters":1}}`},
		"TypeNumber":     {reason: "no type is a number", object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"topologyType":1}}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got, err := PlacementOf(content(t, tc.object)); err == nil {
				t.Errorf("%s: PlacementOf(%s) = %v, want an error", tc.reason, tc.object, got)
			}
		})
	}
}

func TestSelects(t *testing.T) {
	cases := map[string]struct {
		reason    string
		placement Placement
		want      bool
	}{
		"Named":             {reason: "the list names it", placement: Placement{Clusters: []string{"x", "acme.a"}}, want: true},
		"NotNamed":          {reason: "the list does not name it", placement: Placement{Clusters: []string{"x"}}},
		"ListBeatsSelector": {reason: "upstream looks at the selector only without a list", placement: Placement{Clusters: []string{}, Selector: &metav1.LabelSelector{}}},
		"NilSelector":       {reason: "a selector that is not there selects nothing"},
		"EmptySelector":     {reason: "an empty selector selects everything", placement: Placement{Selector: &metav1.LabelSelector{}}, want: true},
		"SelectorMatches": {
			reason:    "the labels match",
			placement: Placement{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"city": "hangzhou"}}},
			want:      true,
		},
		"SelectorDoesNotMatch": {
			reason:    "the labels do not match",
			placement: Placement{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"city": "shanghai"}}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := tc.placement.Selects("acme.a", map[string]string{"city": "hangzhou"})
			if err != nil || got != tc.want {
				t.Errorf("%s: Selects = %t, %v, want %t", tc.reason, got, err, tc.want)
			}
		})
	}
	invalid := Placement{Selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}}
	if _, err := invalid.Selects("acme.a", nil); err == nil {
		t.Error("Selects by an operator that does not exist: want an error")
	}
	invalid.Clusters = []string{}
	if _, err := invalid.Selects("acme.a", nil); err != nil {
		t.Errorf("Selects by a list beside a selector that nobody reads: %v", err)
	}
}
