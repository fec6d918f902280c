package certs

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Lifetimes say how long certificates are good for.
type Lifetimes struct {
	// Serving is how long a serving certificate is valid. It is renewed after two thirds of that.
	Serving time.Duration
	// Authority is how long a CA is valid. Its successor is announced after two thirds of that.
	Authority time.Duration
	// Settle is for how long all clients must have been seen to trust a CA before it issues what is served, and how
	// long a CA that issues nothing any more is still trusted.
	Settle time.Duration
}

// step is what is to be done with the Secret next.
type step string

const (
	// stepWait does nothing.
	stepWait step = "Wait"
	// stepIssue has the signer issue a serving certificate.
	stepIssue step = "Issue"
	// stepAnnounce makes a successor that clients are told to trust and that issues nothing yet.
	stepAnnounce step = "Announce"
	// stepPromote makes the successor the signer, has it issue, and forgets the key of the one before.
	stepPromote step = "Promote"
	// stepRetire takes what is good for nothing any more from the bundle.
	stepRetire step = "Retire"
	// stepRewrite writes what could be read without what could not.
	stepRewrite step = "Rewrite"
	// stepReplace begins anew: nothing that is there can be used.
	stepReplace step = "Replace"
)

// decision is a step and why it is taken.
type decision struct {
	step   step
	reason string
}

// decide returns what is to be done next. trustedSince is since when all clients have been seen to trust the successor;
// zero means that they do not.
func decide(s state, names []string, trustedSince, now time.Time, l Lifetimes) decision {
	signs, follows := s.signer.usable(now), s.next.usable(now)
	if err := s.servable(now); err != nil {
		switch {
		case signs:
			return decision{stepIssue, err.Error()}
		case follows:
			return decision{stepPromote, err.Error()}
		}
		return decision{stepReplace, err.Error()}
	}
	if signs {
		if name, ok := lacking(s.serving.cert, names); ok {
			return decision{stepIssue, fmt.Sprintf("the serving certificate is not for %s", name)}
		}
		// One that ends with its CA would only be made again.
		if !now.Before(due(s.serving.cert)) && s.serving.cert.NotAfter.Before(s.signer.cert.NotAfter) {
			return decision{stepIssue, "two thirds of the serving certificate's life are over"}
		}
	}
	switch {
	case !follows && !signs:
		return decision{stepAnnounce, "there is no CA that can issue"}
	case !follows && !now.Before(due(s.signer.cert)):
		return decision{stepAnnounce, "two thirds of the CA's life are over"}
	case follows:
		if reason, ok := promotable(s, trustedSince, now, l.Settle); ok {
			return decision{stepPromote, reason}
		}
		return s.mend()
	}
	// Every replica serves what is new within the settle period, so nothing that a former CA issued is served after it.
	if slices.ContainsFunc(s.trusted, s.idle) && !now.Before(begin(s.serving.cert).Add(l.Settle)) {
		return decision{stepRetire, "nothing that a former CA issued is served"}
	}
	return s.mend()
}

// promotable returns whether the successor may issue what is served, and why.
func promotable(s state, trustedSince, now time.Time, settle time.Duration) (string, bool) {
	if !trustedSince.IsZero() && !now.Before(trustedSince.Add(settle)) {
		return "all clients trust the new CA", true
	}
	// What is served now ends with the signer, or with itself where nothing can renew it. A client that still does not
	// trust the successor then fails either way, and the others must not.
	end := s.serving.cert
	if s.signer.usable(now) {
		end = s.signer.cert
	}
	if !now.Before(lastCall(end)) && !now.Before(begin(s.next.cert).Add(settle)) {
		return "the CA before ends, and clients that do not trust the new one must not hold it up", true
	}
	return "", false
}

// mend returns the last thing that may be left to do.
func (s state) mend() decision {
	if len(s.faults) > 0 {
		return decision{stepRewrite, strings.Join(s.faults, "; ")}
	}
	return decision{step: stepWait}
}

// take returns the state after a step.
func (s state) take(d decision, names []string, now time.Time, l Lifetimes) (state, error) {
	s.faults = nil
	var err error
	switch d.step {
	case stepIssue:
		s.serving, err = s.signer.serve(s.servingNames(names, now), now, l.Serving)
	case stepAnnounce:
		if s.next, err = newAuthority(now, l.Authority); err == nil {
			s.trusted = append(slices.Clone(s.trusted), s.next.cert)
		}
	case stepPromote:
		s.signer, s.next = s.next, nil
		s.serving, err = s.signer.serve(s.servingNames(names, now), now, l.Serving)
	case stepRetire:
		s.trusted = slices.DeleteFunc(slices.Clone(s.trusted), s.idle)
	case stepReplace:
		if s.signer, err = newAuthority(now, l.Authority); err == nil {
			s.next = nil
			s.trusted = append(slices.Clone(s.trusted), s.signer.cert)
			s.serving, err = s.signer.serve(names, now, l.Serving)
		}
	}
	s.trusted = slices.DeleteFunc(slices.Clone(s.trusted), func(cert *x509.Certificate) bool { return !valid(cert, now) })
	return s, err
}

// servingNames returns what a serving certificate is to be for. Where another one is renewed because it lacks a name, its
// names stay: a replica with other flags must not take them back again, and so on for ever.
func (s state) servingNames(names []string, now time.Time) []string {
	names = slices.Clone(names)
	if s.serving.usable(now) && now.Before(due(s.serving.cert)) {
		names = append(names, hosts(s.serving.cert)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
