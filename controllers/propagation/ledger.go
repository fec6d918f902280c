package propagation

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/report"
)

// Entry is what was found of a federated object in one topology.
type Entry struct {
	// UID is the federated object's, and Observed the generation of it that was looked at.
	UID      types.UID
	Observed int64
	// Member is the physical cluster in which it was found.
	Member string
	// Outcome is what is to be reported.
	Outcome report.Outcome
	// Gone says that the member was seen to hold nothing of the object any more, after it was deleted.
	Gone bool
	// Beyond says that the object cannot reach the topology, as it is now. What was found is remembered, because that may
	// change, and not counted.
	Beyond bool
	// Settled is what was rendered last, and the version that the member's object had after it was written. An object
	// that is still of that version is as good as it gets: something in the member changes what is written to it.
	Settled string
	// Repairs is how often the same was written in a row, Wrote when it was last, and NotBefore when it may be again.
	Repairs          int
	Wrote, NotBefore time.Time
	// Failures is how often the same has failed in a row.
	Failures int
}

// pace is how the reports of one object follow each other.
type pace struct {
	// waiting is since when something is to be reported; zero when nothing is.
	waiting time.Time
	// written is when the last report was written.
	written time.Time
}

// Ledger holds what was found and is not, or not only, in the objects' status. It is lost with the process, and found
// again.
type Ledger struct {
	mu      sync.Mutex
	objects map[engine.ObjectKey]map[string]Entry
	paces   map[engine.ObjectKey]pace
	// busy counts who is at work on an object in a topology.
	busy  map[engine.ObjectKey]map[string]int
	tally tally
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{
		objects: map[engine.ObjectKey]map[string]Entry{}, paces: map[engine.ObjectKey]pace{},
		busy: map[engine.ObjectKey]map[string]int{}, tally: newTally(),
	}
}

// Begin notes that somebody is about to look at an object in a topology, until end is called. Who sees that nobody is, sees
// afterwards what came of all that was decided before.
func (l *Ledger) Begin(key engine.Key) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[key.ObjectKey] == nil {
		l.busy[key.ObjectKey] = map[string]int{}
	}
	l.busy[key.ObjectKey][key.Topology]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		topologies := l.busy[key.ObjectKey]
		if topologies[key.Topology]--; topologies[key.Topology] == 0 {
			delete(topologies, key.Topology)
		}
		if len(topologies) == 0 {
			delete(l.busy, key.ObjectKey)
		}
	}
}

// Busy returns the topologies in which somebody is at work on an object, nil for none.
func (l *Ledger) Busy(key engine.ObjectKey) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.busy[key]) == 0 {
		return nil
	}
	all := make(map[string]bool, len(l.busy[key]))
	for topology := range l.busy[key] {
		all[topology] = true
	}
	return all
}

// Get returns what was found in a topology.
func (l *Ledger) Get(key engine.Key) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.objects[key.ObjectKey][key.Topology]
	return e, ok
}

// All returns what was found in all topologies of an object.
func (l *Ledger) All(key engine.ObjectKey) map[string]Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]Entry, len(l.objects[key]))
	for topology, e := range l.objects[key] {
		all[topology] = e
	}
	return all
}

// Set records what was found, and reports whether that is news.
func (l *Ledger) Set(key engine.Key, e Entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Beyond = false
	topologies := l.objects[key.ObjectKey]
	if topologies == nil {
		topologies = map[string]Entry{}
		l.objects[key.ObjectKey] = topologies
	}
	before, ok := topologies[key.Topology]
	topologies[key.Topology] = e
	if ok {
		l.tally.leave(key, before)
	}
	l.tally.enter(key, e)
	before.Failures, e.Failures = 0, 0
	before.Outcome.Changed, e.Outcome.Changed = false, false
	return !ok || before != e
}

// Beyond notes which of the topologies in which an object was found it cannot reach any more: they are another's, or gone.
func (l *Ledger) Beyond(key engine.ObjectKey, topologies map[string]Entry) {
	if len(topologies) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for topology := range topologies {
		if e, ok := l.objects[key][topology]; ok && !e.Beyond {
			l.tally.leave(engine.Key{ObjectKey: key, Topology: topology}, e)
			e.Beyond = true
			l.objects[key][topology] = e
		}
	}
}

// Drop forgets a topology, and reports whether there was something to forget.
func (l *Ledger) Drop(key engine.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, ok := l.objects[key.ObjectKey][key.Topology]
	delete(l.objects[key.ObjectKey], key.Topology)
	if ok {
		l.tally.leave(key, before)
	}
	l.tally.undelivered(key)
	return ok
}

// Forget forgets an object.
func (l *Ledger) Forget(key engine.ObjectKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.forget(key, l.objects[key])
	delete(l.objects, key)
	delete(l.paces, key)
}

// ForgetType forgets the objects of a type.
func (l *Ledger) ForgetType(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.forgetType(name)
	for key := range l.objects {
		if key.Type == name {
			delete(l.objects, key)
		}
	}
	for key := range l.paces {
		if key.Type == name {
			delete(l.paces, key)
		}
	}
}

// Wait returns how long the report of an object is still to be put off, when it is now. What is settled, all of its
// topologies known, is written at once, other things after settle; and there is gap between two reports.
func (l *Ledger) Wait(key engine.ObjectKey, now time.Time, settled bool, settle, gap time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.paces[key]
	if p.waiting.IsZero() {
		p.waiting = now
		l.paces[key] = p
	}
	var wait time.Duration
	if !settled {
		wait = p.waiting.Add(settle).Sub(now)
	}
	return max(wait, p.written.Add(gap).Sub(now), 0)
}

// Waiting returns for how long something of an object has waited to be reported.
func (l *Ledger) Waiting(key engine.ObjectKey, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.paces[key]
	if p.waiting.IsZero() {
		p.waiting = now
		l.paces[key] = p
	}
	return now.Sub(p.waiting)
}

// Reported says that the report of an object was looked after, and whether it was written.
func (l *Ledger) Reported(key engine.ObjectKey, now time.Time, written bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.paces[key]
	p.waiting = time.Time{}
	if written {
		p.written = now
	}
	if p.written.IsZero() {
		delete(l.paces, key)
		return
	}
	l.paces[key] = p
}
