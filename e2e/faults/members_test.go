package faults

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cellfed/cellfed/e2e/framework"
)

// unhindered bounds how long a release may take in the members that work while another does not.
const unhindered = 30 * time.Second

// delay is what a slow network adds to a request, and again to its answer.
const delay = 2 * time.Second

// TestMemberComesBackWithOldData kills a member and brings it back with the data of an earlier day: what is in scope is
// brought up to date, what is held stays as that day left it.
func TestMemberComesBackWithOldData(t *testing.T) {
	s := newStory(t, "westb")
	member := s.env.Member(west)
	store := filepath.Join(member.Dir, "data", "datastore")
	backup := filepath.Join(t.TempDir(), "datastore")

	s.must(member.Stop(s.ctx))
	s.must(os.CopyFS(backup, os.DirFS(store)))
	s.must(member.Start(s.ctx))
	s.remember()
	t.Log("Everything moves on by one revision, the cell that will be held too")
	old := s.before
	all := s.fleet.names()
	s.must(s.fleet.release(s.ctx, all))
	s.must(s.fleet.settled(s.ctx, soon, all))

	t.Log("The member dies, and a release goes on without it")
	s.must(member.Kill())
	s.release()
	if took := s.arrives(s.on(west, false)...); took > unhindered {
		t.Errorf("the release took %s in the members that work", took)
	}
	s.must(os.RemoveAll(store))
	s.must(os.CopyFS(store, os.DirFS(backup)))
	s.must(member.Start(s.ctx))
	marks, err := s.fleet.marks()
	s.must(err)
	s.before, s.marks = old, marks
	s.ends()

	t.Log("The mask lets the cell catch up")
	s.held, s.scope = nil, all
	s.release()
	s.must(s.fleet.settled(s.ctx, soon, all))
}

// TestNetworkBeforeMember delays, drops and swallows what is sent to a member during releases.
func TestNetworkBeforeMember(t *testing.T) {
	s := newStory(t, "easta", "northb")
	proxy := s.env.Proxies[north]
	t.Cleanup(proxy.Pass)
	for _, fault := range []struct {
		name  string
		begin func()
		// stays says that the release reaches the member in spite of the fault.
		stays bool
	}{
		{name: "two seconds each way", begin: func() { proxy.Delay(delay, delay) }, stays: true},
		{name: "connections that are reset", begin: proxy.Drop},
		{name: "silence", begin: proxy.Hang},
	} {
		t.Logf("A release with %s before a member", fault.name)
		fault.begin()
		start := time.Now()
		s.release()
		if took := s.arrives(s.on(north, false)...); took > unhindered {
			t.Errorf("with %s before one member the release took %s in the others", fault.name, took)
		}
		if fault.stays {
			s.arrives(s.on(north, true)...)
			if took := time.Since(start); took < delay {
				t.Errorf("the release reached the member after %s, which is faster than the delay", took)
			}
		} else {
			s.wantBehind(s.on(north, true)...)
		}
		s.release()
		proxy.Pass()
		s.ends()
	}
}

// wantBehind checks that a release has not reached cells: the fault was there.
func (s *story) wantBehind(cells ...string) {
	s.t.Helper()
	for _, c := range s.fleet.cells {
		if !slices.Contains(cells, c.name) {
			continue
		}
		objects, err := s.fleet.read(s.ctx, c)
		s.must(err)
		for name, object := range objects {
			if object.Data["revision"] == strconv.Itoa(s.fleet.revision) {
				s.t.Errorf("%s reached %s in spite of the fault", name, c.name)
			}
		}
	}
}

// TestHostRestarts kills the host's API server in the middle of a release, and stops it in order in the middle of
// another.
func TestHostRestarts(t *testing.T) {
	s := newStory(t, "westa", "northa")
	for _, stop := range []func(context.Context) error{
		func(context.Context) error { return s.env.Host.Kill() },
		s.env.Host.ControlPlane.Stop,
	} {
		released := make(chan error, 1)
		go func() { released <- s.fleet.release(s.ctx, s.scope) }()
		s.halfway()
		s.must(stop(s.ctx))
		s.must(s.env.Host.Start(s.ctx))
		s.must(<-released)
		s.ends()
	}
	if err := s.env.Cellfed.Process().Err(); err != nil {
		t.Error(err)
	}
}

// halfway waits until a part of a release has arrived.
func (s *story) halfway() {
	s.t.Helper()
	framework.Eventually(s.t, soon, "a part of the release", func(ctx context.Context) error {
		cells, err := s.fleet.touched(s.marks, s.scope...)
		if err != nil {
			return err
		}
		if len(cells) < len(s.fleet.objects) {
			return errors.New("too little was written")
		}
		return nil
	})
	var err error
	s.marks, err = s.fleet.marks()
	s.must(err)
}
