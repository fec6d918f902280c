package federatedtypepolicy

import (
	"fmt"
	"slices"

	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// handBack leads to upstream's running, or at least to its being free to. A type that it has not been kept from is left
// alone.
func handBack(in input) plan {
	c := in.config
	owed := c != nil && c.DeletionTimestamp.IsZero() && marked(c)
	if in.policy == nil {
		if owed && in.unserved != "" {
			return plan{after: servedPoll}
		}
		if owed {
			return plan{step: stepEnable}
		}
		return plan{}
	}
	cellfeds := in.policy.Status.Propagator == v1alpha1.PropagatorCellfed
	switch {
	case owed && in.obstacles.any() && (cellfeds || in.policy.Status.FederatedTypeConfigUID == string(c.UID)):
		return in.keep()
	case owed && in.unserved != "":
		return in.awaitV1Beta1()
	case owed && cellfeds:
		// From here on admission judges for KubeFed. The objects are looked at once more before it has the type.
		return in.nobody(v1alpha1.ReasonHandingBack, "cellfed has stopped, and is about to hand the type back to KubeFed")
	case owed:
		return plan{step: stepEnable, state: &state{reason: v1alpha1.ReasonHandingBack, message: "cellfed has stopped, and hands the type back to KubeFed"}}
	}
	p := plan{}
	if in.policy.DeletionTimestamp.IsZero() {
		p = in.upstreams()
	}
	if slices.Contains(in.policy.Finalizers, v1alpha1.HandoverFinalizer) {
		p.step = stepLetGo
	}
	return p
}

// keep is for a type that is to be handed back and cannot be. It is cellfed's as long as nothing happens to the
// FederatedTypeConfig; what does may have upstream start, and the type is then taken over anew. So it is where obstacles were
// stored while cellfed stopped: they were admitted for cellfed.
func (in input) keep() plan {
	if in.owns() {
		return in.goOn()
	}
	var p plan
	if in.config.Spec.Propagation != fedv1b1.PropagationDisabled {
		// Whatever the CRD is like: upstream must not have the type.
		p = in.disable()
		p.state.message = fmt.Sprintf("somebody enabled the FederatedTypeConfig %q: cellfed has stopped, disables it again and takes the type over anew, "+
			"because it cannot be handed back yet. %s", in.config.Name, in.obstacles.message())
	} else {
		p = takeOver(in)
	}
	if p.state != nil && p.state.uid == "" {
		// A FederatedTypeConfig that was created anew, with the mark. Without its UID the type would be taken for one that cellfed never had.
		p.state.uid = string(in.config.UID)
	}
	return p
}

// goOn is for a type that is cellfed's, is to be handed back and cannot be.
func (in input) goOn() plan {
	p := plan{run: in.crd.serves, after: heldPoll, state: in.taken()}
	p.state.holds, p.state.reason, p.state.message = false, v1alpha1.ReasonObjectsHeld, in.obstacles.message()
	switch {
	case in.obstacles.unseen != nil:
		p.after, p.state.reason = unfitPoll, v1alpha1.ReasonObjectsUnreadable
	case len(in.obstacles.held) == 0:
		p.after, p.state.reason = unfitPoll, v1alpha1.ReasonObjectsUnfit
	}
	// Each look reads every object: there are the fewer of them the longer nothing comes of it.
	p.after = min(max(p.after, in.unchanged/4), obstaclePoll)
	return p
}

// awaitV1Beta1 waits until upstream can read what it is to be given. Cellfed goes on where the type is its own.
func (in input) awaitV1Beta1() plan {
	p := in.nobody(v1alpha1.ReasonServingV1Beta1, "the type is about to be handed back to KubeFed: "+in.unserved)
	if in.owns() {
		p = plan{run: in.crd.serves, state: in.taken()}
		p.state.holds, p.state.reason, p.state.message = false, v1alpha1.ReasonServingV1Beta1, "cellfed goes on, and is about to hand the type back to KubeFed: "+in.unserved
	}
	p.after = servedPoll
	return p
}

// handsBack reports whether the plan is a step on the way back.
func (p plan) handsBack() bool {
	return p.state != nil && p.state.reason == v1alpha1.ReasonHandingBack
}

// upstreams reports on a type that is upstream's.
func (in input) upstreams() plan {
	c := in.config
	switch {
	case c == nil:
		return plan{state: &state{reason: v1alpha1.ReasonFederatedTypeConfigNotFound, message: noConfig(in.policy.Name)}}
	case !c.DeletionTimestamp.IsZero():
		return plan{state: &state{reason: v1alpha1.ReasonFederatedTypeConfigTerminating,
			message: fmt.Sprintf("the FederatedTypeConfig %q is being deleted", c.Name)}}
	case c.Spec.Propagation == fedv1b1.PropagationDisabled:
		return plan{state: &state{reason: v1alpha1.ReasonPropagationDisabled, message: fmt.Sprintf("spec.propagation of the FederatedTypeConfig %q is "+
			"Disabled, not by cellfed, and nobody propagates the type: set it to Enabled", c.Name)}}
	case in.gone:
		return plan{after: idlePoll, state: &state{propagator: v1alpha1.PropagatorKubeFed, reason: v1alpha1.ReasonKubeFedNotRunning,
			message: "the type is KubeFed's, which does not run: nobody holds its leader lease"}}
	case c.Status.PropagationController == fedv1b1.ControllerStatusRunning && c.Status.ObservedGeneration == c.Generation:
		return plan{after: idlePoll, state: &state{propagator: v1alpha1.PropagatorKubeFed, holds: true, reason: v1alpha1.ReasonKubeFed,
			message: "KubeFed propagates the type"}}
	}
	return plan{after: upstreamPoll, state: &state{reason: v1alpha1.ReasonWaitingForKubeFed,
		message: fmt.Sprintf("waiting until KubeFed reports on the FederatedTypeConfig %q that it runs the type", c.Name)}}
}
