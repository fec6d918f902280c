package propagation

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

const (
	eventAdopted        = "Adopted"
	eventDriftRepaired  = "DriftRepaired"
	eventOrphanReleased = "OrphanReleased"
	eventFailed         = "PropagationFailed"
)

// Events tells people what has changed, on the federated object that it happened to. That an object was propagated its
// status says: an event for each would be a write to the host for each.
type Events struct {
	// Recorder records; nil records nothing.
	Recorder events.EventRecorder
}

// Propagated tells of something out of the ordinary that was done in a topology.
func (e *Events) Propagated(s *situation, reason string) {
	if e == nil || e.Recorder == nil || s.object == nil {
		return
	}
	var note string
	switch reason {
	case eventAdopted:
		note = "Took over the %s that topology %s had already"
	case eventDriftRepaired:
		note = "Repaired the %s in topology %s, which somebody had changed there"
	default:
		return
	}
	e.Recorder.Eventf(reference(s.object), nil, corev1.EventTypeNormal, reason, "Propagate", note, s.target.Kind.Kind, s.key.Topology)
}

// Failed tells of a topology that does not get what it should.
func (e *Events) Failed(s *situation, outcome report.Outcome) {
	if e == nil || e.Recorder == nil {
		return
	}
	e.Recorder.Eventf(reference(s.object), nil, corev1.EventTypeWarning, eventFailed, "Propagate",
		"Did not propagate the %s to topology %s: %s: %s", s.target.Kind.Kind, s.key.Topology, outcome.Status, outcome.Message)
}

// reference is enough of a federated object to record events on.
func reference(o *federated.Object) *metav1.PartialObjectMetadata {
	r := &metav1.PartialObjectMetadata{}
	r.APIVersion, r.Kind = o.APIVersion, o.Kind
	r.Namespace, r.Name, r.UID, r.ResourceVersion = o.Namespace, o.Name, o.UID, o.ResourceVersion
	return r
}
