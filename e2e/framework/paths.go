package framework

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BinEnv is the environment variable that names the directory of the binaries. When it is empty they are in the
// directory bin of the module's root.
const BinEnv = "CELLFED_BIN"

// ModuleRoot returns the directory of this module's go.mod, found upwards from the working directory.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module's root: %w", err)
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module github.com/cellfed/cellfed\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod of github.com/cellfed/cellfed in the working directory or above it: run this inside a clone")
		}
		dir = parent
	}
}

// Binary returns the path of one of the binaries that make bin builds: controlplane, kubectl, hyperfed, kwok,
// manager, controller-gen.
func Binary(name string) (string, error) {
	dir := os.Getenv(BinEnv)
	if dir == "" {
		root, err := ModuleRoot()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, "bin")
	}
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return "", fmt.Errorf("find the binary %s: %w", name, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("find the binary %s: %w: run \"make bin\", or let %s name the directory that has it", name, err, BinEnv)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("find the binary %s: %s is not executable: run \"make bin\"", name, path)
	}
	return path, nil
}

// moduleDir returns the directory in the module cache that holds a module that the go.mod in dir, a path below
// this module's root, requires.
func moduleDir(ctx context.Context, dir, module string) (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir = filepath.Join(root, dir)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		detail := ""
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			detail = ": " + strings.TrimSpace(string(exit.Stderr))
		}
		return "", fmt.Errorf("find the module %s: %w%s", module, err, detail)
	}
	path := strings.TrimSpace(string(out))
	if path == "" {
		return "", fmt.Errorf("find the module %s: it is not in the module cache: run \"make bin\"", module)
	}
	return path, nil
}
