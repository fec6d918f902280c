package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// slowAnswer is how long the slow member takes to answer.
	slowAnswer = 5 * time.Second
	// streamInterval is the time between two objects, which is half of what upstream could do.
	streamInterval = 100 * time.Millisecond
)

// The streams, in the order in which they run: to the first member alone, to both, to both while the second is slow.
const (
	aloneStream = "alone"
	bothStream  = "both members well"
	slowStream  = "the other answers after 5 s"
)

// newSlow measures what one member suffers from another that is slow.
func newSlow() section {
	found := map[who]map[string][]time.Duration{byCellfed: {}, byUpstream: {}}
	return section{
		name:    "slow",
		shipped: func(ctx context.Context, b *bed) error { return b.slow(ctx, byUpstream, v1beta1, found[byUpstream]) },
		cellfed: func(ctx context.Context, b *bed) error { return b.slow(ctx, byCellfed, v2beta1, found[byCellfed]) },
		figures: func(sizes) []figure {
			get := func(party who, stream string, q float64) *float64 {
				if len(found[party][stream]) == 0 {
					return nil
				}
				return new(millis(quantile(found[party][stream], q)))
			}
			var all []figure
			for _, q := range []float64{0.5, 0.99} {
				for _, stream := range []string{aloneStream, bothStream, slowStream} {
					all = append(all, figure{
						What: fmt.Sprintf("one member, %s, p%.0f", stream, q*100), Unit: "ms",
						Cellfed: get(byCellfed, stream, q), Upstream: get(byUpstream, stream, q),
					})
				}
			}
			ratio := func(party who) *float64 {
				alone, slow := get(party, aloneStream, 0.99), get(party, slowStream, 0.99)
				if alone == nil || slow == nil || *alone == 0 {
					return nil
				}
				return new(*slow / *alone)
			}
			return append(all, figure{
				What: "p99 beside a slow member, of what it is alone", Cellfed: ratio(byCellfed), Upstream: ratio(byUpstream),
				bounds: []bound{{value, false, 1.5}},
			})
		},
	}
}

// slow lets the second member be reached by a proxy and streams objects to the members.
func (b *bed) slow(ctx context.Context, party who, version string, found map[string][]time.Duration) (err error) {
	second := b.Member(members[1])
	proxy, err := second.NewProxy()
	if err != nil {
		return err
	}
	defer func() {
		proxy.Pass()
		back := b.KubeFed.Move(ctx, second, framework.JoinOptions{})
		if back == nil {
			back = b.delivered(ctx, party, version, "slow-back")
		}
		err = errors.Join(err, back, proxy.Close())
	}()
	if err := b.KubeFed.Move(ctx, second, framework.JoinOptions{Endpoint: proxy.URL()}); err != nil {
		return err
	}
	if err := b.delivered(ctx, party, version, "slow-moved"); err != nil {
		return err
	}
	for i, stream := range []string{aloneStream, bothStream, slowStream} {
		if stream == slowStream {
			proxy.Delay(0, slowAnswer)
		}
		w := b.onClusters(version, fmt.Sprintf("slow-%d-%s", i, party), 2*b.options.Latency)
		if stream == aloneStream {
			w.placement = func(int) []string { return members[:1] }
		}
		// The second member is not waited for.
		spots := b.spotsIn(plainNamespace)[:1]
		w.spots = func(int) []spot { return spots }
		r := &runner{b: b, w: w}
		if found[stream], err = r.stream(ctx); err != nil {
			return fmt.Errorf("%s: %w", stream, err)
		}
		b.progress("  %s: p50 %.1f ms, p99 %.1f ms", stream, millis(quantile(found[stream], 0.5)), millis(quantile(found[stream], 0.99)))
	}
	proxy.Pass()
	return b.sweep(ctx, version)
}

// stream creates the objects at a fixed pace, whether the ones before have arrived or not.
func (r *runner) stream(ctx context.Context) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, phaseTimeout)
	defer cancel()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	defer r.close()
	acks := make([]time.Time, r.w.count)
	ticker := time.NewTicker(streamInterval)
	defer ticker.Stop()
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range r.w.count {
		select {
		case <-ticker.C:
		case <-groupCtx.Done():
			return nil, group.Wait()
		}
		group.Go(func() error { return r.write(groupCtx, created, "1", []int{i}, acks) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var p phase
	_, err := r.await(ctx, created, "1", r.w.all(), acks, &p)
	return p.delays, err
}

// delivered waits until an object has reached both members, and takes it away again.
func (b *bed) delivered(ctx context.Context, party who, version, prefix string) error {
	r := &runner{b: b, w: b.onClusters(version, prefix+"-"+string(party), 1)}
	if err := r.open(ctx); err != nil {
		return err
	}
	defer r.close()
	if _, err := r.one(ctx, created, 0, "1"); err != nil {
		return err
	}
	_, err := r.one(ctx, deleted, 0, "")
	return err
}

// sweep deletes all federated ConfigMaps of the plain namespace and waits until they are gone.
func (b *bed) sweep(ctx context.Context, version string) error {
	r := &runner{b: b, w: b.onClusters(version, "", 0)}
	all := r.w.empty(0)
	if err := b.Host.Client.DeleteAllOf(ctx, all, client.InNamespace(plainNamespace)); err != nil {
		return fmt.Errorf("delete all %s: %w", all.GetKind(), err)
	}
	return r.hostGone(ctx)
}
