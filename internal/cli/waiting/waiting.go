// Package waiting waits for the host cluster to become as a verb has left it to be, and tells what it waits for.
package waiting

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/internal/cli/await"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

// Flags are --wait and --timeout.
type Flags struct {
	Wait    bool
	Timeout time.Duration
}

// AddFlags adds the flags. What is waited for completes "Wait until …".
func (f *Flags) AddFlags(cmd *cobra.Command, until string, timeout time.Duration) {
	cmd.Flags().BoolVar(&f.Wait, "wait", true, "Wait until "+until+".")
	cmd.Flags().DurationVar(&f.Timeout, "timeout", timeout, "How long to wait; what is not so by then ends the command with exit code 3.")
}

// Validate refuses a time that is none.
func (f *Flags) Validate() error {
	if f.Timeout <= 0 {
		return exit.Usagef("--timeout %s is no time to wait: give one such as 2m, or --wait=false", f.Timeout)
	}
	return nil
}

// For looks now and whenever something of what is watched may have changed, until it is so or time is up: then the error
// says how things stood last.
func (f *Flags) For(ctx context.Context, k *kube.Kube, what string, watched []kube.Watched, look await.Look) error {
	before := "Waiting for " + what + ": "
	done, last, err := await.Until(ctx, k, f.Timeout, watched, func(ctx context.Context) (bool, string, error) {
		done, state, err := look(ctx)
		return done, before + state, err
	})
	if err != nil || done {
		return err
	}
	return exit.NotSof("waited %s for %s: %s", f.Timeout, what, strings.TrimPrefix(last, before))
}
