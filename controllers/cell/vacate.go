package cell

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cellfed/cellfed/internal/member"
)

const (
	// vacateTimeout bounds one look at a member.
	vacateTimeout = 10 * time.Second
	// vacateRetry is how long until the next.
	vacateRetry = 3 * time.Second
	// vacatePatience is how long the Cell waits for what was in the namespace to go, and for a member that does not
	// answer. A member that is gone for good must not keep it.
	vacatePatience = 30 * time.Second
)

// errRemains means that the namespace in the member is to be looked at again.
var errRemains = errors.New("the cell's namespace in the member cannot be removed yet")

// memberNamespaces are the Namespaces of a member.
var memberNamespaces = member.Target{
	Resource: corev1.SchemeGroupVersion.WithResource("namespaces"),
	Kind:     corev1.SchemeGroupVersion.WithKind("Namespace"),
}

// Members reaches the physical clusters by the names of their KubeFedClusters.
type Members interface {
	// Read returns an object as the member has it, or nil if there is none.
	Read(ctx context.Context, member string, t member.Target, namespace, name string) (*member.Object, error)
	// EmptyNamespace returns what is in a namespace beside what every namespace holds. It fails if it cannot see all.
	EmptyNamespace(ctx context.Context, member, namespace string) (rest []string, err error)
	// Delete deletes the object if it is still the one that was read.
	Delete(ctx context.Context, member string, t member.Target, live *member.Object, options metav1.DeleteOptions) (gone bool, err error)
}

var _ Members = (*member.Clusters)(nil)

// attempts are when something was first tried, by the UID of the Cell. After a restart the time runs anew.
type attempts struct {
	mu    sync.Mutex
	first map[types.UID]time.Time
}

// since returns when it was first tried.
func (a *attempts) since(uid types.UID, now time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.first == nil {
		a.first = map[types.UID]time.Time{}
	}
	first, ok := a.first[uid]
	if !ok {
		first = now
		a.first[uid] = first
	}
	return first
}

func (a *attempts) forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.first, uid)
}

// vacate removes the cell's namespace in the member if nothing is left in it. It returns errRemains, and puts into the facts
// what for, as long as it is worth waiting; then the namespace stays, as it is, and the Cell goes.
func (r *Reconciler) vacate(ctx context.Context, f *facts, wanted bool, tell func(occurrence)) error {
	if !wanted || r.options.Members == nil {
		return nil
	}
	cluster, name := f.cluster.Name, f.cell.TargetNamespace()
	first := r.attempts.since(f.cell.UID, f.now)
	deleted, why, err := r.tryVacate(ctx, f)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		log.FromContext(ctx).Info("Could not look into the cell's namespace in the member", "cluster", cluster, "namespace", name, "error", err.Error())
		why = "the cluster did not say what is in it"
	}
	if why != "" && f.now.Sub(first) < vacatePatience {
		f.remains = fmt.Sprintf("waiting to remove namespace %q in cluster %q: %s; after %v the namespace is left", name, cluster, why, vacatePatience)
		return errRemains
	}
	r.attempts.forget(f.cell.UID)
	switch {
	case why != "":
		tell(memberNamespaceKept(cluster, name, why))
	case deleted:
		tell(memberNamespaceDeleted(cluster, name))
	}
	return nil
}

// tryVacate returns why the namespace is still there, "" if it has gone or is not the cell's.
func (r *Reconciler) tryVacate(ctx context.Context, f *facts) (deleted bool, why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, vacateTimeout)
	defer cancel()
	members, cluster, name := r.options.Members, f.cluster.Name, f.cell.TargetNamespace()
	live, err := members.Read(ctx, cluster, memberNamespaces, "", name)
	if err != nil || live == nil || live.GetDeletionTimestamp() != nil || !ownNamespace(f, live.Unstructured) {
		return false, "", err
	}
	rest, err := members.EmptyNamespace(ctx, cluster, name)
	if err != nil {
		return false, "", err
	}
	if len(rest) > 0 {
		return false, restMessage(rest), nil
	}
	uid, version := live.GetUID(), live.GetResourceVersion()
	_, err = members.Delete(ctx, cluster, memberNamespaces, live, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version},
	})
	if apierrors.IsConflict(err) {
		return false, "it was changed at the same moment", nil
	}
	return err == nil, "", err
}
