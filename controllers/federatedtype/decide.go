package federatedtype

import (
	"errors"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

// input is what a decision about a CRD is made of.
type input struct {
	crd *apiextensionsv1.CustomResourceDefinition
	// owner is the namespace and name of the FTC that federates the type; "" means that none does.
	owner string
	// client is the conversion webhook and its CA bundle.
	client apiextensionsv1.WebhookClientConfig
	// propagator is who propagates the type now. Empty means that it is being handed over, and that nobody does.
	propagator v1alpha1.Propagator
	// v2beta1Only says that v1beta1 is not to be served.
	v2beta1Only bool
	// remove asks to take everything back.
	remove bool
	// holder names an object that holds one of the extension fields; "" means that there is none. Nil means that
	// the objects have not been settled yet.
	holder *string
}

// plan is what is to be done about a CRD.
type plan struct {
	// desired is the CRD to be written. Nil means that nothing is to be.
	desired *apiextensionsv1.CustomResourceDefinition
	// probe says that the webhook must answer before that.
	probe bool
	// again says that after the writing there is more to be decided.
	again bool
	// lookUp says that the objects are to be settled, which gives input.holder; everything else is then empty.
	lookUp bool
	// report is what the CRD's condition is to say. Nil leaves it alone.
	report *report
}

// report is the CRD's condition.
type report struct {
	reason  v1alpha1.ConditionReason
	message string
}

// decide is a pure function: the CRD as it is, to the next step towards what it should be.
func decide(in input) plan {
	if in.remove || in.owner == "" {
		return takeBack(in)
	}
	desired, err := federatedcrd.Upgrade(in.crd, federatedcrd.Options{
		Owner: in.owner, ClientConfig: in.client, StorageVersion: storageVersion(in), V2Beta1Only: in.v2beta1Only,
	})
	if err != nil {
		return plan{report: blocked(err)}
	}
	url, err := federatedcrd.URL(in.client)
	if err != nil {
		return plan{report: &report{v1alpha1.ReasonUnsupported, err.Error()}}
	}
	beside := "beside v1beta1"
	if federatedcrd.HidesV1Beta1(desired) {
		beside = "alone, as the FederatedTypePolicy asks"
	}
	p := plan{report: &report{v1alpha1.ReasonServed, fmt.Sprintf("v2beta1 is served %s, and converted by %s", beside, url)}}
	if same(in.crd, desired) {
		return p
	}
	p.desired = desired
	// Once v2beta1 is stored, nobody who speaks v1beta1 can do without the webhook.
	p.probe = !equality.Semantic.DeepEqual(in.crd.Spec.Conversion, desired.Spec.Conversion) || !federatedcrd.Serves(in.crd) ||
		federatedcrd.Stored(in.crd) == federated.V1Beta1 && federatedcrd.Stored(desired) == federated.V2Beta1
	return p
}

// storageVersion returns the version that is to be stored: that of whoever propagates the type. While it is handed over, it
// stays what it is.
func storageVersion(in input) string {
	switch {
	case in.propagator == v1alpha1.PropagatorCellfed:
		return federated.V2Beta1
	case in.propagator == "" && federatedcrd.Upgraded(in.crd):
		return federatedcrd.Stored(in.crd)
	default:
		return federated.V1Beta1
	}
}

// storedIn returns a copy of the CRD that stores the version, and serves it.
func storedIn(crd *apiextensionsv1.CustomResourceDefinition, version string) *apiextensionsv1.CustomResourceDefinition {
	out := crd.DeepCopy()
	for i := range out.Spec.Versions {
		v := &out.Spec.Versions[i]
		v.Storage = v.Name == version
		v.Served = v.Served || v.Storage
	}
	return out
}

// takeBack has v1beta1 stored, and removes v2beta1 and the conversion when every object is. Only when nobody can write by
// way of v2beta1 any more are the objects settled, and the extension fields removed if none holds one.
func takeBack(in input) plan {
	if !federatedcrd.Upgraded(in.crd) {
		if condition(in.crd) == nil {
			return plan{} // It is as upstream made it, and never was anything else.
		}
		return plan{report: removed(in)}
	}
	if federatedcrd.Stored(in.crd) == federated.V2Beta1 && slices.ContainsFunc(in.crd.Spec.Versions, isUpstreams) {
		return plan{desired: storedIn(in.crd, federated.V1Beta1), again: true}
	}
	desired, err := federatedcrd.Downgrade(in.crd, true)
	if err != nil {
		return plan{report: blocked(err)}
	}
	if !same(in.crd, desired) {
		return plan{desired: desired, again: true}
	}
	if in.holder == nil {
		return plan{lookUp: true}
	}
	if *in.holder != "" {
		return plan{report: kept(in)}
	}
	if desired, err = federatedcrd.Downgrade(in.crd, false); err != nil {
		return plan{report: blocked(err)}
	}
	return plan{desired: desired, report: removed(in)}
}

func isUpstreams(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
	return v.Name == federated.V1Beta1
}

// blocked reports an error of federatedcrd.
func blocked(err error) *report {
	reason := v1alpha1.ReasonUnsupported
	if crdErr, ok := errors.AsType[*federatedcrd.Error](err); ok {
		switch {
		case crdErr.Foreign():
			reason = v1alpha1.ReasonConflict
		case crdErr.Reason == federatedcrd.ReasonStillStored:
			reason = v1alpha1.ReasonStillStored
		}
	}
	return &report{reason, err.Error()}
}

// refused reports a CRD that the API server would not have.
func refused(err error) *report {
	return &report{v1alpha1.ReasonUnsupported, fmt.Sprintf("the API server refuses the CRD as it should be: %v", err)}
}

// unreachable reports a webhook that did not answer as it should.
func unreachable(err error) *report {
	return &report{v1alpha1.ReasonWebhookUnreachable, fmt.Sprintf("%v; the CRD stays as it is until that works", err)}
}

func removed(in input) *report {
	return &report{v1alpha1.ReasonRemoved, "v2beta1 and its conversion are gone: " + why(in)}
}

func kept(in input) *report {
	return &report{v1alpha1.ReasonFieldsKept, fmt.Sprintf("v2beta1 and its conversion are gone: %s. "+
		"v1beta1 still declares spec.topologyType and spec.placementMask, because %s %s holds one of them and the API server would drop it: "+
		"remove both from every object of the type, and they go too", why(in), in.crd.Spec.Names.Kind, *in.holder)}
}

func why(in input) string {
	if in.remove {
		return "they are to be taken back"
	}
	return "no FederatedTypeConfig federates the type any more"
}
