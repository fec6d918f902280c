package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cellfed/cellfed/e2e/framework"
)

// patience bounds how long a command takes to print, or to do, what the page says.
const patience = 2 * time.Minute

// desk is where the commands are typed: a directory with the examples, a PATH with kubectl cells, and a kubeconfig.
type desk struct {
	dir, home string
	env       *framework.Environment
	environ   []string
}

// furnish makes the directories and what is in them.
func (d *desk) furnish(ctx context.Context) error {
	path := filepath.Join(d.home, "path")
	for _, dir := range []string{d.dir, path} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
	}
	root, err := framework.ModuleRoot()
	if err != nil {
		return err
	}
	plugin, err := framework.Binary("kubectl-cells")
	if err != nil {
		return err
	}
	for from, to := range map[string]string{filepath.Join(root, "examples"): filepath.Join(d.dir, "examples"), plugin: filepath.Join(path, "kubectl-cells")} {
		if err := os.Symlink(from, to); err != nil {
			return fmt.Errorf("put what the page names in its place: %w", err)
		}
	}
	kubectl, err := framework.Binary("kubectl")
	if err != nil {
		return err
	}
	// The kubectl that is part of controlplane runs no plugins.
	script := fmt.Sprintf("#!/usr/bin/env bash\nif [ \"${1-}\" = cells ]; then shift; exec kubectl-cells \"$@\"; fi\nexec %q \"$@\"\n", kubectl)
	if err := os.WriteFile(filepath.Join(path, "kubectl"), []byte(script), 0o755); err != nil {
		return fmt.Errorf("put kubectl on the PATH: %w", err)
	}
	kubeconfig := filepath.Join(d.home, "kubeconfig")
	d.environ = append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"), "HOME="+d.home, "KUBECACHEDIR="+filepath.Join(d.home, "cache"),
		"KUBECONFIG="+kubeconfig, "NO_COLOR=1")
	return d.env.WriteKubeconfig(ctx, kubeconfig)
}

// write runs the page and returns it with what its commands print: as far as it came, when it fails.
func (d *desk) write(ctx context.Context, page []part) (string, error) {
	var b strings.Builder
	for i := range page {
		p := &page[i]
		if p.text != "" {
			b.WriteString(p.text)
			continue
		}
		var block strings.Builder
		for n, command := range p.commands {
			progress("$ " + command)
			out, err := d.do(ctx, p, n)
			if err != nil {
				return b.String() + block.String(), fmt.Errorf("page.md:%d: %s: %w", p.line, command, err)
			}
			fmt.Fprintf(&block, "$ %s\n%s", command, d.stable(out))
		}
		if err := d.env.Err(); err != nil {
			return b.String(), fmt.Errorf("page.md:%d: %w", p.line, err)
		}
		if !p.quiet {
			fmt.Fprintf(&b, "```text\n%s```\n", block.String())
		}
	}
	return b.String(), nil
}

// do runs the nth command of a block, as often as the page says.
func (d *desk) do(ctx context.Context, p *part, n int) (string, error) {
	want := 0
	if n == len(p.commands)-1 {
		want = p.code
	}
	var out string
	once := func(ctx context.Context) error {
		var code int
		var err error
		out, code, err = d.shell(ctx, p.commands[n])
		switch {
		case err != nil:
			return framework.Final(err)
		case code != want:
			return fmt.Errorf("it ended with the code %d, want %d, and printed:\n%s", code, want, out)
		case !strings.Contains(out, p.until):
			return fmt.Errorf("it printed nothing that holds %q:\n%s", p.until, out)
		}
		return nil
	}
	if p.quiet || p.until != "" {
		return out, framework.Poll(ctx, patience, "what the page says", once)
	}
	err := once(ctx)
	return out, err
}

// shell runs a command line, and returns what it wrote, to both outputs, and the code that it ended with.
func (d *desk) shell(ctx context.Context, line string) (string, int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = d.dir, d.environ
	out, err := cmd.CombinedOutput()
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) && ctx.Err() == nil {
		return string(out), ended.ExitCode(), nil
	}
	if err != nil {
		return string(out), 0, fmt.Errorf("run it: %w: %s", err, out)
	}
	return string(out), 0, nil
}

// stable takes out of an output what another run would print otherwise.
func (d *desk) stable(out string) string {
	out = strings.NewReplacer(d.dir+"/", "", d.home, "~").Replace(out)
	return stable(out)
}
