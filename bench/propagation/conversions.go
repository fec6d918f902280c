package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

// newConversions counts the conversion calls for objects that are created, updated and deleted in v2beta1.
func newConversions() section {
	both, one := lives{}, lives{}
	part := func(l lives, prefix string, party who, by func(*bed) *propagator) func(context.Context, *bed) error {
		return func(ctx context.Context, b *bed) error {
			w := b.onClusters(v2beta1, prefix+string(party), b.options.Conversions)
			return l.live(ctx, party, &runner{b: b, w: w, by: by(b)})
		}
	}
	figures := func(l lives, s sizes) []figure {
		calls := func(p phase) float64 { return float64(p.conversions) }
		all := []figure{{
			What:    "conversion calls for each object created, updated and deleted in v2beta1",
			Cellfed: l.each(byCellfed, s.Conversions, calls), Upstream: l.each(byUpstream, s.Conversions, calls),
			bounds: []bound{{value, false, 2}},
		}}
		for _, v := range lifecycle {
			get := func(party who) *float64 {
				return l.of(party, v, func(p phase) float64 { return calls(p) / float64(s.Conversions) })
			}
			all = append(all, figure{What: fmt.Sprintf("of these, %s", v), Cellfed: get(byCellfed), Upstream: get(byUpstream)})
		}
		return all
	}
	return section{
		name:    "conversions",
		beside:  part(both, "conversions-", byUpstream, (*bed).upstream),
		cellfed: part(both, "conversions-", byCellfed, (*bed).cellfed),
		alone:   part(one, "conversions-alone-", byCellfed, (*bed).cellfed),
		figures: func(s sizes) []figure {
			return append(figures(both, s), alone("conversions", figures(one.besideUpstreamOf(both), s))...)
		},
	}
}

// newUpdates compares a client's updates of a CRD as cellfed makes it with those of one that has v2beta1 alone. Both
// are copies that nobody propagates, in a namespace that admission leaves out (it asks about one of the groups alone), so
// that nothing but the versions tells them apart; the objects have a status by another manager, as a propagator leaves it.
func newUpdates() section {
	var two, one []float64
	var calls *float64
	return section{
		name: "updates",
		cellfed: func(ctx context.Context, b *bed) error {
			// The group is the federated one, since the conversion serves no other.
			twice := hostKind{framework.FederatedGroup, v2beta1, "TwinConfigMap"}
			once := hostKind{twinGroup, v2beta1, "OneConfigMap"}
			err := b.copyCRD(ctx, "ConfigMap", twice.group, twice.kind, func(crd *apiextensionsv1.CustomResourceDefinition) {
				storeV2Beta1(crd, !b.options.v2beta1Only)
			})
			if err != nil {
				return err
			}
			err = b.copyCRD(ctx, "ConfigMap", once.group, once.kind, func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Conversion = nil
				for _, version := range crd.Spec.Versions {
					if version.Name == v2beta1 {
						version.Storage = true
						crd.Spec.Versions = []apiextensionsv1.CustomResourceDefinitionVersion{version}
						return
					}
				}
			})
			if err != nil {
				return err
			}
			if err := b.Cellfed.Exempt(ctx, floorNamespace); err != nil {
				return err
			}
			runners := map[hostKind]*runner{}
			for _, kind := range []hostKind{twice, once} {
				w := b.onClusters(v2beta1, "updates", b.options.Objects)
				w.host, w.namespace = kind, floorNamespace
				runners[kind] = &runner{b: b, w: w}
				if err := runners[kind].prepare(ctx); err != nil {
					return err
				}
			}
			crd := plural(twice.kind) + "." + twice.group
			before, err := b.Host.Conversions(ctx, crd)
			if err != nil {
				return err
			}
			for round := range b.options.Rounds {
				order := []hostKind{twice, once}
				if round%2 == 1 {
					slices.Reverse(order)
				}
				for _, kind := range order {
					seconds, err := runners[kind].updateAll(ctx, fmt.Sprint(round+2))
					if err != nil {
						return err
					}
					b.progress("  %d updates of a %s: %.2fs", b.options.Objects, kind.kind, seconds)
					if kind == twice {
						two = append(two, seconds)
					} else {
						one = append(one, seconds)
					}
				}
			}
			after, err := b.Host.Conversions(ctx, crd)
			if err != nil {
				return err
			}
			calls = new(float64(after-before) / float64(b.options.Objects*b.options.Rounds))
			return runners[twice].dropCRD(ctx)
		},
		figures: func(s sizes) []figure {
			f := figure{What: fmt.Sprintf("%d client updates, two versions (floor: one version)", s.Objects), Unit: "s", bounds: []bound{{overFloor, false, 1.3}}}
			if len(two) > 0 {
				f.Cellfed = new(quantile(two, 0.5))
			}
			if len(one) > 0 {
				f.Floor = new(quantile(one, 0.5))
			}
			return []figure{f, {What: "conversion calls for each of these, nobody propagating", Cellfed: calls}}
		},
	}
}

// storeV2Beta1 makes v2beta1 the storage version, as it is of a type that was handed over, and the other one served or not.
func storeV2Beta1(crd *apiextensionsv1.CustomResourceDefinition, both bool) {
	for i := range crd.Spec.Versions {
		v := &crd.Spec.Versions[i]
		v.Storage = v.Name == v2beta1
		v.Served = v.Storage || both
	}
}

// prepare creates the objects and gives each a status.
func (r *runner) prepare(ctx context.Context) error {
	if err := r.write(ctx, created, "1", r.w.all(), make([]time.Time, r.w.count)); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.b.options.Concurrency)
	for i := range r.w.count {
		group.Go(func() error {
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"observedGeneration":1}}`))
			return r.b.Host.Client.Status().Patch(ctx, r.w.empty(i), patch, client.FieldOwner("cellfed"))
		})
	}
	return group.Wait()
}

// updateAll returns the seconds that the client's updates take.
func (r *runner) updateAll(ctx context.Context, revision string) (float64, error) {
	start := time.Now()
	err := r.write(ctx, updated, revision, r.w.all(), make([]time.Time, r.w.count))
	return time.Since(start).Seconds(), err
}

// dropCRD deletes the CRD of the objects with all that there is of it.
func (r *runner) dropCRD(ctx context.Context) error {
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	crd.SetName(plural(r.w.host.kind) + "." + r.w.host.group)
	return r.b.Host.Client.Delete(ctx, crd)
}
