package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// defaultKills is how often the manager is killed.
	defaultKills = 50
	// killWithin is the longest that it is left alone.
	killWithin = 1500 * time.Millisecond
	// killsPerRelease is how many kills there are in a release.
	killsPerRelease = 5
)

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is %q: give a number", name, text)
	}
	return n
}

// TestManagerKilled kills the manager again and again while one revision after the other is released.
func TestManagerKilled(t *testing.T) {
	s := newStory(t, "eastb", "northb")
	seed := number(t, "CELLFED_FAULTS_SEED", uint64(time.Now().UnixNano()))
	kills := int(number(t, "CELLFED_FAULTS_KILLS", defaultKills))
	t.Logf("The schedule is that of CELLFED_FAULTS_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for done := 0; done < kills; {
		released := make(chan error, 1)
		go func() { released <- s.fleet.release(s.ctx, s.scope) }()
		for range min(killsPerRelease, kills-done) {
			wait := time.Duration(random.Int64N(int64(killWithin)))
			s.pause(wait)
			s.must(s.env.Cellfed.Kill())
			s.must(s.env.Cellfed.Start(s.ctx))
			done++
		}
		s.must(<-released)
	}
	t.Logf("The manager was killed %d times during %d releases", kills, (kills+killsPerRelease-1)/killsPerRelease)
	s.ends()
}

// pause lets a random time pass, which is what the story is about.
func (s *story) pause(d time.Duration) {
	s.t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
		s.t.Fatal(context.Cause(s.ctx))
	}
}

// TestLeadershipMoves has two managers. The leader is killed, and the next one is frozen for longer than its lease lasts and
// thawed when the other leads: it must not write any more.
func TestLeadershipMoves(t *testing.T) {
	s := newStory(t, "easta", "westb")
	first := s.env.Cellfed
	s.must(first.Stop(s.ctx))
	second := *first
	t.Cleanup(func() {
		// The stories that follow have one manager, whatever became of this one.
		first.ExtraArgs = nil
		if err := errors.Join(second.Kill(), first.Kill(), first.Start(context.Background())); err != nil {
			t.Error(err)
		}
	})
	first.ExtraArgs = []string{"--leader-elect"}
	second.ExtraArgs = []string{"--leader-elect"}
	for _, name := range []string{"health-probe", "webhook", "facade"} {
		port, err := framework.FreePort()
		s.must(err)
		second.ExtraArgs = append(second.ExtraArgs, fmt.Sprintf("--%s-bind-address=127.0.0.1:%d", name, port))
	}
	s.must(first.Start(s.ctx))
	leader := s.waitLeader("")
	s.must(second.Start(s.ctx))

	t.Log("The leader is killed during a release")
	s.release()
	s.must(first.Kill())
	leader = s.waitLeader(leader)
	s.arrives(s.scope...)
	s.must(first.Start(s.ctx))

	t.Log("The next leader is frozen during a release, and thawed when the other has released another one")
	s.release()
	s.must(second.Process().Signal(syscall.SIGSTOP))
	s.waitLeader(leader)
	s.release()
	s.arrives(s.scope...)
	s.must(second.Process().Signal(syscall.SIGCONT))
	framework.Eventually(t, soon, "the manager that has lost the leadership to end", func(context.Context) error {
		if second.Process().Err() == nil {
			return errors.New("it runs")
		}
		return nil
	})
	s.ends()
}

// waitLeader waits until another than the given one leads, and returns who.
func (s *story) waitLeader(before string) string {
	s.t.Helper()
	var holder string
	framework.Eventually(s.t, soon, "another leader", func(ctx context.Context) error {
		lease := &coordinationv1.Lease{}
		key := client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: "cellfed-manager"}
		if err := s.env.Host.Client.Get(ctx, key, lease); err != nil {
			return err
		}
		holder = ptr.Deref(lease.Spec.HolderIdentity, "")
		if holder == "" || holder == before {
			return fmt.Errorf("%q leads", holder)
		}
		return nil
	})
	return holder
}
