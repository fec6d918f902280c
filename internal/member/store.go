package member

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// change is one object's change, as far as it can be seen from outside. One of the two is nil where there was no object
// before, or is none after.
type change struct{ before, after *Object }

// store holds the objects of one target in one member: what the watches of both flavors told, and over it what cellfed's
// own writes were answered with, for as long as the watches have not caught up.
type store struct {
	sharer *sharer
	clock  clock.PassiveClock
	// changed is called without locks, in the order in which a flavor's changes happened.
	changed func([]change)
	// synced is called without locks, when the objects of both flavors were read for the first time in an epoch.
	synced func()

	mu      sync.RWMutex
	flavors [flavors]flavor
	overlay map[key]written
	// epoch counts the times at which the watches began anew.
	epoch int
}

// flavor is what the watch of one label told.
type flavor struct {
	objects map[key]*Object
	// version is the resource version up to which objects holds everything.
	version string
	// listed is the epoch of which objects are, zero before the first list.
	listed int
}

func newStore(s *sharer, c clock.PassiveClock) *store {
	return &store{sharer: s, clock: c, overlay: map[key]written{}, epoch: 1}
}

// begin starts a new epoch: the watches start anew, maybe on another server or on one that went back to old data. What is
// known stays so until it was read again; of the overlay, only what is written from now on stays then.
func (s *store) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
}

// known says whether the objects were read, at any time.
func (s *store) known() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.isKnown()
}

func (s *store) isKnown() bool {
	for _, f := range s.flavors {
		if f.listed == 0 {
			return false
		}
	}
	return true
}

func (s *store) get(k key) (o *Object, known bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.visible(k), s.isKnown()
}

func (s *store) list() []*Object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Object, 0, len(s.flavors[flavorKubeFed].objects)+len(s.flavors[flavorCellfed].objects))
	seen := make(map[key]struct{}, cap(all))
	add := func(k key) {
		if _, again := seen[k]; again {
			return
		}
		seen[k] = struct{}{}
		if o := s.visible(k); o != nil {
			all = append(all, o)
		}
	}
	for _, f := range s.flavors {
		for k := range f.objects {
			add(k)
		}
	}
	for k := range s.overlay {
		add(k)
	}
	return all
}

// watched returns what the watches told of an object: the newest, where both know it, for the two are not in step.
func (s *store) watched(k key) *Object {
	first, second := s.flavors[flavorKubeFed].objects[k], s.flavors[flavorCellfed].objects[k]
	switch {
	case first == nil:
		return second
	case second != nil && compareVersions(second.GetResourceVersion(), first.GetResourceVersion()) > 0:
		return second
	default:
		return first
	}
}

// apply makes a change to what a flavor's watch told and announces what can be seen of it.
func (s *store) apply(keys []key, change func()) {
	changes := s.diff(keys, change)
	if len(changes) > 0 && s.changed != nil {
		s.changed(changes)
	}
}

func (s *store) diff(keys []key, apply func()) []change {
	s.mu.Lock()
	defer s.mu.Unlock()
	wasKnown := s.isKnown()
	before := make([]*Object, len(keys))
	for n, k := range keys {
		before[n] = s.visible(k)
	}
	apply()
	var changes []change
	for n, k := range keys {
		s.settle(k)
		after := s.visible(k)
		// Before the first list was complete, nobody could see anything.
		if wasKnown && !sameVersion(before[n], after) {
			changes = append(changes, change{before[n], after})
		}
	}
	return changes
}

func sameVersion(a, b *Object) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a == b || a.GetUID() == b.GetUID() && a.GetResourceVersion() == b.GetResourceVersion()
}

// feed is the store of one flavor's reflector.
type feed struct {
	store  *store
	flavor int
	// target is checked against what comes.
	target Target
	// broken is called when the watch brings what cannot be: it has to begin anew, or something would be missed.
	broken func(error)
	// works is called when a list is complete.
	works func()
	// stalled fires when a list brings nothing for too long.
	stalled  clock.Timer
	patience time.Duration
}

// begin prepares for another list and watch, which broken ends.
func (f *feed) begin(broken func(error), c clock.WithDelayedExecution, patience time.Duration) {
	f.broken, f.patience = broken, patience
	f.stalled = c.AfterFunc(patience, func() { broken(errStalled) })
}

var errStalled = &AnswerError{Problem: "a list does not come to its end"}

var (
	_ cache.ReflectorStore         = (*feed)(nil)
	_ cache.TransformingStore      = (*feed)(nil)
	_ cache.ReflectorBookmarkStore = (*feed)(nil)
	_ cache.ResourceVersionUpdater = (*feed)(nil)
)

// Transformer lets a list that is streamed keep no more of each object than the store does.
func (f *feed) Transformer() cache.TransformFunc {
	return func(object any) (any, error) {
		if _, done := object.(*Object); done {
			return object, nil
		}
		u, ok := object.(*unstructured.Unstructured)
		if !ok {
			return nil, fmt.Errorf("read an object of %s: got a %T", f.target.Resource.GroupResource(), object)
		}
		f.stalled.Reset(f.patience)
		return f.store.sharer.transform(u)
	}
}

// read returns the object that a watch or list brought, or why it cannot be one of the target's.
func (f *feed) read(object any) (*Object, error) {
	o, ok := object.(*Object)
	if !ok {
		transformed, err := f.Transformer()(object)
		if err != nil {
			return nil, err
		}
		o = transformed.(*Object)
	}
	return o, checkObject(o.Unstructured, f.target)
}

// Add keeps an object. It implements cache.ReflectorStore, as the other methods do.
func (f *feed) Add(object any) error { return f.put(object, true) }

// Update keeps an object.
func (f *feed) Update(object any) error { return f.put(object, true) }

// Delete forgets an object: it is gone, or lost the label.
func (f *feed) Delete(object any) error { return f.put(object, false) }

func (f *feed) put(object any, there bool) error {
	o, err := f.read(object)
	f.stalled.Stop()
	if err != nil {
		f.broken(err)
		return err
	}
	k := keyOf(o.Unstructured)
	// A server that does not filter must not make foreign objects look like cellfed's.
	there = there && hasFlavor(o.Unstructured, flavorLabels[f.flavor])
	f.store.apply([]key{k}, func() {
		own := &f.store.flavors[f.flavor]
		if there {
			if own.objects == nil {
				own.objects = map[key]*Object{}
			}
			own.objects[k] = o
		} else {
			delete(own.objects, k)
			f.store.settleGone(k, o, f.flavor)
		}
	})
	return nil
}

// Replace keeps exactly the objects that were listed.
func (f *feed) Replace(list []any, version string) error {
	f.stalled.Stop()
	objects := make(map[key]*Object, len(list))
	for _, each := range list {
		o, err := f.read(each)
		f.stalled.Stop()
		if err != nil {
			return err
		}
		if hasFlavor(o.Unstructured, flavorLabels[f.flavor]) {
			objects[keyOf(o.Unstructured)] = o
		}
	}
	s := f.store
	s.mu.RLock()
	keys := make([]key, 0, len(objects))
	for k := range objects {
		keys = append(keys, k)
	}
	for k := range s.flavors[f.flavor].objects {
		if _, listed := objects[k]; !listed {
			keys = append(keys, k)
		}
	}
	// A write of which no watch has told may be refuted by the list.
	for k := range s.overlay {
		if _, listed := objects[k]; listed || s.flavors[f.flavor].objects[k] != nil {
			continue
		}
		keys = append(keys, k)
	}
	s.mu.RUnlock()
	complete := false
	s.apply(keys, func() {
		own := &s.flavors[f.flavor]
		complete = own.listed != s.epoch
		own.objects, own.version, own.listed = objects, version, s.epoch
		for _, each := range s.flavors {
			complete = complete && each.listed == s.epoch
		}
		s.sweep()
	})
	f.works()
	if complete && s.synced != nil {
		s.synced()
	}
	return nil
}

// Resync does nothing: nothing is done again that did not change.
func (f *feed) Resync() error { return nil }

// Bookmark notes how far the watch is.
func (f *feed) Bookmark(version string) error {
	f.UpdateResourceVersion(version)
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	f.store.sweep()
	return nil
}

// UpdateResourceVersion notes how far the watch is.
func (f *feed) UpdateResourceVersion(version string) {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	f.store.flavors[f.flavor].version = version
}

// checkObject says why what a member sent cannot be an object of a target.
func checkObject(u *unstructured.Unstructured, t Target) error {
	if kind := u.GroupVersionKind(); kind != t.Kind || u.GetName() == "" || u.GetUID() == types.UID("") || u.GetResourceVersion() == "" ||
		(u.GetNamespace() != "") != t.Namespaced {
		return &AnswerError{Problem: fmt.Sprintf("what should be an object of %s is of kind %q, name %q in namespace %q, UID %q, version %q",
			t.Kind, kind, u.GetName(), u.GetNamespace(), u.GetUID(), u.GetResourceVersion())}
	}
	return nil
}
