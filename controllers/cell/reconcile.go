package cell

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// retry is how long a reconcile waits that found its facts outdated, for the cache to catch up.
const retry = 200 * time.Millisecond

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	f, err := r.gather(ctx, request.NamespacedName, false)
	switch {
	case errors.Is(err, errNoNamespace):
		return reconcile.Result{}, nil
	case err != nil:
		return reconcile.Result{}, err
	case f == nil:
		return reconcile.Result{}, r.clean(ctx, request.NamespacedName)
	}
	p := decide(f)
	if p.final() {
		if f, err = r.gather(ctx, request.NamespacedName, true); f == nil || err != nil {
			return reconcile.Result{}, err
		}
		p = decide(f)
	}
	told, err := r.apply(ctx, f, p)
	if errors.Is(err, errRemains) {
		p.finalizer, p.next, err = "", vacateRetry, nil
	}
	if p.finalizer == finalizerRemove {
		r.tell(ctx, f.cell, told)
		return again(p, err)
	}
	turns, statusErr := r.writeStatus(ctx, f)
	r.tell(ctx, f.cell, append(told, turns...))
	if f.unreadableErr != nil {
		statusErr = errors.Join(statusErr, fmt.Errorf("%w: %w", errUnreadable, f.unreadableErr))
	}
	return again(p, err, statusErr)
}

// again says when to reconcile next. An error that only says that the facts were outdated is nobody's business.
func again(p plan, errs ...error) (reconcile.Result, error) {
	result := reconcile.Result{RequeueAfter: p.next}
	var serious []error
	for _, err := range errs {
		switch {
		case err == nil:
		case outdated(err):
			result.RequeueAfter = retry
		default:
			serious = append(serious, err)
		}
	}
	if err := errors.Join(serious...); err != nil {
		return reconcile.Result{}, err
	}
	return result, nil
}

// writeStatus writes the status if it is not what it was, and returns what is to be told about it.
func (r *Reconciler) writeStatus(ctx context.Context, f *facts) ([]occurrence, error) {
	before := f.cell.DeepCopy()
	f.cell.Status = statusOf(f)
	if reflect.DeepEqual(before.Status, f.cell.Status) {
		return nil, nil
	}
	turns := turned(before.Status.Conditions, f.cell.Status.Conditions)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err := r.client.Status().Patch(ctx, f.cell, patch, client.FieldOwner(v1alpha1.FieldManager))
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("write the status: %w", err)
	}
	return turns, nil
}

// tell records what has happened, for those who look at the Cell and for those who read the log.
func (r *Reconciler) tell(ctx context.Context, cell *v1alpha1.Cell, told []occurrence) {
	logger := log.FromContext(ctx)
	for _, o := range told {
		logger.Info(o.note, "reason", o.reason)
		r.recorder.Eventf(cell, nil, o.kind, o.reason, o.action, "%s", o.note)
	}
}

// clean takes away what was generated for a Cell that has gone without this controller's leave, because somebody took
// its finalizer: its token must not stay good. The API server is asked whether it really has gone.
func (r *Reconciler) clean(ctx context.Context, key types.NamespacedName) error {
	cell := &v1alpha1.Cell{}
	cell.Namespace, cell.Name = key.Namespace, key.Name
	f := &facts{settings: r.settings(), cell: cell}
	var err error
	if f.own, err = getCluster(ctx, r.client, r.options.KubeFedNamespace, f.clusterName()); err != nil {
		return err
	}
	if f.tokens, err = r.gatherTokens(ctx, key, false); err != nil {
		return err
	}
	generated := f.own != nil && !f.foreign() && f.own.DeletionTimestamp == nil
	if !generated && len(f.tokens) == 0 {
		return nil
	}
	if err := r.live.Get(ctx, key, &v1alpha1.Cell{}); client.IgnoreNotFound(err) != nil || err == nil {
		return err
	}
	logger := log.FromContext(ctx)
	if generated {
		if err := r.client.Delete(ctx, f.own, client.Preconditions{UID: ptr.To(f.own.UID)}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete KubeFedCluster %q, whose Cell has gone: %w", f.own.Name, err)
		}
		logger.Info("Deleted the KubeFedCluster of a Cell that has gone", "kubeFedCluster", f.own.Name)
	}
	names := make([]string, len(f.tokens))
	for i, t := range f.tokens {
		names[i] = t.name
	}
	return r.revoke(ctx, f, names, func(o occurrence) { logger.Info(o.note) })
}
