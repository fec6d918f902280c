package framework

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
)

// storageVersions are the versions that a type is stored in, by who propagates it.
var storageVersions = map[cellfedv1alpha1.Propagator]string{
	cellfedv1alpha1.PropagatorKubeFed: "v1beta1",
	cellfedv1alpha1.PropagatorCellfed: "v2beta1",
}

// AskFor names the propagator in the policy of a type, which is the name of its FederatedTypeConfig, without waiting.
// What else the policy says stays.
func (c *Cellfed) AskFor(ctx context.Context, federatedType string, propagator cellfedv1alpha1.Propagator) error {
	policy := &cellfedv1alpha1.FederatedTypePolicy{
		ObjectMeta: metav1.ObjectMeta{Name: federatedType, Namespace: KubeFedNamespace},
	}
	_, err := controllerutil.CreateOrPatch(ctx, c.host.Client, policy, func() error {
		policy.Spec.Propagator = propagator
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask for %s as the propagator of %s: %w", propagator, federatedType, err)
	}
	return nil
}

// HandOver hands a type to a propagator, and waits until that one propagates it and all of its objects are stored in
// the version that goes with it.
func (c *Cellfed) HandOver(ctx context.Context, timeout time.Duration, propagator cellfedv1alpha1.Propagator, types ...string) error {
	for _, federatedType := range types {
		if err := c.AskFor(ctx, federatedType, propagator); err != nil {
			return err
		}
	}
	for _, federatedType := range types {
		if err := c.waitForPropagator(ctx, timeout, federatedType, propagator); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cellfed) waitForPropagator(ctx context.Context, timeout time.Duration, federatedType string, want cellfedv1alpha1.Propagator) error {
	what := fmt.Sprintf("%s to propagate %s", want, federatedType)
	return Poll(ctx, timeout, what, func(ctx context.Context) error {
		if err := c.process.Err(); err != nil {
			return Final(err)
		}
		policy := &cellfedv1alpha1.FederatedTypePolicy{}
		key := client.ObjectKey{Namespace: KubeFedNamespace, Name: federatedType}
		if err := c.host.Client.Get(ctx, key, policy); err != nil {
			return err
		}
		status := policy.Status
		propagating := meta.IsStatusConditionTrue(status.Conditions, "Propagating")
		if status.ObservedGeneration == policy.Generation && status.Propagator == want &&
			status.StorageVersion == storageVersions[want] && propagating {
			return nil
		}
		return fmt.Errorf("%q does, objects are stored in %q, and the conditions of generation %d of %d are %v",
			status.Propagator, status.StorageVersion, status.ObservedGeneration, policy.Generation, status.Conditions)
	})
}

// Types returns the names of all federated types, sorted.
func (k *KubeFed) Types(ctx context.Context) ([]string, error) {
	configs := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := k.host.Client.List(ctx, configs, client.InNamespace(KubeFedNamespace)); err != nil {
		return nil, fmt.Errorf("list the federated types: %w", err)
	}
	var names []string
	for i := range configs.Items {
		names = append(names, configs.Items[i].Name)
	}
	slices.Sort(names)
	return names, nil
}
