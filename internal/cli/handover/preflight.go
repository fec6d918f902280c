package handover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/federated"
)

const (
	// namespacesType is the type whose objects KubeFed reads for every other type.
	namespacesType = "namespaces"
	// migratedCondition says on a policy whether all objects are stored in the version that goes with the propagator.
	migratedCondition = "StorageMigrated"
	// quiet is how old KubeFed's leader lease is when it is taken for nobody's.
	quiet = time.Minute
)

// facts are what a preflight goes by.
type facts struct {
	to     v1alpha1.Propagator
	config *kubefedv1beta1.FederatedTypeConfig
	// policy and crd are nil for nothing.
	policy *v1alpha1.FederatedTypePolicy
	crd    *apiextensionsv1.CustomResourceDefinition
	// objects counts the objects; held name those whose masks hold something, deleting counts those that are being deleted.
	objects, deleting int
	held              []string
	// dropped are the annotations of templates that the policy does not name, sorted, and droppedIn counts the objects.
	dropped   []string
	droppedIn int
	// unfit are the objects that KubeFed must not be given, each with the first reason, sorted.
	unfit []string
	// lagging are the members that are not ready, sorted.
	lagging []string
	// leases says that KubeFed has a leader lease, and renewed when that was renewed last.
	leases  bool
	renewed time.Time
	now     time.Time
	// others are the types that KubeFed and cellfed propagate beside this one.
	others map[v1alpha1.Propagator][]string
}

// report is what a preflight comes to.
type report struct {
	// Type is the type's name, From who is to propagate it now, To who is to.
	Type string              `json:"type"`
	From v1alpha1.Propagator `json:"from"`
	To   v1alpha1.Propagator `json:"to"`
	// Unchanged says that To is what the policy says already.
	Unchanged bool `json:"unchanged"`
	// Objects counts the objects of the type.
	Objects int `json:"objects"`
	// Blockers say why it cannot be done, Warnings what is to be known.
	Blockers []string `json:"blockers"`
	Warnings []string `json:"warnings"`
	// Steps say what will happen.
	Steps []string `json:"steps"`
}

// preflight says what a hand-over comes to.
func preflight(f facts) report {
	r := report{
		Type: f.config.Name, From: f.policy.WantedPropagator(), To: f.to, Objects: f.objects,
		Blockers: []string{}, Warnings: []string{}, Steps: []string{},
	}
	r.Unchanged = r.From == f.to && (f.policy == nil || f.policy.DeletionTimestamp.IsZero())
	if r.Unchanged {
		return r
	}
	f.both(&r)
	if f.to == v1alpha1.PropagatorCellfed {
		f.toCellfed(&r)
	} else {
		f.toKubeFed(&r)
	}
	return r
}

func (r *report) block(format string, args ...any) {
	r.Blockers = append(r.Blockers, fmt.Sprintf(format, args...))
}

func (r *report) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// both looks at what matters in either direction.
func (f facts) both(r *report) {
	switch {
	case !f.config.DeletionTimestamp.IsZero():
		r.block("the FederatedTypeConfig is being deleted: wait until it has gone, and enable the type again")
	case f.policy != nil && !f.policy.DeletionTimestamp.IsZero():
		r.block("the FederatedTypePolicy is being deleted, which hands the type back to KubeFed: wait until it has gone")
	}
	if f.policy != nil {
		c := meta.FindStatusCondition(f.policy.Status.Conditions, migratedCondition)
		if c != nil && c.Status != metav1.ConditionTrue {
			r.warn("the stored objects are being migrated (%s): the hand-over turns that round", c.Message)
		}
	}
	if len(f.lagging) > 0 {
		r.warn("not ready: %s: what is for a member that is not ready waits, whoever propagates the type, and the hand-over takes half a minute longer", writing.Some(f.lagging))
	}
	if f.deleting > 0 {
		r.warn("%s being deleted, which waits while nobody propagates the type", are(f.deleting))
	}
}

// running says whether KubeFed runs, as its leader lease tells.
func (f facts) running() bool { return f.leases && f.now.Sub(f.renewed) < quiet }

func (f facts) toCellfed(r *report) {
	if why := unserved(f.crd); why != "" {
		r.block("%s", why)
	}
	disabled := f.config.Spec.Propagation == kubefedv1beta1.PropagationDisabled
	switch {
	case !f.running():
		r.warn("KubeFed seems not to run: its leader lease is waited for to run out, and cellfed begins then")
	case f.config.Status.PropagationController != kubefedv1beta1.ControllerStatusRunning && !disabled:
		r.warn("KubeFed does not report that it propagates the type: it is waited for until it does, or reports that it stopped")
	}
	if disabled && f.config.Annotations[v1alpha1.HandedOverAnnotation] != "true" {
		r.warn("the FederatedTypeConfig is disabled, so that nobody propagates the type now: cellfed will, and what was not written since then is")
	}
	if len(f.dropped) > 0 {
		who := fmt.Sprintf("the templates of %d objects have", f.droppedIn)
		if f.droppedIn == 1 {
			who = "the template of 1 object has"
		}
		r.warn("%s annotations that the policy does not name, and cellfed drops them, as KubeFed does: %s: "+
			"name them in spec.propagatingAnnotations of the policy if they are to be propagated", who, writing.Some(f.dropped))
	}
	if rest := f.others[v1alpha1.PropagatorKubeFed]; r.Type == namespacesType && len(rest) > 0 {
		r.warn("KubeFed still propagates %s and reads FederatedNamespaces for them: hand namespaces over last, or KubeFed cannot start while cellfed is down", writing.Some(rest))
	}
	r.Steps = []string{
		"the FederatedTypeConfig is disabled, and KubeFed stops propagating the type",
		"cellfed waits until nothing of KubeFed's is seen to be written any more: nobody propagates the type for some seconds",
		"cellfed propagates the type: nothing in a member is deleted, recreated or rewritten by that",
		stored(f.objects, federated.V2Beta1),
	}
}

func (f facts) toKubeFed(r *report) {
	if len(f.held) > 0 {
		them, masks := "them", "their masks"
		if len(f.held) == 1 {
			them, masks = "it", "its mask"
		}
		r.block("%s held, and KubeFed, which knows no mask, would release %s: %s: release %s with kubectl cells release TYPE/NAME --all, or complete %s",
			are(len(f.held)), them, writing.Some(f.held), them, masks)
	}
	if len(f.unfit) > 0 {
		r.block("KubeFed could not propagate as cellfed does: %s: correct this", writing.Some(f.unfit))
	}
	if !f.running() {
		r.warn("KubeFed seems not to run: nobody propagates the type until it does")
	}
	if rest := f.others[v1alpha1.PropagatorCellfed]; r.Type != namespacesType && slices.Contains(rest, namespacesType) {
		r.warn("cellfed propagates namespaces, which KubeFed reads for this type: hand namespaces back first, or KubeFed cannot start while cellfed is down")
	}
	r.Steps = []string{
		"cellfed stops propagating the type, once it has written what it has begun",
		"the objects are looked at once more: one that KubeFed must not be given has cellfed go on",
		"the FederatedTypeConfig is enabled, and KubeFed propagates the type: nothing in a member is deleted, recreated or rewritten by that",
		stored(f.objects, federated.V1Beta1),
	}
}

// stored says what becomes of what is stored.
func stored(n int, version string) string {
	switch n {
	case 0:
		return "there is no object yet that would have to be stored anew in " + version
	case 1:
		return fmt.Sprintf("the object is stored anew in %s, with the same content", version)
	default:
		return fmt.Sprintf("the %d objects are stored anew in %s, one after the other, with the same content", n, version)
	}
}

func are(n int) string {
	if n == 1 {
		return "1 object is"
	}
	return fmt.Sprintf("%d objects are", n)
}

// unserved says why the CRD does not serve v2beta1, without which cellfed propagates nothing.
func unserved(crd *apiextensionsv1.CustomResourceDefinition) string {
	if crd == nil {
		return "the CRD of the federated kind is not there: make it with kubectl cells enable"
	}
	if why, reported := kube.Unserved(crd); reported {
		return why
	}
	return fmt.Sprintf("nothing reports on v2beta1 of the CRD %s: does cellfed's manager run?", crd.Name)
}

// text is what people read.
func (r report) text() string {
	if r.Unchanged {
		return fmt.Sprintf("%s is to be propagated by %s already", r.Type, r.To)
	}
	lines := []string{fmt.Sprintf("%s, %d objects: from %s to %s", r.Type, r.Objects, r.From, r.To)}
	if r.Objects == 1 {
		lines[0] = fmt.Sprintf("%s, 1 object: from %s to %s", r.Type, r.From, r.To)
	}
	for i, step := range r.Steps {
		lines = append(lines, fmt.Sprintf("%d. %s", i+1, step))
	}
	for _, w := range r.Warnings {
		lines = append(lines, "Note: "+w)
	}
	for _, b := range r.Blockers {
		lines = append(lines, "Blocked: "+b)
	}
	return strings.Join(lines, "\n")
}
