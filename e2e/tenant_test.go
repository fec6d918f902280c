package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	v1beta1 = "v1beta1"
	v2beta1 = "v2beta1"
)

// tenant is a namespace of a tenant's in the host, with the cells in it: what a story plays in.
type tenant struct {
	t         *testing.T
	ctx       context.Context
	env       *framework.Environment
	namespace string
	// places are the cells that were created: where each one's objects are.
	places map[string]place
}

// place is a namespace of a member.
type place struct {
	cluster   string
	namespace string
}

// newTenant creates the namespace. When the story is over, whatever its end, its federated objects and its cells are
// deleted, so that upstream has less to look after.
func newTenant(t *testing.T, env *framework.Environment, namespace string) *tenant {
	t.Helper()
	s := &tenant{t: t, ctx: t.Context(), env: env, namespace: namespace, places: map[string]place{}}
	labels := map[string]string{
		cellfedv1alpha1.TenantLabel:         "acme",
		cellfedv1alpha1.WorkspaceGroupLabel: namespace,
	}
	s.must(env.Host.CreateNamespace(s.ctx, namespace, labels))
	t.Cleanup(s.leave)
	return s
}

// federatedKinds are the kinds that the stories write.
var federatedKinds = []string{"FederatedConfigMap", "FederatedDeployment", "FederatedNamespace"}

func (s *tenant) leave() {
	// The test's own context has ended by now.
	ctx := context.Background()
	if s.t.Failed() {
		s.t.Log("the story failed: its objects stay as they are")
		return
	}
	for _, kind := range federatedKinds {
		object := federated(kind, v1beta1)
		if err := s.env.Host.Client.DeleteAllOf(ctx, object, client.InNamespace(s.namespace)); err != nil {
			s.t.Errorf("delete every %s of %s: %v", kind, s.namespace, err)
		}
	}
	if err := s.env.Host.Client.DeleteAllOf(ctx, &cellfedv1alpha1.Cell{}, client.InNamespace(s.namespace)); err != nil {
		s.t.Errorf("delete the cells of %s: %v", s.namespace, err)
	}
}

func (s *tenant) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// eventually waits for a condition, and says what upstream and cellfed logged when it does not come.
func (s *tenant) eventually(what string, check func(context.Context) error) {
	s.t.Helper()
	if err := framework.Poll(s.ctx, soon, what, check); err != nil {
		for _, process := range s.env.Processes() {
			if process.Name == "manager" || process.Name == "kubefed" {
				s.t.Logf("the end of %s:\n%s", process.LogPath, process.LogTail(15))
			}
		}
		s.t.Fatal(err)
	}
}

// cell creates a Cell. An empty target means the default.
func (s *tenant) cell(name, cluster, target string, labels map[string]string) {
	s.t.Helper()
	cell := &cellfedv1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace, Labels: labels},
		Spec:       cellfedv1alpha1.CellSpec{ClusterName: cluster, TargetNamespace: target},
	}
	s.must(s.env.Host.Client.Create(s.ctx, cell))
	s.places[name] = place{cluster: cluster, namespace: cell.TargetNamespace()}
}

// waitReady waits until all cells that were created are ready.
func (s *tenant) waitReady() {
	s.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s.places)) {
		s.waitCondition(name, cellfedv1alpha1.ConditionReady, metav1.ConditionTrue)
	}
}

func (s *tenant) waitCondition(cell string, condition cellfedv1alpha1.ConditionType, want metav1.ConditionStatus) metav1.Condition {
	s.t.Helper()
	var found metav1.Condition
	s.eventually(fmt.Sprintf("the cell %s/%s to have %s=%s", s.namespace, cell, condition, want), func(ctx context.Context) error {
		object := &cellfedv1alpha1.Cell{}
		if err := s.env.Host.Client.Get(ctx, s.key(cell), object); err != nil {
			return err
		}
		got := meta.FindStatusCondition(object.Status.Conditions, string(condition))
		if got == nil {
			return errors.New("it has no such condition")
		}
		found = *got
		if got.Status != want {
			return fmt.Errorf("it is %s (%s): %s", got.Status, got.Reason, got.Message)
		}
		return nil
	})
	return found
}

func (s *tenant) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: s.namespace, Name: name}
}

// create creates the objects of a YAML text, in the tenant's namespace where none is given.
func (s *tenant) create(text string) {
	s.t.Helper()
	objects, err := framework.ParseManifests([]byte(text))
	s.must(err)
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(s.namespace)
		}
		// A CRD that has just got its second version may take a moment to serve it.
		s.must(s.env.Host.Client.Create(s.ctx, object))
	}
}

// federated returns an empty federated object.
func federated(kind, version string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "types.kubefed.io", Version: version, Kind: kind})
	return object
}

// get returns a federated object of the tenant's.
func (s *tenant) get(kind, version, name string) *unstructured.Unstructured {
	s.t.Helper()
	object := federated(kind, version)
	s.must(s.env.Host.Client.Get(s.ctx, s.key(name), object))
	return object
}

// patch changes a federated object of the tenant's by a JSON merge patch.
func (s *tenant) patch(kind, version, name, patch string) {
	s.t.Helper()
	object := federated(kind, version)
	object.SetNamespace(s.namespace)
	object.SetName(name)
	s.must(s.env.Host.Client.Patch(s.ctx, object, client.RawPatch("application/merge-patch+json", []byte(patch))))
}

// delete deletes a federated object of the tenant's and waits until it is gone.
func (s *tenant) delete(kind, version, name string) {
	s.t.Helper()
	object := federated(kind, version)
	object.SetNamespace(s.namespace)
	object.SetName(name)
	s.must(s.env.Host.Client.Delete(s.ctx, object))
	s.eventually(fmt.Sprintf("%s %s to be gone", kind, name), func(ctx context.Context) error {
		return gone(s.env.Host.Client.Get(ctx, s.key(name), object))
	})
}

// gone turns the result of a read into an error when the object is there.
func gone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		return errors.New("it is there")
	}
	return err
}

// in returns the client of the member that the cell is on, and the key of an object of the cell's there.
func (s *tenant) in(cell, name string) (client.Client, client.ObjectKey) {
	s.t.Helper()
	where, ok := s.places[cell]
	if !ok {
		s.t.Fatalf("the story has no cell %s", cell)
	}
	return s.env.Member(where.cluster).Client, client.ObjectKey{Namespace: where.namespace, Name: name}
}

// configMap reads a ConfigMap of a cell's in its member.
func (s *tenant) configMap(ctx context.Context, cell, name string) (*corev1.ConfigMap, error) {
	member, key := s.in(cell, name)
	object := &corev1.ConfigMap{}
	return object, member.Get(ctx, key, object)
}

// deployment reads a Deployment of a cell's in its member.
func (s *tenant) deployment(ctx context.Context, cell, name string) (*appsv1.Deployment, error) {
	member, key := s.in(cell, name)
	object := &appsv1.Deployment{}
	return object, member.Get(ctx, key, object)
}

// waitData waits until the ConfigMap in the cell's member has exactly the data.
func (s *tenant) waitData(cell, name string, want map[string]string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the ConfigMap %s in the cell %s", name, cell), func(ctx context.Context) error {
		got, err := s.configMap(ctx, cell, name)
		if err != nil {
			return err
		}
		if !maps.Equal(got.Data, want) {
			return fmt.Errorf("its data is %v, want %v", got.Data, want)
		}
		return s.owned(cell, got)
	})
}

// waitGone waits until the ConfigMap is not in the cell's member.
func (s *tenant) waitGone(cell, name string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the ConfigMap %s to be gone from the cell %s", name, cell), func(ctx context.Context) error {
		_, err := s.configMap(ctx, cell, name)
		return gone(err)
	})
}

// owned says what is wrong with the labels that an object of a cell's has in its member.
func (s *tenant) owned(cell string, object client.Object) error {
	labels := object.GetLabels()
	want := map[string]string{
		cellfedv1alpha1.ManagedLabel:   "true",
		cellfedv1alpha1.NamespaceLabel: s.namespace,
		cellfedv1alpha1.CellLabel:      cell,
	}
	for key, value := range want {
		if labels[key] != value {
			return fmt.Errorf("its label %s is %q, want %q", key, labels[key], value)
		}
	}
	if value, ok := labels[cellfedv1alpha1.KubeFedManagedLabel]; ok {
		return fmt.Errorf("it carries upstream's label %s=%s, by which upstream would see it through the physical cluster",
			cellfedv1alpha1.KubeFedManagedLabel, value)
	}
	return nil
}

// waitPropagated waits until upstream reports that the object is in all the topologies, under exactly these names.
func (s *tenant) waitPropagated(kind, name string, topologies ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s %s to be propagated to %v", kind, name, topologies), func(ctx context.Context) error {
		object := federated(kind, v2beta1)
		if err := s.env.Host.Client.Get(ctx, s.key(name), object); err != nil {
			return err
		}
		got, err := reported(object)
		if err != nil {
			return err
		}
		want := map[string]string{}
		for _, topology := range topologies {
			want[topology] = ""
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("its status is %v, want an entry without a problem for each of %v", got, topologies)
		}
		return nil
	})
}

// reported returns what a v2beta1 object's status says of each topology: nothing when it is propagated.
func reported(object *unstructured.Unstructured) (map[string]string, error) {
	entries, err := statusEntries(object)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for name, entry := range entries {
		problem, _ := entry["status"].(string)
		all[name] = problem
	}
	return all, nil
}

// statusEntries returns the entries of status.topologies by name.
func statusEntries(object *unstructured.Unstructured) (map[string]map[string]any, error) {
	list, _, err := unstructured.NestedSlice(object.Object, "status", "topologies")
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]any{}
	for _, item := range list {
		entry, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("status.topologies has the item %v", item)
		}
		name, _ := entry["name"].(string)
		all[name] = entry
	}
	return all, nil
}

// marks is a point in the log of every member's writes.
type marks map[string]framework.AuditMark

func (s *tenant) mark() marks {
	s.t.Helper()
	all := marks{}
	for name, member := range s.env.Members {
		mark, err := member.Mark()
		s.must(err)
		all[name] = mark
	}
	return all
}

// writes returns what was written to a member on behalf of upstream or a façade since the mark, in the namespace;
// an empty namespace means all.
func (s *tenant) writes(since marks, cluster, namespace string) []framework.Write {
	s.t.Helper()
	writes, err := s.env.Member(cluster).Writes(since[cluster], func(w framework.Write) bool {
		return w.User == framework.MemberUser && (namespace == "" || w.Namespace == namespace || w.Name == namespace)
	})
	s.must(err)
	return writes
}

// cellWrites returns what was written to any of the cells' namespaces since the mark.
func (s *tenant) cellWrites(since marks) []framework.Write {
	s.t.Helper()
	var all []framework.Write
	for _, where := range s.places {
		all = append(all, s.writes(since, where.cluster, where.namespace)...)
	}
	return all
}

// wantNoWrites fails the story when something was written to a cell's namespace since the mark.
func (s *tenant) wantNoWrites(since marks, during string) {
	s.t.Helper()
	if writes := s.cellWrites(since); len(writes) > 0 {
		s.t.Errorf("%d writes to the cells %s, want none:\n%s", len(writes), during, lines(writes))
	}
}

// quiet is a condition that holds as long as nothing is written to the cells.
func (s *tenant) quiet(since marks) func(context.Context) error {
	return func(context.Context) error {
		if writes := s.cellWrites(since); len(writes) > 0 {
			return fmt.Errorf("%d writes:\n%s", len(writes), lines(writes))
		}
		return nil
	}
}

func lines(writes []framework.Write) string {
	var all []string
	for _, write := range writes {
		all = append(all, write.String())
	}
	return strings.Join(all, "\n")
}

// kubectl returns a kubectl for the host.
func (s *tenant) kubectl() *framework.Kubectl {
	s.t.Helper()
	kubectl, err := s.env.Host.Kubectl()
	s.must(err)
	return kubectl
}
