package federatedtype

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// maxNote is how long the API server lets an event's note be, in bytes.
const maxNote = 1024

// happening is an event on an FTC.
type happening struct {
	kind   string // Normal or Warning
	reason string
	action string
	note   string
}

// reported is what the FTC is told when its CRD's condition has changed.
func reported(rep report, crd string) happening {
	h := happening{
		kind:   corev1.EventTypeWarning,
		reason: "Topologies" + string(rep.reason),
		action: "Upgrade",
		note:   fmt.Sprintf("%s: %s", crd, rep.message),
	}
	switch rep.reason {
	case v1alpha1.ReasonServed:
		h.kind = corev1.EventTypeNormal
	case v1alpha1.ReasonRemoved:
		h.kind, h.action = corev1.EventTypeNormal, "Remove"
	case v1alpha1.ReasonFieldsKept, v1alpha1.ReasonStillStored:
		h.action = "Remove"
	}
	return h
}

// crdMissing is what the FTC is told when there is no CRD.
func crdMissing(crd string) happening {
	return happening{
		kind: corev1.EventTypeWarning, reason: "TopologiesMissing", action: "Upgrade",
		note: fmt.Sprintf("There was no CRD %s: create it, for instance with kubefedctl enable, and it is picked up", crd),
	}
}

func (h happening) record(recorder events.EventRecorder, ftc runtime.Object) {
	note := h.note
	if len(note) > maxNote {
		note = note[:maxNote-3] + "..."
	}
	recorder.Eventf(ftc, nil, h.kind, h.reason, h.action, "%s", note)
}

// silent records nothing.
type silent struct{}

func (silent) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}
