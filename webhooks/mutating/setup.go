// Package mutating serves the defaults of admission to API servers: the tenant of federated objects, Cells and generated
// KubeFedClusters, and upstream's finalizer and the placement mask of federated objects that cellfed propagates.
//
// It only adapts: the rules are in internal/defaulting. Each answer is a JSON patch that holds the defaults and nothing
// else. A Namespace or a type that cannot be looked up is an error, never a default.
package mutating

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/internal/defaulting"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/tracing"
	"github.com/cellfed/cellfed/webhooks/internal/measure"
	"github.com/cellfed/cellfed/webhooks/internal/review"
)

// Where the webhooks are served.
const (
	FederatedPath      = "/mutate-federated"
	CellPath           = "/mutate-cell"
	KubeFedClusterPath = "/mutate-kubefedcluster"
)

// Lookups is what is to be known beside the object. *inventory.Inventory has it, and can be asked on every replica.
type Lookups interface {
	// TypeOf returns the federated type of a resource, nil if there is none.
	TypeOf(ctx context.Context, federated schema.GroupResource) (*inventory.Type, error)
	// Namespace returns a Namespace's labels and annotations. apierrors.IsNotFound tells of one that is not there.
	Namespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error)
}

// Options are what the webhooks need.
type Options struct {
	Lookups Lookups
	// KubeFedNamespace is the namespace that upstream KubeFed runs in.
	KubeFedNamespace string
	// DefaultMask holds where a Namespace says nothing of it. Empty means defaulting.MaskAll.
	DefaultMask defaulting.MaskDefault
	// Tracer records the answers. Nil records none.
	Tracer *tracing.Tracer
}

// Setup serves the webhooks on a manager's webhook server.
func Setup(server webhook.Server, o Options) error {
	if o.Lookups == nil || o.KubeFedNamespace == "" {
		return fmt.Errorf("set up the mutating webhooks: Options.Lookups and Options.KubeFedNamespace must be set")
	}
	if o.DefaultMask == "" {
		o.DefaultMask = defaulting.MaskAll
	}
	if !slices.Contains(defaulting.MaskDefaults(), o.DefaultMask) {
		return fmt.Errorf("set up the mutating webhooks: Options.DefaultMask is %q: use one of %v", o.DefaultMask, defaulting.MaskDefaults())
	}
	h := &handlers{options: o}
	for path, handle := range map[string]admission.HandlerFunc{
		FederatedPath: h.federated, CellPath: h.cell, KubeFedClusterPath: h.kubeFedCluster,
	} {
		server.Register(path, review.Server{Webhook: o.Tracer.Webhook(path, measure.Handler(path, handle), false)})
	}
	return nil
}
