package helmlife

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// webhook is what of a webhook the values and the manager decide.
type webhook struct{ policy, exempt, ca string }

// webhooks returns those of the release by their names.
func (s *story) webhooks() map[string]webhook {
	s.Helper()
	all := map[string]webhook{}
	note := func(name string, policy *admissionregistrationv1.FailurePolicyType, selector *metav1.LabelSelector, config admissionregistrationv1.WebhookClientConfig) {
		hook := webhook{policy: string(*policy), ca: string(config.CABundle)}
		for _, expression := range selector.MatchExpressions {
			hook.exempt += fmt.Sprintf(`["%s"]`, strings.Join(expression.Values, `","`))
		}
		all[name] = hook
	}
	mutating := &admissionregistrationv1.MutatingWebhookConfigurationList{}
	s.must(s.host.Client.List(s.Context(), mutating))
	for i := range mutating.Items {
		for _, w := range mutating.Items[i].Webhooks {
			note(w.Name, w.FailurePolicy, w.NamespaceSelector, w.ClientConfig)
		}
	}
	validating := &admissionregistrationv1.ValidatingWebhookConfigurationList{}
	s.must(s.host.Client.List(s.Context(), validating))
	for i := range validating.Items {
		for _, w := range validating.Items[i].Webhooks {
			note(w.Name, w.FailurePolicy, w.NamespaceSelector, w.ClientConfig)
		}
	}
	return all
}

// measured reads the metrics as one who may and as one who may not, by the manager's CA.
func (s *story) measured() {
	s.Helper()
	secret := &corev1.Secret{}
	s.must(s.host.Client.Get(s.Context(), client.ObjectKey{Namespace: system, Name: "cellfed-self-managed-cert"}, secret))
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		s.Fatalf("there is no CA in %s", secret.Name)
	}
	reader := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}, DisableKeepAlives: true}}
	for account, want := range map[client.ObjectKey]int{
		{Namespace: "default", Name: "default"}:     http.StatusOK,
		{Namespace: "kube-public", Name: "default"}: http.StatusForbidden,
	} {
		framework.Eventually(s, patience, "the metrics for "+account.String(), func(ctx context.Context) error {
			config, err := s.host.AccountConfig(ctx, account.Namespace, account.Name)
			if err != nil {
				return err
			}
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/metrics", s.release.metrics), nil)
			if err != nil {
				return framework.Final(err)
			}
			request.Header.Set("Authorization", "Bearer "+config.BearerToken)
			response, err := reader.Do(request)
			if err != nil {
				return err
			}
			body, err := io.ReadAll(response.Body)
			if err := errors.Join(err, response.Body.Close()); err != nil {
				return err
			}
			if response.StatusCode != want || want == http.StatusOK && !strings.Contains(string(body), "cellfed_") {
				return fmt.Errorf("%s, want %d", response.Status, want)
			}
			return nil
		})
	}
}

// trusted waits until the API server asks the manager about what is written: a Cell whose namespace is nobody's loses the
// label of a tenant.
func (s *story) trusted() {
	s.Helper()
	framework.Eventually(s, patience, "the API server to ask the manager", func(ctx context.Context) error {
		if err := s.pods.err(); err != nil {
			return framework.Final(err)
		}
		return s.judged(ctx)
	})
}

// judged has the API server ask the manager about a Cell that is not written.
func (s *story) judged(ctx context.Context) error {
	cell := &cellfedv1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{Name: "probe", Namespace: corev1.NamespaceDefault, Labels: map[string]string{cellfedv1alpha1.TenantLabel: "probe"}},
		Spec:       cellfedv1alpha1.CellSpec{ClusterName: "probe", TargetNamespace: "default-probe"},
	}
	if err := s.host.Client.Create(ctx, cell, client.DryRunAll); err != nil {
		return err
	}
	if cell.Labels[cellfedv1alpha1.TenantLabel] != "" {
		return errors.New("it is not asked")
	}
	return nil
}
