package exit_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// TestMessages: each of several errors is told by itself, and a sentence about several is one.
func TestMessages(t *testing.T) {
	one, two := errors.New("one"), exit.Usagef("two")
	cases := map[string]struct {
		reason string
		err    error
		want   []string
	}{
		"Nil":      {reason: "there is none"},
		"Silent":   {reason: "there is nothing to be told", err: &exit.Error{Code: exit.NotSo}},
		"One":      {reason: "it is one", err: one, want: []string{"one"}},
		"Joined":   {reason: "two", err: errors.Join(one, two), want: []string{"one", "two"}},
		"Coded":    {reason: "with a code for both", err: &exit.Error{Code: exit.Usage, Err: errors.Join(one, two)}, want: []string{"one", "two"}},
		"Within":   {reason: "a joined one in a joined one", err: errors.Join(one, errors.Join(two, one)), want: []string{"one", "two", "one"}},
		"Sentence": {reason: "one about two", err: fmt.Errorf("%w after %w", two, one), want: []string{"two after one"}},
		"List":     {reason: "a sentence may be of lines", err: errors.New("reasons:\n- one\n- two"), want: []string{"reasons:\n- one\n- two"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, exit.Messages(tc.err)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	if err := exit.Reasons("nothing was changed", nil); err != nil {
		t.Errorf("without a reason: %v", err)
	}
	if err := exit.Reasons("nothing was changed", []error{one}); !errors.Is(err, one) || err.Error() != "nothing was changed: one" {
		t.Errorf("with one reason: %v", err)
	}
	if err := exit.Reasons("nothing was changed", []error{one, two}); err == nil || err.Error() != "nothing was changed, for 2 reasons:\n- one\n- two" {
		t.Errorf("with two reasons: %v", err)
	}
}
