package framework

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// RunSuite runs the tests of a suite, which returns the code that the process is to end with. Its context ends when somebody
// interrupts it. Data and logs go to the directory that the environment variable names, and stay there, or else to one that goes
// away after success.
func RunSuite(variable string, suite func(ctx context.Context, dir string) int) (code int) {
	// What controller-runtime's clients log is no part of a test.
	log.SetLogger(logr.Discard())
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	dir, temporary, err := suiteDirectory(variable)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if temporary && code == 0 {
			if err := os.RemoveAll(dir); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			return
		}
		fmt.Fprintf(os.Stderr, "data and logs are in %s\n", dir)
	}()
	return suite(ctx, dir)
}

// suiteDirectory returns where data and logs go, and whether it goes away after success.
func suiteDirectory(variable string) (string, bool, error) {
	if dir := os.Getenv(variable); dir != "" {
		dir, err := filepath.Abs(dir)
		return dir, false, err
	}
	dir, err := os.MkdirTemp("", "cellfed-e2e-")
	return dir, true, err
}

// RunCluster starts an API server for a test, and stops it with the test. An empty Dir is a directory of the test's, an empty
// Name "host".
func RunCluster(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Name == "" {
		o.Name = "host"
	}
	cluster, err := StartCluster(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := cluster.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

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
