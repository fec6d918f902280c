package federatedtypepolicy

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// outline is a plan without its words.
type outline struct {
	Run        bool
	Propagator v1alpha1.Propagator
	Holds      bool
	Reason     v1alpha1.ConditionReason
	UID        string
	Step       step
	Again      bool
}

func outlineOf(p plan) outline {
	o := outline{Run: p.run, Step: p.step, Again: p.after > 0}
	if p.state != nil {
		o.Propagator, o.Holds, o.Reason, o.UID = p.state.propagator, p.state.holds, p.state.reason, p.state.uid
	}
	return o
}

func TestDecide(t *testing.T) {
	policy := func(wanted, now v1alpha1.Propagator, change ...func(*v1alpha1.FederatedTypePolicy)) *v1alpha1.FederatedTypePolicy {
		p := &v1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Name: "a", Finalizers: []string{v1alpha1.HandoverFinalizer}}}
		p.Spec.Propagator, p.Status.Propagator = wanted, now
		if now == cellfed {
			p.Status.FederatedTypeConfigUID, p.Status.FederatedTypeConfigGeneration = "u", 3
		}
		for _, c := range change {
			c(p)
		}
		return p
	}
	deleting := func(p *v1alpha1.FederatedTypePolicy) { p.DeletionTimestamp = new(metav1.Now()) }
	begun := func(p *v1alpha1.FederatedTypePolicy) {
		p.Status.FederatedTypeConfigUID, p.Status.FederatedTypeConfigGeneration = "u", 3
	}
	older := func(p *v1alpha1.FederatedTypePolicy) { p.Status.FederatedTypeConfigGeneration = 2 }
	another := func(p *v1alpha1.FederatedTypePolicy) { p.Status.FederatedTypeConfigUID = "v" }
	free := func(p *v1alpha1.FederatedTypePolicy) { p.Finalizers = nil }
	config := func(mode fedv1b1.PropagationMode, marks bool, observed int64, controller fedv1b1.ControllerStatus) *fedv1b1.FederatedTypeConfig {
		c := &fedv1b1.FederatedTypeConfig{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "u", Generation: 3}}
		c.Spec.Propagation = mode
		if marks {
			mark(c)
		}
		c.Status.ObservedGeneration, c.Status.PropagationController = observed, controller
		return c
	}
	going := func(c *fedv1b1.FederatedTypeConfig) *fedv1b1.FederatedTypeConfig {
		c.DeletionTimestamp = new(metav1.Now())
		return c
	}
	const running, notRunning = fedv1b1.ControllerStatusRunning, fedv1b1.ControllerStatusNotRunning
	ready := crdFacts{uid: "crd", serves: true, ready: true}
	shaky := crdFacts{uid: "crd", serves: true}
	cases := map[string]struct {
		reason string
		in     input
		want   outline
	}{
		"Nothing":                   {"there is nothing to do without a policy", input{config: config(enabled, false, 3, running)}, outline{}},
		"NothingAtAll":              {"not even a config", input{}, outline{}},
		"PolicyTornAway":            {"somebody took the finalizer: the type is handed back all the same", input{config: config(disabledMode, true, 3, notRunning)}, outline{Step: stepEnable}},
		"NoConfig":                  {"", input{policy: policy(cellfed, "")}, outline{Reason: v1alpha1.ReasonFederatedTypeConfigNotFound}},
		"ConfigGoing":               {"", input{policy: policy(cellfed, cellfed), config: going(config(disabledMode, true, 3, notRunning)), crd: ready}, outline{Reason: v1alpha1.ReasonFederatedTypeConfigTerminating, UID: "u"}},
		"NotServed":                 {"upstream goes on until all is ready", input{policy: policy(cellfed, kubeFed), config: config(enabled, false, 3, running)}, outline{Propagator: kubeFed, Reason: v1alpha1.ReasonNotServed}},
		"NotServedMidway":           {"what was begun is not undone", input{policy: policy(cellfed, ""), config: config(disabledMode, true, 3, notRunning)}, outline{Reason: v1alpha1.ReasonNotServed}},
		"Hold":                      {"the finalizer comes before all else", input{policy: policy(cellfed, "", free), config: config(enabled, false, 3, running), crd: ready}, outline{Step: stepHold}},
		"Disable":                   {"", input{policy: policy(cellfed, ""), config: config(enabled, false, 3, running), crd: ready}, outline{Reason: v1alpha1.ReasonHandingOver, Step: stepDisable}},
		"Young":                     {"an upstream that has just started would end with the type", input{policy: policy(cellfed, "", free), config: config(enabled, false, 3, running), crd: ready, young: time.Minute}, outline{Propagator: kubeFed, Reason: v1alpha1.ReasonWaitingForKubeFed, Again: true}},
		"YoungFlipped":              {"two that write are worse than one that ends", input{policy: policy(cellfed, cellfed), config: config(enabled, true, 3, running), crd: ready, young: time.Minute}, outline{Reason: v1alpha1.ReasonFederatedTypeConfigEnabled, Step: stepDisable, UID: "u"}},
		"DisableDead":               {"an upstream that starts into a generation it has not seen would run the type", input{policy: policy(cellfed, ""), config: config(enabled, false, 3, running), crd: ready, gone: true}, outline{Reason: v1alpha1.ReasonHandingOver, Step: stepForestall}},
		"DisableForestalled":        {"", input{policy: policy(cellfed, ""), config: config(enabled, false, 4, notRunning), crd: ready, gone: true}, outline{Reason: v1alpha1.ReasonHandingOver, Step: stepDisable}},
		"Flipped":                   {"somebody enabled it", input{policy: policy(cellfed, cellfed), config: config(enabled, true, 3, running), crd: ready}, outline{Reason: v1alpha1.ReasonFederatedTypeConfigEnabled, Step: stepDisable, UID: "u"}},
		"Mark":                      {"somebody had disabled it before", input{policy: policy(cellfed, ""), config: config(disabledMode, false, 3, notRunning), crd: ready}, outline{Reason: v1alpha1.ReasonHandingOver, Step: stepMark}},
		"WaitForReport":             {"", input{policy: policy(cellfed, ""), config: config(disabledMode, true, 2, running), crd: ready}, outline{Reason: v1alpha1.ReasonWaitingForKubeFed, Again: true}},
		"OldReport":                 {"NotRunning of another generation says nothing", input{policy: policy(cellfed, ""), config: config(disabledMode, true, 2, notRunning), crd: ready, quiet: time.Hour}, outline{Reason: v1alpha1.ReasonWaitingForKubeFed, Again: true}},
		"Acknowledge":               {"nobody is there to report", input{policy: policy(cellfed, ""), config: config(disabledMode, true, 2, running), crd: ready, gone: true}, outline{Reason: v1alpha1.ReasonHandingOver, Step: stepAcknowledge}},
		"Draining":                  {"", input{policy: policy(cellfed, ""), config: config(disabledMode, true, 3, notRunning), crd: ready, quiet: 9, enough: 10}, outline{Reason: v1alpha1.ReasonKubeFedDraining, Again: true}},
		"Quiet":                     {"", input{policy: policy(cellfed, ""), config: config(disabledMode, true, 3, notRunning), crd: ready, quiet: 10, enough: 10}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonStarting, UID: "u"}},
		"DeadNeedsNoQuiet":          {"", input{policy: policy(cellfed, ""), config: config(disabledMode, true, 3, notRunning), crd: ready, gone: true, enough: 10}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonStarting, UID: "u"}},
		"Started":                   {"", input{policy: policy(cellfed, cellfed), config: config(disabledMode, true, 3, notRunning), crd: ready, started: true}, outline{Run: true, Propagator: cellfed, Holds: true, Reason: v1alpha1.ReasonCellfed, UID: "u"}},
		"Restarted":                 {"a new process goes on at once", input{policy: policy(cellfed, cellfed), config: config(disabledMode, true, 3, notRunning), crd: ready, enough: 10}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonStarting, UID: "u"}},
		"Shaky":                     {"a webhook that does not answer for once stops nothing", input{policy: policy(cellfed, cellfed), config: config(disabledMode, true, 3, notRunning), crd: shaky, started: true}, outline{Run: true, Propagator: cellfed, Holds: true, Reason: v1alpha1.ReasonCellfed, UID: "u"}},
		"CRDGone":                   {"the type stays cellfed's", input{policy: policy(cellfed, cellfed), config: config(disabledMode, true, 3, notRunning)}, outline{Propagator: cellfed, Reason: v1alpha1.ReasonNotServed, UID: "u"}},
		"Unmarked":                  {"the mark is put back, and nothing stops", input{policy: policy(cellfed, cellfed), config: config(disabledMode, false, 3, notRunning), crd: ready, started: true}, outline{Run: true, Propagator: cellfed, Holds: true, Reason: v1alpha1.ReasonCellfed, UID: "u", Step: stepMark}},
		"Unheld":                    {"so is the finalizer", input{policy: policy(cellfed, cellfed, free), config: config(disabledMode, true, 3, notRunning), crd: ready, started: true}, outline{Run: true, Propagator: cellfed, Holds: true, Reason: v1alpha1.ReasonCellfed, UID: "u", Step: stepHold}},
		"HandBack":                  {"the status first: admission goes by it", input{policy: policy(kubeFed, cellfed), config: config(disabledMode, true, 3, notRunning), crd: ready}, outline{Reason: v1alpha1.ReasonHandingBack, UID: "u"}},
		"HandBackStopped":           {"the status first: it opens the fence", input{policy: policy(kubeFed, "", begun), config: config(disabledMode, true, 3, notRunning), crd: ready}, outline{Reason: v1alpha1.ReasonHandingBack, Step: stepEnable}},
		"HandBackLate":              {"what was stored meanwhile has cellfed take the type again", input{policy: policy(kubeFed, "", begun), config: config(disabledMode, true, 3, notRunning), crd: ready, gone: true, obstacles: obstacles{unfit: []unfit{{name: "n/a"}}}}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonStarting, UID: "u"}},
		"HandBackLateWaits":         {"as carefully as ever", input{policy: policy(kubeFed, "", begun), config: config(disabledMode, true, 3, notRunning), crd: ready, enough: 10, obstacles: obstacles{held: []string{"n/a"}}}, outline{Reason: v1alpha1.ReasonKubeFedDraining, UID: "u", Again: true}},
		"HandBackLateBroken":        {"and gives it to nobody before", input{policy: policy(kubeFed, "", begun), config: config(disabledMode, true, 3, notRunning), obstacles: obstacles{held: []string{"n/a"}}}, outline{Reason: v1alpha1.ReasonNotServed, UID: "u"}},
		"HandBackHeld":              {"upstream would release what is held", input{policy: policy(kubeFed, cellfed), config: config(disabledMode, true, 3, notRunning), crd: ready, started: true, obstacles: obstacles{held: []string{"n/a"}, unfit: []unfit{{name: "n/b"}}}}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonObjectsHeld, UID: "u", Again: true}},
		"HandBackHeldDeleted":       {"the policy stays until then", input{policy: policy(cellfed, cellfed, deleting), config: config(disabledMode, true, 3, notRunning), crd: ready, started: true, obstacles: obstacles{held: []string{"n/a"}, unfit: []unfit{{name: "n/b"}}}}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonObjectsHeld, UID: "u", Again: true}},
		"HandBackUnfit":             {"upstream would write what cellfed does not", input{policy: policy(kubeFed, cellfed), config: config(disabledMode, true, 3, notRunning), crd: ready, started: true, obstacles: obstacles{unfit: []unfit{{name: "n/a"}}}}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonObjectsUnfit, UID: "u", Again: true}},
		"HandBackUnseen":            {"who cannot look keeps the type", input{policy: policy(kubeFed, cellfed), config: config(disabledMode, true, 3, notRunning), crd: ready, started: true, obstacles: obstacles{unseen: errors.New("no answer")}}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonObjectsUnreadable, UID: "u", Again: true}},
		"HandBackUnfitGone":         {"the policy stays until then", input{policy: policy(cellfed, cellfed, deleting), config: config(disabledMode, true, 3, notRunning), crd: ready, started: true, obstacles: obstacles{unfit: []unfit{{name: "n/a"}}}}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonObjectsUnfit, UID: "u", Again: true}},
		"HandBackUnfitIdle":         {"cellfed does not run, and upstream does not either", input{policy: policy(kubeFed, cellfed), config: config(disabledMode, true, 3, notRunning), obstacles: obstacles{unfit: []unfit{{name: "n/a"}}}}, outline{Propagator: cellfed, Reason: v1alpha1.ReasonObjectsUnfit, UID: "u", Again: true}},
		"HandBackUnfitNever":        {"what cellfed has not begun with is upstream's as it was", input{policy: policy(kubeFed, ""), config: config(disabledMode, true, 3, notRunning), crd: ready, obstacles: obstacles{unfit: []unfit{{name: "n/a"}}}}, outline{Reason: v1alpha1.ReasonHandingBack, Step: stepEnable}},
		"HandBackHeldFlipped":       {"upstream would write beside cellfed", input{policy: policy(kubeFed, cellfed), config: config(enabled, true, 3, running), crd: ready, started: true, obstacles: obstacles{held: []string{"n/a"}}}, outline{Reason: v1alpha1.ReasonFederatedTypeConfigEnabled, Step: stepDisable, UID: "u"}},
		"HandBackHeldFlippedDead":   {"an upstream that starts would run it", input{policy: policy(kubeFed, cellfed), config: config(enabled, true, 3, running), crd: ready, started: true, gone: true, obstacles: obstacles{held: []string{"n/a"}}}, outline{Reason: v1alpha1.ReasonFederatedTypeConfigEnabled, Step: stepForestall, UID: "u"}},
		"HandBackHeldFlippedBroken": {"upstream must not have it whatever the CRD is like", input{policy: policy(cellfed, cellfed, deleting), config: config(enabled, true, 3, running), obstacles: obstacles{unfit: []unfit{{name: "n/a"}}}}, outline{Reason: v1alpha1.ReasonFederatedTypeConfigEnabled, Step: stepDisable, UID: "u"}},
		"HandBackHeldFlippedLate":   {"also while nobody has it", input{policy: policy(kubeFed, "", begun), config: config(enabled, true, 3, running), crd: ready, obstacles: obstacles{held: []string{"n/a"}}}, outline{Reason: v1alpha1.ReasonFederatedTypeConfigEnabled, Step: stepDisable, UID: "u"}},
		"HandBackHeldChanged":       {"it is waited for again", input{policy: policy(kubeFed, cellfed, older), config: config(disabledMode, true, 2, notRunning), crd: ready, started: true, obstacles: obstacles{held: []string{"n/a"}}}, outline{Reason: v1alpha1.ReasonWaitingForKubeFed, UID: "u", Again: true}},
		"HandBackHeldAnew":          {"somebody created the config again, with the mark: upstream does not get what is held", input{policy: policy(kubeFed, cellfed, another), config: config(disabledMode, true, 2, notRunning), crd: ready, started: true, obstacles: obstacles{held: []string{"n/a"}}}, outline{Reason: v1alpha1.ReasonWaitingForKubeFed, UID: "u", Again: true}},
		"HandBackFlipped":           {"nothing is in the way, and it becomes upstream's properly", input{policy: policy(kubeFed, cellfed), config: config(enabled, true, 3, running), crd: ready, started: true}, outline{Reason: v1alpha1.ReasonHandingBack, UID: "u"}},
		"HandBackUnserved":          {"upstream could not read it", input{policy: policy(kubeFed, cellfed), config: config(disabledMode, true, 3, notRunning), crd: ready, started: true, unserved: "x"}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonServingV1Beta1, UID: "u", Again: true}},
		"HandBackUnservedLate":      {"nor in the middle", input{policy: policy(kubeFed, "", begun), config: config(disabledMode, true, 3, notRunning), crd: ready, unserved: "x"}, outline{Reason: v1alpha1.ReasonServingV1Beta1, UID: "u", Again: true}},
		"HandBackUnservedHeld":      {"what is held is told first", input{policy: policy(kubeFed, cellfed), config: config(disabledMode, true, 3, notRunning), crd: ready, started: true, unserved: "x", obstacles: obstacles{held: []string{"n/a"}}}, outline{Run: true, Propagator: cellfed, Reason: v1alpha1.ReasonObjectsHeld, UID: "u", Again: true}},
		"PolicyTornAwayUnserved":    {"it is waited for here too", input{config: config(disabledMode, true, 3, notRunning), unserved: "x"}, outline{Again: true}},
		"HandBackDeleted":           {"", input{policy: policy(cellfed, cellfed, deleting), config: config(disabledMode, true, 3, notRunning), crd: ready}, outline{Reason: v1alpha1.ReasonHandingBack, UID: "u"}},
		"LetGo":                     {"", input{policy: policy(cellfed, "", deleting), config: config(enabled, false, 4, running)}, outline{Step: stepLetGo}},
		"LetGoNoConfig":             {"there is nobody to hand it back to", input{policy: policy(cellfed, cellfed, deleting)}, outline{Step: stepLetGo}},
		"LetGoConfigGoing":          {"nor here", input{policy: policy(cellfed, cellfed, deleting), config: going(config(disabledMode, true, 3, notRunning))}, outline{Step: stepLetGo}},
		"KubeFedRuns":               {"", input{policy: policy(kubeFed, "", free), config: config(enabled, false, 3, running)}, outline{Propagator: kubeFed, Holds: true, Reason: v1alpha1.ReasonKubeFed, Again: true}},
		"KubeFedStarts":             {"", input{policy: policy(kubeFed, "", free), config: config(enabled, false, 2, notRunning)}, outline{Reason: v1alpha1.ReasonWaitingForKubeFed, Again: true}},
		"KubeFedDead":               {"what it last reported is not so any more", input{policy: policy(kubeFed, "", free), config: config(enabled, false, 3, running), gone: true}, outline{Propagator: kubeFed, Reason: v1alpha1.ReasonKubeFedNotRunning, Again: true}},
		"DisabledByHand":            {"it was not cellfed, and stays so", input{policy: policy(kubeFed, kubeFed, free), config: config(disabledMode, false, 3, notRunning)}, outline{Reason: v1alpha1.ReasonPropagationDisabled}},
		"KubeFedNoConfig":           {"", input{policy: policy(kubeFed, "", free)}, outline{Reason: v1alpha1.ReasonFederatedTypeConfigNotFound}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, outlineOf(decide(c.in))); diff != "" {
				t.Errorf("%s: %s", c.reason, diff)
			}
		})
	}
}
