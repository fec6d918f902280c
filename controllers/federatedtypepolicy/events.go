package federatedtypepolicy

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// Reasons of events, which are counted too.
const (
	reasonHandoverBegun = "HandoverBegun"
	reasonHandedOver    = "HandedOver"
	reasonHandedBack    = "HandedBack"
)

// happening is an event on a policy, or on the FederatedTypeConfig where there is none.
type happening struct {
	kind   string // Normal or Warning
	reason string
	action string
	note   string
}

// disabled is what is told when upstream is made to let go.
func disabled(name string) happening {
	return happening{corev1.EventTypeNormal, reasonHandoverBegun, "HandOver",
		fmt.Sprintf("Disabled the FederatedTypeConfig %q, so that KubeFed lets go of the type", name)}
}

// flipped is what is told when somebody enabled a FederatedTypeConfig that was handed over; waits says that it is to be
// handed back, and cannot be yet.
func flipped(name string, waits bool) happening {
	wayOut := "To hand the type back, set spec.propagator of the policy to KubeFed"
	if waits {
		wayOut = "The type is handed back once its objects allow it: the condition Propagating names those that do not"
	}
	return happening{corev1.EventTypeWarning, string(v1alpha1.ReasonFederatedTypeConfigEnabled), "HandOver",
		fmt.Sprintf("Somebody enabled the FederatedTypeConfig %q while the type was cellfed's: cellfed stopped and disabled it again. %s", name, wayOut)}
}

// handedOver is what is told when the type has become the push reconciler's.
func handedOver() happening {
	return happening{corev1.EventTypeNormal, reasonHandedOver, "HandOver", "KubeFed let go of the type, and cellfed took it over"}
}

// handedBack is what is told when upstream is free to run the type again.
func handedBack(name string) happening {
	return happening{corev1.EventTypeNormal, reasonHandedBack, "HandBack",
		fmt.Sprintf("cellfed stopped to propagate the type, and enabled the FederatedTypeConfig %q so that KubeFed takes it over", name)}
}

// announceStep tells of a step that was taken.
func (r *Reconciler) announceStep(in input, p plan) {
	switch {
	case p.step == stepEnable:
		r.record(in, handedBack(in.config.Name))
	case p.step == stepDisable && p.state != nil && p.state.reason == v1alpha1.ReasonFederatedTypeConfigEnabled:
		r.record(in, flipped(in.config.Name, in.obstacles.any()))
	case p.step == stepDisable:
		r.record(in, disabled(in.config.Name))
	}
}

// announceState tells of a state that was written. The one that the type was taken over is written once.
func (r *Reconciler) announceState(in input, p plan) {
	if p.run && in.before != v1alpha1.PropagatorCellfed {
		r.record(in, handedOver())
	}
}

func (r *Reconciler) record(in input, h happening) {
	var regarding client.Object = in.config
	if in.policy != nil {
		regarding = in.policy
	}
	countHandover(regarding.GetName(), h.reason)
	r.recorder.Eventf(regarding, nil, h.kind, h.reason, h.action, "%s", h.note)
}
