package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/controllers/admission"
)

const (
	// namePrefix is what config/default puts before the names of what it installs.
	namePrefix = "cellfed-"

	// MutatingConfiguration is the name of cellfed's MutatingWebhookConfiguration.
	MutatingConfiguration = admission.MutatingName
	// ValidatingConfiguration is the name of cellfed's ValidatingWebhookConfiguration.
	ValidatingConfiguration = admission.ValidatingName

	// admissionTimeout bounds how long it takes that the manager fills in the CA bundle and the API server sees it.
	admissionTimeout = time.Minute
)

// AdmissionConfigurations returns the webhook configurations of config/webhook, the validating one first, for an API server
// that no Service leads from to the manager: it is asked at the URL instead. An empty policy leaves the one that is shipped.
func AdmissionConfigurations(url string, policy admissionregistrationv1.FailurePolicyType) ([]*unstructured.Unstructured, error) {
	objects, err := readConfig("webhook/manifests.yaml")
	if err != nil {
		return nil, err
	}
	var configurations []*unstructured.Unstructured
	for _, object := range objects {
		object.SetName(namePrefix + object.GetName())
		webhooks, _, err := unstructured.NestedSlice(object.Object, "webhooks")
		if err != nil {
			return nil, fmt.Errorf("read the webhooks of %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		for _, webhook := range webhooks {
			fields, _ := webhook.(map[string]any)
			path, found, err := unstructured.NestedString(fields, "clientConfig", "service", "path")
			if err != nil || !found {
				return nil, fmt.Errorf("read the webhook %v of %s %s: no path: %w", fields["name"], object.GetKind(), object.GetName(), err)
			}
			fields["clientConfig"] = map[string]any{"url": strings.TrimSuffix(url, "/") + path}
			// What is lax by design stays so.
			if policy != "" && fields["failurePolicy"] != string(admissionregistrationv1.Ignore) {
				fields["failurePolicy"] = string(policy)
			}
		}
		if err := unstructured.SetNestedSlice(object.Object, webhooks, "webhooks"); err != nil {
			return nil, fmt.Errorf("set the webhooks of %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		configurations = append([]*unstructured.Unstructured{object}, configurations...)
	}
	return configurations, nil
}

// webhookURL returns where the manager serves the API server's webhooks.
func (c *Cellfed) webhookURL() string { return fmt.Sprintf("https://127.0.0.1:%d", c.webhook) }

// InstallAdmission installs the webhook configurations, unless they were, and waits until the API server obeys them: the
// manager, which must run, has put the CA bundle into them. Until then writes are refused.
func (c *Cellfed) InstallAdmission(ctx context.Context) error {
	if c.admits {
		return nil
	}
	configurations, err := AdmissionConfigurations(c.webhookURL(), c.FailurePolicy)
	if err != nil {
		return err
	}
	if err := c.host.Apply(ctx, configurations...); err != nil {
		return err
	}
	err = Poll(ctx, admissionTimeout, "the CA bundle in the webhook configurations", func(ctx context.Context) error {
		if err := c.process.Err(); err != nil {
			return Final(err)
		}
		return c.trusted(ctx)
	})
	if err != nil {
		return err
	}
	if err := c.WaitForAdmission(ctx); err != nil {
		return err
	}
	c.admits = true
	return nil
}

// WaitForAdmission waits until the API server trusts the manager with what is written: both configurations have the CA bundle
// that the manager serves by.
func (c *Cellfed) WaitForAdmission(ctx context.Context) error {
	return c.waitForAdmission(ctx, metav1.NamespaceDefault, true)
}

// RemoveAdmission removes the webhook configurations, which comes first when cellfed is removed: nobody answers for it
// afterwards. It waits until the API server has forgotten them.
func (c *Cellfed) RemoveAdmission(ctx context.Context) error {
	for _, object := range []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: MutatingConfiguration}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: ValidatingConfiguration}},
	} {
		if err := client.IgnoreNotFound(c.host.Client.Delete(ctx, object)); err != nil {
			return fmt.Errorf("delete %s: %w", object.GetName(), err)
		}
	}
	c.admits = false
	return c.waitForAdmission(ctx, metav1.NamespaceDefault, false)
}

// trusted returns an error as long as some webhook has no CA bundle.
func (c *Cellfed) trusted(ctx context.Context) error {
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := errors.Join(
		c.host.Client.Get(ctx, client.ObjectKey{Name: MutatingConfiguration}, mutating),
		c.host.Client.Get(ctx, client.ObjectKey{Name: ValidatingConfiguration}, validating),
	); err != nil {
		return err
	}
	bundles := map[string][]byte{}
	for i := range mutating.Webhooks {
		bundles[mutating.Webhooks[i].Name] = mutating.Webhooks[i].ClientConfig.CABundle
	}
	for i := range validating.Webhooks {
		bundles[validating.Webhooks[i].Name] = validating.Webhooks[i].ClientConfig.CABundle
	}
	for name, bundle := range bundles {
		if len(bundle) == 0 {
			return fmt.Errorf("the webhook %s has none", name)
		}
	}
	return nil
}

// Exempt leaves what is written in a namespace to itself, until the webhook configurations are installed anew: nobody judges
// it, and nobody adds to it. It waits until the API server does so.
func (c *Cellfed) Exempt(ctx context.Context, namespace string) error {
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	mutating.Name, validating.Name = MutatingConfiguration, ValidatingConfiguration
	err := errors.Join(
		c.updateConfiguration(ctx, mutating, func() {
			for i := range mutating.Webhooks {
				mutating.Webhooks[i].NamespaceSelector = without(mutating.Webhooks[i].NamespaceSelector, namespace)
			}
		}),
		c.updateConfiguration(ctx, validating, func() {
			for i := range validating.Webhooks {
				validating.Webhooks[i].NamespaceSelector = without(validating.Webhooks[i].NamespaceSelector, namespace)
			}
		}),
	)
	if err != nil {
		return fmt.Errorf("exempt the namespace %s: %w", namespace, err)
	}
	return c.waitForAdmission(ctx, namespace, false)
}

// updateConfiguration reads a configuration, changes it, and writes it, until nobody else did meanwhile.
func (c *Cellfed) updateConfiguration(ctx context.Context, configuration client.Object, change func()) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := c.host.Client.Get(ctx, client.ObjectKeyFromObject(configuration), configuration); err != nil {
			return err
		}
		change()
		return c.host.Client.Update(ctx, configuration)
	})
}

// without returns a selector that leaves one more namespace out.
func without(selector *metav1.LabelSelector, namespace string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: append(slices.Clone(selector.MatchExpressions), metav1.LabelSelectorRequirement{
		Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpNotIn, Values: []string{namespace},
	})}
}

// waitForAdmission waits until the API server asks the manager about a namespace that is nobody's, or asks it no more. It tells
// by a Cell with the label of a tenant, which is not stored.
func (c *Cellfed) waitForAdmission(ctx context.Context, namespace string, want bool) error {
	return Poll(ctx, admissionTimeout, "the API server to follow the webhook configurations", func(ctx context.Context) error {
		cell := &cellfedv1alpha1.Cell{
			ObjectMeta: metav1.ObjectMeta{
				GenerateName: "probe-", Namespace: namespace, Labels: map[string]string{cellfedv1alpha1.TenantLabel: "probe"},
			},
			Spec: cellfedv1alpha1.CellSpec{ClusterName: "probe", TargetNamespace: namespace + "-probe"},
		}
		if err := c.host.Client.Create(ctx, cell, client.DryRunAll); err != nil {
			return err
		}
		if got := cell.Labels[cellfedv1alpha1.TenantLabel] != "probe"; got != want {
			return fmt.Errorf("the manager is asked: %v, want %v", got, want)
		}
		return nil
	})
}
