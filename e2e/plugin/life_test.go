package plugin

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

const (
	kubefed = framework.KubeFedNamespace
	// patience is how long the stand-in waits for what the tests come to in the end.
	patience = 30 * time.Minute
)

// TestLife: an installation from the first member to its removal.
func TestLife(t *testing.T) {
	host, member := suite.env.Host, suite.member
	ctx := t.Context()
	standIn(t)
	for _, namespace := range []string{"acme", "legacy"} {
		if err := host.CreateNamespace(ctx, namespace, nil); err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"Join", joins}, {"Create", creates}, {"Release", releases}, {"Doctor", isWell}, {"Unjoin", unjoinRefuses}, {"Held", heldRefuses},
	}
	for _, step := range steps {
		if !t.Run(step.name, step.run) {
			t.FailNow()
		}
	}
	before := held(t, member)
	mark, err := member.Mark()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("Uninstall", uninstalls)
	if diff := cmp.Diff(before, held(t, member)); diff != "" {
		t.Errorf("what the member holds has changed: -before +after:\n%s", diff)
	}
	deleted, err := member.Writes(mark, func(w framework.Write) bool { return w.Verb == "delete" && w.Succeeded() })
	if err != nil {
		t.Fatal(err)
	}
	if len(deleted) > 0 {
		t.Errorf("something was deleted in the member: %v", deleted)
	}
	t.Run("Afterwards", kubeFedGoesOn)
}

func succeed(t *testing.T, a answer, wants ...string) {
	t.Helper()
	if a.code != 0 {
		t.Fatalf("it failed: %v", a)
	}
	for _, want := range wants {
		if !strings.Contains(a.out, want) {
			t.Errorf("it does not say %q: %v", want, a)
		}
	}
}

func refuse(t *testing.T, a answer, code int, wants ...string) {
	t.Helper()
	if a.code != code {
		t.Fatalf("want exit code %d: %v", code, a)
	}
	for _, want := range wants {
		if !strings.Contains(a.err, want) {
			t.Errorf("it does not say %q: %v", want, a)
		}
	}
}

func joins(t *testing.T) {
	ctx := t.Context()
	join := []string{"join", "hz-a", "--member-kubeconfig", suite.member.Kubeconfig, "--shared"}
	succeed(t, cells(ctx, t, append(join, "--dry-run=server")...), "kubefedcluster.core.kubefed.io/hz-a")
	succeed(t, cells(ctx, t, join...), "kubefedcluster.core.kubefed.io/hz-a joined at "+suite.member.URL()+", for every tenant", "hz-a is ready")
	succeed(t, cells(ctx, t, join...), "kubefedcluster.core.kubefed.io/hz-a unchanged", "clusterrole.rbac.authorization.k8s.io/cellfed:kube-federation-system:hz-a unchanged")
	refuse(t, cells(ctx, t, "join", "hz-b", "--member-kubeconfig", suite.member.Kubeconfig), 1, `registered already, as "hz-a"`)
}

func creates(t *testing.T) {
	ctx := t.Context()
	refuse(t, cells(ctx, t, "create", "rz00a", "--cluster", "hz-a", "--target-namespace", "kube-system", "-n", "acme"), 1, "spec.targetNamespace")
	succeed(t, cells(ctx, t, "create", "rz00a", "--cluster", "hz-a", "-n", "acme"), "cell.cellfed.io/rz00a created", "cell.cellfed.io/rz00a ready")
}

// releases releases to the cell by both propagators, and to the cluster itself.
func releases(t *testing.T) {
	ctx, host := t.Context(), suite.env.Host
	if err := suite.env.Cellfed.HandOver(ctx, soon, cellfedv1alpha1.PropagatorCellfed, "configmaps"); err != nil {
		t.Fatal(err)
	}
	for _, document := range []string{`
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: pay, namespace: acme}
spec: {topologyType: cell, placement: {topologies: [{name: rz00a}]}, template: {data: {release: "1"}}}
`, `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedSecret
metadata: {name: pay, namespace: acme}
spec: {topologyType: cell, placement: {topologies: [{name: rz00a}]}, template: {stringData: {release: "1"}}}
`, `
apiVersion: types.kubefed.io/v1beta1
kind: FederatedNamespace
metadata: {name: legacy, namespace: legacy}
spec: {placement: {clusters: [{name: hz-a}]}}
`, `
apiVersion: types.kubefed.io/v1beta1
kind: FederatedConfigMap
metadata: {name: motd, namespace: legacy}
spec: {placement: {clusters: [{name: hz-a}]}, template: {data: {release: "1"}}}
`} {
		if err := host.Client.Create(ctx, kubetest.FromYAML(t, document)); err != nil {
			t.Fatal(err)
		}
	}
	for _, object := range []client.Object{
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "pay"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "pay"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "legacy", Name: "motd"}},
	} {
		framework.Eventually(t, soon, fmt.Sprintf("%T %s in the member", object, object.GetName()), func(ctx context.Context) error {
			return suite.member.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
		})
	}
	succeed(t, cells(ctx, t, "status", "configmaps/pay", "-n", "acme", "--no-headers", "--wait"), "InSync")
}

func isWell(t *testing.T) {
	a := cells(t.Context(), t, "doctor")
	succeed(t, a)
	t.Log(a)
	for _, name := range []string{"admission-cells", "admission-objects", "versions", "members", "cells", "kubefed-controller", "manager"} {
		if !isOK(name, a.out) {
			t.Errorf("the check %s is not OK: %v", name, a)
		}
	}
}

func isOK(name, out string) bool {
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			return fields[1] == "OK"
		}
	}
	return false
}

func unjoinRefuses(t *testing.T) {
	refuse(t, cells(t.Context(), t, "unjoin", "hz-a", "--member-kubeconfig", suite.member.Kubeconfig), 1, "cells stand on the cluster: acme/rz00a")
}

func heldRefuses(t *testing.T) {
	ctx := t.Context()
	mask(t, map[string]any{"topologies": []any{}})
	framework.Eventually(t, soon, "the mask in the status", func(ctx context.Context) error {
		if a := cells(ctx, t, "status", "configmaps/pay", "-n", "acme", "--no-headers"); !strings.Contains(a.out, "Held") {
			return fmt.Errorf("it is not held: %v", a)
		}
		return nil
	})
	refuse(t, cells(ctx, t, "uninstall", "--keep-cells", "--yes"), 1, "nothing was changed", "configmaps/pay in acme")
	mask(t, nil)
	framework.Eventually(t, soon, "the release", func(ctx context.Context) error {
		if a := cells(ctx, t, "status", "configmaps/pay", "-n", "acme", "--no-headers"); !strings.Contains(a.out, "InSync") {
			return fmt.Errorf("it is not released: %v", a)
		}
		return nil
	})
	refuse(t, cells(ctx, t, "uninstall", "--yes"), 1, "federated objects are on cells: acme/rz00a (configmaps/pay and secrets/pay)")
	succeed(t, cells(ctx, t, "uninstall", "--keep-cells", "--dry-run"), "1. hand the types back to KubeFed: configmaps")
}

// mask sets the mask of the FederatedConfigMap in the cell.
func mask(t *testing.T, value any) {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("types.kubefed.io/v2beta1")
	object.SetKind("FederatedConfigMap")
	if err := suite.env.Host.Client.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: "pay"}, object); err != nil {
		t.Fatal(err)
	}
	before := object.DeepCopy()
	spec := object.Object["spec"].(map[string]any)
	delete(spec, "placementMask")
	if value != nil {
		spec["placementMask"] = value
	}
	if err := suite.env.Host.Client.Patch(t.Context(), object, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

func uninstalls(t *testing.T) {
	a := cells(t.Context(), t, "uninstall", "--keep-cells", "--yes", "--timeout", "5m")
	succeed(t, a, "Step 1 of 6: hand the types back to KubeFed: configmaps", "Step 4 of 6", "Step 6 of 6", "Every member has what it had")
	t.Log(a)
	if err := suite.env.Cellfed.WaitForVersions(t.Context(), soon, false); err != nil {
		t.Error(err)
	}
	again := cells(t.Context(), t, "uninstall", "--keep-cells", "--yes")
	succeed(t, again, "1. all types are KubeFed's (nothing to do)", "6. no CRD has v2beta1 (nothing to do)")
	if strings.Contains(again.out, "Step ") {
		t.Errorf("it does something again: %v", again)
	}
}

// kubeFedGoesOn: what is on the cluster itself is KubeFed's.
func kubeFedGoesOn(t *testing.T) {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("types.kubefed.io/v1beta1")
	object.SetKind("FederatedConfigMap")
	if err := suite.env.Host.Client.Get(t.Context(), client.ObjectKey{Namespace: "legacy", Name: "motd"}, object); err != nil {
		t.Fatal(err)
	}
	before := object.DeepCopy()
	if err := unstructured.SetNestedField(object.Object, "2", "spec", "template", "data", "release"); err != nil {
		t.Fatal(err)
	}
	if err := suite.env.Host.Client.Patch(t.Context(), object, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, soon, "KubeFed's release", func(ctx context.Context) error {
		config := &corev1.ConfigMap{}
		if err := suite.member.Client.Get(ctx, client.ObjectKey{Namespace: "legacy", Name: "motd"}, config); err != nil {
			return err
		}
		if config.Data["release"] != "2" {
			return fmt.Errorf("the member has release %q", config.Data["release"])
		}
		return nil
	})
}

// held returns what the member holds of the releases, by UID and version.
func held(t *testing.T, member *framework.Cluster) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &corev1.SecretList{}} {
		for _, namespace := range []string{"acme", "legacy"} {
			if err := member.Client.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
				t.Fatal(err)
			}
			switch list := list.(type) {
			case *corev1.ConfigMapList:
				for _, o := range list.Items {
					all["configmap "+o.Namespace+"/"+o.Name] = string(o.UID) + " " + o.ResourceVersion
				}
			case *corev1.SecretList:
				for _, o := range list.Items {
					all["secret "+o.Namespace+"/"+o.Name] = string(o.UID) + " " + o.ResourceVersion
				}
			}
		}
	}
	return all
}

// standIn makes the manager's Deployment, and does from then on what a kubelet would: it stops the manager when the Deployment is
// scaled to 0, and runs its program for the Job.
func standIn(t *testing.T) {
	t.Helper()
	ctx, c := t.Context(), suite.env.Host.Client
	manifests, err := framework.ReadManifests(filepath.Join("..", "..", "config", "manager", "manager.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	deployment := &appsv1.Deployment{}
	for _, manifest := range manifests {
		if manifest.GetKind() != "Deployment" {
			continue
		}
		manifest.SetNamespace(kubefed)
		manifest.SetName("cellfed-manager")
		manifest.SetLabels(map[string]string{"app.kubernetes.io/name": "cellfed", "app.kubernetes.io/component": "manager"})
		if err := c.Create(ctx, manifest); err != nil {
			t.Fatal(err)
		}
		if err := c.Get(ctx, client.ObjectKeyFromObject(manifest), deployment); err != nil {
			t.Fatal(err)
		}
	}
	n := *deployment.Spec.Replicas
	deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: deployment.Generation, Replicas: n, ReadyReplicas: n, AvailableReplicas: n, UpdatedReplicas: n}
	if err := c.Status().Update(ctx, deployment); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	background, cancel := context.WithCancel(ctx)
	go func() { ended <- kubelet(background, client.ObjectKeyFromObject(deployment)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("what stands in for a kubelet: %v", err)
		}
	})
}

// kubelet waits for the Deployment to be scaled to 0, then for the Job.
func kubelet(ctx context.Context, key client.ObjectKey) error {
	c := suite.env.Host.Client
	deployment := &appsv1.Deployment{}
	err := framework.Poll(ctx, patience, "the Deployment to be scaled to 0", func(ctx context.Context) error {
		if err := c.Get(ctx, key, deployment); err != nil {
			return err
		}
		if *deployment.Spec.Replicas > 0 {
			return errors.New("it is not")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := suite.env.Cellfed.Stop(ctx); err != nil {
		return err
	}
	deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: deployment.Generation}
	if err := c.Status().Update(ctx, deployment); err != nil {
		return err
	}
	job := &batchv1.Job{}
	err = framework.Poll(ctx, patience, "the Job", func(ctx context.Context) error {
		return c.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: "cellfed-remove-v2beta1"}, job)
	})
	if err != nil {
		return err
	}
	configurations := suite.env.Host.Client.Get(ctx, client.ObjectKey{Name: framework.ValidatingConfiguration}, &admissionregistrationv1.ValidatingWebhookConfiguration{})
	if !apierrors.IsNotFound(configurations) {
		return fmt.Errorf("the Job came before the webhook configurations were gone: %w", configurations)
	}
	if _, err := suite.env.Cellfed.RemoveV2Beta1(ctx); err != nil {
		return err
	}
	now := metav1.Now()
	job.Status = batchv1.JobStatus{StartTime: &now, CompletionTime: &now, Succeeded: 1, Conditions: []batchv1.JobCondition{
		{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: now},
	}}
	return c.Status().Update(ctx, job)
}
