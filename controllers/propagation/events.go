package propagation

import (
	"fmt"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

const (
	eventAdopted       = "Adopted"
	eventDriftRepaired = "DriftRepaired"
	eventFailed        = "PropagationFailed"
)

// maxNote is how long the note of an event may be: an API server refuses one that is longer.
const maxNote = 1024

// Events tells people what has changed, on the federated object that it happened to. That an object was propagated its
// status says: an event for each would be a write to the host for each.
type Events struct {
	// Recorder records; nil records nothing.
	Recorder events.EventRecorder
}

// Propagated tells of something out of the ordinary that was done in a topology.
func (e *Events) Propagated(s *situation, reason string) {
	var note string
	switch reason {
	case eventAdopted:
		note = "Took over the %s that was already in %s"
	case eventDriftRepaired:
		note = "Undid a change that somebody made to the %s in %s"
	default:
		return
	}
	e.record(s, corev1.EventTypeNormal, reason, fmt.Sprintf(note, s.target.Kind.Kind, where(s)))
}

// Failed tells of a topology that does not get what it should.
func (e *Events) Failed(s *situation, outcome report.Outcome) {
	e.record(s, corev1.EventTypeWarning, eventFailed, fmt.Sprintf("Could not propagate the %s to %s: %s", s.target.Kind.Kind, where(s), why(outcome)))
}

// record names the topology beside the object: of events that differ in their notes alone only the first would be kept.
func (e *Events) record(s *situation, eventType, reason, note string) {
	if e == nil || e.Recorder == nil || s.object == nil {
		return
	}
	e.Recorder.Eventf(reference(s.object), related(s), eventType, reason, "Propagate", "%s", note)
}

// where names a topology as people do.
func where(s *situation) string {
	if view := s.topology.View; view != nil {
		return "cell " + view.Cell
	}
	return "cluster " + s.key.Topology
}

// why says it in words where there are any, and in the one that the status has. An API server's words may be many.
func why(outcome report.Outcome) string {
	if outcome.Message == "" {
		return outcome.Status
	}
	const most, ellipsis = maxNote - 512, "..." // The rest of the note is names, which are 63 or 253 characters at most.
	message := outcome.Message
	if len(message) > most {
		end := most - len(ellipsis)
		for !utf8.RuneStart(message[end]) {
			end--
		}
		message = message[:end] + ellipsis
	}
	return message + " (" + outcome.Status + ")"
}

// reference is enough of a federated object to record events on.
func reference(o *federated.Object) *metav1.PartialObjectMetadata {
	r := &metav1.PartialObjectMetadata{}
	r.APIVersion, r.Kind = o.APIVersion, o.Kind
	r.Namespace, r.Name, r.UID, r.ResourceVersion = o.Namespace, o.Name, o.UID, o.ResourceVersion
	return r
}

// related is what a topology is in the host.
func related(s *situation) *metav1.PartialObjectMetadata {
	r := &metav1.PartialObjectMetadata{}
	if view := s.topology.View; view != nil {
		r.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Cell"))
		r.Namespace, r.Name = view.Namespace, view.Cell
		return r
	}
	r.SetGroupVersionKind(fedv1b1.SchemeGroupVersion.WithKind("KubeFedCluster"))
	r.Name = s.key.Topology
	return r
}
