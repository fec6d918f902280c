// Package tenants plays a hostile tenant against real API servers, real upstream KubeFed v0.10.0 and the real manager,
// each a process of its own. The tenant holds what config/rbac and the cluster's own edit role give in its namespaces, and
// tries to reach what is another's: under upstream's propagator and under cellfed's. What each try was answered, and what it
// reached, is the table that the suite ends with, which is also in docs/security.md: -update writes it there.
//
// All tries share one environment. CELLFED_BIN names the binaries' directory, CELLFED_TENANTS_DIR keeps data and logs in a
// directory, and CELLFED_TENANTS_CELLS is how many cells the tenant floods the host with.
package tenants

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// soon bounds what takes upstream some retries on a busy machine.
	soon = 2 * time.Minute
	// tail is how long everybody's clusters are watched once the last try was answered.
	tail = 20 * time.Second
)

var update = flag.Bool("update", false, "write the table into docs/security.md")

// suite is what the tries share.
var suite struct {
	world *world
	table table
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	// What controller-runtime's clients log is no part of a try.
	log.SetLogger(logr.Discard())
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	dir, temporary, err := directory()
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
	env, err := boot(ctx, dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		if env != nil {
			fmt.Fprintln(os.Stderr, env.Stop(context.Background()))
		}
		return 1
	}
	code = m.Run()
	if code == 0 {
		if err := env.Err(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	suite.table.print(os.Stdout)
	if err := env.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// directory returns where data and logs go, and whether it goes away after success.
func directory() (string, bool, error) {
	if dir := os.Getenv("CELLFED_TENANTS_DIR"); dir != "" {
		dir, err := filepath.Abs(dir)
		return dir, false, err
	}
	dir, err := os.MkdirTemp("", "cellfed-tenants-")
	return dir, true, err
}

// boot starts the clusters, hands one type over to cellfed, and gives both tenants what they have.
func boot(ctx context.Context, dir string) (*framework.Environment, error) {
	start := time.Now()
	progress := func(line string) {
		fmt.Fprintf(os.Stderr, "%6s  %s\n", time.Since(start).Round(time.Second/10), line)
	}
	owned := func(tenant string) map[string]string {
		return map[string]string{cellfedv1alpha1.TenantLabel: tenant, cellfedv1alpha1.WorkspaceGroupLabel: "prod"}
	}
	env, err := framework.StartEnvironment(ctx, framework.EnvironmentOptions{
		Dir: dir,
		Members: []framework.MemberOptions{
			{Name: acmeMember, Labels: owned("acme")},
			{Name: globexMember, Labels: owned("globex")},
			{Name: commonMember, Labels: map[string]string{cellfedv1alpha1.SharedLabel: "true"}},
		},
		Progress: progress,
	})
	if err != nil {
		return env, err
	}
	if suite.world, err = newWorld(ctx, env); err != nil {
		return env, err
	}
	progress("Both tenants have what is theirs")
	return env, nil
}
