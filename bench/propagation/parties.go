package main

import (
	"context"
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

// fieldManager is who the floor applies as.
const fieldManager = "bench"

// upstream is upstream's controller manager, with cellfed's façade where cells are served by it.
func (b *bed) upstream() *propagator {
	return &propagator{
		processes: func() []*framework.Process {
			all := []*framework.Process{b.KubeFed.Process()}
			if b.Cellfed != nil {
				all = append(all, b.Cellfed.Process())
			}
			return all
		},
		wrote: func(w framework.Write) bool {
			return strings.HasPrefix(w.Agent, "hyperfed") || w.User == framework.ManagerUser
		},
	}
}

// cellfed is cellfed's manager, which serves the conversions too.
func (b *bed) cellfed() *propagator {
	return &propagator{
		processes: func() []*framework.Process { return []*framework.Process{b.Cellfed.Process()} },
		wrote:     func(w framework.Write) bool { return w.User == framework.ManagerUser },
	}
}

// templatePatch is a client's update of a template.
func templatePatch(kind, name, revision string) (client.Patch, error) {
	data, err := json.Marshal(map[string]any{"spec": map[string]any{"template": template(kind, name, revision)}})
	return client.RawPatch(types.MergePatchType, data), err
}

// floor turns a workload into the floor's, in the floor's namespaces and the kind that nobody watches.
func (b *bed) floor(w workload, spots []spot) *runner {
	w.host.group, w.host.version, w.namespace, w.prefix = twinGroup, v1beta1, floorNamespace, "floor-"+w.prefix
	w.cells, w.spots = false, func(int) []spot { return spots }
	r := &runner{b: b, w: w}
	r.direct = func(ctx context.Context, v verb, i int, revision string, s spot) error {
		if v == deleted {
			return s.cluster.Client.Delete(ctx, w.memberObject(i, revision, s))
		}
		config := client.ApplyConfigurationFromUnstructured(w.memberObject(i, revision, s))
		return s.cluster.Client.Apply(ctx, config, client.FieldOwner(fieldManager), client.ForceOwnership)
	}
	return r
}

// plainly lets the floor create and update by POST and PUT.
func (r *runner) plainly() *runner {
	w := r.w
	w.prefix += "-plain"
	return &runner{b: r.b, w: w, direct: func(ctx context.Context, v verb, i int, revision string, s spot) error {
		object := w.memberObject(i, revision, s)
		switch v {
		case created:
			return s.cluster.Client.Create(ctx, object)
		case updated:
			return s.cluster.Client.Update(ctx, object)
		default:
			return s.cluster.Client.Delete(ctx, object)
		}
	}}
}

// alone lets the floor write the members only.
func (r *runner) alone() *runner {
	return &runner{b: r.b, w: r.w, direct: r.direct, withoutHost: true}
}
