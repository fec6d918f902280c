package federatedcrd

import (
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/cellfed/cellfed/internal/federated"
)

// Stored returns the version in which objects are stored when they are written, or "" if no version says so.
func Stored(crd *apiextensionsv1.CustomResourceDefinition) string {
	for _, v := range crd.Spec.Versions {
		if v.Storage {
			return v.Name
		}
	}
	return ""
}

// OldVersions returns the versions, other than the one of Stored, in which objects may still be stored. Empty means that
// every object is stored in that one.
func OldVersions(crd *apiextensionsv1.CustomResourceDefinition) []string {
	stored := Stored(crd)
	var old []string
	for _, v := range crd.Status.StoredVersions {
		if v != stored {
			old = append(old, v)
		}
	}
	return old
}

// storageVersion returns which version is to be stored.
func (o Options) storageVersion() (string, error) {
	known := []string{federated.V1Beta1, federated.V2Beta1}
	switch {
	case o.StorageVersion == "":
		return federated.V1Beta1, nil
	case slices.Contains(known, o.StorageVersion):
		return o.StorageVersion, nil
	default:
		return "", &Error{ReasonUnknownVersions, "options.storageVersion",
			fmt.Sprintf("%q cannot be stored: choose %s or %s", o.StorageVersion, federated.V1Beta1, federated.V2Beta1)}
	}
}
