// Package plugin drives the program kubectl-cells, as it is built, through the life of an installation: real API servers, real
// upstream KubeFed v0.10.0 and the real manager, each a process of its own. A member is joined with the least rights, gets a cell
// and a release under both propagators, and cellfed is removed.
//
// There is no kubelet: what stands for the manager's Deployment and for the Job that uninstall makes is done by the suite, which
// stops the manager and runs its program when they say so.
//
// CELLFED_BIN names the binaries' directory, and CELLFED_PLUGIN_DIR keeps data and logs in a directory.
package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/cellfed/cellfed/e2e/framework"
)

// soon bounds what takes upstream some retries on a busy machine.
const soon = 2 * time.Minute

// suite is what the tests share.
var suite struct {
	env    *framework.Environment
	member *framework.Cluster
	bin    string
}

func TestMain(m *testing.M) {
	os.Exit(framework.RunSuite("CELLFED_PLUGIN_DIR", func(ctx context.Context, dir string) int {
		code, err := run(ctx, dir, m)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}))
}

func run(ctx context.Context, dir string, m *testing.M) (code int, err error) {
	if suite.bin, err = framework.Binary("kubectl-cells"); err != nil {
		return 1, err
	}
	suite.env, err = framework.StartEnvironment(ctx, framework.EnvironmentOptions{Dir: dir})
	if err != nil {
		return 1, err
	}
	// The suite's own context has ended where it was interrupted.
	defer func() { err = errors.Join(err, suite.env.Stop(context.Background())) }()
	suite.member, err = framework.StartCluster(ctx, framework.Options{
		Name: "hz-a", Dir: dir, Controllers: framework.MemberControllers, Audit: true,
	})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, suite.member.Stop(context.Background())) }()
	return m.Run(), nil
}

// answer is what the program wrote, and its exit code.
type answer struct {
	out, err string
	code     int
}

func (a answer) String() string {
	return fmt.Sprintf("exit code %d\nstdout:\n%s\nstderr:\n%s", a.code, a.out, a.err)
}

// cells runs the program against the host.
func cells(ctx context.Context, t *testing.T, args ...string) answer {
	t.Helper()
	cmd := exec.CommandContext(ctx, suite.bin, append([]string{"--kubeconfig", suite.env.Host.Kubeconfig}, args...)...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return answer{out.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
