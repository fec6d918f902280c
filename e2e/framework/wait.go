package framework

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// pollInterval is how often a condition is looked at.
const pollInterval = 100 * time.Millisecond

// Poll calls check until it returns nil, and fails with the last thing that it said when the time is over. A
// check that can never succeed any more returns Final(err), which ends the wait.
func Poll(ctx context.Context, timeout time.Duration, what string, check func(context.Context) error) error {
	last := errors.New("it was not looked at")
	err := wait.PollUntilContextTimeout(ctx, pollInterval, timeout, true, func(ctx context.Context) (bool, error) {
		if err := check(ctx); err != nil {
			// An answer that was cut off by the deadline says less than the one before it.
			if ctx.Err() == nil {
				last = err
			}
			var final finalError
			if errors.As(err, &final) {
				return false, err
			}
			return false, nil
		}
		return true, nil
	})
	var final finalError
	if errors.As(err, &final) {
		return fmt.Errorf("wait for %s: %w", what, final.error)
	}
	if err != nil {
		return fmt.Errorf("wait %s for %s: %w", timeout, what, last)
	}
	return nil
}

// Final marks an error of a check as one that waiting does not mend.
func Final(err error) error { return finalError{err} }

type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// Hold calls check for as long as the window is and returns the first thing that it says.
func Hold(ctx context.Context, window time.Duration, what string, check func(context.Context) error) error {
	start := time.Now()
	err := wait.PollUntilContextTimeout(ctx, pollInterval, window, true, func(ctx context.Context) (bool, error) {
		if err := check(ctx); err != nil && ctx.Err() == nil {
			return false, fmt.Errorf("%s held for %s only: %w", what, time.Since(start).Round(time.Second), err)
		}
		return false, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return nil
	}
	return err
}
