// Package federatedtypepolicy hands federated types over from upstream KubeFed to cellfed's push reconciler, and back. At
// every moment one of them writes a type to the members, or none does.
package federatedtypepolicy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cellfed/cellfed/internal/engine"
)

const (
	// conflictDelay is how long a type is left alone after somebody else wrote at the same moment.
	conflictDelay = 200 * time.Millisecond
	// stopTimeout is how long one attempt to stop the push reconciler may take. The next one waits for the rest.
	stopTimeout = time.Minute
	// maxSteps bounds what is done at one go; no hand-over takes half of it.
	maxSteps = 20
)

// errOvertaken means that an object changed or went between the look at it and the write.
var errOvertaken = errors.New("the object has changed")

// +kubebuilder:rbac:groups=cellfed.io,namespace=kube-federation-system,resources=federatedtypepolicies,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=cellfed.io,namespace=kube-federation-system,resources=federatedtypepolicies/status,verbs=patch
// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=federatedtypeconfigs,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=federatedtypeconfigs/status,verbs=patch
// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=kubefedclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=core.kubefed.io,resources=propagatedversions;clusterpropagatedversions,verbs=list
// +kubebuilder:rbac:groups=cellfed.io,resources=cells,verbs=list
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list
// +kubebuilder:rbac:groups="",namespace=kube-federation-system,resources=configmaps;endpoints,resourceNames=kubefed-controller-manager,verbs=get
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=kube-federation-system,resources=leases,resourceNames=kubefed-controller-manager,verbs=get
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,namespace=kube-federation-system,resources=events,verbs=create;patch

// Reconciler hands types over. It is keyed on the name that a FederatedTypePolicy and its FederatedTypeConfig share.
//
// Everything that matters is in these two objects, so that a process that ends anywhere is followed by one that goes on
// where it was. Each write depends on the version that was read. The order of the writes makes it safe:
//
//   - To Cellfed: the finalizer on the policy; the FederatedTypeConfig disabled, and in the same write marked as handed over;
//     upstream's report that it stopped, or its leader lease run out; the quiet time; the policy's status, which closes the
//     façade's fence; the push reconciler.
//   - To KubeFed: a look at the objects; the push reconciler stopped and drained; the policy's status, by which admission
//     judges for KubeFed; another look at the objects; the status again, which opens the fence; the FederatedTypeConfig enabled
//     and no longer marked; the finalizer taken away.
//
// What it reads of federated objects, to see whether upstream still writes them, and whether they can be given to it, is
// granted with the types themselves.
type Reconciler struct {
	client client.Client
	// live reads from the API server: a hand-over that goes by an old look at things would be none.
	live     client.Reader
	recorder events.EventRecorder
	clock    clock.PassiveClock
	options  Options

	leases leaseWatch
	quiet  quietWatch

	mu      sync.Mutex
	started map[string]bool
	// looks are what is remembered of the types that wait to be handed back.
	looks map[string]*memory
}

// Reconcile does what is next for a type until there is something to wait for.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	for range maxSteps {
		in, err := r.gather(ctx, request.Name)
		if err != nil {
			return ctrl.Result{}, err
		}
		if in.policy == nil && in.config == nil {
			forgetHandovers(request.Name)
		}
		p := decide(in)
		changed, err := r.apply(ctx, request.Name, in, p)
		if errors.Is(err, errOvertaken) {
			return ctrl.Result{RequeueAfter: conflictDelay}, nil
		}
		if err != nil {
			return ctrl.Result{}, err
		}
		if !changed {
			return ctrl.Result{RequeueAfter: p.after}, nil
		}
	}
	return ctrl.Result{RequeueAfter: time.Second}, nil
}

// apply carries a plan out, in the order that it says, and reports whether that changed anything.
func (r *Reconciler) apply(ctx context.Context, name string, in input, p plan) (changed bool, err error) {
	if !p.run {
		if err := r.stop(ctx, name); err != nil {
			return false, err
		}
	}
	wrote, err := r.writeStatus(ctx, in.policy, p.state)
	if err != nil {
		return false, err
	}
	if wrote {
		r.announceState(in, p)
		log.FromContext(ctx).Info("Reported on a type", "reason", p.state.reason, "message", p.state.message)
	}
	if err := r.take(ctx, in, p); err != nil {
		return false, err
	}
	if !p.run {
		return wrote || p.step != stepNone, nil
	}
	if err := r.options.Runner.Ensure(ctx, engine.Type{FTC: in.config.DeepCopy(), Policy: in.policy.DeepCopy(), CRD: in.crd.uid}); err != nil {
		return false, fmt.Errorf("starting to propagate the type %q: %w", name, err)
	}
	return r.setStarted(name, true) || wrote || p.step != stepNone, nil
}

// stop returns when the push reconciler does not write the type, or tells why it could not wait for that.
func (r *Reconciler) stop(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := r.options.Runner.Stop(ctx, name); err != nil {
		return fmt.Errorf("ceasing to propagate the type %q: %w", name, err)
	}
	r.setStarted(name, false)
	return nil
}

// setStarted remembers that this process runs the type or does not, and reports whether that is news.
func (r *Reconciler) setStarted(name string, now bool) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started[name] == now {
		return false
	}
	if r.started == nil {
		r.started = map[string]bool{}
	}
	r.started[name] = now
	if !now {
		delete(r.started, name)
	}
	return true
}

func (r *Reconciler) isStarted(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started[name]
}

// logFor names the policy in the log lines of a request.
func logFor(logger logr.Logger) func(*ctrl.Request) logr.Logger {
	return func(request *ctrl.Request) logr.Logger {
		if request == nil {
			return logger
		}
		return logger.WithValues("federatedTypePolicy", request.String())
	}
}
