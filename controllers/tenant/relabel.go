package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// maxNamed is how many of the objects that cannot be written are named.
const maxNamed = 5

// errStale means that an API server gave an object the labels that its Namespace had before.
var errStale = errors.New("admission has not heard yet of whose the Namespace is")

var crdKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

// wrong returns those of the tenant labels that have another value than they should. An empty one is as good as none.
func wrong(have, want map[string]string) []string {
	var keys []string
	for _, key := range tenantLabels {
		got, there := have[key]
		if got != want[key] || there && want[key] == "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// patchOf returns the JSON merge patch that gives the object of a UID the labels, or nil if it has them.
func patchOf(uid types.UID, have, want map[string]string) ([]byte, error) {
	keys := wrong(have, want)
	if len(keys) == 0 {
		return nil, nil
	}
	changes := map[string]any{}
	for _, key := range keys {
		changes[key] = nil
		if want[key] != "" {
			changes[key] = want[key]
		}
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid, "labels": changes}})
}

// mistaken selects the objects whose label is not what the Namespace says.
func mistaken(key string, want map[string]string) (labels.Selector, error) {
	operator, values := selection.Exists, []string(nil)
	if want[key] != "" {
		operator, values = selection.NotEquals, []string{want[key]}
	}
	requirement, err := labels.NewRequirement(key, operator, values)
	if err != nil {
		return nil, fmt.Errorf("select objects by %s: %w", key, err)
	}
	return labels.NewSelector().Add(*requirement), nil
}

// kindOf returns what the objects of a type are read as, in the version in which they are stored: any other costs a
// conversion of each. It is empty where there is no such type, or no CRD that serves it.
func (r *Reconciler) kindOf(ctx context.Context, config string) (schema.GroupVersionKind, error) {
	if config == "" {
		return v1alpha1.GroupVersion.WithKind("Cell"), nil
	}
	// Objects outside of namespaces are nobody's.
	typ := &fedv1b1.FederatedTypeConfig{}
	key := client.ObjectKey{Namespace: r.options.KubeFedNamespace, Name: config}
	if err := r.client.Get(ctx, key, typ); err != nil {
		return schema.GroupVersionKind{}, client.IgnoreNotFound(err)
	}
	fedv1b1.SetFederatedTypeConfigDefaults(typ)
	if !typ.GetFederatedNamespaced() {
		return schema.GroupVersionKind{}, nil
	}
	resource := typ.GetFederatedType()
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(crdKind)
	if err := r.client.Get(ctx, client.ObjectKey{Name: resource.Name + "." + resource.Group}, crd); err != nil {
		return schema.GroupVersionKind{}, client.IgnoreNotFound(err)
	}
	kind := schema.GroupVersionKind{Group: resource.Group, Version: resource.Version, Kind: resource.Kind}
	if resource.Group != federated.Group {
		return kind, nil
	}
	kind.Version = federated.V1Beta1
	policy := &v1alpha1.FederatedTypePolicy{}
	if err := r.client.Get(ctx, key, policy); client.IgnoreNotFound(err) != nil {
		return schema.GroupVersionKind{}, err
	}
	if stored := policy.Status.StorageVersion; stored != "" {
		kind.Version = stored
	}
	return kind, nil
}

// namespace returns a Namespace as the cache has it, or nil if there is none, or none for long.
func (r *Reconciler) namespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	namespace := newNamespace()
	if err := r.client.Get(ctx, client.ObjectKey{Name: name}, namespace); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if namespace.DeletionTimestamp != nil {
		return nil, nil
	}
	return namespace, nil
}

// sweep looks at all objects of a type, and has the namespaces looked at in which one is not labeled as it should be.
func (r *Reconciler) sweep(ctx context.Context, config string, kind schema.GroupVersionKind) error {
	owners := map[string]*metav1.PartialObjectMetadata{}
	queued := map[string]bool{}
	return r.each(ctx, kind, nil, func(object *metav1.PartialObjectMetadata) (bool, error) {
		name := object.Namespace
		if queued[name] {
			return true, nil
		}
		owner, known := owners[name]
		if !known {
			var err error
			if owner, err = r.namespace(ctx, name); err != nil {
				return false, err
			}
			owners[name] = owner
		}
		if owner != nil && len(wrong(object.Labels, owner.Labels)) > 0 {
			queued[name] = true
			r.queue.Add(work{config: config, namespace: name})
		}
		return true, nil
	})
}

// relabel gives the objects of a kind in a Namespace its labels. It returns how many it has written, and whether there is
// more to do, which others need not wait for. One that cannot be written keeps none of the rest from it.
func (r *Reconciler) relabel(ctx context.Context, kind schema.GroupVersionKind, owner *metav1.PartialObjectMetadata) (written int, more bool, err error) {
	var failed []error
	failures := 0
	for _, key := range tenantLabels {
		selector, err := mistaken(key, owner.Labels)
		if err != nil {
			return written, false, err
		}
		options := []client.ListOption{client.InNamespace(owner.Name), client.MatchingLabelsSelector{Selector: selector}}
		err = r.each(ctx, kind, options, func(object *metav1.PartialObjectMetadata) (bool, error) {
			if written >= r.batch {
				more = true
				return false, nil
			}
			done, err := r.write(ctx, object, owner.Labels)
			if done {
				written++
			}
			if err == nil {
				return ctx.Err() == nil, nil
			}
			if failures++; failures <= maxNamed {
				failed = append(failed, fmt.Errorf("label %s %s/%s: %w", kind.Kind, object.Namespace, object.Name, err))
			}
			return ctx.Err() == nil, nil
		})
		if err != nil || more {
			return written, more, err
		}
	}
	if failures > maxNamed {
		failed = append(failed, fmt.Errorf("and %d more", failures-maxNamed))
	}
	return written, false, errors.Join(failed...)
}

// write gives one object the labels, if it is still the one that was read.
func (r *Reconciler) write(ctx context.Context, object *metav1.PartialObjectMetadata, want map[string]string) (bool, error) {
	patch, err := patchOf(object.UID, object.Labels, want)
	if patch == nil || err != nil {
		return false, err
	}
	err = r.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(v1alpha1.FieldManager))
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return false, nil // What has taken its place was labeled when it was created.
	case err != nil:
		return false, err
	case len(wrong(object.Labels, want)) > 0:
		return false, errStale
	}
	return true, nil
}

// each reads the metadata of objects, in pages, until do has had enough.
func (r *Reconciler) each(ctx context.Context, kind schema.GroupVersionKind, options []client.ListOption, do func(*metav1.PartialObjectMetadata) (bool, error)) error {
	next := ""
	for {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := r.live.List(ctx, list, append([]client.ListOption{client.Limit(r.page), client.Continue(next)}, options...)...); err != nil {
			return fmt.Errorf("list %s objects: %w", kind.Kind, err)
		}
		for i := range list.Items {
			object := &list.Items[i]
			object.SetGroupVersionKind(kind)
			if on, err := do(object); !on || err != nil {
				return err
			}
		}
		if next = list.Continue; next == "" {
			return nil
		}
	}
}
