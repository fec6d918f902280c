package join

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

const kubefed = "kube-federation-system"

func namespace(name, uid string) *corev1.Namespace {
	n := &corev1.Namespace{}
	n.Name, n.UID = name, types.UID(uid)
	return n
}

// filled answers for the member's token controller.
var filled = interceptor.Funcs{
	Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
		err := c.Get(ctx, key, object, opts...)
		if secret, ok := object.(*corev1.Secret); ok && err == nil {
			secret.Data = map[string][]byte{"token": []byte("t")}
		}
		return err
	},
}

// world is a host and a member in memory.
type world struct {
	host, member *kubetest.Host
}

func newWorld(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) world {
	objects = append(objects, namespace(kubefed, "host"), kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap"))
	return world{
		host:   kubetest.New(t, "default", interceptor.Funcs{}, objects...),
		member: kubetest.New(t, "default", funcs, namespace("kube-system", "member")),
	}
}

func (w world) run(ctx context.Context, t *testing.T, args ...string) (string, error) {
	t.Helper()
	o := &Options{kube: w.host.Kube}
	o.Member.SetClient(w.member.Fake, &rest.Config{Host: "https://10.0.0.1:6443", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("ca")}})
	cmd := newCommand(o)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	w.host.Stdout.Reset()
	err := cmd.ExecuteContext(ctx)
	return w.host.Stdout.String(), err
}

func TestJoin(t *testing.T) {
	w := newWorld(t, filled)
	const made = `namespace/kube-federation-system created in the member
serviceaccount/cellfed-hz-a created in the member
clusterrole.rbac.authorization.k8s.io/cellfed:kube-federation-system:hz-a created in the member
clusterrolebinding.rbac.authorization.k8s.io/cellfed:kube-federation-system:hz-a created in the member
secret/cellfed-hz-a-token created in the member
secret/hz-a-e3b98a4d created
kubefedcluster.core.kubefed.io/hz-a joined at https://10.0.0.1:6443, for workspace group "pay" of tenant "acme"
`
	steps := []struct {
		reason string
		args   []string
		before func(*testing.T)
		want   string
	}{
		{reason: "nothing is written", args: []string{"hz-a", "--dry-run=client"}, want: `serviceaccount/cellfed-hz-a to be applied in the member (dry run)
clusterrole.rbac.authorization.k8s.io/cellfed:kube-federation-system:hz-a to be applied in the member (dry run)
clusterrolebinding.rbac.authorization.k8s.io/cellfed:kube-federation-system:hz-a to be applied in the member (dry run)
secret/cellfed-hz-a-token to be applied in the member (dry run)
kubefedcluster.core.kubefed.io/hz-a to be created (dry run)
`},
		{reason: "all is made", args: []string{"hz-a", "--tenant", "acme", "--workspace-group", "pay", "--wait=false"}, want: made},
		{reason: "and nothing twice", args: []string{"hz-a", "--wait=false"}, want: `serviceaccount/cellfed-hz-a unchanged in the member
clusterrole.rbac.authorization.k8s.io/cellfed:kube-federation-system:hz-a unchanged in the member
clusterrolebinding.rbac.authorization.k8s.io/cellfed:kube-federation-system:hz-a unchanged in the member
secret/cellfed-hz-a-token unchanged in the member
kubefedcluster.core.kubefed.io/hz-a unchanged
`},
		{
			reason: "a type that is federated since, and another owner", args: []string{"hz-a", "--shared", "--wait=false"},
			before: func(t *testing.T) {
				if err := w.host.Fake.Create(t.Context(), kubetest.TypeConfig("deployments", "apps", "v1", "Deployment")); err != nil {
					t.Fatal(err)
				}
			},
			want: `serviceaccount/cellfed-hz-a unchanged in the member
clusterrole.rbac.authorization.k8s.io/cellfed:kube-federation-system:hz-a configured, which adds deployments.apps in the member
clusterrolebinding.rbac.authorization.k8s.io/cellfed:kube-federation-system:hz-a unchanged in the member
secret/cellfed-hz-a-token unchanged in the member
kubefedcluster.core.kubefed.io/hz-a joined at https://10.0.0.1:6443, for every tenant
`,
		},
	}
	for _, step := range steps {
		if step.before != nil {
			step.before(t)
		}
		got, err := w.run(t.Context(), t, step.args...)
		if err != nil {
			t.Fatalf("%s: %v", step.reason, err)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", step.reason, diff)
		}
	}
	cluster := &kubefedv1beta1.KubeFedCluster{}
	if err := w.host.Fake.Get(t.Context(), client.ObjectKey{Namespace: kubefed, Name: "hz-a"}, cluster); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"cellfed.io/shared": "true"}, cluster.Labels); diff != "" {
		t.Errorf("the owner's labels: -want +got:\n%s", diff)
	}
	secret := &corev1.Secret{}
	if err := w.host.Fake.Get(t.Context(), client.ObjectKey{Namespace: kubefed, Name: cluster.Spec.SecretRef.Name}, secret); err != nil || string(secret.Data["token"]) != "t" {
		t.Errorf("the KubeFedCluster names no Secret with the token: %v, %v", secret.Data, err)
	}
}

func TestJoinRefuses(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Group: rbacv1.GroupName, Resource: "clusterroles"}, "cellfed:kube-federation-system:hz-a", nil)
	escalation := interceptor.Funcs{Apply: func(ctx context.Context, c client.WithWatch, a runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		if kind, ok := a.(interface{ GetKind() *string }); ok && kind.GetKind() != nil && *kind.GetKind() == "ClusterRole" {
			return forbidden
		}
		if u, ok := a.(interface{ GetKind() string }); ok && u.GetKind() == "ClusterRole" {
			return forbidden
		}
		return c.Apply(ctx, a, opts...)
	}}
	foreign := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: "cellfed-hz-a"}}
	cases := map[string]struct {
		reason string
		funcs  interceptor.Funcs
		member client.Object
		args   []string
		want   string
		code   int
	}{
		"Escalation": {reason: "who grants rights must hold them", funcs: escalation, args: []string{"hz-a"}, want: "kubectl cells join hz-a --dry-run=client -o yaml", code: exit.Failure},
		"Foreign":    {reason: "somebody else's account is left alone", member: foreign, args: []string{"hz-a"}, want: "was not made by kubectl cells", code: exit.Failure},
		"Both":       {reason: "a member is one tenant's or everybody's", args: []string{"hz-a", "--shared", "--tenant", "acme"}, want: "--shared", code: exit.Usage},
		"Group":      {reason: "a workspace group is a tenant's", args: []string{"hz-a", "--workspace-group", "pay"}, want: "--tenant", code: exit.Usage},
		"Reserved":   {reason: "labels of cellfed's are set by flags", args: []string{"hz-a", "--labels", "cellfed.io/tenant=acme"}, want: "use --tenant", code: exit.Usage},
		"Name":       {reason: "no name", args: []string{"HZ_A"}, want: "HZ_A", code: exit.Usage},
		"Endpoint":   {reason: "no URL", args: []string{"hz-a", "--endpoint", "10.0.0.1"}, want: "https://10.1.2.3:6443", code: exit.Usage},
		"Output":     {reason: "manifests are printed, not written", args: []string{"hz-a", "-o", "yaml"}, want: "--dry-run=client", code: exit.Usage},
		"NotReady":   {reason: "KubeFed does not answer", funcs: filled, args: []string{"hz-a", "--timeout", "1ms"}, want: "KubeFed has not reported on it yet", code: exit.NotSo},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.funcs)
			if tc.member != nil {
				if err := w.member.Fake.Create(t.Context(), tc.member); err != nil {
					t.Fatal(err)
				}
			}
			out, err := w.run(t.Context(), t, tc.args...)
			if err == nil || !strings.Contains(err.Error(), tc.want) || exit.Code(err) != tc.code {
				t.Errorf("%s: it says %v (code %d), want %q (%d); it wrote:\n%s", tc.reason, err, exit.Code(err), tc.want, tc.code, out)
			}
		})
	}
}

func TestManifests(t *testing.T) {
	w := newWorld(t, interceptor.Funcs{})
	out, err := w.run(t.Context(), t, "hz-a", "--dry-run=client", "-o", "yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kind: Namespace", "kind: ServiceAccount", "kind: ClusterRole\n", "kind: ClusterRoleBinding", "type: kubernetes.io/service-account-token"} {
		if !strings.Contains(out, want) {
			t.Errorf("the manifests lack %q:\n%s", want, out)
		}
	}
}
