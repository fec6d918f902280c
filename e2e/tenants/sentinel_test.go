package tenants

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// sentinel is everything that is not the attacker's, at one moment: its objects by name, and how far the logs of writes go.
type sentinel struct {
	objects map[string]string
	marks   map[string]framework.AuditMark
}

// memberKinds are what is looked at in a member.
var memberKinds = []schema.GroupVersionKind{
	corev1.SchemeGroupVersion.WithKind("Namespace"), corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	corev1.SchemeGroupVersion.WithKind("Secret"), corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
	corev1.SchemeGroupVersion.WithKind("Service"), corev1.SchemeGroupVersion.WithKind("Pod"),
	corev1.SchemeGroupVersion.WithKind("Node"), {Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "batch", Version: "v1", Kind: "Job"},
	rbacv1.SchemeGroupVersion.WithKind("Role"), rbacv1.SchemeGroupVersion.WithKind("RoleBinding"),
	rbacv1.SchemeGroupVersion.WithKind("ClusterRole"), rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"),
}

// hostKinds are what is looked at in the host. What others keep writing there is their status, which moves no generation.
var hostKinds = []schema.GroupVersionKind{
	corev1.SchemeGroupVersion.WithKind("Namespace"), corev1.SchemeGroupVersion.WithKind("Secret"),
	{Group: "types.kubefed.io", Version: v1beta1, Kind: "FederatedConfigMap"},
	{Group: "types.kubefed.io", Version: v1beta1, Kind: "FederatedSecret"},
	{Group: "types.kubefed.io", Version: v1beta1, Kind: "FederatedDeployment"},
	{Group: "types.kubefed.io", Version: v1beta1, Kind: "FederatedNamespace"},
	{Group: "types.kubefed.io", Version: v1beta1, Kind: "FederatedClusterRole"},
	cellfedv1alpha1.GroupVersion.WithKind("Cell"), cellfedv1alpha1.GroupVersion.WithKind("FederatedTypePolicy"),
	kubefedv1beta1.SchemeGroupVersion.WithKind("KubeFedCluster"), kubefedv1beta1.SchemeGroupVersion.WithKind("KubeFedConfig"),
	kubefedv1beta1.SchemeGroupVersion.WithKind("FederatedTypeConfig"),
	rbacv1.SchemeGroupVersion.WithKind("RoleBinding"), rbacv1.SchemeGroupVersion.WithKind("ClusterRole"),
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingWebhookConfiguration"},
}

// acmes reports whether a namespace, of the host or of a member, is the attacker's.
func acmes(namespace string) bool { return strings.HasPrefix(namespace, "acme-") }

func (w *world) sentinel(ctx context.Context) (*sentinel, error) {
	s := &sentinel{objects: map[string]string{}, marks: map[string]framework.AuditMark{}}
	for name, cluster := range w.clusters() {
		mark, err := cluster.Mark()
		if err != nil {
			return nil, err
		}
		s.marks[name] = mark
		kinds, describe := memberKinds, describeMembers
		if name == w.env.Host.Name {
			kinds, describe = hostKinds, describeHosts
		}
		for _, gvk := range kinds {
			if err := s.look(ctx, cluster, gvk, describe); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

func (w *world) clusters() map[string]*framework.Cluster {
	all := maps.Clone(w.env.Members)
	all[w.env.Host.Name] = w.env.Host
	return all
}

// look notes all objects of a kind that are not the attacker's.
func (s *sentinel) look(ctx context.Context, cluster *framework.Cluster, gvk schema.GroupVersionKind, describe func(client.Object) string) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	if err := cluster.Client.List(ctx, list); err != nil {
		return fmt.Errorf("list %s in %s: %w", gvk.Kind, cluster.Name, err)
	}
	return meta.EachListItem(list, func(item runtime.Object) error {
		object, ok := item.(client.Object)
		if !ok {
			return fmt.Errorf("%T is no object", item)
		}
		if acmes(object.GetNamespace()) || acmesInHost(gvk.Kind, object) {
			return nil
		}
		s.objects[fmt.Sprintf("%s: %s %s/%s", cluster.Name, gvk.Kind, object.GetNamespace(), object.GetName())] = describe(object)
		return nil
	})
}

// acmesInHost reports whether an object that is in no namespace of the attacker's is made for it: a Namespace of its own,
// or what stands for one of its cells.
func acmesInHost(kind string, object client.Object) bool {
	switch kind {
	case "Namespace":
		return acmes(object.GetName())
	case "KubeFedCluster", "Secret":
		return acmes(object.GetLabels()[cellfedv1alpha1.NamespaceLabel])
	}
	return false
}

func describeMembers(object client.Object) string {
	return fmt.Sprintf("%s at %s", object.GetUID(), object.GetResourceVersion())
}

func describeHosts(object client.Object) string {
	return fmt.Sprintf("%s of generation %d with %v, deleted %v", object.GetUID(), object.GetGeneration(), object.GetLabels(), object.GetDeletionTimestamp())
}

// reached finds what of the tries arrived where it must not, and notes it in the table.
func (w *world) reached(t *testing.T, before *sentinel) {
	t.Helper()
	after, err := w.sentinel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, difference := range before.differences(after) {
		t.Errorf("what is not the attacker's has changed: %s", difference)
		w.attribute(difference, difference)
	}
	writes, err := w.trespasses(before)
	if err != nil {
		t.Fatal(err)
	}
	for _, write := range writes {
		t.Errorf("a write where the attacker has nothing: %s", write)
		w.attribute(write, write)
	}
}

// attribute notes a place that was reached with the tries whose names it has.
func (w *world) attribute(text, where string) {
	found := false
	for _, row := range suite.table.rows {
		if strings.Contains(text, row.run.name) {
			row.reached = append(row.reached, where)
			found = true
		}
	}
	if !found && len(suite.table.rows) > 0 {
		suite.table.somewhere(suite.table.rows[len(suite.table.rows)-1].group, where)
	}
}

func (s *sentinel) differences(after *sentinel) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		switch now, there := after.objects[key]; {
		case !there:
			all = append(all, key+" is gone")
		case now != s.objects[key]:
			all = append(all, fmt.Sprintf("%s was %s and is %s", key, s.objects[key], now))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(after.objects)) {
		if _, there := s.objects[key]; !there {
			all = append(all, key+" is new")
		}
	}
	return all
}

// trespasses returns the writes since the marks that the attacker made in the host outside of its namespaces, and those
// that the propagators made in the members where it has nothing, whatever they were answered in the other tenant's member.
func (w *world) trespasses(since *sentinel) ([]string, error) {
	var all []string
	for name, cluster := range w.clusters() {
		writes, err := cluster.Writes(since.marks[name], func(write framework.Write) bool {
			switch name {
			case w.env.Host.Name:
				return write.Agent == mallory && write.Succeeded() && !acmes(write.Namespace)
			case globexMember:
				return write.User == framework.MemberUser
			default:
				return write.User == framework.MemberUser && write.Succeeded() && !acmes(write.Namespace) && !acmes(write.Name)
			}
		})
		if err != nil {
			return nil, err
		}
		for _, write := range writes {
			all = append(all, name+": "+write.String())
		}
	}
	return all, nil
}

// sweep deletes what the tries left in the attacker's namespaces, without waiting.
func (w *world) sweep(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"FederatedConfigMap", "FederatedSecret", "FederatedDeployment"} {
		for _, namespace := range []string{acmeProd, acmeDev} {
			object := framework.Federated{Version: v1beta1, Kind: kind}.Object()
			if err := w.env.Host.Client.DeleteAllOf(t.Context(), object, client.InNamespace(namespace)); err != nil {
				t.Errorf("delete every %s of %s: %v", kind, namespace, err)
			}
		}
	}
	var errs []error
	cells := &cellfedv1alpha1.CellList{}
	if err := w.env.Host.Client.List(t.Context(), cells); err != nil {
		t.Fatal(err)
	}
	for i := range cells.Items {
		cell := &cells.Items[i]
		if acmes(cell.Namespace) && cell.Name != "a1" && cell.Name != "c1" {
			errs = append(errs, client.IgnoreNotFound(w.env.Host.Client.Delete(t.Context(), cell)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// drain waits until what the tries left is gone. Upstream deletes nothing while a cluster is not ready that it believes
// the object to be on, and a Cell is not deleted while an object is.
func (w *world) drain(t *testing.T) {
	t.Helper()
	w.sweep(t)
	framework.Eventually(t, 2*soon, "what the tries left to be gone", func(ctx context.Context) error {
		for _, kind := range []string{"FederatedConfigMap", "FederatedSecret", "FederatedDeployment", "Cell"} {
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(schema.GroupVersionKind{Group: "types.kubefed.io", Version: v1beta1, Kind: kind + "List"})
			if kind == "Cell" {
				list.SetGroupVersionKind(cellfedv1alpha1.GroupVersion.WithKind("CellList"))
			}
			if err := w.env.Host.Client.List(ctx, list); err != nil {
				return err
			}
			for _, item := range list.Items {
				if acmes(item.Namespace) && item.Name != "a1" && item.Name != "c1" {
					return fmt.Errorf("the %s %s is there", kind, item.Name)
				}
			}
		}
		return nil
	})
}

// onlyFirst is an error of differences, nil if there are none.
func onlyFirst(differences []string) error {
	if len(differences) == 0 {
		return nil
	}
	return errors.New(differences[0])
}
