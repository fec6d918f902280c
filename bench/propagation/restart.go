package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cellfed/cellfed/e2e/framework"
)

// newRestart restarts cellfed with many objects in place.
func newRestart() section {
	var delivered, ready, memberWrites, hostWrites, cpu, memory *float64
	return section{
		name: "restart",
		cellfed: func(ctx context.Context, b *bed) error {
			stored := &runner{b: b, w: b.onClusters(v2beta1, "stored", b.options.Stored), by: b.cellfed()}
			if err := stored.open(ctx); err != nil {
				return err
			}
			defer stored.close()
			b.progress("  putting %d objects in place", b.options.Stored)
			if _, err := stored.phase(ctx, created, "1"); err != nil {
				return err
			}
			if err := b.Cellfed.Stop(ctx); err != nil {
				return err
			}
			if err := b.quiet(ctx, 3*time.Second, plainNamespace); err != nil {
				return err
			}
			marks := map[*framework.Cluster]framework.AuditMark{}
			for _, cluster := range []*framework.Cluster{b.Host, b.Member(members[0]), b.Member(members[1])} {
				mark, err := cluster.Mark()
				if err != nil {
					return err
				}
				marks[cluster] = mark
			}
			start := time.Now()
			if err := b.Cellfed.Start(ctx); err != nil {
				return err
			}
			ready = new(time.Since(start).Seconds())
			fresh := &runner{b: b, w: b.onClusters(v2beta1, "fresh", 1), observers: stored.observers}
			if _, err := fresh.one(ctx, created, 0, "1"); err != nil {
				return err
			}
			delivered = new(time.Since(start).Seconds())
			if err := b.quiet(ctx, 10*time.Second, plainNamespace); err != nil {
				return err
			}
			usage, err := b.Cellfed.Process().Usage()
			if err != nil {
				return err
			}
			cpu, memory = new(usage.CPU.Seconds()), new(float64(usage.Memory)/(1<<20))
			for cluster, mark := range marks {
				user, count := framework.MemberUser, &memberWrites
				if cluster == b.Host {
					user, count = framework.ManagerUser, &hostWrites
				}
				writes, err := cluster.Writes(mark, func(w framework.Write) bool {
					return w.User == user && w.Namespace == plainNamespace && w.Name != fresh.w.name(0)
				})
				if err != nil {
					return err
				}
				if *count == nil {
					*count = new(float64)
				}
				**count += float64(len(writes))
				for _, w := range writes[:min(len(writes), 3)] {
					b.progress("  a write to %s: %s", cluster.Name, w)
				}
			}
			if _, err := fresh.one(ctx, deleted, 0, ""); err != nil {
				return err
			}
			_, err = stored.phase(ctx, deleted, "")
			return err
		},
		figures: func(s sizes) []figure {
			return []figure{
				{What: fmt.Sprintf("start to readiness, %d objects in place", s.Stored), Unit: "s", Cellfed: ready},
				{What: "start to a new object in both members", Unit: "s", Cellfed: delivered},
				{What: "writes to the members meanwhile, the new object's aside", Cellfed: memberWrites, bounds: []bound{{value, false, 0}}},
				{What: "writes to the host's objects meanwhile, the new object's aside", Cellfed: hostWrites},
				{What: "CPU of the manager until at rest", Unit: "s", Cellfed: cpu},
				{What: "memory of the manager at rest", Unit: "MiB", Cellfed: memory},
			}
		},
	}
}
