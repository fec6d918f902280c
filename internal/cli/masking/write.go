package masking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

const (
	// tries is how often a change is tried that others overtake. An object whose status is written all the time is read
	// again each time.
	tries = 10
	// firstPause is how long the first pause between two attempts is; each is longer than the one before.
	firstPause = 20 * time.Millisecond
)

const (
	maskField = "placementMask"
	listField = "topologies"
)

// make writes the mask. Whatever changes meanwhile is looked at anew: the change is made only if it comes to what was told.
func (c *Change) make(ctx context.Context, t kube.Type, object *unstructured.Unstructured, plan Plan) (*unstructured.Unstructured, Plan, error) {
	if c.DryRun.Client() {
		written, err := masked(object, plan.Mask)
		return written, plan, err
	}
	for attempt := 1; ; attempt++ {
		written, err := c.put(ctx, object, plan)
		switch {
		case err == nil:
			return written, plan, nil
		case apierrors.IsNotFound(err):
			return nil, plan, fmt.Errorf("%s/%s has gone: nothing was written", t.Name, object.GetName())
		case !writing.IsOvertaken(err):
			return nil, plan, err
		case attempt == tries:
			return nil, plan, fmt.Errorf("%s/%s: %d attempts were overtaken by other writes, and nothing was written: try again: %w", t.Name, object.GetName(), tries, err)
		}
		if err := c.pause(ctx, attempt); err != nil {
			return nil, plan, err
		}
		fresh, err := c.kube.Get(ctx, t, object.GetNamespace(), object.GetName())
		if err != nil {
			return nil, plan, err
		}
		freshPlan, err := c.plan(ctx, t, fresh)
		if err != nil {
			return nil, plan, err
		}
		if why := overtaken(object, fresh, plan, freshPlan); why != "" {
			return nil, plan, fmt.Errorf("%s/%s has changed meanwhile, and nothing was written: %s; look at it with kubectl cells status, and try again",
				t.Name, object.GetName(), why)
		}
		object, plan = fresh, freshPlan
		if !plan.Changes {
			return object, plan, nil
		}
	}
}

// overtaken says why a plan must not be made after all, or nothing.
func overtaken(before, now *unstructured.Unstructured, plan, fresh Plan) string {
	switch {
	case before.GetUID() != now.GetUID():
		return "it was deleted and created anew"
	case (before.GetDeletionTimestamp() == nil) != (now.GetDeletionTimestamp() == nil):
		return "it is being deleted"
	case !plan.Same(fresh) && fresh.Changes:
		return "its mask is now " + maskOf(now) + " and not " + maskOf(before)
	// Who releases has to know what.
	case len(plan.Released) > 0 && !equality.Semantic.DeepEqual(content(before), content(now)):
		return fmt.Sprintf("what would be released is generation %d of it and not %d", now.GetGeneration(), before.GetGeneration())
	}
	return ""
}

// content is the spec without the mask.
func content(object *unstructured.Unstructured) map[string]any {
	spec, _, _ := unstructured.NestedMap(object.Object, "spec")
	delete(spec, maskField)
	return spec
}

// put writes the mask on the condition that the object is as it was read.
func (c *Change) put(ctx context.Context, object *unstructured.Unstructured, plan Plan) (*unstructured.Unstructured, error) {
	if plan.Mask == nil {
		return c.remove(ctx, object)
	}
	host, err := c.kube.Client()
	if err != nil {
		return nil, err
	}
	// The version and the UID are preconditions: nothing is written over what has changed, and nothing is created.
	applied := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": object.GetAPIVersion(), "kind": object.GetKind(),
		"metadata": map[string]any{
			"name": object.GetName(), "resourceVersion": object.GetResourceVersion(), "uid": string(object.GetUID()),
		},
		"spec": map[string]any{maskField: mask(plan.Mask)},
	}}
	applied.SetNamespace(object.GetNamespace())
	err = host.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), c.DryRun.Apply(kube.FieldManager, c.Force))
	if conflicts := writing.Conflicts(err); len(conflicts) > 0 {
		return nil, writing.Refused(reference(object), conflicts)
	}
	if err != nil {
		return nil, refused(object, err)
	}
	return applied, nil
}

// remove takes the mask away. Server-side apply takes away only what the same manager has set, so that the others are
// asked after here.
func (c *Change) remove(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if owners := writing.Owners(object, kube.FieldManager, "spec", maskField); len(owners) > 0 && !c.Force {
		return nil, writing.Refused(reference(object), owners)
	}
	host, err := c.kube.Client()
	if err != nil {
		return nil, err
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": object.GetResourceVersion(), "uid": object.GetUID()},
		"spec":     map[string]any{maskField: nil},
	})
	if err != nil {
		return nil, fmt.Errorf("encode the patch: %w", err)
	}
	written := object.DeepCopy()
	if err := host.Patch(ctx, written, client.RawPatch(types.MergePatchType, patch), c.DryRun.Patch(kube.FieldManager)); err != nil {
		return nil, refused(object, err)
	}
	return written, nil
}

// refused says what was not written. What is overtaken stays as it is.
func refused(object *unstructured.Unstructured, err error) error {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return err
	}
	return fmt.Errorf("write the mask of %s: %w", reference(object), err)
}

func reference(object *unstructured.Unstructured) string {
	gvk := object.GroupVersionKind()
	return writing.Reference(gvk.Kind, gvk.Group, object.GetName())
}

// mask returns spec.placementMask.
func mask(names []string) map[string]any {
	list := make([]any, 0, len(names))
	for _, name := range names {
		list = append(list, map[string]any{"name": name})
	}
	return map[string]any{listField: list}
}

// masked returns a copy of the object with the mask.
func masked(object *unstructured.Unstructured, names []string) (*unstructured.Unstructured, error) {
	written := object.DeepCopy()
	if names == nil {
		unstructured.RemoveNestedField(written.Object, "spec", maskField)
		return written, nil
	}
	if err := unstructured.SetNestedField(written.Object, mask(names), "spec", maskField); err != nil {
		return nil, fmt.Errorf("%s: its spec cannot be read: %w", reference(object), err)
	}
	return written, nil
}

// maskOf says what the mask of an object is.
func maskOf(object *unstructured.Unstructured) string {
	content, found, err := unstructured.NestedFieldNoCopy(object.Object, "spec", maskField)
	if err != nil || !found {
		return describe(nil, false)
	}
	fields, _ := content.(map[string]any)
	list, _ := fields[listField].([]any)
	names := make([]string, 0, len(list))
	for _, item := range list {
		entry, _ := item.(map[string]any)
		name, _ := entry["name"].(string)
		names = append(names, name)
	}
	return describe(names, true)
}

// pause waits longer from attempt to attempt.
func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(time.Duration(attempt) * firstPause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errors.Join(errors.New("nothing was written"), ctx.Err())
	case <-timer.C:
		return nil
	}
}
