package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/cellfed/cellfed/controlplane/internal/cli"
)

// runAsCommand makes this test binary be the command: linking a second binary takes longer than the
// tests.
const runAsCommand = "CELLFED_TEST_RUN_AS_COMMAND"

// Bounds that no healthy machine comes near.
const (
	startTimeout = 90 * time.Second
	stopTimeout  = 30 * time.Second
	runTimeout   = 60 * time.Second
)

func TestMain(m *testing.M) {
	if os.Getenv(runAsCommand) != "" {
		os.Exit(cli.Main(os.Args))
	}
	os.Exit(m.Run())
}

// command prepares the command line args, args[0] being the name that it is called by.
func command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = args
	cmd.Env = append(os.Environ(), runAsCommand+"=1", "KUBECONFIG=", "HOME="+t.TempDir())
	return cmd
}

// run runs a command to its end and returns what it wrote and its exit code.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	cmd := command(ctx, t, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", args, err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// process is a command that runs on.
type process struct {
	*exec.Cmd
	name string
	out  *buffer
	err  *buffer
	done chan struct{}
}

// start starts a command that is killed at the end of the test if it still runs then.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: command(context.Background(), t, args...), name: args[1], out: &buffer{}, err: &buffer{}, done: make(chan struct{})}
	p.Stdout, p.Stderr = p.out, p.err
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s wrote:\n%s%s", p.name, p.out, p.err)
		}
	})
	return p
}

// stop sends SIGTERM and asserts that the process ends well within stopTimeout.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		t.Fatalf("%s still runs %s after SIGTERM", p.name, stopTimeout)
	}
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%s ended with code %d after SIGTERM, want 0:\n%s", p.name, code, p.err)
	}
}

// eventually polls until check returns nil, and fails with its last error.
func eventually(t *testing.T, timeout time.Duration, what string, check func() error) {
	t.Helper()
	var last error
	if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, timeout, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	}); err != nil {
		t.Fatalf("%s: %v", what, last)
	}
}

// server is a running API server.
type server struct {
	*process
	dir string
	url string
}

// startServer starts an API server and returns when it says that it is ready.
func startServer(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	s := &server{process: start(t, append([]string{"controlplane", "apiserver", "--data-dir", dir}, args...)...), dir: dir}
	s.awaitReady(t)
	return s
}

func (s *server) awaitReady(t *testing.T) {
	t.Helper()
	eventually(t, startTimeout, "API server ready", func() error {
		select {
		case <-s.done:
			t.Fatalf("the API server ended:\n%s", s.err)
		default:
		}
		_, rest, ok := strings.Cut(s.out.String(), "API server ready at ")
		if !ok || !strings.Contains(rest, "\n") {
			return errors.New("nothing said yet")
		}
		s.url, _, _ = strings.Cut(rest, ",")
		return nil
	})
}

// kubectl runs kubectl as the administrator and fails the test if it fails.
func (s *server) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, errOut, code := s.tryKubectl(t, args...)
	if code != 0 {
		t.Fatalf("kubectl %s: code %d: %s%s", strings.Join(args, " "), code, out, errOut)
	}
	return out
}

func (s *server) tryKubectl(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return run(t, append([]string{"kubectl", "--kubeconfig", filepath.Join(s.dir, "kubeconfig")}, args...)...)
}

// apply applies a manifest.
func (s *server) apply(t *testing.T, manifest string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	s.kubectl(t, "apply", "--server-side", "-f", file)
}

// buffer is a bytes.Buffer that is written and read at the same time.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = &buffer{}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
