package propagation

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cellfed/cellfed/internal/member"
)

var (
	modelSteps = flag.Int("model.steps", 3000, "how many steps a random walk of TestModel has")
	modelSeed  = flag.Int64("model.seed", 0, "the seed of TestModel's random walk; 0 walks with some fixed ones, -1 with one that is printed")
	modelAbout = flag.String("model.about", "", "the text that the events have in them which TestModel prints when it fails")
	modelTrail = flag.Int("model.trail", 30, "how many of the last events TestModel prints when it fails")
)

type noWatcher struct{}

func (noWatcher) Watch(member.Target)   {}
func (noWatcher) Unwatch(member.Target) {}

type nothing[K comparable] struct{}

func (nothing[K]) Reconcile(context.Context, K) (reconcile.Result, error) {
	return reconcile.Result{}, nil
}

// TestModel walks at random over what can happen to the push reconciler and checks what must hold whatever happens:
// what is held, and what belongs to other tenants, is not touched; a member that is down delays nothing else; and once
// everything works, everything is as the federated objects say, and nothing is written any more.
func TestModel(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5}
	switch *modelSeed {
	case 0:
	case -1:
		seeds = []uint64{rand.Uint64() >> 1}
	default:
		seeds = []uint64{uint64(*modelSeed)}
	}
	if *modelSteps > 10000 {
		seeds = seeds[:1]
	}
	runs := modelTypes(t)
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			began := time.Now()
			w := newWorld(t, runs, seed)
			w.walking = true
			for range *modelSteps {
				w.walk()
			}
			w.walking = false
			w.healed()
			t.Logf("seed %d: %d steps in %s", seed, *modelSteps, time.Since(began).Round(time.Millisecond))
			for _, what := range slices.Sorted(maps.Keys(w.stats)) {
				t.Logf("  %-30s %d", what, w.stats[what])
			}
		})
	}
}
