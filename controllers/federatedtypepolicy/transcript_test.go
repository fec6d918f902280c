package federatedtypepolicy

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden transcripts anew")

const (
	kubeFed = v1alpha1.PropagatorKubeFed
	cellfed = v1alpha1.PropagatorCellfed

	enabled      = fedv1b1.PropagationEnabled
	disabledMode = fedv1b1.PropagationDisabled
)

// scenarios are stories of a hand-over. Each ends in a state that TestCrashes asks for as well.
var scenarios = map[string]struct {
	reason string
	story  func(*world)
	// propagator is who has the type in the end; mode is what the FederatedTypeConfig says then.
	propagator v1alpha1.Propagator
	mode       fedv1b1.PropagationMode
}{
	"thereandback": {"upstream runs, with three writes in hand when it is stopped", func(w *world) {
		w.federate(enabled)
		w.up.busy = 3
		w.up.start()
		w.want(cellfed)
		w.pass(30*time.Second, 2*time.Second)
		w.want(kubeFed)
		w.pass(10*time.Second, 2*time.Second)
	}, kubeFed, enabled},
	"never": {"upstream was never there", func(w *world) {
		w.federate(enabled)
		w.want(cellfed)
		w.pass(2*time.Second, time.Second)
	}, cellfed, disabledMode},
	"dead": {"upstream was killed, and comes back", func(w *world) {
		w.federate(enabled)
		w.up.start()
		w.up.kill()
		w.want(cellfed)
		w.pass(40*time.Second, 4*time.Second)
		w.up.start()
		w.pass(20*time.Second, 4*time.Second)
	}, cellfed, disabledMode},
	"killed": {"upstream is killed before it sees that it is to stop, and starts into a config it has not seen", func(w *world) {
		w.federate(enabled)
		w.up.start()
		w.pass(2*time.Second, time.Second)
		w.want(cellfed)
		w.reconcile()
		w.up.kill()
		w.up.start()
		w.up.busy = 2
		w.pass(60*time.Second, 4*time.Second)
	}, cellfed, disabledMode},
	"flipped": {"somebody enables the config by hand", func(w *world) {
		w.federate(enabled)
		w.up.start()
		w.want(cellfed)
		w.pass(20*time.Second, 4*time.Second)
		w.edit("propagation: Enabled", setMode(enabled))
		w.up.busy = 1
		w.up.tick()
		w.pass(40*time.Second, 4*time.Second)
	}, cellfed, disabledMode},
	"edited": {"somebody edits the config, which has upstream start for a moment", func(w *world) {
		w.federate(enabled)
		w.up.start()
		w.want(cellfed)
		w.pass(20*time.Second, 4*time.Second)
		w.edit("statusCollection", toggleStatus)
		w.pass(40*time.Second, 4*time.Second)
	}, cellfed, disabledMode},
	"recreated": {"the config is deleted and created anew", func(w *world) {
		w.federate(enabled)
		w.up.start()
		w.want(cellfed)
		w.pass(20*time.Second, 4*time.Second)
		w.unfederate()
		w.pass(2*time.Second, 2*time.Second)
		w.federate(enabled)
		w.pass(40*time.Second, 4*time.Second)
	}, cellfed, disabledMode},
	"unserved": {"the CRD is not ready at first", func(w *world) {
		w.serve(false)
		w.federate(enabled)
		w.up.start()
		w.want(cellfed)
		w.pass(20*time.Second, 4*time.Second)
		w.serve(true)
		w.pass(20*time.Second, 4*time.Second)
	}, cellfed, disabledMode},
	"deleted": {"the policy is deleted", func(w *world) {
		w.federate(enabled)
		w.up.start()
		w.want(cellfed)
		w.pass(20*time.Second, 4*time.Second)
		w.say("delete the policy")
		w.must(w.inner.Delete(w.ctx, w.policy()))
		w.pass(8*time.Second, 4*time.Second)
	}, "", enabled},
	"bydisabled": {"somebody disabled the type, and never handed it over", func(w *world) {
		w.federate(disabledMode)
		w.up.start()
		w.want(kubeFed)
		w.pass(8*time.Second, 4*time.Second)
	}, "", disabledMode},
	"fromdisabled": {"somebody disabled the type, handed it over and back", func(w *world) {
		w.federate(disabledMode)
		w.up.start()
		w.want(cellfed)
		w.pass(20*time.Second, 4*time.Second)
		w.want(kubeFed)
		w.pass(8*time.Second, 4*time.Second)
	}, kubeFed, enabled},
	"heldback": {"somebody enables the config, and then edits it, while a hand-back waits for what is held", func(w *world) {
		w.federate(enabled)
		w.up.start()
		w.want(cellfed)
		w.pass(40*time.Second, 4*time.Second)
		w.hold()
		w.want(kubeFed)
		w.pass(8*time.Second, 4*time.Second)
		w.edit("propagation: Enabled", setMode(enabled))
		w.up.busy = 1
		w.up.tick()
		w.pass(40*time.Second, 4*time.Second)
		w.edit("statusCollection", toggleStatus)
		w.pass(40*time.Second, 4*time.Second)
	}, cellfed, disabledMode},
	"changedmind": {"the type is wanted back in the middle", func(w *world) {
		w.federate(enabled)
		w.up.busy = 3
		w.up.start()
		w.want(cellfed)
		w.pass(4*time.Second, 2*time.Second)
		w.want(kubeFed)
		w.pass(8*time.Second, 4*time.Second)
	}, kubeFed, enabled},
}

func TestTranscripts(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s.story(w)
			w.check(s.propagator, s.mode)
			path := filepath.Join("testdata", name+".txt")
			got := "# " + s.reason + "\n" + w.transcript()
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want, +got (go test -run TestTranscripts -update writes it anew):\n%s", diff)
			}
		})
	}
}

// TestCrashes ends the manager at every write of every story, before it is done and after, once and for all that follow
// in the story. Two writers are an error of the world's; the end must be the same.
func TestCrashes(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, late := range []bool{false, true} {
				for at := 1; ; at++ {
					w := newWorld(t)
					w.crashAt, w.late = at, late
					s.story(w)
					if w.writes < at {
						break
					}
					w.pass(60*time.Second, 4*time.Second)
					w.check(s.propagator, s.mode)
				}
			}
		})
	}
}

// check checks who has the type in the end.
func (w *world) check(propagator v1alpha1.Propagator, mode fedv1b1.PropagationMode) {
	w.t.Helper()
	type end struct {
		Propagator v1alpha1.Propagator
		Mode       fedv1b1.PropagationMode
		Runs       bool
		Marked     bool
	}
	want := end{propagator, mode, propagator == cellfed, propagator == cellfed}
	config := w.config()
	got := end{Mode: config.Spec.Propagation, Runs: w.run.running[typeName], Marked: marked(config)}
	if p := w.policy(); p != nil {
		got.Propagator = p.Status.Propagator
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("the end: %s\n%s", diff, w.transcript())
	}
}
