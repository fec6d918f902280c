package faults

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/e2e/framework"
)

// story is a release during which something breaks.
type story struct {
	t     *testing.T
	ctx   context.Context
	env   *framework.Environment
	fleet *fleet
	// held are the cells that are held throughout, and scope are the others.
	held, scope []string
	before      map[string]string
	marks       map[string]framework.AuditMark
}

// newStory begins with all cells in order, some of which are held from now on.
func newStory(t *testing.T, held ...string) *story {
	t.Helper()
	s := &story{t: t, ctx: t.Context(), env: suite.env, fleet: suite.fleet, held: held}
	for _, name := range s.fleet.names() {
		if !slices.Contains(held, name) {
			s.scope = append(s.scope, name)
		}
	}
	s.must(s.fleet.release(s.ctx, s.fleet.names()))
	s.must(s.fleet.settled(s.ctx, soon, s.fleet.names()))
	s.remember()
	return s
}

func (s *story) must(err error) {
	s.t.Helper()
	if err == nil {
		return
	}
	if process := s.env.Cellfed.Process(); process != nil {
		s.t.Logf("the end of %s:\n%s", process.LogPath, process.LogTail(15))
	}
	s.t.Fatal(err)
}

// remember notes what the held cells have.
func (s *story) remember() {
	s.t.Helper()
	var err error
	s.before, err = s.fleet.bytes(s.ctx, s.held...)
	s.must(err)
	s.marks, err = s.fleet.marks()
	s.must(err)
}

// release releases the next revision to the cells in scope.
func (s *story) release() {
	s.t.Helper()
	s.must(s.fleet.release(s.ctx, s.scope))
}

// arrives waits until the cells have the revision that was released last.
func (s *story) arrives(cells ...string) time.Duration {
	s.t.Helper()
	start := time.Now()
	s.must(s.fleet.arrived(s.ctx, soon, cells))
	return time.Since(start)
}

// ends waits until all is right, and checks that what is held is as it was, to the last byte, and that nobody so much as
// tried to write to it.
func (s *story) ends() {
	s.t.Helper()
	s.must(s.fleet.settled(s.ctx, soon, s.scope))
	s.wantHeld()
}

func (s *story) wantHeld() {
	s.t.Helper()
	after, err := s.fleet.bytes(s.ctx, s.held...)
	s.must(err)
	if diff := cmp.Diff(s.before, after); diff != "" {
		s.t.Errorf("what is held is not as it was (-before +after):\n%s", diff)
	}
	writes, err := s.fleet.touched(s.marks, s.held...)
	s.must(err)
	for _, write := range writes {
		s.t.Errorf("what is held was written: %s", write)
	}
}

// on returns the cells in scope that are on a member, or those that are not.
func (s *story) on(member string, want bool) []string {
	var cells []string
	for _, c := range s.fleet.cells {
		if slices.Contains(s.scope, c.name) && (c.member == member) == want {
			cells = append(cells, c.name)
		}
	}
	return cells
}
