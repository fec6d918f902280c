package exit_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cellfed/cellfed/internal/cli/exit"
)

func TestCode(t *testing.T) {
	plain := errors.New("broken")
	cases := map[string]struct {
		reason  string
		err     error
		code    int
		message string
	}{
		"Nil":     {reason: "no error is success"},
		"Plain":   {reason: "an error without a code is a failure", err: plain, code: exit.Failure, message: "broken"},
		"Usage":   {reason: "a wrong command line has its own code", err: exit.Usagef("--to: %w", plain), code: exit.Usage, message: "--to: broken"},
		"NotSo":   {reason: "so has a question answered with no", err: exit.NotSof("not in sync"), code: exit.NotSo, message: "not in sync"},
		"Wrapped": {reason: "the code survives wrapping", err: fmt.Errorf("a: %w", exit.NotSof("b")), code: exit.NotSo, message: "a: b"},
		"Silent":  {reason: "there may be nothing more to say", err: &exit.Error{Code: exit.NotSo}, code: exit.NotSo},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := exit.Code(tc.err); got != tc.code {
				t.Errorf("%s: got code %d, want %d", tc.reason, got, tc.code)
			}
			if got := exit.Message(tc.err); got != tc.message {
				t.Errorf("%s: got message %q, want %q", tc.reason, got, tc.message)
			}
		})
	}
	if !errors.Is(exit.Usagef("--to: %w", plain), plain) {
		t.Error("an Error does not unwrap to what it holds")
	}
}
