package federatedcrd

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/internal/federated"
)

// upgradable returns why the CRD cannot be upgraded: an *Error, or nil. The checks go from what the CRD is to who
// else has changed it.
func upgradable(crd *apiextensionsv1.CustomResourceDefinition) error {
	for _, check := range []func(*apiextensionsv1.CustomResourceDefinition) *Error{
		checkGroup, checkVersions, checkSchema, checkForeign,
	} {
		if err := check(crd); err != nil {
			return err
		}
	}
	return nil
}

func checkGroup(crd *apiextensionsv1.CustomResourceDefinition) *Error {
	if crd.Spec.Group != federated.Group {
		return &Error{ReasonForeignGroup, "spec.group",
			fmt.Sprintf("%q is not %s, the group whose kinds can be converted: enable the type with the federated group %s", crd.Spec.Group, federated.Group, federated.Group)}
	}
	return nil
}

func checkVersions(crd *apiextensionsv1.CustomResourceDefinition) *Error {
	var unknown []string
	for _, v := range crd.Spec.Versions {
		if v.Name != federated.V1Beta1 && v.Name != federated.V2Beta1 {
			unknown = append(unknown, v.Name)
		}
	}
	slices.Sort(unknown)
	upstream := version(crd, federated.V1Beta1)
	switch {
	case upstream == nil:
		return &Error{ReasonNoV1beta1, "spec.versions",
			"there is no " + federated.V1Beta1 + ", upstream KubeFed's version: enable the type with the federated version " + federated.V1Beta1}
	case len(unknown) > 0:
		return &Error{ReasonUnknownVersions, "spec.versions",
			fmt.Sprintf("%s cannot be converted: remove every version other than %s", strings.Join(unknown, ", "), federated.V1Beta1)}
	case !upstream.Storage && !Upgraded(crd):
		return &Error{ReasonNotStorageVersion, "spec.versions",
			federated.V1Beta1 + " is not the stored version: make it the stored version and migrate the objects to it"}
	}
	return nil
}

func checkSchema(crd *apiextensionsv1.CustomResourceDefinition) *Error {
	if crd.Spec.PreserveUnknownFields {
		return &Error{ReasonPreservesUnknownFields, "spec.preserveUnknownFields",
			"true allows no second version: set it to false and give " + federated.V1Beta1 + " a structural schema"}
	}
	const path = "spec.versions[" + federated.V1Beta1 + "].schema.openAPIV3Schema"
	schema := schemaOf(version(crd, federated.V1Beta1))
	if schema == nil {
		return &Error{ReasonNoStructuralSchema, path, "there is none: give the version a structural schema"}
	}
	if err := structural(schema); err != nil {
		return &Error{ReasonNoStructuralSchema, path, fmt.Sprintf("it is not structural (%v): make it structural", err)}
	}
	if spec, ok := schema.Properties["spec"]; !ok || spec.Type != "object" {
		return &Error{ReasonNoStructuralSchema, path + ".properties.spec",
			"it does not declare an object, so that no field can be added to it: declare spec as an object"}
	}
	return nil
}

// structural returns why the API server would not take the schema for a structural one.
func structural(schema *apiextensionsv1.JSONSchemaProps) error {
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(schema, &internal, nil); err != nil {
		return err
	}
	s, err := structuralschema.NewStructural(&internal)
	if err != nil {
		return err
	}
	return structuralschema.ValidateStructural(field.NewPath("openAPIV3Schema"), s).ToAggregate()
}

func checkForeign(crd *apiextensionsv1.CustomResourceDefinition) *Error {
	if version(crd, federated.V2Beta1) != nil && !Upgraded(crd) {
		return &Error{ReasonForeignV2beta1, "spec.versions[" + federated.V2Beta1 + "]",
			fmt.Sprintf("it is somebody else's: remove it, or hand it over with the annotation %s", OwnerAnnotation)}
	}
	if usesWebhook(crd) && !Upgraded(crd) {
		return &Error{ReasonForeignConversion, "spec.conversion.webhook",
			fmt.Sprintf("it is somebody else's: set the strategy to None, or hand it over with the annotation %s", OwnerAnnotation)}
	}
	if schema := schemaOf(version(crd, federated.V1Beta1)); hasExtensions(schema) && !Upgraded(crd) {
		return &Error{ReasonForeignField, "spec.versions[" + federated.V1Beta1 + "].schema.openAPIV3Schema.properties.spec",
			fmt.Sprintf("it declares %s or %s, which are somebody else's: remove them, or hand them over with the annotation %s",
				topologyTypeField, placementMaskField, OwnerAnnotation)}
	}
	return nil
}

// removable returns why v2beta1 cannot be taken from the CRD: an *Error, or nil.
func removable(crd *apiextensionsv1.CustomResourceDefinition) error {
	if slices.Contains(crd.Status.StoredVersions, federated.V2Beta1) {
		return &Error{ReasonStillStored, "status.storedVersions",
			fmt.Sprintf("%s is among them: migrate the stored objects to %s and take %s from the list", federated.V2Beta1, federated.V1Beta1, federated.V2Beta1)}
	}
	if v := version(crd, federated.V2Beta1); v != nil && v.Storage {
		return &Error{ReasonStillStored, "spec.versions[" + federated.V2Beta1 + "].storage",
			fmt.Sprintf("it is true: make %s the stored version and migrate the stored objects to it", federated.V1Beta1)}
	}
	if version(crd, federated.V1Beta1) == nil {
		return &Error{ReasonNoV1beta1, "spec.versions", "no version would be left: add " + federated.V1Beta1}
	}
	return nil
}
