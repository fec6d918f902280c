package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/cellfed/cellfed/controllers/federatedtype"
	"github.com/cellfed/cellfed/internal/certs"
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
	outcomes, err := federatedtype.TakeBack(ctx, c, federatedtype.TakeBackOptions{
		Namespace:        opts.KubeFedNamespace,
		StorageSettle:    opts.StorageSettlePeriod,
		ServeConversions: func(ctx context.Context) (func(), error) { return serveConversions(ctx, opts) },
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

// serveConversions serves the conversion webhook at the manager's address until it is stopped. The API server needs it to
// read what is stored in v2beta1, and the managers, which serve it otherwise, are stopped.
func serveConversions(ctx context.Context, opts options.Options) (stop func(), err error) {
	certificates, err := certs.New(opts.CertDir, 0)
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
