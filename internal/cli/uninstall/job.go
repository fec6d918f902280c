package uninstall

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	jobName      = "cellfed-remove-v2beta1"
	removeFlag   = "--remove-v2beta1"
	managerName  = "manager"
	jobTries     = 2
	jobComponent = "remove-v2beta1"
)

// removal returns a Job that runs the manager once, as its Deployment does, to take v2beta1 from the CRDs. Its Pod has the labels of
// the manager's, so that the Service leads API servers to the conversion that it serves. What tells whether a manager is ready
// would have nobody to ask.
func removal(deployment *appsv1.Deployment) (*batchv1.Job, error) {
	template := deployment.Spec.Template.DeepCopy()
	i := slices.IndexFunc(template.Spec.Containers, func(c corev1.Container) bool { return c.Name == managerName })
	if i < 0 && len(template.Spec.Containers) == 1 {
		i = 0
	}
	if i < 0 {
		return nil, fmt.Errorf("no container of the Deployment %q is named %q: run its program once with %s yourself, and run this again", deployment.Name, managerName, removeFlag)
	}
	container := template.Spec.Containers[i]
	container.Args = append(slices.Clone(container.Args), removeFlag)
	container.LivenessProbe, container.ReadinessProbe, container.StartupProbe, container.Lifecycle = nil, nil, nil, nil
	// A container beside it would not end.
	template.Spec.Containers = []corev1.Container{container}
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	labels := maps.Clone(deployment.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["app.kubernetes.io/component"] = jobComponent
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: deployment.Namespace, Name: jobName, Labels: labels},
		Spec: batchv1.JobSpec{
			BackoffLimit: new(int32(jobTries)),
			Template:     corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: template.Labels, Annotations: template.Annotations}, Spec: template.Spec},
		},
	}, nil
}

// removeVersion runs the Job, and looks at the CRDs afterwards.
func (o *Options) removeVersion(ctx context.Context, c client.WithWatch, name string) error {
	deployment := &appsv1.Deployment{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: name}, deployment); err != nil {
		return fmt.Errorf("read the Deployment %q: %w", name, err)
	}
	job, err := removal(deployment)
	if err != nil {
		return err
	}
	if err := o.startJob(ctx, c, job); err != nil {
		return err
	}
	logs := fmt.Sprintf("kubectl -n %s logs job/%s", job.Namespace, job.Name)
	failed := ""
	err = o.wait(ctx, "the Job "+job.Name, job.Namespace, func(ctx context.Context) (bool, string, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(job), job); err != nil {
			return false, "", fmt.Errorf("read the Job %q: %w", job.Name, err)
		}
		var ended bool
		ended, failed = outcome(job)
		return ended, fmt.Sprintf("%d active, %d failed; %s tells more", job.Status.Active, job.Status.Failed, logs), nil
	}, &batchv1.JobList{})
	if err != nil {
		return err
	}
	if failed != "" {
		return fmt.Errorf("the Job %q failed: %s: see %s", job.Name, failed, logs)
	}
	left, err := o.upgraded(ctx, c)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("these CRDs still have v2beta1: %s: see %s", strings.Join(left, ", "), logs)
	}
	return err
}

// startJob creates the Job. One of an earlier run goes on, unless it has ended.
func (o *Options) startJob(ctx context.Context, c client.WithWatch, job *batchv1.Job) error {
	former := &batchv1.Job{}
	switch err := c.Get(ctx, client.ObjectKeyFromObject(job), former); {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("read the Job %q: %w", job.Name, err)
	default:
		if ended, _ := outcome(former); !ended && former.DeletionTimestamp == nil {
			return nil
		}
		if err := client.IgnoreNotFound(c.Delete(ctx, former, client.PropagationPolicy(metav1.DeletePropagationBackground))); err != nil {
			return fmt.Errorf("delete the Job %q of an earlier run: %w", job.Name, err)
		}
		err := o.wait(ctx, "the Job of an earlier run to go", job.Namespace, func(ctx context.Context) (bool, string, error) {
			err := c.Get(ctx, client.ObjectKeyFromObject(job), &batchv1.Job{})
			return apierrors.IsNotFound(err), "it is there", client.IgnoreNotFound(err)
		}, &batchv1.JobList{})
		if err != nil {
			return err
		}
	}
	if err := c.Create(ctx, job); err != nil {
		return fmt.Errorf("create the Job %q: %w", job.Name, err)
	}
	return nil
}

// outcome reports whether a Job has ended, and why it failed if it did.
func outcome(job *batchv1.Job) (ended bool, failed string) {
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			return true, ""
		case batchv1.JobFailed:
			return true, strings.Trim(c.Reason+": "+c.Message, ": ")
		}
	}
	return false, ""
}
