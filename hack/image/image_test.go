// Package image holds the test of the Dockerfile, which builds the manager from a part of the repository.
package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

// TestCopied: the Dockerfile copies every folder that the manager is built from, and none that it is not.
func TestCopied(t *testing.T) {
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	copied := map[string]bool{}
	modules := false
	for line := range strings.Lines(string(dockerfile)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "COPY" || strings.HasPrefix(words[1], "--") {
			continue
		}
		for _, source := range words[1 : len(words)-1] {
			switch source {
			case "go.mod", "go.sum":
				modules = true
			case "*.go":
				copied["."] = true
			default:
				copied[source] = true
				if words[len(words)-1] != source {
					t.Errorf("Dockerfile: %s is copied to %s, where no package looks for it", source, words[len(words)-1])
				}
			}
		}
	}
	if !modules {
		t.Error("Dockerfile: neither go.mod nor go.sum is copied")
	}
	if diff := cmp.Diff(needed(t), copied); diff != "" {
		t.Errorf("Dockerfile: the manager is built from other folders than are copied, -want +got:\n%s", diff)
	}
}

// needed returns the folders of the root that hold packages which the manager is built from, on every platform of the image.
func needed(t *testing.T) map[string]bool {
	t.Helper()
	folders := map[string]bool{}
	for _, arch := range []string{"amd64", "arm64"} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.ImportPath}} {{.Path}}{{end}}{{end}}", ".")
		cmd.Dir, cmd.Stderr = root, os.Stderr
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			words := strings.Fields(line)
			if len(words) != 2 {
				continue
			}
			inside := strings.TrimPrefix(strings.TrimPrefix(words[0], words[1]), "/")
			folder, _, _ := strings.Cut(inside, "/")
			if folder == "" {
				folder = "."
			}
			folders[folder] = true
		}
	}
	if len(folders) < 2 {
		t.Fatalf("the manager is built from %v alone, which cannot be", folders)
	}
	return folders
}

// TestIgnored: the build is given what it copies, and nothing else.
func TestIgnored(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"**", "!*.go", "!go.mod", "!go.sum"}
	for folder := range needed(t) {
		if folder != "." {
			want = append(want, "!"+folder)
		}
	}
	got := strings.Fields(string(data))
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf(".dockerignore: the build is given something else, -want +got:\n%s", diff)
	}
}
