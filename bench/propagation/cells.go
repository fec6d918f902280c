package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// cellField is a namespace with cells, every other one on the other cluster.
type cellField struct {
	b         *bed
	namespace string
	cells     []string
	spots     []spot
}

// plantCells makes the cells and waits until upstream and cellfed take them for ready.
func (b *bed) plantCells(ctx context.Context, namespace string, count int) (*cellField, error) {
	b.progress("  making %d cells on %d clusters", count, len(members))
	labels := map[string]string{cellfedv1alpha1.TenantLabel: "bench", cellfedv1alpha1.WorkspaceGroupLabel: namespace}
	if err := b.Host.CreateNamespace(ctx, namespace, labels); err != nil {
		return nil, err
	}
	f := &cellField{b: b, namespace: namespace}
	for i := range count {
		name := fmt.Sprintf("c%02d", i)
		cell := &cellfedv1alpha1.Cell{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
			Spec: cellfedv1alpha1.CellSpec{
				ClusterName: members[i%len(members)], TargetNamespace: namespace + "-" + name,
			},
		}
		if err := b.Host.Client.Create(ctx, cell); err != nil {
			return nil, fmt.Errorf("make the cell %s: %w", name, err)
		}
		f.cells = append(f.cells, name)
		f.spots = append(f.spots, spot{b.Member(cell.Spec.ClusterName), cell.Spec.TargetNamespace})
	}
	return f, f.ready(ctx)
}

func (f *cellField) ready(ctx context.Context) error {
	for _, name := range f.cells {
		err := framework.Poll(ctx, readyTimeout, "the cell "+name, func(ctx context.Context) error {
			cell := &cellfedv1alpha1.Cell{}
			if err := f.b.Host.Client.Get(ctx, client.ObjectKey{Namespace: f.namespace, Name: name}, cell); err != nil {
				return err
			}
			if !meta.IsStatusConditionTrue(cell.Status.Conditions, string(cellfedv1alpha1.ConditionReady)) {
				return fmt.Errorf("it is not ready: %v", cell.Status.Conditions)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return f.b.KubeFed.WaitForClusters(ctx, readyTimeout, f.names(v1beta1)...)
}

// names are the cells' names in the placement of a version.
func (f *cellField) names(version string) []string {
	if version == v2beta1 {
		return f.cells
	}
	var all []string
	for _, cell := range f.cells {
		all = append(all, f.namespace+"."+cell)
	}
	return all
}

// clear deletes the cells, which nothing may be placed on any more, and waits until they are gone.
func (f *cellField) clear(ctx context.Context) error {
	host := f.b.Host.Client
	// Cells wait for what places them, the namespace's federated one among it.
	namespace := framework.Federated{Version: v1beta1, Kind: "FederatedNamespace", Namespace: f.namespace, Name: f.namespace}.Object()
	if err := client.IgnoreNotFound(host.Delete(ctx, namespace)); err != nil {
		return fmt.Errorf("clear the cells of %s: %w", f.namespace, err)
	}
	if err := host.DeleteAllOf(ctx, &cellfedv1alpha1.Cell{}, client.InNamespace(f.namespace)); err != nil {
		return fmt.Errorf("clear the cells of %s: %w", f.namespace, err)
	}
	return framework.Poll(ctx, readyTimeout, "the cells to be gone", func(ctx context.Context) error {
		cells := &cellfedv1alpha1.CellList{}
		if err := host.List(ctx, cells, client.InNamespace(f.namespace)); err != nil {
			return err
		}
		if len(cells.Items) > 0 {
			return fmt.Errorf("%d are there: %v", len(cells.Items), cells.Items[0].Status.Conditions)
		}
		return nil
	})
}

// floorSpots are namespaces of the floor's, as many as there are cells, where the cells are.
func (b *bed) floorSpots(ctx context.Context, count int) ([]spot, error) {
	var all []spot
	for i := range count {
		s := spot{b.Member(members[i%len(members)]), fmt.Sprintf("%s-%02d", floorNamespace, i)}
		if err := s.cluster.CreateNamespace(ctx, s.namespace, nil); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// footprint is what a number of cells costs.
type footprint struct {
	memory  float64
	watches float64
}

// newCells measures memory and watches with one cell and with many on each cluster, and as many objects in either case.
func newCells() section {
	found := map[who]map[int]footprint{byCellfed: {}, byUpstream: {}}
	measureCells := func(ctx context.Context, b *bed, party who, version string) error {
		for _, perCluster := range []int{1, b.options.ManyCells} {
			print, err := b.footprint(ctx, party, version, perCluster)
			if err != nil {
				return fmt.Errorf("%d cells on each cluster: %w", perCluster, err)
			}
			b.progress("  %d cells on each cluster: %.0f MiB, %.0f watches of ConfigMaps on a member", perCluster, print.memory, print.watches)
			found[party][perCluster] = print
		}
		return nil
	}
	return section{
		name:    "cells",
		beside:  func(ctx context.Context, b *bed) error { return measureCells(ctx, b, byUpstream, v1beta1) },
		cellfed: func(ctx context.Context, b *bed) error { return measureCells(ctx, b, byCellfed, v2beta1) },
		figures: func(s sizes) []figure { return cellFigures(s, found) },
	}
}

func cellFigures(s sizes, found map[who]map[int]footprint) []figure {
	get := func(party who, perCluster int, what func(footprint) float64) *float64 {
		if f, ok := found[party][perCluster]; ok {
			return new(what(f))
		}
		return nil
	}
	growth := func(party who, what func(footprint) float64) *float64 {
		one, many := get(party, 1, what), get(party, s.ManyCells, what)
		if one == nil || many == nil || *one == 0 {
			return nil
		}
		return new(*many / *one)
	}
	memory, watches := func(f footprint) float64 { return f.memory }, func(f footprint) float64 { return f.watches }
	var all []figure
	for _, perCluster := range []int{1, s.ManyCells} {
		all = append(all,
			figure{What: fmt.Sprintf("memory, %d cells on each cluster, %d objects", perCluster, s.Objects), Unit: "MiB",
				Cellfed: get(byCellfed, perCluster, memory), Upstream: get(byUpstream, perCluster, memory)},
			figure{What: fmt.Sprintf("watches of ConfigMaps on a member, %d cells", perCluster),
				Cellfed: get(byCellfed, perCluster, watches), Upstream: get(byUpstream, perCluster, watches)})
	}
	return append(all,
		figure{What: "memory, growth", Cellfed: growth(byCellfed, memory), Upstream: growth(byUpstream, memory), bounds: []bound{{value, false, 1.2}}},
		figure{What: "watches, growth", Cellfed: growth(byCellfed, watches), Upstream: growth(byUpstream, watches), bounds: []bound{{value, false, 1}}})
}

// footprint places the objects, each on one cell of each cluster, restarts the propagator and reads what it takes.
func (b *bed) footprint(ctx context.Context, party who, version string, perCluster int) (footprint, error) {
	namespace := fmt.Sprintf("bench-%d-%s", perCluster, party)
	f, err := b.plantCells(ctx, namespace, perCluster*len(members))
	if err != nil {
		return footprint{}, err
	}
	names := f.names(version)
	w := workload{
		host: hostKind{framework.FederatedGroup, version, "ConfigMap"}, namespace: namespace, prefix: "cells", count: b.options.Objects, cells: true,
		placement: func(i int) []string { c := i % perCluster * len(members); return names[c : c+len(members)] },
		spots:     func(i int) []spot { c := i % perCluster * len(members); return f.spots[c : c+len(members)] },
	}
	by := b.cellfed()
	if party == byUpstream {
		by = b.upstream()
	}
	r := &runner{b: b, w: w, by: by}
	if err := r.open(ctx); err != nil {
		return footprint{}, err
	}
	_, err = r.phase(ctx, created, "1")
	r.close()
	if err != nil {
		return footprint{}, err
	}
	print, err := b.restAndRead(ctx, party, f)
	if err != nil {
		return print, err
	}
	if err := r.open(ctx); err != nil {
		return print, err
	}
	defer r.close()
	if _, err := r.phase(ctx, deleted, ""); err != nil {
		return print, err
	}
	return print, f.clear(ctx)
}

// restAndRead restarts the propagator, so that it holds nothing of what was, and reads what it takes at rest: the
// median of some moments.
func (b *bed) restAndRead(ctx context.Context, party who, f *cellField) (footprint, error) {
	process := b.KubeFed.Process
	if party == byUpstream {
		if err := b.KubeFed.Stop(ctx); err != nil {
			return footprint{}, err
		}
		if err := b.KubeFed.Start(ctx); err != nil {
			return footprint{}, err
		}
	} else {
		process = b.Cellfed.Process
		if err := b.Cellfed.Stop(ctx); err != nil {
			return footprint{}, err
		}
		if err := b.Cellfed.Start(ctx); err != nil {
			return footprint{}, err
		}
	}
	if err := f.ready(ctx); err != nil {
		return footprint{}, err
	}
	if err := b.quiet(ctx, 20*time.Second, f.namespace); err != nil {
		return footprint{}, err
	}
	var memory []uint64
	for range 20 {
		usage, err := process().Usage()
		if err != nil {
			return footprint{}, err
		}
		memory = append(memory, usage.Memory)
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return footprint{}, err
		}
	}
	metrics, err := b.Member(members[0]).Metrics(ctx)
	if err != nil {
		return footprint{}, err
	}
	return footprint{
		memory:  float64(quantile(memory, 0.5)) / (1 << 20),
		watches: metrics.Sum("apiserver_longrunning_requests", map[string]string{"verb": "WATCH", "resource": "configmaps"}),
	}, nil
}
