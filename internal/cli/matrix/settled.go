package matrix

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// maxNames is how many topologies a sentence names.
const maxNames = 5

// Settled reports whether all that is released is in sync and works, and if not, what is still waited for. Whether what
// is held works does not matter.
func (m *Matrix) Settled() (settled bool, waitingFor string) {
	switch {
	case m.ObservedGeneration != m.Generation:
		return false, fmt.Sprintf("generation %d is not reported yet", m.Generation)
	case m.Deleting:
		return false, "the object is being deleted" + m.where(": ", Removing, Held, Failed)
	case m.Summary.Failed > 0:
		return false, "failed" + m.where(" in ", Failed)
	case m.Summary.Progressing+m.Summary.Removing > 0:
		return false, "not there yet" + m.where(": ", Progressing, Removing)
	}
	if m.Summary.Unknown > 0 {
		return false, "not known" + m.where(": ", Unknown)
	}
	c, ok := m.Condition(propagated(m.Propagator))
	if !ok || c.Status != "True" {
		return false, because("not propagated", c.Message)
	}
	return m.works()
}

// propagated is the condition by which a propagator tells that it is done.
func propagated(by v1alpha1.Propagator) string {
	if by == v1alpha1.PropagatorKubeFed {
		return federated.PropagationCondition
	}
	return "Propagated"
}

// works reports whether what is released works. A condition that speaks of everything cannot tell it where something held
// does not work; then the count in the status has to be that of all that work but those that are held and do not.
func (m *Matrix) works() (bool, string) {
	c, judged := m.Condition("Available")
	if !judged || c.Status == "True" {
		return true, ""
	}
	var required, heldBack int
	for i := range m.Rows {
		row := &m.Rows[i]
		switch {
		case row.State == Held && row.Health == "":
			// It has nothing there.
		case row.State == Held:
			required++
			if row.Health != Available {
				heldBack++
			}
		case row.Health != Available:
			return false, "not available" + m.unavailable()
		default:
			required++
		}
	}
	if required == 0 || heldBack > 0 && int(m.Summary.Available) == required-heldBack {
		return true, ""
	}
	return false, because("not available", c.Message)
}

// because joins what is not so with a condition's message, which may begin with the same words.
func because(what, message string) string {
	first, size := utf8.DecodeRuneInString(message)
	message = strings.ToLower(string(first)) + message[size:]
	switch {
	case size == 0:
		return what
	case strings.HasPrefix(message, what):
		return message
	default:
		return what + ": " + message
	}
}

// Condition returns the object's condition of that type.
func (m *Matrix) Condition(conditionType string) (federated.Condition, bool) {
	for _, c := range m.Conditions {
		if c.Type == conditionType {
			return c, true
		}
	}
	return federated.Condition{}, false
}

// where names the rows in the states.
func (m *Matrix) where(before string, states ...State) string {
	return named(before, m.Rows, func(r *Row) bool { return slices.Contains(states, r.State) })
}

func (m *Matrix) unavailable() string {
	return named(": ", m.Rows, func(r *Row) bool { return r.State != Held && r.Health != Available })
}

func named(before string, rows []Row, which func(*Row) bool) string {
	var names []string
	for i := range rows {
		if which(&rows[i]) {
			names = append(names, rows[i].Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	if more := len(names) - maxNames; more > 0 {
		return fmt.Sprintf("%s%s and %d more", before, strings.Join(names[:maxNames], ", "), more)
	}
	return before + strings.Join(names, ", ")
}
