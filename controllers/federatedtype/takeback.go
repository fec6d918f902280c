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
	"github.com/cellfed/cellfed/internal/certs"
	"github.com/cellfed/cellfed/internal/federatedcrd"
	"github.com/cellfed/cellfed/internal/storagemigration"
)

// migrationTries is how often a migration is tried that meets errors.
const migrationTries = 30

// Outcome is what became of a CRD.
type Outcome struct {
	// CRD is its name.
	CRD string
	// Reason and Message are those of the CRD's condition.
	Reason  v1alpha1.ConditionReason
	Message string
	// HandedBack says that cellfed propagated the type, and that upstream KubeFed does again.
	HandedBack bool
}

// done reports whether v2beta1 is gone.
func (o Outcome) done() bool {
	return o.Reason == v1alpha1.ReasonRemoved || o.Reason == v1alpha1.ReasonFieldsKept
}

// TakeBackOptions are what TakeBack needs to know.
type TakeBackOptions struct {
	// Namespace is the namespace that upstream KubeFed runs in.
	Namespace string

	// ServeConversions has the conversion webhook served, where the CRDs say, until it is told to stop. It is called,
	// once, when objects are stored in v2beta1: only the webhook can tell what they are in v1beta1. Nil means that
	// it is served by somebody else.
	ServeConversions func(ctx context.Context) (stop func(), err error)

	// StorageSettle is that of Options.
	StorageSettle time.Duration

	// Recorder records events on FTCs. Nil means that there are none.
	Recorder events.EventRecorder
}

// TakeBack does once what a controller with Options.Remove does all the time: it takes v2beta1 and the conversion from
// every CRD that has them on behalf of a FederatedTypeConfig of the namespace. Objects that are stored in v2beta1 are stored
// in v1beta1 first, and a type that was handed over to cellfed is upstream KubeFed's again afterwards. It tells the outcomes,
// sorted by CRD; types that were never changed are not among them. It is an error if a CRD still has v2beta1 in the end.
//
// No controller may run at the same time, or it would give everything back. TakeBack can be interrupted, and run again, at
// any point. Nothing in a member is touched.
//
// The client must not have a cache.
func TakeBack(ctx context.Context, c client.Client, options TakeBackOptions) ([]Outcome, error) {
	if options.Recorder == nil {
		options.Recorder = silent{}
	}
	t := &taker{
		Reconciler: &Reconciler{
			client: c, live: c, recorder: options.Recorder, states: newStates(),
			options: Options{Namespace: options.Namespace, CA: noBundle{}, Remove: true},
		},
		options:  options,
		migrator: storagemigration.New(c, c, storagemigration.Options{Settle: options.StorageSettle}),
	}
	defer t.stop()
	names, owners, err := t.all(ctx)
	if err != nil {
		return nil, err
	}
	// Upstream reads v1beta1 of every type that it is given, and FederatedNamespaces for each of them.
	if err := t.serveV1Beta1(ctx, names); err != nil {
		return nil, err
	}
	outcomes := map[string]*Outcome{}
	if names, err = t.spareHeld(ctx, names, owners, outcomes); err != nil {
		return nil, err
	}
	var failures []error
	// All of them are looked at before any is waited for: that no API server stores v2beta1 any more takes a while.
	for range 2 {
		failures = nil
		for _, name := range names {
			if o := outcomes[name]; o != nil && o.done() {
				continue
			}
			if o, err := t.takeBack(ctx, name, owners[name]); err != nil {
				failures = append(failures, err)
			} else if o != nil {
				outcomes[name] = o
			}
		}
		if err := t.migrate(ctx, outcomes); err != nil {
			failures = append(failures, err)
			break
		}
	}
	for _, o := range outcomes {
		if !o.done() {
			failures = append(failures, fmt.Errorf("the CRD %s keeps v2beta1: %s", o.CRD, o.Message))
		}
	}
	if err := t.handBack(ctx, outcomes); err != nil {
		failures = append(failures, err)
	}
	sorted := make([]Outcome, 0, len(outcomes))
	for _, name := range slices.Sorted(maps.Keys(outcomes)) {
		sorted = append(sorted, *outcomes[name])
	}
	return sorted, errors.Join(failures...)
}

// taker is what takes everything back.
type taker struct {
	*Reconciler
	options  TakeBackOptions
	migrator *storagemigration.Migrator
	// unserve stops the conversion webhook. Nil while it is not served.
	unserve func()
}

func (t *taker) stop() {
	if t.unserve != nil {
		t.unserve()
	}
}

// serve serves the conversion webhook, where it is to be served, until the end.
func (t *taker) serve(ctx context.Context) error {
	if t.unserve != nil || t.options.ServeConversions == nil {
		return nil
	}
	var err error
	if t.unserve, err = t.options.ServeConversions(ctx); err != nil {
		return fmt.Errorf("serving the conversion webhook, without which objects that are stored in v2beta1 cannot be read: %w", err)
	}
	return nil
}

// migrate has all objects of those types stored in v1beta1 that are not, as their CRDs say already.
func (t *taker) migrate(ctx context.Context, outcomes map[string]*Outcome) error {
	var pending []string
	for _, name := range slices.Sorted(maps.Keys(outcomes)) {
		if outcomes[name].Reason == v1alpha1.ReasonStillStored {
			pending = append(pending, name)
		}
	}
	if len(pending) > 0 {
		if err := t.serve(ctx); err != nil {
			return err
		}
	}
	var failures []error
	for tries := map[string]int{}; len(pending) > 0; {
		var next []string
		wait := time.Duration(0)
		for _, name := range pending {
			again, err := t.migrator.Migrate(ctx, name, nil)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				// An API server may not have noticed yet that the webhook is up.
				if tries[name]++; tries[name] >= migrationTries || errors.Is(err, storagemigration.ErrRefused) {
					failures = append(failures, fmt.Errorf("storing the objects of the CRD %s in v1beta1: %w", name, err))
					continue
				}
				again = conflictDelay
			}
			if again > 0 {
				next, wait = append(next, name), max(wait, again)
			}
		}
		pending = next
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	return errors.Join(failures...)
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
		if err := sleep(ctx, again); err != nil {
			return nil, fmt.Errorf("taking back v2beta1 of the CRD %s, which others kept writing: %w", name, err)
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

// sleep returns early, with an error, when the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// noBundle stands for the CA bundle of a webhook that nobody is told of.
type noBundle struct{ certs.CABundle }

func (noBundle) Bundle() []byte { return nil }
