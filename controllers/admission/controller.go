// Package admission has API servers trust what the manager serves admission with: it keeps the CA bundle in the two webhook
// configurations of cellfed, whoever installed them.
package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/certs"
)

const (
	// MutatingName is what config/default calls the MutatingWebhookConfiguration.
	MutatingName = "cellfed-mutating"
	// ValidatingName is what config/default calls the ValidatingWebhookConfiguration.
	ValidatingName = "cellfed-validating"
)

// errRival means that two keep the CA bundle of one webhook configuration.
var errRival = errors.New("cert-manager's CA injector writes the CA bundle too, and API servers trust the manager only in turns")

// Options are what the controller needs beside a manager.
type Options struct {
	// CA is what API servers are to trust.
	CA certs.CABundle
}

// A list or a watch of one object by its name is granted by the name.
//
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations,resourceNames=cellfed-mutating,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=cellfed-validating,verbs=get;list;watch;patch

// Reconciler keeps the CA bundle in both configurations. It is keyed on nothing: there are only these two.
//
// It applies the bundle to each webhook that a configuration has, and nothing else, and then gives up to own it. A field that
// is owned keeps its webhook in the list when whoever installs leaves that out, by an apply of another release: of nothing but a
// name and a bundle, which the API server refuses. A field that nobody owns stays as it is and goes with the webhook. A
// configuration that is not there is nobody's concern: who does without a set of webhooks need not install it.
type Reconciler struct {
	client  client.Client
	options Options

	// rivals are the configurations that somebody else keeps a bundle in too, to tell of each once.
	rivals map[types.UID]string
}

// Reconcile puts the bundle where another one is.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (ctrl.Result, error) {
	bundle := r.options.CA.Bundle()
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	return ctrl.Result{}, errors.Join(
		r.keep(ctx, mutating, MutatingName, func() *unstructured.Unstructured { return desiredMutating(mutating, bundle) }),
		r.keep(ctx, validating, ValidatingName, func() *unstructured.Unstructured { return desiredValidating(validating, bundle) }),
	)
}

// keep reads a configuration and applies what is desired of it, unless that is what is there.
func (r *Reconciler) keep(ctx context.Context, object client.Object, name string, desired func() *unstructured.Unstructured) error {
	if err := r.client.Get(ctx, client.ObjectKey{Name: name}, object); err != nil {
		if apierrors.IsNotFound(err) {
			log.FromContext(ctx).Info("There is no such webhook configuration: what people write is not judged", "kind", fmt.Sprintf("%T", object), "name", name)
			return nil
		}
		return fmt.Errorf("get %T %q: %w", object, name, err)
	}
	r.tellOfRival(ctx, object)
	config := desired()
	if config == nil {
		return r.disown(ctx, object)
	}
	err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(config), client.FieldOwner(v1alpha1.FieldManager), client.ForceOwnership)
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return nil // It is another one already, and its event is on the way.
	case err != nil:
		return fmt.Errorf("apply the CA bundle to %s %q: %w", config.GetKind(), name, err)
	}
	log.FromContext(ctx).Info("Put the CA bundle into a webhook configuration", "kind", config.GetKind(), "name", name)
	return nil
}

// disown takes cellfed's entries from the managedFields, as long as the configuration is as it was read.
func (r *Reconciler) disown(ctx context.Context, object client.Object) error {
	others := slices.DeleteFunc(slices.Clone(object.GetManagedFields()), func(e metav1.ManagedFieldsEntry) bool { return e.Manager == v1alpha1.FieldManager })
	// Without any entry the API server would begin to keep them anew.
	if len(others) == len(object.GetManagedFields()) || len(others) == 0 {
		return nil
	}
	patch, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": others},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": object.GetResourceVersion()},
	})
	if err != nil {
		return fmt.Errorf("disown the CA bundle of %T %q: %w", object, object.GetName(), err)
	}
	object = object.DeepCopyObject().(client.Object)
	err = r.client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(v1alpha1.FieldManager))
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("disown the CA bundle of %T %q: %w", object, object.GetName(), err)
	}
	return nil
}

// tellOfRival says once that somebody else keeps a CA bundle in a configuration: the two undo each other's writes, and what people
// write in between is refused.
func (r *Reconciler) tellOfRival(ctx context.Context, object client.Object) {
	rival := certs.InjectedBy(object.GetAnnotations())
	if rival == r.rivals[object.GetUID()] {
		return
	}
	if r.rivals == nil {
		r.rivals = map[types.UID]string{}
	}
	r.rivals[object.GetUID()] = rival
	if rival != "" {
		log.FromContext(ctx).Error(errRival, "Keeping the CA bundle of a webhook configuration against somebody else: take the annotation off",
			"kind", fmt.Sprintf("%T", object), "name", object.GetName(), "annotation", rival)
	}
}
