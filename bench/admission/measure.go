package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// times are how long single writes took, by namespace.
type times map[string][]time.Duration

func measure(ctx context.Context, b *bed, o options) error {
	progress("creating and updating, one after the other")
	creates, updates, err := b.oneByOne(ctx, o)
	if err != nil {
		return err
	}
	progress("creating with many writers")
	rates := map[string][]float64{}
	for round := range o.rounds {
		for _, namespace := range namespaces {
			rate, err := b.burst(ctx, o, namespace, fmt.Sprint("burst-", round))
			if err != nil {
				return err
			}
			rates[namespace] = append(rates[namespace], rate)
		}
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "FEDERATED DEPLOYMENT OF %d BYTES\tADMITTED\tEXEMPTED\tRATIO\n", o.size)
	for _, row := range []struct {
		name  string
		times times
	}{{"create", creates}, {"update", updates}} {
		for _, q := range []float64{0.5, 0.99} {
			with, without := quantile(row.times[admitted], q), quantile(row.times[exempted], q)
			fmt.Fprintf(out, "%s, p%.0f\t%.2f ms\t%.2f ms\t%.2f\n", row.name, q*100, with.Seconds()*1e3, without.Seconds()*1e3,
				with.Seconds()/without.Seconds())
		}
	}
	with, without := quantile(rates[admitted], 0.5), quantile(rates[exempted], 0.5)
	fmt.Fprintf(out, "creates a second, %d writers\t%.0f\t%.0f\t%.2f\n", o.concurrency, with, without, with/without)
	return out.Flush()
}

// oneByOne writes to both namespaces in turn, so that what else the machine does meets both.
func (b *bed) oneByOne(ctx context.Context, o options) (creates, updates times, err error) {
	creates, updates = times{}, times{}
	for i := range o.requests {
		name := fmt.Sprintf("object-%05d", i)
		for _, namespace := range namespaces {
			object := deployment(namespace, name, o.size, "1")
			start := time.Now()
			if err := b.host.Client.Create(ctx, object); err != nil {
				return nil, nil, err
			}
			creates[namespace] = append(creates[namespace], time.Since(start))
		}
		for _, namespace := range namespaces {
			object := deployment(namespace, name, o.size, "1")
			start := time.Now()
			if err := b.host.Client.Patch(ctx, object, revisionPatch("2")); err != nil {
				return nil, nil, err
			}
			updates[namespace] = append(updates[namespace], time.Since(start))
		}
	}
	return creates, updates, b.clear(ctx)
}

// burst returns how many objects a second many writers create.
func (b *bed) burst(ctx context.Context, o options, namespace, prefix string) (float64, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(o.concurrency)
	start := time.Now()
	for i := range o.requests {
		group.Go(func() error {
			return b.host.Client.Create(groupCtx, deployment(namespace, fmt.Sprintf("%s-%05d", prefix, i), o.size, "1"))
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	rate := float64(o.requests) / time.Since(start).Seconds()
	return rate, b.clear(ctx)
}

// clear removes the objects.
func (b *bed) clear(ctx context.Context) error {
	for _, namespace := range namespaces {
		if err := b.host.Client.DeleteAllOf(ctx, deployment(namespace, "", 0, ""), client.InNamespace(namespace)); err != nil {
			return err
		}
	}
	return nil
}

func quantile[T time.Duration | float64](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(float64(len(sorted))*q), len(sorted)-1)]
}
