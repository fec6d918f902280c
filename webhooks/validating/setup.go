// Package validating serves the rules of admission to API servers: what must never be stored is refused, and what is merely
// odd is told to whoever writes it.
//
// It only adapts: the rules are in internal/validation. What a rule must know and cannot be looked up is an error, which
// the failure policy decides about, and never an approval.
package validating

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/placementcache"
	"github.com/cellfed/cellfed/internal/tracing"
	"github.com/cellfed/cellfed/internal/validation"
	"github.com/cellfed/cellfed/webhooks/internal/measure"
	"github.com/cellfed/cellfed/webhooks/internal/review"
)

// Where the webhooks are served.
const (
	FederatedPath      = "/validate-federated"
	CellPath           = "/validate-cell"
	PolicyPath         = "/validate-policy"
	TypeConfigPath     = "/validate-typeconfig"
	KubeFedClusterPath = "/validate-kubefedcluster"
	NamespacePath      = "/validate-namespace"
	// UnownedNamespacePath is for Namespaces that are created and say nothing of an owner.
	UnownedNamespacePath = "/validate-unowned-namespace"
)

// Placements tells where the federated objects of a namespace are placed. *inventory.Placements does.
type Placements interface {
	// Objects returns the federated objects of a namespace, or of all where it is empty, as the API server has them, of
	// all types, reduced by placementcache.Strip.
	Objects(ctx context.Context, namespace string) ([]placementcache.Object, error)
}

// Options are what the webhooks need.
type Options struct {
	// Inventory answers from the manager's cache. Federated objects, Cells and policies are decided about by it alone.
	Inventory *inventory.Inventory
	// Live reads from the API server, for FederatedTypeConfigs: the policy that belongs to one may have been changed a
	// moment before.
	Live client.Reader
	// Placements are read where a Namespace or a cluster changes its owner, where a cluster joins, and where a Cell changes its cluster.
	Placements Placements
	// TenantChange is what becomes of a change of the owner of a Namespace or a cluster that would cut something off.
	// Empty means validation.RefuseTenantChange.
	TenantChange validation.TenantChange
	// Tracer records the answers. Nil records none.
	Tracer *tracing.Tracer
}

func (o *Options) complete() error {
	switch {
	case o.Inventory == nil || o.Live == nil || o.Placements == nil:
		return errors.New("an Inventory, a Live reader and Placements must be given")
	case o.Inventory.KubeFedNamespace == "":
		return errors.New("the Inventory's KubeFedNamespace is empty: name the namespace that KubeFed runs in")
	}
	switch o.TenantChange {
	case "":
		o.TenantChange = validation.RefuseTenantChange
	case validation.RefuseTenantChange, validation.WarnTenantChange:
	default:
		return fmt.Errorf("a TenantChange cannot be %q: use %s or %s", o.TenantChange, validation.RefuseTenantChange, validation.WarnTenantChange)
	}
	return nil
}

// What the webhooks read is what the controllers read as well; the FederatedTypePolicies and the federated objects are
// also read from the API server.
//
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=cellfed.io,resources=cells,verbs=get;list;watch
// +kubebuilder:rbac:groups=cellfed.io,namespace=kube-federation-system,resources=federatedtypepolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=federatedtypeconfigs;kubefedclusters,verbs=get;list;watch

// Setup serves the webhooks on a manager's webhook server.
func Setup(server webhook.Server, o Options) error {
	if err := o.complete(); err != nil {
		return fmt.Errorf("set up the validating webhooks: %w", err)
	}
	h := &handlers{Options: o}
	for path, decide := range map[string]decision{
		FederatedPath: h.federated, CellPath: h.cell, PolicyPath: h.policy,
		TypeConfigPath: h.typeConfig, KubeFedClusterPath: h.clusterOwner, NamespacePath: h.namespaceOwner, UnownedNamespacePath: h.unownedNamespace(),
	} {
		hook := o.Tracer.Webhook(path, measure.Handler(path, answering(decide)), path == FederatedPath)
		hook.WithContextFunc = inTime(hook.WithContextFunc)
		server.Register(path, review.Server{Webhook: hook})
	}
	return nil
}

// inTime ends the context of a request while there is still time to answer it: API servers say in the query how long they wait. What says
// why is better than a webhook that has not answered. next may be nil.
func inTime(next func(context.Context, *http.Request) context.Context) func(context.Context, *http.Request) context.Context {
	return func(ctx context.Context, request *http.Request) context.Context {
		if next != nil {
			ctx = next(ctx, request)
		}
		timeout, err := time.ParseDuration(request.URL.Query().Get("timeout"))
		if err != nil || timeout <= 0 {
			return ctx
		}
		within, cancel := context.WithTimeout(ctx, timeout-max(timeout/10, min(timeout/2, answerTime)))
		context.AfterFunc(ctx, cancel)
		return within
	}
}

// answerTime is what an answer may take on its way to the API server.
const answerTime = 500 * time.Millisecond
