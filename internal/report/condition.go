package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cellfed/cellfed/internal/federated"
)

// maxNames is how many topologies a message names.
const maxNames = 10

const (
	isTrue    = "True"
	isFalse   = "False"
	isUnknown = "Unknown"
)

// conditions returns ours in a fixed order, and then those that somebody else may have set.
func (b *builder) conditions(clustersChanged bool) []federated.Condition {
	ours := []federated.Condition{b.propagation(clustersChanged), b.propagated()}
	if c, ok := b.available(); ok {
		ours = append(ours, c)
	}
	ours = append(ours, b.held())
	all := make([]federated.Condition, 0, max(len(ours), len(b.Object.Status.Conditions)))
	for _, c := range ours {
		if c.ObservedGeneration == 0 {
			c.ObservedGeneration = b.Object.Generation
		}
		c.LastTransitionTime = b.Now
		if before := b.condition(c.Type); before != nil && unmoved(before, &c) {
			c.LastTransitionTime = before.LastTransitionTime
		}
		all = append(all, c)
	}
	for _, c := range b.Object.Status.Conditions {
		if !isOurs(c.Type) {
			all = append(all, c)
		}
	}
	return all
}

func isOurs(conditionType string) bool {
	switch conditionType {
	case ConditionPropagation, ConditionPropagated, ConditionAvailable, ConditionHeld:
		return true
	default:
		return false
	}
}

// unmoved reports whether a condition is as it was before. Upstream's is another one when its reason is.
func unmoved(before, now *federated.Condition) bool {
	return before.Status == now.Status && (now.Type != ConditionPropagation || before.Reason == now.Reason)
}

// condition returns the condition that the object has, or nil.
func (b *builder) condition(conditionType string) *federated.Condition {
	for i := range b.Object.Status.Conditions {
		if c := &b.Object.Status.Conditions[i]; c.Type == conditionType {
			return c
		}
	}
	return nil
}

// propagation is upstream's condition. It has the time of the last change in a member too.
func (b *builder) propagation(clustersChanged bool) federated.Condition {
	c := federated.Condition{Type: ConditionPropagation, Status: isTrue, Reason: string(b.Reason), LastUpdateTime: b.Now}
	behind := b.names(func(e *entry) bool { return !b.inSync(e) })
	for i := range b.unlisted {
		behind = append(behind, b.unlisted[i].shown)
	}
	switch {
	case b.Reason != "":
		c.Status, c.Message = isFalse, b.Message
	case len(behind) > 0:
		c.Status, c.Reason, c.Message = isFalse, federated.ReasonCheckClusters, "Not as the object says: "+list(behind)
	}
	if before := b.condition(c.Type); before != nil && unmoved(before, &c) && !clustersChanged && !b.changed {
		c.LastUpdateTime = before.LastUpdateTime
	}
	return c
}

// propagated tells whether the change has reached all that it may touch.
func (b *builder) propagated() federated.Condition {
	c := federated.Condition{Type: ConditionPropagated, Status: isFalse}
	inScope := func(e *entry) bool { return !e.Held && !e.removed }
	scope := b.count(inScope) + len(b.unlisted)
	synced := b.count(func(e *entry) bool { return inScope(e) && b.inSync(e) })
	failed := b.failures()
	waiting := b.names(func(e *entry) bool { return inScope(e) && !b.inSync(e) })
	for i := range b.unlisted {
		waiting = append(waiting, b.unlisted[i].shown)
	}
	leaving := b.names(func(e *entry) bool { return e.removed && !e.Held })
	held := b.count(func(e *entry) bool { return e.Held })
	switch {
	case b.Reason != "":
		c.Reason, c.Message = string(b.Reason), b.Message
		return c
	case len(failed) > 0:
		c.Reason, c.Message = ReasonFailed, strings.Join(failed, "; ")
	case b.Object.Deleting:
		c.Reason, c.Message = ReasonDeleting, "The object is being deleted"
		if len(leaving) > 0 {
			c.Message = "Waiting for removal from " + list(leaving)
		}
	case len(waiting) > 0:
		c.Reason = ReasonProgressing
		c.Message = fmt.Sprintf("%d of %d have generation %d; waiting for %s", synced, scope, b.Object.Generation, list(waiting))
	case len(leaving) > 0:
		c.Reason, c.Message = ReasonProgressing, "Waiting for removal from "+list(leaving)
	case scope > 0:
		c.Status, c.Reason = isTrue, ReasonPropagated
		c.Message = fmt.Sprintf("%d of %d have generation %d", synced, scope, b.Object.Generation)
	case held > 0:
		c.Status, c.Reason, c.Message = isTrue, ReasonNothingInScope, "The placement mask holds every topology"
	default:
		c.Status, c.Reason, c.Message = isTrue, ReasonNotPlaced, "The object is placed nowhere"
	}
	if b.Message != "" {
		c.Message += "; " + b.Message
	}
	return c
}

// held tells what the placement mask keeps from changing.
func (b *builder) held() federated.Condition {
	names := b.names(func(e *entry) bool { return e.Held })
	c := federated.Condition{Type: ConditionHeld, Status: isTrue}
	switch {
	case len(names) == 0:
		c.Status, c.Reason, c.Message = isFalse, ReasonNothingHeld, "Every topology may be touched"
	case b.Object.Deleting:
		c.Reason = ReasonDeletionHeld
		c.Message = "The deletion waits for what the placement mask does not name: " + list(names) + "; name it in spec.placementMask, or remove the mask"
	default:
		c.Reason, c.Message = ReasonMasked, "Not in the placement mask: "+list(names)
	}
	return c
}

// summary counts for people and printer columns.
func (b *builder) summary() *federated.Summary {
	s := &federated.Summary{
		Placed:    int64(b.count(func(e *entry) bool { return e.Placed }) + len(b.unlisted)),
		InSync:    int64(b.count(b.inSync)),
		Held:      int64(b.count(func(e *entry) bool { return e.Held })),
		Failed:    int64(b.count(func(e *entry) bool { return failure(e.Status) })),
		Available: b.health.available,
	}
	if before := b.Object.Status.Summary; before != nil {
		s.Available += min(b.health.unknown, max(0, before.Available-s.Available))
	}
	return s
}

// failures returns, for each of upstream's words that means a failure, where it applies.
func (b *builder) failures() []string {
	where := map[string][]string{}
	for i := range b.entries {
		if e := &b.entries[i]; failure(e.Status) {
			where[e.Status] = append(where[e.Status], e.shown)
		}
	}
	failures := make([]string, 0, len(where))
	for word, names := range where {
		failures = append(failures, word+": "+list(names))
	}
	slices.SortFunc(failures, cmp.Compare)
	return failures
}

func (b *builder) count(which func(*entry) bool) int {
	n := 0
	for i := range b.entries {
		if which(&b.entries[i]) {
			n++
		}
	}
	return n
}

func (b *builder) names(which func(*entry) bool) []string {
	var names []string
	for i := range b.entries {
		if e := &b.entries[i]; which(e) {
			names = append(names, e.shown)
		}
	}
	return names
}

// list names topologies, sorted, and not all of them if they are many. It sorts the names in place.
func list(names []string) string {
	slices.Sort(names)
	if more := len(names) - maxNames; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNames], ", "), more)
	}
	return strings.Join(names, ", ")
}
