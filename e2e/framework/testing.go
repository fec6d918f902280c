package framework

import (
	"context"
	"testing"
	"time"
)

// RunControlPlane starts a control plane for a test and stops it with the test. An empty Dir is a directory of the
// test's, an empty Name "cluster".
func RunControlPlane(t testing.TB, o Options) *ControlPlane {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Name == "" {
		o.Name = "cluster"
	}
	cp, err := StartControlPlane(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := cp.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return cp
}

// Eventually polls a condition and fails the test when it does not come true in time.
func Eventually(t testing.TB, timeout time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	if err := Poll(t.Context(), timeout, what, check); err != nil {
		t.Fatal(err)
	}
}

// Always polls a condition for as long as the window is and fails the test as soon as it does not hold.
func Always(t testing.TB, window time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	if err := Hold(t.Context(), window, what, check); err != nil {
		t.Fatal(err)
	}
}
