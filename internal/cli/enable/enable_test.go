package enable

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

// all are the verbs of a resource that can be federated.
var all = metav1.Verbs(needed)

// serving is a host cluster that serves a few types.
type serving struct {
	discovery.ServerResourcesInterface
}

var lists = []*metav1.APIResourceList{
	{GroupVersion: "v1", APIResources: []metav1.APIResource{
		{Name: "events", SingularName: "event", Kind: "Event", Namespaced: true, Verbs: all},
		{Name: "namespaces", SingularName: "namespace", Kind: "Namespace", ShortNames: []string{"ns"}, Verbs: all},
		{Name: "bindings", Kind: "Binding", Namespaced: true, Verbs: metav1.Verbs{"create"}},
	}},
	{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{
		{Name: "deployments", SingularName: "deployment", Kind: "Deployment", ShortNames: []string{"deploy"}, Namespaced: true, Verbs: all},
		{Name: "deployments/scale", Kind: "Scale", Namespaced: true},
	}},
	{GroupVersion: "events.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "events", Kind: "Event", Namespaced: true, Verbs: all}}},
	{GroupVersion: "a.example.com/v1", APIResources: []metav1.APIResource{{Name: "widgets", Kind: "Widget", Namespaced: true, Verbs: all}}},
	{GroupVersion: "b.example.com/v1", APIResources: []metav1.APIResource{{Name: "widgets", Kind: "Widget", Namespaced: true, Verbs: all}}},
	{GroupVersion: "types.kubefed.io/v1beta1", APIResources: []metav1.APIResource{{Name: "federatedsecrets", Kind: "FederatedSecret", Namespaced: true, Verbs: all}}},
}

func (serving) ServerPreferredResources() ([]*metav1.APIResourceList, error) { return lists, nil }

func (serving) ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	return nil, lists, nil
}

func (serving) ServerResourcesForGroupVersion(groupVersion string) (*metav1.APIResourceList, error) {
	for _, list := range lists {
		if list.GroupVersion == groupVersion {
			return list, nil
		}
	}
	return nil, nil
}

type result struct {
	Out, Err string
	Code     int
}

func run(t *testing.T, h *kubetest.Host, args ...string) result {
	t.Helper()
	cmd := newCommand(&Options{kube: h.Kube, served: func() (discovery.ServerResourcesInterface, error) { return serving{}, nil }})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	message := ""
	if err != nil {
		message = "error: " + exit.Message(err) + "\n"
	}
	return result{h.Stdout.String(), h.Stderr.String() + message, exit.Code(err)}
}

// manager has a CRD established and served in v2beta1 at once, as the host cluster and cellfed do.
var manager = interceptor.Funcs{
	Create: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.CreateOption) error {
		if err := c.Create(ctx, object, opts...); err != nil {
			return err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if object.GetObjectKind().GroupVersionKind().Kind != "CustomResourceDefinition" {
			return nil
		}
		if err := c.Get(ctx, client.ObjectKeyFromObject(object), crd); err != nil {
			return err
		}
		crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{
			{Type: apiextensionsv1.Established, Status: "True"},
			{Type: apiextensionsv1.CustomResourceDefinitionConditionType(v1alpha1.ConditionTopologies), Status: "True"},
		}
		return c.Status().Update(ctx, crd)
	},
}

func federatedCRD(change func(*apiextensionsv1.CustomResourceDefinition)) *apiextensionsv1.CustomResourceDefinition {
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "federateddeployments.types.kubefed.io"}}
	crd.Spec.Names.Kind, crd.Spec.Scope = "FederatedDeployment", apiextensionsv1.NamespaceScoped
	crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: "True"}}
	if change != nil {
		change(crd)
	}
	return crd
}

func TestRun(t *testing.T) {
	namespaces := kubetest.TypeConfig("namespaces", "", "v1", "Namespace")
	enabled := kubetest.TypeConfig("deployments", "apps", "v1", "Deployment")
	disabled := enabled.DeepCopy()
	disabled.Spec.Propagation = kubefedv1beta1.PropagationDisabled
	const crd = "customresourcedefinition.apiextensions.k8s.io/federateddeployments.types.kubefed.io "
	const config = "federatedtypeconfig.core.kubefed.io/deployments.apps "
	cases := map[string]struct {
		reason  string
		objects []client.Object
		args    []string
		want    result
	}{
		"New":    {reason: "both are made", objects: []client.Object{namespaces}, args: []string{"deploy", "--timeout", "10s"}, want: result{Out: crd + "created\n" + config + "created\n"}},
		"DryRun": {reason: "none is made", objects: []client.Object{namespaces}, args: []string{"deployments.apps", "--dry-run"}, want: result{Out: crd + "created (dry run)\n" + config + "created (dry run)\n"}},
		"Again":  {reason: "what is there stays", objects: []client.Object{namespaces, enabled, federatedCRD(nil)}, args: []string{"Deployment", "--wait=false"}, want: result{Out: crd + "unchanged\n" + config + "unchanged\n"}},
		"Disabled": {
			reason: "what was disabled is enabled", objects: []client.Object{namespaces, disabled, federatedCRD(nil)}, args: []string{"deploy", "--wait=false"},
			want: result{Out: crd + "unchanged\n" + config + "enabled again\n"},
		},
		"Policy": {
			reason: "cellfed's from the beginning", objects: []client.Object{namespaces}, args: []string{"deploy", "--propagator", "Cellfed", "--wait=false"},
			want: result{
				Out: crd + "created\n" + config + "created\nfederatedtypepolicy.cellfed.io/deployments.apps applied: Cellfed is to propagate the type\n",
				Err: "note: cellfed takes deployments.apps over in a moment: kubectl -n kube-federation-system get federatedtypepolicies deployments.apps tells when it propagates the type\n",
			},
		},
		"Namespaces": {
			reason: "nothing goes without", args: []string{"deploy", "--wait=false"},
			want: result{Out: crd + "created\n" + config + "created\n", Err: "note: no FederatedTypeConfig federates Namespaces, without which nothing that is in one is propagated: kubectl cells enable namespaces\n"},
		},
		"NoManager": {
			reason: "nobody adds v2beta1", objects: []client.Object{namespaces, enabled, federatedCRD(nil)}, args: []string{"deploy", "--timeout", "300ms"},
			want: result{
				Out: crd + "unchanged\n" + config + "unchanged\n",
				Err: "waiting until cellfed's manager adds v2beta1 to the CRD federateddeployments.types.kubefed.io\n" +
					"error: deployments.apps is enabled, and cannot be used within 300ms: waiting until cellfed's manager adds v2beta1 to the CRD federateddeployments.types.kubefed.io: does it run?\n", Code: exit.NotSo,
			},
		},
		"Handover": {
			reason: "a propagator is changed with a preflight", objects: []client.Object{namespaces, enabled, federatedCRD(nil)}, args: []string{"deploy", "--propagator", "Cellfed"},
			want: result{Err: "error: deployments.apps is enabled already, and to be propagated by KubeFed: hand it over with: kubectl cells handover deployments.apps --to Cellfed\n", Code: exit.Failure},
		},
		"OtherScope": {
			reason: "a CRD of the name is somebody else's", objects: []client.Object{federatedCRD(func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Scope = apiextensionsv1.ClusterScoped })}, args: []string{"deploy"},
			want: result{Err: "error: the CRD federateddeployments.types.kubefed.io is there, and is of Cluster FederatedDeployment and not of Namespaced FederatedDeployment: delete it, if nobody needs it\n", Code: exit.Failure},
		},
		"OtherGroup": {
			reason: "two types of one name have one CRD", objects: []client.Object{kubetest.TypeConfig("widgets", "a.example.com", "v1", "Widget")}, args: []string{"widgets.b.example.com"},
			want: result{Err: "error: the FederatedTypeConfig widgets.a.example.com has the CRD federatedwidgets.types.kubefed.io already, for another type of the same name, and cellfed knows no other group than types.kubefed.io: one of the two can be federated\n", Code: exit.Failure},
		},
		"Unknown": {
			reason: "the host cluster does not serve it", args: []string{"gadgets"},
			want: result{Err: "error: the host cluster serves no type \"gadgets\": kubectl api-resources lists those that it serves; a type of a CRD has to be installed in the host cluster, and in the members as well\n", Code: exit.Usage},
		},
		"Two":        {reason: "a group tells them apart", args: []string{"widget"}, want: result{Err: "error: \"widget\" names more than one type: give one of widgets.a.example.com, widgets.b.example.com\n", Code: exit.Usage}},
		"Own":        {reason: "what federates is not federated", args: []string{"federatedsecrets"}, want: result{Err: "error: federatedsecrets.types.kubefed.io federates others and cannot be federated itself: name the type that is to go to the members\n", Code: exit.Usage}},
		"Verbs":      {reason: "there is nothing to keep in sync", args: []string{"bindings"}, want: result{Err: "error: bindings cannot be federated: the host cluster serves it without delete, get, list, patch, update and watch\n", Code: exit.Usage}},
		"Propagator": {reason: "there are two", args: []string{"deploy", "--propagator", "nobody"}, want: result{Err: "error: --propagator \"nobody\" is not known: use Cellfed or KubeFed\n", Code: exit.Usage}},
		"Version":    {reason: "nothing has it", args: []string{"deploy", "--version", "v9"}, want: result{Err: "error: --version \"v9\" is not known: the host cluster serves nothing in it; kubectl api-versions lists those that it serves\n", Code: exit.Usage}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := kubetest.New(t, "acme", manager, tc.objects...)
			if diff := cmp.Diff(tc.want, run(t, h, tc.args...)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestTakenOver: who waits for cellfed to propagate the type is told that it does, and who wants an object is not.
func TestTakenOver(t *testing.T) {
	const propagates = "federatedtypepolicy.cellfed.io/deployments.apps: Cellfed propagates the type\n"
	for output, told := range map[string]bool{"": true, "name": false} {
		funcs := manager
		funcs.Apply = func(ctx context.Context, c client.WithWatch, applied runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if err := c.Apply(ctx, applied, opts...); err != nil {
				return err
			}
			policy := kubetest.Policy("deployments.apps", v1alpha1.PropagatorCellfed)
			if err := c.Get(ctx, client.ObjectKeyFromObject(policy), policy); err != nil {
				return err
			}
			policy.Status.Propagator = v1alpha1.PropagatorCellfed
			policy.Status.Conditions = []metav1.Condition{{Type: "Propagating", Status: "True"}}
			return c.Update(ctx, policy)
		}
		h := kubetest.New(t, "acme", funcs, kubetest.TypeConfig("namespaces", "", "v1", "Namespace"))
		got := run(t, h, "deploy", "--propagator", "Cellfed", "--timeout", "10s", "-o", output)
		if got.Code != 0 || strings.HasSuffix(got.Out, propagates) != told || got.Err != "" {
			t.Errorf("-o %q: got %+v", output, got)
		}
	}
}

// TestCoreFirst: a type of Kubernetes' core can be named in no other way than by its plural.
func TestCoreFirst(t *testing.T) {
	got, err := find(lists, "events")
	if err != nil || got.Name() != "events" {
		t.Errorf("got %q, %v", got.Name(), err)
	}
}

// TestWritten: what is made is as KubeFed's tool makes it, and KubeFed does not begin with what is to be cellfed's.
func TestWritten(t *testing.T) {
	h := kubetest.New(t, "acme", manager, kubetest.TypeConfig("namespaces", "", "v1", "Namespace"))
	if got := run(t, h, "deploy", "--propagator", "Cellfed", "--wait=false"); got.Code != 0 {
		t.Fatal(got.Err)
	}
	config := &kubefedv1beta1.FederatedTypeConfig{}
	if err := h.Fake.Get(t.Context(), client.ObjectKey{Namespace: "kube-federation-system", Name: "deployments.apps"}, config); err != nil {
		t.Fatal(err)
	}
	want := kubetest.TypeConfig("deployments", "apps", "v1", "Deployment").Spec
	want.Propagation = kubefedv1beta1.PropagationDisabled
	if diff := cmp.Diff(want, config.Spec); diff != "" {
		t.Errorf("the FederatedTypeConfig, -want +got:\n%s", diff)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := h.Fake.Get(t.Context(), client.ObjectKey{Name: "federateddeployments.types.kubefed.io"}, crd); err != nil {
		t.Fatal(err)
	}
	if _, ok := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["retainReplicas"]; !ok {
		t.Error("what can be scaled has retainReplicas")
	}
	if diff := cmp.Diff([]string{"fdeploy"}, crd.Spec.Names.ShortNames); diff != "" {
		t.Errorf("short names, -want +got:\n%s", diff)
	}
}

// TestYAML: what is printed can be applied.
func TestYAML(t *testing.T) {
	h := kubetest.New(t, "acme", interceptor.Funcs{}, kubetest.TypeConfig("namespaces", "", "v1", "Namespace"))
	got := run(t, h, "deploy", "--dry-run=client", "-o", "yaml", "--propagator", "Cellfed")
	for _, part := range []string{"apiVersion: v1\n", "kind: List\n", "  kind: CustomResourceDefinition\n", "  kind: FederatedTypeConfig\n", "  kind: FederatedTypePolicy\n"} {
		if !strings.Contains(got.Out, part) {
			t.Errorf("there is no %q in:\n%s", part, got.Out)
		}
	}
}
