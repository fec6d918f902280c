package admission

import (
	"bytes"
	"encoding/base64"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// clientConfig is what is of interest of a webhook.
type clientConfig struct {
	name   string
	bundle []byte
}

// desiredMutating returns what to apply to a configuration, or nil if it has the bundle.
func desiredMutating(config *admissionregistrationv1.MutatingWebhookConfiguration, bundle []byte) *unstructured.Unstructured {
	var webhooks []clientConfig
	for i := range config.Webhooks {
		webhooks = append(webhooks, clientConfig{config.Webhooks[i].Name, config.Webhooks[i].ClientConfig.CABundle})
	}
	return desired("MutatingWebhookConfiguration", &config.ObjectMeta, webhooks, bundle)
}

// desiredValidating is desiredMutating for the other kind.
func desiredValidating(config *admissionregistrationv1.ValidatingWebhookConfiguration, bundle []byte) *unstructured.Unstructured {
	var webhooks []clientConfig
	for i := range config.Webhooks {
		webhooks = append(webhooks, clientConfig{config.Webhooks[i].Name, config.Webhooks[i].ClientConfig.CABundle})
	}
	return desired("ValidatingWebhookConfiguration", &config.ObjectMeta, webhooks, bundle)
}

// desired is a pure function. What it returns depends on the version that was read: a webhook that has gone meanwhile must
// not come back with nothing but a bundle.
func desired(kind string, meta *metav1.ObjectMeta, webhooks []clientConfig, bundle []byte) *unstructured.Unstructured {
	apply := false
	list := make([]any, 0, len(webhooks))
	for _, webhook := range webhooks {
		apply = apply || !bytes.Equal(webhook.bundle, bundle)
		list = append(list, map[string]any{
			"name":         webhook.name,
			"clientConfig": map[string]any{"caBundle": base64.StdEncoding.EncodeToString(bundle)},
		})
	}
	if !apply || meta.DeletionTimestamp != nil {
		return nil
	}
	config := &unstructured.Unstructured{Object: map[string]any{"webhooks": list}}
	config.SetGroupVersionKind(admissionregistrationv1.SchemeGroupVersion.WithKind(kind))
	config.SetName(meta.Name)
	config.SetUID(meta.UID)
	config.SetResourceVersion(meta.ResourceVersion)
	return config
}
