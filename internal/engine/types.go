package engine

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// Type is a federated type that the push reconciler propagates.
type Type struct {
	// FTC is its FederatedTypeConfig.
	FTC *fedv1b1.FederatedTypeConfig
	// Policy says how it is propagated.
	Policy *v1alpha1.FederatedTypePolicy
	// CRD is the UID of the CRD of the federated objects.
	CRD types.UID
}

// Runner starts and stops the push reconciler for a type.
type Runner interface {
	// Ensure starts the type, or brings a running one to what its policy says. It returns at once and can be called
	// as often as one likes.
	Ensure(ctx context.Context, t Type) error
	// Stop returns when nothing of the type with the FederatedTypeConfig's name runs or writes any more, and with an
	// error when the context ends before that. It can be called as often as one likes.
	Stop(ctx context.Context, name string) error
}
