package federatedtype

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
	"github.com/cellfed/cellfed/internal/placementcache"
)

func (f *fixture) takeBack(namespace string) ([]Outcome, error) {
	return TakeBack(f.Context(), f.client, TakeBackOptions{Namespace: namespace, StorageSettle: settle})
}

// propagated makes the type's policy say who propagates the type, as the controller of the policies does.
func (f *fixture) propagated(by v1alpha1.Propagator) {
	f.Helper()
	policy := &v1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: strings.ToLower(f.kind) + "s"}}
	if err := f.client.Create(f.Context(), policy); !apierrors.IsAlreadyExists(err) {
		f.must(err)
	}
	value := "null"
	if by != "" {
		value = `"` + string(by) + `"`
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"propagator":`+value+`}}`))
	f.must(f.client.Status().Patch(f.Context(), policy, patch))
}

func (f *fixture) policy() *v1alpha1.FederatedTypePolicy {
	f.Helper()
	policy := &v1alpha1.FederatedTypePolicy{}
	f.must(f.client.Get(f.Context(), client.ObjectKey{Namespace: f.namespace, Name: strings.ToLower(f.kind) + "s"}, policy))
	return policy
}

// waitStored waits until all objects are stored in the version, and the policy says so.
func (f *fixture) waitStored(version string) {
	f.Helper()
	framework.Eventually(f.T, patience, "objects in "+version, func(context.Context) error {
		crd, status := f.crd(), f.policy().Status
		if !slices.Equal(crd.Status.StoredVersions, []string{version}) || federatedcrd.Stored(crd) != version {
			return fmt.Errorf("stored are %q, policy %+v", crd.Status.StoredVersions, status)
		}
		if status.StorageVersion != version || !meta.IsStatusConditionTrue(status.Conditions, string(conditionStorageMigrated)) {
			return fmt.Errorf("policy %+v", status)
		}
		return nil
	})
}

// testHandOver: what is stored follows who propagates the type, there and back, and the placement cache follows that.
func testHandOver(f *fixture) {
	f.serve()
	f.must(f.client.Create(f.Context(), f.object(federated.V1Beta1, plainObject)))
	f.must(f.client.Create(f.Context(), f.object(federated.V2Beta1, celledObject)))
	specs := func() [4]string {
		return [4]string{
			f.spec(federated.V1Beta1, "plain"), f.spec(federated.V2Beta1, "plain"),
			f.spec(federated.V1Beta1, "celled"), f.spec(federated.V2Beta1, "celled"),
		}
	}
	before := specs()
	f.propagated(v1alpha1.PropagatorKubeFed)
	f.waitStored(federated.V1Beta1)
	for _, step := range []struct {
		by      v1alpha1.Propagator
		version string
	}{{v1alpha1.PropagatorCellfed, federated.V2Beta1}, {"", federated.V2Beta1}, {v1alpha1.PropagatorKubeFed, federated.V1Beta1}, {"", federated.V1Beta1}} {
		f.propagated(step.by)
		f.waitStored(step.version)
		if diff := cmp.Diff(before, specs()); diff != "" {
			f.Errorf("propagated by %q: objects have changed: %s", step.by, diff)
		}
		if got := f.policy().Status.Propagator; got != step.by {
			f.Errorf("the propagator was changed to %q", got)
		}
		f.expectCached(step.version)
	}
	// What the policy's own controller says stays its own.
	settled := f.policy()
	framework.Always(f.T, time.Second, "the policy as it is", func(context.Context) error {
		if now := f.policy(); now.ResourceVersion != settled.ResourceVersion {
			return errors.New(cmp.Diff(settled, now))
		}
		return nil
	})
}

// expectCached reads the type through a placement cache, in the version, and finds both objects in v1beta1.
func (f *fixture) expectCached(version string) {
	f.Helper()
	dyn, err := dynamic.NewForConfig(f.config)
	f.must(err)
	c := placementcache.New(dyn)
	ctx, cancel := context.WithCancel(f.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Start(ctx) }()
	defer func() {
		cancel()
		f.must(<-ended)
	}()
	f.must(c.Ensure(placementcache.Type{Name: "t", Kind: "Federated" + f.kind, Resource: schema.GroupVersionResource{
		Group: federated.Group, Version: version, Resource: f.plural(),
	}}))
	var celled *unstructured.Unstructured
	framework.Eventually(f.T, patience, "the cache", func(context.Context) error {
		if celled, _ = c.Get("t", f.namespace, "celled"); celled == nil {
			return errors.New("it is not there")
		}
		return nil
	})
	placement, err := federated.PlacementOf(celled.Object)
	f.must(err)
	if diff := cmp.Diff([]string{f.namespace + ".rz00a", f.namespace + ".rz01a"}, placement.Clusters); diff != "" {
		f.Errorf("cached in %s: %s", version, diff)
	}
}

// testChangeOfMind: the type goes to and fro without anybody waiting for the migration.
func testChangeOfMind(f *fixture) {
	f.serve()
	for i := range 50 {
		o := f.object(federated.V1Beta1, plainObject)
		o.SetName(fmt.Sprintf("o-%02d", i))
		f.must(f.client.Create(f.Context(), o))
	}
	for range 3 {
		f.propagated(v1alpha1.PropagatorCellfed)
		framework.Eventually(f.T, patience, "v2beta1 to be stored", func(context.Context) error {
			if stored := federatedcrd.Stored(f.crd()); stored != federated.V2Beta1 {
				return errors.New(stored)
			}
			return nil
		})
		f.propagated(v1alpha1.PropagatorKubeFed)
	}
	f.waitStored(federated.V1Beta1)
}

// testRestarted: a manager that finds a migration half done goes on by itself, even without the policy that began it.
func testRestarted(f *fixture) {
	f.enable(nil)
	f.federate()
	url, _ := f.webhook(0)
	stop := f.start(url, nil)
	f.waitServed()
	f.must(f.client.Create(f.Context(), f.object(federated.V1Beta1, plainObject)))
	stop()
	f.must(f.client.Update(f.Context(), storedIn(f.crd(), federated.V2Beta1)))
	f.start(url, nil)
	framework.Eventually(f.T, patience, "v1beta1 to be stored again", func(context.Context) error {
		if crd := f.crd(); !slices.Equal(crd.Status.StoredVersions, []string{federated.V1Beta1}) {
			return fmt.Errorf("stored are %q", crd.Status.StoredVersions)
		}
		return nil
	})
}

// testOrphaned: an FTC that goes while its objects are stored in v2beta1 leaves upstream's CRD and all objects.
func testOrphaned(f *fixture) {
	plain := f.enable(nil)
	ftc := f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	f.waitServed()
	f.must(f.client.Create(f.Context(), f.object(federated.V1Beta1, plainObject)))
	f.propagated(v1alpha1.PropagatorCellfed)
	f.waitStored(federated.V2Beta1)
	f.must(f.client.Delete(f.Context(), ftc))
	kept := f.waitFor(v1alpha1.ReasonRemoved)
	if diff := cmp.Diff(plain.Spec, kept.Spec); diff != "" {
		f.Errorf("the CRD is not what it was: %s", diff)
	}
	want := `{"overrides":[{"clusterName":"hz-a","clusterOverrides":[{"path":"/spec/replicas","value":2}]}],"placement":{"clusters":[{"name":"hz-a"}]},"template":{"spec":{"replicas":1}}}`
	if diff := cmp.Diff(want, f.spec(federated.V1Beta1, "plain")); diff != "" {
		f.Errorf("the object: %s", diff)
	}
}

// testTakeBackStored: a type that was handed over goes back to upstream, with the objects as they were.
func testTakeBackStored(f *fixture) {
	plain := f.enable(nil)
	ftc := f.federate()
	url, stopWebhook := f.webhook(0)
	stop := f.start(url, nil)
	f.waitServed()
	f.must(f.client.Create(f.Context(), f.object(federated.V1Beta1, plainObject)))
	before := f.spec(federated.V1Beta1, "plain")
	f.propagated(v1alpha1.PropagatorCellfed)
	f.waitStored(federated.V2Beta1)
	// This is how the controller of the policies leaves a type that was handed over.
	f.must(f.client.Patch(f.Context(), ftc, client.RawPatch("application/merge-patch+json", []byte(
		`{"metadata":{"annotations":{"`+v1alpha1.HandedOverAnnotation+`":"true"}},"spec":{"propagation":"Disabled"}}`))))
	f.must(f.client.Patch(f.Context(), f.policy(), client.RawPatch("application/merge-patch+json", []byte(
		`{"metadata":{"finalizers":["`+v1alpha1.HandoverFinalizer+`"]},"spec":{"propagator":"Cellfed"}}`))))
	// A policy whose FTC has gone, and a second FTC that names the CRD, which is one too many, and was handed over all the same.
	stray := &v1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "stray", Finalizers: []string{v1alpha1.HandoverFinalizer}}}
	f.must(f.client.Create(f.Context(), stray))
	second := &kubefedv1beta1.FederatedTypeConfig{ObjectMeta: metav1.ObjectMeta{
		Namespace: f.namespace, Name: "z-second", Annotations: map[string]string{v1alpha1.HandedOverAnnotation: "true"},
	}, Spec: *ftc.Spec.DeepCopy()}
	second.Spec.Propagation = kubefedv1beta1.PropagationDisabled
	f.must(f.client.Create(f.Context(), second))
	stop()
	stopWebhook()

	// Without a webhook nobody can read what is stored, and nothing is lost by the attempt.
	ctx, cancel := context.WithTimeout(f.Context(), 5*time.Second)
	defer cancel()
	if _, err := TakeBack(ctx, f.client, TakeBackOptions{Namespace: f.namespace, StorageSettle: settle}); err == nil {
		f.Fatal("it went back without a webhook")
	}
	if !federatedcrd.Serves(f.crd()) || f.ftc(ftc).Spec.Propagation != kubefedv1beta1.PropagationDisabled {
		f.Error("v2beta1 was taken, or upstream enabled, before the objects were migrated")
	}

	served := 0
	outcomes, err := TakeBack(f.Context(), f.client, TakeBackOptions{
		Namespace: f.namespace, StorageSettle: settle,
		ServeConversions: func(context.Context) (func(), error) {
			served++
			_, stop := f.webhook(portOf(url))
			return stop, nil
		},
	})
	f.must(err)
	if len(outcomes) != 1 || outcomes[0].Reason != v1alpha1.ReasonRemoved || !outcomes[0].HandedBack || served != 1 {
		f.Errorf("outcomes %+v, the webhook was served %d times", outcomes, served)
	}
	if diff := cmp.Diff(plain.Spec, f.crd().Spec); diff != "" {
		f.Errorf("the CRD is not what it was: %s", diff)
	}
	if diff := cmp.Diff(before, f.spec(federated.V1Beta1, "plain")); diff != "" {
		f.Errorf("the object has changed: %s", diff)
	}
	now := f.ftc(ftc)
	if now.Spec.Propagation != kubefedv1beta1.PropagationEnabled || len(now.Annotations) > 0 {
		f.Errorf("the FTC is left with %s and %v", now.Spec.Propagation, now.Annotations)
	}
	policy := f.policy()
	if diff := cmp.Diff(v1alpha1.FederatedTypePolicyStatus{Propagator: v1alpha1.PropagatorKubeFed}, policy.Status); diff != "" || len(policy.Finalizers) > 0 {
		f.Errorf("the policy is left with the finalizers %v and the status %s", policy.Finalizers, diff)
	}
	f.must(f.client.Get(f.Context(), client.ObjectKeyFromObject(stray), stray))
	if len(stray.Finalizers) > 0 {
		f.Errorf("the policy without an FTC is left with the finalizers %v", stray.Finalizers)
	}
	if second = f.ftc(second); second.Spec.Propagation != kubefedv1beta1.PropagationEnabled || len(second.Annotations) > 0 {
		f.Errorf("the second FTC is left with %s and %v", second.Spec.Propagation, second.Annotations)
	}
	// Once more changes nothing, and a type that somebody disabled stays disabled.
	f.must(f.client.Patch(f.Context(), now, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"propagation":"Disabled"}}`))))
	outcomes, err = f.takeBack(f.namespace)
	f.must(err)
	if len(outcomes) != 1 || outcomes[0].HandedBack || f.ftc(ftc).Spec.Propagation != kubefedv1beta1.PropagationDisabled {
		f.Errorf("once more: %+v", outcomes)
	}
}

func (f *fixture) ftc(ftc *kubefedv1beta1.FederatedTypeConfig) *kubefedv1beta1.FederatedTypeConfig {
	f.Helper()
	now := &kubefedv1beta1.FederatedTypeConfig{}
	f.must(f.client.Get(f.Context(), client.ObjectKeyFromObject(ftc), now))
	return now
}

func portOf(url string) int {
	var port int
	_, rest, _ := strings.Cut(url, "127.0.0.1:")
	_, _ = fmt.Sscanf(rest, "%d", &port)
	return port
}
