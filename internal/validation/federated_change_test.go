package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestFederatedChange(t *testing.T) {
	const cells = `topologyType: cell, placement: {topologies: [{name: rz00a}]}`
	cases := map[string]struct {
		reason, version, old, spec string
		facts                      Facts
		want                       []string
	}{
		"EditElsewhere": {
			reason: "what was wrong may stay wrong", facts: ofTenant(pushes),
			old:  `{placement: {topologies: [{name: rival}]}, template: {spec: {replicas: 1}}}`,
			spec: `{placement: {topologies: [{name: rival}]}, template: {spec: {replicas: 2}}}`,
		},
		"EditBeside": {
			reason: "its place in the list is not what it is found by", facts: ofTenant(pushes),
			old:  `{placement: {topologies: [{name: hz-a}, {name: rival}]}}`,
			spec: `{placement: {topologies: [{name: rival}]}}`,
		},
		"AnotherOne": {
			reason: "what is new is refused, whatever was wrong before", facts: ofTenant(pushes),
			old:  `{placement: {topologies: [{name: rival}, {name: rival}]}}`,
			spec: `{placement: {topologies: [{name: rival}, {name: rival}, {name: plain}]}}`,
			want: []string{"spec.placement.topologies[2].name FieldValueInvalid plain"},
		},
		"OneMore": {
			reason: "nor does one excuse two", facts: Facts{},
			old:  `{placement: {topologies: [{name: a}, {name: a}]}}`,
			spec: `{placement: {topologies: [{name: a}, {name: a}, {name: a}]}}`,
			want: []string{"spec.placement.topologies[2].name FieldValueDuplicate a"},
		},
		"BrokenOtherwise": {
			reason: "a template that is wrong does not excuse one that is wrong for another reason",
			old:    `{template: {metadata: {labels: x}}}`,
			spec:   `{template: {metadata: {labels: {a: 1}}}}`,
			want:   []string{"spec.template FieldValueInvalid object"},
		},
		"AnotherValue": {
			reason: "a refused path with another value is another thing",
			old:    one(`{path: /metadata, value: {namespace: acme-prod, name: pay}}`),
			spec:   one(`{path: /metadata, value: {namespace: kube-system, name: pay}}`),
			want:   []string{"spec.overrides[0].topologyOverrides[0].path FieldValueInvalid /metadata"},
		},
		"AnotherTopology": {
			reason: "and so is one of another topology",
			old:    `{template: {kind: x}, overrides: [{topologyName: a, topologyOverrides: [{path: /kind, value: x}]}]}`,
			spec:   `{template: {kind: x}, overrides: [{topologyName: b, topologyOverrides: [{path: /kind, value: x}]}]}`,
			want:   []string{"spec.overrides[0].topologyOverrides[0].path FieldValueInvalid /kind"},
		},
		"LongSelectors": {
			reason: "what an error does not show counts, too", version: v1, facts: ofTenant(upstream),
			old:  `{placement: {clusterSelector: {matchExpressions: [{key: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, operator: NotIn, values: [bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, c]}]}}}`,
			spec: `{placement: {clusterSelector: {matchExpressions: [{key: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, operator: NotIn, values: [bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, d]}]}}}`,
			want: []string{"spec.placement.clusterSelector FieldValueInvalid"},
		},
		"NarrowerByPlacement": {
			reason: "the mask is the same, and holds something new", facts: ofTenant(upstream),
			old:  `{topologyType: cell, placement: {topologies: [{name: rz00a}, {name: rz01a}]}, placementMask: {topologies: [{name: rz00a}]}}`,
			spec: `{topologyType: cell, placement: {topologies: [{name: rz00a}, {name: rz01a}, {name: new}]}, placementMask: {topologies: [{name: rz00a}]}}`,
			want: []string{"spec.placementMask FieldValueInvalid"},
		},
		"RemovalReleased": {
			reason: "the mask names what the change takes out", facts: ofTenant(pushes),
			old:  `{topologyType: cell, placement: {topologies: [{name: rz00a}, {name: rz01a}]}}`,
			spec: `{topologyType: cell, placement: {topologies: [{name: rz00a}]}, placementMask: {topologies: [{name: rz01a}]}}`,
		},
		"RemovalNotReleased": {
			reason: "KubeFed would remove what the mask holds", facts: ofTenant(upstream),
			old:  `{topologyType: cell, placement: {topologies: [{name: rz00a}, {name: rz01a}]}}`,
			spec: `{topologyType: cell, placement: {topologies: [{name: rz00a}]}, placementMask: {topologies: [{name: rz00a}]}}`,
			want: []string{"spec.placementMask FieldValueInvalid"},
		},
		"TemplateBreaksOverrides": {
			reason: "overrides that are the same do not apply any more",
			old:    `{template: {spec: {a: {}}}, overrides: [{topologyName: hz-a, topologyOverrides: [{op: add, path: /spec/a/b, value: 1}]}]}`,
			spec:   `{template: {spec: {}}, overrides: [{topologyName: hz-a, topologyOverrides: [{op: add, path: /spec/a/b, value: 1}]}]}`,
			want:   []string{"spec.overrides[0].topologyOverrides FieldValueInvalid hz-a"},
		},
		"TypeDropped": {
			reason: "an apply that forgets the type takes the object out of its cells", facts: ofTenant(pushes),
			old: `{` + cells + `}`, spec: `{placement: {topologies: [{name: hz-a}]}}`,
			want: []string{"spec.topologyType FieldValueInvalid cluster"},
		},
		"TypeChanged": {
			reason: "the status would speak of other topologies", old: `{placement: {topologies: []}}` + "\n---\n" + `{topologies: [{name: hz-a}]}`,
			spec: `{topologyType: cell, placement: {topologies: []}}`,
			want: []string{"spec.topologyType FieldValueInvalid cell"},
		},
		"TypeOfNothing":  {reason: "nothing is placed", old: `{placement: {topologies: []}}`, spec: `{` + cells + `}`},
		"TypeSpeltOut":   {reason: "absent means cluster", old: `{placement: {topologies: [{name: a}]}}`, spec: `{topologyType: cluster, placement: {topologies: [{name: a}]}}`},
		"TypeRepaired":   {reason: "names of an unknown type are those of clusters", old: `{topologyType: zone, placement: {topologies: [{name: a}]}}`, spec: `{topologyType: cluster, placement: {topologies: [{name: a}]}}`},
		"TypeInV1":       {reason: "v1beta1's names mean the same in either", version: v1, old: `{placement: {clusters: [{name: acme-prod.rz00a}]}}`, spec: `{topologyType: cell, placement: {clusters: [{name: acme-prod.rz00a}]}}`},
		"TypeInV1Moved":  {reason: "unless they change, too", version: v1, old: `{topologyType: cell, placement: {clusters: [{name: acme-prod.rz00a}]}}`, spec: `{placement: {clusters: [{name: hz-a}]}}`, want: []string{"spec.topologyType FieldValueInvalid cluster"}},
		"TypeOfSelected": {reason: "a selector places, too", old: `{placement: {topologySelector: {}}}`, spec: `{topologyType: cell, placement: {topologySelector: {}}}`, want: []string{"spec.topologyType FieldValueInvalid cell"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			version := tc.version
			if version == "" {
				version = v2
			}
			r := Federated(object(t, version, tc.spec), object(t, version, tc.old), tc.facts)
			if diff := cmp.Diff(tc.want, problems(r)); diff != "" {
				t.Errorf("%s: -want +got:\n%s\n%v", tc.reason, diff, r.Errors)
			}
		})
	}
}

func TestFederatedOwner(t *testing.T) {
	cases := map[string]struct {
		reason string
		labels map[string]string
		facts  Facts
		want   []string
	}{
		"Own":    {reason: "as the mutating webhook writes them", labels: ownedBy("acme", "prod"), facts: ofTenant(pushes)},
		"None":   {reason: "labels may be left out", facts: ofTenant(pushes)},
		"Forged": {reason: "another tenant's", labels: ownedBy("rival", "prod"), facts: ofTenant(pushes), want: []string{"metadata.labels[cellfed.io/tenant] FieldValueInvalid rival"}},
		"Nobody": {reason: "the namespace has no tenant", labels: ownedBy("acme", ""), facts: ofNobody(upstream), want: []string{"metadata.labels[cellfed.io/tenant] FieldValueInvalid acme"}},
		"Linter": {reason: "nobody knows the namespace", labels: ownedBy("acme", "prod")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := object(t, v2, `{}`)
			u.SetLabels(tc.labels)
			if diff := cmp.Diff(tc.want, problems(Federated(u, nil, tc.facts))); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFederatedOtherGroup(t *testing.T) {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod"}}
	if diff := cmp.Diff([]string{"apiVersion FieldValueInvalid v1"}, problems(Federated(u, nil, Facts{}))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := FederatedDeletion(u, Facts{}); got != nil {
		t.Errorf("FederatedDeletion says %q of what is not federated", got)
	}
}

func TestFederatedNothingIsPlacedWithoutANamespace(t *testing.T) {
	u := object(t, v2, `{topologyType: cell, placement: {topologies: [{name: rz00a}]}}`)
	unstructured.RemoveNestedField(u.Object, "metadata", "namespace")
	if r := Federated(u, nil, Facts{}); len(r.Errors) > 0 {
		t.Errorf("a manifest that gets its namespace later: %v", r.Errors)
	}
}

func TestFederatedDeletion(t *testing.T) {
	const placed = `topologyType: cell, placement: {topologies: [{name: rz00a}, {name: rz01a}]}`
	cases := map[string]struct {
		reason, spec string
		facts        Facts
		want         []string
	}{
		"NoMask":     {reason: "everything goes", spec: `{` + placed + `}`, facts: ofTenant(pushes)},
		"Held":       {reason: "by the status", spec: `{` + placed + `, placementMask: {topologies: [{name: rz00a}]}}` + "\n---\n" + `{topologies: [{name: rz00a}, {name: rz01a}, {name: gone}]}`, facts: ofTenant(pushes), want: []string{"spec.placementMask: holds gone, rz01a: the object stays there, and its deletion waits, until the mask names them or is removed"}},
		"HeldEarly":  {reason: "by the placement, before there is a status", spec: `{` + placed + `, placementMask: {topologies: [{name: rz00a}]}}`, want: []string{"spec.placementMask: holds rz01a: the object stays there, and its deletion waits, until the mask names it or is removed"}},
		"HeldChosen": {reason: "by the selector", spec: `{topologyType: cell, placement: {topologySelector: {matchLabels: {city: hangzhou}}}, placementMask: {topologies: [{name: rz00a}, {name: astray}]}}`, facts: ofTenant(pushes), want: []string{"spec.placementMask: holds rz01a: the object stays there, and its deletion waits, until the mask names it or is removed"}},
		"Unreadable": {reason: "what cannot be read holds everything", spec: `{placementMask: {x: y}}`, facts: ofTenant(pushes), want: []string{"spec.placementMask: cannot be used, so it holds everything, and the deletion waits until it is corrected or removed"}},
		"KubeFed":    {reason: "which waits for no mask", spec: `{` + placed + `, placementMask: {topologies: [{name: rz00a}]}}`, facts: ofTenant(upstream), want: []string{"spec.placementMask: KubeFed, which propagates this type, knows no mask: the deletion reaches rz01a too"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, FederatedDeletion(object(t, v2, tc.spec), tc.facts)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	u := object(t, v2, `{}`)
	u.SetAnnotations(map[string]string{"kubefed.io/deleteoption": "{"})
	if got := FederatedDeletion(u, Facts{}); len(got) != 1 {
		t.Errorf("of options that cannot be read it says %q", got)
	}
}
