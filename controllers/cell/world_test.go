package cell

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/event"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// bundle is a CA bundle that a test can change.
type bundle struct {
	mu      sync.Mutex
	pem     []byte
	changes chan event.GenericEvent
}

func (b *bundle) Bundle() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pem
}

// set changes the bundle and says so, as internal/certs does: by an event without an object.
func (b *bundle) set(pem string) {
	b.mu.Lock()
	b.pem = []byte(pem)
	b.mu.Unlock()
	b.changes <- event.GenericEvent{}
}

// world is a running controller and what one test sees of the host. The namespaces that it names are the test's own,
// and so are its physical clusters.
type world struct {
	t      *testing.T
	ctx    context.Context
	c      client.Client
	clock  *clocktesting.FakePassiveClock
	bundle *bundle
	logs   *logs
	stop   func()
	// user is who the controller is.
	user string
	// members are what the controller reaches of the physical clusters.
	members *fakeMembers
}

// everything is what was logged by nobody in particular.
var everything = &logs{}

// logs keeps all that was logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) logger() logr.Logger {
	return funcr.New(func(prefix, args string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		fmt.Fprintln(&l.text, prefix, args)
	}, funcr.Options{Verbosity: 10})
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs the controller in a host that holds nothing of earlier tests.
func start(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, ctx: t.Context(), c: host.Client,
		clock:  clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second)),
		bundle: &bundle{pem: []byte("CA"), changes: make(chan event.GenericEvent)},
		logs:   &logs{},
		user:   managerUser,

		members: &fakeMembers{},
	}
	t.Cleanup(w.clear)
	w.run()
	return w
}

// run starts the controller's manager, and sets stop, which returns when it has ended.
func (w *world) run() {
	w.t.Helper()
	cfg, err := host.Config()
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.UserAgent = managerAgent
	cfg.Impersonate.UserName = w.user
	scheme, err := framework.NewScheme()
	if err != nil {
		w.t.Fatal(err)
	}
	skip := true
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:     scheme,
		Logger:     w.logs.logger(),
		Cache:      cache.Options{ByObject: ByObject(kubefed)},
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &skip},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := SetupWithManager(mgr, Options{
		KubeFedNamespace: kubefed,
		FacadeURL:        facadeURL,
		CABundle:         w.bundle,
		CAChanges:        w.bundle.changes,
		TokenLifetime:    testLifetime,
		TokenGrace:       testGrace,
		Clock:            w.clock,
		Members:          w.members,
	}); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the manager ended with %v", err)
		}
	})
}

// clear stops the controller and removes what the test has left behind.
func (w *world) clear() {
	// The test's own context has ended.
	w.ctx = context.Background()
	w.stop()
	for _, list := range []client.ObjectList{
		&kubefedv1beta1.FederatedTypeConfigList{}, listOf(crdKind), &v1alpha1.CellList{},
		&kubefedv1beta1.KubeFedClusterList{}, &corev1.SecretList{},
	} {
		if err := w.c.List(w.ctx, list); err != nil {
			w.t.Error(err)
		}
		if err := meta.EachListItem(list, w.clearObject); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) clearObject(item runtime.Object) error {
	object, ok := item.(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", item)
	}
	_, isCRD := object.(*unstructured.Unstructured)
	if isCRD && !strings.HasSuffix(object.GetName(), ".types.kubefed.io") {
		return nil
	}
	if isCRD {
		if err := w.clearFinalizers(object); err != nil {
			return err
		}
	} else if len(object.GetFinalizers()) > 0 {
		if err := w.dropFinalizers(object); err != nil {
			return err
		}
	}
	if err := client.IgnoreNotFound(w.c.Delete(w.ctx, object)); err != nil {
		return err
	}
	w.gone(object)
	return nil
}

// clearFinalizers lets the objects of a federated CRD go with it.
func (w *world) clearFinalizers(crd client.Object) error {
	kind, _, _ := unstructured.NestedString(crd.(*unstructured.Unstructured).Object, "spec", "names", "kind")
	list := listOf(schema.GroupVersionKind{Group: typesGroup, Version: placingVersion, Kind: kind})
	if err := w.c.List(w.ctx, list); err != nil {
		return err
	}
	for i := range list.Items {
		if len(list.Items[i].GetFinalizers()) == 0 {
			continue
		}
		if err := w.dropFinalizers(&list.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) dropFinalizers(object client.Object) error {
	before := object.DeepCopyObject().(client.Object)
	object.SetFinalizers(nil)
	return client.IgnoreNotFound(w.c.Patch(w.ctx, object, client.MergeFrom(before)))
}

func listOf(gvk schema.GroupVersionKind) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	return list
}

// namespaces counts the namespaces of all tests: without a namespace controller none of them ever goes.
var namespaces atomic.Int64

// namespace creates a namespace for this test alone.
func (w *world) namespace(name string, labels map[string]string) string {
	w.t.Helper()
	name = strings.ToLower(strings.ReplaceAll(w.t.Name(), "/", "-")) + "-" + name + strconv.FormatInt(namespaces.Add(1), 10)
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	return name
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := w.c.Create(w.ctx, object); err != nil {
		w.t.Fatalf("create %T %s: %v", object, object.GetName(), err)
	}
}

// cell creates a Cell.
func (w *world) cell(namespace, name, cluster, target string, labels map[string]string) *v1alpha1.Cell {
	w.t.Helper()
	cell := &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       v1alpha1.CellSpec{ClusterName: cluster, TargetNamespace: target},
	}
	w.create(cell)
	return cell
}

// join registers a physical cluster that serves everybody.
func (w *world) join(name string) *kubefedv1beta1.KubeFedCluster {
	w.t.Helper()
	cluster := &kubefedv1beta1.KubeFedCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: name, Labels: map[string]string{v1alpha1.SharedLabel: "true"}},
		Spec: kubefedv1beta1.KubeFedClusterSpec{
			APIEndpoint: "https://" + name, SecretRef: kubefedv1beta1.LocalSecretReference{Name: name},
		},
	}
	w.create(cluster)
	return cluster
}

// report has upstream report on a cluster, with one condition, as it does.
func (w *world) report(name string, condition common.ClusterConditionType, status corev1.ConditionStatus) {
	w.t.Helper()
	cluster := &kubefedv1beta1.KubeFedCluster{}
	cluster.Namespace, cluster.Name = kubefed, name
	w.get(cluster)
	cluster.Status.Conditions = []kubefedv1beta1.ClusterCondition{{Type: condition, Status: status, LastProbeTime: metav1.Now()}}
	if err := w.c.Status().Update(w.ctx, cluster); err != nil {
		w.t.Fatalf("report on %s: %v", name, err)
	}
}

func (w *world) reportReady(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.report(name, common.ClusterReady, corev1.ConditionTrue)
	}
}

func (w *world) get(object client.Object) {
	w.t.Helper()
	if err := w.c.Get(w.ctx, client.ObjectKeyFromObject(object), object); err != nil {
		w.t.Fatalf("get %T %s: %v", object, object.GetName(), err)
	}
}

// update changes an object as somebody would with kubectl edit.
func (w *world) update(object client.Object, change func()) {
	w.t.Helper()
	w.get(object)
	before := object.DeepCopyObject().(client.Object)
	change()
	if err := w.c.Patch(w.ctx, object, client.MergeFrom(before)); err != nil {
		w.t.Fatalf("change %T %s: %v", object, object.GetName(), err)
	}
}

func (w *world) remove(object client.Object) {
	w.t.Helper()
	if err := w.c.Delete(w.ctx, object); err != nil {
		w.t.Fatalf("delete %T %s: %v", object, object.GetName(), err)
	}
}

// eventually waits until the check passes.
func (w *world) eventually(what string, check func() error) {
	w.t.Helper()
	if err := framework.Poll(w.ctx, patience, what, func(context.Context) error { return check() }); err != nil {
		w.t.Fatal(err)
	}
}

// condition waits until a condition of the Cell has the status and the reason, and returns its message. It
// must speak of the spec as it is.
func (w *world) condition(cell *v1alpha1.Cell, t v1alpha1.ConditionType, status metav1.ConditionStatus, reason v1alpha1.ConditionReason) string {
	w.t.Helper()
	var message string
	w.eventually(fmt.Sprintf("%s=%s, %s of %s", t, status, reason, cell.Name), func() error {
		now := &v1alpha1.Cell{}
		if err := w.c.Get(w.ctx, client.ObjectKeyFromObject(cell), now); err != nil {
			return err
		}
		c := find(now.Status.Conditions, t)
		if c == nil || c.Status != status || c.Reason != string(reason) || c.ObservedGeneration != now.Generation {
			return fmt.Errorf("generation %d, conditions %+v", now.Generation, now.Status.Conditions)
		}
		message = c.Message
		return nil
	})
	return message
}

func (w *world) gone(object client.Object) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the end of %T %s", object, object.GetName()), func() error {
		err := w.c.Get(w.ctx, client.ObjectKeyFromObject(object), object)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is still there"), err)
	})
}

// generatedCluster waits until the cell's KubeFedCluster satisfies the check, and returns it.
func (w *world) generatedCluster(cell *v1alpha1.Cell, check func(*kubefedv1beta1.KubeFedCluster) error) *kubefedv1beta1.KubeFedCluster {
	w.t.Helper()
	cluster := &kubefedv1beta1.KubeFedCluster{}
	cluster.Namespace, cluster.Name = kubefed, cell.Namespace+"."+cell.Name
	w.eventually("the KubeFedCluster of "+cell.Name, func() error {
		if err := w.c.Get(w.ctx, client.ObjectKeyFromObject(cluster), cluster); err != nil {
			return err
		}
		if check == nil {
			return nil
		}
		return check(cluster)
	})
	return cluster
}

// ready creates a Cell on a ready cluster of its own, and waits until it is ready too. Namespaces must be federated.
func (w *world) ready(namespace, name string) *v1alpha1.Cell {
	w.t.Helper()
	physical := namespace + "-" + name
	w.join(physical)
	cell := w.cell(namespace, name, physical, "", map[string]string{"city": "hangzhou"})
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	w.reportReady(physical, namespace+"."+name)
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	return cell
}

// secrets returns the Secrets of the cell's façade tokens.
func (w *world) secrets(cell *v1alpha1.Cell) []corev1.Secret {
	w.t.Helper()
	list := &corev1.SecretList{}
	if err := w.c.List(w.ctx, list, client.InNamespace(kubefed), client.MatchingLabels{
		"cellfed.io/generated": "true", "cellfed.io/namespace": cell.Namespace, "cellfed.io/cell": cell.Name,
	}); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}
