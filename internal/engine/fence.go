package engine

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// FencedResources returns which resources are not to be written through the façade, and why: those that the push
// reconciler propagates. It writes to members directly, so that whatever comes by the façade is upstream KubeFed's.
//
// The fence closes when the type is taken over, not before: what upstream has begun must be able to end. It stays closed
// while the type is to be the push reconciler's, also when somebody enables the FederatedTypeConfig by hand. It opens
// with the hand-back, after the push reconciler has stopped and before upstream starts.
func FencedResources(policies []v1alpha1.FederatedTypePolicy, configs []fedv1b1.FederatedTypeConfig) map[schema.GroupResource]string {
	byName := make(map[string]*fedv1b1.FederatedTypeConfig, len(configs))
	for i := range configs {
		byName[configs[i].Namespace+"/"+configs[i].Name] = &configs[i]
	}
	fenced := map[schema.GroupResource]string{}
	for i := range policies {
		p := &policies[i]
		config := byName[p.Namespace+"/"+p.Name]
		if !isFenced(p, config) {
			continue
		}
		resource := targetOf(p.Name, config)
		fenced[resource] = fmt.Sprintf("cellfed propagates it: change the federated object in the host cluster, or set "+
			"spec.propagator of the FederatedTypePolicy %s/%s to %s", p.Namespace, p.Name, v1alpha1.PropagatorKubeFed)
	}
	return fenced
}

func isFenced(p *v1alpha1.FederatedTypePolicy, config *fedv1b1.FederatedTypeConfig) bool {
	if p.Status.Propagator == v1alpha1.PropagatorCellfed {
		return true
	}
	wanted := p.WantedPropagator() == v1alpha1.PropagatorCellfed && p.DeletionTimestamp.IsZero()
	taken := config != nil && p.Status.FederatedTypeConfigUID != "" && p.Status.FederatedTypeConfigUID == string(config.UID)
	return wanted && taken
}

// targetOf returns the resource that members hold. A FederatedTypeConfig has its name, where it does not say otherwise.
func targetOf(name string, config *fedv1b1.FederatedTypeConfig) schema.GroupResource {
	if config == nil {
		return schema.ParseGroupResource(name)
	}
	defaulted := config.DeepCopy()
	fedv1b1.SetFederatedTypeConfigDefaults(defaulted)
	return schema.GroupResource{Group: defaulted.Spec.TargetType.Group, Resource: defaulted.Spec.TargetType.PluralName}
}
