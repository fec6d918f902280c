package report

import (
	"reflect"
	"slices"

	"github.com/cellfed/cellfed/internal/federated"
)

// sameElse reports whether two statuses say the same apart from the list of topologies, whenever they say that it came to
// be so.
func sameElse(a, b federated.Status) bool {
	return a.ObservedGeneration == b.ObservedGeneration && sameSummary(a.Summary, b.Summary) &&
		slices.EqualFunc(a.Conditions, b.Conditions, sameCondition)
}

func sameCondition(a, b federated.Condition) bool {
	a.LastUpdateTime, a.LastTransitionTime = b.LastUpdateTime, b.LastTransitionTime
	return a == b
}

// sameClusters reports whether two lists of topologies say the same, whenever they say that it came to be so.
func sameClusters(a, b []federated.ClusterStatus) bool {
	return slices.EqualFunc(a, b, func(a, b federated.ClusterStatus) bool {
		return a.Name == b.Name && a.Status == b.Status && a.Generation == b.Generation &&
			a.AppliedVersion == b.AppliedVersion && a.Message == b.Message && sameValue(a.RemoteStatus, b.RemoteStatus)
	})
}

func sameSummary(a, b *federated.Summary) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// sameValue reports whether two values of JSON are the same: a number is what it amounts to, and a null field is as good as
// none, because an API server may drop it.
func sameValue(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && sameFields(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameValue)
	case string:
		b, ok := b.(string)
		return ok && a == b
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case int64:
		if i, ok := b.(int64); ok {
			return a == i
		}
		if f, ok := b.(float64); ok {
			return sameNumber(a, f)
		}
	case float64:
		if i, ok := b.(int64); ok {
			return sameNumber(i, a)
		}
	}
	return reflect.DeepEqual(a, b)
}

func sameFields(a, b map[string]any) bool {
	matched := 0
	for key, value := range a {
		if value == nil {
			if b[key] != nil {
				return false
			}
			continue
		}
		other, ok := b[key]
		if !ok || !sameValue(value, other) {
			return false
		}
		matched++
	}
	for _, value := range b {
		if value != nil {
			matched--
		}
	}
	return matched == 0
}

// sameNumber reports whether the two are equal without rounding. Of a float64 that is no int64, the conversion to one
// is whatever the processor makes of it, so that the way back has to agree too.
func sameNumber(i int64, f float64) bool {
	return float64(i) == f && int64(f) == i
}
