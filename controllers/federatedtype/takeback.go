package federatedtype

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

// Outcome is what became of a CRD.
type Outcome struct {
	// CRD is its name.
	CRD string
	// Reason and Message are those of the CRD's condition.
	Reason  v1alpha1.ConditionReason
	Message string
}

// TakeBack does once what a controller with Options.Remove does all the time: it takes v2beta1 and the conversion from
// every CRD that has them on behalf of a FederatedTypeConfig of the namespace, and tells the outcomes, sorted by CRD. CRDs
// that were never changed are not among them. No controller may run at the same time, or it would give everything back.
// It is an error if a CRD still has v2beta1 in the end.
//
// The client must not have a cache. Without a recorder there are no events.
func TakeBack(ctx context.Context, c client.Client, recorder events.EventRecorder, namespace string) ([]Outcome, error) {
	if recorder == nil {
		recorder = silent{}
	}
	r := &Reconciler{client: c, live: c, recorder: recorder, states: newStates(), options: Options{Namespace: namespace, CA: noBundle{}, Remove: true}}
	names, owners, err := r.all(ctx)
	if err != nil {
		return nil, err
	}
	var outcomes []Outcome
	var failures []error
	for _, name := range names {
		outcome, err := r.takeBack(ctx, name, owners[name])
		switch {
		case err != nil:
			failures = append(failures, err)
		case outcome == nil:
		default:
			outcomes = append(outcomes, *outcome)
			if outcome.Reason != v1alpha1.ReasonRemoved && outcome.Reason != v1alpha1.ReasonFieldsKept {
				failures = append(failures, fmt.Errorf("the CRD %s still has v2beta1: %s", outcome.CRD, outcome.Message))
			}
		}
	}
	return outcomes, errors.Join(failures...)
}

// all returns the names of the CRDs that FTCs name or that were changed on behalf of one, and for each CRD the FTC that
// federates the type now.
func (r *Reconciler) all(ctx context.Context) ([]string, map[string]*kubefedv1beta1.FederatedTypeConfig, error) {
	ftcs, err := r.ftcs(ctx)
	if err != nil {
		return nil, nil, err
	}
	owners := ownersOf(ftcs)
	names := slices.Collect(maps.Keys(owners))
	crds := &metav1.PartialObjectMetadataList{}
	crds.SetGroupVersionKind(crdListGVK)
	if err := r.client.List(ctx, crds); err != nil {
		return nil, nil, fmt.Errorf("listing CRDs: %w", err)
	}
	for i := range crds.Items {
		if namespace, _, ok := strings.Cut(federatedcrd.Owner(&crds.Items[i]), "/"); ok && namespace == r.options.Namespace {
			names = append(names, crds.Items[i].Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), owners, nil
}

// takeBack tries until nobody else writes the CRD at the same moment. It returns nil for a CRD that was never changed or
// does not exist.
func (r *Reconciler) takeBack(ctx context.Context, name string, owner *kubefedv1beta1.FederatedTypeConfig) (*Outcome, error) {
	for {
		again, err := r.reconcileCRD(ctx, name, owner)
		if err != nil {
			return nil, err
		}
		if again != conflictDelay {
			break
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("taking back v2beta1 of the CRD %s, which others kept writing: %w", name, ctx.Err())
		case <-timer.C:
		}
	}
	crd, err := r.crd(ctx, name)
	if err != nil || crd == nil {
		return nil, err
	}
	c := condition(crd)
	if c == nil {
		return nil, nil
	}
	return &Outcome{CRD: name, Reason: v1alpha1.ConditionReason(c.Reason), Message: c.Message}, nil
}

// noBundle stands for the CA bundle of a webhook that nobody is told of.
type noBundle struct{ CABundle }

func (noBundle) Bundle() []byte { return nil }
