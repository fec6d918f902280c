package gitops

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is a git repository with what the application is made of.
type repository struct {
	t   *testing.T
	dir string
}

// newRepository returns a repository in dir whose first commit is the examples. What a user of upstream KubeFed has, which
// names clusters in v1beta1, is synced with the rest.
func newRepository(t *testing.T, dir, examples string) *repository {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS(examples)); err != nil {
		t.Fatal(err)
	}
	r := &repository{t: t, dir: dir}
	if err := os.Rename(filepath.Join(dir, "cluster-topology.yaml"), filepath.Join(dir, folder, "legacy.yaml")); err != nil {
		t.Fatal(err)
	}
	// KubeFed reports a failure until the namespace is in the members, which ends a sync.
	r.edit(folder+"/legacy.yaml", "  name: motd\n", "  name: motd\n  annotations: {argocd.argoproj.io/sync-wave: \"3\"}\n")
	r.git("init", "--quiet")
	r.commit("everything")
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=ops", "GIT_AUTHOR_EMAIL=ops@acme.example",
		"GIT_COMMITTER_NAME=ops", "GIT_COMMITTER_EMAIL=ops@acme.example")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits everything and returns the revision.
func (r *repository) commit(message string) string {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// edit replaces text, which must be there, in a file, wherever it is.
func (r *repository) edit(name string, oldnew ...string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	data, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			r.t.Fatalf("%s does not have the text %q", name, oldnew[i])
		}
		text = strings.ReplaceAll(text, oldnew[i], oldnew[i+1])
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}
