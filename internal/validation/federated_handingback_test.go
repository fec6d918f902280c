package validation

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// waiting is a type that cellfed propagates, and that waits to be given to KubeFed, with cells on the tenant's cluster.
func waiting(facts Facts) Facts {
	facts.Type.HandingBack = true
	facts.Topologies = slices.Clone(facts.Topologies)
	for i, t := range facts.Topologies {
		if t.View != nil && t.Member == "hz-a" {
			facts.Topologies[i].MemberLabels = ownedBy("acme", "prod")
		}
	}
	return facts
}

// TestFederatedWhileHandedBack: nothing is stored anew that would keep the type from KubeFed, and everything that was stored can be
// corrected step by step. The same writes pass where the type stays cellfed's.
func TestFederatedWhileHandedBack(t *testing.T) {
	const (
		cells  = `topologyType: cell, placement: {topologies: [{name: rz00a}, {name: rz01a}]}`
		all    = `placementMask: {topologies: [{name: rz00a}, {name: rz01a}]}`
		one    = `placementMask: {topologies: [{name: rz00a}]}`
		none   = `placementMask: {topologies: []}`
		pinned = `matchLabels: {cellfed.io/tenant: acme, cellfed.io/workspace-group: prod}`
		mask   = "spec.placementMask FieldValueInvalid"
		choice = "spec.placement.topologySelector FieldValueInvalid"
		note   = `template: {metadata: {annotations: {example.com/a: b}}}`
	)
	cases := map[string]struct {
		reason, version, old, spec string
		nobody                     bool
		want                       []string
	}{
		"Created":            {reason: "KubeFed does with it as cellfed does", spec: `{` + cells + `, ` + all + `}`},
		"CreatedUnpinned":    {reason: "KubeFed knows no tenants", spec: `{placement: {topologySelector: {}}}`, want: []string{choice}},
		"CreatedNobodys":     {reason: "who has no tenant selects as ever", spec: `{placement: {topologySelector: {}}}`, nobody: true},
		"CreatedHeld":        {reason: "a new hold", spec: `{` + cells + `, ` + one + `}`, want: []string{mask}},
		"CreatedMasked":      {reason: "what is selected later is held", spec: `{topologyType: cell, placement: {topologySelector: {}}, ` + all + `}`, want: []string{mask}},
		"CreatedAnnotated":   {reason: "what joins later would get it without", spec: `{` + cells + `, ` + note + `}`, want: []string{"spec.template.metadata.annotations[example.com/a] FieldValueInvalid b"}},
		"CreatedUnannotated": {reason: "nobody propagates it", spec: `{` + cells + `, template: {metadata: {annotations: {other.com/a: b}}}}`},
		"CreatedUnknown":     {reason: "it may join as another's", spec: `{placement: {topologies: [{name: soon}]}}`, want: []string{"spec.placement.topologies[0].name FieldValueInvalid soon"}},
		"CreatedWrong":       {reason: "what is wrong whoever has the type is told once", spec: `{placement: {topologies: [{name: rival}]}}`, want: []string{"spec.placement.topologies[0].name FieldValueInvalid rival"}},

		"EditElsewhere":   {reason: "an unfit object can be edited elsewhere", old: `{placement: {topologySelector: {}}}`, spec: `{placement: {topologySelector: {}}, template: {spec: {replicas: 2}}}`},
		"EditHeld":        {reason: "and so can a held one", old: `{` + cells + `, ` + one + `}`, spec: `{` + cells + `, ` + one + `, template: {spec: {replicas: 2}}}`},
		"EditSelected":    {reason: "and one whose mask stands beside a selector", old: `{topologyType: cell, placement: {topologySelector: {}}, ` + one + `}`, spec: `{topologyType: cell, placement: {topologySelector: {}}, ` + one + `, template: {spec: {replicas: 2}}}`},
		"Status":          {reason: "status is nobody's business", old: `{` + cells + `, ` + one + `}`, spec: `{` + cells + `, ` + one + `}` + "\n---\n" + `{topologies: [{name: gone}]}`},
		"CorrectOne":      {reason: "one thing at a time: the selector", old: `{placement: {topologySelector: {}}, ` + note + `}`, spec: `{placement: {topologySelector: {` + pinned + `}}, ` + note + `}`},
		"CorrectOther":    {reason: "and then the annotation", old: `{placement: {topologySelector: {}}, ` + note + `}`, spec: `{placement: {topologySelector: {}}}`},
		"OtherSelector":   {reason: "another one that is not pinned is new", old: `{placement: {topologySelector: {}}}`, spec: `{placement: {topologySelector: {matchLabels: {a: b}}}}`, want: []string{choice}},
		"OtherAnnotation": {reason: "another value is new", old: `{` + cells + `, ` + note + `}`, spec: `{` + cells + `, template: {metadata: {annotations: {example.com/a: c}}}}`, want: []string{"spec.template.metadata.annotations[example.com/a] FieldValueInvalid c"}},

		"Narrowed":       {reason: "a new hold", old: `{` + cells + `, ` + all + `}`, spec: `{` + cells + `, ` + one + `}`, want: []string{mask}},
		"NarrowedV1":     {reason: "in either version", version: v1, old: `{topologyType: cell, placement: {clusters: [{name: acme-prod.rz00a}, {name: acme-prod.rz01a}]}}`, spec: `{topologyType: cell, placement: {clusters: [{name: acme-prod.rz00a}, {name: acme-prod.rz01a}]}, placementMask: {clusters: [{name: acme-prod.rz00a}]}}`, want: []string{mask}},
		"NarrowedMore":   {reason: "one that is held already can hold no more", old: `{` + cells + `, ` + one + `}`, spec: `{` + cells + `, ` + none + `}`, want: []string{mask}},
		"Masked":         {reason: "a mask where there was none", old: `{` + cells + `}`, spec: `{` + cells + `, ` + none + `}`, want: []string{mask}},
		"Swapped":        {reason: "one is released and another held", old: `{` + cells + `, ` + one + `}`, spec: `{` + cells + `, placementMask: {topologies: [{name: rz01a}]}}`, want: []string{mask}},
		"MaskedAll":      {reason: "it holds nothing", old: `{` + cells + `}`, spec: `{` + cells + `, ` + all + `}`},
		"Widened":        {reason: "step by step", old: `{` + cells + `, ` + none + `}`, spec: `{` + cells + `, ` + one + `}`},
		"Released":       {reason: "all at once", old: `{` + cells + `, ` + none + `}`, spec: `{` + cells + `}`},
		"MoreIsPlaced":   {reason: "the mask is the same, and holds something new", old: `{topologyType: cell, placement: {topologies: [{name: rz00a}]}, ` + one + `}`, spec: `{` + cells + `, ` + one + `}`, want: []string{mask}},
		"LessIsPlaced":   {reason: "what was held still is", old: `{` + cells + `, ` + one + `}`, spec: `{topologyType: cell, placement: {topologies: [{name: rz00a}]}, ` + one + `}`},
		"TakenAway":      {reason: "what the mask does not name stays where it is, though it was named", old: `{` + cells + `, ` + all + `}`, spec: `{topologyType: cell, placement: {topologies: [{name: rz00a}]}, ` + one + `}`, want: []string{mask}},
		"TakenAwayNamed": {reason: "what the mask names goes", old: `{` + cells + `, ` + all + `}`, spec: `{topologyType: cell, placement: {topologies: [{name: rz00a}]}, ` + all + `}`},
		"StillThere":     {reason: "what is still there counts as well", old: `{` + cells + `}` + "\n---\n" + `{topologies: [{name: new}]}`, spec: `{` + cells + `, ` + all + `}` + "\n---\n" + `{topologies: [{name: new}]}`, want: []string{mask}},

		"SelectedMasked":     {reason: "a mask beside a selector, where there was none", old: `{topologyType: cell, placement: {topologySelector: {}}}`, spec: `{topologyType: cell, placement: {topologySelector: {}}, ` + all + `}`, want: []string{mask}},
		"SelectedWidened":    {reason: "step by step", old: `{topologyType: cell, placement: {topologySelector: {}}, ` + none + `}`, spec: `{topologyType: cell, placement: {topologySelector: {}}, ` + one + `}`},
		"SelectedNarrowed":   {reason: "a new hold", old: `{topologyType: cell, placement: {topologySelector: {}}, ` + all + `}`, spec: `{topologyType: cell, placement: {topologySelector: {}}, ` + one + `}`, want: []string{mask}},
		"SelectedReleased":   {reason: "all at once", old: `{topologyType: cell, placement: {topologySelector: {}}, ` + none + `}`, spec: `{topologyType: cell, placement: {topologySelector: {}}}`},
		"SelectorFirst":      {reason: "the selector is pinned before the mask goes", old: `{placement: {topologySelector: {}}, placementMask: {topologies: []}}`, spec: `{placement: {topologySelector: {` + pinned + `}}, placementMask: {topologies: []}}`},
		"SelectsMore":        {reason: "more is held", old: `{topologyType: cell, placement: {topologySelector: {matchLabels: {city: nowhere}}}, ` + none + `}`, spec: `{topologyType: cell, placement: {topologySelector: {}}, ` + none + `}`, want: []string{mask}},
		"NamedInsteadBefore": {reason: "what cellfed never reached is not held", old: `{placement: {topologySelector: {matchExpressions: [{key: cellfed.io/topology-type, operator: DoesNotExist}]}}}`, spec: `{placement: {topologies: [{name: hz-a}, {name: shared}]}, placementMask: {topologies: [{name: hz-a}, {name: shared}]}}`},
		"NamedInstead":       {reason: "what was selected stays where the mask does not name it", old: `{placement: {topologySelector: {}}}`, spec: `{placement: {topologies: [{name: hz-a}]}, placementMask: {topologies: [{name: hz-a}]}}`, want: []string{mask}},

		"UnreadableBefore":      {reason: "it held everything", old: `{` + cells + `, placementMask: x}`, spec: `{` + cells + `, ` + one + `}`},
		"UnreadableStays":       {reason: "it is as it was", old: `{` + cells + `, placementMask: x}`, spec: `{` + cells + `, placementMask: x, template: {spec: {replicas: 2}}}`},
		"Unreadable":            {reason: "that is wrong whoever has the type", old: `{` + cells + `}`, spec: `{` + cells + `, placementMask: x}`, want: []string{"spec.placementMask FieldValueInvalid x"}},
		"UnreadablePlaceBefore": {reason: "it held nobody knows what", old: `{topologyType: cell, placement: x, ` + one + `}`, spec: `{` + cells + `, ` + one + `}`},
		"UnreadablePlace":       {reason: "that is wrong whoever has the type", old: `{` + cells + `, ` + one + `}`, spec: `{topologyType: cell, placement: x, ` + none + `}`, want: []string{"spec.placement FieldValueInvalid x"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			facts := func() Facts {
				if tc.nobody {
					return ofNobody(pushes)
				}
				return ofTenant(pushes)
			}
			version := tc.version
			if version == "" {
				version = v2
			}
			var old *unstructured.Unstructured
			if tc.old != "" {
				old = object(t, version, tc.old)
			}
			stays := Federated(object(t, version, tc.spec), old, facts())
			r := Federated(object(t, version, tc.spec), old, waiting(facts()))
			if diff := cmp.Diff(tc.want, problems(r)); diff != "" {
				t.Errorf("%s: -want +got:\n%s\n%v", tc.reason, diff, r.Errors)
			}
			if diff := cmp.Diff(stays.Warnings, r.Warnings); diff != "" {
				t.Errorf("%s: warnings: -where the type stays +where it is handed back:\n%s", tc.reason, diff)
			}
			for _, err := range r.Errors[len(stays.Errors):] {
				if !strings.HasPrefix(err.Detail, "the type is being handed back to KubeFed: ") || strings.Contains(err.Detail, "which the type") || strings.Contains(err.Detail, "leave the type") {
					t.Errorf("%s: it says %q", tc.reason, err.Detail)
				}
			}
		})
	}
}

func TestFederatedWhileHandedBackSays(t *testing.T) {
	old, now := object(t, v2, `{placement: {topologies: [{name: hz-a}]}}`), object(t, v2, `{placement: {topologies: [{name: hz-a}]}, placementMask: {topologies: []}}`)
	for name, tc := range map[string]struct {
		reason  string
		deleted bool
		want    string
	}{
		"Asked": {"spec.propagator says so", false, `spec.placementMask: Invalid value: "{\"topologies\":[]}": the type is being handed back to KubeFed: KubeFed knows no mask, and this one newly holds hz-a: ` +
			`remove the mask, or name in it what it would hold, or set spec.propagator of the FederatedTypePolicy "deployments.apps" to Cellfed`},
		"Deleted": {"nobody can take a deletion back", true, `spec.placementMask: Invalid value: "{\"topologies\":[]}": the type is being handed back to KubeFed: KubeFed knows no mask, and this one newly holds hz-a: ` +
			`remove the mask, or name in it what it would hold, or wait until the FederatedTypePolicy "deployments.apps", which is being deleted, is gone, and hand the type over to cellfed again`},
	} {
		t.Run(name, func(t *testing.T) {
			facts := waiting(ofTenant(pushes))
			facts.Type.PolicyDeleted = tc.deleted
			r := Federated(now, old, facts)
			if len(r.Errors) != 1 {
				t.Fatalf("%s: %v", tc.reason, r.Errors)
			}
			if diff := cmp.Diff(tc.want, r.Errors[0].Error()); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if facts.Type.Propagator != v1alpha1.PropagatorCellfed {
				t.Errorf("%s: the facts were changed", tc.reason)
			}
			deleting := now.DeepCopy()
			deleting.SetDeletionTimestamp(new(metav1.Now()))
			if r := Federated(deleting, old, facts); len(r.Errors) > 0 {
				t.Errorf("what is being deleted holds up nothing: %v", r.Errors)
			}
		})
	}
}
