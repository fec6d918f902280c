package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// afterHandover is how long a story watches that the new propagator of a type leaves the members as they are.
const afterHandover = 10 * time.Second

// handedOver are the types that the stories hand over: of a kind without generations, and of two with them.
var handedOver = []string{"configmaps", "deployments.apps", "services"}

// current is who propagates all types when a story begins, and is to when it ends.
func current() cellfedv1alpha1.Propagator {
	if pushed() {
		return cellfedv1alpha1.PropagatorCellfed
	}
	return cellfedv1alpha1.PropagatorKubeFed
}

func other(p cellfedv1alpha1.Propagator) cellfedv1alpha1.Propagator {
	if p == cellfedv1alpha1.PropagatorCellfed {
		return cellfedv1alpha1.PropagatorKubeFed
	}
	return cellfedv1alpha1.PropagatorCellfed
}

// handover is what a story of a hand-over is told on.
type handover struct {
	t      *testing.T
	ctx    context.Context
	env    *framework.Environment
	stages []*stage
	types  []string
}

// newHandover puts objects on clusters and on cells. When the story is over, whatever its end, the types are whose they
// were.
func newHandover(t *testing.T, name string, types ...string) *handover {
	t.Helper()
	env := environment(t)
	h := &handover{t: t, ctx: t.Context(), env: env, types: types}
	for _, on := range []string{onClusters, onCells} {
		h.stages = append(h.stages, newStage(t, env, on, name))
	}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := env.Cellfed.HandOver(ctx, 2*soon, current(), types...); err != nil {
			t.Error(err)
		}
		// Upstream's controller of a type that was stopped with something to do waits for its informers in vain, and ends
		// the process after cacheSyncTimeout: that is not to happen in another story.
		if err := env.KubeFed.Stop(ctx); err != nil {
			t.Error(err)
		}
		if err := env.KubeFed.Start(ctx); err != nil {
			t.Error(err)
		}
	})
	for _, s := range h.stages {
		s.put(s.object("ConfigMap", "pay", map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"round": "0"}},
			"data":     map[string]any{"stays": "yes", "goes0": "yes", "goes1": "yes", "goes2": "yes"},
		}))
		s.put(s.object("Deployment", "pay", map[string]any{"spec": map[string]any{
			"replicas": int64(0),
			"selector": map[string]any{"matchLabels": map[string]any{"app": "pay"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": "pay"}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "image": "registry.invalid/app:1"}}},
			},
		}}))
		s.put(s.object("Service", "pay", map[string]any{"spec": map[string]any{
			"selector": map[string]any{"app": "pay"}, "ports": []any{map[string]any{"port": int64(80)}},
		}}))
	}
	h.waitWell()
	return h
}

func (h *handover) waitWell() {
	h.t.Helper()
	for _, s := range h.stages {
		for _, kind := range []string{"ConfigMap", "Deployment", "Service"} {
			s.waitReport(kind, "pay", well(s.one, s.two))
		}
	}
}

func (h *handover) to(propagator cellfedv1alpha1.Propagator) {
	h.t.Helper()
	h.t.Logf("%s takes over", propagator)
	if err := h.env.Cellfed.HandOver(h.ctx, 2*soon, propagator, h.types...); err != nil {
		h.t.Fatal(err)
	}
}

// snapshot returns what identifies each object in the members and its state. Who owns its fields is a part of the state
// where owners says so.
func (h *handover) snapshot(ctx context.Context, owners bool) (map[string]string, error) {
	all := map[string]string{}
	for _, s := range h.stages {
		for _, topology := range []string{s.one, s.two} {
			for _, kind := range []string{"ConfigMap", "Deployment", "Service", "Namespace"} {
				object, err := s.read(ctx, topology, kind, "pay")
				if err != nil {
					return nil, fmt.Errorf("%s in %s: %w", kind, topology, err)
				}
				if !owners {
					object.SetManagedFields(nil)
					object.SetResourceVersion("")
				}
				state, err := json.Marshal(object)
				if err != nil {
					return nil, err
				}
				all[kind+" in "+topology] = string(state)
			}
		}
	}
	return all, nil
}

func (h *handover) mustSnapshot(owners bool) map[string]string {
	h.t.Helper()
	all, err := h.snapshot(h.ctx, owners)
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// same is a condition that holds as long as the members' objects are as they were.
func (h *handover) same(before map[string]string, owners bool) func(context.Context) error {
	return func(ctx context.Context) error {
		after, err := h.snapshot(ctx, owners)
		if err != nil {
			return err
		}
		if !maps.Equal(before, after) {
			return fmt.Errorf("the members' objects are others (-before +after):\n%s", cmp.Diff(before, after))
		}
		return nil
	}
}

// wantNoWrites fails the story when something was written to the namespaces of the story in the members.
func (h *handover) wantNoWrites(since []marks, during string) {
	h.t.Helper()
	for i, s := range h.stages {
		s.in(h.t).wantNoWrites(since[i], during)
	}
}

func (h *handover) mark() []marks {
	h.t.Helper()
	var all []marks
	for _, s := range h.stages {
		all = append(all, s.mark())
	}
	return all
}

// change changes the template, by a field that comes and one that goes, and waits for it.
func (h *handover) change(round int) {
	h.t.Helper()
	data := map[string]any{"stays": "yes"}
	for i := range 3 {
		if i > round {
			data[fmt.Sprintf("goes%d", i)] = "yes"
		}
	}
	for _, s := range h.stages {
		s.edit("ConfigMap", "pay", `{"spec":{"template":{"metadata":{"labels":{"round":"%d"}},"data":{"goes%d":null}}}}`, round+1, round)
		s.edit("Deployment", "pay", `{"spec":{"template":{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"registry.invalid/app:%d"}]}}}}}}`, round+2)
	}
	for _, s := range h.stages {
		for _, topology := range []string{s.one, s.two} {
			s.waitMap(topology, "pay", data)
			s.waitContainer(topology, "pay", fmt.Sprintf("registry.invalid/app:%d", round+2), "")
		}
	}
	h.waitWell()
}

// TestHandOver hands types over and back: no object in a member is another afterwards, the status stays right, and a field
// that one of them brought goes with the other.
func TestHandOver(t *testing.T) {
	h := newHandover(t, "handover", handedOver...)
	next := current()
	for round := range 2 {
		next = other(next)
		// Of what cellfed had applied before upstream changed it, cellfed takes the ownership of the fields again: that is
		// no change of the object, but a write.
		back := next == cellfedv1alpha1.PropagatorCellfed && round > 0
		before, marked := h.mustSnapshot(!back), h.mark()
		h.to(next)
		framework.Always(t, afterHandover, "the peace of the members after the hand-over", h.same(before, !back))
		if next == cellfedv1alpha1.PropagatorCellfed && !back {
			h.wantNoWrites(marked, "during a hand-over to cellfed")
		}
		h.waitWell()
		if next == cellfedv1alpha1.PropagatorCellfed {
			h.waitCounted(true)
		}
		h.change(round)
		h.waitCounted(next == cellfedv1alpha1.PropagatorCellfed)
	}
}

// waitCounted waits until the status counts the topologies, which cellfed's does and upstream's does not.
func (h *handover) waitCounted(want bool) {
	h.t.Helper()
	for _, s := range h.stages {
		s.eventually("the summary in the status", func(ctx context.Context) error {
			object := federated("FederatedConfigMap", v1beta1)
			if err := s.env.Host.Client.Get(ctx, s.key("pay"), object); err != nil {
				return err
			}
			inSync, found, err := unstructured.NestedInt64(object.Object, "status", "summary", "inSync")
			if err != nil {
				return err
			}
			if found != want || found && inSync != 2 {
				return fmt.Errorf("there is one: %v, of %d in sync", found, inSync)
			}
			return nil
		})
	}
}

// TestHandOverWithoutUpstream hands a type over while upstream KubeFed does not run. When it is back it leaves the
// type alone.
func TestHandOverWithoutUpstream(t *testing.T) {
	h := newHandover(t, "deserted", "configmaps")
	if pushed() {
		h.to(cellfedv1alpha1.PropagatorKubeFed)
	}
	kubefed := h.env.KubeFed
	if err := kubefed.Stop(h.ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The stories that follow need it, whatever became of this one.
		if err := kubefed.Start(context.Background()); err != nil {
			t.Error(err)
		}
	})
	before, marked := h.mustSnapshot(true), h.mark()
	h.to(cellfedv1alpha1.PropagatorCellfed)
	framework.Always(t, afterHandover, "the peace of the members after the hand-over", h.same(before, true))
	h.wantNoWrites(marked, "during a hand-over to cellfed")
	for _, s := range h.stages {
		s.edit("ConfigMap", "pay", `{"spec":{"template":{"data":{"by":"cellfed"}}}}`)
		s.waitObject(s.one, "ConfigMap", "pay", "cellfed's change", dataIs("by", "cellfed"))
		s.waitObject(s.two, "ConfigMap", "pay", "cellfed's change", dataIs("by", "cellfed"))
		s.waitReport("ConfigMap", "pay", well(s.one, s.two))
	}
	before, marked = h.mustSnapshot(true), h.mark()
	if err := kubefed.Start(h.ctx); err != nil {
		t.Fatal(err)
	}
	framework.Always(t, afterHandover, "the peace of the members after upstream came back", h.same(before, true))
	for i, s := range h.stages {
		for _, write := range s.cellWrites(marked[i]) {
			if write.Resource == "configmaps" {
				t.Errorf("after upstream came back the type that is not its own was written: %s", write)
			}
		}
	}
}

// dataIs is a check of a ConfigMap's data.
func dataIs(key, want string) func(*unstructured.Unstructured) error {
	return func(object *unstructured.Unstructured) error {
		if got, _, _ := unstructured.NestedString(object.Object, "data", key); got != want {
			return fmt.Errorf("%s is %q, want %q", key, got, want)
		}
		return nil
	}
}

// TestHandOverByHand has somebody enable the FederatedTypeConfig of a type that is cellfed's. Admission refuses it; where
// there is none, cellfed takes the type over anew, and no object in a member is another.
func TestHandOverByHand(t *testing.T) {
	h := newHandover(t, "by-hand", "configmaps")
	h.to(cellfedv1alpha1.PropagatorCellfed)
	before := h.mustSnapshot(true)
	key := keyOf(framework.KubeFedNamespace, "configmaps")
	config := &kubefedv1beta1.FederatedTypeConfig{}
	if err := h.env.Host.Client.Get(h.ctx, key, config); err != nil {
		t.Fatal(err)
	}
	flipped := config.DeepCopy()
	flipped.Spec.Propagation = kubefedv1beta1.PropagationEnabled
	if err := h.env.Host.Client.Patch(h.ctx, flipped.DeepCopy(), client.MergeFrom(config)); !apierrors.IsInvalid(err) {
		t.Fatalf("admission says %v", err)
	}
	if err := h.env.Cellfed.RemoveAdmission(h.ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The stories that follow need it, whatever became of this one.
		if err := h.env.Cellfed.InstallAdmission(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := h.env.Host.Client.Patch(h.ctx, flipped, client.MergeFrom(config)); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, soon, "the FederatedTypeConfig to be disabled again", func(ctx context.Context) error {
		if err := h.env.Host.Client.Get(ctx, key, config); err != nil {
			return err
		}
		if config.Spec.Propagation != kubefedv1beta1.PropagationDisabled || config.Generation == flipped.Generation {
			return errors.New("it is enabled")
		}
		return nil
	})
	h.to(cellfedv1alpha1.PropagatorCellfed)
	framework.Always(t, afterHandover, "the peace of the members", h.same(before, true))
	h.waitWell()
	h.change(0)
}
