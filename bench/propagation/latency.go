package main

import (
	"context"
	"fmt"
	"time"
)

// idlePause is what an idle system is left alone for between two objects.
const idlePause = 250 * time.Millisecond

// newLatency measures one object at a time on an idle system.
func newLatency() section {
	found := map[who]map[verb][]time.Duration{}
	one := func(ctx context.Context, b *bed, party who, r *runner) error {
		delays, err := oneByOne(ctx, r)
		found[party] = delays
		for _, v := range []verb{created, updated} {
			b.progress("  %s, %s: p50 %.1f ms, p99 %.1f ms", party, v, millis(quantile(delays[v], 0.5)), millis(quantile(delays[v], 0.99)))
		}
		return err
	}
	floor := func(ctx context.Context, b *bed, prefix string) error {
		return one(ctx, b, byFloor, b.floor(b.onClusters(v1beta1, prefix, b.options.Latency), b.spotsIn(floorNamespace)))
	}
	return section{
		name: "latency",
		shipped: func(ctx context.Context, b *bed) error {
			if err := floor(ctx, b, "idle-before"); err != nil {
				return err
			}
			return one(ctx, b, byUpstream, &runner{b: b, w: b.onClusters(v1beta1, "idle-upstream", b.options.Latency), by: b.upstream()})
		},
		cellfed: func(ctx context.Context, b *bed) error {
			if err := floor(ctx, b, "idle"); err != nil {
				return err
			}
			return one(ctx, b, byCellfed, &runner{b: b, w: b.onClusters(v2beta1, "idle-cellfed", b.options.Latency), by: b.cellfed()})
		},
		figures: func(sizes) []figure {
			var all []figure
			for _, v := range []verb{created, updated} {
				for _, q := range []struct{ share, limit float64 }{{0.5, 15}, {0.99, 60}} {
					get := func(party who) *float64 {
						if len(found[party][v]) == 0 {
							return nil
						}
						return new(millis(quantile(found[party][v], q.share)))
					}
					all = append(all, figure{
						What: fmt.Sprintf("%s on an idle system, p%.0f", v, q.share*100), Unit: "ms",
						Cellfed: get(byCellfed), Upstream: get(byUpstream), Floor: get(byFloor), bounds: []bound{{value, false, q.limit}},
					})
				}
			}
			return all
		},
	}
}

// oneByOne creates and then updates the objects one at a time, waits for each, and deletes all at the end.
func oneByOne(ctx context.Context, r *runner) (map[verb][]time.Duration, error) {
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	defer r.close()
	all := map[verb][]time.Duration{}
	for revision, v := range []verb{created, updated} {
		for i := range r.w.count {
			delays, err := r.one(ctx, v, i, fmt.Sprint(revision+1))
			if err != nil {
				return all, err
			}
			all[v] = append(all[v], delays...)
			if err := pause(ctx, idlePause); err != nil {
				return all, err
			}
		}
	}
	_, err := r.phase(ctx, deleted, "")
	return all, err
}

// one does one write to the host and returns how long each member took to show it.
func (r *runner) one(ctx context.Context, v verb, i int, revision string) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	acks := make([]time.Time, r.w.count)
	if err := r.write(ctx, v, revision, []int{i}, acks); err != nil {
		return nil, err
	}
	var p phase
	_, err := r.await(ctx, v, revision, []int{i}, acks, &p)
	return p.delays, err
}
