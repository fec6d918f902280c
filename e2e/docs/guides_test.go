package docs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cellfed/cellfed/e2e/docs/pages"
	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// patience bounds how long a block that is run again and again takes to do what is expected.
	patience = 2 * time.Minute
	// most bounds how long a block takes.
	most = 10 * time.Minute
)

// TestGuides runs the guides. Each begins where the one before has ended, so that the first failure ends it.
func TestGuides(t *testing.T) {
	d := newDesk(t)
	d.start(t)
	for _, file := range pages.Guides {
		passed := t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(d.root, file))
			if err != nil {
				t.Fatal(err)
			}
			page, err := pages.Parse(file, string(text))
			if err != nil {
				t.Fatal(err)
			}
			for i := range page.Steps {
				d.do(t, file, &page.Steps[i])
			}
			if err := d.env.Err(); err != nil {
				t.Fatalf("after %s: %v", file, err)
			}
		})
		if !passed {
			t.Fatalf("%s does not do what it says: the guides after it were not tried", file)
		}
	}
}

// do does what a page has its reader do.
func (d *desk) do(t *testing.T, file string, step *pages.Step) {
	t.Helper()
	at := fmt.Sprintf("%s:%d", file, step.Line)
	switch {
	case step.Test != "":
		t.Logf("%s: %s", at, step.Test)
		action, name, _ := strings.Cut(step.Test, " ")
		if err := d.member(suite.ctx, action, name); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
	case step.File != "":
		if err := os.WriteFile(filepath.Join(d.dir, step.File), []byte(step.Text()), 0o600); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
	case step.Language != "console":
	case step.Run.Skip != "":
		t.Logf("%s: NOT RUN, because %s", at, step.Run.Skip)
		d.lookUp(t, at, step.Commands())
	case step.Run.Instead != "":
		d.lookUp(t, at, step.Commands())
		d.run(t, at, step, []string{step.Run.Instead})
	default:
		d.run(t, at, step, step.Commands())
	}
}

// run runs a block in one shell.
func (d *desk) run(t *testing.T, at string, step *pages.Step, commands []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(suite.ctx, most)
	defer cancel()
	script := strings.Join(commands, "\n")
	var out string
	once := func(ctx context.Context) error {
		var code int
		var err error
		out, code, err = d.shell(ctx, script)
		return expected(step, out, code, err)
	}
	start := time.Now()
	var err error
	if step.Run.Until {
		err = framework.Poll(ctx, patience, "what the page says", once)
	} else {
		err = once(ctx)
	}
	shown := out
	if step.Run.Instead != "" && err == nil {
		shown = fmt.Sprintf("(%d lines)\n", strings.Count(out, "\n"))
	}
	t.Logf("%s: %s\n$ %s\n%s", at, time.Since(start).Round(time.Second/10), strings.ReplaceAll(script, "\n", "\n$ "), shown)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
}

// expected compares what a block did with what its page says.
func expected(step *pages.Step, out string, code int, err error) error {
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		return err
	}
	if code != step.Run.Fails {
		return fmt.Errorf("it ended with the code %d, want %d", code, step.Run.Fails)
	}
	for _, text := range step.Contains {
		if !strings.Contains(out, text) {
			return fmt.Errorf("it printed nothing that holds %q", text)
		}
	}
	return nil
}

// shell runs a script and returns what it printed and its exit code, which an error goes with unless it is 0.
func (d *desk) shell(ctx context.Context, script string) (string, int, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = d.dir, d.environ, &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	return out.String(), cmd.ProcessState.ExitCode(), err
}

// TestExpected: what a page says of its output and its failures is held against what came.
func TestExpected(t *testing.T) {
	_, code, failed := (&desk{}).shell(t.Context(), "exit 3")
	if code != 3 {
		t.Fatalf("a script that ends with 3 ended with %d", code)
	}
	cases := map[string]struct {
		reason string
		step   pages.Step
		out    string
		code   int
		err    error
		want   bool
	}{
		"Good":       {"what is said is printed", pages.Step{Contains: []string{"a", "b"}}, "a b", 0, nil, true},
		"Missing":    {"one of two is not enough", pages.Step{Contains: []string{"a", "b"}}, "a", 0, nil, false},
		"Failed":     {"a command that fails, fails its page", pages.Step{}, "", 3, failed, false},
		"Fails":      {"unless it is to", pages.Step{Run: pages.Run{Fails: 3}}, "", 3, failed, true},
		"OtherCode":  {"and with the code that is said", pages.Step{Run: pages.Run{Fails: 1}}, "", 3, failed, false},
		"Succeeds":   {"what is to fail must", pages.Step{Run: pages.Run{Fails: 1}}, "", 0, nil, false},
		"NotStarted": {"a shell that cannot be started is no failure of the command", pages.Step{Run: pages.Run{Fails: 1}}, "", 1, context.Canceled, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if err := expected(&tc.step, tc.out, tc.code, tc.err); (err == nil) != tc.want {
				t.Errorf("%s: got %v", tc.reason, err)
			}
		})
	}
}
