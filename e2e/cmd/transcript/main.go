// Transcript writes docs/kubectl-cells.md: it boots a host, two members and a cluster that is none yet, runs the commands of
// page.md with the real kubectl cells, and puts beside each of them what it printed, without what differs from run to run.
//
//	transcript FILE
//
// The file is written only when every command ended as the page says.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	hangzhou = "hz-a"
	shanghai = "sh-b"
	// newcomer is the cluster that the page joins.
	newcomer = "hz-b"
)

//go:embed page.md
var source string

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	// What controller-runtime's clients log is no part of the page.
	log.SetLogger(logr.Discard())
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("the arguments are %q: give the one file to write, such as docs/kubectl-cells.md", args)
	}
	page, err := parse(source)
	if err != nil {
		return err
	}
	written, err := play(ctx, page)
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[0], []byte(written), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	progress("Wrote " + args[0])
	return nil
}

var start = time.Now()

// progress tells of something that takes a while.
func progress(line string) { fmt.Printf("%6.1fs  %s\n", time.Since(start).Seconds(), line) }

// play boots the clusters and runs the page on them.
func play(ctx context.Context, page []part) (written string, err error) {
	dir, err := os.MkdirTemp("", "cellfed-transcript-")
	if err != nil {
		return "", fmt.Errorf("make a directory for data and logs: %w", err)
	}
	env, err := boot(ctx, dir)
	defer func() {
		// The context may have ended, which is no reason to leave anything behind.
		err = errors.Join(err, env.Stop(context.Background()))
		if err == nil {
			err = os.RemoveAll(dir)
			return
		}
		progress("Data and logs, and page.md as far as it came, are in " + dir)
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "page.md"), []byte(written), 0o600))
	}()
	if err != nil {
		return "", err
	}
	d := &desk{dir: filepath.Join(dir, "reader"), home: filepath.Join(dir, "home"), env: env}
	if err := d.furnish(ctx); err != nil {
		return "", err
	}
	return d.write(ctx, page)
}

func boot(ctx context.Context, dir string) (*framework.Environment, error) {
	env, err := framework.StartEnvironment(ctx, framework.EnvironmentOptions{
		Dir: dir,
		Members: []framework.MemberOptions{
			{Name: hangzhou, Labels: map[string]string{"city": "hangzhou"}, Workloads: true},
			{Name: shanghai, Labels: map[string]string{"city": "shanghai"}, Workloads: true},
		},
		Progress: progress,
	})
	if err != nil {
		return env, err
	}
	progress("Starting " + newcomer + ", which is no member yet")
	cluster, err := framework.StartCluster(ctx, framework.Options{Name: newcomer, Dir: dir, Controllers: framework.MemberControllers})
	if cluster != nil {
		// From here on it is in the kubeconfig, and stops with the others.
		env.Members[newcomer] = cluster
	}
	return env, err
}
