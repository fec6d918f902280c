package propagation

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/report"
	"github.com/cellfed/cellfed/internal/scope"
)

// situation is all that decides what is to be done for a federated object in one topology.
type situation struct {
	key      engine.Key
	target   render.Target
	policy   *render.Policy
	object   *federated.Object // Nil when there is none any more.
	topology Topology
	decision scope.Decision
	// hostNamespace is the UID of the host Namespace that the object is in.
	hostNamespace string
	// shared says that the object is a Namespace in which a cell is, too.
	shared bool
	// trouble says why the member cannot be used; empty when it can.
	trouble string
	// unread says why it is not known what the member holds; empty when it is.
	unread string
	// live is what the member holds under the object's name, nil if nothing.
	live *member.Object
	// asked says that live was not read from the cache, which holds what is managed alone, but asked for.
	asked bool
	// adopts says that what is nobody's may be taken over.
	adopts bool
	// before is what was found last, by this process.
	before Entry
}

// verb is what is to be done in the member. Each is one request at most.
type verb int

const (
	// verbNone: nothing.
	verbNone verb = iota
	// verbCreate makes an object that is not there.
	verbCreate
	// verbApply changes one.
	verbApply
	// verbDelete deletes one.
	verbDelete
	// verbRelease takes the labels away that mark one.
	verbRelease
	// verbAsk reads from the member what the cache cannot tell.
	verbAsk
)

// step is what is to be done, and what is to be reported if that succeeds.
type step struct {
	verb    verb
	desired *unstructured.Unstructured
	pin     bool
	digest  string
	outcome report.Outcome
	// report says that there is an outcome. Without one the topology is forgotten.
	report bool
	// gone says that the member holds nothing of a deleted object.
	gone bool
	// event is what to tell people, the reason of an event; empty for nothing.
	event string
}

func reported(status, message string, generation int64, applied string) step {
	return step{report: true, outcome: report.Outcome{Status: status, Message: message, Generation: generation, AppliedVersion: applied}}
}

// decide is a pure function: the situation, to the one step that is next.
func decide(s *situation) step {
	if s.object == nil {
		return decideOrphan(s)
	}
	d := s.decision
	switch {
	case d.Want == scope.Untouched:
		return decideHeld(s)
	case s.trouble != "" || s.unread != "":
		return decideUnreachable(s)
	case d.Want == scope.Present:
		return decidePresent(s)
	default:
		return decideAbsent(s)
	}
}

// decideOrphan releases what a member holds of a federated object that is gone, as upstream does.
func decideOrphan(s *situation) step {
	if s.trouble != "" || s.live == nil || s.owner() != ours || s.live.GetDeletionTimestamp() != nil {
		return step{}
	}
	if s.target.IsNamespace() && s.topology.View != nil {
		return step{} // It is the cell's, and goes with the cell.
	}
	return step{verb: verbRelease}
}

// decideHeld leaves everything as it is.
func decideHeld(s *situation) step {
	if !s.decision.Held || !s.decision.Placed && (s.live == nil || s.owner() != ours) {
		return step{}
	}
	generation, applied := s.last()
	return reported(federated.StatusHeld, "", generation, applied)
}

// decideUnreachable waits for the member.
func decideUnreachable(s *situation) step {
	generation, applied := s.last()
	if entry, listed := s.entry(); !s.decision.Placed && applied == "" && (!listed || !mayHave(s.object, entry)) {
		return step{}
	}
	if s.trouble != "" {
		return reported(federated.StatusClusterNotReady, s.trouble, generation, applied)
	}
	return reported(federated.StatusCachedRetrievalFailed, s.unread, generation, applied)
}

func decidePresent(s *situation) step {
	generation, applied := s.last()
	rendered, err := render.Render(s.object, s.topology.Topology, s.target, s.policy)
	if err != nil {
		status := federated.StatusComputeResourceFailed
		if errors.Is(err, federated.ErrOverrides) {
			status = federated.StatusApplyOverridesFailed
		}
		return reported(status, err.Error(), generation, applied)
	}
	if s.live == nil {
		return step{verb: verbCreate, desired: rendered.Object, digest: rendered.Digest()}
	}
	switch s.owner() {
	case unmanaged:
		return reported(federated.StatusManagedLabelFalse, fmt.Sprintf("the object in the member carries the label %s: %q, and is left alone: remove the label to have it managed", kubeFedLabel, labelFalse), generation, applied)
	case foreign:
		if s.target.IsNamespace() {
			// It is shared with the one that made it, and only seen.
			return reported(federated.StatusOK, "", s.object.Generation, "")
		}
		return reported(federated.StatusAlreadyExists, "an object of this name in the member belongs to another federated object or cell: rename one of them", generation, applied)
	case free:
		if !s.adopts {
			return reported(federated.StatusAlreadyExists, "an object of this name is in the member already and nobody manages it: delete it, or set spec.syncController.adoptResources of the KubeFedConfig to Enabled", generation, applied)
		}
	}
	if s.live.GetDeletionTimestamp() != nil {
		return reported(federated.StatusWaitingForRemoval, "the object is being deleted in the member, and is created again when it is gone", generation, applied)
	}
	return decideChange(s, rendered)
}

// decideChange compares what the member holds with what it should hold.
func decideChange(s *situation, rendered *render.Rendered) step {
	generation, applied := s.last()
	live := &render.Live{Object: s.live.Unstructured, Applied: s.live.Applied, Legacy: s.live.Legacy}
	desired, pin := render.Retain(rendered, live, s.object, s.target, s.policy)
	differences := render.Diff(desired, live, s.topology.Topology, s.target)
	current := reported(federated.StatusOK, "", s.object.Generation, applied)
	if len(differences) == 0 && (s.live.Applied != nil && !s.live.Legacy || s.delivered() && wentInto(applied, s.live.Unstructured)) {
		return current
	}
	digest := rendered.Digest()
	version := appliedVersion(digest, s.live.Unstructured)
	switch {
	case version == applied && !touchesMetadata(differences):
		// The API server, or a webhook, has made of it what there is. It was so when it was last written.
		current.outcome.AppliedVersion = version
		return current
	case s.before.Settled == digest+"@"+s.live.GetResourceVersion():
		return current
	}
	change := step{verb: verbApply, desired: desired, pin: pin, digest: digest}
	switch {
	case s.owner() == free:
		change.pin, change.event = true, eventAdopted
	case generation == s.object.Generation && len(differences) > 0 && strings.HasPrefix(applied, digest+":"):
		change.event = eventDriftRepaired
	}
	return change
}

// appliedVersion names what was rendered and what came of it: which object, in which state. An object that somebody has put
// in the place of ours may be of the same state.
func appliedVersion(digest string, live *unstructured.Unstructured) string {
	return digest + ":" + shortUID(live) + ":" + render.Version(live)
}

// wentInto reports whether an applied version is of this object of the member's. Upstream tells of none.
func wentInto(applied string, live *unstructured.Unstructured) bool {
	return applied == "" || strings.Contains(applied, ":"+shortUID(live)+":")
}

func shortUID(live *unstructured.Unstructured) string {
	uid := string(live.GetUID())
	return uid[:min(len(uid), 8)]
}

func decideAbsent(s *situation) step {
	if s.target.IsNamespace() && s.topology.View != nil {
		// With the namespace would go what else is in it. It goes with the cell, once it is empty.
		return step{gone: true}
	}
	generation, applied := s.last()
	if s.live == nil || s.owner() != ours {
		switch {
		case !s.object.Deleting:
			return step{}
		case s.asked || s.before.Gone:
			return step{gone: true}
		default:
			return step{verb: verbAsk}
		}
	}
	// With a Namespace would go what else is in it, a cell that is held included.
	if s.decision.Want == scope.Orphaned || s.isHostNamespace() || s.shared {
		return step{verb: verbRelease}
	}
	if s.live.GetDeletionTimestamp() != nil {
		return reported(federated.StatusWaitingForRemoval, "", generation, applied)
	}
	return step{verb: verbDelete}
}

// isHostNamespace reports whether the object is the Namespace in which its federated object is: the host may be a member
// of its own. Upstream does not delete it either.
func (s *situation) isHostNamespace() bool {
	return s.target.IsNamespace() && string(s.live.GetUID()) == s.hostNamespace
}

func (s *situation) owner() owner { return ownerOf(s.live.GetLabels(), s.topology.Topology) }

// attempted stands for an applied version where a creation was tried and its answer was lost.
const attempted = "attempted"

// mayHave reports whether the member may have the object, by what the status says of the topology: something was
// delivered, or tried. Upstream does not say.
func mayHave(o *federated.Object, entry federated.ClusterStatus) bool {
	return o.Status.Summary == nil || entry.Generation != 0 || entry.AppliedVersion != ""
}

// entry returns what the object's status says of the topology.
func (s *situation) entry() (federated.ClusterStatus, bool) {
	if s.object == nil {
		return federated.ClusterStatus{}, false
	}
	i := slices.IndexFunc(s.object.Status.Clusters, func(c federated.ClusterStatus) bool { return c.Name == s.key.Topology })
	if i < 0 {
		return federated.ClusterStatus{}, false
	}
	return s.object.Status.Clusters[i], true
}

// last returns the generation that the member last received, and what was written then: as this process remembers it,
// or the object's status.
func (s *situation) last() (generation int64, applied string) {
	if s.before.Outcome.Generation != 0 || s.before.Outcome.AppliedVersion != "" {
		return s.before.Outcome.Generation, s.before.Outcome.AppliedVersion
	}
	entry, listed := s.entry()
	if listed && entry.Generation == 0 && s.deliveredByUpstream(entry) {
		return s.object.Status.ObservedGeneration, ""
	}
	return entry.Generation, entry.AppliedVersion
}

// delivered reports whether the member is known to have received this generation as a whole. Without that a field which
// left the template may still be in the member, of an object that cellfed has not applied yet.
func (s *situation) delivered() bool {
	entry, listed := s.entry()
	if s.before.Outcome.Generation == s.object.Generation && s.before.Outcome.Status == federated.StatusOK {
		return true
	}
	if !listed || entry.Status != federated.StatusOK {
		return false
	}
	return entry.Generation == s.object.Generation || entry.Generation == 0 && s.deliveredByUpstream(entry)
}

// deliveredByUpstream reads a status that upstream wrote, which counts nothing and tells of one generation for all.
func (s *situation) deliveredByUpstream(entry federated.ClusterStatus) bool {
	return s.object.Status.Summary == nil && entry.Status == federated.StatusOK && s.object.Status.ObservedGeneration == s.object.Generation
}

func touchesMetadata(paths []string) bool {
	return slices.ContainsFunc(paths, func(path string) bool {
		return strings.HasPrefix(strings.TrimPrefix(path, "."), "metadata")
	})
}

// deleteOptions returns how the object is deleted in the member.
func deleteOptions(s *situation) (metav1.DeleteOptions, error) {
	return scope.DeleteOptions(s.object)
}
