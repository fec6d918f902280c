package engine

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/render"
)

// Running is a federated type while the push reconciler runs it. It is what a reconciler may know of its type.
type Running struct {
	// Name is the name of the type's FederatedTypeConfig.
	Name string
	// Kind is the kind of the federated objects, and Resource what they are read and written as.
	Kind     string
	Resource schema.GroupVersionResource
	// Target is what members hold, and Member the same for the member's caches.
	Target render.Target
	Member member.Target
	// Namespaced says whether the target is placed by way of its FederatedNamespace, which everything is but
	// Namespaces and what is in none.
	Namespaced bool
	// Store holds the federated objects.
	Store *Store

	identity string
	policy   atomic.Pointer[Policy]
	plan     *unit[ObjectKey]
	report   *unit[ObjectKey]

	changes burst

	mu      sync.Mutex
	busy    int
	stopped bool
	idle    chan struct{}
}

// Policy is what a FederatedTypePolicy says of how its type is propagated.
type Policy struct {
	// Render is compiled: what annotations reach the members, and what members own.
	Render *render.Policy
	// Status says what is reported of the members' own status; nil means the whole of it.
	Status *v1alpha1.StatusPolicy
	// StatusFields returns the chosen fields of a member's status, where the policy chooses.
	StatusFields func(status map[string]any) map[string]any
	hash         string
}

// Policy returns the policy as it is now.
func (r *Running) Policy() *Policy { return r.policy.Load() }

// Busy reports whether so many objects of the type are being changed that what can wait should.
func (r *Running) Busy() bool { return r.changes.many(time.Now()) }

const (
	// burstSpan is over which time changes are counted, in two halves, and burstSize how many of them are many.
	burstSpan = time.Second
	burstSize = 25
)

// burst counts what happens in a short time.
type burst struct {
	mu     sync.Mutex
	half   int64
	counts [2]int
}

// at moves on to the half that a time is in.
func (b *burst) at(now time.Time) {
	half := now.UnixNano() / int64(burstSpan/2)
	switch half - b.half {
	case 0:
	case 1:
		b.counts = [2]int{0, b.counts[0]}
	default:
		b.counts = [2]int{}
	}
	b.half = half
}

func (b *burst) note(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at(now)
	b.counts[0]++
}

func (b *burst) many(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at(now)
	return b.counts[0]+b.counts[1] >= burstSize
}

// enter says that work for the type begins, unless the type is being stopped.
func (r *Running) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return false
	}
	r.busy++
	return true
}

func (r *Running) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy--; r.busy == 0 && r.stopped {
		close(r.idle)
	}
}

// halt lets nobody enter any more, and returns a channel that is closed when everybody has left.
func (r *Running) halt() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped {
		r.stopped, r.idle = true, make(chan struct{})
		if r.busy == 0 {
			close(r.idle)
		}
	}
	return r.idle
}

// halted reports whether the type is being stopped.
func (r *Running) halted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

// newRunning describes a type. The objects are read and written in v2beta1, which is what is stored once the type was
// handed over.
func newRunning(t Type) (*Running, error) {
	t.FTC = t.FTC.DeepCopy()
	fedv1b1.SetFederatedTypeConfigDefaults(t.FTC) // It may be older than upstream's webhook.
	fed, target := t.FTC.GetFederatedType(), t.FTC.GetTargetType()
	kind := schema.GroupVersionKind{Group: target.Group, Version: target.Version, Kind: target.Kind}
	r := &Running{
		Name:       t.FTC.Name,
		Kind:       fed.Kind,
		Resource:   schema.GroupVersionResource{Group: fed.Group, Version: federated.V2Beta1, Resource: fed.Name},
		Target:     render.Target{Kind: kind, Namespaced: target.Namespaced},
		Member:     member.Target{Resource: schema.GroupVersionResource{Group: target.Group, Version: target.Version, Resource: target.Name}, Kind: kind, Namespaced: target.Namespaced},
		Namespaced: t.FTC.GetNamespaced(),
	}
	var err error
	if r.identity, err = identityOf(t); err != nil {
		return nil, err
	}
	policy, err := newPolicy(t.Policy)
	if err != nil {
		return nil, err
	}
	r.policy.Store(policy)
	return r, nil
}

// identityOf is equal for a type that can go on as it runs: the FederatedTypeConfig and the CRD are the same objects,
// and say the same of what is read and written.
func identityOf(t Type) (string, error) {
	return hashOf(struct {
		FTC, CRD  types.UID
		Federated metav1.APIResource
		Target    metav1.APIResource
	}{t.FTC.UID, t.CRD, t.FTC.GetFederatedType(), t.FTC.GetTargetType()})
}

func newPolicy(p *v1alpha1.FederatedTypePolicy) (*Policy, error) {
	var spec v1alpha1.FederatedTypePolicySpec
	if p != nil {
		spec = p.Spec
	}
	// What is wrong is reported on the policy; the rest of it holds.
	compiled, _ := render.CompilePolicy(spec.PropagatingAnnotations, spec.Retain)
	hash, err := hashOf(spec)
	if err != nil {
		return nil, err
	}
	return &Policy{Render: compiled, Status: spec.Status, StatusFields: fieldsOf(spec.Status), hash: hash}, nil
}

func fieldsOf(p *v1alpha1.StatusPolicy) func(map[string]any) map[string]any {
	if p == nil {
		return nil
	}
	var paths []render.Path
	for _, text := range p.Fields {
		if path, err := render.ParsePath(text); err == nil {
			paths = append(paths, path)
		}
	}
	return func(status map[string]any) map[string]any { return render.Project(status, paths) }
}

func hashOf(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("hash a type: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data)), nil
}

// namespacesResource returns what FederatedNamespaces are read as, given the FederatedTypeConfig of Namespaces.
func namespacesResource(config *fedv1b1.FederatedTypeConfig) (schema.GroupVersionResource, bool) {
	config = config.DeepCopy()
	fedv1b1.SetFederatedTypeConfigDefaults(config)
	fed := config.GetFederatedType()
	return schema.GroupVersionResource{Group: fed.Group, Version: federated.V2Beta1, Resource: fed.Name},
		config.Spec.FederatedType.Scope != apiextensionsv1.ClusterScoped
}
