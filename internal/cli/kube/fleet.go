package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// atOnce is how many types are listed at a time.
const atOnce = 8

// Fleet is all that is federated in a namespace, or in all of them.
type Fleet struct {
	// Cells are the cells; CellsHidden says that they may not be read.
	Cells       []v1alpha1.Cell
	CellsHidden bool
	// Objects are the federated objects by type, sorted by the type's name.
	Objects []TypeObjects
	// Hidden names the types whose objects may not be read.
	Hidden []string
}

// TypeObjects are the objects of a type.
type TypeObjects struct {
	Type
	Items []unstructured.Unstructured
}

// Fleet reads all that is federated in a namespace, or in all where it is empty; of the objects those that the options leave.
// What the user may not read is left out and named.
func (k *Kube) Fleet(ctx context.Context, namespace string, objects ...client.ListOption) (*Fleet, error) {
	types, err := k.Types(ctx)
	if err != nil {
		return nil, err
	}
	fleet := &Fleet{Objects: make([]TypeObjects, len(types))}
	hidden := make([]bool, len(types))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	group.Go(func() error {
		var err error
		fleet.Cells, err = k.Cells(ctx, namespace)
		if apierrors.IsForbidden(err) {
			fleet.CellsHidden = true
			return nil
		}
		return err
	})
	for i, t := range types {
		fleet.Objects[i].Type = t
		// In a namespace there is nothing of a type that has none.
		if namespace != "" && !t.Namespaced {
			continue
		}
		group.Go(func() error {
			var err error
			fleet.Objects[i].Items, err = k.Objects(ctx, t, namespace, objects...)
			if apierrors.IsForbidden(err) {
				hidden[i] = true
				return nil
			}
			// The type has gone since it was asked for.
			if apierrors.IsNotFound(err) || noMatch(err) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, t := range types {
		if hidden[i] {
			fleet.Hidden = append(fleet.Hidden, t.Resource.Resource)
		}
	}
	return fleet, nil
}

// Note returns a sentence that says what is left out, or nothing.
func (f *Fleet) Note() string {
	hidden := slices.Clone(f.Hidden)
	if f.CellsHidden {
		hidden = append([]string{"cells"}, hidden...)
	}
	if len(hidden) == 0 {
		return ""
	}
	return fmt.Sprintf("you may not read %s here: they are left out", strings.Join(hidden, ", "))
}

// Watched returns what to follow to be told of every change of a fleet.
func (k *Kube) Watched(fleet *Fleet, namespace string) []Watched {
	var watched []Watched
	if !fleet.CellsHidden {
		watched = append(watched, Watched{List: &v1alpha1.CellList{}, Options: []client.ListOption{client.InNamespace(namespace)}})
	}
	for _, t := range fleet.Objects {
		if slices.Contains(fleet.Hidden, t.Resource.Resource) || namespace != "" && !t.Namespaced {
			continue
		}
		w := Watched{List: t.List()}
		if t.Namespaced {
			w.Options = []client.ListOption{client.InNamespace(namespace)}
		}
		watched = append(watched, w)
	}
	return watched
}
