package enable

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/federatedtype"
)

// gather reads what a plan needs.
func (o *Options) gather(ctx context.Context) (input, error) {
	in := input{wanted: v1alpha1.Propagator(o.Propagator)}
	c, err := o.kube.Client()
	if err != nil {
		return in, err
	}
	if in.target, err = o.target(ctx, c); err != nil {
		return in, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	switch err := c.Get(ctx, client.ObjectKey{Name: in.target.CRDName()}, crd); {
	case err == nil:
		in.crd = crd
	case !apierrors.IsNotFound(err):
		return in, fmt.Errorf("read the CRD %s: %w", in.target.CRDName(), err)
	}
	configs := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := c.List(ctx, configs, client.InNamespace(o.kube.KubeFedNamespace)); err != nil {
		if meta.IsNoMatchError(err) {
			return in, fmt.Errorf("the host cluster serves no FederatedTypeConfigs: install KubeFed first: %w", err)
		}
		return in, fmt.Errorf("list the FederatedTypeConfigs in the namespace %s: %w", o.kube.KubeFedNamespace, err)
	}
	in.configs = configs.Items
	for i := range in.configs {
		if in.configs[i].Name == in.target.Name() {
			in.config = &in.configs[i]
		}
	}
	policy := &v1alpha1.FederatedTypePolicy{}
	switch err := c.Get(ctx, client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: in.target.Name()}, policy); {
	case err == nil:
		in.policy = policy
	case !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err):
		return in, fmt.Errorf("read the FederatedTypePolicy %s: %w", in.target.Name(), err)
	}
	return in, nil
}

// target finds the type among what the host cluster serves.
func (o *Options) target(ctx context.Context, c client.Client) (federatedtype.Target, error) {
	served, err := o.served()
	if err != nil {
		return federatedtype.Target{}, err
	}
	lists, err := o.lists(served)
	if exit.Code(err) == exit.Usage {
		return federatedtype.Target{}, err
	}
	if err != nil && len(lists) == 0 {
		return federatedtype.Target{}, fmt.Errorf("ask the host cluster what it serves: %w", err)
	}
	t, problem := find(lists, o.Type)
	if problem != nil {
		// An aggregated API that does not answer may be the one that serves it.
		return t, errors.Join(problem, err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	err = c.Get(ctx, client.ObjectKey{Name: t.Plural + "." + t.Group}, crd)
	switch {
	case err == nil && t.Group != "":
		for i := range crd.Spec.Versions {
			if v := &crd.Spec.Versions[i]; v.Name == t.Version && v.Schema != nil {
				t.Scalable = federatedtype.Scalable(v.Schema.OpenAPIV3Schema)
			}
		}
		return t, nil
	case client.IgnoreNotFound(err) != nil:
		return t, fmt.Errorf("see whether %s is of a CRD: %w", t.Name(), err)
	}
	list, err := served.ServerResourcesForGroupVersion(metav1.GroupVersion{Group: t.Group, Version: t.Version}.String())
	if err != nil {
		return t, fmt.Errorf("ask the host cluster what it serves of %s: %w", t.Name(), err)
	}
	t.Scalable = scales(list, t.Plural)
	return t, nil
}

// lists returns what the host cluster serves: in its preferred versions, or in the one asked for.
func (o *Options) lists(served discovery.ServerResourcesInterface) ([]*metav1.APIResourceList, error) {
	if o.Version == "" {
		return served.ServerPreferredResources()
	}
	_, all, err := served.ServerGroupsAndResources()
	var lists []*metav1.APIResourceList
	for _, list := range all {
		if list.GroupVersion == o.Version || strings.HasSuffix(list.GroupVersion, "/"+o.Version) {
			lists = append(lists, list)
		}
	}
	if err == nil && len(lists) == 0 {
		return nil, exit.Usagef("--version %q is not known: the host cluster serves nothing in it; kubectl api-versions lists those that it serves", o.Version)
	}
	return lists, err
}
