package certs

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const day = 24 * time.Hour

var (
	start     = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	lifetimes = Lifetimes{Serving: 90 * day, Authority: 730 * day, Settle: time.Hour}
	names     = []string{"10.0.0.1", "webhook.kubefed.svc"}
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// fresh is what the first replica of all makes.
func fresh() state { return must(state{}.take(decision{step: stepReplace}, names, start, lifetimes)) }

func after(s state, step step, now time.Time) state {
	return must(s.take(decision{step: step}, names, now, lifetimes))
}

func TestDecide(t *testing.T) {
	announced := after(fresh(), stepAnnounce, start.Add(487*day))
	cases := map[string]struct {
		reason string
		state  state
		names  []string
		now    time.Time
		since  time.Time
		want   step
	}{
		"Nothing": {reason: "The first replica makes all of it.", now: start, want: stepReplace},
		"Fresh":   {reason: "What is new is left alone.", state: fresh(), now: start, want: stepWait},
		"ServingNotYetDue": {reason: "A serving certificate is renewed after two thirds of its life, not before.",
			state: fresh(), now: start.Add(60*day - time.Second), want: stepWait},
		"ServingDue": {reason: "And then it is.", state: fresh(), now: start.Add(60 * day), want: stepIssue},
		"ServingExpired": {reason: "The CA can still issue.",
			state: fresh(), now: start.Add(91 * day), want: stepIssue},
		"AllExpired": {reason: "Nothing that is there can be used.", state: fresh(), now: start.Add(731 * day), want: stepReplace},
		"NamesFewer": {reason: "A certificate for more than is asked for is good.",
			state: fresh(), names: names[:1], now: start, want: stepWait},
		"NamesMore": {reason: "Clients that come by a new name would be refused.",
			state: fresh(), names: []string{"new"}, now: start, want: stepIssue},
		"IPSpelledOtherwise": {reason: "One IP has several spellings.",
			state: fresh(), names: []string{"::ffff:10.0.0.1"}, now: start, want: stepWait},
		"ServingEndsWithTheCA": {reason: "It would only be made again, and again.",
			state: after(announced, stepIssue, start.Add(729*day)), now: start.Add(729*day + 20*time.Hour), want: stepPromote},
		"AuthorityDue": {reason: "The successor is announced long before it is needed.",
			state: after(fresh(), stepIssue, start.Add(487*day)), now: start.Add(487 * day), want: stepAnnounce},
		"SuccessorNotTrusted": {reason: "A client would refuse what it issues.",
			state: after(announced, stepIssue, start.Add(487*day)), now: start.Add(500 * day), want: stepWait},
		"SuccessorTrustedJustNow": {reason: "A client may need a while to use what it was told.",
			state: after(announced, stepIssue, start.Add(487*day)), now: start.Add(500 * day), since: start.Add(500*day - time.Hour + 1), want: stepWait},
		"SuccessorTrusted": {reason: "Now it may issue.",
			state: after(announced, stepIssue, start.Add(487*day)), now: start.Add(500 * day), since: start.Add(500*day - time.Hour), want: stepPromote},
		"SuccessorPendingServingDue": {reason: "The serving certificate is renewed by the present CA meanwhile.",
			state: after(announced, stepIssue, start.Add(487*day)), now: start.Add(548 * day), want: stepIssue},
		"LastCall": {reason: "One client that is never told must not take all others with it when the CA ends.",
			state: after(announced, stepIssue, start.Add(669*day+10*time.Hour)), now: start.Add(669*day + 10*time.Hour), want: stepPromote},
		"LastCallUnsettled": {reason: "A successor that was announced late still gets its time.",
			state: after(after(fresh(), stepIssue, start.Add(700*day)), stepAnnounce, start.Add(700*day)), now: start.Add(700*day + time.Minute), want: stepWait},
		"FormerStillServed": {reason: "A replica may not have seen the new serving certificate yet.",
			state: after(announced, stepPromote, start.Add(488*day)), now: start.Add(488*day + 59*time.Minute), want: stepWait},
		"FormerIdle": {reason: "A CA that issued nothing that is served need not be trusted.",
			state: after(announced, stepPromote, start.Add(488*day)), now: start.Add(488*day + time.Hour), want: stepRetire},
		"Retired": {reason: "There is nothing to do then.",
			state: after(after(announced, stepPromote, start.Add(488*day)), stepRetire, start.Add(489*day)), now: start.Add(489 * day), want: stepWait},
		"Sealed": {reason: "Without a key nothing could be renewed.", state: fresh().sealed(), now: start.Add(day), want: stepAnnounce},
		"SealedAnnounced": {reason: "What is served is trusted; the new CA is not yet.",
			state: after(fresh().sealed(), stepAnnounce, start.Add(day)), now: start.Add(2 * day), want: stepWait},
		"SealedLastCall": {reason: "Nothing can renew what is served, so its end is the last call.",
			state: after(fresh().sealed(), stepAnnounce, start.Add(day)), now: start.Add(83 * day), want: stepPromote},
		"ServingGone": {reason: "Without one nothing can be served, and the CA is there.",
			state: state{trusted: announced.trusted, signer: announced.signer}, now: start, want: stepIssue},
		"OnlySuccessor": {reason: "Clients have been told of it, and of nothing better.",
			state: state{trusted: announced.trusted, next: announced.next}, now: start.Add(488 * day), want: stepPromote},
		"Faults": {reason: "What nobody can read has no place there.",
			state: func() state { s := fresh(); s.faults = []string{"x"}; return s }(), now: start, want: stepRewrite},
		"ClockBehind": {reason: "A replica whose clock is behind must not replace what is new.",
			state: fresh(), now: start.Add(-time.Hour), want: stepWait},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.names == nil {
				tc.names = names
			}
			if got := decide(tc.state, tc.names, tc.since, tc.now, lifetimes); got.step != tc.want {
				t.Errorf("%s\ngot %s (%s), want %s", tc.reason, got.step, got.reason, tc.want)
			}
		})
	}
}

// TestYears lets ten years pass day by day, with clients that learn of a bundle late, and replicas that serve something
// new late: what is served is always trusted.
func TestYears(t *testing.T) {
	for name, tc := range map[string]struct {
		reason        string
		clients       time.Duration // how late clients are told of a bundle; seen by the one who decides
		replicas      time.Duration // how late a replica serves what the Secret holds
		sealedAfter   time.Duration // when somebody deletes the Secret
		wantCAs       int
		wantRenewals  int
		wantInBundles int // at most
	}{
		"Prompt":      {reason: "Clients and replicas follow at once.", wantCAs: 8, wantRenewals: 60, wantInBundles: 2},
		"SlowClients": {reason: "Clients follow after a month.", clients: 30 * day, wantCAs: 8, wantRenewals: 60, wantInBundles: 2},
		"SlowReplica": {reason: "A replica follows as late as the settle period.", replicas: day, wantCAs: 8, wantRenewals: 60, wantInBundles: 2},
		"Deleted":     {reason: "The Secret is deleted on the way.", clients: 2 * day, sealedAfter: 1000 * day, wantCAs: 8, wantRenewals: 60, wantInBundles: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const tick = day
			lifetimes := lifetimes
			lifetimes.Settle = tick
			type moment struct {
				at time.Time
				s  state
			}
			s := fresh()
			history := []moment{{start.Add(-100 * day), s}}
			seen := func(now time.Time, late time.Duration) state {
				at := now.Add(-late)
				for i := len(history) - 1; ; i-- {
					if !history[i].at.After(at) {
						return history[i].s
					}
				}
			}
			var since time.Time
			authorities, leaves, most := map[string]bool{}, map[string]bool{}, 0
			for now := start; now.Before(start.Add(3650 * day)); now = now.Add(tick) {
				client := seen(now, tc.clients)
				switch {
				case s.next == nil || !slices.ContainsFunc(client.trusted, s.next.is):
					since = time.Time{}
				case since.IsZero():
					since = now
				}
				if tc.sealedAfter != 0 && now.Equal(start.Add(tc.sealedAfter)) {
					s = s.sealed()
				}
				for d := decide(s, names, since, now, lifetimes); d.step != stepWait; d = decide(s, names, since, now, lifetimes) {
					if d.step == stepReplace {
						t.Fatalf("%s: replaced everything: %s", now, d.reason)
					}
					s = must(s.take(d, names, now, lifetimes))
					history = append(history, moment{now, s})
				}
				for _, ca := range s.trusted {
					authorities[ca.SerialNumber.String()] = true
				}
				leaves[s.serving.cert.SerialNumber.String()] = true
				most = max(most, len(s.trusted))
				told, served := seen(now, tc.clients).trusted, seen(now, tc.replicas).serving
				if err := (state{trusted: told, serving: served}).servable(now); err != nil {
					t.Fatalf("%s\n%s: a client that trusts what it was told refuses what is served: %v", tc.reason, now, err)
				}
			}
			if len(authorities) < tc.wantCAs || len(leaves) < tc.wantRenewals || most > tc.wantInBundles {
				t.Errorf("%s\ngot %d CAs, %d serving certificates and %d CAs in a bundle, want at least %d, %d and at most %d",
					tc.reason, len(authorities), len(leaves), most, tc.wantCAs, tc.wantRenewals, tc.wantInBundles)
			}
		})
	}
}

// TestNamesConverge: replicas of two versions, with other names, do not renew each other's certificates for ever.
func TestNamesConverge(t *testing.T) {
	s := fresh()
	other := []string{"new.kubefed.svc"}
	steps := 0
	for i := range 10 {
		mine := names
		if i%2 == 0 {
			mine = other
		}
		if d := decide(s, mine, time.Time{}, start, lifetimes); d.step != stepWait {
			s, steps = must(s.take(d, mine, start, lifetimes)), steps+1
		}
	}
	if steps != 1 {
		t.Errorf("got %d steps, want 1", steps)
	}
	if diff := cmp.Diff([]string{"10.0.0.1", "new.kubefed.svc", "webhook.kubefed.svc"}, hosts(s.serving.cert)); diff != "" {
		t.Errorf("names: %s", diff)
	}
	s = must(s.take(decision{step: stepIssue}, names, start.Add(60*day), lifetimes))
	if diff := cmp.Diff(names, hosts(s.serving.cert)); diff != "" {
		t.Errorf("names after the renewal in due time: %s", diff)
	}
}

// TestEncode: what is written can be read again, every state of it.
func TestEncode(t *testing.T) {
	announced := after(fresh(), stepAnnounce, start)
	for name, s := range map[string]state{
		"Fresh": fresh(), "Announced": announced, "Promoted": after(announced, stepPromote, start),
		"Sealed": after(fresh().sealed(), stepAnnounce, start),
	} {
		t.Run(name, func(t *testing.T) {
			data := must(s.encode())
			got := parse(data)
			if diff := cmp.Diff(data, must(got.encode())); diff != "" || len(got.faults) > 0 {
				t.Errorf("faults %q, difference %s", got.faults, diff)
			}
		})
	}
}
