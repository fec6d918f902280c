package propagation

import (
	"cmp"
	"maps"
	"slices"
)

// lagging is one kind of things as they are, and as a watch that is behind has told of them so far. The values are never
// changed.
type lagging[K cmp.Ordered, V any] struct {
	now     map[K]*V
	seen    map[K]*V
	pending []K
	told    []*V
	// synced is false until the watch has begun.
	synced bool
}

func newLagging[K cmp.Ordered, V any]() *lagging[K, V] {
	return &lagging[K, V]{now: map[K]*V{}, seen: map[K]*V{}}
}

// set is a change of what there is; nil is a deletion.
func (l *lagging[K, V]) set(k K, v *V) {
	if v == nil {
		delete(l.now, k)
	} else {
		l.now[k] = v
	}
	if l.synced {
		l.pending, l.told = append(l.pending, k), append(l.told, v)
	}
}

// next has the watch tell of one more change. With skip, all that is pending for the same thing is one change.
func (l *lagging[K, V]) next(skip bool) (k K, before, after *V, ok bool) {
	if len(l.pending) == 0 {
		return k, nil, nil, false
	}
	k, after = l.pending[0], l.told[0]
	l.pending, l.told = l.pending[1:], l.told[1:]
	for i := 0; skip && i < len(l.pending); {
		if l.pending[i] != k {
			i++
			continue
		}
		after = l.told[i]
		l.pending, l.told = slices.Delete(l.pending, i, i+1), slices.Delete(l.told, i, i+1)
	}
	before = l.seen[k]
	if after == nil {
		delete(l.seen, k)
	} else {
		l.seen[k] = after
	}
	return k, before, after, true
}

// forget loses the watch.
func (l *lagging[K, V]) forget() {
	l.seen, l.pending, l.told, l.synced = map[K]*V{}, nil, nil, false
}

// list begins the watch, and returns what there was before.
func (l *lagging[K, V]) list() map[K]*V {
	before := l.seen
	l.seen, l.pending, l.told, l.synced = maps.Clone(l.now), nil, nil, true
	return before
}

func (l *lagging[K, V]) current() bool { return l.synced && len(l.pending) == 0 }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
