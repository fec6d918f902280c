package federatedtypepolicy

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

var (
	walks = flag.Int("walks", 40, "how many random walks TestModel takes")
	seed  = flag.Uint64("seed", 0, "the seed of the only walk that TestModel takes; 0 is for many")
)

// TestModel walks at random over all that can happen to a type: people who change their mind, edit, delete and create, a
// manager and an upstream that are killed and started anywhere. There are never two writers: the world says so when the push
// reconciler starts, and after each reconcile. Nor is upstream given what it cannot read. When everybody has calmed down, the one that is wanted has the type.
func TestModel(t *testing.T) {
	seeds := []uint64{*seed}
	if *seed == 0 {
		seeds = nil
		for i := range *walks {
			seeds = append(seeds, uint64(i)+1)
		}
	}
	for _, s := range seeds {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			walk(t, rand.New(rand.NewPCG(s, 0))) //nolint:gosec // A walk is to be walked again.
		})
	}
}

func walk(t *testing.T, random *rand.Rand) {
	w := newWorld(t)
	w.federate([]fedv1b1.PropagationMode{enabled, disabledMode}[random.IntN(2)])
	if random.IntN(2) == 0 {
		w.up.start()
	}
	for range 40 {
		w.up.busy = random.IntN(4)
		w.crashAt, w.late = 0, random.IntN(2) == 0
		if random.IntN(4) == 0 {
			w.crashAt = w.writes + 1 + random.IntN(4)
		}
		act(w, random)
		if t.Failed() {
			return
		}
	}
	w.crashAt = 0
	w.release()
	w.serve(true)
	w.up.start()
	w.pass(20*time.Second, 4*time.Second)
	if w.config() == nil {
		w.federate(enabled)
	}
	wanted := cellfed
	if random.IntN(2) == 0 {
		wanted = kubeFed
	}
	handed := marked(w.config())
	w.want(wanted)
	w.pass(80*time.Second, 4*time.Second)
	switch {
	case wanted == cellfed:
		w.check(cellfed, disabledMode)
	case handed || w.config().Spec.Propagation == enabled:
		w.check(kubeFed, enabled)
	default:
		// Somebody disabled it while it was upstream's.
		w.check("", disabledMode)
	}
}

// act has one thing happen.
func act(w *world, random *rand.Rand) {
	switch random.IntN(20) {
	case 0, 1:
		w.want(cellfed)
	case 2:
		w.want(kubeFed)
	case 3:
		w.up.start()
	case 4:
		w.up.kill()
	case 5:
		w.say("crash of the manager")
		w.restart()
	case 6:
		if w.config() != nil {
			mode := []fedv1b1.PropagationMode{enabled, disabledMode}[random.IntN(2)]
			w.edit(string(mode), setMode(mode))
		}
	case 7:
		if w.config() != nil {
			w.edit("statusCollection", toggleStatus)
		}
	case 8:
		if w.config() == nil {
			w.federate(enabled)
		} else if random.IntN(3) == 0 {
			w.unfederate()
		}
	case 9:
		if p := w.policy(); p != nil && p.DeletionTimestamp.IsZero() {
			w.say("delete the policy")
			w.must(w.inner.Delete(w.ctx, p))
			w.pass(2*time.Second, 2*time.Second)
			// The rest of the walk has one again, when this one is gone.
			w.pass(30*time.Second, 3*time.Second)
		}
	case 10:
		w.serve(random.IntN(4) != 0)
	case 11:
		w.reconcile()
	case 12:
		w.up.tick()
	case 13:
		w.hold()
	case 14:
		if random.IntN(2) == 0 {
			w.release()
		}
	case 15:
		// Somebody enables the config while a hand-back waits.
		if w.config() != nil && w.policy() != nil {
			w.hold()
			w.want(kubeFed)
			w.pass(time.Duration(random.IntN(10))*time.Second, 2*time.Second)
			if w.config() != nil {
				w.edit(string(enabled), setMode(enabled))
			}
		}
	case 16:
		w.ask([]v1alpha1.ServedVersions{v1alpha1.ServedBoth, v1alpha1.ServedV2Beta1Only, v1alpha1.ServedV2Beta1Only}[random.IntN(3)])
	case 17:
		// Somebody hands the type back just when v1beta1 ceases to be served.
		w.want(cellfed)
		w.ask(v1alpha1.ServedV2Beta1Only)
		w.pass(time.Duration(20+random.IntN(30))*time.Second, 2*time.Second)
		w.ask([]v1alpha1.ServedVersions{v1alpha1.ServedBoth, v1alpha1.ServedV2Beta1Only}[random.IntN(2)])
		for range random.IntN(4) {
			w.serving.tick(w)
		}
		w.ask(v1alpha1.ServedV2Beta1Only)
		for range random.IntN(2) {
			w.serving.tick(w)
		}
		w.want(kubeFed)
		for range random.IntN(5) {
			w.reconcile()
		}
		w.serving.tick(w)
	default:
		w.pass(time.Duration(1+random.IntN(40))*time.Second, time.Duration(1+random.IntN(5))*time.Second)
	}
}
