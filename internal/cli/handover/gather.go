package handover

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/validation"
)

const (
	// leaseName is what KubeFed's leader lease is called, whatever kind of object holds it, and leaderAnnotation holds the
	// record in one that is no Lease.
	leaseName        = "kubefed-controller-manager"
	leaderAnnotation = "control-plane.alpha.kubernetes.io/leader"
)

// gather reads what a preflight goes by.
func (o *Options) gather(ctx context.Context) (facts, error) {
	f := facts{to: v1alpha1.Propagator(o.To), now: o.now(), others: map[v1alpha1.Propagator][]string{}}
	c, err := o.kube.Client()
	if err != nil {
		return f, err
	}
	types, err := o.kube.Types(ctx)
	if err != nil {
		return f, err
	}
	t, err := o.kube.Type(ctx, o.Type)
	if err != nil {
		return f, err
	}
	for _, other := range types {
		if other.Name != t.Name && other.Propagator != "" {
			f.others[other.Propagator] = append(f.others[other.Propagator], other.Name)
		}
	}
	key := client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: t.Name}
	f.config = &kubefedv1beta1.FederatedTypeConfig{}
	if err := c.Get(ctx, key, f.config); err != nil {
		return f, fmt.Errorf("read the FederatedTypeConfig %s: %w", t.Name, err)
	}
	if f.policy, err = optional(ctx, c, key, &v1alpha1.FederatedTypePolicy{}); err != nil {
		return f, err
	}
	crd := client.ObjectKey{Name: t.GroupResource().String()}
	if f.crd, err = optional(ctx, c, crd, &apiextensionsv1.CustomResourceDefinition{}); err != nil {
		return f, err
	}
	if err := f.look(ctx, o.kube, c, t); err != nil {
		return f, err
	}
	return f, f.clusters(ctx, c, o.kube.KubeFedNamespace)
}

// optional reads an object that need not be there.
func optional[T client.Object](ctx context.Context, c client.Reader, key client.ObjectKey, object T) (T, error) {
	var none T
	switch err := c.Get(ctx, key, object); {
	case err == nil:
		return object, nil
	case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
		return none, nil
	default:
		return none, fmt.Errorf("read the %T %s: %w", object, key.Name, err)
	}
}

// look looks at every object.
func (f *facts) look(ctx context.Context, k *kube.Kube, c client.Client, t kube.Type) error {
	objects, err := k.Objects(ctx, t, "")
	if err != nil {
		return err
	}
	var policy *render.Policy
	if f.policy != nil {
		// What is wrong with it is reported on it; the rest of it holds.
		policy, _ = render.CompilePolicy(f.policy.Spec.PropagatingAnnotations, f.policy.Spec.Retain)
	}
	rules, err := f.rules(ctx, c, t, policy)
	if err != nil {
		return err
	}
	dropped := map[string]bool{}
	f.objects = len(objects)
	for i := range objects {
		u := &objects[i]
		object, err := federated.Decode(u)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(object.Namespace+"/"+object.Name, "/")
		if object.Deleting {
			f.deleting++
		}
		switch errs := rules(u); {
		case object.HoldsBack():
			f.held = append(f.held, name)
		case len(errs) > 0:
			f.unfit = append(f.unfit, name+" ("+errs[0].Error()+")")
		}
		if keys := annotations(u, policy); len(keys) > 0 {
			f.droppedIn++
			for _, key := range keys {
				dropped[key] = true
			}
		}
	}
	slices.Sort(f.held)
	slices.Sort(f.unfit)
	f.dropped = slices.Sorted(maps.Keys(dropped))
	return nil
}

// rules returns what tells why an object must not be given to KubeFed, as far as that can be told by the object and its
// Namespace: which clusters are whose cellfed's manager finds out when it hands the type back.
func (f *facts) rules(ctx context.Context, c client.Client, t kube.Type, policy *render.Policy) (func(*unstructured.Unstructured) field.ErrorList, error) {
	if f.to != v1alpha1.PropagatorKubeFed {
		return func(*unstructured.Unstructured) field.ErrorList { return nil }, nil
	}
	namespaces := &corev1.NamespaceList{}
	if err := c.List(ctx, namespaces); err != nil {
		return nil, fmt.Errorf("list the Namespaces: %w", err)
	}
	labels := make(map[string]map[string]string, len(namespaces.Items))
	for i := range namespaces.Items {
		labels[namespaces.Items[i].Name] = namespaces.Items[i].Labels
	}
	judged := &validation.Type{
		Name: t.Name, Target: render.Target{Kind: t.Target, Namespaced: t.Namespaced && t.Name != namespacesType}, Namespaced: t.Namespaced,
		Propagator: v1alpha1.PropagatorCellfed, Annotations: policy,
	}
	return func(u *unstructured.Unstructured) field.ErrorList {
		owners, known := labels[u.GetNamespace()]
		return validation.HandBack(u, validation.Facts{Type: judged, NamespaceLabels: owners, NamespaceKnown: known || u.GetNamespace() == ""})
	}, nil
}

// annotations returns those of the template that the policy does not propagate.
func annotations(u *unstructured.Unstructured, policy *render.Policy) []string {
	values, _, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "template", "metadata", "annotations")
	all, _ := values.(map[string]any)
	var keys []string
	for key := range all {
		if !policy.Propagates(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// clusters looks at the members, and at whether KubeFed runs.
func (f *facts) clusters(ctx context.Context, c client.Client, namespace string) error {
	clusters := &kubefedv1beta1.KubeFedClusterList{}
	if err := c.List(ctx, clusters, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list the KubeFedClusters in the namespace %s: %w", namespace, err)
	}
	for i := range clusters.Items {
		if cluster := &clusters.Items[i]; !ready(cluster) {
			f.lagging = append(f.lagging, cluster.Name)
		}
	}
	slices.Sort(f.lagging)
	key := client.ObjectKey{Namespace: namespace, Name: leaseName}
	lease, err := optional(ctx, c, key, &coordinationv1.Lease{})
	if err != nil {
		return err
	}
	if lease != nil {
		f.leases = true
		if lease.Spec.RenewTime != nil {
			f.renewed = lease.Spec.RenewTime.Time
		}
	}
	for _, kind := range []string{"ConfigMap", "Endpoints"} {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
		if object, err = optional(ctx, c, key, object); err != nil {
			return err
		}
		if object == nil {
			continue
		}
		var record struct {
			RenewTime time.Time `json:"renewTime"`
		}
		// What cannot be read was not renewed.
		_ = json.Unmarshal([]byte(object.Annotations[leaderAnnotation]), &record)
		f.leases = true
		if record.RenewTime.After(f.renewed) {
			f.renewed = record.RenewTime
		}
	}
	return nil
}

func ready(cluster *kubefedv1beta1.KubeFedCluster) bool {
	is := false
	for _, c := range cluster.Status.Conditions {
		switch c.Type {
		case common.ClusterReady:
			is = is || c.Status == corev1.ConditionTrue
		case common.ClusterOffline:
			if c.Status == corev1.ConditionTrue {
				return false
			}
		}
	}
	return is
}
