package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	patience = time.Minute
	// secondLook is short, so that tests see it.
	secondLook = time.Second
	agent      = "cellfed-tenant-test"
)

// host is the API server that all tests of the package share: cellfed's CRDs and roles, upstream's CRDs and types, and
// two federated types. Neither upstream nor a webhook is there.
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
	dir, err := os.MkdirTemp("", "cellfed-tenant-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx := context.Background()
	ctrl.SetLogger(logr.Discard())
	host, err = framework.StartCluster(ctx, framework.Options{Name: "host", Dir: dir, Audit: true, Controllers: framework.HostControllers})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, host.Stop(ctx)) }()
	if _, err := framework.InstallKubeFed(ctx, host); err != nil {
		return 1, err
	}
	if err := install(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// install applies config/crd and config/rbac as kustomize would.
func install(ctx context.Context) error {
	root, err := framework.ModuleRoot()
	if err != nil {
		return err
	}
	var files []string
	for _, pattern := range []string{"config/crd/bases/*.yaml", "config/rbac/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	objects, err := framework.ReadManifests(files...)
	if err != nil {
		return err
	}
	for _, object := range objects {
		switch object.GetKind() {
		case "Kustomization", "": // A kustomization names no kind.
			continue
		case "ServiceAccount", "Role", "RoleBinding":
			object.SetNamespace(framework.KubeFedNamespace)
		}
		if subjects, found, _ := unstructured.NestedSlice(object.Object, "subjects"); found {
			for _, subject := range subjects {
				subject.(map[string]any)["namespace"] = framework.KubeFedNamespace
			}
			if err := unstructured.SetNestedSlice(object.Object, subjects, "subjects"); err != nil {
				return err
			}
		}
		if err := host.Apply(ctx, object); err != nil {
			return err
		}
	}
	return framework.Poll(ctx, patience, "the CRD of Cells", func(ctx context.Context) error {
		return host.Client.List(ctx, &v1alpha1.CellList{})
	})
}

// world is a running controller and what one test sees of the host.
type world struct {
	*testing.T
	stop func()
}

// start runs the controller with the rights that config/rbac gives the manager.
func start(t *testing.T) *world {
	t.Helper()
	w := &world{T: t}
	cfg, err := host.Config()
	w.must(err)
	cfg.UserAgent = agent
	cfg.Impersonate.UserName = framework.ManagerUser
	scheme, err := framework.NewScheme()
	w.must(err)
	only := map[string]cache.Config{framework.KubeFedNamespace: {}}
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme: scheme, Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)},
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{
			&fedv1b1.FederatedTypeConfig{}: {Namespaces: only}, &v1alpha1.FederatedTypePolicy{}: {Namespaces: only},
		}},
	})
	w.must(err)
	w.must(SetupWithManager(mgr, Options{KubeFedNamespace: framework.KubeFedNamespace, SecondLook: secondLook}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended with %v", err)
		}
	})
	t.Cleanup(w.stop)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// owned are the labels of a Namespace, and of what is in it.
func owned(tenant, group string) map[string]string {
	labels := map[string]string{}
	if tenant != "" {
		labels[v1alpha1.TenantLabel] = tenant
	}
	if group != "" {
		labels[v1alpha1.WorkspaceGroupLabel] = group
	}
	return labels
}

// newNamespaceOf creates a Namespace for this test alone.
func newNamespaceOf(t *testing.T, labels map[string]string) string {
	t.Helper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: strings.ToLower(t.Name()) + "-", Labels: labels}}
	if err := host.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	return object.Name
}

// handOver gives a Namespace to a tenant, or to nobody.
func (w *world) handOver(name string, labels map[string]string) {
	w.Helper()
	changes := map[string]any{v1alpha1.TenantLabel: nil, v1alpha1.WorkspaceGroupLabel: nil}
	for key, value := range labels {
		changes[key] = value
	}
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": changes}})
	w.must(err)
	w.must(host.Client.Patch(w.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, client.RawPatch("application/merge-patch+json", data)))
}
