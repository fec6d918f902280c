package version

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

// deployment returns a Deployment of one ready replica of those that it is to have.
func deployment(name, namespace, image string, labels map[string]string, replicas *int32) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
	d.Spec.Replicas = replicas
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "proxy", Image: "proxy:1"}, {Name: "manager", Image: image}}
	d.Status.ReadyReplicas = 1
	return d
}

func TestVersion(t *testing.T) {
	const kubefed = "kube-federation-system"
	labels := map[string]string{"app.kubernetes.io/name": "cellfed", "app.kubernetes.io/component": "manager"}
	manager := deployment("cellfed-manager", kubefed, "registry.example/cellfed:v1", labels, new(int32(2)))
	only := "Client:  v1.2.3 (" + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")\n"
	const none = "Manager: not known: there is no manager in the namespace kube-federation-system: name another with --kubefed-namespace\n"
	cases := map[string]struct {
		reason  string
		objects []client.Object
		fails   error
		args    []string
		out     string
		stderr  string
		code    int
	}{
		"Both": {
			reason: "the manager is found by its labels", objects: []client.Object{manager},
			out: only + "Manager: registry.example/cellfed:v1 (kube-federation-system/cellfed-manager, 1 of 2 ready)\n",
		},
		"Default": {
			reason: "without a number there is one replica", objects: []client.Object{deployment("cellfed-manager", kubefed, "cellfed:v1", labels, nil)},
			out: only + "Manager: cellfed:v1 (kube-federation-system/cellfed-manager, 1 of 1 ready)\n",
		},
		"ByImage": {
			reason: "it may be called otherwise", objects: []client.Object{deployment("topology", kubefed, "example/cellfed:v1", map[string]string{"app.kubernetes.io/component": "manager"}, nil)},
			out: only + "Manager: example/cellfed:v1 (kube-federation-system/topology, 1 of 1 ready)\n",
		},
		"Others": {
			reason:  "another program's manager is none, nor is one of another namespace",
			objects: []client.Object{deployment("other", kubefed, "other:v1", map[string]string{"app.kubernetes.io/component": "manager"}, nil), deployment("cellfed-manager", "elsewhere", "cellfed:v1", labels, nil)},
			out:     only + none,
		},
		"Client":    {reason: "the host cluster is not asked", fails: errors.New("asked"), args: []string{"--client"}, out: only},
		"Forbidden": {reason: "a tenant may not read it", fails: apierrors.NewForbidden(schema.GroupResource{}, "", nil), out: only + "Manager: not known: you may not read Deployments in the namespace kube-federation-system\n"},
		"Down":      {reason: "why is told", fails: errors.New("no route"), out: only + "Manager: not known: list the Deployments in the namespace kube-federation-system: no route\n"},
		"YAML": {
			reason: "for programs", objects: []client.Object{manager}, args: []string{"-o", "yaml"},
			out: "client:\n  go: " + runtime.Version() + "\n  platform: " + runtime.GOOS + "/" + runtime.GOARCH + "\n  version: v1.2.3\nmanager:\n" +
				"  deployment: cellfed-manager\n  image: registry.example/cellfed:v1\n  namespace: kube-federation-system\n  readyReplicas: 1\n  replicas: 2\n",
		},
		"JSONWithout": {
			reason: "what is not known is left out, and told beside", args: []string{"-o", "json"},
			out:    "{\n    \"client\": {\n        \"version\": \"v1.2.3\",\n        \"go\": \"" + runtime.Version() + "\",\n        \"platform\": \"" + runtime.GOOS + "/" + runtime.GOARCH + "\"\n    }\n}\n",
			stderr: "note: there is no manager in the namespace kube-federation-system: name another with --kubefed-namespace\n",
		},
		"Output": {reason: "there is no table", args: []string{"-o", "wide"}, code: exit.Usage},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := kubetest.New(t, "acme", interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
					if tc.fails != nil {
						return tc.fails
					}
					return c.List(ctx, list, opts...)
				},
			}, tc.objects...)
			cmd := New("v1.2.3")(h.Kube)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(tc.args)
			err := cmd.ExecuteContext(t.Context())
			if exit.Code(err) != tc.code || err != nil && !strings.Contains(err.Error(), "use text, json or yaml") {
				t.Errorf("%s: it says %v", tc.reason, err)
			}
			if diff := cmp.Diff([]string{tc.out, tc.stderr}, []string{h.Stdout.String(), h.Stderr.String()}); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
