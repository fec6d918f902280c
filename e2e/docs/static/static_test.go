package static

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cellfed/cellfed/e2e/docs/pages"
	"github.com/cellfed/cellfed/e2e/framework"
)

// load returns the root of the repository and its pages.
func load(t *testing.T) (string, []pages.Page) {
	t.Helper()
	root, err := framework.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	all, err := pages.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return root, all
}

// TestLinks: every link of a page to another, or to a file, leads somewhere, and so does its anchor.
func TestLinks(t *testing.T) {
	root, all := load(t)
	anchors := map[string]map[string]bool{}
	for _, page := range all {
		anchors[page.Path] = page.Anchors
	}
	for _, page := range all {
		for _, link := range page.Links {
			if strings.Contains(link.Text, "://") || strings.HasPrefix(link.Text, "mailto:") {
				continue
			}
			target, anchor, anchored := strings.Cut(link.Text, "#")
			file := page.Path
			if target != "" {
				file = path.Join(path.Dir(page.Path), target)
			}
			switch _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); {
			case err != nil:
				t.Errorf("%s:%d: the link %q leads nowhere: %v", page.Path, link.Line, link.Text, err)
			case anchored && anchors[file] != nil && !anchors[file][anchor]:
				t.Errorf("%s:%d: the link %q names an anchor that %s does not have", page.Path, link.Line, link.Text, file)
			}
		}
	}
}

// TestIndex: a reader of the index finds every page.
func TestIndex(t *testing.T) {
	_, all := load(t)
	listed := map[string]bool{"docs/README.md": true}
	for _, page := range all {
		if page.Path == "docs/README.md" || page.Path == "docs/reference/README.md" || page.Path == "docs/runbooks/README.md" {
			for _, link := range page.Links {
				target, _, _ := strings.Cut(link.Text, "#")
				listed[path.Join(path.Dir(page.Path), target)] = true
			}
		}
	}
	for _, page := range all {
		if strings.HasPrefix(page.Path, "docs/") && !listed[page.Path] {
			t.Errorf("%s is linked neither by docs/README.md nor by the index of its directory", page.Path)
		}
	}
}

// TestAlerts: whoever operates cellfed finds every alert, with its runbook.
func TestAlerts(t *testing.T) {
	_, all := load(t)
	listed := map[string]bool{}
	for _, page := range all {
		if page.Path == "docs/operations.md" {
			for _, link := range page.Links {
				listed[path.Join("docs", link.Text)] = true
			}
		}
	}
	for _, page := range all {
		if path.Dir(page.Path) == "docs/runbooks" && path.Base(page.Path) != "README.md" && !listed[page.Path] {
			t.Errorf("docs/operations.md does not list the alert of %s", page.Path)
		}
	}
}

// TestGuides: a page with commands is one of the guides, which are run, and what is not run says why.
func TestGuides(t *testing.T) {
	_, all := load(t)
	for _, page := range all {
		guide := slices.Contains(pages.Guides, page.Path)
		for i := range page.Steps {
			step := &page.Steps[i]
			if !guide && strings.HasPrefix(page.Path, "docs/") && step.Language == "console" {
				t.Errorf("%s:%d: these commands are run by no test: add the page to the guides", page.Path, step.Line)
			}
			if !guide {
				continue
			}
			checkStep(t, page.Path, step)
			if step.Run.Skip != "" {
				t.Logf("%s:%d is not run, because %s: %q", page.Path, step.Line, step.Run.Skip, step.Commands())
			}
		}
	}
	for _, guide := range pages.Guides {
		if !slices.ContainsFunc(all, func(p pages.Page) bool { return p.Path == guide }) {
			t.Errorf("the guide %s is no page", guide)
		}
	}
}

func checkStep(t *testing.T, file string, step *pages.Step) {
	t.Helper()
	run := step.Run
	switch commands := step.Commands(); {
	case step.Test != "" && !regexp.MustCompile(`^(kill|start) [a-z0-9-]+$`).MatchString(step.Test):
		t.Errorf("%s:%d: a test can kill or start a member, not %q", file, step.Line, step.Test)
	case step.Test == "" && step.Language == "console" && len(commands) == 0:
		t.Errorf("%s:%d: no line of the block begins with $", file, step.Line)
	case step.Language != "console" && (run != pages.Run{} || len(step.Contains) > 0):
		t.Errorf("%s:%d: something is said of a run, and the block is %q, not console", file, step.Line, step.Language)
	case run.Fails != 0 && len(commands) != 1:
		t.Errorf("%s:%d: of %d commands nobody knows which is to fail: make it a block of its own", file, step.Line, len(commands))
	case (run.Skip != "" || run.Instead != "") && len(step.Contains) > 0:
		t.Errorf("%s:%d: what is not run prints nothing to compare", file, step.Line)
	case step.Language == "sh" || step.Language == "bash" || step.Language == "shell":
		t.Errorf("%s:%d: commands of a guide are in console blocks, and begin with $", file, step.Line)
	}
}

// shells are the languages whose blocks hold commands.
var shells = []string{"console", "sh", "bash", "shell"}

// commands calls the function for every command line of every page.
func commands(all []pages.Page, fn func(at, line string)) {
	for _, page := range all {
		for i := range page.Steps {
			step := &page.Steps[i]
			if !slices.Contains(shells, step.Language) {
				continue
			}
			lines := step.Commands()
			if len(lines) == 0 {
				lines = []string{strings.Join(step.Lines, "\n")}
			}
			for _, line := range lines {
				fn(fmt.Sprintf("%s:%d", page.Path, step.Line), line)
			}
		}
	}
}

// TestShell: every command line is one to a shell.
func TestShell(t *testing.T) {
	_, all := load(t)
	commands(all, func(at, line string) {
		cmd := exec.CommandContext(t.Context(), "bash", "-n")
		cmd.Stdin = strings.NewReader(line + "\n")
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: a shell cannot read this: %v\n%s\n%s", at, err, line, out)
		}
	})
}

// TestTargets: every make target that a page names is one.
func TestTargets(t *testing.T) {
	root, all := load(t)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^([a-zA-Z0-9_-]+(?: [a-zA-Z0-9_-]+)*):`).FindAllStringSubmatch(string(makefile), -1) {
		for name := range strings.FieldsSeq(match[1]) {
			targets[name] = true
		}
	}
	check := func(at, line string) {
		for _, words := range pages.Words(strings.SplitN(line, "#", 2)[0]) {
			for len(words) > 0 && strings.Contains(words[0], "=") {
				words = words[1:]
			}
			if len(words) == 0 || words[0] != "make" {
				continue
			}
			for _, word := range words[1:] {
				if !strings.ContainsAny(word, "=-") && !targets[word] || strings.Contains(word, "-") && word[0] != '-' && !targets[word] {
					t.Errorf("%s: the Makefile has no target %q", at, word)
				}
			}
		}
	}
	commands(all, func(at, line string) {
		for part := range strings.SplitSeq(line, "\n") {
			check(at, part)
		}
	})
	for _, page := range all {
		for _, span := range page.Spans {
			check(fmt.Sprintf("%s:%d", page.Path, span.Line), span.Text)
		}
	}
}
