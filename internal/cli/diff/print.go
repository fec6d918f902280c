package diff

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/printing"
)

// comparison is one federated object and what becomes of it.
type comparison struct {
	// title names the object for people.
	title  string
	labels labels
	groups []group
}

func (c *comparison) differs() bool {
	for i := range c.groups {
		if c.groups[i].differs() {
			return true
		}
	}
	return false
}

// print writes the differences, those of the object's places that differ first.
func (o *Options) print(all []comparison) error {
	program := strings.TrimSpace(os.Getenv("KUBECTL_EXTERNAL_DIFF"))
	if program != "" {
		if err := o.external(program, all); err != nil {
			return err
		}
	}
	var b strings.Builder
	colored := printing.Colored(o.Out)
	for i := range all {
		c := &all[i]
		for j := range c.groups {
			if g := &c.groups[j]; g.differs() && program == "" {
				b.WriteString(painted(g.unified(c.title, c.labels), colored))
			}
		}
		for j := range c.groups {
			g := &c.groups[j]
			switch {
			case g.note != "":
				fmt.Fprintf(&b, "%s in %s: %s\n", c.title, g.names(), g.note)
			case !g.differs():
				fmt.Fprintf(&b, "%s in %s: no change\n", c.title, g.names())
			}
		}
		if len(c.groups) == 0 {
			fmt.Fprintf(&b, "%s: it is placed nowhere, before and after\n", c.title)
		}
	}
	if _, err := io.WriteString(o.Out, b.String()); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	for i := range all {
		if all[i].differs() {
			return &exit.Error{Code: codeDiffers}
		}
	}
	return nil
}

// painted colors the lines of a unified diff.
func painted(diff string, colored bool) string {
	if !colored {
		return diff
	}
	var b strings.Builder
	for line := range strings.Lines(diff) {
		text := strings.TrimSuffix(line, "\n")
		mood := printing.Plain
		switch {
		case strings.HasPrefix(text, "@@"):
			mood = printing.Dim
		case strings.HasPrefix(text, "-"):
			mood = printing.Bad
		case strings.HasPrefix(text, "+"):
			mood = printing.Good
		}
		b.WriteString(printing.Paint(text, mood, colored) + "\n")
	}
	return b.String()
}

// option is what kubectl takes for an argument of the program; all else in the variable is dropped.
var option = regexp.MustCompile(`^[a-zA-Z0-9-]+$`)

// external has a program show the differences: it is given two directories with a file for each.
func (o *Options) external(program string, all []comparison) error {
	root, err := os.MkdirTemp("", "kubectl-cells-diff-")
	if err != nil {
		return fmt.Errorf("KUBECTL_EXTERNAL_DIFF: %w", err)
	}
	defer func() { _ = os.RemoveAll(root) }()
	sides := [2]string{filepath.Join(root, "BEFORE"), filepath.Join(root, "AFTER")}
	for _, side := range sides {
		if err := os.Mkdir(side, 0o700); err != nil {
			return fmt.Errorf("KUBECTL_EXTERNAL_DIFF: %w", err)
		}
	}
	written := map[string]bool{}
	for i := range all {
		for j := range all[i].groups {
			g := &all[i].groups[j]
			if !g.differs() {
				continue
			}
			name := fileName(all[i].title+" "+g.names(), written)
			written[name] = true
			for k, text := range []string{g.before, g.after} {
				if err := os.WriteFile(filepath.Join(sides[k], name), []byte(text), 0o600); err != nil {
					return fmt.Errorf("KUBECTL_EXTERNAL_DIFF: %w", err)
				}
			}
		}
	}
	if len(written) == 0 {
		return nil
	}
	words := strings.Fields(program)
	var args []string
	for _, word := range words[1:] {
		if option.MatchString(word) {
			args = append(args, word)
		}
	}
	cmd := exec.Command(words[0], append(args, sides[0], sides[1])...) //nolint:gosec // The user names the program, as for kubectl.
	cmd.Stdout, cmd.Stderr = o.Out, o.ErrOut
	err = cmd.Run()
	// Programs that compare end with 1 where there are differences.
	if err != nil && cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == codeDiffers {
		return nil
	}
	if err != nil {
		return fmt.Errorf("KUBECTL_EXTERNAL_DIFF: %q: %w", program, err)
	}
	return nil
}

var notInNames = regexp.MustCompile(`[^a-zA-Z0-9.-]+`)

// fileName returns a file's name that is not taken yet. What stands for many cells is cut off.
func fileName(title string, taken map[string]bool) string {
	const most = 200
	name := strings.Trim(notInNames.ReplaceAllString(title, "_"), "_")
	name = name[:min(len(name), most)]
	unique := name
	for n := 2; taken[unique]; n++ {
		unique = fmt.Sprintf("%s_%d", name, n)
	}
	return unique
}
