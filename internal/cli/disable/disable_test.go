package disable

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

const pay = "{apiVersion: types.kubefed.io/v1beta1, kind: FederatedDeployment, metadata: {name: pay, namespace: acme}}"

type result struct {
	Out, Err string
	Code     int
}

func run(t *testing.T, h *kubetest.Host, args ...string) result {
	t.Helper()
	cmd := New(h.Kube)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	message := ""
	if err != nil {
		message = "error: " + exit.Message(err) + "\n"
	}
	return result{h.Stdout.String(), h.Stderr.String() + message, exit.Code(err)}
}

// config returns the FederatedTypeConfig of Deployments, as KubeFed runs it.
func config() *kubefedv1beta1.FederatedTypeConfig {
	c := kubetest.TypeConfig("deployments", "apps", "v1", "Deployment")
	c.Finalizers, c.Status.PropagationController = []string{upstreamFinalizer}, kubefedv1beta1.ControllerStatusRunning
	return c
}

// upstream reports that it has stopped when it is told to, and lets a FederatedTypeConfig go.
var upstream = interceptor.Funcs{
	Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
		if err := c.Patch(ctx, object, patch, opts...); err != nil {
			return err
		}
		now := object.(*kubefedv1beta1.FederatedTypeConfig)
		now.Status.PropagationController, now.Status.ObservedGeneration, now.Finalizers = kubefedv1beta1.ControllerStatusNotRunning, now.Generation, nil
		return c.Update(ctx, now)
	},
}

func TestRun(t *testing.T) {
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "federateddeployments.types.kubefed.io"}}
	const told = "KubeFed stops propagating deployments.apps\n"
	const kept = "nothing is deleted in any member: what was propagated stays there\n"
	cases := map[string]struct {
		reason  string
		objects []client.Object
		funcs   interceptor.Funcs
		args    []string
		want    result
		gone    bool
	}{
		"All": {
			reason: "in the safe order", objects: []client.Object{config(), crd, kubetest.Policy("deployments.apps", v1alpha1.PropagatorKubeFed)}, funcs: upstream,
			args: []string{"deploy", "--delete-crd", "--yes"}, gone: true,
			want: result{
				Out: "federatedtypeconfig.core.kubefed.io/deployments.apps disabled\ncustomresourcedefinition.apiextensions.k8s.io/federateddeployments.types.kubefed.io deleted\n" +
					"federatedtypepolicy.cellfed.io/deployments.apps deleted\nfederatedtypeconfig.core.kubefed.io/deployments.apps deleted\n",
				Err: told + "the CRD federateddeployments.types.kubefed.io, the FederatedTypeConfig deployments.apps and its FederatedTypePolicy are deleted\n" + kept,
			},
		},
		"Kept": {
			reason: "what is there stays", objects: []client.Object{config(), crd, kubetest.FromYAML(t, pay)}, funcs: upstream, args: []string{"deploy", "--keep-objects", "--yes"}, gone: true,
			want: result{
				Out: "federatedtypeconfig.core.kubefed.io/deployments.apps disabled\nfederatedtypeconfig.core.kubefed.io/deployments.apps deleted\n",
				Err: told + "the FederatedTypeConfig deployments.apps is deleted\n" + kept + "1 federated object (acme/pay) stays in the host cluster and does nothing; one that is deleted goes only when the type is enabled again\n",
			},
		},
		"DryRun": {
			reason: "nothing is changed", objects: []client.Object{config(), crd}, args: []string{"deployments.apps", "--dry-run"},
			want: result{
				Out: "federatedtypeconfig.core.kubefed.io/deployments.apps disabled (dry run)\nfederatedtypeconfig.core.kubefed.io/deployments.apps deleted (dry run)\n",
				Err: told + "the FederatedTypeConfig deployments.apps is deleted\n" + kept,
			},
		},
		"NeverSeen": {
			reason: "KubeFed has nothing to report of what it has never seen", objects: []client.Object{kubetest.TypeConfig("deployments", "apps", "v1", "Deployment")},
			args: []string{"deployments.apps", "--yes"}, gone: true,
			want: result{
				Out: "federatedtypeconfig.core.kubefed.io/deployments.apps disabled\nfederatedtypeconfig.core.kubefed.io/deployments.apps deleted\n",
				Err: told + "the FederatedTypeConfig deployments.apps is deleted\n" + kept,
			},
		},
		"Down": {
			reason: "KubeFed does not report", objects: []client.Object{config()}, args: []string{"deployments.apps", "--yes", "--timeout", "300ms"},
			want: result{
				Out: "federatedtypeconfig.core.kubefed.io/deployments.apps disabled\n",
				Err: told + "the FederatedTypeConfig deployments.apps is deleted\n" + kept + "KubeFed has not reported yet that it stopped propagating deployments.apps\n" +
					"error: deployments.apps is disabled, and nothing was deleted within 300ms: KubeFed has not reported yet that it stopped propagating deployments.apps: see that KubeFed runs, and run this again\n",
				Code: exit.NotSo,
			},
		},
		"Objects": {
			reason: "they would be nobody's", objects: []client.Object{config(), kubetest.FromYAML(t, pay)}, args: []string{"deploy", "--yes"},
			want: result{Err: "error: objects of the type exist, such as acme/pay, and nobody would propagate or remove them any more: delete them first, with what they put into the members, or give --keep-objects to leave everything where it is\n", Code: exit.Failure},
		},
		"ObjectsOfCRD": {
			reason: "they would go with it", objects: []client.Object{config(), kubetest.FromYAML(t, pay)}, args: []string{"deploy", "--yes", "--delete-crd"},
			want: result{Err: "error: objects of the type exist, such as acme/pay: delete them first, with what they put into the members, or leave --delete-crd out\n", Code: exit.Failure},
		},
		"Both": {
			reason: "one takes what the other keeps", objects: []client.Object{config()}, args: []string{"deploy", "--keep-objects", "--delete-crd"},
			want: result{Err: "error: --keep-objects and --delete-crd exclude one another: with the CRD its objects go\n", Code: exit.Usage},
		},
		"Cellfed": {
			reason: "it is handed back first", objects: []client.Object{config(), kubetest.Policy("deployments.apps", v1alpha1.PropagatorCellfed)}, args: []string{"deploy", "--yes"},
			want: result{Err: "error: cellfed propagates deployments.apps: hand it back first with: kubectl cells handover deployments.apps --to KubeFed\n", Code: exit.Failure},
		},
		"Namespaces": {
			reason: "others need it", objects: []client.Object{config(), kubetest.TypeConfig("namespaces", "", "v1", "Namespace")}, args: []string{"namespaces", "--yes"},
			want: result{Err: "error: without namespaces nothing that is in a namespace is propagated: disable deployments.apps first\n", Code: exit.Failure},
		},
		"NobodyToAsk": {
			reason: "a script has to agree", objects: []client.Object{config()}, args: []string{"deploy"},
			want: result{Err: told + "the FederatedTypeConfig deployments.apps is deleted\n" + kept +
				"error: nobody can be asked here: give --yes if what is told above is to be done, or --dry-run to be told it alone\n", Code: exit.Usage},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := kubetest.New(t, "acme", tc.funcs, tc.objects...)
			if diff := cmp.Diff(tc.want, run(t, h, tc.args...)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			err := h.Fake.Get(t.Context(), client.ObjectKeyFromObject(tc.objects[0]), &kubefedv1beta1.FederatedTypeConfig{})
			if apierrors.IsNotFound(err) != tc.gone {
				t.Errorf("%s: the FederatedTypeConfig: %v", tc.reason, err)
			}
		})
	}
}

// TestRace: what somebody does while KubeFed stops is not overlooked.
func TestRace(t *testing.T) {
	for reason, made := range map[string]func() client.Object{
		"an object that is made is not left alone":       func() client.Object { return kubetest.FromYAML(t, pay) },
		"a type that is handed over is cellfed's to end": func() client.Object { return kubetest.Policy("deployments.apps", v1alpha1.PropagatorCellfed) },
	} {
		t.Run(reason, func(t *testing.T) {
			funcs := interceptor.Funcs{
				Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
					if err := c.Create(ctx, made()); err != nil {
						return err
					}
					return upstream.Patch(ctx, c, object, patch, opts...)
				},
			}
			h := kubetest.New(t, "acme", funcs, config())
			if got := run(t, h, "deploy", "--yes"); got.Code != exit.Failure {
				t.Errorf("%s: got %+v", reason, got)
			}
			if err := h.Fake.Get(t.Context(), client.ObjectKeyFromObject(config()), &kubefedv1beta1.FederatedTypeConfig{}); err != nil {
				t.Errorf("%s: the FederatedTypeConfig: %v", reason, err)
			}
		})
	}
}
