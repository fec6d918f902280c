package gitops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	deployment = "FederatedDeployment acme-prod/pay"
	configMap  = "FederatedConfigMap acme-prod/pay"
	manifest   = folder + "/tenants/acme/pay.yaml"
)

// cells are acme's, with the member and the namespace that each is in.
var cells = map[string]struct{ member, namespace string }{
	"rz00a": {hangzhou, "acme-prod-rz00a"}, "rz00b": {hangzhou, "acme-prod-rz00b"}, "rz01a": {shanghai, "acme-prod"},
}

// The mask of the two commits of the canary.
const (
	first = "  placementMask:\n    topologies:\n    - name: rz00a\n"
	whole = "  placementMask:\n    topologies:\n    - name: rz00a\n    - name: rz00b\n    - name: rz01a\n"
)

// TestGitOps is one story: everything is synced from nothing, nothing is written without need, a canary is two commits,
// what is held everywhere waits, and a dead member keeps a release from itself alone.
func TestGitOps(t *testing.T) {
	w := newWorld(t)
	w.install(t)
	w.syncEverything(t)
	w.holdByHand(t)
	w.canary(t)
	w.holdEverything(t)
	w.releaseAroundTheDead(t)
}

// install merges what Argo CD must know into an argocd-cm that is there, as docs/gitops.md has it, and keeps what that has.
func (w *world) install(t *testing.T) {
	t.Helper()
	before := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: agentNamespace, Name: "argocd-cm"}, Data: map[string]string{"url": "https://argocd.example"}}
	if err := w.env.Host.Client.Create(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	kubectl, err := w.env.Host.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kubectl.Must(t.Context(), "", "-n", agentNamespace, "apply", "--server-side", "--field-manager=cellfed", "-f", w.customizations); err != nil {
		t.Fatal(err)
	}
	after := &corev1.ConfigMap{}
	if err := w.env.Host.Client.Get(t.Context(), client.ObjectKeyFromObject(before), after); err != nil {
		t.Fatal(err)
	}
	if after.Data["url"] != before.Data["url"] || after.Data["resource.customizations"] == "" {
		t.Errorf("argocd-cm has %v", after.Data)
	}
}

func (w *world) syncEverything(t *testing.T) {
	t.Helper()
	t.Log("A first sync of everything ends Synced and Healthy, wave by wave")
	got := w.agent.wait("everything to be Synced and Healthy", w.repository.git("rev-parse", "HEAD"), well)
	all, err := w.agent.reports()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Operation != nil {
			t.Logf("A sync has %s: %s", r.Operation.Phase, r.Operation.Message)
		}
	}
	for name, message := range map[string]string{
		configMap: "3 of 3 cells up to date", deployment: "3 of 3 cells up to date",
		"FederatedConfigMap globex-prod/ledger":                 "1 of 1 cells up to date",
		"FederatedServiceAccount globex-prod/ledger":            "1 of 1 cells up to date",
		"FederatedConfigMap legacy/motd":                        "2 of 2 clusters up to date",
		"FederatedNamespace legacy/legacy":                      "2 of 2 clusters up to date",
		"Cell acme-prod/rz01a":                                  "objects can be released to the cell",
		"FederatedTypePolicy kube-federation-system/configmaps": "cellfed propagates the type; all objects are stored in v2beta1",
	} {
		if err := unlike(resource{name, "Healthy", message}, got.of(name)); err != nil {
			t.Error(err)
		}
	}
	w.wantImages(t, map[string]string{"rz00a": "1.4.2", "rz00b": "1.4.2", "rz01a": "1.4.2"})
	if writes, _ := w.audit().since(t, 0); len(writes) < len(got.Resources) {
		t.Errorf("the log of writes misses some of the agent's: %v", writes)
	}
	w.quiet(t, 10)
}

func (w *world) holdByHand(t *testing.T) {
	t.Helper()
	t.Log("A mask that Git does not have is nobody's difference: cells are held and released by hand")
	revision := w.repository.git("rev-parse", "HEAD")
	w.mask(t, `{"topologies":[{"name":"rz00a"}]}`)
	w.agent.wait("cells to be held by hand", revision, says(deployment, "1 of 3 cells up to date, 2 held"))
	w.quiet(t, 3)
	w.mask(t, "null")
	w.agent.wait("cells to be released by hand", revision, says(deployment, "3 of 3 cells up to date"))
}

func (w *world) canary(t *testing.T) {
	t.Helper()
	t.Log("The first commit of a canary reaches one cell, and is Healthy")
	w.repository.edit(manifest, "\n  template:\n", "\n"+first+"  template:\n", "pay:1.4.2", "pay:1.5.0", "currency: CNY", "currency: CNY\n      limit: \"2\"")
	revision := w.repository.commit("pay 1.5.0 in rz00a")
	got := w.agent.wait("the canary to be Healthy", revision, says(deployment, "1 of 3 cells up to date, 2 held"))
	if err := unlike(resource{configMap, "Healthy", "1 of 3 cells up to date, 2 held"}, got.of(configMap)); err != nil {
		t.Error(err)
	}
	w.wantImages(t, map[string]string{"rz00a": "1.5.0", "rz00b": "1.4.2", "rz01a": "1.4.2"})
	w.wantLimits(t, map[string]string{"rz00a": "2", "rz00b": "", "rz01a": ""})
	w.quiet(t, 3)
	w.wantImages(t, map[string]string{"rz00a": "1.5.0", "rz00b": "1.4.2", "rz01a": "1.4.2"})

	t.Log("A mask that Git has is put back")
	w.mask(t, `{"topologies":[]}`)
	w.agent.wait("the mask to be put back", revision, func(r *report) error {
		if !slices.Contains(r.Differed, deployment) {
			return errors.New("the mask was not in the way")
		}
		return nil
	})
	w.agent.wait("the canary to be Healthy again", revision, says(deployment, "1 of 3 cells up to date, 2 held"))

	t.Log("The second commit widens the mask, and the rest follows")
	w.repository.edit(manifest, first, whole)
	got = w.agent.wait("the release to be Healthy", w.repository.commit("pay 1.5.0 everywhere"), says(deployment, "3 of 3 cells up to date"))
	if err := unlike(resource{configMap, "Healthy", "3 of 3 cells up to date"}, got.of(configMap)); err != nil {
		t.Error(err)
	}
	w.wantImages(t, map[string]string{"rz00a": "1.5.0", "rz00b": "1.5.0", "rz01a": "1.5.0"})
	w.wantLimits(t, map[string]string{"rz00a": "2", "rz00b": "2", "rz01a": "2"})
	w.quiet(t, 3)
}

func (w *world) holdEverything(t *testing.T) {
	t.Helper()
	t.Log("What is held everywhere is Suspended. The sync does not wait for it, because nothing comes after its wave")
	w.repository.edit(manifest, whole, "  placementMask: {topologies: []}\n", "pay:1.5.0", "pay:1.6.0")
	held := "0 of 3 cells up to date, 3 held; The placement mask holds every topology"
	w.agent.wait("everything to be held", w.repository.commit("pay 1.6.0 nowhere yet"), func(r *report) error {
		if r.Sync != "Synced" || r.Operation != nil {
			return fmt.Errorf("it is %s", r.Sync)
		}
		return errors.Join(unlike(resource{deployment, "Suspended", held}, r.of(deployment)), unlike(resource{configMap, "Suspended", held}, r.of(configMap)))
	})
	w.wantImages(t, map[string]string{"rz00a": "1.5.0", "rz00b": "1.5.0", "rz01a": "1.5.0"})
}

func (w *world) releaseAroundTheDead(t *testing.T) {
	t.Helper()
	t.Log("A release that a dead member keeps from ending is Degraded, and so is its cell. The others have it")
	if err := w.env.Member(shanghai).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	cell := resource{"Cell acme-prod/rz01a", "Degraded", `KubeFed cannot reach KubeFedCluster "sh-b"`}
	w.agent.wait("the cell to be Degraded", w.repository.git("rev-parse", "HEAD"), func(r *report) error { return unlike(cell, r.of(cell.Name)) })
	w.repository.edit(manifest, "  placementMask: {topologies: []}\n", "")
	w.agent.wait("the release to be Degraded", w.repository.commit("pay 1.6.0 everywhere"), func(r *report) error {
		return errors.Join(
			unlike(resource{configMap, "Degraded", "2 of 3 cells up to date; ClusterNotReady: rz01a"}, r.of(configMap)),
			unlike(resource{deployment, "Degraded", "2 of 3 cells up to date; ClusterNotReady: rz01a"}, r.of(deployment)),
		)
	})
	w.wantImages(t, map[string]string{"rz00a": "1.6.0", "rz00b": "1.6.0"})
}

func unlike(want, got resource) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("%s (-want +got):\n%s", want.Name, diff)
	}
	return nil
}

// mask writes the mask of a federated Deployment as an action of Argo CD's does: by a merge patch of its own.
func (w *world) mask(t *testing.T, mask string) {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: framework.FederatedGroup, Version: "v2beta1", Kind: "FederatedDeployment"})
	object.SetNamespace("acme-prod")
	object.SetName("pay")
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"placementMask":`+mask+`}}`))
	if err := w.env.Host.Client.Patch(t.Context(), object, patch, client.FieldOwner("argocd-server")); err != nil {
		t.Fatal(err)
	}
}

// versions returns the generation and the resource version of every object of the application.
func (w *world) versions(t *testing.T) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for _, gvk := range []schema.GroupVersionKind{
		{Version: "v1", Kind: "Namespace"},
		{Group: "cellfed.io", Version: "v1alpha1", Kind: "Cell"}, {Group: "cellfed.io", Version: "v1alpha1", Kind: "FederatedTypePolicy"},
		{Group: framework.FederatedGroup, Version: "v2beta1", Kind: "FederatedConfigMap"},
		{Group: framework.FederatedGroup, Version: "v2beta1", Kind: "FederatedDeployment"},
		{Group: framework.FederatedGroup, Version: "v1beta1", Kind: "FederatedNamespace"},
		{Group: framework.FederatedGroup, Version: "v1beta1", Kind: "FederatedServiceAccount"},
	} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk)
		if err := w.env.Host.Client.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			o := &list.Items[i]
			versions[fmt.Sprintf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())] = fmt.Sprintf("generation %d, version %s", o.GetGeneration(), o.GetResourceVersion())
		}
	}
	return versions
}

// quiet has the agent reconcile n times, and nobody write an object of the application: the agent asks by dry runs alone.
func (w *world) quiet(t *testing.T, n int) {
	t.Helper()
	var size int
	var before map[string]string
	framework.Eventually(t, soon, "the objects to be at rest", func(context.Context) error {
		was := before
		size, before = w.audit().size(t), w.versions(t)
		if diff := cmp.Diff(was, before); diff != "" {
			return fmt.Errorf("they are still written:\n%s", diff)
		}
		return nil
	})
	for i, r := range w.agent.next(n) {
		if err := well(&r); err != nil || r.Operation != nil {
			t.Errorf("reconcile %d of %d was not quiet: %+v", i+1, n, r)
		}
	}
	writes, dryRuns := w.audit().since(t, size)
	for _, write := range writes {
		t.Errorf("the agent wrote: %s", write)
	}
	if dryRuns == 0 {
		t.Error("the agent has not compared anything by a dry run")
	}
	if diff := cmp.Diff(before, w.versions(t)); diff != "" {
		t.Errorf("objects were written during %d reconciles (-before +after):\n%s", n, diff)
	}
}

// wantImages checks which version of pay the cells have.
func (w *world) wantImages(t *testing.T, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name := range want {
		cell := cells[name]
		d := &appsv1.Deployment{}
		if err := w.env.Member(cell.member).Client.Get(t.Context(), client.ObjectKey{Namespace: cell.namespace, Name: "pay"}, d); err != nil {
			t.Errorf("read pay in %s: %v", name, err)
			continue
		}
		got[name] = d.Spec.Template.Spec.Containers[0].Image[len("registry.example/acme/pay:"):]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the cells have other images (-want +got):\n%s", diff)
	}
}

// wantLimits checks which settings the cells have.
func (w *world) wantLimits(t *testing.T, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name := range want {
		cell := cells[name]
		c := &corev1.ConfigMap{}
		if err := w.env.Member(cell.member).Client.Get(t.Context(), client.ObjectKey{Namespace: cell.namespace, Name: "pay"}, c); err != nil {
			t.Errorf("read the settings in %s: %v", name, err)
			continue
		}
		got[name] = c.Data["limit"]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the cells have other settings (-want +got):\n%s", diff)
	}
}
