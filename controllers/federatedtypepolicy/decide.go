package federatedtypepolicy

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

const (
	// upstreamPoll is how often it is looked whether upstream KubeFed runs, while that matters.
	upstreamPoll = 5 * time.Second
	// heldPoll is how often it is looked whether something is still held that keeps a type from being handed back, and
	// unfitPoll the same for objects that are unfit, which people correct, at first. obstaclePoll is how often at last, where that
	// has not changed for long.
	heldPoll     = 5 * time.Second
	unfitPoll    = 15 * time.Second
	obstaclePoll = time.Minute
	// servedPoll is how often it is looked whether v1beta1 is served again.
	servedPoll = time.Second
	// idlePoll is the same for a type that is upstream's and is meant to be.
	idlePoll = 30 * time.Second
)

// input is what a decision is made of: what was observed, and nothing that is only remembered but for what says so.
type input struct {
	// policy and config (the FederatedTypeConfig) are nil where there is none.
	policy *v1alpha1.FederatedTypePolicy
	config *fedv1b1.FederatedTypeConfig
	crd    crdFacts
	// before is who propagated the type when the policy was read.
	before v1alpha1.Propagator
	// gone says that no upstream KubeFed runs, and that one that starts from now on sees the FederatedTypeConfig as it
	// is in config, or newer.
	gone bool
	// obstacles are what keeps the type from being handed back. They are looked at when it is about to be.
	obstacles obstacles
	// unchanged is for how long the looks at the objects have found the same obstacles.
	unchanged time.Duration
	// unserved says why upstream could not read what it must, "" if it can. It is looked at when the type is about to be
	// handed back.
	unserved string
	// young is for how long upstream must not be stopped yet, because it has just started.
	young time.Duration
	// quiet is for how long nothing of upstream's was seen to be written since it reported that it stopped, and enough
	// is how long that must be.
	quiet, enough time.Duration
	// started says that this process has started the push reconciler for the type.
	started bool
}

// crdFacts are of the CRD of the federated objects.
type crdFacts struct {
	uid types.UID
	// serves says that v2beta1 can be read and written, ready that it is as it should be.
	serves, ready bool
	// problem says why it is not ready.
	problem string
}

// step is the one write, besides the status, that a plan asks for.
type step string

const (
	stepNone step = ""
	// stepHold puts the finalizer on the policy.
	stepHold step = "Hold"
	// stepLetGo takes the finalizer from the policy.
	stepLetGo step = "LetGo"
	// stepForestall writes on behalf of an upstream that does not run what it would report of the FederatedTypeConfig
	// after stepDisable.
	stepForestall step = "Forestall"
	// stepDisable disables the FederatedTypeConfig, and marks it as handed over.
	stepDisable step = "Disable"
	// stepMark marks as handed over one that is disabled.
	stepMark step = "Mark"
	// stepAcknowledge reports on behalf of an upstream that does not run that it has stopped.
	stepAcknowledge step = "Acknowledge"
	// stepEnable enables the FederatedTypeConfig again, and takes the mark away.
	stepEnable step = "Enable"
)

// plan is what is to be done next, in the order of its fields: each is done only when the one before it was.
type plan struct {
	// run says whether the push reconciler is to run. Where it is not, it is stopped before anything else; where it is,
	// it is started after everything else.
	run bool
	// state is what the policy's status is to say. Nil leaves it alone.
	state *state
	step  step
	// after is when to look again though nothing changed. Zero means never.
	after time.Duration
}

// state is the part of the policy's status that tells who has the type.
type state struct {
	propagator v1alpha1.Propagator
	// uid and generation are the FederatedTypeConfig's at the take-over. They stay when somebody enables it by hand, so
	// that the façade's fence does not open, and go with the hand-back.
	uid        string
	generation int64
	// holds is whether the one that is to propagate the type does.
	holds   bool
	reason  v1alpha1.ConditionReason
	message string
}

// decide is a pure function: what is observed, to what is next. It is made for being asked again after each write, by this
// process or one that comes after it.
func decide(in input) plan {
	if in.policy != nil && in.policy.DeletionTimestamp.IsZero() && in.policy.WantedPropagator() == v1alpha1.PropagatorCellfed {
		return takeOver(in)
	}
	return handBack(in)
}

// takeOver leads to the push reconciler's running. Where nothing has begun, nothing is touched until all that is needed is
// there: upstream goes on.
func takeOver(in input) plan {
	c := in.config
	switch {
	case c == nil:
		return in.nobody(v1alpha1.ReasonFederatedTypeConfigNotFound, noConfig(in.policy.Name))
	case !c.DeletionTimestamp.IsZero():
		return in.nobody(v1alpha1.ReasonFederatedTypeConfigTerminating,
			fmt.Sprintf("the FederatedTypeConfig %q is being deleted, and nobody propagates the type", c.Name))
	case in.owns():
		return in.propagate()
	case !in.crd.ready && c.Spec.Propagation != fedv1b1.PropagationDisabled && !marked(c):
		// Nothing has begun.
		return plan{state: &state{propagator: v1alpha1.PropagatorKubeFed, reason: v1alpha1.ReasonNotServed,
			message: "KubeFed goes on: " + in.crd.problem}}
	case !in.crd.ready:
		return in.nobody(v1alpha1.ReasonNotServed, in.crd.problem)
	case c.Spec.Propagation != fedv1b1.PropagationDisabled && !marked(c) && in.young > 0:
		return plan{after: min(in.young, upstreamPoll), state: &state{propagator: v1alpha1.PropagatorKubeFed, reason: v1alpha1.ReasonWaitingForKubeFed,
			message: "KubeFed has just started, and goes on until it knows the objects of its members: to stop a type before that would end it"}}
	case !slices.Contains(in.policy.Finalizers, v1alpha1.HandoverFinalizer):
		return plan{step: stepHold}
	case c.Spec.Propagation != fedv1b1.PropagationDisabled:
		return in.disable()
	case !marked(c):
		p := in.handingOver()
		p.step = stepMark
		return p
	}
	return in.await()
}

// disable has upstream let go of the type.
//
// Upstream has a trap: one that starts, or sees a change of the spec, and finds a FederatedTypeConfig that is disabled and
// whose generation it has not observed, starts the type's controller and reports that it does not run; the report makes it
// look again, and stop. So when upstream does not run, what it would report is written first.
func (in input) disable() plan {
	p := in.handingOver()
	if marked(in.config) {
		p = in.nobody(v1alpha1.ReasonFederatedTypeConfigEnabled, fmt.Sprintf("somebody enabled the FederatedTypeConfig %q: cellfed has stopped, "+
			"disables it again and takes the type over anew. To hand the type back, set spec.propagator of the policy to KubeFed", in.config.Name))
	}
	p.step = stepDisable
	if in.gone && !reportsStopped(in.config, in.config.Generation+1) {
		p.step = stepForestall
	}
	return p
}

// await waits until upstream has let go of the type, and takes it over.
func (in input) await() plan {
	switch stopped := reportsStopped(in.config, in.config.Generation); {
	case !stopped && in.gone:
		p := in.handingOver()
		p.step = stepAcknowledge
		return p
	case !stopped:
		p := in.nobody(v1alpha1.ReasonWaitingForKubeFed, fmt.Sprintf("waiting until KubeFed reports on the FederatedTypeConfig %q that "+
			"it stopped the type, or its leader lease runs out; its feature gate PushReconciler must be on", in.config.Name))
		p.after = upstreamPoll
		return p
	case !in.gone && in.quiet < in.enough:
		p := in.nobody(v1alpha1.ReasonKubeFedDraining, fmt.Sprintf("KubeFed has stopped: cellfed begins once nothing of what it was still writing "+
			"was seen for %s", in.enough))
		p.after = min(time.Second, in.enough-in.quiet)
		return p
	}
	return plan{run: true, state: in.taken()}
}

// propagate is for a type that was taken over.
func (in input) propagate() plan {
	if !in.crd.serves {
		s := in.taken()
		s.holds, s.reason, s.message = false, v1alpha1.ReasonNotServed, in.crd.problem
		return plan{state: s}
	}
	p := plan{run: true, state: in.taken()}
	if !marked(in.config) {
		p.step = stepMark
	}
	if !slices.Contains(in.policy.Finalizers, v1alpha1.HandoverFinalizer) {
		p.step = stepHold
	}
	return p
}

// taken is the state of a type that is the push reconciler's. It is written before that starts, so that the façade is
// fenced by then, and so that a process that comes after this one starts it at once.
func (in input) taken() *state {
	s := &state{
		propagator: v1alpha1.PropagatorCellfed, uid: string(in.config.UID), generation: in.config.Generation,
		reason: v1alpha1.ReasonStarting, message: "KubeFed has let go of the type, and cellfed starts",
	}
	before := condition(in.policy)
	if in.started || in.owns() && before != nil && before.Reason == string(v1alpha1.ReasonCellfed) {
		s.holds, s.reason, s.message = true, v1alpha1.ReasonCellfed, "cellfed propagates the type"
	}
	return s
}

// owns reports whether the type was taken over and nothing has happened to the FederatedTypeConfig since. A change of its
// spec may have had upstream start, whatever it says now, so that it is waited for again.
func (in input) owns() bool {
	s := in.policy.Status
	return s.Propagator == v1alpha1.PropagatorCellfed && s.FederatedTypeConfigUID == string(in.config.UID) &&
		s.FederatedTypeConfigGeneration == in.config.Generation && in.config.Spec.Propagation == fedv1b1.PropagationDisabled
}

func (in input) handingOver() plan {
	return in.nobody(v1alpha1.ReasonHandingOver, "cellfed is taking the type over: it asks KubeFed to let go of it")
}

// nobody is for a type that is to be the push reconciler's while nobody propagates it.
func (in input) nobody(reason v1alpha1.ConditionReason, message string) plan {
	s := &state{reason: reason, message: message}
	if in.config != nil && in.policy.Status.FederatedTypeConfigUID == string(in.config.UID) {
		s.uid, s.generation = in.policy.Status.FederatedTypeConfigUID, in.policy.Status.FederatedTypeConfigGeneration
	}
	return plan{state: s}
}

func noConfig(name string) string {
	return fmt.Sprintf("there is no FederatedTypeConfig %q in the policy's namespace, and nobody propagates the type: create one, "+
		"or give the policy the name of one", name)
}

func marked(c *fedv1b1.FederatedTypeConfig) bool {
	return c.Annotations[v1alpha1.HandedOverAnnotation] == "true"
}

// reportsStopped reports whether upstream has seen the generation and does not run the type.
func reportsStopped(c *fedv1b1.FederatedTypeConfig, generation int64) bool {
	return c.Status.ObservedGeneration == generation && c.Status.PropagationController == fedv1b1.ControllerStatusNotRunning
}

// condition returns the policy's condition Propagating, or nil.
func condition(p *v1alpha1.FederatedTypePolicy) *metav1.Condition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == string(v1alpha1.ConditionPropagating) {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}
