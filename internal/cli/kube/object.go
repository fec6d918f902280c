package kube

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
)

// pageSize is how many objects are asked for at a time.
const pageSize = 500

// SplitObject splits the arguments that name an object, TYPE/NAME or TYPE NAME.
func SplitObject(args []string) (typeName, name string, err error) {
	switch len(args) {
	case 1:
		var ok bool
		if typeName, name, ok = strings.Cut(args[0], "/"); !ok {
			return "", "", exit.Usagef("%q names no object: write TYPE/NAME, such as deployment/%s", args[0], args[0])
		}
	case 2:
		typeName, name = args[0], args[1]
	default:
		return "", "", exit.Usagef("%d arguments do not name an object: write TYPE/NAME or TYPE NAME", len(args))
	}
	if typeName == "" || name == "" || strings.Contains(name, "/") {
		return "", "", exit.Usagef("%q names no object: write TYPE/NAME, such as deployment/pay", strings.Join(args, " "))
	}
	return typeName, name, nil
}

// Object returns the federated object that the arguments name, "TYPE/NAME" or "TYPE" "NAME", in the namespace that was
// chosen, in v2beta1 where it is served.
func (k *Kube) Object(ctx context.Context, args []string) (Type, *unstructured.Unstructured, error) {
	typeName, name, err := SplitObject(args)
	if err != nil {
		return Type{}, nil, err
	}
	t, err := k.Type(ctx, typeName)
	if err != nil {
		return Type{}, nil, err
	}
	namespace := ""
	if t.Namespaced {
		if namespace, _, err = k.Namespace(); err != nil {
			return Type{}, nil, err
		}
	}
	object, err := k.Get(ctx, t, namespace, name)
	return t, object, err
}

// Get returns a federated object.
func (k *Kube) Get(ctx context.Context, t Type, namespace, name string) (*unstructured.Unstructured, error) {
	c, err := k.Client()
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(t.Federated)
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	if apierrors.IsNotFound(err) {
		where := ""
		if t.Namespaced {
			where = fmt.Sprintf(" in the namespace %q: choose another with -n", namespace)
		}
		return nil, fmt.Errorf("%s %q not found%s", t.GroupResource(), name, where)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", t.GroupResource(), name, err)
	}
	return object, nil
}

// Objects returns all federated objects of a type in a namespace, or in all where it is empty, page by page.
func (k *Kube) Objects(ctx context.Context, t Type, namespace string, opts ...client.ListOption) ([]unstructured.Unstructured, error) {
	c, err := k.Client()
	if err != nil {
		return nil, err
	}
	var objects []unstructured.Unstructured
	for next := ""; ; {
		list := t.List()
		options := append([]client.ListOption{client.Limit(pageSize), client.Continue(next)}, opts...)
		if t.Namespaced {
			options = append(options, client.InNamespace(namespace))
		}
		if err := c.List(ctx, list, options...); err != nil {
			return nil, fmt.Errorf("list %s: %w", t.GroupResource(), err)
		}
		objects = append(objects, list.Items...)
		if next = list.GetContinue(); next == "" {
			return objects, nil
		}
	}
}

// List returns an empty list of the type's objects, to be filled or watched.
func (t Type) List() *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{
		Group: t.Federated.Group, Version: t.Federated.Version, Kind: t.Federated.Kind + "List",
	})
	return list
}

// Cell returns a cell.
func (k *Kube) Cell(ctx context.Context, namespace, name string) (*v1alpha1.Cell, error) {
	c, err := k.Client()
	if err != nil {
		return nil, err
	}
	cell := &v1alpha1.Cell{}
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, cell)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("cell %q not found in the namespace %q: choose another namespace with -n; kubectl cells get lists cells", name, namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("read the cell %q: %w", name, err)
	}
	return cell, nil
}

// Cells returns the cells of a namespace, or of all where it is empty, by namespace and name.
func (k *Kube) Cells(ctx context.Context, namespace string, opts ...client.ListOption) ([]v1alpha1.Cell, error) {
	c, err := k.Client()
	if err != nil {
		return nil, err
	}
	list := &v1alpha1.CellList{}
	if err := c.List(ctx, list, append([]client.ListOption{client.InNamespace(namespace)}, opts...)...); err != nil {
		if noMatch(err) {
			return nil, fmt.Errorf("the host cluster serves no Cells: is cellfed installed in it? %w", err)
		}
		return nil, fmt.Errorf("list Cells: %w", err)
	}
	return list.Items, nil
}
