package framework

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Kubectl runs the real kubectl against one API server.
type Kubectl struct {
	// Kubeconfig is the path of the kubeconfig.
	Kubeconfig string

	bin  string
	home string
}

// Output is what a command wrote and how it ended.
type Output struct {
	Stdout string
	Stderr string
	// Code is the exit status.
	Code int
}

// String returns all that was written.
func (o Output) String() string { return strings.TrimSpace(o.Stdout + o.Stderr) }

// NewKubectl returns a kubectl for a kubeconfig, with a cache of its own beside it.
func NewKubectl(kubeconfig string) (*Kubectl, error) {
	bin, err := Binary("kubectl")
	if err != nil {
		return nil, err
	}
	return &Kubectl{Kubeconfig: kubeconfig, bin: bin, home: kubeconfig + ".home"}, nil
}

// Run runs kubectl with the arguments and with stdin as its input. A command that ran and ended with a status other
// than 0 is not an error: Output has the status.
func (k *Kubectl) Run(ctx context.Context, stdin string, args ...string) (Output, error) {
	var stdout, stderr bytes.Buffer
	cmd := k.Command(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout = &stdout
	cmd.Stderr = &stderr
	err := cmd.Run()
	out := Output{Stdout: stdout.String(), Stderr: stderr.String()}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		out.Code = exit.ExitCode()
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("run kubectl %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// Must is Run for a command that has to succeed; it returns what was written to standard output.
func (k *Kubectl) Must(ctx context.Context, stdin string, args ...string) (string, error) {
	out, err := k.Run(ctx, stdin, args...)
	if err != nil {
		return "", err
	}
	if out.Code != 0 {
		return out.Stdout, fmt.Errorf("kubectl %s: exit status %d: %s", strings.Join(args, " "), out.Code, out)
	}
	return out.Stdout, nil
}

// Command returns the command without running it.
func (k *Kubectl) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, k.bin, args...)
	// kubectl diff looks for the program diff, and for nothing else of the environment but the home.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+k.Kubeconfig, "HOME="+k.home, "KUBECACHEDIR="+filepath.Join(k.home, "cache"))
	return cmd
}

// Kubectl returns a kubectl for the cluster's admin.
func (c *Cluster) Kubectl() (*Kubectl, error) { return NewKubectl(c.Kubeconfig) }
