package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/controllers/federatedtype"
	"github.com/cellfed/cellfed/internal/options"
)

// takeBack takes v2beta1 and the conversion from every federated CRD, and tells what became of each.
func takeBack(ctx context.Context, out io.Writer, config *rest.Config, opts options.Options) error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client of the host cluster: %w", err)
	}
	outcomes, err := federatedtype.TakeBack(ctx, c, nil, opts.KubeFedNamespace)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CRD\tOUTCOME\tMESSAGE")
	for _, o := range outcomes {
		fmt.Fprintf(table, "%s\t%s\t%s\n", o.CRD, o.Reason, o.Message)
	}
	if flushErr := table.Flush(); flushErr != nil && err == nil {
		err = fmt.Errorf("print the outcomes: %w", flushErr)
	}
	return err
}
