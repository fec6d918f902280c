package diff

import (
	"bytes"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/scope"
)

// liveOf reads a member's object as the propagator does: without its managedFields, but with what they say of cellfed.
func liveOf(u *unstructured.Unstructured) *render.Live {
	live := &render.Live{Object: u.DeepCopy()}
	for _, entry := range u.GetManagedFields() {
		if entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		set := &fieldpath.Set{}
		if err := set.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
			continue // Nobody can tell what it owns, as if it were not there.
		}
		switch {
		case entry.Operation == metav1.ManagedFieldsOperationUpdate:
			live.Legacy = live.Legacy || ownsMark(set)
		case entry.Manager != v1alpha1.FieldManager:
		case live.Applied == nil:
			live.Applied = set
		default: // Entries of several API versions.
			live.Applied = live.Applied.Union(set)
		}
	}
	unstructured.RemoveNestedField(live.Object.Object, "metadata", "managedFields")
	return live
}

// ownsMark reports whether a set has a label that marks propagated objects.
func ownsMark(set *fieldpath.Set) bool {
	return slices.ContainsFunc([]string{v1alpha1.KubeFedManagedLabel, v1alpha1.ManagedLabel}, func(label string) bool {
		return set.Has(fieldpath.MakePathOrDie("metadata", "labels", label))
	})
}

// compared returns what of a member's object there is to compare, and what it would become: what is desired, and what
// cellfed holds and would take away. What differs in spelling alone is spelled as the member has it.
func compared(desired *unstructured.Unstructured, live *render.Live, target render.Target) (before, after *unstructured.Unstructured) {
	p := projection{known: live.Applied != nil && !live.Legacy}
	held := live.Applied
	before = &unstructured.Unstructured{Object: p.object(live.Object.Object, desired.Object, held)}
	after = &unstructured.Unstructured{Object: p.arranged(desired.DeepCopy().Object, before.Object, held).(map[string]any)}
	settle(after, before, live, target)
	if !p.known && equal(before, after) {
		// Where nobody can tell which lists have one owner, a list that is too long shows only as a whole.
		p.extras = true
		before = &unstructured.Unstructured{Object: p.object(live.Object.Object, desired.Object, held)}
	}
	return before, after
}

// settle takes values over from the member that an API server reads as the same.
func settle(after, before *unstructured.Unstructured, live *render.Live, target render.Target) {
	plain := &render.Live{Object: live.Object}
	count := func() int { return len(render.Diff(after, plain, scope.Topology{}, target)) }
	// A difference that stays one whichever of the two values is there is none of the values.
	base := count()
	var walk func(want, have map[string]any)
	try := func(undo func()) {
		if count() != base {
			undo()
		}
	}
	var walkList func(want, have []any)
	walk = func(want, have map[string]any) {
		for key, value := range want {
			other, there := have[key]
			switch w := value.(type) {
			case map[string]any:
				if h, ok := other.(map[string]any); ok {
					walk(w, h)
					continue
				}
			case []any:
				if h, ok := other.([]any); ok {
					walkList(w, h)
					continue
				}
			}
			if there && sameText(value, other) {
				continue
			}
			if want[key] = other; !there {
				delete(want, key)
			}
			try(func() { want[key] = value })
		}
	}
	walkList = func(want, have []any) {
		if len(want) != len(have) {
			return
		}
		for i, value := range want {
			switch w := value.(type) {
			case map[string]any:
				if h, ok := have[i].(map[string]any); ok {
					walk(w, h)
				}
			case []any:
				if h, ok := have[i].([]any); ok {
					walkList(w, h)
				}
			default:
				want[i] = have[i]
				try(func() { want[i] = value })
			}
		}
	}
	walk(after.Object, before.Object)
}
