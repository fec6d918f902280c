package propagation

import (
	"testing"
	"time"

	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

func TestLedger(t *testing.T) {
	x := engine.ObjectKey{Type: "configmaps", Namespace: "acme", Name: "x"}
	d := engine.ObjectKey{Type: "deployments.apps", Namespace: "acme", Name: "d"}
	at := engine.Key{ObjectKey: x, Topology: "hz"}
	e := Entry{UID: "f1", Observed: 1, Outcome: report.Outcome{Generation: 1}}
	with := func(change func(*Entry)) Entry { c := e; change(&c); return c }
	cases := map[string]struct {
		reason string
		second Entry
		news   bool
	}{
		"Same":     {"nothing is new", e, false},
		"Failures": {"how often it was tried is nobody's business", with(func(e *Entry) { e.Failures = 3 }), false},
		"Changed":  {"that something was written does not make it new", with(func(e *Entry) { e.Outcome.Changed = true }), false},
		"Status":   {"another word", with(func(e *Entry) { e.Outcome.Status = federated.StatusHeld }), true},
		"Observed": {"another generation was looked at", with(func(e *Entry) { e.Observed = 2 }), true},
		"Gone":     {"it is gone", with(func(e *Entry) { e.Gone = true }), true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := NewLedger()
			if !l.Set(at, e) {
				t.Error("the first entry is no news")
			}
			if news := l.Set(at, tc.second); news != tc.news {
				t.Errorf("%s: news %v", tc.reason, news)
			}
			if got, ok := l.Get(at); !ok || got != tc.second {
				t.Errorf("got %+v, %v", got, ok)
			}
		})
	}
	l := NewLedger()
	if l.Drop(at) {
		t.Error("dropped what was never there")
	}
	l.Set(at, e)
	l.Set(engine.Key{ObjectKey: d, Topology: "hz"}, e)
	l.All(x)["hz"] = Entry{}
	if got, _ := l.Get(at); got != e {
		t.Error("All is not a copy")
	}
	l.Reported(d, time.Unix(1, 0), true)
	l.ForgetType("deployments.apps")
	if len(l.All(d)) != 0 || len(l.All(x)) != 1 || len(l.paces) != 0 {
		t.Error("ForgetType forgets something else")
	}
	if !l.Drop(at) || len(l.All(x)) != 0 {
		t.Error("Drop does not")
	}
	l.Set(at, e)
	l.Wait(x, time.Unix(1, 0), false, time.Second, time.Second)
	l.Forget(x)
	if len(l.objects) != 0 || len(l.paces) != 0 {
		t.Error("Forget leaves something behind")
	}
}

func TestLedgerWait(t *testing.T) {
	const settle, gap = 200 * time.Millisecond, 500 * time.Millisecond
	key := engine.ObjectKey{Type: "configmaps", Namespace: "acme", Name: "x"}
	began := time.Unix(1000, 0)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	cases := map[string]struct {
		reason  string
		prepare func(l *Ledger)
		now     time.Time
		settled bool
		want    time.Duration
	}{
		"Settled":        {"the first change is told at once", func(*Ledger) {}, at(0), true, 0},
		"Unsettled":      {"others may follow", func(*Ledger) {}, at(0), false, settle},
		"UnsettledSince": {"it is counted from the first change", func(l *Ledger) { l.Wait(key, at(0), false, settle, gap) }, at(150), false, 50 * time.Millisecond},
		"UnsettledLong":  {"no topology holds the report up", func(l *Ledger) { l.Wait(key, at(0), false, settle, gap) }, at(900), false, 0},
		"JustWritten":    {"a storm in the members is none in the host", func(l *Ledger) { l.Reported(key, at(0), true) }, at(100), true, 400 * time.Millisecond},
		"NothingWritten": {"what was not written keeps nobody waiting", func(l *Ledger) { l.Reported(key, at(0), false) }, at(100), true, 0},
		"WrittenLongAgo": {"the gap is over", func(l *Ledger) { l.Reported(key, at(0), true) }, at(500), true, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := NewLedger()
			tc.prepare(l)
			if got := l.Wait(key, tc.now, tc.settled, settle, gap); got != tc.want {
				t.Errorf("%s: waits %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
}
