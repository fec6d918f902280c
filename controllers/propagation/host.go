package propagation

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
)

// kubeFedConfigName is the name of upstream's one KubeFedConfig (sigs.k8s.io/kubefed/pkg/controller/util, KubeFedConfigName).
const kubeFedConfigName = "kubefed"

// hostCluster is the Host over the manager's cache and the engine's stores.
type hostCluster struct {
	client    client.Reader
	dynamic   dynamic.Interface
	engine    *engine.Engine
	namespace string
	registry  *registry
	// leaves says that the KubeFedConfig, as it was last seen, leaves alone what is in a member already.
	leaves atomic.Bool
}

// registry holds the topologies as they were last computed.
type registry struct {
	mu     sync.RWMutex
	byName map[string]Topology
	// cells are the topologies that are cells, by their namespace; clusters are the physical ones.
	cells    map[string][]Topology
	clusters []Topology
}

// computed says whether the topologies were computed at all.
func (r *registry) computed() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byName != nil
}

func (h *hostCluster) Object(r *engine.Running, key engine.ObjectKey) (*federated.Object, bool, error) {
	if !h.registry.computed() {
		// An object that is looked at as if there were no topologies is let go, or reported to be nowhere.
		return nil, false, nil
	}
	known := r.Store.Synced()
	o, err := r.Store.Get(keyOf(key))
	return o, known, err
}

func (h *hostCluster) FederatedNamespace(namespace string) (*federated.Object, bool, error) {
	return h.engine.FederatedNamespace(namespace)
}

func (h *hostCluster) Namespace(ctx context.Context, name string) (*Namespace, error) {
	if name == "" {
		return &Namespace{}, nil
	}
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := h.client.Get(ctx, client.ObjectKey{Name: name}, object, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get Namespace %q: %w", name, err)
	}
	return &Namespace{UID: object.UID, Labels: object.Labels}, nil
}

func (h *hostCluster) Topologies(namespace string) []Topology {
	h.registry.mu.RLock()
	defer h.registry.mu.RUnlock()
	all := make([]Topology, 0, len(h.registry.clusters)+len(h.registry.cells[namespace]))
	return append(append(all, h.registry.cells[namespace]...), h.registry.clusters...)
}

func (h *hostCluster) Topology(name string) (Topology, bool) {
	h.registry.mu.RLock()
	defer h.registry.mu.RUnlock()
	t, ok := h.registry.byName[name]
	return t, ok
}

// Adopts returns upstream's default, true, where the KubeFedConfig does not say, or where there has been none as long as this
// process runs. One that is gone, with what KubeFed was installed by, has not said that anything may be taken over.
func (h *hostCluster) Adopts(ctx context.Context) (bool, error) {
	config := &fedv1b1.KubeFedConfig{}
	err := h.client.Get(ctx, client.ObjectKey{Namespace: h.namespace, Name: kubeFedConfigName}, config)
	switch {
	case apierrors.IsNotFound(err):
		return !h.leaves.Load(), nil
	case err != nil:
		return false, fmt.Errorf("get KubeFedConfig %q: %w", kubeFedConfigName, err)
	}
	adopts := config.Spec.SyncController == nil || config.Spec.SyncController.AdoptResources == nil ||
		*config.Spec.SyncController.AdoptResources == fedv1b1.AdoptResourcesEnabled
	if leaves := !adopts; h.leaves.Load() != leaves {
		h.leaves.Store(leaves)
	}
	return adopts, nil
}

// remember looks at the KubeFedConfig as it is when the process begins to lead, so that what it said is known if it goes before
// anything asks. What fails is asked for again.
func (h *hostCluster) remember(ctx context.Context) error {
	_, _ = h.Adopts(ctx)
	return nil
}

// IsSystem names the namespaces that upstream never propagates.
func (h *hostCluster) IsSystem(namespace string) bool {
	switch namespace {
	case metav1.NamespaceSystem, metav1.NamespacePublic, metav1.NamespaceDefault, h.namespace:
		return true
	}
	return false
}

func (h *hostCluster) Exists(ctx context.Context, r *engine.Running, key engine.ObjectKey) (bool, error) {
	_, err := h.dynamic.Resource(r.Resource).Namespace(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	// A version that is not served is not found either, and says nothing of its objects.
	if apierrors.IsNotFound(err) && !apierrors.IsUnexpectedServerError(err) {
		return false, nil
	}
	return err == nil, err
}

// SetFinalizers implements Host. The patch carries the version that the finalizers were read in: nobody else's is lost.
func (h *hostCluster) SetFinalizers(ctx context.Context, r *engine.Running, o *federated.Object, finalizers []string) error {
	if finalizers == nil {
		finalizers = []string{}
	}
	return h.patch(ctx, r, o, map[string]any{"metadata": map[string]any{
		"uid": o.UID, "resourceVersion": o.ResourceVersion, "finalizers": finalizers,
	}})
}

// SetStatus implements Host. Nobody but the propagator writes the status, so the patch holds only what is another, and
// does not depend on the version: that somebody changes the spec at the same time is no conflict.
func (h *hostCluster) SetStatus(ctx context.Context, r *engine.Running, o *federated.Object, status federated.Status) error {
	before, err := encodeStatus(o, o.Status)
	if err != nil {
		return err
	}
	after, err := encodeStatus(o, status)
	if err != nil {
		return err
	}
	diff, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		return fmt.Errorf("compare the status of %s %s/%s: %w", o.Kind, o.Namespace, o.Name, err)
	}
	return h.patch(ctx, r, o, map[string]any{
		"metadata": map[string]any{"uid": o.UID}, "status": json.RawMessage(diff),
	}, "status")
}

func encodeStatus(o *federated.Object, status federated.Status) ([]byte, error) {
	content, err := o.EncodeStatus(status)
	if err == nil {
		var data []byte
		if data, err = json.Marshal(content); err == nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("write the status of %s %s/%s: %w", o.Kind, o.Namespace, o.Name, err)
}

func (h *hostCluster) patch(ctx context.Context, r *engine.Running, o *federated.Object, patch map[string]any, subresources ...string) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("patch %s %s/%s: %w", o.Kind, o.Namespace, o.Name, err)
	}
	written, err := h.dynamic.Resource(r.Resource).Namespace(o.Namespace).Patch(ctx, o.Name, types.MergePatchType, data,
		metav1.PatchOptions{FieldManager: v1alpha1.FieldManager}, subresources...)
	if err != nil {
		return fmt.Errorf("patch %s %s/%s: %w", o.Kind, o.Namespace, o.Name, err)
	}
	if len(written.GetFinalizers()) > 0 || written.GetDeletionTimestamp() == nil {
		r.Store.Written(written)
	}
	return nil
}
