package storagemigration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

const (
	// fieldManager stands in no object's managedFields: a patch that changes nothing leaves them alone.
	fieldManager = v1alpha1.FieldManager

	// conflictTries is how often an object is tried again that others keep writing. The API server itself has tried
	// several times before it says so.
	conflictTries = 10

	// maxNamed is how many of the objects that were refused an error names.
	maxNamed = 3
)

var nothing = client.RawPatch(types.MergePatchType, []byte("{}"))

// pass writes every object once. Whatever was there when it began, and still is, is listed: an object keeps its place
// among the keys, also when the list has to be continued at a later moment than it began.
func (m *Migrator) pass(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition, report func(Progress)) error {
	version := federatedcrd.Stored(crd)
	gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version, Kind: crd.Spec.Names.Kind}
	progress := Progress{Version: version}
	var refusals refusals
	token := ""
	for {
		page, err := m.list(ctx, gvk, &token)
		if err != nil {
			return fmt.Errorf("listing the objects of the CRD %s: %w", crd.Name, err)
		}
		progress.Total = max(progress.Total, progress.Done+int64(len(page.Items)))
		if rest := page.RemainingItemCount; rest != nil {
			progress.Total = progress.Done + int64(len(page.Items)) + *rest
		}
		if err := m.writeAll(ctx, gvk, page.Items, &refusals); err != nil {
			return fmt.Errorf("migrating the objects of the CRD %s to %s: %w", crd.Name, version, err)
		}
		if _, err := m.same(ctx, crd); err != nil {
			return err
		}
		progress.Done += int64(len(page.Items))
		if report != nil {
			report(progress)
		}
		if token == "" {
			return refusals.err(crd.Spec.Names.Kind, version)
		}
	}
}

// list returns the page that the token continues with, and puts the token of the next one in its place.
func (m *Migrator) list(ctx context.Context, gvk schema.GroupVersionKind, token *string) (*metav1.PartialObjectMetadataList, error) {
	for {
		page := &metav1.PartialObjectMetadataList{}
		page.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		err := m.live.List(ctx, page, client.Limit(m.options.PageSize), client.Continue(*token))
		if err == nil {
			*token = page.Continue
			return page, nil
		}
		if !apierrors.IsResourceExpired(err) || *token == "" {
			return nil, err
		}
		// The rest cannot be had as it was when the list began. With the token that comes with the error it can be
		// had as it is now; without one, all of it can.
		*token = ""
		if status, ok := errors.AsType[*apierrors.StatusError](err); ok {
			*token = status.ErrStatus.Continue
		}
	}
}

// writeAll writes objects side by side. Objects that are refused are noted, and other errors end it.
func (m *Migrator) writeAll(ctx context.Context, gvk schema.GroupVersionKind, objects []metav1.PartialObjectMetadata, refused *refusals) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan client.ObjectKey)
	var wg sync.WaitGroup
	for range m.options.Concurrency {
		wg.Go(func() {
			for key := range queue {
				switch err := m.write(ctx, gvk, key); {
				case err == nil:
				case isRefusal(err):
					refused.add(key, err)
				default:
					cancel(fmt.Errorf("%s: %w", name(key), err))
				}
			}
		})
	}
	for i := range objects {
		select {
		case queue <- client.ObjectKeyFromObject(&objects[i]):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	close(queue)
	wg.Wait()
	return context.Cause(ctx)
}

// write has one object stored again. One that is gone needs no migration.
func (m *Migrator) write(ctx context.Context, gvk schema.GroupVersionKind, key client.ObjectKey) error {
	var err error
	for range conflictTries {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(gvk)
		object.Namespace, object.Name = key.Namespace, key.Name
		err = m.client.Patch(ctx, object, nothing, client.FieldOwner(fieldManager))
		if !apierrors.IsConflict(err) {
			break
		}
	}
	return client.IgnoreNotFound(err)
}

// isRefusal reports whether an error is about the object rather than about the API server.
func isRefusal(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err)
}

// refusals are the objects that could not be written.
type refusals struct {
	mu    sync.Mutex
	names []string
	first error
}

func (r *refusals) add(key client.ObjectKey, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names = append(r.names, name(key)); slices.Min(r.names) == name(key) {
		r.first = err
	}
}

// err names the first objects in order, so that the same refusals make the same error.
func (r *refusals) err(kind, version string) error {
	if len(r.names) == 0 {
		return nil
	}
	slices.Sort(r.names)
	named, more := r.names, ""
	if len(named) > maxNamed {
		more = fmt.Sprintf(" and %d more", len(named)-maxNamed)
		named = named[:maxNamed]
	}
	return fmt.Errorf("%w: %s %s%s stay as they were stored, until they can be written in %s: %w",
		ErrRefused, kind, strings.Join(named, ", "), more, version, r.first)
}

// name is namespace and name, or the name alone of what is in no namespace.
func name(key client.ObjectKey) string { return strings.TrimPrefix(key.String(), "/") }
