package handover

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/await"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/federated"
)

// write sets who propagates the type, and nothing else of the policy.
func (o *Options) write(ctx context.Context, f facts) (*unstructured.Unstructured, error) {
	c, err := o.kube.Client()
	if err != nil {
		return nil, err
	}
	metadata := map[string]any{"namespace": o.kube.KubeFedNamespace, "name": f.config.Name}
	if f.policy != nil {
		// What was looked at is what is changed.
		metadata["resourceVersion"], metadata["uid"] = f.policy.ResourceVersion, string(f.policy.UID)
	}
	policy := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       "FederatedTypePolicy",
		"metadata":   metadata,
		"spec":       map[string]any{"propagator": o.To},
	}}
	err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(policy), o.DryRun.Apply(kube.FieldManager, o.Force))
	switch conflicts := writing.Conflicts(err); {
	case len(conflicts) > 0:
		return nil, writing.Refused("the FederatedTypePolicy "+f.config.Name, conflicts)
	case writing.IsOvertaken(err):
		return nil, fmt.Errorf("the FederatedTypePolicy %s has changed meanwhile, and nothing was written: try again", f.config.Name)
	case err != nil:
		return nil, fmt.Errorf("apply the FederatedTypePolicy %s: %w", f.config.Name, err)
	}
	return policy, nil
}

// wait follows the hand-over to its end.
func (o *Options) wait(ctx context.Context, f facts) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	key := client.ObjectKeyFromObject(f.config)
	watched := []kube.Watched{await.One(&v1alpha1.FederatedTypePolicyList{}, key.Namespace, key.Name)}
	done, why, err := await.Until(ctx, o.kube, o.Timeout, watched, func(ctx context.Context) (bool, string, error) {
		policy := &v1alpha1.FederatedTypePolicy{}
		if err := c.Get(ctx, key, policy); err != nil {
			return false, "", fmt.Errorf("read the FederatedTypePolicy %s: %w", key.Name, err)
		}
		if wants := policy.WantedPropagator(); wants != f.to {
			return false, "", fmt.Errorf("somebody has set spec.propagator of the FederatedTypePolicy %s to %s: the type is not handed over to %s", key.Name, wants, f.to)
		}
		why := unfinished(policy, f.to)
		return why == "", why, nil
	})
	if err == nil && !done {
		return exit.NotSof("%s is not handed over to %s within %s, and the hand-over goes on: %s", key.Name, f.to, o.Timeout, why)
	}
	if err != nil {
		return err
	}
	if o.Output == "" {
		fmt.Fprintf(o.kube.Out, "%s: %s propagates the type\n", policyReference(key.Name), f.to)
	}
	return nil
}

// unfinished says what a hand-over waits for, or nothing if it is done.
func unfinished(policy *v1alpha1.FederatedTypePolicy, to v1alpha1.Propagator) string {
	propagating := meta.FindStatusCondition(policy.Status.Conditions, string(v1alpha1.ConditionPropagating))
	if propagating == nil || propagating.ObservedGeneration != policy.Generation {
		return "waiting until cellfed's manager reports on the FederatedTypePolicy" + await.Question
	}
	if propagating.Status != metav1.ConditionTrue || policy.Status.Propagator != to {
		return propagating.Message
	}
	version := federated.V2Beta1
	if to == v1alpha1.PropagatorKubeFed {
		version = federated.V1Beta1
	}
	if policy.Status.StorageVersion == version {
		return ""
	}
	migrated := meta.FindStatusCondition(policy.Status.Conditions, migratedCondition)
	if migrated == nil {
		return fmt.Sprintf("%s propagates the type: objects are still to be counted by the version that they are stored in", to)
	}
	return fmt.Sprintf("%s propagates the type: %s", to, migrated.Message)
}
