package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

const kubefed = "kube-federation-system"

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: kubefed, Name: name} }

func leaseOf(name string, age time.Duration) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: named(name), Spec: coordinationv1.LeaseSpec{
		HolderIdentity: new("vm_1"), LeaseDurationSeconds: new(int32(15)), RenewTime: &metav1.MicroTime{Time: now.Add(-age)},
	}}
}

func crdNamed(name string) *apiextensionsv1.CustomResourceDefinition {
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}}
	crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue}}
	return crd
}

func configured() *kubefedv1beta1.KubeFedConfig {
	d, n := &metav1.Duration{Duration: time.Second}, new(int64(1))
	config := &kubefedv1beta1.KubeFedConfig{ObjectMeta: named("kubefed")}
	config.Spec = kubefedv1beta1.KubeFedConfigSpec{
		Scope: "Cluster", FeatureGates: []kubefedv1beta1.FeatureGatesConfig{{}},
		ControllerDuration: &kubefedv1beta1.DurationConfig{AvailableDelay: d, UnavailableDelay: d, CacheSyncTimeout: d},
		LeaderElect:        &kubefedv1beta1.LeaderElectConfig{LeaseDuration: d, RenewDeadline: d, RetryPeriod: d, ResourceLock: new(kubefedv1beta1.ConfigMapsResourceLock)},
		ClusterHealthCheck: &kubefedv1beta1.ClusterHealthCheckConfig{Period: d, FailureThreshold: n, SuccessThreshold: n, Timeout: d},
		SyncController:     &kubefedv1beta1.SyncControllerConfig{AdoptResources: new(kubefedv1beta1.AdoptResourcesEnabled)},
	}
	return config
}

func memberNamed(name string, ready corev1.ConditionStatus, labels map[string]string) *kubefedv1beta1.KubeFedCluster {
	c := &kubefedv1beta1.KubeFedCluster{ObjectMeta: named(name)}
	c.Labels = labels
	c.Status.Conditions = []kubefedv1beta1.ClusterCondition{{Type: "Ready", Status: ready, Reason: new("ClusterNotReachable")}}
	return c
}

// well is an installation to which nothing is wrong.
func well() []client.Object {
	manager := &appsv1.Deployment{ObjectMeta: named("cellfed-manager")}
	manager.Labels = map[string]string{"app.kubernetes.io/name": "cellfed", "app.kubernetes.io/component": "manager"}
	manager.Spec.Template.Spec.Containers = []corev1.Container{{Image: "cellfed:v1"}}
	manager.Status.AvailableReplicas, manager.Status.UpdatedReplicas = 1, 1
	federated := kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap")
	federated.Status.PropagationController = kubefedv1beta1.ControllerStatusRunning
	crd := crdNamed("federatedconfigmaps.types.kubefed.io")
	crd.Annotations = map[string]string{"cellfed.io/topologies": kubefed + "/configmaps"}
	crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.WebhookConverter}
	crd.Spec.Versions = []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1beta1", Served: true}, {Name: "v2beta1", Served: true}}
	crd.Status.Conditions = append(crd.Status.Conditions, apiextensionsv1.CustomResourceDefinitionCondition{
		Type: apiextensionsv1.CustomResourceDefinitionConditionType(v1alpha1.ConditionTopologies), Status: apiextensionsv1.ConditionTrue, Reason: "Served",
	})
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: kubefed}}, configured(), leaseOf("kubefed-controller-manager", time.Second),
		leaseOf("cellfed-manager", time.Second), manager, federated, crd, memberNamed("hz-a", corev1.ConditionTrue, map[string]string{v1alpha1.SharedLabel: "true"}),
		&admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: mutatingName}},
		&admissionv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: validatingName},
			Webhooks:   []admissionv1.ValidatingWebhook{{Name: "cell", ClientConfig: admissionv1.WebhookClientConfig{CABundle: []byte("ca")}}},
		},
	}
	for _, name := range []string{
		"kubefedclusters.core.kubefed.io", "kubefedconfigs.core.kubefed.io", "federatedtypeconfigs.core.kubefed.io", "propagatedversions.core.kubefed.io",
		"clusterpropagatedversions.core.kubefed.io", "cells.cellfed.io", "federatedtypepolicies.cellfed.io",
	} {
		objects = append(objects, crdNamed(name))
	}
	return objects
}

// answers are what the API server says to what is tried out.
func answers(trial error) interceptor.Funcs {
	return interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.CreateOption) error {
		if review, ok := object.(*authorizationv1.SelfSubjectAccessReview); ok {
			review.Status.Allowed = true
			return nil
		}
		return trial
	}}
}

var errDenied = errors.New(`admission webhook "cell.validating.cellfed.io" denied the request: it is the KubeFedCluster of this very cell`)

func TestDoctor(t *testing.T) {
	without := func(name string) func([]client.Object) []client.Object {
		return func(objects []client.Object) []client.Object {
			var left []client.Object
			for _, o := range objects {
				if o.GetName() != name {
					left = append(left, o)
				}
			}
			return left
		}
	}
	with := func(more ...client.Object) func([]client.Object) []client.Object {
		return func(objects []client.Object) []client.Object {
			for _, o := range more {
				objects = without(o.GetName())(objects)
			}
			return append(objects, more...)
		}
	}
	partial := configured()
	partial.Spec.LeaderElect = nil
	cases := map[string]struct {
		reason string
		change func([]client.Object) []client.Object
		trial  error
		want   []string
		code   int
	}{
		"Well":        {reason: "nothing is wrong", trial: errDenied, want: []string{"certificates SKIP"}},
		"NoKubeFed":   {reason: "there is no KubeFed", change: without(kubefed), trial: errDenied, want: []string{"kubefed-namespace FAIL", "certificates SKIP"}, code: exit.NotSo},
		"Partial":     {reason: "KubeFed ends where a part is missing", change: with(partial), trial: errDenied, want: []string{"kubefed-config FAIL", "certificates SKIP"}, code: exit.NotSo},
		"Stale":       {reason: "KubeFed's controller manager is down", change: with(leaseOf("kubefed-controller-manager", time.Hour)), trial: errDenied, want: []string{"kubefed-controller FAIL", "certificates SKIP"}, code: exit.NotSo},
		"Leaderless":  {reason: "no manager leads, and there is no Deployment of it", change: with(leaseOf("cellfed-manager", time.Hour)), trial: errDenied, want: []string{"manager WARN", "manager-lease FAIL", "certificates SKIP"}, code: exit.NotSo},
		"NoWebhooks":  {reason: "nobody is asked", change: without(validatingName), want: []string{"certificates SKIP", "webhooks FAIL", "admission-cells FAIL", "admission-objects FAIL"}, code: exit.NotSo},
		"NoAnswer":    {reason: "the manager does not answer", trial: errors.New(`failed calling webhook "cell.validating.cellfed.io"`), want: []string{"certificates SKIP", "admission-cells FAIL", "admission-objects FAIL"}, code: exit.NotSo},
		"NoRight":     {reason: "who may not try it out is told so", trial: apierrors.NewForbidden(schema.GroupResource{Group: "cellfed.io", Resource: "cells"}, "", nil), want: []string{"certificates SKIP", "admission-cells SKIP", "admission-objects SKIP"}},
		"Unreachable": {reason: "a member is not reached", change: with(memberNamed("hz-a", corev1.ConditionFalse, map[string]string{v1alpha1.SharedLabel: "true"})), trial: errDenied, want: []string{"certificates SKIP", "members FAIL"}, code: exit.NotSo},
		"Homeless": {
			reason: "a tenant that no cluster serves", trial: errDenied, want: []string{"certificates SKIP", "tenants WARN"},
			change: with(memberNamed("hz-a", corev1.ConditionTrue, nil), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme", Labels: map[string]string{v1alpha1.TenantLabel: "acme"}}}),
		},
		"Cell":   {reason: "a cell that is not ready", change: with(&v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}}), trial: errDenied, want: []string{"certificates SKIP", "cells FAIL"}, code: exit.NotSo},
		"Policy": {reason: "a type that nobody propagates", change: with(&v1alpha1.FederatedTypePolicy{ObjectMeta: named("configmaps.x")}), trial: errDenied, want: []string{"certificates SKIP", "policies FAIL"}, code: exit.NotSo},
		"Secret": {reason: "a Secret without a certificate", change: with(&corev1.Secret{ObjectMeta: named("cellfed-self-managed-cert")}), trial: errDenied, want: []string{"certificates FAIL"}, code: exit.NotSo},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			objects := well()
			if tc.change != nil {
				objects = tc.change(objects)
			}
			out, err := diagnose(t, kubetest.New(t, "default", answers(tc.trial), objects...), "--no-headers")
			var got []string
			for line := range strings.Lines(out) {
				if fields := strings.Fields(line); fields[1] != "OK" {
					got = append(got, fields[0]+" "+fields[1])
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || exit.Code(err) != tc.code {
				t.Errorf("%s: %v: -want +got:\n%s\n%s", tc.reason, err, diff, out)
			}
		})
	}
}

func diagnose(t *testing.T, host *kubetest.Host, args ...string) (string, error) {
	t.Helper()
	cmd := newCommand(&Options{kube: host.Kube, now: func() time.Time { return now }, version: func() (string, error) { return "v1.37.2", nil }})
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return host.Stdout.String(), err
}

func TestJSON(t *testing.T) {
	out, err := diagnose(t, kubetest.New(t, "default", answers(errDenied), well()...), "-o", "json")
	const first = `{
    "checks": [
        {
            "name": "host",
            "result": "OK",
            "message": "the host cluster answers, Kubernetes v1.37.2"
        },
`
	if err != nil || !strings.HasPrefix(out, first) || !strings.HasSuffix(out, "    \"failed\": 0\n}\n") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestDeadline: a check that hangs holds up no other.
func TestDeadline(t *testing.T) {
	hanging := check{"hangs", func(ctx context.Context, _ *probe) (Verdict, error) {
		<-ctx.Done()
		return Verdict{}, ctx.Err()
	}}
	quick := check{"quick", func(context.Context, *probe) (Verdict, error) { return verdictf(OK, "", "it is"), nil }}
	rows := run(t.Context(), []check{hanging, quick}, nil, time.Millisecond)
	if rows[0].Result != Fail || rows[0].Name != "hangs" || rows[1].Result != OK {
		t.Errorf("%+v", rows)
	}
}
