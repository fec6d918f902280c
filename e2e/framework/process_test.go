package framework

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// childEnv makes the test binary a program that starts a process, says its id, and waits to be killed.
	childEnv = "CELLFED_FRAMEWORK_CHILD"
	// detachedEnv lets that process outlive the program.
	detachedEnv = "CELLFED_FRAMEWORK_DETACHED"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		process, err := Start(Program{
			Name: "sleeper", Path: "/bin/sleep", Args: []string{"600"}, Dir: dir, Detached: os.Getenv(detachedEnv) != "",
		})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(process.PID())
		<-process.Done()
	}
	os.Exit(m.Run())
}

func TestProcessStop(t *testing.T) {
	cases := map[string]struct {
		reason string
		script string
		stop   func(*Process) error
		want   string
	}{
		"Graceful": {
			reason: "a process that ends on SIGTERM is stopped without an error and may say goodbye",
			script: `trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.05; done`,
			stop:   func(p *Process) error { return p.Stop(context.Background()) },
			want:   "ready\ngoodbye",
		},
		"Kill": {
			reason: "a kill gives the process no time to say anything",
			script: `trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.05; done`,
			stop:   (*Process).Kill,
			want:   "ready",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			process, err := Start(Program{Name: "script", Path: "/bin/sh", Args: []string{"-c", tc.script}, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			waitForLine(t, process, "ready")
			if err := tc.stop(process); err != nil {
				t.Errorf("%s: %v", tc.reason, err)
			}
			if got := process.LogTail(10); got != tc.want {
				t.Errorf("%s: the log is %q, want %q", tc.reason, got, tc.want)
			}
			if err := tc.stop(process); err != nil {
				t.Errorf("stopping a process that has ended: %v", err)
			}
		})
	}
}

func TestProcessStopWhenContextEnds(t *testing.T) {
	process, err := Start(Program{
		Name: "stubborn", Path: "/bin/sh", Args: []string{"-c", `trap '' TERM; echo ready; while :; do sleep 0.05; done`}, Dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	waitForLine(t, process, "ready")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := process.Stop(ctx); err == nil {
		t.Error("a process that ignores SIGTERM was stopped without an error")
	}
	select {
	case <-process.Done():
	default:
		t.Error("the process still runs")
	}
}

func TestProcessErr(t *testing.T) {
	process, err := Start(Program{Name: "failing", Path: "/bin/sh", Args: []string{"-c", "echo no such thing; exit 3"}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	<-process.Done()
	got := process.Err()
	if got == nil || !strings.Contains(got.Error(), "exit status 3") || !strings.Contains(got.Error(), "no such thing") {
		t.Errorf("Err() = %v, want the status and the end of the log", got)
	}
}

// TestProcessDiesWithItsParent kills a program that has started a process, as the out-of-memory killer would.
func TestProcessDiesWithItsParent(t *testing.T) {
	pid := orphan(t)
	Eventually(t, 10*time.Second, "the process to die", func(context.Context) error {
		if alive(pid) {
			return fmt.Errorf("process %d still runs", pid)
		}
		return nil
	})
}

// TestDetachedProcessOutlivesItsParent does the same to one that is to be left behind.
func TestDetachedProcessOutlivesItsParent(t *testing.T) {
	pid := orphan(t, detachedEnv+"=yes")
	t.Cleanup(func() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	Always(t, time.Second, "the process's life", func(context.Context) error {
		if !alive(pid) {
			return fmt.Errorf("process %d has ended", pid)
		}
		return nil
	})
}

// orphan starts a program that starts a process, kills the program, and returns the process's id.
func orphan(t *testing.T, env ...string) int {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(append(os.Environ(), childEnv+"="+t.TempDir()), env...)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var line string
	if _, err := fmt.Fscanln(out, &line); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("the program said %q", line)
	}
	if !alive(pid) {
		t.Fatal("the process does not run")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	return pid
}

// alive says whether the process runs; one that has ended and that nobody has waited for does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && syscall.Kill(pid, 0) == nil
}

func waitForLine(t *testing.T, process *Process, line string) {
	t.Helper()
	Eventually(t, 10*time.Second, "the process to say "+line, func(context.Context) error {
		if !strings.Contains(process.LogTail(10), line) {
			return fmt.Errorf("its log is %q", process.LogTail(10))
		}
		return nil
	})
}
