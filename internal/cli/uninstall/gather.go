package uninstall

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	celldelete "github.com/cellfed/cellfed/internal/cli/delete"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

const (
	// leaseName is that of the managers' lease, and of the Deployment that config/default makes.
	leaseName         = "cellfed-manager"
	defaultDeployment = "cellfed-manager"

	helmRelease = "meta.helm.sh/release-name"
)

// installed are the labels of what belongs to the installation.
var installed = client.MatchingLabels{"app.kubernetes.io/name": "cellfed"}

// webhookConfigurations are what API servers ask cellfed by.
func webhookConfigurations() []client.Object {
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	return []client.Object{
		&admissionv1.MutatingWebhookConfiguration{ObjectMeta: named("cellfed-mutating")},
		&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: named("cellfed-validating")},
	}
}

func (o *Options) gather(ctx context.Context, c client.Client) (*Situation, error) {
	s := &Situation{}
	var err error
	if s.Policies, err = o.policies(ctx, c); err != nil {
		return nil, err
	}
	if s.Manager, err = o.manager(ctx, c); err != nil {
		return nil, err
	}
	if s.Manager == nil {
		if s.Leader, err = o.leader(ctx, c); err != nil {
			return nil, err
		}
	}
	for _, object := range webhookConfigurations() {
		switch err := c.Get(ctx, client.ObjectKeyFromObject(object), object); {
		case err == nil:
			s.Webhooks = append(s.Webhooks, reference(object))
		case !apierrors.IsNotFound(err):
			return nil, fmt.Errorf("look for %s: %w", reference(object), err)
		}
	}
	if s.Upgraded, err = o.upgraded(ctx, c); err != nil {
		return nil, err
	}
	if err := o.gatherObjects(ctx, s); err != nil {
		return nil, err
	}
	if o.All {
		rest, err := o.rest(ctx, c)
		if err != nil {
			return nil, err
		}
		for _, object := range rest {
			s.Rest = append(s.Rest, reference(object))
		}
	}
	return s, nil
}

// gatherObjects reads what masks hold, and what is on cells. It does so only where that matters: without the manager objects
// cannot be read in the version that they are not stored in.
func (o *Options) gatherObjects(ctx context.Context, s *Situation) error {
	cells, err := o.kube.Cells(ctx, "")
	if err != nil && !meta.IsNoMatchError(err) {
		return err
	}
	for i := range cells {
		s.Cells = append(s.Cells, Cell{Name: cells[i].Namespace + "/" + cells[i].Name})
	}
	slices.SortFunc(s.Cells, func(a, b Cell) int { return strings.Compare(a.Name, b.Name) })
	cellfeds := slices.ContainsFunc(s.Policies, Policy.cellfeds)
	if s.Manager.stopped() && s.Manager != nil || !cellfeds && (o.KeepCells || len(s.Cells) == 0) {
		return nil
	}
	fleet, err := o.kube.Fleet(ctx, "")
	if err != nil {
		return err
	}
	if note := fleet.Note(); note != "" {
		return fmt.Errorf("%s, so that nobody can tell what would be lost: run this as somebody who may read them", note)
	}
	for _, t := range fleet.Objects {
		back := slices.ContainsFunc(s.Policies, func(p Policy) bool { return p.Name == t.Name && p.cellfeds() })
		for i := range t.Items {
			if object, err := federated.Decode(&t.Items[i]); back && err == nil && object.HoldsBack() {
				s.Held = append(s.Held, t.Name+"/"+object.Name+" in "+object.Namespace)
			}
		}
	}
	for i := range s.Cells {
		namespace, name, _ := strings.Cut(s.Cells[i].Name, "/")
		s.Cells[i].Placed = celldelete.Placed(fleet, namespace, name)
	}
	return nil
}

func (o *Options) policies(ctx context.Context, c client.Client) ([]Policy, error) {
	list := &v1alpha1.FederatedTypePolicyList{}
	err := c.List(ctx, list, client.InNamespace(o.kube.KubeFedNamespace))
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the FederatedTypePolicies: %w", err)
	}
	var policies []Policy
	for i := range list.Items {
		policies = append(policies, policyOf(&list.Items[i]))
	}
	slices.SortFunc(policies, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	return policies, nil
}

func policyOf(p *v1alpha1.FederatedTypePolicy) Policy {
	policy := Policy{
		Name: p.Name, Wanted: p.WantedPropagator(), Propagator: p.Status.Propagator, Storage: p.Status.StorageVersion,
		Current: p.Status.ObservedGeneration == p.Generation, State: "the manager has not reported on it yet",
	}
	if c := meta.FindStatusCondition(p.Status.Conditions, string(v1alpha1.ConditionPropagating)); c != nil && policy.Current {
		policy.State = c.Reason
		if c.Message != "" {
			policy.State += ": " + c.Message
		}
	}
	if policy.Current && policy.Propagator == v1alpha1.PropagatorKubeFed && policy.Storage != federated.V1Beta1 {
		policy.State = "KubeFed has the type, and its objects are being stored in v1beta1"
	}
	return policy
}

// deployment returns the manager's, or nil.
func (o *Options) deployment(ctx context.Context, c client.Client) (*appsv1.Deployment, error) {
	name := o.Deployment
	if name == "" {
		list := &appsv1.DeploymentList{}
		labels := client.MatchingLabels{"app.kubernetes.io/component": "manager"}
		if err := c.List(ctx, list, client.InNamespace(o.kube.KubeFedNamespace), installed, labels); err != nil {
			return nil, fmt.Errorf("look for the manager's Deployment: %w", err)
		}
		switch len(list.Items) {
		case 0:
			name = defaultDeployment
		case 1:
			return &list.Items[0], nil
		default:
			return nil, exit.Usagef("the namespace %q has several managers: choose one with --deployment", o.kube.KubeFedNamespace)
		}
	}
	deployment := &appsv1.Deployment{}
	err := c.Get(ctx, client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: name}, deployment)
	if apierrors.IsNotFound(err) && o.Deployment == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the Deployment %q: %w", name, err)
	}
	return deployment, nil
}

func (o *Options) manager(ctx context.Context, c client.Client) (*Manager, error) {
	deployment, err := o.deployment(ctx, c)
	if deployment == nil || err != nil {
		return nil, err
	}
	m := &Manager{Name: deployment.Name, Namespace: deployment.Namespace, Wanted: 1, Release: deployment.Annotations[helmRelease]}
	if deployment.Spec.Replicas != nil {
		m.Wanted = *deployment.Spec.Replicas
	}
	m.Pods, err = o.pods(ctx, c, deployment)
	return m, err
}

// pods returns how many of the Deployment's there are, those that end included: they go on to write until they have.
func (o *Options) pods(ctx context.Context, c client.Client, deployment *appsv1.Deployment) (int, error) {
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil {
		return 0, fmt.Errorf("read the selector of the Deployment %q: %w", deployment.Name, err)
	}
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods, client.InNamespace(deployment.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return 0, fmt.Errorf("list the manager's Pods: %w", err)
	}
	n := 0
	for i := range pods.Items {
		owner := metav1.GetControllerOf(&pods.Items[i])
		ended := pods.Items[i].Status.Phase == corev1.PodSucceeded || pods.Items[i].Status.Phase == corev1.PodFailed
		// The Job's own Pod has the same labels.
		if !ended && (owner == nil || owner.Kind != "Job") {
			n++
		}
	}
	return max(n, int(deployment.Status.Replicas)), nil
}

// leader returns who holds the managers' lease.
func (o *Options) leader(ctx context.Context, c client.Client) (string, error) {
	lease := &coordinationv1.Lease{}
	err := c.Get(ctx, client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: leaseName}, lease)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the Lease %q: %w", leaseName, err)
	}
	spec := lease.Spec
	if spec.HolderIdentity == nil || spec.RenewTime == nil || spec.LeaseDurationSeconds == nil ||
		o.now().After(spec.RenewTime.Add(time.Duration(*spec.LeaseDurationSeconds)*time.Second)) {
		return "", nil
	}
	return *spec.HolderIdentity, nil
}

// upgraded returns the CRDs that have v2beta1 on behalf of a FederatedTypeConfig of the KubeFed namespace.
func (o *Options) upgraded(ctx context.Context, c client.Client) ([]string, error) {
	crds := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := c.List(ctx, crds); err != nil {
		return nil, fmt.Errorf("list the CRDs: %w", err)
	}
	var names []string
	for i := range crds.Items {
		crd := &crds.Items[i]
		has := slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == federated.V2Beta1 })
		if has && strings.HasPrefix(federatedcrd.Owner(crd), o.kube.KubeFedNamespace+"/") {
			names = append(names, crd.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func reference(object client.Object) string {
	gvk := kube.WithKind(object).GetObjectKind().GroupVersionKind()
	return strings.ToLower(gvk.Kind) + "/" + object.GetName()
}
