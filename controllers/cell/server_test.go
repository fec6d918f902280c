package cell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	kubefed   = "kube-federation-system"
	facadeURL = "https://facade.test:9444"
	patience  = time.Minute

	// managerAgent is the User-Agent by which the writes of the controller are known.
	managerAgent = "cellfed-manager"

	// managerUser may do what the controller's RBAC markers say and read every federated type. blindUser may not
	// read these.
	managerUser = "manager"
	blindUser   = "blind"
)

// host is the API server that all tests of the package share. There is no upstream KubeFed: the tests play its part.
var host *framework.Cluster

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "cellfed-cell-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	ctx := context.Background()
	host, err = framework.StartCluster(ctx, framework.Options{Name: "host", Dir: dir, Audit: true})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, host.Stop(ctx)) }()
	// Libraries log here.
	ctrl.SetLogger(everything.logger())
	if err := install(ctx, dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// install gives the host upstream's CRDs and the Cell's, made from the markers as they are now.
func install(ctx context.Context, dir string) error {
	generator, err := framework.Binary("controller-gen")
	if err != nil {
		return err
	}
	root, err := framework.ModuleRoot()
	if err != nil {
		return err
	}
	generate := exec.CommandContext(ctx, generator,
		"crd", "rbac:roleName="+managerUser, "paths=./api/...", "paths=./controllers/cell/...",
		"output:crd:dir="+filepath.Join(dir, "crd"), "output:rbac:dir="+filepath.Join(dir, "rbac"))
	generate.Dir = root
	if out, err := generate.CombinedOutput(); err != nil {
		return fmt.Errorf("generate CRDs and roles: %w: %s", err, out)
	}
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kubefed")
	list.Dir = root
	module, err := list.Output()
	if err != nil {
		return fmt.Errorf("find upstream's CRDs: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "crd", "*.yaml"))
	if err != nil {
		return err
	}
	files = append(files, filepath.Join(strings.TrimSpace(string(module)), "charts/kubefed/charts/controllermanager/crds/crds.yaml"))
	objects, err := framework.ReadManifests(files...)
	if err != nil {
		return err
	}
	if err := host.Apply(ctx, objects...); err != nil {
		return err
	}
	for _, crd := range objects {
		if err := waitEstablished(ctx, crd.GetName()); err != nil {
			return err
		}
	}
	if err := host.CreateNamespace(ctx, kubefed, nil); err != nil {
		return err
	}
	return grant(ctx, filepath.Join(dir, "rbac", "role.yaml"))
}

// grant gives two users what the markers ask for, and one of them the sight of the federated types as well.
func grant(ctx context.Context, path string) error {
	roles, err := framework.ReadManifests(path)
	if err != nil {
		return err
	}
	types := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": rbacv1.SchemeGroupVersion.String(), "kind": "ClusterRole",
		"metadata": map[string]any{"name": "types"},
		"rules": []any{map[string]any{
			"apiGroups": []any{typesGroup}, "resources": []any{"*"}, "verbs": []any{"get", "list", "watch"},
		}},
	}}
	for _, role := range append(roles, types) {
		subjects := []any{map[string]any{"apiGroup": rbacv1.GroupName, "kind": "User", "name": managerUser}}
		if role != types {
			subjects = append(subjects, map[string]any{"apiGroup": rbacv1.GroupName, "kind": "User", "name": blindUser})
		}
		binding := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": rbacv1.SchemeGroupVersion.String(), "kind": role.GetKind() + "Binding",
			"metadata": map[string]any{"name": role.GetName()},
			"roleRef":  map[string]any{"apiGroup": rbacv1.GroupName, "kind": role.GetKind(), "name": role.GetName()},
			"subjects": subjects,
		}}
		binding.SetNamespace(role.GetNamespace())
		if err := host.Apply(ctx, role, binding); err != nil {
			return err
		}
	}
	return nil
}

func waitEstablished(ctx context.Context, name string) error {
	return framework.Poll(ctx, patience, "the CRD "+name, func(ctx context.Context) error {
		crd := &unstructured.Unstructured{}
		crd.SetGroupVersionKind(crdKind)
		if err := host.Client.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
		for _, item := range conditions {
			if c, ok := item.(map[string]any); ok && c["type"] == "Established" && c["status"] == "True" {
				return nil
			}
		}
		return errors.New("it is not established")
	})
}
