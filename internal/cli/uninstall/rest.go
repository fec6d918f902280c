package uninstall

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/options"
)

// kinds are what an installation consists of, what depends on others first.
var kinds = []struct {
	list       client.ObjectList
	namespaced bool
}{
	{&batchv1.JobList{}, true}, {&appsv1.DeploymentList{}, true}, {&policyv1.PodDisruptionBudgetList{}, true}, {&networkingv1.NetworkPolicyList{}, true},
	{&corev1.ServiceList{}, true}, {&rbacv1.RoleBindingList{}, true}, {&rbacv1.RoleList{}, true}, {&rbacv1.ClusterRoleBindingList{}, false},
	{&rbacv1.ClusterRoleList{}, false}, {&corev1.ServiceAccountList{}, true},
}

// rest returns what is left of the installation: what has its labels in the KubeFed namespace or in none, the manager's lease and
// certificates, and the CRDs once nothing of them is left or will be.
func (o *Options) rest(ctx context.Context, c client.Client) ([]client.Object, error) {
	var objects []client.Object
	for _, kind := range kinds {
		list := reflect.New(reflect.TypeOf(kind.list).Elem()).Interface().(client.ObjectList)
		options := []client.ListOption{installed}
		if kind.namespaced {
			options = append(options, client.InNamespace(o.kube.KubeFedNamespace))
		}
		if err := c.List(ctx, list, options...); err != nil {
			return nil, fmt.Errorf("look for what is left: %w", err)
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			objects = append(objects, item.(client.Object))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for what is left: %w", err)
		}
	}
	named := metav1.ObjectMeta{Namespace: o.kube.KubeFedNamespace}
	single := []client.Object{&coordinationv1.Lease{ObjectMeta: named}, &corev1.Secret{ObjectMeta: named}}
	single[0].SetName(leaseName)
	single[1].SetName(options.DefaultCertificates().Secret)
	for _, name := range []string{"cells.cellfed.io", "federatedtypepolicies.cellfed.io"} {
		// Kept cells keep their CRD.
		if name != "cells.cellfed.io" || !o.KeepCells {
			single = append(single, &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
	}
	for _, object := range single {
		switch err := c.Get(ctx, client.ObjectKeyFromObject(object), object); {
		case err == nil:
			objects = append(objects, object)
		case !apierrors.IsNotFound(err):
			return nil, fmt.Errorf("look for %s: %w", reference(object), err)
		}
	}
	return objects, nil
}

// deleteRest deletes what is left. Cells and policies that somebody made meanwhile keep their CRD, and are told of.
func (o *Options) deleteRest(ctx context.Context, c client.Client) error {
	objects, err := o.rest(ctx, c)
	if err != nil {
		return err
	}
	policies, err := o.policies(ctx, c)
	if err != nil {
		return err
	}
	cells, err := o.kube.Cells(ctx, "")
	if err != nil && !meta.IsNoMatchError(err) {
		return err
	}
	if len(policies) > 0 || len(cells) > 0 && !o.KeepCells {
		return errors.New("somebody has made a cell or a FederatedTypePolicy meanwhile, which would go with its CRD")
	}
	for _, object := range objects {
		err := c.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete %s: %w", reference(object), err)
		}
	}
	return nil
}
