package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// Config says what of a change to a FederatedTypeConfig would have two propagators write one type. policy is the type's,
// nil if it has none. Which policy there is must be known for certain: the hand-over itself writes FederatedTypeConfigs,
// right after policies have changed.
func Config(config, old *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy) Result {
	if old == nil {
		return Result{}
	}
	var r Result
	if config.Spec.Propagation == fedv1b1.PropagationEnabled && old.Spec.Propagation != fedv1b1.PropagationEnabled {
		why := ""
		switch {
		case handedOver(old, policy):
			why = "cellfed propagates the type: " + handBack(policy)
		case marked(old) && marked(config):
			// The hand-back itself takes the mark away in the same write.
			why = "the type is not handed back to KubeFed yet, and cellfed may still propagate it: " + handingBack(policy)
		}
		if why != "" {
			r.Errors = append(r.Errors, field.Invalid(field.NewPath("spec", "propagation"), config.Spec.Propagation, why))
		}
	}
	if !marked(old) {
		return r
	}
	before, after := old.DeepCopy(), config.DeepCopy()
	fedv1b1.SetFederatedTypeConfigDefaults(before)
	fedv1b1.SetFederatedTypeConfigDefaults(after)
	for _, part := range []struct {
		name          string
		before, after any
		value         string
	}{
		{"targetType", before.Spec.TargetType, after.Spec.TargetType, describe(&after.Spec.TargetType)},
		{"federatedType", before.Spec.FederatedType, after.Spec.FederatedType, describe(&after.Spec.FederatedType)},
		{"statusType", before.Spec.StatusType, after.Spec.StatusType, describe(after.Spec.StatusType)},
	} {
		if !equality.Semantic.DeepEqual(part.before, part.after) {
			r.Errors = append(r.Errors, field.Invalid(field.NewPath("spec", part.name), part.value,
				"it cannot be changed while the type is handed over to cellfed, which would lose what it put into the members: "+handBack(policy)+", and change it then"))
		}
	}
	return r
}

// ConfigBesideRival says why a FederatedTypeConfig must not be created whose federated type cellfed propagates by another
// FederatedTypeConfig, rival: upstream would propagate the same objects beside it.
func ConfigBesideRival(config *fedv1b1.FederatedTypeConfig, rival string) Result {
	return Result{Errors: field.ErrorList{field.Invalid(field.NewPath("spec", "federatedType"), describe(&config.Spec.FederatedType),
		fmt.Sprintf("cellfed propagates it by the FederatedTypeConfig %q, and KubeFed would write the same objects: use that one, or name another federated type", rival))}}
}

// ConfigDeletion says why a FederatedTypeConfig must not be deleted.
func ConfigDeletion(config *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy) Result {
	if policy == nil || policy.Status.Propagator != v1alpha1.PropagatorCellfed && !handedOver(config, policy) {
		return Result{}
	}
	return Result{Errors: field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), config.Name,
		"it cannot be deleted while cellfed propagates the type, of which nothing could be removed from the members any more: "+handBack(policy)+", and delete it then")}}
}

// handedOver reports whether the type is meant to be cellfed's, and was taken from upstream.
func handedOver(config *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy) bool {
	return policy.WantedPropagator() == v1alpha1.PropagatorCellfed && policy.DeletionTimestamp.IsZero() &&
		(policy.Status.Propagator == v1alpha1.PropagatorCellfed || marked(config))
}

func marked(config *fedv1b1.FederatedTypeConfig) bool {
	return config.Annotations[v1alpha1.HandedOverAnnotation] == "true"
}

// handBack says how a type becomes upstream's again.
func handBack(policy *v1alpha1.FederatedTypePolicy) string {
	if policy == nil {
		return fmt.Sprintf("wait until it was handed back to KubeFed, which takes away the annotation %s", v1alpha1.HandedOverAnnotation)
	}
	return fmt.Sprintf("set spec.propagator of the FederatedTypePolicy %s/%s to %s, and wait until its status.propagator is %s",
		policy.Namespace, policy.Name, v1alpha1.PropagatorKubeFed, v1alpha1.PropagatorKubeFed)
}

// handingBack says what the hand-back of a type waits for that is to be upstream's.
func handingBack(policy *v1alpha1.FederatedTypePolicy) string {
	if policy == nil {
		return handBack(nil)
	}
	return fmt.Sprintf("it is enabled by itself when what the condition %s of the FederatedTypePolicy %s/%s names is done; with the reason %s or %s, correct these objects",
		v1alpha1.ConditionPropagating, policy.Namespace, policy.Name, v1alpha1.ReasonObjectsHeld, v1alpha1.ReasonObjectsUnfit)
}

// describe names an API resource.
func describe(r *fedv1b1.APIResource) string {
	if r == nil {
		return ""
	}
	if r.Group == "" {
		return fmt.Sprintf("%s %s (%s, %s)", r.Version, r.Kind, r.PluralName, r.Scope)
	}
	return fmt.Sprintf("%s/%s %s (%s, %s)", r.Group, r.Version, r.Kind, r.PluralName, r.Scope)
}
