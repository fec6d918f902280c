package federatedtypepolicy

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/engine"
)

const (
	// patience is how long something that must happen may take on a busy machine.
	patience = time.Minute
	// testQuiet is short, and longer than it takes to look twice.
	testQuiet = 2 * time.Second
)

// lifecycle is a Runner that remembers what runs.
type lifecycle struct {
	mu      sync.Mutex
	running map[string]engine.Type
}

func (l *lifecycle) Ensure(_ context.Context, t engine.Type) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[t.FTC.Name] = t
	return nil
}

func (l *lifecycle) Stop(_ context.Context, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, name)
	return nil
}

func (l *lifecycle) get(name string) (engine.Type, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.running[name]
	return t, ok
}

// host is an API server with upstream's CRDs and types, a manager and no upstream: the tests play its part.
type host struct {
	*testing.T
	c       client.Client
	cluster *framework.Cluster
	runner  *lifecycle
	stop    func()
}

func newHost(t *testing.T) *host {
	t.Helper()
	cluster := framework.RunCluster(t, framework.Options{})
	h := &host{T: t, c: cluster.Client, cluster: cluster}
	_, err := framework.InstallKubeFed(t.Context(), cluster)
	h.must(err)
	root, err := framework.ModuleRoot()
	h.must(err)
	crds, err := framework.ReadManifests(filepath.Join(root, "config/crd/bases/cellfed.io_federatedtypepolicies.yaml"))
	h.must(err)
	h.must(cluster.Apply(t.Context(), crds...))
	framework.Eventually(t, patience, "the policies' CRD", func(ctx context.Context) error {
		return h.c.List(ctx, &v1alpha1.FederatedTypePolicyList{})
	})
	h.start()
	return h
}

func (h *host) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// start runs a manager that remembers nothing.
func (h *host) start() {
	h.Helper()
	cfg, err := h.cluster.Config()
	h.must(err)
	scheme, err := framework.NewScheme()
	h.must(err)
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme: scheme, Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	h.must(err)
	h.runner = &lifecycle{running: map[string]engine.Type{}}
	h.must(SetupWithManager(mgr, Options{Namespace: framework.KubeFedNamespace, Runner: h.runner, QuietPeriod: testQuiet}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	var once sync.Once
	h.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				h.Errorf("the manager ended with %v", err)
			}
		})
	}
	h.Cleanup(h.stop)
}

// serve makes a type's CRD serve v2beta1, as far as this controller looks.
func (h *host) serve(name string) *apiextensionsv1.CustomResourceDefinition {
	h.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	h.must(h.c.Get(h.Context(), client.ObjectKey{Name: name}, crd))
	second := *crd.Spec.Versions[0].DeepCopy()
	second.Name, second.Storage = "v2beta1", false
	crd.Spec.Versions = append(crd.Spec.Versions, second)
	h.must(h.c.Update(h.Context(), crd))
	crd.Status.Conditions = append(crd.Status.Conditions, apiextensionsv1.CustomResourceDefinitionCondition{
		Type: "cellfed.io/Topologies", Status: apiextensionsv1.ConditionTrue, Reason: "Served", LastTransitionTime: metav1.Now(),
	})
	h.must(h.c.Status().Update(h.Context(), crd))
	return crd
}

func (h *host) config(name string) *fedv1b1.FederatedTypeConfig {
	h.Helper()
	c := &fedv1b1.FederatedTypeConfig{}
	h.must(h.c.Get(h.Context(), client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: name}, c))
	return c
}

func (h *host) policy(name string) *v1alpha1.FederatedTypePolicy {
	h.Helper()
	p := &v1alpha1.FederatedTypePolicy{}
	h.must(h.c.Get(h.Context(), client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: name}, p))
	return p
}

// patch changes an object as people do, whatever else happens to it.
func (h *host) patch(o client.Object, document string) {
	h.Helper()
	h.must(h.c.Patch(h.Context(), o, client.RawPatch("application/merge-patch+json", []byte(document))))
}

// observe reports as upstream does.
func (h *host) observe(name string, status fedv1b1.ControllerStatus) {
	h.Helper()
	c := h.config(name)
	document := fmt.Sprintf(`{"status":{"observedGeneration":%d,"propagationController":%q}}`, c.Generation, status)
	h.must(h.c.Status().Patch(h.Context(), c, client.RawPatch("application/merge-patch+json", []byte(document))))
}

// waitFor waits until the policy's condition Propagating has the reason.
func (h *host) waitFor(name string, reason v1alpha1.ConditionReason) *v1alpha1.FederatedTypePolicy {
	h.Helper()
	var p *v1alpha1.FederatedTypePolicy
	framework.Eventually(h.T, patience, "the reason "+string(reason), func(context.Context) error {
		p = h.policy(name)
		if c := condition(p); c == nil || c.Reason != string(reason) {
			return fmt.Errorf("it has %v", c)
		}
		return nil
	})
	return p
}

// TestServer hands a type over and back on a real API server: its status subresources, its generations, its conflicts and
// the watches are what the tests in memory only play.
func TestServer(t *testing.T) {
	h := newHost(t)
	const name, crdName = "configmaps", "federatedconfigmaps.types.kubefed.io"
	h.patch(h.config(name), `{"metadata":{"finalizers":["core.kubefed.io/federated-type-config"]}}`)
	h.observe(name, fedv1b1.ControllerStatusRunning)
	h.must(h.c.Create(h.Context(), &v1alpha1.FederatedTypePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: framework.KubeFedNamespace, Name: name},
		Spec:       v1alpha1.FederatedTypePolicySpec{Propagator: cellfed, PropagatingAnnotations: []string{"a/b/c", "a"}},
	}))

	p := h.waitFor(name, v1alpha1.ReasonNotServed)
	if c := meta.FindStatusCondition(p.Status.Conditions, string(v1alpha1.ConditionValid)); c == nil || c.Status != metav1.ConditionFalse || c.Reason != "Invalid" {
		t.Errorf("the condition Valid is %v", c)
	}
	if h.config(name).Spec.Propagation != enabled {
		t.Error("the type was disabled before its CRD was ready")
	}
	crd := h.serve(crdName)

	h.waitFor(name, v1alpha1.ReasonWaitingForKubeFed)
	if c := h.config(name); c.Spec.Propagation != disabledMode || !marked(c) {
		t.Errorf("the config is %s, marked %t", c.Spec.Propagation, marked(c))
	}
	// Somebody else's part of the status stays, whoever writes when.
	h.must(h.c.Status().Patch(t.Context(), h.policy(name), client.RawPatch("application/merge-patch+json", []byte(`{"status":{"storageVersion":"v1beta1"}}`))))
	begun := time.Now()
	h.observe(name, fedv1b1.ControllerStatusNotRunning)

	p = h.waitFor(name, v1alpha1.ReasonCellfed)
	if waited := time.Since(begun); waited < testQuiet {
		t.Errorf("it began after %s", waited)
	}
	c := h.config(name)
	got := p.Status
	got.Conditions = nil
	want := v1alpha1.FederatedTypePolicyStatus{
		ObservedGeneration: p.Generation, Propagator: cellfed, FederatedTypeConfigUID: string(c.UID),
		FederatedTypeConfigGeneration: c.Generation, StorageVersion: "v1beta1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the status: %s", diff)
	}
	if running, ok := h.runner.get(name); !ok || running.CRD != crd.UID || running.FTC.UID != c.UID || running.Policy.UID != p.UID {
		t.Errorf("it runs %v, %t", running, ok)
	}

	h.restarted(name)
	h.flipped(name)
	h.back(name)
}

// restarted: a manager that starts again goes on at once, and writes nothing that was so before.
func (h *host) restarted(name string) {
	h.Helper()
	h.stop()
	before := h.policy(name).ResourceVersion
	h.start()
	framework.Eventually(h.T, patience, "the type", func(context.Context) error {
		if _, ok := h.runner.get(name); !ok {
			return errors.New("it does not run")
		}
		return nil
	})
	if after := h.policy(name).ResourceVersion; after != before {
		h.Errorf("the policy was written, from %s to %s", before, after)
	}
	h.patch(h.policy(name), `{"spec":{"propagatingAnnotations":null,"retain":[".data.b"]}}`)
	framework.Eventually(h.T, patience, "the changed policy", func(context.Context) error {
		if running, _ := h.runner.get(name); !slices.Equal(running.Policy.Spec.Retain, []string{".data.b"}) {
			return fmt.Errorf("it runs with %v", running.Policy.Spec.Retain)
		}
		return nil
	})
	framework.Eventually(h.T, patience, "the condition Valid", func(context.Context) error {
		if c := meta.FindStatusCondition(h.policy(name).Status.Conditions, string(v1alpha1.ConditionValid)); c.Status != metav1.ConditionTrue {
			return fmt.Errorf("it is %v", c)
		}
		return nil
	})
}

// flipped: somebody enables the config, and upstream writes on for a while.
func (h *host) flipped(name string) {
	h.Helper()
	h.patch(h.config(name), `{"spec":{"propagation":"Enabled"}}`)
	h.waitFor(name, v1alpha1.ReasonWaitingForKubeFed)
	if _, ok := h.runner.get(name); ok {
		h.Error("it still runs")
	}
	h.observe(name, fedv1b1.ControllerStatusNotRunning)
	h.waitFor(name, v1alpha1.ReasonKubeFedDraining)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedConfigMap",
		"metadata": map[string]any{"name": "a", "namespace": "default", "finalizers": []any{syncFinalizer}},
		"spec":     map[string]any{},
	}}
	h.must(h.c.Create(h.Context(), object))
	for i := range 4 {
		// Upstream's writes come in less than the quiet time, for longer than it.
		written := time.Now()
		h.must(h.c.Status().Patch(h.Context(), object, client.RawPatch("application/merge-patch+json",
			fmt.Appendf(nil, `{"status":{"observedGeneration":%d}}`, i))))
		framework.Always(h.T, max(0, testQuiet*6/10-time.Since(written)), "the wait", func(context.Context) error {
			if _, ok := h.runner.get(name); ok {
				return errors.New("it runs")
			}
			return nil
		})
	}
	h.waitFor(name, v1alpha1.ReasonCellfed)
	framework.Eventually(h.T, patience, "the event", func(ctx context.Context) error {
		all := &eventsv1.EventList{}
		if err := h.c.List(ctx, all, client.InNamespace(framework.KubeFedNamespace)); err != nil {
			return err
		}
		if !slices.ContainsFunc(all.Items, func(e eventsv1.Event) bool {
			return e.Reason == string(v1alpha1.ReasonFederatedTypeConfigEnabled) && e.Type == "Warning" && e.Regarding.UID == h.policy(name).UID
		}) {
			return fmt.Errorf("there are %d others", len(all.Items))
		}
		return nil
	})
}

// back: the policy goes when the type was handed back.
func (h *host) back(name string) {
	h.Helper()
	h.must(h.c.Delete(h.Context(), h.policy(name)))
	framework.Eventually(h.T, patience, "the policy's end", func(ctx context.Context) error {
		err := h.c.Get(ctx, client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: name}, &v1alpha1.FederatedTypePolicy{})
		if err == nil {
			return errors.New("it is there")
		}
		return client.IgnoreNotFound(err)
	})
	if _, ok := h.runner.get(name); ok {
		h.Error("it still runs")
	}
	if c := h.config(name); c.Spec.Propagation != enabled || marked(c) {
		h.Errorf("the config is %s, marked %t", c.Spec.Propagation, marked(c))
	}
}
