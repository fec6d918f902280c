package federatedtype

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

const (
	// servingManager owns, of a policy's status, the condition that tells whether v1beta1 is served.
	servingManager = client.FieldOwner(v1alpha1.FieldManager + "-serving")

	// namespacesType is the name of the FTC that federates Namespaces, and servicesType of the one of Services, which are
	// fixed upstream.
	namespacesType = common.NamespaceName
	servicesType   = "services"
)

// typeFacts are an FTC and its policy, which may be nil.
type typeFacts struct {
	ftc    *kubefedv1beta1.FederatedTypeConfig
	policy *v1alpha1.FederatedTypePolicy
}

// cellfeds reports whether the type is cellfed's, and is to stay so.
func (t typeFacts) cellfeds() bool {
	return t.policy.WantedPropagator() == v1alpha1.PropagatorCellfed && t.policy.DeletionTimestamp.IsZero() &&
		t.policy.Status.Propagator == v1alpha1.PropagatorCellfed
}

// needsNamespaces reports whether upstream reads FederatedNamespaces for the type, or may soon. One that somebody disabled is
// nobody's.
func (t typeFacts) needsNamespaces() bool {
	disabled := t.ftc.Spec.Propagation == kubefedv1beta1.PropagationDisabled && t.ftc.Annotations[v1alpha1.HandedOverAnnotation] != "true"
	return t.ftc.Name != namespacesType && t.ftc.GetNamespaced() && !disabled && !t.cellfeds()
}

// served says why v1beta1 is served although it could be done without, or that it is not.
type served struct {
	only    bool
	reason  v1alpha1.ConditionReason
	message string
}

// decideServed is a pure function: a type, its CRD and all other types, to whether v2beta1 alone is to be served.
func decideServed(t typeFacts, crd *apiextensionsv1.CustomResourceDefinition, others []typeFacts) served {
	const stays = "v1beta1 is served, though the policy asks for v2beta1 alone: "
	if !t.policy.AsksForV2Beta1Only() {
		return served{reason: v1alpha1.ReasonNotAsked, message: "v1beta1 is served, as the policy asks"}
	}
	if !t.cellfeds() {
		return served{reason: v1alpha1.ReasonPropagatorNotCellfed, message: stays + "cellfed does not propagate the type, or is to hand it back, and KubeFed reads v1beta1"}
	}
	if federatedcrd.Stored(crd) != federated.V2Beta1 || len(federatedcrd.OldVersions(crd)) > 0 {
		return served{reason: v1alpha1.ReasonStorageNotMigrated, message: stays + "objects may still be stored in v1beta1; the condition " +
			string(conditionStorageMigrated) + " tells how far they are migrated"}
	}
	if t.ftc.Name == servicesType && t.ftc.GetStatusEnabled() {
		return served{reason: v1alpha1.ReasonKubeFedCollectsStatus, message: fmt.Sprintf(stays+"KubeFed reads it to collect the status of Services: "+
			"set spec.statusCollection of the FederatedTypeConfig %q to Disabled", t.ftc.Name)}
	}
	if t.ftc.Name == namespacesType {
		var need []string
		for _, o := range others {
			if o.needsNamespaces() {
				need = append(need, o.ftc.Name)
			}
		}
		if slices.Sort(need); len(need) > 0 {
			return served{reason: v1alpha1.ReasonKubeFedReadsNamespaces, message: stays + "KubeFed reads FederatedNamespaces for the types that it propagates: hand over " +
				strings.Join(need, ", ")}
		}
	}
	return served{only: true, reason: v1alpha1.ReasonV2Beta1Only, message: "v2beta1 alone is served, as the policy asks: clients of v1beta1 get 404"}
}

// v2beta1Only returns whether v2beta1 alone is to be served.
//
// Upstream must not be given a type, this or another, between the look at the policies and the write that takes v1beta1 away.
// So it is first written into the policy that v1beta1 may not be served, and then looked once more, at what the API server
// has. Whoever hands a type back looks in the other order: the wish is in the policy, and then they wait until the condition is true.
// Either this sees the wish, or they see the condition. It becomes true only in tellServed, which follows the CRD.
func (r *Reconciler) v2beta1Only(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition, owner *kubefedv1beta1.FederatedTypeConfig) (bool, error) {
	s, _, err := r.servedOf(ctx, r.client, crd, owner)
	if err != nil || !s.only {
		return false, err
	}
	s, policy, err := r.servedOf(ctx, r.live, crd, owner)
	if err != nil || !s.only {
		return false, err
	}
	if err := r.tellServing(ctx, policy, metav1.ConditionFalse, s); err != nil {
		return false, err
	}
	s, policy, err = r.servedOf(ctx, r.live, crd, owner)
	if err != nil {
		return false, err
	}
	return s.only && policy != nil && meta.IsStatusConditionFalse(policy.Status.Conditions, string(v1alpha1.ConditionV1Beta1Served)), nil
}

// servedOf looks at what the decision needs.
func (r *Reconciler) servedOf(ctx context.Context, reader client.Reader, crd *apiextensionsv1.CustomResourceDefinition, owner *kubefedv1beta1.FederatedTypeConfig) (served, *v1alpha1.FederatedTypePolicy, error) {
	policy, err := getPolicy(ctx, reader, client.ObjectKeyFromObject(owner))
	if err != nil {
		return served{}, nil, err
	}
	t := typeFacts{owner, policy}
	if owner.Name != namespacesType || !policy.AsksForV2Beta1Only() {
		return decideServed(t, crd, nil), policy, nil
	}
	ftcs := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := reader.List(ctx, ftcs, client.InNamespace(owner.Namespace)); err != nil {
		return served{}, nil, fmt.Errorf("listing FederatedTypeConfigs: %w", err)
	}
	policies := &v1alpha1.FederatedTypePolicyList{}
	if err := reader.List(ctx, policies, client.InNamespace(owner.Namespace)); err != nil {
		return served{}, nil, fmt.Errorf("listing FederatedTypePolicies: %w", err)
	}
	byName := map[string]*v1alpha1.FederatedTypePolicy{}
	for i := range policies.Items {
		byName[policies.Items[i].Name] = &policies.Items[i]
	}
	var others []typeFacts
	for i := range ftcs.Items {
		others = append(others, typeFacts{&ftcs.Items[i], byName[ftcs.Items[i].Name]})
	}
	return decideServed(t, crd, others), policy, nil
}

// tellServed says in the policy that v1beta1 is served, and why, once it is. That it is not was told before. A policy that never asked for
// v2beta1 alone is not told.
func (r *Reconciler) tellServed(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition, owner *kubefedv1beta1.FederatedTypeConfig) error {
	if federatedcrd.HidesV1Beta1(crd) {
		return nil
	}
	s, policy, err := r.servedOf(ctx, r.live, crd, owner)
	if err != nil || policy == nil || s.only {
		return err
	}
	if !policy.AsksForV2Beta1Only() && meta.FindStatusCondition(policy.Status.Conditions, string(v1alpha1.ConditionV1Beta1Served)) == nil {
		return nil
	}
	return r.tellServing(ctx, policy, metav1.ConditionTrue, s)
}

func (r *Reconciler) tellServing(ctx context.Context, policy *v1alpha1.FederatedTypePolicy, status metav1.ConditionStatus, s served) error {
	condition := v1alpha1.NewCondition(v1alpha1.ConditionV1Beta1Served, status, s.reason, policy.Generation, s.message)
	condition.LastTransitionTime = metav1.Now()
	return applyStatus(ctx, r.client, policy, condition, map[string]any{}, true, servingManager)
}

// serveV1Beta1 has every CRD serve v1beta1 that was changed here.
func (r *Reconciler) serveV1Beta1(ctx context.Context, names []string) error {
	for _, name := range names {
		err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			crd, err := r.crd(ctx, name)
			if err != nil || crd == nil || !federatedcrd.Upgraded(crd) || !federatedcrd.HidesV1Beta1(crd) {
				return err
			}
			for i := range crd.Spec.Versions {
				crd.Spec.Versions[i].Served = true
			}
			return r.client.Update(ctx, crd, client.FieldOwner(v1alpha1.FieldManager))
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("serving v1beta1 of the CRD %s again: %w", name, err)
		}
	}
	return nil
}
