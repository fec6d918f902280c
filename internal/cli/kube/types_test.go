package kube_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

// server is a host cluster that serves resources and nothing else.
type server struct {
	discovery.ServerResourcesInterface
	resources map[string][]metav1.APIResource
	err       error
}

func (s server) ServerResourcesForGroupVersion(groupVersion string) (*metav1.APIResourceList, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.resources[groupVersion] == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, groupVersion)
	}
	return &metav1.APIResourceList{GroupVersion: groupVersion, APIResources: s.resources[groupVersion]}, nil
}

var serving = server{resources: map[string][]metav1.APIResource{
	"types.kubefed.io/v2beta1": {
		{Name: "federateddeployments", SingularName: "federateddeployment", Kind: "FederatedDeployment", Namespaced: true, ShortNames: []string{"fdeploy"}},
		{Name: "federateddeployments/status", Kind: "FederatedDeployment", Namespaced: true},
	},
	"types.kubefed.io/v1beta1": {
		{Name: "federateddeployments", SingularName: "federateddeployment", Kind: "FederatedDeployment", Namespaced: true, ShortNames: []string{"fdeploy"}},
		{Name: "federatedconfigmaps", SingularName: "federatedconfigmap", Kind: "FederatedConfigMap", Namespaced: true},
		{Name: "federatedwidgets", SingularName: "federatedwidget", Kind: "FederatedWidget", Namespaced: true},
	},
	"example.com/v1": {{Name: "widgets", SingularName: "widget", Kind: "Widget", ShortNames: []string{"wd"}}},
}}

func configured() []client.Object {
	return []client.Object{
		kubetest.TypeConfig("deployments", "apps", "v1", "Deployment"),
		kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap"),
		kubetest.TypeConfig("widgets", "example.com", "v1", "Widget"),
		kubetest.TypeConfig("gadgets", "example.com", "v1", "Gadget"),
		kubetest.Policy("deployments.apps", v1alpha1.PropagatorCellfed),
		&v1alpha1.FederatedTypePolicy{ // A hand-over: nobody propagates the type now.
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-federation-system", Name: "configmaps"},
			Spec:       v1alpha1.FederatedTypePolicySpec{Propagator: v1alpha1.PropagatorCellfed},
		},
	}
}

// fact is what is compared of a Type.
type fact struct {
	Name, Federated, Resource, Target string
	Namespaced                        bool
	Propagator                        v1alpha1.Propagator
}

func facts(t *testing.T, h *kubetest.Host) []fact {
	t.Helper()
	types, err := h.Types(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []fact
	for _, ty := range types {
		all = append(all, fact{
			ty.Name, ty.Federated.String(), ty.Resource.String(), ty.Target.String(), ty.Namespaced, ty.Propagator,
		})
	}
	return all
}

func TestTypes(t *testing.T) {
	h := kubetest.New(t, "acme", interceptor.Funcs{}, configured()...)
	h.SetDiscovery(serving)
	want := []fact{
		{"configmaps", "types.kubefed.io/v1beta1, Kind=FederatedConfigMap", "types.kubefed.io/v1beta1, Resource=federatedconfigmaps", "/v1, Kind=ConfigMap", true, "KubeFed"},
		{"deployments.apps", "types.kubefed.io/v2beta1, Kind=FederatedDeployment", "types.kubefed.io/v2beta1, Resource=federateddeployments", "apps/v1, Kind=Deployment", true, "Cellfed"},
		{"widgets.example.com", "types.kubefed.io/v1beta1, Kind=FederatedWidget", "types.kubefed.io/v1beta1, Resource=federatedwidgets", "example.com/v1, Kind=Widget", true, "KubeFed"},
	}
	if diff := cmp.Diff(want, facts(t, h)); diff != "" {
		t.Errorf("v2beta1 where it is served, no type without a CRD, and the policy's status tells the propagator: -want +got:\n%s", diff)
	}
}

// forbidding refuses to list what is in the KubeFed namespace, as a tenant is refused.
func forbidding() interceptor.Funcs {
	return interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		switch list.(type) {
		case *kubefedv1beta1.FederatedTypeConfigList, *v1alpha1.FederatedTypePolicyList:
			return apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("not yours"))
		}
		return c.List(ctx, list, opts...)
	}}
}

// TestTypesOfTenant: whoever may not read what is configured still gets what is served, and is not told who propagates it.
func TestTypesOfTenant(t *testing.T) {
	h := kubetest.New(t, "acme", forbidding())
	h.SetDiscovery(serving)
	want := []fact{
		{"configmaps", "types.kubefed.io/v1beta1, Kind=FederatedConfigMap", "types.kubefed.io/v1beta1, Resource=federatedconfigmaps", "/, Kind=ConfigMap", true, ""},
		{"deployments", "types.kubefed.io/v2beta1, Kind=FederatedDeployment", "types.kubefed.io/v2beta1, Resource=federateddeployments", "/, Kind=Deployment", true, ""},
		{"widgets", "types.kubefed.io/v1beta1, Kind=FederatedWidget", "types.kubefed.io/v1beta1, Resource=federatedwidgets", "/, Kind=Widget", true, ""},
	}
	if diff := cmp.Diff(want, facts(t, h)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if ty, err := h.Type(t.Context(), "deploy"); err != nil || ty.Name != "deployments" {
		t.Errorf("a usual short name is known where nobody can be asked: got %q, %v", ty.Name, err)
	}
}

func TestType(t *testing.T) {
	cases := map[string]struct {
		reason string
		want   string
	}{
		"deployments.apps":                      {"the FederatedTypeConfig's name", "deployments.apps"},
		"deployments":                           {"the target's plural", "deployments.apps"},
		"Deployment":                            {"the target's kind, in any case", "deployments.apps"},
		"deploy":                                {"a usual short name", "deployments.apps"},
		"fdeploy":                               {"the federated type's short name", "deployments.apps"},
		"federateddeployment":                   {"the federated type's singular", "deployments.apps"},
		"federateddeployment.types.kubefed.io":  {"the federated type's kind and group, as -o name prints it", "deployments.apps"},
		"deployment.apps":                       {"the target's kind and group, as -o name prints it", "deployments.apps"},
		"federateddeployments.types.kubefed.io": {"the federated type's plural and group", "deployments.apps"},
		"wd":                                    {"the target's short name, as the server tells it", "widgets.example.com"},
		"cm":                                    {"a usual short name of a type whose group serves none", "configmaps"},
	}
	h := kubetest.New(t, "acme", interceptor.Funcs{}, configured()...)
	h.SetDiscovery(serving)
	for arg, tc := range cases {
		t.Run(arg, func(t *testing.T) {
			if got, err := h.Type(t.Context(), arg); err != nil || got.Name != tc.want {
				t.Errorf("%s: got %q, %v, want %q", tc.reason, got.Name, err, tc.want)
			}
		})
	}
}

func TestTypeRefused(t *testing.T) {
	twice := append(configured(), kubetest.TypeConfig("deployments", "extensions", "v1beta1", "Deployment"))
	cases := map[string]struct {
		reason  string
		objects []client.Object
		arg     string
		want    string
	}{
		"Near":      {"a typing error is told from a type", configured(), "deploymnets", `"deploymnets" is not a federated type: did you mean deployments.apps? kubectl cells enable makes one`},
		"Far":       {"where none is near, all are named", configured(), "zzz", `"zzz" is not a federated type: did you mean configmaps, deployments.apps, widgets.example.com? kubectl cells enable makes one`},
		"None":      {"there may be none at all", nil, "deploy", `"deploy" is not a federated type: there are none that you may read; make one with: kubectl cells enable`},
		"Ambiguous": {"two types of one name are told apart", twice, "deployments", `"deployments" names more than one federated type: give one of deployments.apps, deployments.extensions`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := kubetest.New(t, "acme", interceptor.Funcs{}, tc.objects...)
			h.SetDiscovery(serving)
			_, err := h.Type(t.Context(), tc.arg)
			if diff := cmp.Diff(tc.want, exit.Message(err)); diff != "" || exit.Code(err) != exit.Usage {
				t.Errorf("%s: code %d, -want +got:\n%s", tc.reason, exit.Code(err), diff)
			}
		})
	}
}

// TestUnreachable: that nobody answers is an error, and not a host cluster without types.
func TestUnreachable(t *testing.T) {
	h := kubetest.New(t, "acme", interceptor.Funcs{}, configured()...)
	h.SetDiscovery(server{err: errors.New("connection refused")})
	if _, err := h.Types(t.Context()); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}
