package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
)

// Repository is a folder of a git repository on this machine.
type Repository struct {
	// Dir is the repository.
	Dir string
	// Path is the folder, read with all that is below it.
	Path string
}

// Read returns what is committed, and the revision that has it. What is in the work tree alone is not read.
func (r Repository) Read(ctx context.Context) (objects []*unstructured.Unstructured, revision string, err error) {
	out, err := r.git(ctx, "rev-parse", "HEAD")
	if err != nil {
		return nil, "", err
	}
	revision = strings.TrimSpace(string(out))
	out, err = r.git(ctx, "ls-tree", "-r", "-z", "--name-only", revision, "--", r.Path)
	if err != nil {
		return nil, "", err
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if !slices.Contains([]string{".json", ".yml", ".yaml"}, strings.ToLower(path.Ext(name))) {
			continue
		}
		data, err := r.git(ctx, "show", revision+":"+name)
		if err != nil {
			return nil, "", err
		}
		parsed, err := kube.SplitYAML(data)
		if err != nil {
			return nil, "", fmt.Errorf("parse %s at %s: %w", name, revision, err)
		}
		objects = append(objects, parsed...)
	}
	if len(objects) == 0 {
		return nil, "", fmt.Errorf("the folder %q of %s has no manifests at %s: commit some", r.Path, r.Dir, revision)
	}
	return objects, revision, nil
}

func (r Repository) git(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.Dir
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	if err != nil {
		return nil, fmt.Errorf("git %s in %s: %w", args[0], r.Dir, err)
	}
	return out, nil
}
