// Package federatedcrd says what a federated CRD looks like when it serves both versions of its objects, and what it
// looked like before. It is pure: it looks nothing up and writes nothing.
//
// Upgrade adds the version v2beta1, the conversion between it and v1beta1, and to v1beta1's schema two fields of the spec
// and those of the status that cellfed reports; it also keys by name the lists that are keyed in v2beta1, and says which
// version is stored. It touches nothing else, so that Downgrade gives back the CRD that was there.
package federatedcrd

import (
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/cellfed/cellfed/internal/federated"
)

// OwnerAnnotation marks a CRD that Upgrade has changed, and holds Options.Owner. As long as a CRD carries it, its
// v2beta1, its conversion and the two extension fields of v1beta1 are taken for Upgrade's own.
const OwnerAnnotation = "cellfed.io/topologies"

// Options are what Upgrade cannot read from the CRD.
type Options struct {
	// Owner is on whose behalf the CRD is changed: the namespace and name of a FederatedTypeConfig, with a slash
	// between them. It must not be empty.
	Owner string

	// ClientConfig is how the API server reaches the conversion webhook, and the CA bundle by which it trusts it.
	ClientConfig apiextensionsv1.WebhookClientConfig

	// StorageVersion is the version in which objects are stored when they are written. Empty means v1beta1. Objects
	// that are stored already stay as they are until somebody writes them (OldVersions).
	StorageVersion string

	// V2Beta1Only has v1beta1 not served, if it is not the one that is stored.
	V2Beta1Only bool
}

// Upgrade returns a copy of the CRD that serves v2beta1 beside v1beta1, or alone where the options say so. Applied to its own result it changes nothing.
// A CRD that cannot be upgraded gives an *Error, and is then left as it is.
func Upgrade(crd *apiextensionsv1.CustomResourceDefinition, opts Options) (*apiextensionsv1.CustomResourceDefinition, error) {
	storage, err := opts.storageVersion()
	if err != nil {
		return nil, err
	}
	if err := upgradable(crd); err != nil {
		return nil, err
	}
	out := crd.DeepCopy()
	upstream := version(out, federated.V1Beta1)
	base := upstream.Schema.OpenAPIV3Schema
	if Upgraded(crd) {
		restore(crd, base)
	}
	topologies := topologySchema(base, crd.Spec.Names.Kind, crd.Spec.Scope)
	addExtensions(base, federated.V1Beta1, crd.Spec.Scope)
	changes := map[string]string{
		statusAnnotation: addStatus(base, federated.V1Beta1),
		keyedAnnotation:  keyLists(base),
	}

	upstream.Storage = storage == federated.V1Beta1
	upstream.Served = upstream.Storage || !opts.V2Beta1Only
	setVersion(out, apiextensionsv1.CustomResourceDefinitionVersion{
		Name:                     federated.V2Beta1,
		Served:                   true,
		Storage:                  storage == federated.V2Beta1,
		Schema:                   &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: topologies},
		Subresources:             upstream.Subresources.DeepCopy(),
		AdditionalPrinterColumns: printerColumns(),
	})
	out.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{
		Strategy: apiextensionsv1.WebhookConverter,
		Webhook: &apiextensionsv1.WebhookConversion{
			ClientConfig:             opts.ClientConfig.DeepCopy(),
			ConversionReviewVersions: []string{"v1"},
		},
	}
	if out.Annotations == nil {
		out.Annotations = map[string]string{}
	}
	out.Annotations[OwnerAnnotation] = opts.Owner
	for annotation, change := range changes {
		delete(out.Annotations, annotation)
		if change != "" {
			out.Annotations[annotation] = change
		}
	}
	return out, nil
}

// Downgrade returns a copy of the CRD without all that Upgrade added. With keepFields the two extension fields stay in
// v1beta1's schema, and so does the annotation that tells whose they are: the API server would otherwise drop them from
// objects that hold them. The status's fields go either way: they can be told again. A CRD that Upgrade has not changed is
// returned as it is. A CRD whose v2beta1 is stored gives an *Error: Upgrade with v1beta1 as the stored version, and a
// migration of what OldVersions names, come first.
func Downgrade(crd *apiextensionsv1.CustomResourceDefinition, keepFields bool) (*apiextensionsv1.CustomResourceDefinition, error) {
	out := crd.DeepCopy()
	if !Upgraded(crd) {
		return out, nil
	}
	if err := removable(crd); err != nil {
		return nil, err
	}
	out.Spec.Versions = slices.DeleteFunc(out.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Name == federated.V2Beta1
	})
	if usesWebhook(crd) {
		out.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter}
	}
	version(out, federated.V1Beta1).Served = true
	schema := schemaOf(version(out, federated.V1Beta1))
	removeStatus(crd, schema)
	unkeyLists(schema, keyedIn(crd))
	delete(out.Annotations, statusAnnotation)
	delete(out.Annotations, keyedAnnotation)
	if keepFields {
		return out, nil
	}
	removeExtensions(schema)
	delete(out.Annotations, OwnerAnnotation)
	if len(out.Annotations) == 0 {
		out.Annotations = nil
	}
	return out, nil
}

// restore gives v1beta1's schema back what it was before Upgrade changed the CRD.
func restore(crd *apiextensionsv1.CustomResourceDefinition, schema *apiextensionsv1.JSONSchemaProps) {
	removeExtensions(schema)
	removeStatus(crd, schema)
	unkeyLists(schema, keyedIn(crd))
}

// keyedIn returns what keyLists has changed in the CRD. Where the annotations were lost it takes the lists for upstream's.
func keyedIn(crd *apiextensionsv1.CustomResourceDefinition) string {
	if Owner(crd) == "" {
		return allKeyed
	}
	return crd.Annotations[keyedAnnotation]
}

// Owner returns on whose behalf the CRD was upgraded, as in Options, or "" if it was not.
func Owner(crd interface{ GetAnnotations() map[string]string }) string {
	return crd.GetAnnotations()[OwnerAnnotation]
}

// Upgraded reports whether something in the CRD is Upgrade's: by the annotation or, where that was lost, by what v2beta1
// looks like.
func Upgraded(crd *apiextensionsv1.CustomResourceDefinition) bool {
	if Owner(crd) != "" {
		return true
	}
	schema := schemaOf(version(crd, federated.V2Beta1))
	if schema == nil {
		return false
	}
	spec := schema.Properties["spec"]
	_, typed := spec.Properties[topologyTypeField]
	_, masked := spec.Properties[placementMaskField].Properties["topologies"]
	return typed && masked
}

// Serves reports whether the CRD serves v2beta1.
func Serves(crd *apiextensionsv1.CustomResourceDefinition) bool {
	v := version(crd, federated.V2Beta1)
	return v != nil && v.Served
}

// HidesV1Beta1 reports whether the CRD has v1beta1 and does not serve it.
func HidesV1Beta1(crd *apiextensionsv1.CustomResourceDefinition) bool {
	v := version(crd, federated.V1Beta1)
	return v != nil && !v.Served
}

// UsesFields reports whether the object, in v1beta1, holds one of the extension fields.
func UsesFields(object map[string]any) bool {
	spec, ok := object["spec"].(map[string]any)
	if !ok {
		return false
	}
	_, typed := spec[topologyTypeField]
	_, masked := spec[placementMaskField]
	return typed || masked
}

// version returns the CRD's version of that name, to be read or changed in place, or nil.
func version(crd *apiextensionsv1.CustomResourceDefinition, name string) *apiextensionsv1.CustomResourceDefinitionVersion {
	for i := range crd.Spec.Versions {
		if crd.Spec.Versions[i].Name == name {
			return &crd.Spec.Versions[i]
		}
	}
	return nil
}

// setVersion puts the version in the place of the one of the same name, or at the end.
func setVersion(crd *apiextensionsv1.CustomResourceDefinition, v apiextensionsv1.CustomResourceDefinitionVersion) {
	if old := version(crd, v.Name); old != nil {
		*old = v
		return
	}
	crd.Spec.Versions = append(crd.Spec.Versions, v)
}

// schemaOf returns the schema of a version that may be nil, or nil.
func schemaOf(v *apiextensionsv1.CustomResourceDefinitionVersion) *apiextensionsv1.JSONSchemaProps {
	if v == nil || v.Schema == nil {
		return nil
	}
	return v.Schema.OpenAPIV3Schema
}

func usesWebhook(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return crd.Spec.Conversion != nil && crd.Spec.Conversion.Strategy == apiextensionsv1.WebhookConverter
}
