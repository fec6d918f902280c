package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// kinds are those that are propagated in the stories.
var kinds = map[string]schema.GroupVersionKind{
	"ConfigMap":      {Version: "v1", Kind: "ConfigMap"},
	"Namespace":      {Version: "v1", Kind: "Namespace"},
	"Secret":         {Version: "v1", Kind: "Secret"},
	"Service":        {Version: "v1", Kind: "Service"},
	"ServiceAccount": {Version: "v1", Kind: "ServiceAccount"},
	"Deployment":     {Group: "apps", Version: "v1", Kind: "Deployment"},
	"ReplicaSet":     {Group: "apps", Version: "v1", Kind: "ReplicaSet"},
}

// typed returns an empty object of one of the kinds.
func typed(kind string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kinds[kind])
	return object
}

func keyOf(namespace, name string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: name}
}

// object describes a federated object in upstream's words, placed on both topologies.
func (s *stage) object(kind, name string, template map[string]any) framework.Federated {
	return framework.Federated{
		Version: v1beta1, Kind: "Federated" + kind, Namespace: s.namespace, Name: name, Cells: s.cells,
		Placement: []string{s.one, s.two}, Template: template,
	}
}

// configMapOf describes a federated ConfigMap.
func (s *stage) configMapOf(name string, data map[string]any) framework.Federated {
	return s.object("ConfigMap", name, map[string]any{"data": data})
}

func (s *stage) federatedNamespace(clusters ...string) framework.Federated {
	return framework.Federated{
		Version: v1beta1, Kind: "FederatedNamespace", Namespace: s.namespace, Name: s.namespace,
		Placement: append([]string{}, clusters...),
	}
}

// put creates a federated object, with what change does to it.
func (s *stage) put(f framework.Federated, change ...func(*unstructured.Unstructured)) {
	s.t.Helper()
	object := f.Object()
	for _, c := range change {
		c(object)
	}
	s.must(s.env.Host.Client.Create(s.ctx, object))
}

// edit changes a federated object by a JSON merge patch in upstream's words.
func (s *stage) edit(kind, name, format string, args ...any) {
	s.t.Helper()
	s.patch("Federated"+kind, v1beta1, name, fmt.Sprintf(format, args...))
}

// drop deletes a federated object and waits until it is gone.
func (s *stage) drop(kind, name string) {
	s.t.Helper()
	s.delete("Federated"+kind, v1beta1, name)
}

// dropLater deletes a federated object without waiting.
func (s *stage) dropLater(kind, name string) {
	s.t.Helper()
	object := federated("Federated"+kind, v1beta1)
	object.SetNamespace(s.namespace)
	object.SetName(name)
	s.must(s.env.Host.Client.Delete(s.ctx, object))
}

// at returns a client of the topology's member and the key of an object of the stage's there.
func (s *stage) at(topology, kind, name string) (client.Client, client.ObjectKey) {
	where := s.home[topology]
	key := keyOf(where.namespace, name)
	if kind == "Namespace" {
		key = keyOf("", where.namespace)
	}
	return s.env.Member(where.cluster).Client, key
}

// read reads an object in a topology's member.
func (s *stage) read(ctx context.Context, topology, kind, name string) (*unstructured.Unstructured, error) {
	member, key := s.at(topology, kind, name)
	object := typed(kind)
	return object, member.Get(ctx, key, object)
}

// now reads an object that must be there.
func (s *stage) now(topology, kind, name string) *unstructured.Unstructured {
	s.t.Helper()
	object, err := s.read(s.ctx, topology, kind, name)
	s.must(err)
	return object
}

// waitObject waits until the object in a topology's member is as check wants it.
func (s *stage) waitObject(topology, kind, name, what string, check func(*unstructured.Unstructured) error) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the %s %s in %s: %s", kind, name, topology, what), func(ctx context.Context) error {
		object, err := s.read(ctx, topology, kind, name)
		if err != nil {
			return err
		}
		return check(object)
	})
}

// waitMap waits until a ConfigMap in a topology's member has exactly the data and the stage's labels.
func (s *stage) waitMap(topology, name string, want map[string]any) {
	s.t.Helper()
	s.waitObject(topology, "ConfigMap", name, "its data", func(object *unstructured.Unstructured) error {
		got, _, err := unstructured.NestedMap(object.Object, "data")
		if err != nil {
			return err
		}
		if !equality.Semantic.DeepEqual(got, want) {
			return fmt.Errorf("it is %v, want %v", got, want)
		}
		return s.marked(topology, object)
	})
}

// marked says what is wrong with the labels that say who propagated an object.
func (s *stage) marked(topology string, object client.Object) error {
	if s.cells {
		return s.owned(topology[len(s.namespace)+1:], object)
	}
	labels := object.GetLabels()
	if labels[cellfedv1alpha1.KubeFedManagedLabel] != "true" || labels[cellfedv1alpha1.ManagedLabel] != "" {
		return fmt.Errorf("its labels are %v, want upstream's alone", labels)
	}
	return nil
}

// unmarked says which of these labels an object has.
func unmarked(object client.Object) error {
	for _, label := range []string{cellfedv1alpha1.KubeFedManagedLabel, cellfedv1alpha1.ManagedLabel, cellfedv1alpha1.CellLabel, cellfedv1alpha1.NamespaceLabel} {
		if value, ok := object.GetLabels()[label]; ok {
			return fmt.Errorf("it has the label %s=%s", label, value)
		}
	}
	return nil
}

// waitAbsent waits until an object is not in a topology's member.
func (s *stage) waitAbsent(topology, kind, name string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the %s %s to be gone from %s", kind, name, topology), func(ctx context.Context) error {
		_, err := s.read(ctx, topology, kind, name)
		return gone(err)
	})
}

// wantAbsent checks that an object is not in a topology's member.
func (s *stage) wantAbsent(topology, kind, name string) {
	s.t.Helper()
	if _, err := s.read(s.ctx, topology, kind, name); gone(err) != nil {
		s.t.Errorf("the %s %s is in %s: %v", kind, name, topology, gone(err))
	}
}

// touch changes an object in a topology's member, as somebody there does.
func (s *stage) touch(topology, kind, name, patch string) {
	s.t.Helper()
	member, key := s.at(topology, kind, name)
	object := typed(kind)
	object.SetNamespace(key.Namespace)
	object.SetName(key.Name)
	s.must(member.Patch(s.ctx, object, client.RawPatch("application/merge-patch+json", []byte(patch))))
}

// plant creates an object in a topology's member, as somebody there does.
func (s *stage) plant(topology string, object *unstructured.Unstructured) *unstructured.Unstructured {
	s.t.Helper()
	member, key := s.at(topology, object.GetKind(), object.GetName())
	object.SetNamespace(key.Namespace)
	s.must(member.Create(s.ctx, object))
	return object
}

// report is what a federated object's status says, in upstream's words.
type report struct {
	// reason of the condition Propagation; empty when it is true.
	reason string
	// clusters have a status each; empty when all is well. Nil means that it does not matter what the list says.
	clusters map[string]string
}

// well is the status of an object that is where it should be.
func well(topologies ...string) report {
	all := report{clusters: map[string]string{}}
	for _, topology := range topologies {
		all.clusters[topology] = ""
	}
	return all
}

// waitReport waits until the status says so, of the object's present generation.
func (s *stage) waitReport(kind, name string, want report) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the status of the federated %s %s", kind, name), func(ctx context.Context) error {
		object := federated("Federated"+kind, v1beta1)
		if err := s.env.Host.Client.Get(ctx, s.key(name), object); err != nil {
			return err
		}
		return want.differs(object)
	})
}

// differs says how the status of a federated object in v1beta1 is another.
func (r report) differs(object *unstructured.Unstructured) error {
	observed, _, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if err != nil {
		return err
	}
	if observed != object.GetGeneration() {
		return fmt.Errorf("it speaks of generation %d, not of %d", observed, object.GetGeneration())
	}
	conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
	if err != nil {
		return err
	}
	reason, found := "", false
	for _, item := range conditions {
		if condition, _ := item.(map[string]any); condition["type"] == "Propagation" {
			found = true
			reason, _ = condition["reason"].(string)
			if (condition["status"] == "True") != (reason == "") {
				return fmt.Errorf("the condition Propagation is %v", condition)
			}
		}
	}
	if !found {
		return errors.New("it has no condition Propagation")
	}
	got, err := clusterWords(object)
	if err != nil {
		return err
	}
	if reason != r.reason || r.clusters != nil && !maps.Equal(got, r.clusters) {
		return fmt.Errorf("its reason is %q and its clusters are %v, want %q and %v", reason, got, r.reason, r.clusters)
	}
	return nil
}

// clusterWords returns what the status of a federated object in v1beta1 says of each cluster.
func clusterWords(object *unstructured.Unstructured) (map[string]string, error) {
	entries, err := clusterEntries(object)
	if err != nil {
		return nil, err
	}
	words := map[string]string{}
	for name, entry := range entries {
		words[name], _ = entry["status"].(string)
	}
	return words, nil
}

// clusterEntries returns the entries of status.clusters by name.
func clusterEntries(object *unstructured.Unstructured) (map[string]map[string]any, error) {
	list, _, err := unstructured.NestedSlice(object.Object, "status", "clusters")
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]any{}
	for _, item := range list {
		entry, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("status.clusters has the item %v", item)
		}
		name, _ := entry["name"].(string)
		all[name] = entry
	}
	return all, nil
}
