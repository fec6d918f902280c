package federated

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// unstructuredOf returns an object as clients decode it.
func unstructuredOf(t interface {
	Helper()
	Fatal(args ...any)
}, data string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal([]byte(data), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func decoded(t *testing.T, data string) *Object {
	t.Helper()
	u := unstructuredOf(t, data)
	before := u.DeepCopy()
	o, err := Decode(u)
	if err != nil {
		t.Fatalf("Decode(%s): %v", data, err)
	}
	if diff := cmp.Diff(before.Object, u.Object); diff != "" {
		t.Fatalf("Decode(%s) changed the object: -before +after:\n%s", data, diff)
	}
	return o
}

func TestDecode(t *testing.T) {
	cases := map[string]struct {
		reason string
		object string
		want   Object
	}{
		"V1Beta1": {
			reason: "everything is read as it is in upstream's version",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","kind":"FederatedDeployment",
				"metadata":{"namespace":"acme","name":"pay","uid":"u","resourceVersion":"7","generation":3,"labels":{"a":"b"},
					"annotations":{"kubefed.io/orphan":"true"},"finalizers":["kubefed.io/sync-controller"],"deletionTimestamp":"2026-01-02T03:04:05Z"},
				"spec":{"topologyType":"cell","placement":{"clusters":[{"name":"acme.a"},{"name":"other.b"}]},
					"placementMask":{"clusters":[{"name":"acme.a"}]},"template":{"spec":{"replicas":2}},"retainReplicas":true,
					"overrides":[{"clusterName":"acme.a","clusterOverrides":[{"path":"/spec/replicas","value":9007199254740993},{"op":"remove","path":"/x"},{"op":"add","path":"/y","value":null}]},{"clusterName":"acme.c"}]},
				"status":{"observedGeneration":2,"conditions":[{"type":"Propagation","status":"False","reason":"CheckClusters","lastUpdateTime":"t1","lastTransitionTime":"t2"}],
					"clusters":[{"name":"acme.a","status":"Held","generation":2,"appliedVersion":"d:gen:1","lastChangeTime":"t3","message":"m","remoteStatus":{"replicas":2}}],
					"summary":{"placed":2,"inSync":1,"held":1,"failed":0,"available":1}}}`,
			want: Object{
				APIVersion: APIVersionV1Beta1, Kind: "FederatedDeployment", Namespace: "acme", Name: "pay", UID: "u", ResourceVersion: "7", Generation: 3,
				Deleting: true, Finalizers: []string{Finalizer}, Labels: map[string]string{"a": "b"}, Annotations: map[string]string{OrphanAnnotation: "true"},
				Placement:      Placement{TopologyType: "cell", Clusters: []string{"acme.a", "other.b"}, StatusClusters: []string{"acme.a"}},
				Mask:           &Mask{Clusters: []string{"acme.a"}},
				Template:       map[string]any{"spec": map[string]any{"replicas": int64(2)}},
				RetainReplicas: true,
				Overrides: map[string][]Override{
					"acme.a": {{Path: "/spec/replicas", Value: int64(9007199254740993), HasValue: true}, {Op: "remove", Path: "/x"}, {Op: "add", Path: "/y", HasValue: true}},
					"acme.c": nil,
				},
				Status: Status{
					ObservedGeneration: 2,
					Conditions:         []Condition{{Type: "Propagation", Status: "False", Reason: "CheckClusters", LastUpdateTime: "t1", LastTransitionTime: "t2"}},
					Clusters: []ClusterStatus{{Name: "acme.a", Status: StatusHeld, Generation: 2, AppliedVersion: "d:gen:1", LastChangeTime: "t3", Message: "m",
						RemoteStatus: map[string]any{"replicas": int64(2)}}},
					Summary: &Summary{Placed: 2, InSync: 1, Held: 1, Available: 1},
				},
			},
		},
		"V2Beta1Cells": {
			reason: "names of cells are read as those of their clusters, and a cluster keeps its own",
			object: `{"apiVersion":"types.kubefed.io/v2beta1","metadata":{"namespace":"acme","name":"pay"},
				"spec":{"topologyType":"cell","placement":{"topologies":[{"name":"a"},{"name":"cluster:hz-a"}]},
					"placementMask":{"topologies":[{"name":"a"}]},
					"overrides":[{"topologyName":"a","topologyOverrides":[{"path":"/x","value":1}]}]},
				"status":{"topologies":[{"name":"a"}]}}`,
			want: Object{
				APIVersion: APIVersionV2Beta1, Namespace: "acme", Name: "pay",
				Placement: Placement{TopologyType: "cell", Clusters: []string{"acme.a", "hz-a"}, StatusClusters: []string{"acme.a"}},
				Mask:      &Mask{Clusters: []string{"acme.a"}},
				Overrides: map[string][]Override{"acme.a": {{Path: "/x", Value: int64(1), HasValue: true}}},
				Status:    Status{Clusters: []ClusterStatus{{Name: "acme.a"}}},
			},
		},
		"V2Beta1CellSelector": {
			reason: "a selector of cells selects among the namespace's own cells only",
			object: `{"apiVersion":"types.kubefed.io/v2beta1","metadata":{"namespace":"acme"},
				"spec":{"topologyType":"cell","placement":{"topologySelector":{"matchLabels":{"city":"hz"}}}}}`,
			want: Object{APIVersion: APIVersionV2Beta1, Namespace: "acme", Placement: Placement{TopologyType: "cell", Selector: &metav1.LabelSelector{
				MatchLabels: map[string]string{"city": "hz", "cellfed.io/namespace": "acme", "cellfed.io/topology-type": "cell"}}}},
		},
		"V2Beta1Clusters": {
			reason: "names and selectors of clusters are what they say",
			object: `{"apiVersion":"types.kubefed.io/v2beta1","metadata":{"namespace":"acme"},
				"spec":{"placement":{"topologies":[],"topologySelector":{"matchExpressions":[{"key":"city","operator":"In","values":["hz"]},{"key":"x","operator":"Exists"}]}}}}`,
			want: Object{APIVersion: APIVersionV2Beta1, Namespace: "acme", Placement: Placement{TopologyType: "cluster", Clusters: []string{}, Selector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "city", Operator: "In", Values: []string{"hz"}}, {Key: "x", Operator: "Exists"}}}}},
		},
		"NullPlacement": {
			reason: "upstream takes null for absent",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"placement":{"clusters":null,"clusterSelector":null}}}`,
			want:   Object{APIVersion: APIVersionV1Beta1, Placement: Placement{TopologyType: "cluster"}},
		},
		"EmptyMask": {
			reason: "an empty list allows nothing, which no mask at all does not",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"placementMask":{"clusters":[]}}}`,
			want:   Object{APIVersion: APIVersionV1Beta1, Placement: Placement{TopologyType: "cluster"}, Mask: &Mask{Clusters: []string{}}},
		},
		"MaskWithoutList": {
			reason: "a mask is there, and it allows nothing: a misspelled list, which an API server drops, must not allow everything",
			object: `{"apiVersion":"types.kubefed.io/v2beta1","spec":{"placementMask":{}}}`,
			want:   Object{APIVersion: APIVersionV2Beta1, Placement: Placement{TopologyType: "cluster"}, Mask: &Mask{Clusters: []string{}}},
		},
		"UpstreamKeys": {
			reason: "upstream takes a key that differs in case for the one it knows",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"placement":{"Clusters":[{"name":"a","x":1}]},
				"overrides":[{"ClusterName":"a","clusterOverrides":[{"PATH":"/x","value":9007199254740993}]}]}}`,
			want: Object{
				APIVersion: APIVersionV1Beta1, Placement: Placement{TopologyType: "cluster", Clusters: []string{"a"}},
				Overrides: map[string][]Override{"a": {{Path: "/x", Value: int64(9007199254740993), HasValue: true}}},
			},
		},
		"UpstreamOverrides": {
			reason: "overrides under a key that differs in case are not lost",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"overrides":[{"clusterName":"a","ClusterOverrides":[{"path":"/x"}]}]}}`,
			want: Object{
				APIVersion: APIVersionV1Beta1, Placement: Placement{TopologyType: "cluster"},
				Overrides: map[string][]Override{"a": {{Path: "/x"}}},
			},
		},
		"NoSpec": {
			reason: "an object without a spec is placed nowhere",
			object: `{"apiVersion":"types.kubefed.io/v1beta1"}`,
			want:   Object{APIVersion: APIVersionV1Beta1, Placement: Placement{TopologyType: "cluster"}},
		},
		"UnreadableStatus": {
			reason: "what a controller wrote badly is written again, and stops nothing",
			object: `{"apiVersion":"types.kubefed.io/v1beta1","status":{"observedGeneration":"x","conditions":{},"clusters":[1,{"status":"x"},{"name":"a","generation":"x"}],"summary":[]}}`,
			want: Object{
				APIVersion: APIVersionV1Beta1, Placement: Placement{TopologyType: "cluster", StatusClusters: []string{"a"}},
				Status: Status{Clusters: []ClusterStatus{{Name: "a"}}},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, *decoded(t, tc.object), cmpopts.EquateErrors()); diff != "" {
				t.Errorf("%s: Decode: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecodeUnknownVersion(t *testing.T) {
	for _, object := range []string{`{}`, `{"apiVersion":"v1"}`, `{"apiVersion":"types.kubefed.io/v1"}`, `{"apiVersion":1}`} {
		if o, err := Decode(unstructuredOf(t, object)); !errors.Is(err, ErrUnknownVersion) {
			t.Errorf("Decode(%s) = %v, %v: want an ErrUnknownVersion", object, o, err)
		}
	}
}

func kinds(err error) []string {
	var kinds []string
	for name, kind := range map[string]error{"placement": ErrPlacement, "mask": ErrMask, "template": ErrTemplate, "overrides": ErrOverrides} {
		if errors.Is(err, kind) {
			kinds = append(kinds, name)
		}
	}
	return kinds
}

func TestDecodeRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, spec string
		want         []string
	}{
		"Spec":             {reason: "nothing can be read of it", spec: `1`, want: []string{"placement"}},
		"Type":             {reason: "no topology type is a number", spec: `{"topologyType":1}`, want: []string{"placement"}},
		"PlacementList":    {reason: "upstream cannot read it", spec: `{"placement":[]}`, want: []string{"placement"}},
		"Clusters":         {reason: "upstream cannot read it", spec: `{"placement":{"clusters":{},"topologies":{}}}`, want: []string{"placement"}},
		"Name":             {reason: "upstream cannot read it", spec: `{"placement":{"clusters":[{"name":1}],"topologies":[{"name":1}]}}`, want: []string{"placement"}},
		"Selector":         {reason: "no such operator", spec: `{"placement":{"clusterSelector":{"matchExpressions":[{"key":"a","operator":"Near"}]},"topologySelector":{"matchExpressions":[{"key":"a","operator":"Near"}]}}}`, want: []string{"placement"}},
		"UnusedSelector":   {reason: "nobody looks at a selector beside a list", spec: `{"placement":{"clusters":[],"topologies":[],"clusterSelector":{"matchExpressions":[{"key":"a","operator":"Near"}]}}}`},
		"MaskNull":         {reason: "null is no mask, and could be meant to be an empty one", spec: `{"placementMask":null}`, want: []string{"mask"}},
		"MaskList":         {reason: "a mask is an object", spec: `{"placementMask":[]}`, want: []string{"mask"}},
		"MaskListNull":     {reason: "null could be meant to be an empty list", spec: `{"placementMask":{"clusters":null,"topologies":null}}`, want: []string{"mask"}},
		"MaskListObject":   {reason: "a list is a list", spec: `{"placementMask":{"clusters":{}}}`, want: []string{"mask"}},
		"MaskName":         {reason: "an entry without a name allows something, and nobody knows what", spec: `{"placementMask":{"clusters":[{}],"topologies":[{}]}}`, want: []string{"mask"}},
		"MaskField":        {reason: "a field that nobody knows could narrow the mask", spec: `{"placementMask":{"clusterSelector":{}}}`, want: []string{"mask"}},
		"MaskCase":         {reason: "a misspelled list would else allow everything", spec: `{"placementMask":{"Clusters":[],"Topologies":[]}}`, want: []string{"mask"}},
		"Template":         {reason: "a template is an object", spec: `{"template":"x"}`, want: []string{"template"}},
		"TemplateNull":     {reason: "upstream refuses it too", spec: `{"template":null}`, want: []string{"template"}},
		"RetainReplicas":   {reason: "upstream refuses it too", spec: `{"retainReplicas":"true"}`, want: []string{"template"}},
		"Overrides":        {reason: "upstream cannot read it", spec: `{"overrides":{}}`, want: []string{"overrides"}},
		"OverridesOp":      {reason: "upstream cannot read it", spec: `{"overrides":[{"clusterName":"a","topologyName":"a","clusterOverrides":[{"op":1}],"topologyOverrides":[{"op":1}]}]}`, want: []string{"overrides"}},
		"ClusterTwice":     {reason: "upstream refuses it", spec: `{"overrides":[{"clusterName":"a","topologyName":"a"},{"clusterName":"a","topologyName":"a"}]}`, want: []string{"overrides"}},
		"TwoClusters":      {reason: "a path may be overridden for each", spec: `{"overrides":[{"clusterName":"a","topologyName":"a","clusterOverrides":[{"path":"/x"}],"topologyOverrides":[{"path":"/x"}]},{"clusterName":"b","topologyName":"b","clusterOverrides":[{"path":"/x"}],"topologyOverrides":[{"path":"/x"}]}]}`},
		"EverythingAtOnce": {reason: "all that is wrong is said", spec: `{"placement":1,"placementMask":1,"template":1,"overrides":1}`, want: []string{"mask", "overrides", "placement", "template"}},
	}
	for name, tc := range cases {
		for _, version := range []string{V1Beta1, V2Beta1} {
			t.Run(name+"/"+version, func(t *testing.T) {
				o := decoded(t, `{"apiVersion":"types.kubefed.io/`+version+`","metadata":{"namespace":"acme"},"spec":`+tc.spec+`}`)
				if diff := cmp.Diff(tc.want, kinds(o.Invalid), cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
					t.Errorf("%s: Invalid = %v: -want +got:\n%s", tc.reason, o.Invalid, diff)
				}
				if errors.Is(o.Invalid, ErrMask) && o.Mask.Allows("a") {
					t.Errorf("%s: the mask that is refused allows something", tc.reason)
				}
			})
		}
	}
}

func TestDecodeRefusesPaths(t *testing.T) {
	many := ""
	for i := range manyPaths {
		many += `{"path":"/` + string(rune('a'+i)) + `"},`
	}
	cases := map[string]struct {
		reason, operations string
		refused            bool
	}{
		"Namespace":    {reason: "it ties the member's object to the federated one", operations: `{"path":"/metadata/namespace"}`, refused: true},
		"Name":         {reason: "it ties the member's object to the federated one", operations: `{"path":"/metadata/name"}`, refused: true},
		"GenerateName": {reason: "it ties the member's object to the federated one", operations: `{"op":"remove","path":"/metadata/generateName"}`, refused: true},
		"Kind":         {reason: "it is the type's", operations: `{"path":"/a"},{"path":"/kind"}`, refused: true},
		"APIVersion":   {reason: "upstream allows it, since a kind can be in several groups", operations: `{"path":"/apiVersion"}`},
		"Twice":        {reason: "upstream refuses it, whatever the operation", operations: `{"op":"remove","path":"/x"},{"op":"add","path":"/x"}`, refused: true},
		"TwiceOfMany":  {reason: "also among many", operations: many + `{"path":"/a"}`, refused: true},
		"Many":         {reason: "different paths are fine", operations: many + `{"path":"/zz"}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := decoded(t, `{"apiVersion":"types.kubefed.io/v2beta1","metadata":{"namespace":"acme"},
				"spec":{"topologyType":"cell","placement":{"topologies":[{"name":"b"}]},"overrides":[{"topologyName":"a","topologyOverrides":[`+tc.operations+`]}]}}`)
			if errors.Is(o.Invalid, ErrOverrides) != tc.refused {
				t.Errorf("%s: Invalid = %v, want refused: %t", tc.reason, o.Invalid, tc.refused)
			}
			if diff := cmp.Diff([]string{"acme.b"}, o.Placement.Clusters); diff != "" {
				t.Errorf("%s: the placement can be used all the same: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestMaskAllows(t *testing.T) {
	var absent *Mask
	cases := map[string]struct {
		reason string
		mask   *Mask
		want   bool
	}{
		"Absent":   {reason: "without a mask everything may be touched", mask: absent, want: true},
		"Empty":    {reason: "an empty mask allows nothing", mask: &Mask{Clusters: []string{}}},
		"Zero":     {reason: "nor does one that nobody filled in", mask: &Mask{}},
		"Named":    {reason: "it is named", mask: &Mask{Clusters: []string{"x", "acme.a"}}, want: true},
		"NotNamed": {reason: "part of a name is not the name", mask: &Mask{Clusters: []string{"acme", "acme.a1", "a"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.mask.Allows("acme.a"); got != tc.want {
				t.Errorf("%s: Allows = %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

func TestHoldsBack(t *testing.T) {
	cases := map[string]struct {
		reason string
		object Object
		want   bool
	}{
		"NoMask":    {reason: "without a mask nothing is held", object: Object{Generation: 2}},
		"Held":      {reason: "something is held", object: Object{Generation: 2, Mask: &Mask{}, Status: Status{ObservedGeneration: 2, Summary: &Summary{Held: 1}}}, want: true},
		"NoneHeld":  {reason: "the mask names all that is placed", object: Object{Generation: 2, Mask: &Mask{}, Status: Status{ObservedGeneration: 2, Summary: &Summary{}}}},
		"Stale":     {reason: "nobody knows what the mask does now", object: Object{Generation: 3, Mask: &Mask{}, Status: Status{ObservedGeneration: 2, Summary: &Summary{}}}, want: true},
		"Unknown":   {reason: "nobody has counted", object: Object{Generation: 2, Mask: &Mask{}, Status: Status{ObservedGeneration: 2}}, want: true},
		"WrongMask": {reason: "a mask that cannot be read allows nothing", object: Object{Generation: 2, Mask: &Mask{}, Invalid: ErrMask, Status: Status{ObservedGeneration: 2, Summary: &Summary{}}}, want: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.object.HoldsBack(); got != tc.want {
				t.Errorf("%s: %v", tc.reason, got)
			}
		})
	}
}
