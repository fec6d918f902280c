package e2e

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// annotated puts an annotation on a federated object.
func annotated(key, value string) func(*unstructured.Unstructured) {
	return func(object *unstructured.Unstructured) { object.SetAnnotations(map[string]string{key: value}) }
}

func tellOrphaning(s *stage) {
	data := map[string]any{"a": "1"}
	s.put(s.configMapOf("orphaned", data))
	s.waitMap(s.one, "orphaned", data)
	s.waitMap(s.two, "orphaned", data)
	s.waitReport("ConfigMap", "orphaned", well(s.one, s.two))
	uid := s.now(s.one, "ConfigMap", "orphaned").GetUID()
	s.edit("ConfigMap", "orphaned", `{"metadata":{"annotations":{"kubefed.io/orphan":"true"}}}`)
	s.drop("ConfigMap", "orphaned")
	for _, topology := range []string{s.one, s.two} {
		s.waitObject(topology, "ConfigMap", "orphaned", "to be nobody's", func(object *unstructured.Unstructured) error {
			got, _, _ := unstructured.NestedString(object.Object, "data", "a")
			if got != "1" || object.GetDeletionTimestamp() != nil {
				return fmt.Errorf("it is %v", object.Object)
			}
			return unmarked(object)
		})
	}
	if got := s.now(s.one, "ConfigMap", "orphaned").GetUID(); got != uid {
		s.t.Errorf("the object that was left behind is another: %s was %s", got, uid)
	}
}

func tellDeleteOptions(s *stage) {
	s.put(s.object("Deployment", "cascade", map[string]any{"spec": map[string]any{
		"replicas": int64(0),
		"selector": map[string]any{"matchLabels": map[string]any{"app": "cascade"}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": "cascade"}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "image": "registry.invalid/app:1"}}},
		},
	}}), annotated("kubefed.io/deleteoption", `{"propagationPolicy":"Orphan"}`))
	for _, topology := range []string{s.one, s.two} {
		s.eventually("the ReplicaSet in "+topology, func(ctx context.Context) error { return s.oneReplicaSet(ctx, topology, true) })
	}
	s.drop("Deployment", "cascade")
	for _, topology := range []string{s.one, s.two} {
		s.waitAbsent(topology, "Deployment", "cascade")
		s.eventually("the ReplicaSet to be left behind in "+topology, func(ctx context.Context) error {
			return s.oneReplicaSet(ctx, topology, false)
		})
	}
}

// oneReplicaSet says what is wrong with the ReplicaSet of the Deployment cascade in a topology.
func (s *stage) oneReplicaSet(ctx context.Context, topology string, owned bool) error {
	member, key := s.at(topology, "ReplicaSet", "")
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kinds["ReplicaSet"])
	if err := member.List(ctx, list, client.InNamespace(key.Namespace), client.MatchingLabels{"app": "cascade"}); err != nil {
		return err
	}
	if len(list.Items) != 1 {
		return fmt.Errorf("there are %d", len(list.Items))
	}
	if got := metav1.GetControllerOf(&list.Items[0]) != nil; got != owned {
		return fmt.Errorf("it has an owner: %v, want %v", got, owned)
	}
	return nil
}

func tellFinalizer(s *stage) {
	data := map[string]any{"a": "1"}
	s.put(s.configMapOf("kept", data))
	s.waitMap(s.one, "kept", data)
	s.waitMap(s.two, "kept", data)
	s.touch(s.two, "ConfigMap", "kept", `{"metadata":{"finalizers":["`+memberFinalizer+`"]}}`)
	s.dropLater("ConfigMap", "kept")
	s.waitAbsent(s.one, "ConfigMap", "kept")
	s.waitObject(s.two, "ConfigMap", "kept", "to be deleted", func(object *unstructured.Unstructured) error {
		if object.GetDeletionTimestamp() == nil {
			return errors.New("it is not")
		}
		return nil
	})
	if got := s.get("FederatedConfigMap", v1beta1, "kept"); len(got.GetFinalizers()) != 1 {
		s.t.Errorf("the finalizers of the federated object are %v while a member has it", got.GetFinalizers())
	}
	s.touch(s.two, "ConfigMap", "kept", `{"metadata":{"finalizers":null}}`)
	s.eventually("the federated object to be gone", func(ctx context.Context) error {
		return gone(s.env.Host.Client.Get(ctx, s.key("kept"), federated("FederatedConfigMap", v1beta1)))
	})
}

// planted is a ConfigMap that is in a member before anything is propagated.
func planted(name string, labels map[string]string) *unstructured.Unstructured {
	object := typed("ConfigMap")
	object.SetName(name)
	object.SetLabels(labels)
	object.SetAnnotations(map[string]string{"member.example.com/a": "theirs"})
	object.Object["data"] = map[string]any{"a": "theirs"}
	return object
}

func tellAdoption(s *stage) {
	before := s.plant(s.two, planted("there", nil))
	data := map[string]any{"a": "1"}
	s.put(s.configMapOf("there", data))
	s.waitMap(s.one, "there", data)
	s.waitMap(s.two, "there", data)
	s.waitReport("ConfigMap", "there", well(s.one, s.two))
	after := s.now(s.two, "ConfigMap", "there")
	if after.GetUID() != before.GetUID() {
		s.t.Errorf("the object was replaced: its UID is %s, was %s", after.GetUID(), before.GetUID())
	}
	if after.GetAnnotations()["member.example.com/a"] != "theirs" {
		s.t.Errorf("the annotations of the object that was there are %v", after.GetAnnotations())
	}
}

func tellUnmanaged(s *stage) {
	before := s.plant(s.two, planted("hands-off", map[string]string{"kubefed.io/managed": "false"}))
	data := map[string]any{"a": "1"}
	s.put(s.configMapOf("hands-off", data))
	s.waitMap(s.one, "hands-off", data)
	s.waitReport("ConfigMap", "hands-off", report{reason: "CheckClusters", clusters: map[string]string{s.one: "", s.two: "ManagedLabelFalse"}})
	after := s.now(s.two, "ConfigMap", "hands-off")
	if after.GetResourceVersion() != before.GetResourceVersion() {
		s.t.Errorf("an object that nobody may touch was written: %v", after.Object)
	}
	s.drop("ConfigMap", "hands-off")
	if after := s.now(s.two, "ConfigMap", "hands-off"); after.GetResourceVersion() != before.GetResourceVersion() {
		s.t.Errorf("the deletion of the federated object wrote to an object that nobody may touch: %v", after.Object)
	}
}

func tellStrayLabel(s *stage) {
	before := s.plant(s.one, planted("stray", nil))
	s.touch(s.one, "ConfigMap", "stray", `{"metadata":{"labels":{"kubefed.io/managed":"true"}}}`)
	s.waitObject(s.one, "ConfigMap", "stray", "its labels", func(object *unstructured.Unstructured) error {
		if object.GetUID() != before.GetUID() {
			return errors.New("it is another object")
		}
		return unmarked(object)
	})
}
