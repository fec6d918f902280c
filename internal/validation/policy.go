package validation

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/render"
)

// PolicyFacts is what surrounds a FederatedTypePolicy. What is not known is left out.
type PolicyFacts struct {
	// KubeFedNamespace is the namespace that upstream KubeFed runs in.
	KubeFedNamespace string
	// Configured says that a FederatedTypeConfig has the policy's name, if ConfigsKnown.
	Configured, ConfigsKnown bool
}

// Policy says what is wrong with a FederatedTypePolicy, beside what the schema refuses. old is nil where it is created.
func Policy(policy, old *v1alpha1.FederatedTypePolicy, facts PolicyFacts) Result {
	errs := policySpec(policy.Spec)
	warnings := servedVersions(policy, old)
	if old != nil {
		return Result{Errors: unknownTo(policySpec(old.Spec), errs), Warnings: warnings}
	}
	if facts.KubeFedNamespace != "" && policy.Namespace != facts.KubeFedNamespace {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "namespace"), policy.Namespace, fmt.Sprintf(
			"policies count in the namespace that KubeFed runs in alone: create it in %q", facts.KubeFedNamespace)))
	}
	r := Result{Errors: errs, Warnings: warnings}
	if facts.ConfigsKnown && !facts.Configured {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"metadata.name: no FederatedTypeConfig is named %q yet, and the policy does nothing until there is one", policy.Name))
	}
	return r
}

// servedVersions warns of a wish that is not followed for now. It is no error: a type must be easy to hand back.
func servedVersions(policy, old *v1alpha1.FederatedTypePolicy) []string {
	ignored := func(p *v1alpha1.FederatedTypePolicy) bool {
		return p.AsksForV2Beta1Only() && p.WantedPropagator() != v1alpha1.PropagatorCellfed
	}
	if !ignored(policy) || old != nil && ignored(old) {
		return nil
	}
	return []string{fmt.Sprintf("spec.servedVersions: %s does nothing while spec.propagator is %s, which reads v1beta1: both versions are served",
		v1alpha1.ServedV2Beta1Only, v1alpha1.PropagatorKubeFed)}
}

func policySpec(spec v1alpha1.FederatedTypePolicySpec) field.ErrorList {
	_, errs := render.CompilePolicy(spec.PropagatingAnnotations, spec.Retain)
	switch spec.Propagator {
	case "", v1alpha1.PropagatorKubeFed, v1alpha1.PropagatorCellfed:
	default:
		errs = append(errs, field.NotSupported(field.NewPath("spec", "propagator"), spec.Propagator,
			[]v1alpha1.Propagator{v1alpha1.PropagatorCellfed, v1alpha1.PropagatorKubeFed}))
	}
	switch spec.ServedVersions {
	case "", v1alpha1.ServedBoth, v1alpha1.ServedV2Beta1Only:
	default:
		errs = append(errs, field.NotSupported(field.NewPath("spec", "servedVersions"), spec.ServedVersions,
			[]v1alpha1.ServedVersions{v1alpha1.ServedBoth, v1alpha1.ServedV2Beta1Only}))
	}
	if spec.Status == nil {
		return errs
	}
	for i, text := range spec.Status.Fields {
		if _, err := render.ParsePath(text); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("spec", "status", "fields").Index(i), text, err.Error()))
		}
	}
	return errs
}

// unknownTo returns the errors that are not among those before, wherever in its list an item was then.
func unknownTo(before, errs field.ErrorList) field.ErrorList {
	known := map[string]bool{}
	for _, err := range before {
		known[anywhere(err)] = true
	}
	var fresh field.ErrorList
	for _, err := range errs {
		if !known[anywhere(err)] {
			fresh = append(fresh, err)
		}
	}
	return fresh
}

// anywhere says what an error says, without the index of the item.
func anywhere(err *field.Error) string {
	list, _, _ := strings.Cut(err.Field, "[")
	return fmt.Sprintf("%s %s %v %s", err.Type, list, err.BadValue, err.Detail)
}
