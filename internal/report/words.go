package report

import "github.com/cellfed/cellfed/internal/federated"

// AggregateReason is upstream KubeFed's reason of its condition: why nothing is propagated at all. The words are package
// federated's; empty means that nothing keeps it.
type AggregateReason string

// The types of the conditions.
const (
	// ConditionPropagation is upstream's: whether every topology that is listed holds what the object says, those that
	// are held included.
	ConditionPropagation = federated.PropagationCondition
	// ConditionPropagated tells whether every topology that a change may touch now has this generation of the object, or
	// does not have the object any more.
	ConditionPropagated = "Propagated"
	// ConditionAvailable tells whether what the topologies hold works. Only for kinds for which there is a rule.
	ConditionAvailable = "Available"
	// ConditionHeld tells whether a topology is held.
	ConditionHeld = "Held"
)

// The reasons of ConditionPropagated, beside AggregateReason's.
const (
	// ReasonPropagated means that every topology in scope has this generation.
	ReasonPropagated = "Propagated"
	// ReasonProgressing means that a topology in scope does not have this generation yet; of ConditionAvailable, that
	// a topology does not work yet.
	ReasonProgressing = "Progressing"
	// ReasonFailed means that a topology in scope could not be written or read; of ConditionAvailable, that what a
	// topology holds has failed.
	ReasonFailed = "Failed"
	// ReasonNothingInScope means that every topology is held.
	ReasonNothingInScope = "NothingInScope"
	// ReasonNotPlaced means that the object is placed nowhere.
	ReasonNotPlaced = "NotPlaced"
	// ReasonDeleting means that the object is being deleted.
	ReasonDeleting = "Deleting"
)

// The other reasons of ConditionAvailable and ConditionHeld.
const (
	// ReasonAvailable means that what the topologies hold works.
	ReasonAvailable = "Available"
	// ReasonNotKnown means that nobody can tell whether what a topology holds works.
	ReasonNotKnown = "NotKnown"
	// ReasonMasked means that the placement mask holds a topology.
	ReasonMasked = "Masked"
	// ReasonDeletionHeld means that the placement mask keeps the object from being deleted.
	ReasonDeletionHeld = "DeletionHeld"
	// ReasonNothingHeld means that the placement mask holds nothing.
	ReasonNothingHeld = "NothingHeld"
)

// failure reports whether the word means that something went wrong.
func failure(status string) bool {
	return status != federated.StatusOK && status != federated.StatusHeld && status != federated.StatusWaitingForRemoval
}

// unreachable reports whether the word means that nobody can tell what the member has now.
func unreachable(status string) bool {
	switch status {
	case federated.StatusClusterNotReady, federated.StatusCachedRetrievalFailed, federated.StatusRetrievalFailed:
		return true
	default:
		return false
	}
}
