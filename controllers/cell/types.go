package cell

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/federatedcrd"
	"github.com/cellfed/cellfed/internal/placementcache"
)

const (
	// typesGroup is the group of the federated types that cellfed gives a second version.
	typesGroup = "types.kubefed.io"
	// placingVersion is the version of these in which placements are decided about, and in which cellfed writes them,
	// whatever version a FederatedTypeConfig names.
	placingVersion = "v1beta1"
)

// typeReconciler keeps the placement cache on the federated types that there are: those that have a
// FederatedTypeConfig, a CRD, and a namespace.
type typeReconciler struct {
	client client.Reader
	// live reads CRDs: they are too big to be cached for a few looks.
	live       client.Reader
	placements *placementcache.Cache
}

func (r *Reconciler) setupTypes(mgr ctrl.Manager) error {
	t := &typeReconciler{client: r.client, live: r.live, placements: r.placements}
	return ctrl.NewControllerManagedBy(mgr).
		Named(controllerName+"-types").
		For(&kubefedv1beta1.FederatedTypeConfig{}, builder.WithPredicates(r.inKubeFedNamespace(), specChanged())).
		WatchesMetadata(newCRDMetadata(), handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			return t.configsOf(ctx, o.GetName(), r.options.KubeFedNamespace)
		}), builder.WithPredicates(crdReplaced())).
		Complete(t)
}

// configsOf returns the FederatedTypeConfigs whose federated type the CRD serves.
func (t *typeReconciler) configsOf(ctx context.Context, crd, namespace string) []reconcile.Request {
	configs := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := t.client.List(ctx, configs, client.InNamespace(namespace)); err != nil {
		log.FromContext(ctx).Error(err, "Cannot list FederatedTypeConfigs")
		return nil
	}
	var requests []reconcile.Request
	for i := range configs.Items {
		if federatedType(&configs.Items[i]).Resource.GroupResource().String() == crd {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&configs.Items[i])})
		}
	}
	return requests
}

// Reconcile implements reconcile.Reconciler.
func (t *typeReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	config := &kubefedv1beta1.FederatedTypeConfig{}
	err := t.client.Get(ctx, request.NamespacedName, config)
	if apierrors.IsNotFound(err) {
		t.placements.Stop(request.Name)
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("get FederatedTypeConfig %s: %w", request, err)
	}
	wanted := federatedType(config)
	crd, err := t.crd(ctx, wanted.Resource.GroupResource().String())
	if err != nil {
		return reconcile.Result{}, err
	}
	if crd == nil || !config.GetFederatedNamespaced() {
		t.placements.Stop(request.Name)
		return reconcile.Result{}, nil
	}
	wanted.CRD = crd.UID
	if stored := federatedcrd.Stored(crd); wanted.Resource.Group == typesGroup && stored != "" {
		wanted.Resource.Version = stored
	}
	return reconcile.Result{}, t.placements.Ensure(wanted)
}

// crd returns the CRD as the API server has it, or nil if there is none.
func (t *typeReconciler) crd(ctx context.Context, name string) (*apiextensionsv1.CustomResourceDefinition, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	err := t.live.Get(ctx, client.ObjectKey{Name: name}, crd)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get CustomResourceDefinition %s: %w", name, err)
	}
	return crd, nil
}

// crdUID returns the UID of the CRD that serves the federated type, or "" if there is none.
func crdUID(ctx context.Context, reader client.Reader, config *kubefedv1beta1.FederatedTypeConfig) (types.UID, error) {
	crd := newCRDMetadata()
	key := client.ObjectKey{Name: federatedType(config).Resource.GroupResource().String()}
	if err := reader.Get(ctx, key, crd); err != nil {
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		return "", fmt.Errorf("get CustomResourceDefinition %s: %w", key.Name, err)
	}
	return crd.UID, nil
}

// federatedType returns the federated type of a FederatedTypeConfig, without its CRD, in the version in which placements
// are decided about.
func federatedType(config *kubefedv1beta1.FederatedTypeConfig) placementcache.Type {
	defaulted := config.DeepCopy()
	// What upstream's own webhook fills in, where it is installed.
	kubefedv1beta1.SetFederatedTypeConfigDefaults(defaulted)
	resource := defaulted.GetFederatedType()
	version := resource.Version
	if resource.Group == typesGroup {
		version = placingVersion
	}
	return placementcache.Type{
		Name:     config.Name,
		Kind:     resource.Kind,
		Resource: schema.GroupVersionResource{Group: resource.Group, Version: version, Resource: resource.Name},
	}
}
