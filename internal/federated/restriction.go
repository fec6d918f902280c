package federated

import (
	"slices"

	"github.com/cellfed/cellfed/internal/topology"
)

// selector is a label selector taken apart. Editing one makes another that shares its memory.
type selector struct {
	// members are its members in order, with matchLabels at labelsAt and matchExpressions at expressionsAt, -1
	// where the selector does not have them.
	members                 []member
	labelsAt, expressionsAt int

	// labels and expressions are what the two hold.
	labels, expressions []member

	// addLabels and dropLabels say that the restriction's labels are to be put into labels, or left out. added
	// goes to the end of the expressions. Both make the list they need.
	addLabels, dropLabels bool
	added                 []expression
}

// expression is a match expression: the label has this value, or, without one, it exists.
type expression struct {
	key, value string
}

func (e expression) operator() string {
	if e.value == "" {
		return "Exists"
	}
	return "In"
}

// members returns how many members the expression has as a JSON object.
func (e expression) members() int {
	if e.value == "" {
		return 2
	}
	return 3
}

// restriction is the two labels, ordered by key, that restrict a selector in v1beta1. A restricted selector must be
// told from any that people wrote through v1beta1, and what people wrote in v2beta1 must come back as it was:
//
//   - The labels go into matchLabels if there is none, or if there is one, not empty, that has neither.
//   - Else two expressions go to the end of matchExpressions: in the labels' order if there was no list, and in the
//     opposite order if there was one, so that an absent list and an empty one stay different.
//   - A clusterSelector of v2beta1 that looks restricted gets one expression at its end that holds for all it selects,
//     and so does one that looks as if it had got that: one of two, again for the list's sake. That is what tells
//     it from a topologySelector in v1beta1.
//
// A selector that ends in any of these expressions is never restricted by labels: it would look like two things.
type restriction [2]topology.Label

// restrict returns the selector of v1beta1 for a topologySelector.
func (r restriction) restrict(s selector) selector {
	if r.takesLabels(s) {
		s.addLabels = true
		return s
	}
	return s.append(r.ownTail())
}

// restricted reports whether a selector of v1beta1 is what restrict makes of some topologySelector.
func (r restriction) restricted(s selector) bool {
	if rest, ok := s.cut(r.ownTail()); ok {
		return !r.takesLabels(rest)
	}
	if _, ok := s.cut(r.foreignTail()); ok {
		return false
	}
	return r.hasLabels(s)
}

// release is the inverse of restrict, for a selector that is restricted.
func (r restriction) release(s selector) selector {
	if rest, ok := s.cut(r.ownTail()); ok {
		return rest
	}
	if len(s.labels) == len(r) {
		return s.without(s.labelsAt)
	}
	s.dropLabels = true
	return s
}

// markForeign returns the selector of v1beta1 for a clusterSelector of v2beta1.
func (r restriction) markForeign(s selector) selector {
	if r.ambiguous(s) {
		return s.append(r.foreignTail())
	}
	return s
}

// unmarkForeign is the inverse of markForeign, for a selector that is not restricted.
func (r restriction) unmarkForeign(s selector) selector {
	if rest, ok := s.cut(r.foreignTail()); ok && r.ambiguous(rest) {
		return rest
	}
	return s
}

// ambiguous reports whether a selector could be taken for a restricted one, or for a marked one.
func (r restriction) ambiguous(s selector) bool {
	for {
		rest, ok := s.cut(r.foreignTail())
		if !ok {
			return r.restricted(s)
		}
		s = rest
	}
}

// takesLabels reports whether a selector is restricted by labels.
func (r restriction) takesLabels(s selector) bool {
	if s.labelsAt >= 0 && len(s.labels) == 0 {
		return false
	}
	for _, m := range s.labels {
		if r.has(m.key) {
			return false
		}
	}
	if _, ok := s.cut(r.ownTail()); ok {
		return false
	}
	_, ok := s.cut(r.foreignTail())
	return !ok
}

// hasLabels reports whether a selector has the labels where restrict puts them.
func (r restriction) hasLabels(s selector) bool {
	at := [2]int{-1, -1}
	for i, m := range s.labels {
		for j, label := range r {
			if m.key != label.Key {
				continue
			}
			if at[j] >= 0 || !m.is(label.Value) {
				return false
			}
			at[j] = i
		}
	}
	if at[0] < 0 || at[1] < 0 {
		return false
	}
	if at[0] != sorted(s.labels, r[0].Key, at[0], at[1]) || at[1] != sorted(s.labels, r[1].Key, at[0], at[1])+1 {
		return false
	}
	return len(s.labels) > len(r) || s.labelsAt == sorted(s.members, labelsKey, s.labelsAt)
}

func (r restriction) has(key string) bool {
	return key == r[0].Key || key == r[1].Key
}

// tail is what goes to the end of a selector's expressions if it had no list, and if it had one.
type tail struct {
	fresh, appended []expression
}

func (r restriction) ownTail() tail {
	a, b := expression{r[0].Key, r[0].Value}, expression{r[1].Key, r[1].Value}
	return tail{fresh: []expression{a, b}, appended: []expression{b, a}}
}

func (r restriction) foreignTail() tail {
	return tail{fresh: []expression{{key: r[1].Key}}, appended: []expression{{key: r[0].Key}}}
}

func (s selector) append(t tail) selector {
	s.added = t.appended
	if s.expressionsAt < 0 {
		s.added = t.fresh
	}
	return s
}

// cut is the inverse of append, for a selector as it was read. It reports false if append could not have made it.
func (s selector) cut(t tail) (selector, bool) {
	switch {
	case s.expressionsAt < 0:
	case len(s.expressions) == len(t.fresh) && s.endsIn(t.fresh):
		if s.expressionsAt == sorted(s.members, expressionsKey, s.expressionsAt) {
			return s.without(s.expressionsAt), true
		}
	case s.endsIn(t.appended):
		s.expressions = s.expressions[:len(s.expressions)-len(t.appended)]
		return s, true
	}
	return s, false
}

// without returns the selector without one of its members.
func (s selector) without(at int) selector {
	s.members = slices.Concat(s.members[:at], s.members[at+1:])
	shift := func(index *int, list *[]member) {
		switch {
		case *index == at:
			*index, *list = -1, nil
		case *index > at:
			*index--
		}
	}
	shift(&s.labelsAt, &s.labels)
	shift(&s.expressionsAt, &s.expressions)
	return s
}

func (s selector) endsIn(es []expression) bool {
	first := len(s.expressions) - len(es)
	if first < 0 {
		return false
	}
	for i, e := range es {
		if !isExpression(s.expressions[first+i].raw, e) {
			return false
		}
	}
	return true
}
