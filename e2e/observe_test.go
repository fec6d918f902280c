package e2e

import (
	"context"
	"fmt"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

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
