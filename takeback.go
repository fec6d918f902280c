package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/cellfed/cellfed/controllers/admission"
	"github.com/cellfed/cellfed/controllers/federatedtype"
	"github.com/cellfed/cellfed/internal/options"
	"github.com/cellfed/cellfed/webhooks/conversion"
)

// startedPoll is how often the webhook is asked whether it is served yet.
const startedPoll = 50 * time.Millisecond

// takeBack takes v2beta1 and the conversion from every federated CRD, has upstream KubeFed propagate every type again, and
// tells what became of each.
func takeBack(ctx context.Context, out io.Writer, config *rest.Config, opts options.Options) error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client of the host cluster: %w", err)
	}
	if err := wantNoAdmission(ctx, c); err != nil {
		return err
	}
	outcomes, err := federatedtype.TakeBack(ctx, c, federatedtype.TakeBackOptions{
		Namespace:        opts.KubeFedNamespace,
		StorageSettle:    opts.StorageSettlePeriod,
		ServeConversions: func(ctx context.Context) (func(), error) { return serveConversions(ctx, config, opts) },
	})
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CRD\tOUTCOME\tPROPAGATOR\tMESSAGE")
	for _, o := range outcomes {
		propagator := "KubeFed"
		if o.HandedBack {
			propagator = "KubeFed again"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", o.CRD, o.Reason, propagator, o.Message)
	}
	if flushErr := table.Flush(); flushErr != nil && err == nil {
		err = fmt.Errorf("print the outcomes: %w", flushErr)
	}
	return err
}

// wantNoAdmission returns an error as long as the API server asks for admission: with the managers stopped, it refuses what
// is to be written.
func wantNoAdmission(ctx context.Context, c client.Client) error {
	for _, configuration := range []struct {
		object         client.Object
		resource, name string
	}{
		{&admissionv1.MutatingWebhookConfiguration{}, "mutatingwebhookconfiguration", admission.DefaultMutatingName},
		{&admissionv1.ValidatingWebhookConfiguration{}, "validatingwebhookconfiguration", admission.DefaultValidatingName},
	} {
		switch err := c.Get(ctx, client.ObjectKey{Name: configuration.name}, configuration.object); {
		case err == nil:
			return fmt.Errorf("the %s %q is there, which refuses what nobody answers for: delete it first", configuration.resource, configuration.name)
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("get the %s %q: %w", configuration.resource, configuration.name, err)
		}
	}
	return nil
}

// serveConversions serves the conversion webhook at the manager's address until it is stopped. The API server needs it to
// read what is stored in v2beta1, and the managers, which serve it otherwise, are stopped.
func serveConversions(ctx context.Context, config *rest.Config, opts options.Options) (stop func(), err error) {
	certificates, err := newCertificates(ctx, config, opts)
	if err != nil {
		return nil, err
	}
	host, port, err := options.SplitHostPort(opts.WebhookAddress)
	if err != nil {
		return nil, err
	}
	server := webhook.NewServer(webhook.Options{Host: host, Port: port, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
		c.MinVersion = tls.VersionTLS12
		c.GetCertificate = certificates.GetCertificate
	}}})
	conversion.SetupWithServer(server, conversion.Options{})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ended <- server.Start(ctx)
	}()
	started := server.StartedChecker()
	for started(nil) != nil {
		select {
		case err := <-ended:
			cancel()
			if err == nil {
				err = context.Cause(ctx)
			}
			return nil, fmt.Errorf("serve at %s: %w: stop every manager first", opts.WebhookAddress, err)
		case <-time.After(startedPoll):
		}
	}
	return func() {
		cancel()
		<-stopped
	}, nil
}
