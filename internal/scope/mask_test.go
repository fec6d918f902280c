package scope

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/internal/federated"
)

func TestDecide(t *testing.T) {
	orphan := map[string]string{federated.OrphanAnnotation: "true"}
	mask := func(names ...string) *federated.Mask { return &federated.Mask{Clusters: names} }
	cases := map[string]struct {
		reason string
		object federated.Object
		placed bool
		want   Decision
	}{
		"Placed":              {reason: "without a mask a change touches all", placed: true, want: Decision{Want: Present, Placed: true}},
		"Allowed":             {reason: "the mask names it", object: federated.Object{Mask: mask("b", "a")}, placed: true, want: Decision{Want: Present, Placed: true}},
		"Held":                {reason: "the mask does not name it", object: federated.Object{Mask: mask("b")}, placed: true, want: Decision{Held: true, Placed: true}},
		"HeldByEmptyMask":     {reason: "an empty mask names nothing", object: federated.Object{Mask: mask()}, placed: true, want: Decision{Held: true, Placed: true}},
		"NotPlaced":           {reason: "what is not placed goes", want: Decision{Want: Absent}},
		"NotPlacedAllowed":    {reason: "what is not placed goes, where the mask allows it", object: federated.Object{Mask: mask("a")}, want: Decision{Want: Absent}},
		"NotPlacedHeld":       {reason: "what is not placed any more stays, where the mask holds it", object: federated.Object{Mask: mask("b")}, want: Decision{Held: true}},
		"Deleting":            {reason: "what is deleted goes", object: federated.Object{Deleting: true}, placed: true, want: Decision{Want: Absent, Placed: true}},
		"DeletingNotPlaced":   {reason: "what is deleted goes from where it was placed once", object: federated.Object{Deleting: true}, want: Decision{Want: Absent}},
		"DeletingHeld":        {reason: "the mask holds a deletion too", object: federated.Object{Deleting: true, Mask: mask("b")}, placed: true, want: Decision{Held: true, Placed: true}},
		"DeletingHeldOutside": {reason: "the mask holds a deletion too, wherever", object: federated.Object{Deleting: true, Mask: mask("b")}, want: Decision{Held: true}},
		"Orphaned":            {reason: "what is orphaned stays", object: federated.Object{Deleting: true, Annotations: orphan}, placed: true, want: Decision{Want: Orphaned, Placed: true}},
		"OrphanedNotPlaced":   {reason: "what is orphaned stays wherever it is", object: federated.Object{Deleting: true, Annotations: orphan}, want: Decision{Want: Orphaned}},
		"OrphanedHeld":        {reason: "the mask holds the label too", object: federated.Object{Deleting: true, Annotations: orphan, Mask: mask()}, placed: true, want: Decision{Held: true, Placed: true}},
		"OrphanNotDeleting":   {reason: "orphaning is about the deletion of the federated object", object: federated.Object{Annotations: orphan}, want: Decision{Want: Absent}},
		"OrphanOtherwise":     {reason: "only true orphans", object: federated.Object{Deleting: true, Annotations: map[string]string{federated.OrphanAnnotation: "yes"}}, placed: true, want: Decision{Want: Absent, Placed: true}},
		"RefusedPlacement":    {reason: "nobody knows where it belongs", object: *read(t, "v1beta1", `{"placement":1}`), want: Decision{}},
		"RefusedMask":         {reason: "nobody knows what may be touched", object: *read(t, "v1beta1", `{"placementMask":1}`), placed: true, want: Decision{Held: true, Placed: true}},
		"RefusedMaskByHand":   {reason: "nobody knows what may be touched", object: federated.Object{Invalid: fmt.Errorf("x: %w", federated.ErrMask)}, placed: true, want: Decision{Held: true, Placed: true}},
		"RefusedBoth":         {reason: "nothing is touched", object: *read(t, "v1beta1", `{"placement":1,"placementMask":1}`), want: Decision{Held: true}},
		"RefusedDeleting":     {reason: "nobody knows where it belongs", object: federated.Object{Deleting: true, Invalid: federated.ErrPlacement}, want: Decision{}},
		"RefusedOverrides":    {reason: "it fails where it is rendered", object: *read(t, "v1beta1", `{"overrides":1}`), placed: true, want: Decision{Want: Present, Placed: true}},
		"RefusedTemplate":     {reason: "what is not placed goes, whatever it looks like", object: *read(t, "v1beta1", `{"template":1}`), want: Decision{Want: Absent}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Decide(&tc.object, tc.placed, "a")); diff != "" {
				t.Errorf("%s: Decide: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestWantString(t *testing.T) {
	for want, text := range map[Want]string{Untouched: "Untouched", Present: "Present", Absent: "Absent", Orphaned: "Orphaned", 9: "9"} {
		if got := want.String(); got != text {
			t.Errorf("String of %d = %q, want %q", int(want), got, text)
		}
	}
	var zero Want
	if zero != Untouched {
		t.Error("what nobody decided must touch nothing")
	}
}
