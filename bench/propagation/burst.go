package main

import (
	"context"
	"fmt"
	"maps"

	"github.com/cellfed/cellfed/e2e/framework"
)

// who is one that brings objects to the members.
type who string

const (
	byCellfed  who = "cellfed"
	byUpstream who = "upstream"
	byFloor    who = "floor"
	byPlain    who = "plain"
	byAlone    who = "alone"
)

// lives are the phases of each, one for each round.
type lives map[who]map[verb][]phase

func (l lives) live(ctx context.Context, party who, r *runner) error {
	phases, err := r.life(ctx)
	if l[party] == nil {
		l[party] = map[verb][]phase{}
	}
	for v, p := range phases {
		l[party][v] = append(l[party][v], p)
	}
	return err
}

// of returns a quantity of the middle round, or nil.
func (l lives) of(party who, v verb, get func(phase) float64) *float64 {
	phases := l[party][v]
	if len(phases) == 0 {
		return nil
	}
	return new(get(middle(phases)))
}

// each returns a quantity for each object, over create, update and delete, or nil.
func (l lives) each(party who, objects int, get func(phase) float64) *float64 {
	sum := 0.0
	for _, v := range lifecycle {
		got := l.of(party, v, get)
		if got == nil {
			return nil
		}
		sum += *got
	}
	return new(sum / float64(objects))
}

func took(p phase) float64    { return p.took.Seconds() }
func written(p phase) float64 { return p.written.Seconds() }
func cpu(p phase) float64     { return millis(p.cpu) }
func writes(p phase) float64  { return float64(p.hostWrites) }

// besideUpstreamOf returns these lives with upstream's of others, or none where cellfed has not been measured.
func (l lives) besideUpstreamOf(others lives) lives {
	if len(l[byCellfed]) == 0 {
		return nil
	}
	all := maps.Clone(l)
	all[byUpstream] = others[byUpstream]
	return all
}

// newBurst is workload A: federated ConfigMaps of 1 KiB to two members.
func newBurst() section {
	both, one := lives{}, lives{}
	floors := func(ctx context.Context, b *bed, l lives, prefix string) error {
		r := b.floor(b.onClusters(v1beta1, prefix, b.options.Objects), b.spotsIn(floorNamespace))
		if err := l.live(ctx, byFloor, r); err != nil {
			return err
		}
		if err := l.live(ctx, byPlain, r.plainly()); err != nil {
			return err
		}
		return l.live(ctx, byAlone, r.alone())
	}
	rounds := func(l lives, prefix string) func(context.Context, *bed) error {
		return func(ctx context.Context, b *bed) error {
			for round := range b.options.Rounds {
				if err := floors(ctx, b, l, fmt.Sprintf("%s-%d", prefix, round)); err != nil {
					return err
				}
				w := b.onClusters(v2beta1, fmt.Sprintf("%s-cellfed-%d", prefix, round), b.options.Objects)
				if err := l.live(ctx, byCellfed, &runner{b: b, w: w, by: b.cellfed()}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return section{
		name: "A",
		shipped: func(ctx context.Context, b *bed) error {
			if err := floors(ctx, b, both, "a-before"); err != nil {
				return err
			}
			return both.live(ctx, byUpstream, &runner{b: b, w: b.onClusters(v1beta1, "a-upstream", b.options.Objects), by: b.upstream()})
		},
		cellfed: rounds(both, "a"),
		alone:   rounds(one, "a-alone"),
		figures: func(s sizes) []figure {
			return append(both.burstFigures(s), alone("A", one.besideUpstreamOf(both).burstFigures(s))...)
		},
	}
}

func (l lives) burstFigures(s sizes) []figure {
	all := l.times(s.Objects, "ConfigMaps to 2 members", []bound{{upstreamOver, true, 8}, {overFloor, false, 1.3}})
	for _, v := range lifecycle {
		for _, q := range []float64{0.5, 0.99} {
			delay := func(p phase) float64 { return quantile(p.delays, q).Seconds() }
			all = append(all, figure{
				What: fmt.Sprintf("%s, host write to member object, p%.0f", v, q*100), Unit: "s",
				Cellfed: l.of(byCellfed, v, delay), Upstream: l.of(byUpstream, v, delay), Floor: l.of(byFloor, v, delay),
			})
		}
		all = append(all, figure{
			What: fmt.Sprintf("%s, the user's own host writes", v), Unit: "s",
			Cellfed: l.of(byCellfed, v, written), Upstream: l.of(byUpstream, v, written), Floor: l.of(byFloor, v, written),
		})
	}
	for _, v := range lifecycle {
		perObject := func(get func(phase) float64) func(phase) float64 {
			return func(p phase) float64 { return get(p) / float64(s.Objects) }
		}
		f := figure{
			What:    fmt.Sprintf("%s, host API writes for each object", v),
			Cellfed: l.of(byCellfed, v, perObject(writes)), Upstream: l.of(byUpstream, v, perObject(writes)),
		}
		if v == created {
			f.bounds = []bound{{value, false, 2}}
		}
		all = append(all, f, figure{
			What: fmt.Sprintf("%s, controller CPU for each object", v), Unit: "ms",
			Cellfed: l.of(byCellfed, v, perObject(cpu)), Upstream: l.of(byUpstream, v, perObject(cpu)),
		})
	}
	return append(all, figure{
		What: "controller CPU for each object, all three", Unit: "ms",
		Cellfed: l.each(byCellfed, s.Objects, cpu), Upstream: l.each(byUpstream, s.Objects, cpu),
		bounds: []bound{{overUpstream, false, 1.0 / 3}},
	})
}

// times are the figures of how long the phases took.
func (l lives) times(count int, what string, bounds []bound) []figure {
	var all []figure
	for _, v := range lifecycle {
		all = append(all, figure{
			What: fmt.Sprintf("%s %d %s, to the last one", v, count, what), Unit: "s", bounds: bounds,
			Cellfed: l.of(byCellfed, v, took), Upstream: l.of(byUpstream, v, took), Floor: l.of(byFloor, v, took),
		})
	}
	for _, v := range lifecycle {
		all = append(all,
			figure{What: fmt.Sprintf("%s, floor by POST and PUT", v), Unit: "s", Floor: l.of(byPlain, v, took)},
			figure{What: fmt.Sprintf("%s, floor without the host's objects", v), Unit: "s", Floor: l.of(byAlone, v, took)})
	}
	return all
}

// newCellBurst is workload B: federated Deployments to many cells on two clusters.
func newCellBurst() section {
	l := lives{}
	const namespace = "bench-cells"
	workloadOf := func(b *bed, f *cellField, version, prefix string) workload {
		w := workload{
			host: hostKind{framework.FederatedGroup, version, "Deployment"}, namespace: namespace, prefix: prefix,
			count: b.options.Deployments, cells: true,
		}
		w.placement, w.spots = everywhere(f.names(version), f.spots)
		return w
	}
	return section{
		name: "B",
		beside: func(ctx context.Context, b *bed) (err error) {
			f, err := b.plantCells(ctx, namespace, b.options.Cells)
			if err != nil {
				return err
			}
			if err := l.live(ctx, byUpstream, &runner{b: b, w: workloadOf(b, f, v1beta1, "b-upstream"), by: b.upstream()}); err != nil {
				return err
			}
			return f.clear(ctx)
		},
		cellfed: func(ctx context.Context, b *bed) error {
			f, err := b.plantCells(ctx, namespace, b.options.Cells)
			if err != nil {
				return err
			}
			floorSpots, err := b.floorSpots(ctx, b.options.Cells)
			if err != nil {
				return err
			}
			for round := range b.options.Rounds {
				w := workloadOf(b, f, v2beta1, fmt.Sprintf("b-cellfed-%d", round))
				floor := b.floor(w, floorSpots)
				if err := l.live(ctx, byFloor, floor); err != nil {
					return err
				}
				if err := l.live(ctx, byCellfed, &runner{b: b, w: w, by: b.cellfed()}); err != nil {
					return err
				}
			}
			return f.clear(ctx)
		},
		figures: func(s sizes) []figure {
			all := l.times(s.Deployments, fmt.Sprintf("Deployments to %d cells", s.Cells), nil)
			return append(all, figure{
				What: "controller CPU for each member object, all three", Unit: "ms",
				Cellfed: l.each(byCellfed, s.Deployments*s.Cells, cpu), Upstream: l.each(byUpstream, s.Deployments*s.Cells, cpu),
			})
		},
	}
}
