package federatedtype

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

const ftcKey = "kube-federation-system/odds"

// plainCRD returns a federated CRD as upstream makes it, reduced to the parts that a decision looks at.
func plainCRD() *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "federatedodds.types.kubefed.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: federated.Group,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: "FederatedOdd", Plural: "federatedodds"},
			Scope: apiextensionsv1.NamespaceScoped,
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: federated.V1Beta1, Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": {Type: "object"}},
				}},
			}},
			Conversion: &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter},
		},
		Status: apiextensionsv1.CustomResourceDefinitionStatus{StoredVersions: []string{federated.V1Beta1}},
	}
}

func webhook(url string) apiextensionsv1.WebhookClientConfig {
	return apiextensionsv1.WebhookClientConfig{URL: &url, CABundle: []byte("ca")}
}

// upgradedCRD returns plainCRD with v2beta1 and a conversion through the URL.
func upgradedCRD(t *testing.T, url string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd, err := federatedcrd.Upgrade(plainCRD(), federatedcrd.Options{Owner: ftcKey, ClientConfig: webhook(url)})
	if err != nil {
		t.Fatal(err)
	}
	return crd
}

// withCondition returns the CRD with a condition of that reason.
func withCondition(crd *apiextensionsv1.CustomResourceDefinition, reason v1alpha1.ConditionReason) *apiextensionsv1.CustomResourceDefinition {
	setCondition(crd, report{reason: reason})
	return crd
}

func edited(crd *apiextensionsv1.CustomResourceDefinition, edit func(*apiextensionsv1.CustomResourceDefinition)) *apiextensionsv1.CustomResourceDefinition {
	edit(crd)
	return crd
}

func TestDecide(t *testing.T) {
	const here, elsewhere = "https://here/convert", "https://elsewhere/convert"
	keptCRD := func() *apiextensionsv1.CustomResourceDefinition {
		crd, err := federatedcrd.Downgrade(upgradedCRD(t, here), true)
		if err != nil {
			t.Fatal(err)
		}
		return crd
	}
	// hidden stores v2beta1 and serves nothing else.
	hidden := func() *apiextensionsv1.CustomResourceDefinition {
		return edited(storedIn(upgradedCRD(t, here), federated.V2Beta1), func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Versions[0].Served = false })
	}
	// step is a plan in short.
	type step struct {
		Reason               v1alpha1.ConditionReason // "" for no report
		Writes               *apiextensionsv1.CustomResourceDefinition
		Probe, Again, LookUp bool
	}
	cases := map[string]struct {
		reason string
		in     input
		want   step
	}{
		"New": {
			reason: "A CRD that upstream made is upgraded once the webhook has answered.",
			in:     input{crd: plainCRD(), owner: ftcKey, client: webhook(here)},
			want:   step{Reason: v1alpha1.ReasonServed, Writes: upgradedCRD(t, here), Probe: true},
		},
		"AsItShouldBe": {
			reason: "A CRD that is as it should be is not written, and its webhook not tried.",
			in:     input{crd: upgradedCRD(t, here), owner: ftcKey, client: webhook(here)},
			want:   step{Reason: v1alpha1.ReasonServed},
		},
		"EndpointMoved": {
			reason: "Another endpoint must answer before an API server is told of it.",
			in:     input{crd: upgradedCRD(t, elsewhere), owner: ftcKey, client: webhook(here)},
			want:   step{Reason: v1alpha1.ReasonServed, Writes: upgradedCRD(t, here), Probe: true},
		},
		"SchemaDrifted": {
			reason: "A schema is put right whether the webhook is up or not: the API server calls it already.",
			in: input{crd: edited(upgradedCRD(t, here), func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions[1].AdditionalPrinterColumns = nil
			}), owner: ftcKey, client: webhook(here)},
			want: step{Reason: v1alpha1.ReasonServed, Writes: upgradedCRD(t, here)},
		},
		"HandedOver": {
			reason: "What cellfed propagates is stored in v2beta1, once the webhook has answered: who speaks v1beta1 then needs it.",
			in:     input{crd: upgradedCRD(t, here), owner: ftcKey, client: webhook(here), propagator: v1alpha1.PropagatorCellfed},
			want:   step{Reason: v1alpha1.ReasonServed, Writes: storedIn(upgradedCRD(t, here), federated.V2Beta1), Probe: true},
		},
		"HandedOverNew": {
			reason: "A CRD that somebody made again is upgraded and stored as its propagator wants it.",
			in:     input{crd: plainCRD(), owner: ftcKey, client: webhook(here), propagator: v1alpha1.PropagatorCellfed},
			want:   step{Reason: v1alpha1.ReasonServed, Writes: storedIn(upgradedCRD(t, here), federated.V2Beta1), Probe: true},
		},
		"HandingOver": {
			reason: "While nobody propagates the type, what is stored stays.",
			in:     input{crd: storedIn(upgradedCRD(t, here), federated.V2Beta1), owner: ftcKey, client: webhook(here)},
			want:   step{Reason: v1alpha1.ReasonServed},
		},
		"HandedBack": {
			reason: "What KubeFed propagates is stored in v1beta1; the webhook is called already.",
			in: input{crd: storedIn(upgradedCRD(t, here), federated.V2Beta1), owner: ftcKey, client: webhook(here),
				propagator: v1alpha1.PropagatorKubeFed},
			want: step{Reason: v1alpha1.ReasonServed, Writes: upgradedCRD(t, here)},
		},
		"V2Beta1Only": {
			reason: "v1beta1 ceases to be served. The webhook is called already.",
			in: input{crd: storedIn(upgradedCRD(t, here), federated.V2Beta1), owner: ftcKey, client: webhook(here),
				propagator: v1alpha1.PropagatorCellfed, v2beta1Only: true},
			want: step{Reason: v1alpha1.ReasonServed, Writes: hidden()},
		},
		"V2Beta1OnlyNoMore": {
			reason: "It is served again, and the webhook need not answer for that.",
			in:     input{crd: hidden(), owner: ftcKey, client: webhook(here), propagator: v1alpha1.PropagatorCellfed},
			want:   step{Reason: v1alpha1.ReasonServed, Writes: storedIn(upgradedCRD(t, here), federated.V2Beta1)},
		},
		"V2Beta1OnlyHandedBack": {
			reason: "What is stored is served.",
			in:     input{crd: hidden(), owner: ftcKey, client: webhook(here), propagator: v1alpha1.PropagatorKubeFed, v2beta1Only: true},
			want:   step{Reason: v1alpha1.ReasonServed, Writes: upgradedCRD(t, here)},
		},
		"RemoveHidden": {
			reason: "v1beta1 is stored and served before anything is taken.",
			in:     input{crd: hidden(), owner: ftcKey, remove: true},
			want:   step{Writes: upgradedCRD(t, here), Again: true},
		},
		"RemoveHiddenNotStored": {
			reason: "A CRD that somebody edited serves it again too.",
			in: input{crd: edited(hidden(), func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions[0].Storage, crd.Spec.Versions[1].Storage = true, false
			}), owner: ftcKey, remove: true},
			want: step{Writes: keptCRD(), Again: true},
		},
		"NotServed": {
			reason: "An API server that does not serve v2beta1 does not call the webhook yet.",
			in: input{crd: edited(upgradedCRD(t, here), func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions[1].Served = false
			}), owner: ftcKey, client: webhook(here)},
			want: step{Reason: v1alpha1.ReasonServed, Writes: upgradedCRD(t, here), Probe: true},
		},
		"Unsupported": {
			reason: "A CRD that cannot be upgraded is reported and left.",
			in: input{crd: edited(plainCRD(), func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions[0].Name = "v1"
			}), owner: ftcKey, client: webhook(here)},
			want: step{Reason: v1alpha1.ReasonUnsupported},
		},
		"Foreign": {
			reason: "Somebody else's conversion is reported and left.",
			in: input{crd: edited(plainCRD(), func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Conversion.Strategy = apiextensionsv1.WebhookConverter
			}), owner: ftcKey, client: webhook(here)},
			want: step{Reason: v1alpha1.ReasonConflict},
		},
		"RemoveFirstStep": {
			reason: "v2beta1 goes first, without a webhook that answers, and then the objects are looked at.",
			in:     input{crd: upgradedCRD(t, here), owner: ftcKey, remove: true},
			want:   step{Writes: keptCRD(), Again: true},
		},
		"RemoveSecondStep": {
			reason: "Nothing is decided about the fields before the objects are settled.",
			in:     input{crd: keptCRD(), owner: ftcKey, remove: true},
			want:   step{LookUp: true},
		},
		"RemoveUnused": {
			reason: "Fields that no object holds go, and the CRD is upstream's again.",
			in:     input{crd: keptCRD(), owner: ftcKey, remove: true, holder: new("")},
			want:   step{Reason: v1alpha1.ReasonRemoved, Writes: plainCRD()},
		},
		"RemoveUsed": {
			reason: "Fields that an object holds stay.",
			in:     input{crd: keptCRD(), owner: ftcKey, remove: true, holder: new("acme/pay")},
			want:   step{Reason: v1alpha1.ReasonFieldsKept},
		},
		"RemoveWithoutFields": {
			reason: "A spec that somebody put back to upstream's loses the annotation.",
			in: input{crd: edited(plainCRD(), func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Annotations = map[string]string{federatedcrd.OwnerAnnotation: ftcKey}
			}), owner: ftcKey, remove: true, holder: new("")},
			want: step{Reason: v1alpha1.ReasonRemoved, Writes: plainCRD()},
		},
		"RemoveUntouched": {
			reason: "A CRD that was never changed does not even get a condition.",
			in:     input{crd: plainCRD(), owner: ftcKey, remove: true},
		},
		"RemoveDone": {
			reason: "A CRD that was changed once says that it no longer is.",
			in:     input{crd: withCondition(plainCRD(), v1alpha1.ReasonServed), owner: ftcKey, remove: true},
			want:   step{Reason: v1alpha1.ReasonRemoved},
		},
		"RemoveStored": {
			reason: "A version that objects may be stored in stays.",
			in: input{crd: edited(upgradedCRD(t, here), func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Status.StoredVersions = append(crd.Status.StoredVersions, federated.V2Beta1)
			}), owner: ftcKey, remove: true},
			want: step{Reason: v1alpha1.ReasonStillStored},
		},
		"RemoveStoring": {
			reason: "v1beta1 is stored before anything is taken.",
			in: input{crd: storedIn(upgradedCRD(t, here), federated.V2Beta1), owner: ftcKey, remove: true,
				propagator: v1alpha1.PropagatorCellfed},
			want: step{Writes: upgradedCRD(t, here), Again: true},
		},
		"OrphanStoring": {
			reason: "The same where no FTC is left.",
			in:     input{crd: storedIn(upgradedCRD(t, here), federated.V2Beta1), client: webhook(here)},
			want:   step{Writes: upgradedCRD(t, here), Again: true},
		},
		"Orphan": {
			reason: "What came with an FTC goes with it.",
			in:     input{crd: upgradedCRD(t, here), client: webhook(here)},
			want:   step{Writes: keptCRD(), Again: true},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := tc.in.crd.DeepCopy()
			p := decide(tc.in)
			got := step{Writes: p.desired, Probe: p.probe, Again: p.again, LookUp: p.lookUp}
			if p.report != nil {
				got.Reason = p.report.reason
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(before, tc.in.crd); diff != "" {
				t.Errorf("decide changed its input:\n%s", diff)
			}
		})
	}
}

func TestSetCondition(t *testing.T) {
	crd := plainCRD()
	crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue}}
	served := report{v1alpha1.ReasonServed, "a"}
	if !setCondition(crd, served) {
		t.Error("a condition that was not there was not set")
	}
	if setCondition(crd, served) {
		t.Error("a condition that says the same was set again")
	}
	long := metav1.Unix(1, 0)
	condition(crd).LastTransitionTime = long
	if !setCondition(crd, report{v1alpha1.ReasonServed, "b"}) || !condition(crd).LastTransitionTime.Equal(&long) {
		t.Errorf("another message must be set and is no transition: %v", condition(crd))
	}
	if !setCondition(crd, report{v1alpha1.ReasonConflict, "c"}) || condition(crd).LastTransitionTime.Equal(&long) {
		t.Errorf("another status must be set and is a transition: %v", condition(crd))
	}
	want := apiextensionsv1.CustomResourceDefinitionCondition{
		Type: "cellfed.io/Topologies", Status: apiextensionsv1.ConditionFalse, Reason: "Conflict", Message: "c",
		LastTransitionTime: condition(crd).LastTransitionTime,
	}
	if diff := cmp.Diff(want, *condition(crd)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(crd.Status.Conditions) != 2 {
		t.Errorf("somebody else's condition is gone: %v", crd.Status.Conditions)
	}
}
