package kubefedchart

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
)

// rare are the rights that upstream has a use for which this story does not bring about every time.
var rare = map[string]string{
	"get clusterpropagatedversions.core.kubefed.io": "after a conflict, to try once more",
	"get propagatedversions.core.kubefed.io":        "after a conflict, to try once more",
	"get *.types.kubefed.io":                        "after a conflict, to try once more",
	"patch events.":                                 "to count an event that comes again",
}

// TestKubeFed installs the chart with the real Helm and runs upstream's controller manager with its service account: objects
// of every kind that it treats in a way of its own reach a member, their status is written, what is deleted goes, a type is
// stopped and another one's configuration deleted. No request of it is refused, and it has no right that it does not use.
func TestKubeFed(t *testing.T) {
	dir := t.TempDir()
	log, host := startHost(t, dir)
	member := framework.RunCluster(t, framework.Options{Name: "member", Dir: dir, Controllers: framework.MemberControllers})
	install(t, host)
	enable(t, host, "namespaces", "configmaps", "services", "deployments.apps", "clusterroles.rbac.authorization.k8s.io")
	join(t, host, member)
	process := manager(t, host)
	for _, name := range []string{"namespaces", "configmaps", "services", "deployments.apps", "clusterroles.rbac.authorization.k8s.io"} {
		typeRuns(t, host, process, name, kubefedv1beta1.ControllerStatusRunning)
	}
	clusterReady(t, host, "member")

	t.Run("Propagation", func(t *testing.T) { propagation(t, host, member) })
	t.Run("Scheduling", func(t *testing.T) { scheduling(t, host, member) })
	t.Run("ServiceStatus", func(t *testing.T) { serviceStatus(t, host, member) })
	t.Run("Deletion", func(t *testing.T) { deletion(t, host, member) })
	t.Run("Types", func(t *testing.T) { types(t, host, process) })
	t.Run("Rights", func(t *testing.T) { rights(t, log) })
}

// TestGates runs the controller manager with other gates and another lock, and with the rights that go with them.
func TestGates(t *testing.T) {
	dir := t.TempDir()
	log, host := startHost(t, dir)
	install(t, host, "--set", "featureGates.SchedulerPreferences=false,featureGates.RawResourceStatusCollection=true",
		"--set", "config.leaderElect.resourceLock=endpoints")
	enable(t, host, "namespaces", "services", "deployments.apps")
	process := manager(t, host)
	for _, name := range []string{"namespaces", "services", "deployments.apps"} {
		typeRuns(t, host, process, name, kubefedv1beta1.ControllerStatusRunning)
	}
	if err := host.CreateNamespace(t.Context(), "team", nil); err != nil {
		t.Fatal(err)
	}
	object := federated("FederatedNamespace", "team", "team", nil)
	create(t, host, object)
	framework.Eventually(t, patience, "a finalizer", func(ctx context.Context) error {
		if err := host.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		if len(object.GetFinalizers()) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	if _, refused := requests(t, log); len(refused) > 0 {
		t.Errorf("the host refused:\n%v", refused)
	}
}

func federated(kind, namespace, name string, template map[string]any) *unstructured.Unstructured {
	return framework.Federated{
		Version: "v1beta1", Kind: kind, Namespace: namespace, Name: name,
		Placement: []string{"member"}, Template: template,
	}.Object()
}

// propagated waits until upstream says of an object that it is in the member.
func propagated(t *testing.T, host *framework.Cluster, object *unstructured.Unstructured) {
	t.Helper()
	framework.Eventually(t, patience, object.GetKind()+" "+object.GetName(), func(ctx context.Context) error {
		if err := host.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		clusters, _, _ := unstructured.NestedSlice(object.Object, "status", "clusters")
		conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
		if len(clusters) != 1 || len(conditions) != 1 || conditions[0].(map[string]any)["status"] != "True" {
			return fmt.Errorf("its status is %v", object.Object["status"])
		}
		return nil
	})
}

func propagation(t *testing.T, host, member *framework.Cluster) {
	config := federated("FederatedConfigMap", "team", "settings", map[string]any{"data": map[string]any{"color": "blue"}})
	role := federated("FederatedClusterRole", "", "reader", map[string]any{
		"rules": []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"pods"}, "verbs": []any{"get"}}},
	})
	if err := host.CreateNamespace(t.Context(), "team", nil); err != nil {
		t.Fatal(err)
	}
	all := []*unstructured.Unstructured{federated("FederatedNamespace", "team", "team", nil), config, role}
	for _, object := range all {
		create(t, host, object)
		propagated(t, host, object)
	}
	get(t, member, &rbacv1.ClusterRole{}, "", "reader")
	framework.Eventually(t, patience, "an update", func(ctx context.Context) error {
		if err := host.Client.Get(ctx, client.ObjectKeyFromObject(config), config); err != nil {
			return err
		}
		if err := unstructured.SetNestedField(config.Object, "green", "spec", "template", "data", "color"); err != nil {
			return framework.Final(err)
		}
		return host.Client.Update(ctx, config)
	})
	framework.Eventually(t, patience, "the update in the member", func(ctx context.Context) error {
		live := &corev1.ConfigMap{}
		if err := member.Client.Get(ctx, client.ObjectKey{Namespace: "team", Name: "settings"}, live); err != nil {
			return err
		}
		if diff := cmp.Diff(map[string]string{"color": "green"}, live.Data); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

func scheduling(t *testing.T, host, member *framework.Cluster) {
	labels := map[string]any{"app": "web"}
	create(t, host, federated("FederatedDeployment", "team", "web", map[string]any{"spec": map[string]any{
		"replicas": int64(1), "selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "web", "image": "web"}}},
		},
	}}), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "scheduling.kubefed.io/v1alpha1", "kind": "ReplicaSchedulingPreference",
		"metadata": map[string]any{"namespace": "team", "name": "web"},
		"spec":     map[string]any{"targetKind": "FederatedDeployment", "totalReplicas": int64(7)},
	}})
	framework.Eventually(t, patience, "the replicas that are preferred", func(ctx context.Context) error {
		live := &appsv1.Deployment{}
		if err := member.Client.Get(ctx, client.ObjectKey{Namespace: "team", Name: "web"}, live); err != nil {
			return err
		}
		if *live.Spec.Replicas != 7 {
			return fmt.Errorf("there are %d, want 7", *live.Spec.Replicas)
		}
		return nil
	})
}

// serviceStatus has a load balancer with a port that has no error, which upstream's Go types leave out.
func serviceStatus(t *testing.T, host, member *framework.Cluster) {
	service := federated("FederatedService", "team", "front", map[string]any{"spec": map[string]any{
		"type": "LoadBalancer", "ports": []any{map[string]any{"port": int64(80)}},
	}})
	create(t, host, service)
	propagated(t, host, service)
	status := &unstructured.Unstructured{}
	status.SetGroupVersionKind(schema.GroupVersionKind{Group: "core.kubefed.io", Version: "v1alpha1", Kind: "FederatedServiceStatus"})
	balancers := func(want int) {
		t.Helper()
		framework.Eventually(t, patience, "the status of the Service", func(ctx context.Context) error {
			if err := host.Client.Get(ctx, client.ObjectKeyFromObject(service), status); err != nil {
				return err
			}
			clusters, _, _ := unstructured.NestedSlice(status.Object, "clusterStatus")
			if len(clusters) != 1 {
				return fmt.Errorf("it is of %d clusters, want one", len(clusters))
			}
			ingress, _, _ := unstructured.NestedSlice(clusters[0].(map[string]any), "status", "loadBalancer", "ingress")
			if len(ingress) != want {
				return fmt.Errorf("it has %d load balancers, want %d", len(ingress), want)
			}
			return nil
		})
	}
	balancers(0)
	live := &corev1.Service{}
	get(t, member, live, "team", "front")
	live.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{
		IP: "192.0.2.1", Ports: []corev1.PortStatus{{Port: 80, Protocol: corev1.ProtocolTCP}},
	}}
	if err := member.Client.Status().Update(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	balancers(1)
}

func deletion(t *testing.T, host, member *framework.Cluster) {
	gone := map[client.Object]*unstructured.Unstructured{
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "settings"}}: federated("FederatedConfigMap", "team", "settings", nil),
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "reader"}}:                    federated("FederatedClusterRole", "", "reader", nil),
	}
	for _, object := range gone {
		if err := host.Client.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	for live, object := range gone {
		framework.Eventually(t, patience, "the deletion of "+object.GetKind(), func(ctx context.Context) error {
			for cluster, object := range map[*framework.Cluster]client.Object{host: object, member: live} {
				if err := cluster.Client.Get(ctx, client.ObjectKeyFromObject(object), object); !apierrors.IsNotFound(err) {
					return fmt.Errorf("it is in %s: %w", cluster.Name, err)
				}
			}
			return nil
		})
	}
}

// types stops a type, as a hand-over to cellfed does, and takes another one away.
func types(t *testing.T, host *framework.Cluster, process *framework.Process) {
	config := &kubefedv1beta1.FederatedTypeConfig{}
	get(t, host, config, namespace, "services")
	before := config.DeepCopy()
	config.Spec.Propagation = kubefedv1beta1.PropagationDisabled
	if err := host.Client.Patch(t.Context(), config, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	typeRuns(t, host, process, "services", kubefedv1beta1.ControllerStatusNotRunning)

	config = &kubefedv1beta1.FederatedTypeConfig{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "configmaps"}}
	if err := host.Client.Delete(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, patience, "the deletion of the type", func(ctx context.Context) error {
		if err := host.Client.Get(ctx, client.ObjectKeyFromObject(config), config); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
}

// rights compares what the controller manager asked for with what the chart grants it.
func rights(t *testing.T, log *framework.RequestLog) {
	asked, refused := requests(t, log)
	if len(refused) > 0 {
		t.Errorf("the host refused:\n%v", refused)
	}
	unused := map[string]string{}
	for _, grant := range grants(t, render(t)) {
		if !slices.ContainsFunc(asked.UnsortedList(), grant.covers) {
			unused[grant.String()] = ""
		}
	}
	maps.DeleteFunc(unused, func(grant, _ string) bool { return rare[grant] != "" })
	if len(unused) > 0 {
		t.Errorf("rights without a use:\n%v\nwhat was asked for:\n%v", slices.Sorted(maps.Keys(unused)), asked.UnsortedList())
	}
}
