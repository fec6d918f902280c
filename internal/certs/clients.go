package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// The markers below grant what HostClients reads.
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=list
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations;validatingwebhookconfigurations,verbs=list
// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=kubefedclusters,verbs=list

// page is how many objects are read at a time.
const page = 100

// Clients knows whom the manager serves.
type Clients interface {
	// Lacking returns one who does not trust the CA, in words, or nothing if all do.
	Lacking(ctx context.Context, ca *x509.Certificate) (string, error)
}

// HostClients are those that the host cluster tells whom to trust: the API server by the federated CRDs and the webhook
// configurations, upstream KubeFed by the cells' KubeFedClusters.
type HostClients struct {
	// Reader must not read from a cache: it is asked rarely, and its answer must be true.
	Reader client.Reader
	// KubeFedNamespace is where the KubeFedClusters are.
	KubeFedNamespace string
	// ServiceNamespace and ServiceName are the Service of the webhooks, where one leads to them.
	ServiceNamespace, ServiceName string
	// WebhookURL is where the webhooks are, where no Service leads to them.
	WebhookURL string
	// FacadeURL is where the façade is.
	FacadeURL string
}

// Lacking implements Clients.
func (h HostClients) Lacking(ctx context.Context, ca *x509.Certificate) (string, error) {
	for _, kind := range []struct {
		list client.ObjectList
		in   string
	}{
		{list: &apiextensionsv1.CustomResourceDefinitionList{}},
		{list: &admissionv1.MutatingWebhookConfigurationList{}},
		{list: &admissionv1.ValidatingWebhookConfigurationList{}},
		{list: &kubefedv1beta1.KubeFedClusterList{}, in: h.KubeFedNamespace},
	} {
		if who, err := h.lackingOf(ctx, kind.list, kind.in, ca); who != "" || err != nil {
			return who, err
		}
	}
	return "", nil
}

func (h HostClients) lackingOf(ctx context.Context, list client.ObjectList, namespace string, ca *x509.Certificate) (string, error) {
	for {
		err := h.Reader.List(ctx, list, client.InNamespace(namespace), client.Limit(page), client.Continue(list.GetContinue()))
		if meta.IsNoMatchError(err) {
			return "", nil // There can be none of a kind that is not known.
		}
		if err != nil {
			return "", fmt.Errorf("see who trusts the CA: %w", err)
		}
		who := ""
		err = meta.EachListItem(list, func(object runtime.Object) error {
			if who == "" {
				who = h.lacks(object, ca)
			}
			return nil
		})
		if err != nil || who != "" || list.GetContinue() == "" {
			return who, err
		}
	}
}

// lacks returns the object's name, in words, if it leads to the manager and does not trust the CA.
func (h HostClients) lacks(object runtime.Object, ca *x509.Certificate) string {
	switch o := object.(type) {
	case *apiextensionsv1.CustomResourceDefinition:
		if c := o.Spec.Conversion; c != nil && c.Webhook != nil && c.Webhook.ClientConfig != nil {
			config := admissionv1.WebhookClientConfig{URL: c.Webhook.ClientConfig.URL, CABundle: c.Webhook.ClientConfig.CABundle}
			if s := c.Webhook.ClientConfig.Service; s != nil {
				config.Service = &admissionv1.ServiceReference{Namespace: s.Namespace, Name: s.Name}
			}
			if h.distrusts(config, ca) {
				return "the CRD " + o.Name + injected(o)
			}
		}
	case *admissionv1.MutatingWebhookConfiguration:
		for _, w := range o.Webhooks {
			if h.distrusts(w.ClientConfig, ca) {
				return "the webhook " + w.Name + " of the MutatingWebhookConfiguration " + o.Name + injected(o)
			}
		}
	case *admissionv1.ValidatingWebhookConfiguration:
		for _, w := range o.Webhooks {
			if h.distrusts(w.ClientConfig, ca) {
				return "the webhook " + w.Name + " of the ValidatingWebhookConfiguration " + o.Name + injected(o)
			}
		}
	case *kubefedv1beta1.KubeFedCluster:
		if o.DeletionTimestamp == nil && under(h.FacadeURL, o.Spec.APIEndpoint) && !holds(o.Spec.CABundle, ca) {
			return "the KubeFedCluster " + o.Name
		}
	}
	return ""
}

// injected says, in words, that somebody else keeps the CA bundle of an object too, which is why it may never have the CA.
func injected(object client.Object) string {
	if by := InjectedBy(object.GetAnnotations()); by != "" {
		return ", whose CA bundle cert-manager's injector writes (annotation " + by + ": take it off)"
	}
	return ""
}

func (h HostClients) distrusts(config admissionv1.WebhookClientConfig, ca *x509.Certificate) bool {
	ours := config.URL != nil && under(h.WebhookURL, *config.URL) ||
		config.Service != nil && config.Service.Namespace == h.ServiceNamespace && config.Service.Name == h.ServiceName
	return ours && !holds(config.CABundle, ca)
}

// under returns whether a URL is below another one.
func under(base, url string) bool {
	return base != "" && strings.HasPrefix(url, strings.TrimSuffix(base, "/")+"/")
}

func holds(bundle []byte, ca *x509.Certificate) bool {
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			return false
		}
		if block.Type == certificateBlock && bytes.Equal(block.Bytes, ca.Raw) {
			return true
		}
	}
}
