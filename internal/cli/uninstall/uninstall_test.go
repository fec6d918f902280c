package uninstall

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

const kubefed = "kube-federation-system"

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: kubefed, Name: name} }

func deployment() *appsv1.Deployment {
	labels := map[string]string{"app.kubernetes.io/name": "cellfed", "app.kubernetes.io/component": "manager"}
	d := &appsv1.Deployment{ObjectMeta: named("cellfed-manager")}
	d.Labels = labels
	d.Spec.Replicas, d.Spec.Selector = new(int32(2)), &metav1.LabelSelector{MatchLabels: labels}
	probe := &corev1.Probe{}
	d.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
		ServiceAccountName: "cellfed-manager",
		Containers: []corev1.Container{
			{Name: "sidecar"},
			{Name: "manager", Image: "cellfed:v1", Args: []string{"--leader-elect"}, LivenessProbe: probe, ReadinessProbe: probe, Lifecycle: &corev1.Lifecycle{}},
		},
	}}
	return d
}

func TestRemoval(t *testing.T) {
	job, err := removal(deployment())
	if err != nil {
		t.Fatal(err)
	}
	want := corev1.PodSpec{
		ServiceAccountName: "cellfed-manager", RestartPolicy: corev1.RestartPolicyNever,
		Containers: []corev1.Container{{Name: "manager", Image: "cellfed:v1", Args: []string{"--leader-elect", "--remove-v2beta1"}}},
	}
	if diff := cmp.Diff(want, job.Spec.Template.Spec); diff != "" {
		t.Errorf("the Job's Pod: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(deployment().Spec.Template.Labels, job.Spec.Template.Labels); diff != "" {
		t.Errorf("the Service does not lead to the Job: -want +got:\n%s", diff)
	}
}

// controllers do at once what the host's controllers would: they report on a policy, a Deployment, and a Job.
func controllers(fail bool) interceptor.Funcs {
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			err := c.Get(ctx, key, object, opts...)
			if job, ok := object.(*batchv1.Job); ok && err == nil {
				kind := batchv1.JobComplete
				if fail {
					kind = batchv1.JobFailed
				}
				job.Status.Conditions = []batchv1.JobCondition{{Type: kind, Status: corev1.ConditionTrue, Message: "it did not"}}
				if !fail {
					crd := &apiextensionsv1.CustomResourceDefinition{}
					if err := c.Get(ctx, client.ObjectKey{Name: upgraded[0]}, crd); err != nil {
						return err
					}
					crd.Spec.Versions = crd.Spec.Versions[:1]
					return c.Update(ctx, crd)
				}
			}
			return err
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			err := c.List(ctx, list, opts...)
			if policies, ok := list.(*v1alpha1.FederatedTypePolicyList); ok {
				for i := range policies.Items {
					p := &policies.Items[i]
					p.Status.Propagator, p.Status.StorageVersion = p.Spec.Propagator, map[v1alpha1.Propagator]string{"KubeFed": "v1beta1", "Cellfed": "v2beta1"}[p.Spec.Propagator]
				}
			}
			return err
		},
	}
}

func installation() []client.Object {
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{
		Name: upgraded[0], Annotations: map[string]string{"cellfed.io/topologies": kubefed + "/configmaps"},
	}}
	crd.Spec.Versions = []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1beta1"}, {Name: "v2beta1"}}
	return []client.Object{
		deployment(), crd, kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap"), kubetest.Policy("configmaps", v1alpha1.PropagatorCellfed),
		&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "cellfed-validating"}},
		&v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}, Spec: v1alpha1.CellSpec{ClusterName: "hz-a"}},
	}
}

func run(t *testing.T, host *kubetest.Host, args ...string) (string, error) {
	t.Helper()
	cmd := newCommand(&Options{kube: host.Kube, now: time.Now})
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	host.Stdout.Reset()
	err := cmd.ExecuteContext(t.Context())
	return host.Stdout.String(), err
}

func TestUninstall(t *testing.T) {
	host := kubetest.New(t, "default", controllers(false), installation()...)
	const plan = `1. hand the types back to KubeFed: configmaps
2. delete the FederatedTypePolicies: configmaps
3. 1 cell kept, and read as not ready from now on (nothing to do)
4. stop the manager: scale its Deployment to 0
5. delete validatingwebhookconfiguration/cellfed-validating, which refuses what nobody answers for
6. take v2beta1 and the conversion from 1 CRD, by a Job of the manager's image
`
	got, err := run(t, host, "--keep-cells", "--dry-run")
	if diff := cmp.Diff(plan, got); diff != "" || err != nil {
		t.Fatalf("%v: -want +got:\n%s", err, diff)
	}
	if _, err := run(t, host, "--keep-cells"); exit.Code(err) != exit.Usage {
		t.Fatalf("nobody was asked, and it says %v", err)
	}
	got, err = run(t, host, "--keep-cells", "--yes")
	want := plan + `Step 1 of 6: hand the types back to KubeFed: configmaps
Step 2 of 6: delete the FederatedTypePolicies: configmaps
Step 4 of 6: stop the manager: scale its Deployment to 0
Step 5 of 6: delete validatingwebhookconfiguration/cellfed-validating, which refuses what nobody answers for
Step 6 of 6: take v2beta1 and the conversion from 1 CRD, by a Job of the manager's image
What is left is the Deployment with its rights and Services: run this again with --all, or delete what kubectl get all,role,rolebinding,serviceaccount -n kube-federation-system -l app.kubernetes.io/name=cellfed names.
The CRD cells.cellfed.io stays with the cells: without a manager nobody lets go of them. Do not delete it, and do not run kubectl delete -k, which would wait for ever.
Every member has what it had; KubeFed propagates every federated type.
`
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("%v: -want +got:\n%s", err, diff)
	}
	if err := host.Fake.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: "rz00a"}, &v1alpha1.Cell{}); err != nil {
		t.Errorf("the cell was not kept: %v", err)
	}
	got, err = run(t, host, "--keep-cells", "--all", "--yes")
	if err != nil || !strings.Contains(got, "Step 7 of 7: delete the rest: job/cellfed-remove-v2beta1, deployment/cellfed-manager") {
		t.Errorf("%v: %s", err, got)
	}
}

func TestUninstallFails(t *testing.T) {
	host := kubetest.New(t, "default", controllers(true), installation()...)
	_, err := run(t, host, "--keep-cells", "--yes")
	if err == nil || !strings.Contains(err.Error(), "kubectl -n kube-federation-system logs job/cellfed-remove-v2beta1") || !strings.Contains(err.Error(), "run this again") {
		t.Errorf("a Job that fails is told as %v", err)
	}
}
