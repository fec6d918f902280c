package federatedtypepolicy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// leaseName is what the leader lease of upstream's controller-manager is called, whatever kind of object holds it
	// (cmd/controller-manager/app/leaderelection of kubefed).
	leaseName = "kubefed-controller-manager"
	// leaderAnnotation holds the record in a ConfigMap or Endpoints (k8s.io/client-go/tools/leaderelection/resourcelock).
	leaderAnnotation = "control-plane.alpha.kubernetes.io/leader"

	// defaultLease is how long upstream's lease lasts where nothing says otherwise.
	defaultLease = 15 * time.Second
	// leaseMargin is for a leader that is slow to notice that its lease has run out.
	leaseMargin = 5 * time.Second
)

// lease is the record of upstream's leader, as far as it is needed.
type lease struct {
	// record is different after each renewal; "" means that there is none.
	record   string
	duration time.Duration
	// acquired is when the leader became the leader, by its own clock; zero when that is not told.
	acquired time.Time
}

// leaseWatch tells whether anybody renews the lease. It trusts no clock but its own: a record that stays the same for as
// long as it lasts, and a margin, is nobody's.
type leaseWatch struct {
	mu    sync.Mutex
	seen  bool
	last  lease
	since time.Time
}

// expired takes note of the lease as it is now, and returns whether nobody holds it.
func (w *leaseWatch) expired(now time.Time, is lease) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.seen || is.record != w.last.record {
		w.seen, w.last, w.since = true, is, now
	}
	return now.Sub(w.since) >= is.duration+leaseMargin
}

// readLease reads the lease in whatever kind of object it is: KubeFedConfig can name one, and it may have named another
// before.
func readLease(ctx context.Context, reader client.Reader, namespace string) (lease, error) {
	key := types.NamespacedName{Namespace: namespace, Name: leaseName}
	all := lease{duration: 0}
	add := func(kind, record string, seconds int) {
		all.record += kind + " " + record + "\n"
		all.duration = max(all.duration, time.Duration(seconds)*time.Second)
	}
	coordination := &coordinationv1.Lease{}
	switch err := reader.Get(ctx, key, coordination); {
	case err == nil:
		record, err := json.Marshal(coordination.Spec)
		if err != nil {
			return lease{}, fmt.Errorf("reading the leader lease of KubeFed: %w", err)
		}
		seconds := 0
		if coordination.Spec.LeaseDurationSeconds != nil {
			seconds = int(*coordination.Spec.LeaseDurationSeconds)
		}
		if coordination.Spec.AcquireTime != nil {
			all.acquired = coordination.Spec.AcquireTime.Time
		}
		add("Lease", string(record), seconds)
	case !apierrors.IsNotFound(err):
		return lease{}, fmt.Errorf("reading the leader lease of KubeFed: %w", err)
	}
	for _, kind := range []string{"ConfigMap", "Endpoints"} {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
		switch err := reader.Get(ctx, key, object); {
		case err == nil:
			var content struct {
				LeaseDurationSeconds int         `json:"leaseDurationSeconds"`
				AcquireTime          metav1.Time `json:"acquireTime"`
			}
			record := object.Annotations[leaderAnnotation]
			if err := json.Unmarshal([]byte(record), &content); err != nil || content.LeaseDurationSeconds <= 0 {
				// Whoever wrote it, a leader that renews changes it.
				content.LeaseDurationSeconds = int(defaultLease / time.Second)
			}
			if content.AcquireTime.After(all.acquired) {
				all.acquired = content.AcquireTime.Time
			}
			add(kind, record, content.LeaseDurationSeconds)
		case !apierrors.IsNotFound(err):
			return lease{}, fmt.Errorf("reading the leader lease of KubeFed: %w", err)
		}
	}
	if all.duration == 0 {
		all.duration = defaultLease
	}
	return all, nil
}

// traces are what upstream's controller of a type leaves in the host when it writes to members: a token for each object,
// by UID, that changes with each such write and with as little else as possible.
type traces map[types.UID]trace

type trace struct {
	token string
	// held says that the object can only go by upstream's letting go of it.
	held bool
}

// writtenSince reports whether upstream has written something between two looks.
func (t traces) writtenSince(before traces) bool {
	for uid, is := range t {
		if was, ok := before[uid]; is != was && (ok || is.token != "") {
			return true
		}
	}
	for uid, was := range before {
		if _, ok := t[uid]; was.held && !ok {
			return true
		}
	}
	return false
}

// quietWatch tells for how long upstream has left no traces.
//
// Upstream reports that it does not run a type as soon as it has told the type's controller to stop, and does not wait for
// it. What follows is bounded by its code (v0.10.0, pkg/controller/util/worker.go, federated_informer.go and
// pkg/controller/sync): its queue is still worked off, but the stop takes the informers of the members away, and without them
// an object is waited for and not written. What goes on is thus what each worker had in hand: one object, whose
// requests to all members were started at once, are limited to 20 a second, and are waited for 30 seconds; then the
// PropagatedVersion and the status in the host are written. The end of each is seen in the host, and a member that is
// healthy answers in far less than the quiet time; one that is not may take all of the 30 seconds, so that the quiet time is
// longer by these while any cluster is not ready. A request that a member has taken and answers later than that is seen by
// nobody.
type quietWatch struct {
	mu    sync.Mutex
	types map[string]*quietType
}

type quietType struct {
	uid        types.UID
	generation int64
	last       traces
	since      time.Time
}

// look takes note of the traces as they are now, and returns for how long they have been so. Another
// FederatedTypeConfig, or another generation of it, begins anew.
func (w *quietWatch) look(now time.Time, name string, uid types.UID, generation int64, is traces) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.types[name]
	if was == nil || was.uid != uid || was.generation != generation || is.writtenSince(was.last) {
		if w.types == nil {
			w.types = map[string]*quietType{}
		}
		w.types[name] = &quietType{uid: uid, generation: generation, last: is, since: now}
		return 0
	}
	was.last = is
	return now.Sub(was.since)
}

// forget begins anew at the next look.
func (w *quietWatch) forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.types, name)
}

// versionPrefix is what the names of the PropagatedVersions of a type begin with (pkg/apis/core/common of kubefed).
func versionPrefix(targetKind string) string { return strings.ToLower(targetKind) + "-" }

// syncFinalizer is upstream's, on federated objects.
const syncFinalizer = "kubefed.io/sync-controller"

// versionTrace is of a PropagatedVersion, which nobody but upstream writes, and the garbage collector deletes.
func versionTrace(o *metav1.PartialObjectMetadata) trace { return trace{token: o.ResourceVersion} }

// objectTrace is of a federated object, of which upstream writes the status and a finalizer, and others the rest.
func objectTrace(o *metav1.PartialObjectMetadata) trace {
	var b strings.Builder
	held := false
	for _, finalizer := range o.Finalizers {
		if finalizer == syncFinalizer {
			held = true
			b.WriteString(finalizer)
		}
	}
	for _, entry := range o.ManagedFields {
		if entry.Subresource == "status" {
			// A manager's time changes with each change that it makes.
			fmt.Fprintf(&b, "|%s %s %s", entry.Manager, entry.Operation, entry.Time)
		}
	}
	return trace{token: b.String(), held: held}
}

// versionKind returns the kind of the PropagatedVersions of types whose federated objects are in namespaces, or not.
func versionKind(namespaced bool) schema.GroupVersionKind {
	kind := "ClusterPropagatedVersion"
	if namespaced {
		kind = "PropagatedVersion"
	}
	return schema.GroupVersionKind{Group: "core.kubefed.io", Version: "v1alpha1", Kind: kind}
}
