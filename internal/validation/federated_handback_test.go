package validation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestHandBack(t *testing.T) {
	const placed = `topologyType: cell, placement: {topologies: [{name: rz00a}, {name: rz01a}]}`
	cases := map[string]struct {
		reason, spec     string
		labels           map[string]string
		deleting, nobody bool
		want             []string
	}{
		"Cells":         {reason: "cells are the namespace's own", spec: `{` + placed + `}`},
		"CellSelector":  {reason: "and so is what a selector of cells selects", spec: `{topologyType: cell, placement: {topologySelector: {}}}`},
		"Pinned":        {reason: "it selects the tenant's alone", spec: `{placement: {topologySelector: {matchLabels: {cellfed.io/tenant: acme, cellfed.io/workspace-group: prod}}}}`},
		"Everything":    {reason: "cellfed reaches the tenant's, KubeFed all", spec: `{placement: {topologySelector: {}}}`, want: []string{"spec.placement.topologySelector FieldValueInvalid"}},
		"NobodysNoPins": {reason: "who has no tenant selects as ever", spec: `{placement: {topologySelector: {}}}`, nobody: true},
		"Rival":         {reason: "a cluster that became another tenant's", spec: `{placement: {topologies: [{name: rival}]}}`, want: []string{"spec.placement.topologies[0].name FieldValueInvalid rival"}},
		"Unknown":       {reason: "it may join as another tenant's", spec: `{placement: {topologies: [{name: soon}]}}`, want: []string{"spec.placement.topologies[0].name FieldValueInvalid soon"}},
		"UnknownCell":   {reason: "a cell that comes is the namespace's own", spec: `{topologyType: cell, placement: {topologies: [{name: soon}]}}`},
		"Deleting":      {reason: "what goes is put nowhere", spec: `{placement: {topologySelector: {}}}`, deleting: true},

		"Annotation": {reason: "what joins later would get it without", spec: `{` + placed + `, template: {metadata: {annotations: {example.com/a: b, other.com/a: b}}}}`, want: []string{"spec.template.metadata.annotations[example.com/a] FieldValueInvalid b"}},
		"Ignored":    {reason: "neither propagator goes by these", spec: `{` + placed + `, template: {metadata: {finalizers: [x], annotations: {other.com/a: b}}}}`, labels: ownedBy("other", "one")},
		"Owner":      {reason: "KubeFed writes it, and garbage collectors obey", spec: `{` + placed + `, template: {metadata: {ownerReferences: [{uid: x}]}}}`, want: []string{"spec.template.metadata.ownerReferences FieldValueInvalid"}},
		"Override":   {reason: "KubeFed would write to another namespace", spec: `{` + placed + `, overrides: [{topologyName: rz00a, topologyOverrides: [{path: /metadata/namespace, value: kube-system}]}]}`, want: []string{"spec.overrides[0].topologyOverrides[0].path FieldValueInvalid /metadata/namespace"}},
		"Unusable":   {reason: "nobody can tell what is there", spec: `{` + placed + `, template: x}`, want: []string{"spec.template FieldValueInvalid string"}},
		"NoSpec":     {reason: "a spec is an object", spec: `x`, want: []string{"spec FieldValueInvalid x"}},

		"Mask":         {reason: "it holds nothing", spec: `{` + placed + `, placementMask: {topologies: [{name: rz00a}, {name: rz01a}]}}`},
		"StaleMask":    {reason: "it names what was placed once", spec: `{` + placed + `, placementMask: {topologies: [{name: rz00a}, {name: rz01a}, {name: gone}]}}`},
		"NarrowMask":   {reason: "KubeFed releases the rest", spec: `{` + placed + `, placementMask: {topologies: [{name: rz00a}]}}`, want: []string{"spec.placementMask FieldValueInvalid"}},
		"HoldingMask":  {reason: "and takes away what the mask holds", spec: `{topologyType: cell, placement: {topologies: []}, placementMask: {topologies: []}}` + "\n---\n" + `{topologies: [{name: rz00a}]}`, want: []string{"spec.placementMask FieldValueInvalid"}},
		"SelectorMask": {reason: "what is selected later is not in the mask", spec: `{topologyType: cell, placement: {topologySelector: {}}, placementMask: {topologies: [{name: rz00a}]}}`, want: []string{"spec.placementMask FieldValueInvalid"}},
		"NoMask":       {reason: "it cannot be read", spec: `{` + placed + `, placementMask: x}`, want: []string{"spec.placementMask FieldValueInvalid x"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			facts := ofTenant(pushes)
			if tc.nobody {
				facts = ofNobody(pushes)
			}
			o := object(t, v2, tc.spec)
			o.SetLabels(tc.labels)
			if tc.deleting {
				o.SetDeletionTimestamp(new(metav1.Now()))
			}
			before := o.DeepCopy()
			errs := HandBack(o, facts)
			if diff := cmp.Diff(tc.want, problems(Result{Errors: errs})); diff != "" {
				t.Errorf("%s: HandBack: -want +got:\n%s\n%v", tc.reason, diff, errs)
			}
			if diff := cmp.Diff(before.Object, o.Object); diff != "" {
				t.Errorf("%s: HandBack changed the object: -want +got:\n%s", tc.reason, diff)
			}
			for _, err := range errs {
				if strings.Contains(err.Detail, "which propagates") || strings.Contains(err.Detail, "hand the type over") {
					t.Errorf("%s: HandBack speaks as if KubeFed had the type: %s", tc.reason, err.Detail)
				}
			}
			if facts.Type.Propagator != v1alpha1.PropagatorCellfed {
				t.Errorf("%s: HandBack changed the facts", tc.reason)
			}
		})
	}
}

// TestFederatedWithoutType is about kinds that no FederatedTypeConfig names: KubeFed has them from the moment that one does.
func TestFederatedWithoutType(t *testing.T) {
	untyped := func(facts Facts) Facts {
		facts.Type = nil
		return facts
	}
	tenant, nobody := untyped(ofTenant(pushes)), untyped(ofNobody(pushes))
	runRules(t, map[string]ruleCase{
		"Everything":      {reason: "KubeFed would select all tenants'", spec: `{placement: {topologySelector: {}}}`, facts: tenant, want: []string{"spec.placement.topologySelector FieldValueInvalid"}},
		"Unknown":         {reason: "KubeFed would not ask whose it is", spec: `{placement: {topologies: [{name: soon}]}}`, facts: tenant, want: []string{"spec.placement.topologies[0].name FieldValueInvalid soon"}},
		"Mask":            {reason: "KubeFed would release the rest", spec: `{placement: {topologies: [{name: hz-a}]}, placementMask: {topologies: []}}`, facts: tenant, want: []string{"spec.placementMask FieldValueInvalid"}},
		"Annotation":      {reason: "KubeFed would drop it", spec: `{template: {metadata: {annotations: {a: b}}}}`, facts: tenant, want: []string{"spec.template.metadata.annotations[a] FieldValueInvalid b"}},
		"Own":             {reason: "the tenant's own", spec: `{placement: {topologies: [{name: hz-a}]}}`, facts: tenant},
		"NobodysSelector": {reason: "who has no tenant selects as ever", spec: `{placement: {topologySelector: {}}}`, facts: nobody},
		"NobodysUnknown":  {reason: "it may come", spec: `{placement: {topologies: [{name: soon}]}}`, facts: nobody, warnings: []string{"spec.placement.topologies[0].name"}},
		"NothingKnown":    {reason: "a linter cannot tell", spec: `{placement: {topologySelector: {}}}`},
	})
}
