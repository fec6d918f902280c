package propagation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	testingclock "k8s.io/utils/clock/testing"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/member"
)

const (
	typeConfigMaps  = "configmaps"
	typeDeployments = "deployments.apps"
	typeNamespaces  = "namespaces"
)

// modelCell is a cell that may be there.
type modelCell struct{ namespace, name, cluster, target, zone string }

var (
	modelCells = []modelCell{
		{"acme", "a1", "shared", "acme-a1", "x"}, {"acme", "a2", "of-acme", "acme", "y"}, {"acme", "a3", "shared", "acme-a3", "y"},
		{"globex", "g1", "shared", "globex-g1", "x"}, {"globex", "g2", "of-globex", "globex-g2", "y"},
	}
	modelClusters = map[string]map[string]string{
		"shared":    {v1alpha1.SharedLabel: "true", "zone": "x"},
		"of-acme":   {v1alpha1.TenantLabel: "acme", v1alpha1.WorkspaceGroupLabel: "prod", "zone": "y"},
		"of-globex": {v1alpha1.TenantLabel: "globex", v1alpha1.WorkspaceGroupLabel: "prod"},
	}
)

// world is a host, its members and one manager, all of which a seed decides.
type world struct {
	t     testing.TB
	ctx   context.Context
	rng   *rand.Rand
	seed  uint64
	step  int
	clock *testingclock.FakePassiveClock
	trail []string
	stats map[string]int
	uids  int

	host    *modelHost
	members map[string]*modelMember
	targets map[string]member.Target // By resource.
	runs    map[string]*engine.Running

	queues     *modelQueues
	ledger     *Ledger
	planner    *Planner
	propagator *Propagator
	reporter   *Reporter
	observer   *observer
	// manager says that there is one. It crashes in the middle of what it does.
	manager, crashed bool
	// walking says that anything may happen at any time.
	walking, inside bool

	job      job
	views    []hostView
	requests int
	exists   bool
	// idle says that nothing is to be done.
	idle bool
	// excused are objects that somebody has put into a member as if they were propagated.
	excused map[string]bool
}

func newWorld(t testing.TB, runs map[string]*engine.Running, seed uint64) *world {
	w := &world{
		t: t, ctx: context.Background(), seed: seed, rng: rand.New(rand.NewPCG(seed, 7)),
		clock: testingclock.NewFakePassiveClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)),
		stats: map[string]int{}, excused: map[string]bool{}, members: map[string]*modelMember{}, targets: map[string]member.Target{}, runs: runs,
	}
	for _, run := range runs {
		w.targets[run.Member.Resource.Resource] = run.Member
	}
	for _, name := range sortedKeys(modelClusters) {
		w.members[name] = &modelMember{w: w, name: name, lagging: newLagging[string, memberObject](), overlay: map[string]landed{}, version: 100}
	}
	w.members["of-acme"].webhook = true
	h := &modelHost{
		w: w, adopts: true, version: 1000, objects: map[string]*lagging[string, modelObject]{}, written: map[string]*modelObject{},
		fedSpaces: newLagging[string, modelObject](), spaces: newLagging[string, Namespace](),
		clusters: newLagging[string, fedv1b1.KubeFedCluster](), cells: newLagging[string, v1alpha1.Cell](),
	}
	w.host = h
	for name := range runs {
		h.objects[name] = newLagging[string, modelObject]()
	}
	w.start()
	for _, tenant := range []string{"acme", "globex"} {
		h.spaces.set(tenant, &Namespace{UID: types.UID("ns-" + tenant), Labels: map[string]string{v1alpha1.TenantLabel: tenant, v1alpha1.WorkspaceGroupLabel: "prod"}})
	}
	for _, name := range sortedKeys(modelClusters) {
		h.addCluster(name, modelClusters[name])
	}
	for _, c := range modelCells {
		h.addCell(c)
	}
	return w
}

// start starts a manager that knows nothing.
func (w *world) start() {
	h := w.host
	for _, l := range h.objects {
		l.forget()
	}
	h.fedSpaces.forget()
	h.spaces.forget()
	h.clusters.forget()
	h.cells.forget()
	h.written, h.registry = map[string]*modelObject{}, &registry{}
	for _, m := range w.members {
		m.known, m.sick = false, false
		m.unknow()
	}
	w.queues, w.ledger = newModelQueues(w), NewLedger()
	w.planner = &Planner{Host: h, Members: w, Queues: w.queues, Ledger: w.ledger}
	w.propagator = &Propagator{Host: h, Members: w, Queues: w.queues, Ledger: w.ledger, Clock: w.clock}
	w.reporter = &Reporter{Host: h, Members: w, Queues: w.queues, Ledger: w.ledger, Clock: w.clock, Settle: defaultSettle, Gap: defaultGap}
	w.observer = &observer{engine: w.queues, members: w}
	h.topologies = &Topologies{client: h, namespace: "kubefed", registry: h.registry, engine: w.queues, members: &modelKeeper{w}, joined: map[string]bool{}, look: w.observer.look}
	w.manager, w.crashed = true, false
}

// types of the model, made by an engine that does nothing.
func modelTypes(t testing.TB) map[string]*engine.Running {
	kinds := map[schema.GroupVersionResource]string{}
	var all []*fedv1b1.FederatedTypeConfig
	for _, each := range []struct{ name, group, kind, plural string }{
		{typeConfigMaps, "", "ConfigMap", "configmaps"}, {typeDeployments, "apps", "Deployment", "deployments"}, {typeNamespaces, "", "Namespace", "namespaces"},
	} {
		config := &fedv1b1.FederatedTypeConfig{ObjectMeta: metav1.ObjectMeta{Name: each.name, UID: types.UID(each.name)}}
		config.Spec.TargetType = fedv1b1.APIResource{Group: each.group, Version: "v1", Kind: each.kind, PluralName: each.plural, Scope: "Namespaced"}
		if each.name == typeNamespaces {
			config.Spec.TargetType.Scope = "Cluster"
		}
		config.Spec.FederatedType = fedv1b1.APIResource{Group: "types.kubefed.io", Version: "v1beta1", Kind: "Federated" + each.kind, PluralName: "federated" + each.plural, Scope: "Namespaced"}
		kinds[schema.GroupVersionResource{Group: "types.kubefed.io", Version: "v2beta1", Resource: "federated" + each.plural}] = "Federated" + each.kind + "List"
		all = append(all, config)
	}
	e := engine.New(engine.Options{
		Client: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds), Members: noWatcher{},
		Reconcilers: engine.Reconcilers{Plan: nothing[engine.ObjectKey]{}, Propagate: nothing[engine.Key]{}, Report: nothing[engine.ObjectKey]{}},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Start(ctx) }()
	runs := map[string]*engine.Running{}
	for _, config := range all {
		if err := e.Ensure(ctx, engine.Type{FTC: config}); err != nil {
			t.Fatal(err)
		}
		run, leave, ok := e.Enter(config.Name)
		if !ok {
			t.Fatalf("%s does not run", config.Name)
		}
		leave()
		runs[config.Name] = run
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return runs
}

func (w *world) uid() string {
	w.uids++
	return "m" + strconv.Itoa(w.uids)
}

func (w *world) count(what string) { w.stats[what]++ }

func (w *world) note(format string, args ...any) {
	line := fmt.Sprintf("%6d  %s  ", w.step, w.clock.Now().Format("15:04:05.000")) + fmt.Sprintf(format, args...)
	if !strings.Contains(line, *modelAbout) {
		return
	}
	w.trail = append(w.trail, line[:min(len(line), 1500)])
	if len(w.trail) > 4000 {
		w.trail = append([]string(nil), w.trail[3000:]...)
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	last := w.trail[max(0, len(w.trail)-*modelTrail):]
	w.t.Fatalf("%s\nseed %d, step %d; replay: go test ./controllers/propagation -run TestModel -model.seed=%d -model.steps=%d\n%s",
		fmt.Sprintf(format, args...), w.seed, w.step, w.seed, *modelSteps, strings.Join(last, "\n"))
}

// interlude is called wherever a reconciler looks at the world: the world may be another then.
func (w *world) interlude() {
	if !w.walking || w.inside || w.rng.IntN(30) != 0 {
		return
	}
	w.inside = true
	defer func() { w.inside = false }()
	if w.rng.IntN(60) == 0 {
		w.note("the manager crashes in the middle")
		w.crashed = true
		return
	}
	w.event()
}

func (w *world) begin(j job) {
	w.note("%s", j)
	w.job, w.exists = j, true
	w.views = []hostView{w.cachedView(j.Key)}
	w.count("run " + strings.SplitN(j.String(), " ", 2)[0])
}

// read notes what the manager has read of the host.
func (w *world) read(string) { w.views = append(w.views, w.cachedView(w.job.Key)) }

func (w *world) end() { w.views = nil }
