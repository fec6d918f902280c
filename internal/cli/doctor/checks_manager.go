package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/options"
)

const (
	managerLeaseName = "cellfed-manager"
	// soon is when a certificate should have been renewed.
	soon = 7 * 24 * time.Hour
)

// manager looks whether the manager's Deployment is available.
func manager(ctx context.Context, p *probe) (Verdict, error) {
	list := &appsv1.DeploymentList{}
	err := p.List(ctx, list, client.InNamespace(p.namespace), client.MatchingLabels{"app.kubernetes.io/name": "cellfed", "app.kubernetes.io/component": "manager"})
	if err != nil {
		return Verdict{}, fmt.Errorf("look for the manager's Deployment: %w", err)
	}
	if len(list.Items) == 0 {
		return verdictf(Warn, "install it, unless it runs elsewhere; the checks that follow tell whether it does", "the namespace %q has no Deployment of cellfed's manager", p.namespace), nil
	}
	d := &list.Items[0]
	wanted := int32(1)
	if d.Spec.Replicas != nil {
		wanted = *d.Spec.Replicas
	}
	image := "no image"
	if containers := d.Spec.Template.Spec.Containers; len(containers) > 0 {
		image = containers[0].Image
	}
	way := fmt.Sprintf("kubectl -n %s describe deployment %s", d.Namespace, d.Name)
	switch {
	case len(list.Items) > 1:
		return verdictf(Fail, "remove all but one", "the namespace has %d Deployments of the manager", len(list.Items)), nil
	case wanted == 0:
		return verdictf(Fail, fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=2", d.Namespace, d.Name), "the manager is scaled to 0"), nil
	case d.Status.AvailableReplicas == 0:
		return verdictf(Fail, way, "no replica of the manager is available"), nil
	case d.Status.AvailableReplicas < wanted || d.Status.UpdatedReplicas < wanted:
		return verdictf(Warn, way, "%d of %d replicas of the manager are available, %d up to date", d.Status.AvailableReplicas, wanted, d.Status.UpdatedReplicas), nil
	}
	return verdictf(OK, "", "%s of the manager available, %s", counted(int(wanted), "replica"), image), nil
}

// managerLease looks whether a manager leads.
func managerLease(ctx context.Context, p *probe) (Verdict, error) {
	holder, renewed, lasts, err := p.leader(ctx, managerLeaseName)
	switch {
	case err != nil:
		return Verdict{}, err
	case holder == "":
		return verdictf(Skip, "there is none without --leader-elect", "no manager holds the lease %q", managerLeaseName), nil
	case p.now().Sub(renewed) > lasts+skew:
		return verdictf(Fail, "see the manager's log", "the manager %s last renewed its lease at %s: no controller of cellfed runs", holder, renewed.UTC().Format(time.RFC3339)), nil
	}
	return verdictf(OK, "", "the manager %s leads", holder), nil
}

// certificates looks when what the manager serves with ends. Of the Secret it reads the certificate alone.
func certificates(ctx context.Context, p *probe) (Verdict, error) {
	name := options.DefaultCertificates().Secret
	secret := &corev1.Secret{}
	err := p.Get(ctx, client.ObjectKey{Namespace: p.namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return verdictf(Skip, "whoever makes them renews them; the metric cellfed_certificate_expiry_timestamp_seconds tells when they end", "the manager does not make its certificates itself"), nil
	}
	if err != nil {
		return Verdict{}, fmt.Errorf("read the Secret %q: %w", name, err)
	}
	block, _ := pem.Decode(secret.Data[corev1.TLSCertKey])
	if block == nil {
		return verdictf(Fail, "delete the Secret: the manager makes another", "the Secret %q holds no certificate", name), nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return verdictf(Fail, "delete the Secret: the manager makes another", "the certificate in the Secret %q cannot be read: %v", name, err), nil
	}
	left, ends := certificate.NotAfter.Sub(p.now()), certificate.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case left <= 0:
		return verdictf(Fail, "see the manager's log for why it was not renewed", "the serving certificate ended at %s", ends), nil
	case left < soon:
		return verdictf(Warn, "the manager renews it before it ends; see its log if it does not", "the serving certificate ends at %s", ends), nil
	}
	return verdictf(OK, "", "the serving certificate is good until %s", ends), nil
}
