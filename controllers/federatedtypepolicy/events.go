package federatedtypepolicy

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cellfed/cellfed/api/v1alpha1"
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
	return happening{corev1.EventTypeNormal, "HandoverBegun", "HandOver",
		fmt.Sprintf("Disabled the FederatedTypeConfig %q, so that KubeFed lets go of the type", name)}
}

// flipped is what is told when somebody enabled a FederatedTypeConfig that was handed over.
func flipped(name string) happening {
	return happening{corev1.EventTypeWarning, string(v1alpha1.ReasonFederatedTypeConfigEnabled), "HandOver",
		fmt.Sprintf("Somebody enabled the FederatedTypeConfig %q while the type was cellfed's: cellfed stopped and disabled it again. "+
			"To hand the type back, set spec.propagator of the policy to KubeFed", name)}
}

// handedOver is what is told when the type has become the push reconciler's.
func handedOver() happening {
	return happening{corev1.EventTypeNormal, "HandedOver", "HandOver", "KubeFed let go of the type, and cellfed took it over"}
}

// handedBack is what is told when upstream is free to run the type again.
func handedBack(name string) happening {
	return happening{corev1.EventTypeNormal, "HandedBack", "HandBack",
		fmt.Sprintf("Cellfed stopped, and enabled the FederatedTypeConfig %q for KubeFed", name)}
}

// announceStep tells of a step that was taken.
func (r *Reconciler) announceStep(in input, p plan) {
	switch {
	case p.step == stepEnable:
		r.record(in, handedBack(in.config.Name))
	case p.step == stepDisable && p.state != nil && p.state.reason == v1alpha1.ReasonFederatedTypeConfigEnabled:
		r.record(in, flipped(in.config.Name))
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
	var regarding runtime.Object = in.config
	if in.policy != nil {
		regarding = in.policy
	}
	r.recorder.Eventf(regarding, nil, h.kind, h.reason, h.action, "%s", h.note)
}
