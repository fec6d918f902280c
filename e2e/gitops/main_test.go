// Package gitops tells how cellfed fares under Argo CD: examples/gitops is synced from a git repository by Argo CD's own
// parts (e2e/argocd, a program of its own because its Kubernetes modules are others) to a real host with upstream KubeFed,
// cellfed and two members.
//
// CELLFED_BIN names the binaries' directory, CELLFED_GITOPS_DIR keeps data and logs in a directory, which then has
// the objects in every health that they were seen in too.
package gitops

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// hangzhou and shanghai are the members that the examples name.
	hangzhou = "hz-a"
	shanghai = "sh-b"

	// folder is what is synced.
	folder = "gitops/fleet"

	// soon bounds what takes a moment.
	soon = 3 * time.Minute
	// syncTimeout is how long one sync may wait for what it has applied.
	syncTimeout = 2 * time.Minute

	// agentNamespace and agentAccount are the account that the agent works as.
	agentNamespace = "argocd"
	agentAccount   = "argocd-application-controller"
	agentUser      = "system:serviceaccount:" + agentNamespace + ":" + agentAccount
)

func TestMain(m *testing.M) {
	// What controller-runtime's clients log is no part of a story.
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// world is what the story is played in.
type world struct {
	dir        string
	env        *framework.Environment
	repository *repository
	agent      *agent
	// customizations is the file with what Argo CD must know.
	customizations string
}

// newWorld boots the clusters, commits the examples, and starts the agent.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := os.Getenv("CELLFED_GITOPS_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	env, err := framework.StartEnvironment(t.Context(), framework.EnvironmentOptions{
		Dir:      filepath.Join(dir, "clusters"),
		Members:  []framework.MemberOptions{{Name: hangzhou, Workloads: true}, {Name: shanghai, Workloads: true}},
		Progress: func(line string) { t.Logf("%6s  %s", time.Since(start).Round(time.Second/10), line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := env.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	root, err := framework.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{dir: dir, env: env, repository: newRepository(t, filepath.Join(dir, "fleet.git"), filepath.Join(root, "examples"))}
	w.customizations = filepath.Join(root, "charts", "cellfed", "files", "argocd", "argocd-cm.yaml")
	kubeconfig := filepath.Join(dir, "agent.kubeconfig")
	if err := writeAccount(t.Context(), env.Host, kubeconfig); err != nil {
		t.Fatal(err)
	}
	w.agent = startAgent(t, dir,
		"--kubeconfig", kubeconfig, "--application", "fleet", "--repo", w.repository.dir, "--path", folder,
		"--argocd-cm", w.customizations,
		"--timeout", syncTimeout.String(), "--record", filepath.Join(dir, "recorded"))
	return w
}

// writeAccount makes the agent's account, which may do everything as Argo CD's may, and its kubeconfig.
func writeAccount(ctx context.Context, host *framework.Cluster, path string) error {
	if err := host.CreateNamespace(ctx, agentNamespace, nil); err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: agentNamespace, Name: agentAccount}}
	if err := host.Client.Create(ctx, account); err != nil {
		return fmt.Errorf("make the agent's account: %w", err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: agentAccount},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: agentNamespace, Name: agentAccount}},
	}
	if err := host.Client.Create(ctx, binding); err != nil {
		return fmt.Errorf("bind the agent's account: %w", err)
	}
	return host.WriteAccountKubeconfig(ctx, path, agentNamespace, agentAccount)
}
