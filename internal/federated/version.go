// Package federated knows the two versions of a federated object: upstream KubeFed's, which names clusters, and
// cellfed's, which names topologies. It converts between them and reads placements.
//
// Everything here is a pure function of the object.
package federated

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// Group is the API group of every federated kind.
	Group = "types.kubefed.io"

	// V1Beta1 is upstream's version, which names clusters.
	V1Beta1 = "v1beta1"
	// V2Beta1 is cellfed's version, which names topologies.
	V2Beta1 = "v2beta1"

	// APIVersionV1Beta1 is the apiVersion of an object in upstream's version.
	APIVersionV1Beta1 = Group + "/" + V1Beta1
	// APIVersionV2Beta1 is the apiVersion of an object in cellfed's version.
	APIVersionV2Beta1 = Group + "/" + V2Beta1
)

var (
	// ErrInvalidJSON means that a document is not JSON, or nests deeper than MaxDepth.
	ErrInvalidJSON = errors.New("not valid JSON")
	// ErrNotObject means that a document is JSON but not an object.
	ErrNotObject = errors.New("not a JSON object")
	// ErrUnknownVersion means that an apiVersion is not one of a federated object.
	ErrUnknownVersion = errors.New("not a version of a federated object")
)

// ParseAPIVersion returns the version in the apiVersion of a federated object, V1Beta1 or V2Beta1. Anything else is
// an ErrUnknownVersion.
func ParseAPIVersion(apiVersion string) (string, error) {
	group, version, _ := strings.Cut(apiVersion, "/")
	if group != Group || !known(version) {
		return "", fmt.Errorf("apiVersion %q is %w: use %s or %s", apiVersion, ErrUnknownVersion, APIVersionV1Beta1, APIVersionV2Beta1)
	}
	return version, nil
}

func known(version string) bool {
	return version == V1Beta1 || version == V2Beta1
}
