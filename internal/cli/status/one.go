package status

import (
	"context"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/federated"
)

// one tells of one object.
func (o *Options) one(ctx context.Context) error {
	t, object, err := o.kube.Object(ctx, o.Args)
	if err != nil {
		return err
	}
	if !o.Watch && !o.Wait {
		m, err := o.matrix(ctx, t, object)
		if err != nil {
			return err
		}
		return o.printOne(t, &m)
	}
	watched := []kube.Watched{{List: t.List(), Options: []client.ListOption{
		client.MatchingFields{"metadata.name": object.GetName()},
	}}}
	if t.Namespaced {
		watched[0].Options = append(watched[0].Options, client.InNamespace(object.GetNamespace()))
	}
	if o.Wait {
		return o.wait(ctx, t, object, watched)
	}
	told, first := "", true
	return o.kube.Follow(ctx, watched, func(ctx context.Context) (bool, error) {
		m, err := o.look(ctx, t, object)
		if err != nil {
			return false, err
		}
		content, err := json.Marshal(m)
		if err != nil || string(content) == told {
			return false, err
		}
		o.clear(first)
		told, first = string(content), false
		return false, o.printOne(t, &m)
	})
}

// look reads the object again.
func (o *Options) look(ctx context.Context, t kube.Type, object *unstructured.Unstructured) (matrix.Matrix, error) {
	current, err := o.kube.Get(ctx, t, object.GetNamespace(), object.GetName())
	if err != nil {
		return matrix.Matrix{}, err
	}
	return o.matrix(ctx, t, current)
}

func (o *Options) matrix(ctx context.Context, t kube.Type, object *unstructured.Unstructured) (matrix.Matrix, error) {
	decoded, err := federated.Decode(object)
	if err != nil {
		return matrix.Matrix{}, err
	}
	in := matrix.Input{Type: t.Name, Kind: t.Target.GroupKind(), Propagator: t.Propagator, Object: decoded, Now: o.now()}
	if object.GetNamespace() != "" {
		in.Cells, err = o.kube.Cells(ctx, object.GetNamespace())
		switch {
		case apierrors.IsForbidden(err):
			in.Incomplete = true
		case err != nil:
			return matrix.Matrix{}, err
		}
	}
	return matrix.Of(in), nil
}
