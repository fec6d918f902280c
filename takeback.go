package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/controllers/admission"
	"github.com/cellfed/cellfed/controllers/federatedtype"
	"github.com/cellfed/cellfed/controllers/federatedtypepolicy"
	"github.com/cellfed/cellfed/internal/options"
	"github.com/cellfed/cellfed/webhooks/conversion"
)

const (
	// startedPoll is how often the webhook is asked whether it is served yet.
	startedPoll = 50 * time.Millisecond
	// unfitTries is how often objects are read for which the conversion must be served, and unfitDelay what is between.
	unfitTries = 30
	unfitDelay = 200 * time.Millisecond
)

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
	serve := func(ctx context.Context) (func(), error) { return serveConversions(ctx, config, opts) }
	if err := wantFit(ctx, c, opts.KubeFedNamespace, serve); err != nil {
		return err
	}
	outcomes, err := federatedtype.TakeBack(ctx, c, federatedtype.TakeBackOptions{
		Namespace:        opts.KubeFedNamespace,
		StorageSettle:    opts.StorageSettlePeriod,
		ServeConversions: serve,
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
		{&admissionv1.MutatingWebhookConfiguration{}, "mutatingwebhookconfiguration", admission.MutatingName},
		{&admissionv1.ValidatingWebhookConfiguration{}, "validatingwebhookconfiguration", admission.ValidatingName},
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

// wantFit returns an error as long as objects of a type that cellfed propagates must not be given to upstream KubeFed as they
// are: it would write what cellfed does not, to another tenant's clusters above all. Nothing was done then.
func wantFit(ctx context.Context, c client.Client, namespace string, serve func(context.Context) (func(), error)) error {
	configs := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := c.List(ctx, configs, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list FederatedTypeConfigs: %w", err)
	}
	var all []error
	for i := range configs.Items {
		config := &configs.Items[i]
		if config.Annotations[v1alpha1.HandedOverAnnotation] != "true" {
			continue
		}
		policy := &v1alpha1.FederatedTypePolicy{}
		switch err := c.Get(ctx, client.ObjectKeyFromObject(config), policy); {
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
			policy = nil
		case err != nil:
			return fmt.Errorf("get FederatedTypePolicy %q: %w", config.Name, err)
		}
		err := federatedtypepolicy.Unfit(ctx, c, config, policy)
		if err != nil && !errors.Is(err, federatedtypepolicy.ErrUnfit) {
			err = unfitConverted(ctx, c, config, policy, serve)
		}
		if err != nil {
			all = append(all, fmt.Errorf("the type %q cannot be handed back: %w: start the manager, correct them, hand the type back "+
				"by its FederatedTypePolicy, and try again", config.Name, err))
		}
	}
	return errors.Join(all...)
}

// unfitConverted looks at the objects of a type, of which some are stored in another version than they are read in. An API
// server may not notice at once that the webhook is up.
func unfitConverted(ctx context.Context, c client.Client, config *kubefedv1beta1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy, serve func(context.Context) (func(), error)) error {
	stop, err := serve(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for range unfitTries {
		if err = federatedtypepolicy.Unfit(ctx, c, config, policy); err == nil || errors.Is(err, federatedtypepolicy.ErrUnfit) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(unfitDelay):
		}
	}
	return err
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
