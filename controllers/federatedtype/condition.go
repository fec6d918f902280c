package federatedtype

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

const conditionType = apiextensionsv1.CustomResourceDefinitionConditionType(v1alpha1.ConditionTopologies)

// condition returns the CRD's condition, to be read or changed in place, or nil.
func condition(crd *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.CustomResourceDefinitionCondition {
	for i := range crd.Status.Conditions {
		if crd.Status.Conditions[i].Type == conditionType {
			return &crd.Status.Conditions[i]
		}
	}
	return nil
}

// setCondition makes the CRD's condition say what is reported, and tells whether it said something else.
func setCondition(crd *apiextensionsv1.CustomResourceDefinition, rep report) bool {
	want := apiextensionsv1.CustomResourceDefinitionCondition{
		Type: conditionType, Status: apiextensionsv1.ConditionFalse,
		Reason: string(rep.reason), Message: rep.message, LastTransitionTime: metav1.Now(),
	}
	if rep.reason == v1alpha1.ReasonServed {
		want.Status = apiextensionsv1.ConditionTrue
	}
	old := condition(crd)
	if old == nil {
		crd.Status.Conditions = append(crd.Status.Conditions, want)
		return true
	}
	if old.Status == want.Status {
		want.LastTransitionTime = old.LastTransitionTime
		if old.Reason == want.Reason && old.Message == want.Message {
			return false
		}
	}
	// Whatever else a newer API server keeps in a condition stays.
	old.Status, old.Reason, old.Message, old.LastTransitionTime = want.Status, want.Reason, want.Message, want.LastTransitionTime
	return true
}
