package federatedtypepolicy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	fedv1a1 "sigs.k8s.io/kubefed/pkg/apis/core/v1alpha1"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
)

const (
	namespace = "kube-federation-system"
	typeName  = "configmaps"
	fedCRD    = "federatedconfigmaps.types.kubefed.io"
)

// errCrash is what a write ends with when the process is to end there.
var errCrash = errors.New("crash")

// world is a host in memory, with an upstream KubeFed and a manager that can be killed.
type world struct {
	t     testing.TB
	ctx   context.Context
	inner client.WithWatch // writes as people do
	c     client.Client    // writes as the manager does
	clock *clocktesting.FakePassiveClock
	up    *upstream
	r     *Reconciler
	run   *runner
	uids  int
	log   []string

	writes int
	// crashAt is the write that the manager ends at: before it is done, or after where late is set. Zero is never.
	crashAt int
	late    bool
	// serving has v1beta1 served or not, as policies ask.
	serving serving
	// given is the config that the manager has enabled, as long as it writes nothing else to it.
	given types.UID
	// held is what hold has stored.
	held *unstructured.Unstructured
}

// runner is the push reconciler of one process.
type runner struct {
	w       *world
	running map[string]bool
	failing error
	// draining is what happens while a type is stopped. Nil is nothing.
	draining func()
}

func (r *runner) Ensure(_ context.Context, t engine.Type) error {
	if r.failing != nil {
		return r.failing
	}
	if !r.running[t.FTC.Name] {
		r.w.say("start the push reconciler")
		if why := r.w.up.writing(); why != "" {
			r.w.t.Errorf("two writers: the push reconciler starts, and %s\n%s", why, r.w.transcript())
		}
	}
	r.running[t.FTC.Name] = true
	return nil
}

func (r *runner) Stop(_ context.Context, name string) error {
	if r.failing != nil {
		return r.failing
	}
	if r.running[name] {
		r.w.say("stop the push reconciler")
		if r.draining != nil {
			r.draining()
		}
	}
	delete(r.running, name)
	return nil
}

// newScheme returns a small one: the fake client makes a mapper of it at each write. It is the world's own, because the
// fake client adds to it.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.ConfigMap{}, &corev1.ConfigMapList{}, &corev1.Namespace{}, &corev1.NamespaceList{}, &corev1.Endpoints{}) //nolint:staticcheck // Upstream may keep its lease there.
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	return scheme, errors.Join(coordinationv1.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme),
		fedv1b1.AddToScheme(scheme), fedv1a1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

func newWorld(t testing.TB) *world {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, ctx: t.Context(), clock: clocktesting.NewFakePassiveClock(time.Unix(1_000_000, 0))}
	// The converters that are the default take half a second to make.
	w.inner = fake.NewClientBuilder().WithScheme(scheme).WithTypeConverters(managedfields.NewDeducedTypeConverter()).
		WithStatusSubresource(&v1alpha1.FederatedTypePolicy{}, &fedv1b1.FederatedTypeConfig{}, &apiextensionsv1.CustomResourceDefinition{}).Build()
	w.c = interceptor.NewClient(w.inner, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return w.write(o, p, "", func() error { return w.generate(o, func() error { return c.Patch(ctx, o, p, opts...) }) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return w.write(o, p, "/"+sub, func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
	w.up = &upstream{w: w}
	w.must(w.inner.Create(w.ctx, &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: fedCRD, UID: "crd"},
		Spec:       apiextensionsv1.CustomResourceDefinitionSpec{Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1beta1", Served: true}, {Name: "v2beta1", Served: true}}},
	}))
	w.serve(true)
	w.restart()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.transcript())
	}
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%4s  ", w.clock.Now().Sub(time.Unix(1_000_000, 0)))+fmt.Sprintf(format, args...))
}

func (w *world) transcript() string { return strings.Join(w.log, "\n") + "\n" }

// write does a write of the manager's, or ends the process there.
func (w *world) write(o client.Object, p client.Patch, sub string, do func() error) error {
	w.writes++
	data, err := p.Data(o)
	w.must(err)
	if w.writes == w.crashAt && !w.late {
		return errCrash
	}
	if err := do(); err != nil {
		return err
	}
	kind := "policy"
	if config, ok := o.(*fedv1b1.FederatedTypeConfig); ok {
		kind = "config"
		if w.given = ""; sub == "" && config.Spec.Propagation == fedv1b1.PropagationEnabled {
			w.given = config.UID
			if w.hides() {
				w.t.Errorf("KubeFed is given a type that it cannot read\n%s", w.transcript())
			}
		}
	}
	w.say("write %s%s %s", kind, sub, short(w.t, data))
	if w.writes == w.crashAt {
		return errCrash
	}
	return nil
}

// short is what a patch says, without times and versions.
func short(t testing.TB, patch []byte) string {
	var content struct {
		Metadata map[string]any `json:"metadata"`
		Spec     map[string]any `json:"spec"`
		Status   map[string]any `json:"status"`
	}
	if err := json.Unmarshal(patch, &content); err != nil {
		t.Fatal(err)
	}
	delete(content.Metadata, "resourceVersion")
	conditions, _ := content.Status["conditions"].([]any)
	delete(content.Status, "conditions")
	all := content.Spec
	if all == nil {
		all = map[string]any{}
	}
	for k, v := range content.Metadata {
		all[k] = v
	}
	for k, v := range content.Status {
		all[k] = v
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range conditions {
		if condition := c.(map[string]any); condition["type"] == "Propagating" {
			return fmt.Sprintf("%s %s=%s", out, condition["reason"], condition["status"])
		}
	}
	return string(out)
}

// generate does a write and counts the generation as an API server does.
func (w *world) generate(o client.Object, do func() error) error {
	config, ok := o.(*fedv1b1.FederatedTypeConfig)
	if !ok {
		return do()
	}
	before := w.config()
	if err := do(); err != nil {
		return err
	}
	if before == nil || equality.Semantic.DeepEqual(before.Spec, config.Spec) {
		return nil
	}
	config.Generation = before.Generation + 1
	status := config.Status
	err := w.inner.Update(w.ctx, config)
	config.Status = status
	return err
}

// restart begins a process that remembers nothing.
func (w *world) restart() {
	w.run = &runner{w: w, running: map[string]bool{}}
	w.r = &Reconciler{
		client: w.c, live: w.inner, recorder: recorder{w}, clock: w.clock,
		options: Options{Namespace: namespace, Runner: w.run, QuietPeriod: DefaultQuietPeriod},
	}
}

type recorder struct{ w *world }

func (r recorder) Eventf(_ runtime.Object, _ runtime.Object, kind, reason, _, _ string, _ ...any) {
	r.w.say("event %s %s", kind, reason)
}

// reconcile lets the manager do what it does now, and restarts it where it crashes.
func (w *world) reconcile() ctrl.Result {
	result, err := w.r.Reconcile(w.ctx, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: typeName}})
	if errors.Is(err, errCrash) {
		w.say("crash of the manager")
		w.restart()
		return ctrl.Result{RequeueAfter: time.Second}
	}
	w.must(err)
	if why := w.up.writing(); w.run.running[typeName] && w.up.sync {
		w.t.Errorf("two writers: the push reconciler goes on, and %s\n%s", why, w.transcript())
	}
	return result
}

// pass lets time go by in pieces, in which everybody who lives does what he does.
func (w *world) pass(d, piece time.Duration) {
	for ; d > 0; d -= piece {
		w.clock.SetTime(w.clock.Now().Add(min(piece, d)))
		w.up.tick()
		w.serving.tick(w)
		w.reconcile()
	}
}

func (w *world) key() types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: typeName}
}

func (w *world) config() *fedv1b1.FederatedTypeConfig {
	c := &fedv1b1.FederatedTypeConfig{}
	if err := w.inner.Get(w.ctx, w.key(), c); err != nil {
		if !apierrors.IsNotFound(err) {
			w.t.Fatal(err)
		}
		return nil
	}
	return c
}

func (w *world) policy() *v1alpha1.FederatedTypePolicy {
	p := &v1alpha1.FederatedTypePolicy{}
	if err := w.inner.Get(w.ctx, w.key(), p); err != nil {
		if !apierrors.IsNotFound(err) {
			w.t.Fatal(err)
		}
		return nil
	}
	return p
}

// federate creates the FederatedTypeConfig.
func (w *world) federate(mode fedv1b1.PropagationMode) {
	w.uids++
	w.say("create the config, %s", mode)
	w.must(w.inner.Create(w.ctx, &fedv1b1.FederatedTypeConfig{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: typeName, UID: types.UID(fmt.Sprintf("config-%d", w.uids)), Generation: 1},
		Spec: fedv1b1.FederatedTypeConfigSpec{
			Propagation: mode,
			TargetType:  fedv1b1.APIResource{Version: "v1", Kind: "ConfigMap", PluralName: "configmaps", Scope: apiextensionsv1.NamespaceScoped},
			FederatedType: fedv1b1.APIResource{Group: "types.kubefed.io", Version: "v1beta1", Kind: "FederatedConfigMap",
				PluralName: "federatedconfigmaps", Scope: apiextensionsv1.NamespaceScoped},
		},
	}))
}

// unfederate deletes it.
func (w *world) unfederate() {
	w.say("delete the config")
	w.must(w.inner.Delete(w.ctx, w.config()))
	w.up.tick()
}

// edit changes the config as people do.
func (w *world) edit(what string, change func(*fedv1b1.FederatedTypeConfig)) {
	w.say("edit the config: %s", what)
	c := w.config()
	w.must(w.generate(c, func() error { change(c); return w.inner.Update(w.ctx, c) }))
}

func setMode(mode fedv1b1.PropagationMode) func(*fedv1b1.FederatedTypeConfig) {
	return func(c *fedv1b1.FederatedTypeConfig) { c.Spec.Propagation = mode }
}

// toggleStatus is a change of the spec that has nothing to do with who propagates.
func toggleStatus(c *fedv1b1.FederatedTypeConfig) {
	mode := fedv1b1.StatusCollectionEnabled
	if c.GetStatusEnabled() {
		mode = fedv1b1.StatusCollectionDisabled
	}
	c.Spec.StatusCollection = &mode
}

// want says who is to propagate the type.
func (w *world) want(p v1alpha1.Propagator) {
	w.say("want %s", p)
	policy := w.policy()
	if policy == nil {
		policy = &v1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: typeName, Generation: 1}}
		policy.Spec.Propagator = p
		w.must(w.inner.Create(w.ctx, policy))
		return
	}
	policy.Spec.Propagator = p
	policy.Generation++
	w.must(w.inner.Update(w.ctx, policy))
}

// hold stores an object whose mask holds what it places, which keeps the type from being handed back.
func (w *world) hold() {
	if w.held == nil {
		w.say("hold an object")
		w.held = w.store(federated.V2Beta1, "acme", "held", `{placement: {topologies: [{name: a}]}, placementMask: {topologies: []}}`)
	}
}

// release deletes that object.
func (w *world) release() {
	if w.held != nil {
		w.say("release the object")
		w.must(w.inner.Delete(w.ctx, w.held))
		w.held = nil
	}
}

func (w *world) serve(ready bool) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	w.must(w.inner.Get(w.ctx, types.NamespacedName{Name: fedCRD}, crd))
	status := apiextensionsv1.ConditionFalse
	if ready {
		status = apiextensionsv1.ConditionTrue
	}
	crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: "cellfed.io/Topologies", Status: status, Message: "as it is"}}
	w.must(w.inner.Status().Update(w.ctx, crd))
}
