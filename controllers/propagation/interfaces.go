package propagation

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/scope"
)

// Topology is a KubeFedCluster as the push reconciler sees it.
type Topology struct {
	scope.Topology
	// Blocked says why nothing can be done in the topology now; empty when something can.
	Blocked string
}

// Namespace is what decides of a host Namespace.
type Namespace struct {
	UID types.UID
	// Labels are the cache's and must not be changed.
	Labels map[string]string
}

// Host is the host cluster. What it reads comes from caches.
type Host interface {
	// Object returns a federated object, nil if there is none. The error is that of one which cannot be decoded.
	// known is false as long as not all objects of the type were read.
	Object(r *engine.Running, key engine.ObjectKey) (o *federated.Object, known bool, err error)
	// FederatedNamespace returns the FederatedNamespace of a namespace, nil if there is none.
	FederatedNamespace(namespace string) (o *federated.Object, known bool, err error)
	// Namespace returns a Namespace, nil if there is none. The empty name is that of what is in none.
	Namespace(ctx context.Context, name string) (*Namespace, error)
	// Topologies returns the cells of a namespace and all physical clusters.
	Topologies(namespace string) []Topology
	// Topology returns one of them.
	Topology(name string) (Topology, bool)
	// Adopts says whether objects that are in a member already are taken over, as the KubeFedConfig has it.
	Adopts(ctx context.Context) (bool, error)
	// IsSystem says whether a namespace is never propagated.
	IsSystem(namespace string) bool

	// Exists asks the API server whether a federated object is there.
	Exists(ctx context.Context, r *engine.Running, key engine.ObjectKey) (bool, error)
	// SetFinalizers replaces the finalizers of an object that is still of the version that was read.
	SetFinalizers(ctx context.Context, r *engine.Running, o *federated.Object, finalizers []string) error
	// SetStatus replaces the status of an object.
	SetStatus(ctx context.Context, r *engine.Running, o *federated.Object, status federated.Status) error
}

// Members are the member clusters: their caches, and one request for each write.
type Members interface {
	Get(name string, t member.Target, namespace, object string) (o *member.Object, known bool)
	Healthy(name string) (ok bool, why string)
	Trouble(name string, t member.Target) string
	Create(ctx context.Context, name string, t member.Target, desired *unstructured.Unstructured) (*member.Object, error)
	Apply(ctx context.Context, name string, t member.Target, desired *unstructured.Unstructured, live *member.Object, pin bool) (*member.Object, error)
	Delete(ctx context.Context, name string, t member.Target, live *member.Object, options metav1.DeleteOptions) (gone bool, err error)
	Release(ctx context.Context, name string, t member.Target, live *member.Object, labels []string) error
	Read(ctx context.Context, name string, t member.Target, namespace, object string) (*member.Object, error)
}

// Queues are where the reconcilers leave work for one another, and learn of their types.
type Queues interface {
	Enter(typeName string) (r *engine.Running, leave func(), ok bool)
	Propagate(name string, priority int, keys ...engine.Key)
	Plan(priority int, key engine.ObjectKey)
	Report(key engine.ObjectKey)
}

// feeder is the engine to those who tell it what there is and what has happened.
type feeder interface {
	Started() <-chan struct{}
	Types() []*engine.Running
	EnsureMember(name string) error
	ForgetMember(name string)
	EnsureNamespaces(config *fedv1b1.FederatedTypeConfig) error
	PlanAll(typeName, namespace string, priority int)
	Propagate(name string, priority int, keys ...engine.Key)
	Report(key engine.ObjectKey)
}
