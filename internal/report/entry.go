package report

import (
	"strings"
	"unicode/utf8"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// maxMessage is how many bytes of a topology's message are reported.
const maxMessage = 1024

// fill says what the status says of the topology. It reports false if the status does not list it: because the object is
// not there and is not to be there, or because nothing is known of it yet.
func (b *builder) fill(e *entry) bool {
	previous := b.previous[e.Topology.Name]
	if e.Live == nil && !b.listed(e, previous) {
		return false
	}
	status := federated.ClusterStatus{}
	if previous != nil {
		status = *previous
		status.RemoteStatus = nil
	}
	if e.Outcome != nil {
		status.Status, status.Message = e.Outcome.Status, e.Outcome.Message
		if e.Outcome.Generation != 0 {
			status.Generation = e.Outcome.Generation
		}
		if e.Outcome.AppliedVersion != "" {
			status.AppliedVersion = e.Outcome.AppliedVersion
		}
	}
	status.Name = e.Topology.Name
	if !settle(e, &status) {
		return false
	}
	b.fillRemote(e, previous, &status)
	status.LastChangeTime = b.Now
	if previous != nil && previous.Status == status.Status && previous.Generation == status.Generation && previous.AppliedVersion == status.AppliedVersion {
		status.LastChangeTime = previous.LastChangeTime
	}
	e.ClusterStatus = status
	return true
}

// listed reports whether the status lists a topology whose object nobody has seen. One that is to have nothing is listed if
// it was before, and is not known to be empty: a mask that does not name it is no reason to believe that it has anything.
func (b *builder) listed(e *entry, previous *federated.ClusterStatus) bool {
	faulty := e.Outcome != nil && e.Outcome.Status != federated.StatusOK && e.Outcome.Status != federated.StatusHeld
	if e.removed {
		return !e.Known && (previous != nil || faulty)
	}
	return previous != nil || e.Outcome != nil || e.Held
}

// settle makes the word agree with what is wanted of the topology now: an outcome can be older than that, and what was
// reported before is. It reports false if nothing is left to be said.
func settle(e *entry, status *federated.ClusterStatus) bool {
	word := status.Status
	switch {
	case e.Held:
		word = federated.StatusHeld
	case e.removed:
		// An outcome without a fault means that the member has been asked to delete, or has nothing.
		if e.Outcome != nil && e.Outcome.Status == federated.StatusOK && e.Live == nil {
			return false
		}
		if word == federated.StatusOK || word == federated.StatusHeld {
			word = federated.StatusWaitingForRemoval
		}
	case word == federated.StatusHeld || word == federated.StatusWaitingForRemoval:
		// Wanted again: the generation tells that it is not there yet.
		if status.Generation == 0 && e.Live == nil {
			return false
		}
		word, status.Message = federated.StatusOK, ""
	}
	if word != status.Status && e.Outcome == nil {
		status.Message = ""
	}
	status.Status = word
	return true
}

// fillRemote reports the member's own status. What was reported before goes on to hold as long as nobody knows better.
func (b *builder) fillRemote(e *entry, previous, status *federated.ClusterStatus) {
	status.Message = shorten(withoutNote(status.Message))
	if e.Live == nil && !e.Known && previous != nil {
		if b.Policy.collects() {
			status.RemoteStatus = previous.RemoteStatus
			if previous.RemoteStatus == nil && hasNote(previous.Message) {
				status.Message = withNote(status.Message)
			}
		}
		return
	}
	if e.Live == nil {
		return
	}
	// The schema allows nothing but an object: anything else would make the API server refuse the whole status.
	if own, ok := e.Live.Object["status"].(map[string]any); ok {
		if remote := b.Policy.choose(own); len(remote) > 0 {
			status.RemoteStatus = remote
		}
	}
}

// collects reports whether anything of the members' status is reported.
func (p *StatusPolicy) collects() bool { return p == nil || p.Collection != v1alpha1.StatusNone }

// choose returns what is reported of a member's status.
func (p *StatusPolicy) choose(status map[string]any) map[string]any {
	switch {
	case !p.collects():
		return nil
	case p != nil && p.Collection == v1alpha1.StatusFields:
		if p.Fields == nil {
			return nil
		}
		return p.Fields(status)
	default:
		return status
	}
}

// shorten cuts a message that is too long between two characters.
func shorten(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	const ellipsis = "…"
	cut := maxMessage - len(ellipsis)
	for cut > 0 && !utf8.RuneStart(message[cut]) {
		cut--
	}
	return strings.TrimRight(message[:cut], " ") + ellipsis
}
