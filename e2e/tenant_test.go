package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
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
	return newNamespace(t, env, namespace, map[string]string{
		cellfedv1alpha1.TenantLabel:         "acme",
		cellfedv1alpha1.WorkspaceGroupLabel: namespace,
	})
}

// newUser is newTenant for an existing user of upstream's, who knows nothing of tenants and uses the physical clusters.
func newUser(t *testing.T, env *framework.Environment, namespace string) *tenant {
	t.Helper()
	return newNamespace(t, env, namespace, nil)
}

func newNamespace(t *testing.T, env *framework.Environment, namespace string, labels map[string]string) *tenant {
	t.Helper()
	s := &tenant{t: t, ctx: t.Context(), env: env, namespace: namespace, places: map[string]place{}}
	s.must(env.Host.CreateNamespace(s.ctx, namespace, labels))
	t.Cleanup(s.leave)
	return s
}

// federatedKinds are the kinds that the stories write.
var federatedKinds = []string{
	"FederatedConfigMap", "FederatedDeployment", "FederatedSecret", "FederatedService", "FederatedServiceAccount", "FederatedNamespace",
}

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

// waitLeft waits until what the stories before this one deleted is gone from the host. To remove it is work that a
// story which counts writes would take for its own.
func (s *tenant) waitLeft() {
	s.t.Helper()
	s.eventually("what earlier stories deleted to be gone", func(ctx context.Context) error {
		lists := []client.ObjectList{&cellfedv1alpha1.CellList{}}
		for _, kind := range federatedKinds {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(federated(kind, v2beta1).GroupVersionKind())
			lists = append(lists, list)
		}
		var leaving []string
		for _, list := range lists {
			if err := s.env.Host.Client.List(ctx, list); err != nil {
				return err
			}
			if err := meta.EachListItem(list, func(item runtime.Object) error {
				if object, ok := item.(client.Object); ok && object.GetDeletionTimestamp() != nil {
					leaving = append(leaving, fmt.Sprintf("%T %s/%s", object, object.GetNamespace(), object.GetName()))
				}
				return nil
			}); err != nil {
				return err
			}
		}
		if len(leaving) > 0 {
			return fmt.Errorf("%d objects are still being deleted: %s", len(leaving), strings.Join(leaving, ", "))
		}
		return nil
	})
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

// kubectl returns a kubectl for the host.
func (s *tenant) kubectl() *framework.Kubectl {
	s.t.Helper()
	kubectl, err := s.env.Host.Kubectl()
	s.must(err)
	return kubectl
}
