// Package faults breaks things during a release under the push reconciler: the manager, a member, the network before a
// member, the host's API server, the leadership. Each story releases over six cells on three members, of which some are
// held, and afterwards looks at every object: what is in scope is right, what is held is as it was to the last byte,
// nothing is there twice and nothing is lost, and the status says so.
//
// The stories share one environment, real processes all of it. CELLFED_BIN names the binaries' directory,
// CELLFED_FAULTS_DIR keeps data and logs in a directory, CELLFED_FAULTS_KILLS is how often the manager is killed, and
// CELLFED_FAULTS_SEED repeats a schedule.
package faults

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// east works, west dies and comes back, north is behind a proxy.
	east  = "east"
	west  = "west"
	north = "north"

	// soon bounds what takes a moment.
	soon = 2 * time.Minute
)

// suite is what the stories share.
var suite struct {
	env   *framework.Environment
	fleet *fleet
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(framework.RunSuite("CELLFED_FAULTS_DIR", func(ctx context.Context, dir string) int { return run(ctx, dir, m) }))
}

// run boots the environment and tells the stories.
func run(ctx context.Context, dir string, m *testing.M) int {
	if err := boot(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if suite.env != nil {
			if err := suite.env.Stop(context.Background()); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		return 1
	}
	code := m.Run()
	if err := suite.env.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// boot starts the clusters, hands the types over to cellfed, and releases for the first time.
func boot(ctx context.Context, dir string) error {
	start := time.Now()
	env, err := framework.StartEnvironment(ctx, framework.EnvironmentOptions{
		Dir:      dir,
		Members:  []framework.MemberOptions{{Name: east}, {Name: west}, {Name: north, Proxied: true}},
		Progress: func(line string) { fmt.Fprintf(os.Stderr, "%6s  %s\n", time.Since(start).Round(time.Second/10), line) },
	})
	if err != nil {
		return err
	}
	suite.env = env
	types := []string{"configmaps", "namespaces"}
	if err := env.Cellfed.HandOver(ctx, soon, cellfedv1alpha1.PropagatorCellfed, types...); err != nil {
		return err
	}
	// What upstream does in the background is no part of the stories, and it ends when its API server goes away.
	if err := env.KubeFed.Stop(ctx); err != nil {
		return err
	}
	suite.fleet = newFleet(env)
	if err := suite.fleet.boot(ctx); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%6s  %d objects are in %d cells\n", time.Since(start).Round(time.Second/10), len(suite.fleet.objects), len(suite.fleet.cells))
	return nil
}
