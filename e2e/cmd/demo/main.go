// Demo boots a host cluster and two members, installs upstream KubeFed and cellfed, releases an application to three
// cells, and shows with the real kubectl what happens and what each member really holds.
//
// With KEEP=1 in the environment everything is left running; "demo stop" stops it. The exit status is 0 only when
// every check holds.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cellfed/cellfed/e2e/framework"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	// What controller-runtime's clients log is no part of the show.
	log.SetLogger(logr.Discard())
	say := newNarrator(os.Stdout)
	if err := run(ctx, say, os.Args[1:]); err != nil {
		say.failure(err)
		os.Exit(1)
	}
}

func run(ctx context.Context, say *narrator, args []string) error {
	switch {
	case len(args) == 0:
		return play(ctx, say, os.Getenv("KEEP") != "")
	case len(args) == 1 && args[0] == "stop":
		return stop(ctx, say)
	default:
		return fmt.Errorf("unknown arguments %q: there are \"demo\" and \"demo stop\", and KEEP=1 in the environment leaves a demo running", args)
	}
}

// play runs the demo from start to end.
func play(ctx context.Context, say *narrator, keep bool) (err error) {
	dir, err := demoDir(keep)
	if err != nil {
		return err
	}
	env, err := boot(ctx, say, dir, keep)
	if err == nil {
		err = (&demo{say: say, env: env, kubeconfig: filepath.Join(dir, "kubeconfig")}).run(ctx)
	}
	if err != nil {
		say.logs(env)
	}
	if keep && err == nil {
		if err = save(dir, env); err == nil {
			say.kept(dir)
			return nil
		}
	}
	// The context may have ended, which is no reason to leave anything behind.
	stopErr := env.Stop(context.Background())
	if err == nil && stopErr == nil {
		return os.RemoveAll(dir)
	}
	say.line("Data and logs are in " + dir)
	return errors.Join(err, stopErr)
}

// demoDir returns the directory of data and logs: a new one, or, for a demo that stays, the one where "demo stop" looks.
func demoDir(keep bool) (string, error) {
	if !keep {
		return os.MkdirTemp("", "cellfed-demo-")
	}
	dir, err := keptDir()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(statePath(dir)); err == nil {
		return "", fmt.Errorf("a demo was left running in %s: \"make demo-stop\" stops it", dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("clear the directory of an earlier demo: %w", err)
	}
	return dir, nil
}

func boot(ctx context.Context, say *narrator, dir string, keep bool) (*framework.Environment, error) {
	say.title("Boot: a host and two member clusters, each a real kube-apiserver")
	env, err := framework.StartEnvironment(ctx, framework.EnvironmentOptions{
		Dir: dir,
		Members: []framework.MemberOptions{
			{Name: hangzhou, Labels: map[string]string{"city": "hangzhou"}, Workloads: true},
			{Name: shanghai, Labels: map[string]string{"city": "shanghai"}, Workloads: true},
		},
		Detached: keep,
		Progress: say.progress,
	})
	if err != nil {
		return env, err
	}
	say.progress("All is running")
	return env, nil
}
