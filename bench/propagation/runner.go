package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

// phaseTimeout bounds a phase; the slowest that upstream has takes a minute or two for 500 objects.
const phaseTimeout = 15 * time.Minute

// verb is what happens to the objects in a phase.
type verb string

const (
	created verb = "create"
	updated verb = "update"
	deleted verb = "delete"
)

// lifecycle is the order of the phases.
var lifecycle = []verb{created, updated, deleted}

// phase is what one phase took.
type phase struct {
	// took is from the first write to the host until the last object in a member was seen, written until the last
	// write to the host was acknowledged.
	took, written time.Duration
	// delays are, for each object and member, from the acknowledged write to the host until it was seen in the member.
	delays []time.Duration
	// cpu is what the propagator ran, hostWrites what it wrote to the host, conversions what the webhook answered,
	// until it came to rest.
	cpu                     time.Duration
	hostWrites, conversions int
}

// propagator is who brings the objects to the members: processes whose CPU time counts, and how their writes are told.
type propagator struct {
	processes func() []*framework.Process
	wrote     func(framework.Write) bool
}

// runner takes a workload through its phases.
type runner struct {
	b *bed
	w workload
	// by is who propagates; nil for the floor, which has direct instead.
	by *propagator
	// direct writes one object to one member.
	direct func(ctx context.Context, v verb, i int, revision string, s spot) error
	// withoutHost leaves the host's objects out.
	withoutHost bool

	observers map[*framework.Cluster]*framework.Observer
}

// open starts the observers. The caller calls close.
func (r *runner) open(ctx context.Context) error {
	r.observers = map[*framework.Cluster]*framework.Observer{}
	for _, name := range members {
		observer, err := r.b.Member(name).Observe(ctx, r.w.host.target())
		if err != nil {
			r.close()
			return err
		}
		r.observers[r.b.Member(name)] = observer
	}
	return nil
}

func (r *runner) close() {
	for _, observer := range r.observers {
		observer.Close()
	}
}

// life runs all phases and returns them.
func (r *runner) life(ctx context.Context) (map[verb]phase, error) {
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	defer r.close()
	phases := map[verb]phase{}
	for i, v := range lifecycle {
		p, err := r.phase(ctx, v, fmt.Sprint(i+1))
		if err != nil {
			return phases, fmt.Errorf("%s %s: %w", v, r.w.prefix, err)
		}
		phases[v] = p
		r.b.progress("  %-6s %4d %s: %6.2fs to the last member object, %.2fs to the last host write", v, r.w.count, r.w.prefix,
			p.took.Seconds(), p.written.Seconds())
	}
	return phases, nil
}

// phase does the same to all objects and waits until the members show it and the propagator rests.
func (r *runner) phase(ctx context.Context, v verb, revision string) (phase, error) {
	ctx, cancel := context.WithTimeout(ctx, phaseTimeout)
	defer cancel()
	before, err := r.meters(ctx)
	if err != nil {
		return phase{}, err
	}
	acks := make([]time.Time, r.w.count)
	start := time.Now()
	if err := r.write(ctx, v, revision, r.w.all(), acks); err != nil {
		return phase{}, err
	}
	p := phase{}
	for _, ack := range acks {
		p.written = max(p.written, ack.Sub(start))
	}
	last, err := r.await(ctx, v, revision, r.w.all(), acks, &p)
	if err != nil {
		return p, err
	}
	p.took = last.Sub(start)
	return p, r.rest(ctx, v, before, &p)
}

// write writes the objects of the indexes to the host, and to the members where nobody propagates.
func (r *runner) write(ctx context.Context, v verb, revision string, indexes []int, acks []time.Time) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.b.options.Concurrency)
	for _, i := range indexes {
		group.Go(func() error {
			if !r.withoutHost {
				if err := r.writeHost(ctx, v, i, revision); err != nil {
					return err
				}
			}
			acks[i] = time.Now()
			if r.direct == nil {
				return nil
			}
			var spots errgroup.Group
			for _, s := range r.w.spots(i) {
				spots.Go(func() error { return r.direct(ctx, v, i, revision, s) })
			}
			return spots.Wait()
		})
	}
	return group.Wait()
}

// writeHost does one write to the host.
func (r *runner) writeHost(ctx context.Context, v verb, i int, revision string) error {
	host := r.b.Host.Client
	switch v {
	case created:
		return host.Create(ctx, r.w.hostObject(i, revision))
	case updated:
		patch, err := templatePatch(r.w.host.kind, r.w.name(i), revision)
		if err != nil {
			return err
		}
		return host.Patch(ctx, r.w.empty(i), patch)
	default:
		return host.Delete(ctx, r.w.empty(i))
	}
}

// await waits until the members show the objects of the indexes, and returns when the last one was seen.
func (r *runner) await(ctx context.Context, v verb, revision string, indexes []int, acks []time.Time, p *phase) (time.Time, error) {
	if v == deleted {
		revision = ""
	}
	var mu sync.Mutex
	var last time.Time
	var group errgroup.Group
	for cluster, observer := range r.observers {
		index := map[framework.Sight]int{}
		var sights []framework.Sight
		for _, i := range indexes {
			for _, s := range r.w.spots(i) {
				if s.cluster == cluster {
					index[r.w.sight(i, revision, s)] = i
					sights = append(sights, r.w.sight(i, revision, s))
				}
			}
		}
		group.Go(func() error {
			seen, err := observer.Wait(ctx, sights...)
			mu.Lock()
			defer mu.Unlock()
			for sight, at := range seen {
				if at.After(last) {
					last = at
				}
				// The watches can be faster than the acknowledgement.
				p.delays = append(p.delays, max(at.Sub(acks[index[sight]]), 0))
			}
			return err
		})
	}
	err := group.Wait()
	return last, err
}

// meters is what is read before a phase.
type meters struct {
	cpu         time.Duration
	conversions int
	mark        framework.AuditMark
}

func (r *runner) meters(ctx context.Context) (meters, error) {
	var m meters
	if r.by == nil {
		return m, nil
	}
	for _, process := range r.by.processes() {
		usage, err := process.Usage()
		if err != nil {
			return m, err
		}
		m.cpu += usage.CPU
	}
	var err error
	if m.conversions, err = r.b.Host.Conversions(ctx, plural(r.w.host.kind)+"."+r.w.host.group); err != nil {
		return m, err
	}
	m.mark, err = r.b.Host.Mark()
	return m, err
}

// rest waits until the propagator rests and reads what it took.
func (r *runner) rest(ctx context.Context, v verb, before meters, p *phase) error {
	if r.by == nil {
		return nil
	}
	if v == deleted {
		if err := r.hostGone(ctx); err != nil {
			return err
		}
	}
	if err := r.b.quiet(ctx, 3*time.Second, r.w.namespace); err != nil {
		return err
	}
	after, err := r.meters(ctx)
	if err != nil {
		return err
	}
	p.cpu, p.conversions = after.cpu-before.cpu, after.conversions-before.conversions
	writes, err := r.b.Host.Writes(before.mark, func(w framework.Write) bool {
		return w.Namespace == r.w.namespace && r.by.wrote(w)
	})
	p.hostWrites = len(writes)
	return err
}

// hostGone waits until the host has none of the objects.
func (r *runner) hostGone(ctx context.Context) error {
	return framework.Poll(ctx, phaseTimeout, "the federated objects to be gone", func(ctx context.Context) error {
		objects := &metav1.PartialObjectMetadataList{}
		objects.SetGroupVersionKind(r.w.host.gvk("List"))
		if err := r.b.Host.Client.List(ctx, objects, client.InNamespace(r.w.namespace)); err != nil {
			return err
		}
		if len(objects.Items) > 0 {
			return fmt.Errorf("%d are there, such as %s", len(objects.Items), objects.Items[0].Name)
		}
		return nil
	})
}
