package kube

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// Unserved says why a federated CRD does not serve v2beta1, or nothing where it does. It reports false where nobody has said yet.
func Unserved(crd *apiextensionsv1.CustomResourceDefinition) (why string, reported bool) {
	for _, c := range crd.Status.Conditions {
		switch {
		case string(c.Type) != string(v1alpha1.ConditionTopologies):
		case c.Status == apiextensionsv1.ConditionTrue:
			return "", true
		default:
			return fmt.Sprintf("the CRD %s does not serve v2beta1: %s", crd.Name, c.Message), true
		}
	}
	return "", false
}
