package member

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

const (
	// writtenFor is how long what was written is shown over what the watches tell, if they never tell of it.
	writtenFor = 5 * time.Minute
	// maxWritten bounds how many writes are remembered.
	maxWritten = 100_000
)

// written is what a write of cellfed's own was answered with.
type written struct {
	// object is what there is now, nil when the object is gone or is no longer cellfed's.
	object *Object
	uid    types.UID
	// version is the object's after the write. It is empty for a deletion, whose version no answer tells.
	version string
	flavor  int
	epoch   int
	at      time.Time
}

// wrote remembers an object that a write was answered with. What is known to be newer stays.
func (s *store) wrote(o *Object) {
	k := keyOf(o.Unstructured)
	flavor, managed := flavorOf(o.Unstructured)
	w := written{object: o, uid: o.GetUID(), version: o.GetResourceVersion(), flavor: flavor}
	if !managed {
		w.object = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !managed {
		// The watch that loses it is the one that had it.
		if s.flavors[flavorCellfed].objects[k] != nil {
			w.flavor = flavorCellfed
		}
	}
	if seen := s.watched(k); seen != nil && compareVersions(seen.GetResourceVersion(), w.version) >= 0 {
		return
	}
	if last, ok := s.overlay[k]; ok && last.version != "" && compareVersions(last.version, w.version) > 0 {
		return
	}
	s.remember(k, w)
}

// deleted remembers that an object is gone.
func (s *store) deleted(o *Object) {
	k := keyOf(o.Unstructured)
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen := s.watched(k); seen != nil && seen.GetUID() != o.GetUID() {
		return // Its successor is known already.
	}
	if last, ok := s.overlay[k]; ok && last.uid != o.GetUID() {
		return
	}
	flavor, _ := flavorOf(o.Unstructured)
	s.remember(k, written{uid: o.GetUID(), flavor: flavor})
}

func (s *store) remember(k key, w written) {
	w.epoch, w.at = s.epoch, s.clock.Now()
	if _, again := s.overlay[k]; !again && len(s.overlay) >= maxWritten {
		s.sweep()
		for each := range s.overlay {
			if len(s.overlay) < maxWritten {
				break
			}
			delete(s.overlay, each)
		}
	}
	s.overlay[k] = w
}

// visible returns an object as it is: what the watches told, unless a write is known to have come after it.
func (s *store) visible(k key) *Object {
	seen := s.watched(k)
	w, ok := s.overlay[k]
	if !ok || s.over(w, seen) {
		return seen
	}
	return w.object
}

// over says whether what the watches told has caught up with a write.
func (s *store) over(w written, seen *Object) bool {
	listed := s.flavors[w.flavor].listed
	switch {
	case s.clock.Since(w.at) > writtenFor:
		return true
	case w.epoch < listed:
		// The list began after the write was answered, and maybe on a server whose versions have nothing to do with it.
		return true
	case seen != nil && w.version == "":
		return seen.GetUID() != w.uid
	case seen != nil:
		return compareVersions(seen.GetResourceVersion(), w.version) >= 0
	case w.version == "":
		// A watch that is behind may still tell of it, before it tells of its end.
		return false
	default:
		version := s.flavors[w.flavor].version
		return listed == w.epoch && version != "" && compareVersions(version, w.version) >= 0
	}
}

// settle forgets a write with which the watches have caught up.
func (s *store) settle(k key) {
	if w, ok := s.overlay[k]; ok && s.over(w, s.watched(k)) {
		delete(s.overlay, k)
	}
}

// settleGone forgets a write of an object of which a watch told that it is gone, or that it lost its label. last is its
// last state.
func (s *store) settleGone(k key, last *Object, flavor int) {
	w, ok := s.overlay[k]
	if !ok || w.object != nil && w.flavor != flavor {
		return // An object that changes its label leaves one watch and comes to the other.
	}
	if w.version == "" && w.uid == last.GetUID() || w.version != "" && compareVersions(last.GetResourceVersion(), w.version) >= 0 {
		delete(s.overlay, k)
	}
}

// sweep forgets all the writes that are over.
func (s *store) sweep() {
	for k, w := range s.overlay {
		if s.over(w, s.watched(k)) {
			delete(s.overlay, k)
		}
	}
}

// compareVersions compares resource versions of objects of one type in one member. One that is no number, which the API
// allows no longer, is newer than any: what the watch tells last is then believed.
func compareVersions(a, b string) int {
	order, err := resourceversion.CompareResourceVersion(a, b)
	if err != nil {
		if a == b {
			return 0
		}
		return 1
	}
	return order
}
