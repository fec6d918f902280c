package docs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// hangzhou and shanghai are the members that the guides speak of.
	hangzhou = "hz-a"
	shanghai = "sh-b"
)

// suite is where data and logs go, and the context that ends when somebody interrupts.
var suite struct {
	ctx context.Context
	dir string
}

func TestMain(m *testing.M) {
	os.Exit(framework.RunSuite("CELLFED_DOCS_DIR", func(ctx context.Context, dir string) int {
		suite.ctx, suite.dir = ctx, dir
		return m.Run()
	}))
}

// desk is where a reader sits: a directory, a PATH and a kubeconfig.
type desk struct {
	env *framework.Environment
	// root is the repository's, dir the reader's directory.
	root, dir  string
	kubeconfig string
	environ    []string
	// help holds the words of the programs' helps, by the commands that print them.
	help map[string][]string
}

// newDesk returns a desk without clusters.
func newDesk(t *testing.T) *desk {
	t.Helper()
	root, err := framework.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(suite.dir, t.Name())
	d := &desk{root: root, dir: filepath.Join(home, "reader"), kubeconfig: filepath.Join(home, "kubeconfig"), help: map[string][]string{}}
	if err := d.furnish(home); err != nil {
		t.Fatal(err)
	}
	return d
}

// start starts what the guides need, which stops with the test.
func (d *desk) start(t *testing.T) {
	t.Helper()
	start := time.Now()
	var err error
	d.env, err = framework.StartEnvironment(suite.ctx, framework.EnvironmentOptions{
		Dir: filepath.Join(suite.dir, "environment"),
		Members: []framework.MemberOptions{
			{Name: hangzhou, Labels: map[string]string{"city": "hangzhou"}, Workloads: true},
			{Name: shanghai, Labels: map[string]string{"city": "shanghai"}, Workloads: true},
		},
		Progress: func(line string) { t.Logf("%6s  %s", time.Since(start).Round(time.Second/10), line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.env.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := d.env.WriteKubeconfig(suite.ctx, d.kubeconfig); err != nil {
		t.Fatal(err)
	}
	if err := d.installRoles(); err != nil {
		t.Fatal(err)
	}
	if err := d.settle(); err != nil {
		t.Fatal(err)
	}
}

// furnish makes the reader's directory, in which the repository's can be named, and the directory of the programs.
func (d *desk) furnish(home string) error {
	path := filepath.Join(home, "path")
	for _, dir := range []string{d.dir, path} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make the reader's directories: %w", err)
		}
	}
	for _, name := range []string{"charts", "config", "examples"} {
		if err := os.Symlink(filepath.Join(d.root, name), filepath.Join(d.dir, name)); err != nil {
			return fmt.Errorf("show the reader the repository: %w", err)
		}
	}
	kubectl, err := framework.Binary("kubectl")
	if err != nil {
		return err
	}
	for _, name := range []string{"kubectl-cells", "helm"} {
		program, err := framework.Binary(name)
		if err != nil {
			return err
		}
		if err := os.Symlink(program, filepath.Join(path, name)); err != nil {
			return fmt.Errorf("put %s on the PATH: %w", name, err)
		}
	}
	// The kubectl of the tests runs no plugins.
	script := fmt.Sprintf("#!/usr/bin/env bash\nif [ \"${1-}\" = cells ]; then shift; exec kubectl-cells \"$@\"; fi\nexec %q \"$@\"\n", kubectl)
	if err := os.WriteFile(filepath.Join(path, "kubectl"), []byte(script), 0o755); err != nil {
		return fmt.Errorf("put kubectl on the PATH: %w", err)
	}
	d.environ = []string{
		"PATH=" + path + ":" + os.Getenv("PATH"), "HOME=" + home, "KUBECACHEDIR=" + filepath.Join(home, "cache"),
		"KUBECONFIG=" + d.kubeconfig, "TMPDIR=" + home,
	}
	return nil
}

// installRoles applies the roles of people as config/default names them.
func (d *desk) installRoles() error {
	rendered, _, err := d.shell(suite.ctx, "kubectl kustomize config/default")
	if err != nil {
		return fmt.Errorf("render config/default: %w", err)
	}
	var roles []*unstructured.Unstructured
	for document := range strings.SplitSeq(rendered, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return fmt.Errorf("read config/default: %w", err)
		}
		_, aggregates := object.Object["aggregationRule"]
		for label := range object.GetLabels() {
			aggregates = aggregates || strings.HasPrefix(label, "rbac.authorization.k8s.io/aggregate-to-")
		}
		if object.GetKind() == "ClusterRole" && aggregates {
			roles = append(roles, object)
		}
	}
	if len(roles) == 0 {
		return fmt.Errorf("config/default has no role that joins another")
	}
	return d.env.Host.Apply(suite.ctx, roles...)
}

// settle waits until upstream has worked off what it finds when it starts. A type that is stopped before that leaves
// upstream's controller waiting, which ends its process some minutes later.
func (d *desk) settle() error {
	const name = "settling"
	if err := d.env.Host.CreateNamespace(suite.ctx, name, nil); err != nil {
		return err
	}
	for _, kind := range []string{"FederatedNamespace", "FederatedConfigMap", "FederatedDeployment"} {
		object := framework.Federated{
			Version: "v1beta1", Kind: kind, Namespace: name, Name: name, Placement: []string{hangzhou, shanghai},
			Template: templates[kind],
		}.Object()
		if err := d.env.Host.Client.Create(suite.ctx, object); err != nil {
			return fmt.Errorf("create the %s %s: %w", kind, name, err)
		}
	}
	for _, member := range []string{hangzhou, shanghai} {
		for _, resource := range []string{"configmap", "deployment"} {
			command := fmt.Sprintf("kubectl --context %s -n %s get %s %s", member, name, resource, name)
			err := framework.Poll(suite.ctx, patience, "upstream to have started", func(ctx context.Context) error {
				_, _, err := d.shell(ctx, command)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	command := fmt.Sprintf("kubectl delete namespace %s --timeout=120s", name)
	if out, _, err := d.shell(suite.ctx, command); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return nil
}

var templates = map[string]map[string]any{
	"FederatedConfigMap": {"data": map[string]any{"a": "b"}},
	"FederatedDeployment": {"spec": map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": "settling"}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": "settling"}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "a", "image": "registry.example/a"}}},
		},
	}},
}

// member does what a page has a test do to one.
func (d *desk) member(ctx context.Context, action, name string) error {
	member := d.env.Member(name)
	if member == nil {
		return fmt.Errorf("there is no member %s", name)
	}
	switch action {
	case "kill":
		return member.Kill()
	case "start":
		return member.Start(ctx)
	default:
		return fmt.Errorf("a test can kill or start a member, not %q", action)
	}
}
