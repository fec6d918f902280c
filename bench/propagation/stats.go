package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// quantile returns the value at or below which the share q of the values is; zero for none.
func quantile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 {
		var zero T
		return zero
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// middle returns the one of the phases that took the median time.
func middle(phases []phase) phase {
	sorted := slices.SortedFunc(slices.Values(phases), func(a, b phase) int { return cmp.Compare(a.took, b.took) })
	return sorted[(len(sorted)-1)/2]
}

func millis(d time.Duration) float64 { return d.Seconds() * 1e3 }
