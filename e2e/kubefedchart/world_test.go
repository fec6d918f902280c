package kubefedchart

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
)

// patience bounds every wait: upstream looks at a deletion again after ten seconds.
const patience = 90 * time.Second

// startHost starts a host whose log has what is asked of it by the chart's service account.
func startHost(t *testing.T, dir string) (*framework.RequestLog, *framework.Cluster) {
	t.Helper()
	log, flags, err := framework.NewRequestLog(dir, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return log, framework.RunCluster(t, framework.Options{Dir: dir, Controllers: framework.HostControllers, ExtraArgs: flags})
}

// install installs the chart, with what makes upstream quick.
func install(t *testing.T, host *framework.Cluster, args ...string) {
	t.Helper()
	helm(t, append([]string{
		"install", release, chart(t), "--kubeconfig", host.Kubeconfig, "--namespace", namespace, "--create-namespace",
		"--set", "config.controllerDuration.availableDelay=2s,config.clusterHealthCheck.period=2s",
	}, args...)...)
}

// get reads an object of a cluster's, or fails the test.
func get(t *testing.T, cluster *framework.Cluster, object client.Object, namespace, name string) {
	t.Helper()
	if err := cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
		t.Fatalf("get %s/%s of %s: %v", namespace, name, cluster.Name, err)
	}
}

func create(t *testing.T, cluster *framework.Cluster, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := cluster.Client.Create(t.Context(), object); err != nil {
			t.Fatalf("create %T %s in %s: %v", object, object.GetName(), cluster.Name, err)
		}
	}
}

// join registers the member.
func join(t *testing.T, host, member *framework.Cluster) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: "default", Name: "kubefed"}
	create(t, member, &corev1.ServiceAccount{ObjectMeta: meta}, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: meta.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: meta.Namespace, Name: meta.Name}},
	})
	config, err := member.AccountConfig(t.Context(), "default", "kubefed")
	if err != nil {
		t.Fatal(err)
	}
	meta = metav1.ObjectMeta{Namespace: namespace, Name: member.Name}
	create(t, host,
		&corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"token": config.BearerToken}},
		&kubefedv1beta1.KubeFedCluster{ObjectMeta: meta, Spec: kubefedv1beta1.KubeFedClusterSpec{
			APIEndpoint: config.Host, CABundle: config.CAData,
			SecretRef: kubefedv1beta1.LocalSecretReference{Name: meta.Name},
		}})
}

// enable makes the federated types that the test needs, and their FederatedTypeConfigs, as upstream's chart has them.
func enable(t *testing.T, host *framework.Cluster, names ...string) {
	t.Helper()
	definitions, err := framework.ReadManifests(filepath.Join(upstream(t), "crds", "crds.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	configs, err := framework.ReadManifests(filepath.Join(upstream(t), "templates", "federatedtypeconfig.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range configs {
		for _, name := range names {
			if config.GetName() != name {
				continue
			}
			plural, _, _ := unstructured.NestedString(config.Object, "spec", "federatedType", "pluralName")
			for _, definition := range definitions {
				if definition.GetName() == plural+".types.kubefed.io" {
					create(t, host, definition)
				}
			}
			config.SetNamespace(namespace)
			if name == "services" {
				config.Object["spec"].(map[string]any)["statusCollection"] = "Enabled"
				config.Object["spec"].(map[string]any)["statusType"] = map[string]any{
					"group": "core.kubefed.io", "version": "v1alpha1", "kind": "FederatedServiceStatus",
					"pluralName": "federatedservicestatuses", "scope": "Namespaced",
				}
			}
			create(t, host, config)
		}
	}
}

// manager is upstream's controller manager, started as the chart's Deployment starts it, with the rights of the chart's
// service account.
func manager(t *testing.T, host *framework.Cluster) *framework.Process {
	t.Helper()
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := host.WriteAccountKubeconfig(t.Context(), kubeconfig, namespace, account); err != nil {
		t.Fatal(err)
	}
	bin, err := framework.Binary("hyperfed")
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"controller-manager", "--kubeconfig=" + kubeconfig}, flags(t, host)...)
	process, err := framework.Start(framework.Program{Name: "kubefed", Path: bin, Dir: dir, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(process.LogTail(60))
		}
		if err := process.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return process
}

// flags returns the flags in the Deployment, with ports that are free here.
func flags(t *testing.T, host *framework.Cluster) []string {
	t.Helper()
	deployment := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}}
	get(t, host, deployment, namespace, "kubefed-controller-manager")
	containers, _, _ := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	args, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
	if err != nil {
		t.Fatal(err)
	}
	for i, arg := range args {
		if name, _, _ := strings.Cut(arg, "="); name == "--healthz-addr" || name == "--metrics-addr" {
			port, err := framework.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			args[i] = fmt.Sprintf("%s=127.0.0.1:%d", name, port)
		}
	}
	return args
}

// typeRuns waits until upstream says that a type's controller runs, or that it does not.
func typeRuns(t *testing.T, host *framework.Cluster, process *framework.Process, name string, want kubefedv1beta1.ControllerStatus) {
	t.Helper()
	framework.Eventually(t, patience, "the controller of "+name, func(ctx context.Context) error {
		if err := process.Err(); err != nil {
			return framework.Final(err)
		}
		config := &kubefedv1beta1.FederatedTypeConfig{}
		if err := host.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, config); err != nil {
			return err
		}
		if config.Status.PropagationController != want || config.Status.ObservedGeneration != config.Generation {
			return fmt.Errorf("its status is %+v, want %s", config.Status, want)
		}
		return nil
	})
}

// clusterReady waits until upstream takes the member for healthy.
func clusterReady(t *testing.T, host *framework.Cluster, name string) {
	t.Helper()
	framework.Eventually(t, patience, "the cluster "+name, func(ctx context.Context) error {
		cluster := &kubefedv1beta1.KubeFedCluster{}
		if err := host.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, cluster); err != nil {
			return err
		}
		for _, condition := range cluster.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return errors.New("it is not ready")
	})
}
