package federatedtype

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// spareHeld returns the CRDs without those of which cellfed propagates the objects and holds some back: upstream knows no
// placement mask, and would release them.
func (t *taker) spareHeld(ctx context.Context, names []string, owners map[string]*kubefedv1beta1.FederatedTypeConfig, outcomes map[string]*Outcome) ([]string, error) {
	var rest []string
	for _, name := range names {
		owner := owners[name]
		if owner == nil || owner.Annotations[v1alpha1.HandedOverAnnotation] != "true" {
			rest = append(rest, name)
			continue
		}
		held, err := t.held(ctx, owner)
		for tries := 0; err != nil && tries < migrationTries; tries++ {
			// Some of the objects may still be stored in v1beta1. An API server may not notice at once that the webhook is up.
			if err := t.serve(ctx); err != nil {
				return nil, err
			}
			if err := sleep(ctx, conflictDelay); err != nil {
				return nil, err
			}
			held, err = t.held(ctx, owner)
		}
		if err != nil {
			return nil, err
		}
		if held == "" {
			rest = append(rest, name)
			continue
		}
		outcomes[name] = &Outcome{CRD: name, Reason: v1alpha1.ReasonObjectsHeld, Message: fmt.Sprintf("the placement mask of %s %q holds something, "+
			"which KubeFed would release: name everything that is placed in spec.placementMask, or remove it, while the manager runs", owner.Spec.FederatedType.Kind, held)}
	}
	return rest, nil
}

// held returns an object whose mask holds something back, "" if there is none. A type that cellfed propagates is stored in
// v2beta1, or about to be, and can be read in it.
func (t *taker) held(ctx context.Context, owner *kubefedv1beta1.FederatedTypeConfig) (string, error) {
	fed := owner.Spec.FederatedType
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: fed.Group, Version: federated.V2Beta1, Kind: fed.Kind + "List"})
	for {
		err := t.live.List(ctx, list, client.Limit(pageSize), client.Continue(list.GetContinue()))
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("listing every %s to see what is held: %w", fed.Kind, err)
		}
		for i := range list.Items {
			o, err := federated.Decode(&list.Items[i])
			if err != nil {
				return "", err
			}
			if o.HoldsBack() {
				return strings.TrimPrefix(o.Namespace+"/"+o.Name, "/"), nil
			}
		}
		if list.GetContinue() == "" {
			return "", nil
		}
	}
}

// handBack makes the types upstream KubeFed's again that are as upstream made them, and that cellfed had taken over. Every
// FTC counts, also one of several that name a CRD. Nothing is left that would keep a policy from being deleted, also one
// whose FTC has gone.
func (t *taker) handBack(ctx context.Context, outcomes map[string]*Outcome) error {
	ftcs, err := t.ftcs(ctx)
	if err != nil {
		return err
	}
	var failures []error
	federates := map[string]bool{}
	for i := range ftcs {
		name, crd := ftcs[i].Name, crdName(&ftcs[i])
		federates[name] = true
		o := outcomes[crd]
		if o != nil && !o.done() {
			continue
		}
		handedBack, err := t.handBackType(ctx, client.ObjectKeyFromObject(&ftcs[i]))
		if err != nil {
			failures = append(failures, fmt.Errorf("handing the type of the FederatedTypeConfig %s back to KubeFed: %w", name, err))
			continue
		}
		if handedBack && o == nil {
			o = &Outcome{CRD: crd, Reason: v1alpha1.ReasonRemoved, Message: "it has no v2beta1"}
			outcomes[crd] = o
		}
		if handedBack {
			o.HandedBack = true
		}
	}
	policies := &v1alpha1.FederatedTypePolicyList{}
	if err := t.live.List(ctx, policies, client.InNamespace(t.options.Namespace)); err != nil {
		if !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
			failures = append(failures, fmt.Errorf("listing FederatedTypePolicies: %w", err))
		}
		return errors.Join(failures...)
	}
	for i := range policies.Items {
		if p := &policies.Items[i]; !federates[p.Name] {
			if err := t.releasePolicy(ctx, client.ObjectKeyFromObject(p)); err != nil {
				failures = append(failures, fmt.Errorf("releasing the FederatedTypePolicy %s: %w", p.Name, err))
			}
		}
	}
	return errors.Join(failures...)
}

// handBackType enables the FTC first, then says in the policy who propagates the type, and lets the policy go last: at
// whichever step it ends, the next run goes on. An FTC that somebody else disabled stays so.
func (t *taker) handBackType(ctx context.Context, key client.ObjectKey) (bool, error) {
	handedBack := false
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		ftc := &kubefedv1beta1.FederatedTypeConfig{}
		if err := t.live.Get(ctx, key, ftc); err != nil {
			return client.IgnoreNotFound(err)
		}
		if ftc.Annotations[v1alpha1.HandedOverAnnotation] != "true" {
			return nil
		}
		before := ftc.DeepCopy()
		delete(ftc.Annotations, v1alpha1.HandedOverAnnotation)
		ftc.Spec.Propagation = kubefedv1beta1.PropagationEnabled
		handedBack = true
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		return client.IgnoreNotFound(t.client.Patch(ctx, ftc, patch, client.FieldOwner(v1alpha1.FieldManager)))
	})
	if err != nil {
		return false, err
	}
	return handedBack, t.releasePolicy(ctx, key)
}

// releasePolicy leaves a policy that says what is so, and no more: nobody looks after it from now on.
func (t *taker) releasePolicy(ctx context.Context, key client.ObjectKey) error {
	policy, err := t.policy(ctx, key)
	if err != nil || policy == nil {
		return err
	}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"status":{"propagator":"`+string(v1alpha1.PropagatorKubeFed)+
		`","federatedTypeConfigUID":null,"federatedTypeConfigGeneration":null,"storageVersion":null,"conditions":null}}`))
	if err := t.client.Status().Patch(ctx, policy, patch, client.FieldOwner(v1alpha1.FieldManager)); err != nil {
		return client.IgnoreNotFound(err)
	}
	before := policy.DeepCopy()
	if !controllerutil.RemoveFinalizer(policy, v1alpha1.HandoverFinalizer) {
		return nil
	}
	withoutFinalizer := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return client.IgnoreNotFound(t.client.Patch(ctx, policy, withoutFinalizer, client.FieldOwner(v1alpha1.FieldManager)))
}
