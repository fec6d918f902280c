package certs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/certs"
)

func hostScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, kubefedv1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

func TestHostClients(t *testing.T) {
	former, _ := newPair(t, "former")
	ca, _ := newPair(t, "ca")
	both := append(append([]byte{}, former...), ca...)
	service := func(name string) *admissionv1.ServiceReference {
		return &admissionv1.ServiceReference{Namespace: "kubefed", Name: name}
	}
	crd := func(config *apiextensionsv1.WebhookClientConfig) *apiextensionsv1.CustomResourceDefinition {
		return &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: "crd"},
			Spec:       apiextensionsv1.CustomResourceDefinitionSpec{Conversion: &apiextensionsv1.CustomResourceConversion{Webhook: &apiextensionsv1.WebhookConversion{ClientConfig: config}}},
		}
	}
	crdService := &apiextensionsv1.ServiceReference{Namespace: "kubefed", Name: "webhook"}
	cluster := func(endpoint string, bundle []byte) *kubefedv1beta1.KubeFedCluster {
		return &kubefedv1beta1.KubeFedCluster{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kubefed", Name: "acme.rz00a"},
			Spec:       kubefedv1beta1.KubeFedClusterSpec{APIEndpoint: endpoint, CABundle: bundle},
		}
	}
	leaving := cluster("https://facade:1/cells/a/b", former)
	leaving.DeletionTimestamp, leaving.Finalizers = &metav1.Time{Time: time.Now()}, []string{"x/y"}
	cases := map[string]struct {
		reason string
		object client.Object
		want   string // what the answer names
	}{
		"Nobody": {reason: "Nobody is told of a CA."},
		"CRD":    {reason: "The API server would refuse conversions.", object: crd(&apiextensionsv1.WebhookClientConfig{Service: crdService, CABundle: former}), want: "CRD crd"},
		"CRDURL": {reason: "It may come by a URL.", object: crd(&apiextensionsv1.WebhookClientConfig{URL: new("https://hook:1/convert"), CABundle: former}), want: "CRD crd"},
		"Injected": {reason: "Somebody else may never tell it.", want: "annotation cert-manager.io/inject-ca-from",
			object: &admissionv1.MutatingWebhookConfiguration{
				ObjectMeta: metav1.ObjectMeta{Name: "m", Annotations: map[string]string{"cert-manager.io/inject-ca-from": "a/b"}},
				Webhooks:   []admissionv1.MutatingWebhook{{Name: "a", ClientConfig: admissionv1.WebhookClientConfig{Service: service("webhook")}}},
			}},
		"CRDTold": {reason: "It has both.", object: crd(&apiextensionsv1.WebhookClientConfig{Service: crdService, CABundle: both})},
		"CRDOther": {reason: "Another's webhook has another's CA.",
			object: crd(&apiextensionsv1.WebhookClientConfig{URL: new("https://hook:10/convert"), CABundle: former})},
		"CRDPlain": {reason: "It converts nothing.", object: &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "crd"}}},
		"Mutating": {reason: "The API server would refuse writes.", want: "MutatingWebhookConfiguration m",
			object: &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "m"}, Webhooks: []admissionv1.MutatingWebhook{
				{Name: "a", ClientConfig: admissionv1.WebhookClientConfig{Service: service("webhook"), CABundle: both}},
				{Name: "b", ClientConfig: admissionv1.WebhookClientConfig{Service: service("webhook")}},
			}}},
		"Validating": {reason: "The API server would refuse writes.", want: "ValidatingWebhookConfiguration v",
			object: &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "v"}, Webhooks: []admissionv1.ValidatingWebhook{
				{Name: "a", ClientConfig: admissionv1.WebhookClientConfig{URL: new("https://hook:1/validate"), CABundle: former}},
			}}},
		"ValidatingOther": {reason: "Another's webhook has another's CA.",
			object: &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "v"}, Webhooks: []admissionv1.ValidatingWebhook{
				{Name: "a", ClientConfig: admissionv1.WebhookClientConfig{Service: service("other")}},
			}}},
		"Cell":     {reason: "Upstream KubeFed would refuse the façade.", object: cluster("https://facade:1/cells/a/b", former), want: "KubeFedCluster acme.rz00a"},
		"CellTold": {reason: "It has both.", object: cluster("https://facade:1/cells/a/b", both)},
		"CellGone": {reason: "Nobody will tell one that is being deleted.", object: leaving},
		"Physical": {reason: "A cluster of its own has a CA of its own.", object: cluster("https://hz:6443", former)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			builder := fake.NewClientBuilder().WithScheme(hostScheme(t))
			if tc.object != nil {
				builder = builder.WithObjects(tc.object)
			}
			clients := certs.HostClients{
				Reader: builder.Build(), KubeFedNamespace: "kubefed", ServiceNamespace: "kubefed", ServiceName: "webhook",
				WebhookURL: "https://hook:1", FacadeURL: "https://facade:1/",
			}
			got, err := clients.Lacking(t.Context(), parse(ca))
			if err != nil {
				t.Fatal(err)
			}
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("%s\ngot %q, want one that names %q", tc.reason, got, tc.want)
			}
		})
	}
}

// TestHostClientsUnknown: who cannot be asked is not taken to trust.
func TestHostClientsUnknown(t *testing.T) {
	away := errors.New("away")
	c := fake.NewClientBuilder().WithScheme(hostScheme(t)).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, ok := list.(*kubefedv1beta1.KubeFedClusterList); ok {
				return away
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
	ca, _ := newPair(t, "ca")
	if _, err := (certs.HostClients{Reader: c}).Lacking(t.Context(), parse(ca)); !errors.Is(err, away) {
		t.Errorf("got error %v, want %v", err, away)
	}
}
