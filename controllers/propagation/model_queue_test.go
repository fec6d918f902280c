package propagation

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/engine"
)

type stage int

const (
	planning stage = iota
	propagating
	reporting
)

// job is a key in one of the queues.
type job struct {
	stage  stage
	member string
	engine.Key
}

func (j job) String() string {
	return fmt.Sprintf("%s %s|%s|%s@%s", []string{"plan", "propagate", "report"}[j.stage], j.Type, j.Namespace, j.Name, j.Topology)
}

func compareJobs(a, b job) int {
	return cmp.Or(cmp.Compare(a.stage, b.stage), cmp.Compare(a.member, b.member), cmp.Compare(a.Type, b.Type),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Topology, b.Topology))
}

// queued is when a job may run, and how it fared.
type queued struct {
	job
	due time.Time
}

// modelQueues are the engine's queues, from which the walk takes what it likes.
type modelQueues struct {
	w        *world
	jobs     []queued // Sorted.
	failures map[job]int
	members  map[string]bool
	started  chan struct{}
	entered  int
}

func newModelQueues(w *world) *modelQueues {
	q := &modelQueues{w: w, failures: map[job]int{}, members: map[string]bool{}, started: make(chan struct{})}
	close(q.started)
	return q
}

func (q *modelQueues) add(j job, after time.Duration) {
	due := q.w.clock.Now().Add(after)
	i, found := slices.BinarySearchFunc(q.jobs, j, func(a queued, b job) int { return compareJobs(a.job, b) })
	if !found {
		q.jobs = slices.Insert(q.jobs, i, queued{job: j, due: due})
	} else if due.Before(q.jobs[i].due) {
		q.jobs[i].due = due
	}
}

func (q *modelQueues) Enter(name string) (*engine.Running, func(), bool) {
	q.entered++
	run := q.w.runs[name]
	return run, func() { q.entered-- }, run != nil
}

func (q *modelQueues) Propagate(name string, _ int, keys ...engine.Key) {
	for _, key := range keys {
		if q.members[name] {
			q.add(job{propagating, name, key}, 0)
		}
	}
}

func (q *modelQueues) Plan(_ int, key engine.ObjectKey) {
	q.add(job{stage: planning, Key: engine.Key{ObjectKey: key}}, 0)
}

func (q *modelQueues) Report(key engine.ObjectKey) {
	q.add(job{stage: reporting, Key: engine.Key{ObjectKey: key}}, 0)
}

func (q *modelQueues) PlanAll(typ, namespace string, priority int) {
	for _, run := range q.Types() {
		if typ != "" && typ != run.Name {
			continue
		}
		l := q.w.host.objects[run.Name]
		for _, name := range sortedKeys(l.seen) {
			if o := l.seen[name]; namespace == "" || o.namespace == namespace {
				q.Plan(priority, o.key())
			}
		}
	}
}

func (q *modelQueues) Types() []*engine.Running {
	var all []*engine.Running
	for _, name := range sortedKeys(q.w.runs) {
		all = append(all, q.w.runs[name])
	}
	return all
}

func (q *modelQueues) Started() <-chan struct{} { return q.started }

func (q *modelQueues) EnsureMember(name string) error {
	q.members[name] = true
	return nil
}

func (q *modelQueues) ForgetMember(name string) {
	delete(q.members, name)
	q.jobs = slices.DeleteFunc(q.jobs, func(j queued) bool { return j.stage == propagating && j.member == name })
}

func (q *modelQueues) EnsureNamespaces(*fedv1b1.FederatedTypeConfig) error { return nil }

// due returns what may run now.
func (q *modelQueues) due(keep func(queued) bool) []job {
	var all []job
	now := q.w.clock.Now()
	for _, j := range q.jobs {
		if !j.due.After(now) && (keep == nil || keep(j)) {
			all = append(all, j.job)
		}
	}
	return all
}

// run works one job off.
func (q *modelQueues) run(j job) {
	q.jobs = slices.DeleteFunc(q.jobs, func(o queued) bool { return o.job == j })
	w := q.w
	w.begin(j)
	var result reconcile.Result
	var err error
	switch j.stage {
	case planning:
		result, err = w.planner.Reconcile(w.ctx, j.ObjectKey)
	case propagating:
		result, err = w.propagator.Reconcile(w.ctx, j.Key)
	case reporting:
		result, err = w.reporter.Reconcile(w.ctx, j.ObjectKey)
	}
	w.end()
	if q.entered != 0 {
		w.fail("%s did not leave its type", j)
	}
	if w.crashed || j.stage == propagating && !q.members[j.member] {
		return
	}
	switch {
	case errors.Is(err, reconcile.TerminalError(nil)):
	case err != nil:
		q.failures[j]++
		q.add(j, min(firstRetry<<min(q.failures[j], 10), lastRetry))
		return
	case result.RequeueAfter > 0:
		q.add(j, result.RequeueAfter)
	}
	delete(q.failures, j)
}
