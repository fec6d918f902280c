package enable

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedtype"
)

// input is what a plan is made of.
type input struct {
	target federatedtype.Target
	// wanted is --propagator, empty where it is not given.
	wanted v1alpha1.Propagator
	// crd, config and policy are what there is; nil for nothing.
	crd    *apiextensionsv1.CustomResourceDefinition
	config *kubefedv1beta1.FederatedTypeConfig
	policy *v1alpha1.FederatedTypePolicy
	// configs are all FederatedTypeConfigs.
	configs []kubefedv1beta1.FederatedTypeConfig
}

// plan is what is to be done. What is there already stays as it is.
type plan struct {
	createCRD, createConfig bool
	// propagation is what a FederatedTypeConfig that is created says.
	propagation kubefedv1beta1.PropagationMode
	// enable says that there is a FederatedTypeConfig, which somebody disabled.
	enable bool
	// policy says that a FederatedTypePolicy is to be written.
	policy bool
	// notes are for the user.
	notes []string
}

// decide plans, or says why the type cannot be enabled.
func decide(in input) (plan, error) {
	t := in.target
	if err := in.refuse(); err != nil {
		return plan{}, err
	}
	wants := in.policy.WantedPropagator()
	p := plan{createCRD: in.crd == nil, createConfig: in.config == nil, propagation: kubefedv1beta1.PropagationEnabled}
	p.policy = in.wanted != "" && (in.policy == nil || in.wanted != wants)
	if in.wanted == v1alpha1.PropagatorCellfed || in.wanted == "" && wants == v1alpha1.PropagatorCellfed {
		// Upstream need not begin with what is not to be its own.
		p.propagation = kubefedv1beta1.PropagationDisabled
	}
	if c := in.config; c != nil {
		p.enable = c.Spec.Propagation == kubefedv1beta1.PropagationDisabled && c.Annotations[v1alpha1.HandedOverAnnotation] != "true" &&
			wants != v1alpha1.PropagatorCellfed
		if v := c.Spec.TargetType.Version; v != t.Version {
			p.notes = append(p.notes, fmt.Sprintf("%s is federated in the version %s, and the host cluster prefers %s", t.Name(), v, t.Version))
		}
	}
	if t.Namespaced && !in.federates("namespaces") {
		p.notes = append(p.notes, "no FederatedTypeConfig federates Namespaces, without which nothing that is in one is propagated: kubectl cells enable namespaces")
	}
	return p, nil
}

// federates reports whether there is a FederatedTypeConfig of that name.
func (in input) federates(name string) bool {
	for i := range in.configs {
		if in.configs[i].Name == name {
			return true
		}
	}
	return false
}

// refuse says why the type cannot be enabled as it is asked for.
func (in input) refuse() error {
	t := in.target
	if crd := in.crd; crd != nil {
		switch {
		case !crd.DeletionTimestamp.IsZero():
			return fmt.Errorf("the CRD %s is being deleted: wait until it has gone", crd.Name)
		case crd.Spec.Names.Kind != t.FederatedKind() || crd.Spec.Scope != t.FederatedScope():
			return fmt.Errorf("the CRD %s is there, and is of %s %s and not of %s %s: delete it, if nobody needs it", crd.Name,
				crd.Spec.Scope, crd.Spec.Names.Kind, t.FederatedScope(), t.FederatedKind())
		}
	}
	for i := range in.configs {
		c := &in.configs[i]
		if fed := federatedOf(c); c.Name != t.Name() && fed.Name == t.FederatedPlural() && fed.Group == federated.Group {
			return fmt.Errorf("the FederatedTypeConfig %s has the CRD %s already, for another type of the same name, and cellfed knows no other group "+
				"than %s: one of the two can be federated", c.Name, t.CRDName(), federated.Group)
		}
	}
	if c := in.config; c != nil {
		fed := federatedOf(c)
		switch {
		case !c.DeletionTimestamp.IsZero():
			return fmt.Errorf("the FederatedTypeConfig %s is being deleted: wait until it has gone, which needs KubeFed to run", c.Name)
		case fed.Name != t.FederatedPlural() || fed.Group != federated.Group || fed.Version != federated.V1Beta1:
			return fmt.Errorf("%s is federated already as %s.%s/%s: disable it first with: kubectl cells disable %s", c.Name, fed.Name, fed.Group, fed.Version, c.Name)
		case in.wanted != "" && in.wanted != in.policy.WantedPropagator():
			return fmt.Errorf("%s is enabled already, and to be propagated by %s: hand it over with: kubectl cells handover %s --to %s",
				c.Name, in.policy.WantedPropagator(), c.Name, in.wanted)
		}
	}
	return nil
}

// federatedOf returns the federated kind of a FederatedTypeConfig that may be older than upstream's webhook.
func federatedOf(config *kubefedv1beta1.FederatedTypeConfig) metav1.APIResource {
	config = config.DeepCopy()
	kubefedv1beta1.SetFederatedTypeConfigDefaults(config)
	return config.GetFederatedType()
}
