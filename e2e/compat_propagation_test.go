package e2e

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func tellPropagation(s *stage) {
	first := map[string]any{"level": "info"}
	s.put(s.configMapOf("plain", first))
	s.waitMap(s.one, "plain", first)
	s.waitMap(s.two, "plain", first)
	s.waitReport("ConfigMap", "plain", well(s.one, s.two))
	uid := s.now(s.one, "ConfigMap", "plain").GetUID()

	second := map[string]any{"level": "debug"}
	s.edit("ConfigMap", "plain", `{"spec":{"template":{"data":{"level":"debug"}}}}`)
	s.waitMap(s.one, "plain", second)
	s.waitMap(s.two, "plain", second)
	s.waitReport("ConfigMap", "plain", well(s.one, s.two))
	if got := s.now(s.one, "ConfigMap", "plain").GetUID(); got != uid {
		s.t.Errorf("a change made another object in the member: %s was %s", got, uid)
	}

	s.t.Log("Somebody changes the object in one member, and deletes it in the other")
	s.touch(s.one, "ConfigMap", "plain", `{"data":{"level":"wrong"}}`)
	member, _ := s.at(s.two, "ConfigMap", "plain")
	s.must(member.Delete(s.ctx, s.now(s.two, "ConfigMap", "plain")))
	s.waitMap(s.one, "plain", second)
	s.waitMap(s.two, "plain", second)

	s.drop("ConfigMap", "plain")
	s.wantAbsent(s.one, "ConfigMap", "plain")
	s.wantAbsent(s.two, "ConfigMap", "plain")
}

func tellField(s *stage) {
	s.put(s.object("ConfigMap", "fields", map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"tier": "gold"}},
		"data":     map[string]any{"stays": "yes", "goes": "yes"},
	}))
	s.waitMap(s.one, "fields", map[string]any{"stays": "yes", "goes": "yes"})
	s.waitMap(s.two, "fields", map[string]any{"stays": "yes", "goes": "yes"})
	s.waitReport("ConfigMap", "fields", well(s.one, s.two))

	s.edit("ConfigMap", "fields", `{"spec":{"template":{"metadata":{"labels":null},"data":{"goes":null}}}}`)
	for _, topology := range []string{s.one, s.two} {
		s.waitMap(topology, "fields", map[string]any{"stays": "yes"})
		s.waitObject(topology, "ConfigMap", "fields", "its labels", func(object *unstructured.Unstructured) error {
			if _, found := object.GetLabels()["tier"]; found {
				return errors.New("it has the label that left the template")
			}
			return nil
		})
	}
}

func tellPlacement(s *stage) {
	data := map[string]any{"here": "yes"}
	labels := `{"city":"shanghai"}`
	if s.cells {
		labels = fmt.Sprintf(`{"city":"shanghai","cellfed.io/namespace":%q,"cellfed.io/topology-type":"cell"}`, s.namespace)
	}
	f := s.configMapOf("placed", data)
	f.Placement = []string{s.one}
	s.put(f)
	s.waitMap(s.one, "placed", data)
	s.waitReport("ConfigMap", "placed", well(s.one))
	s.wantAbsent(s.two, "ConfigMap", "placed")

	s.t.Log("A list comes before a selector")
	s.edit("ConfigMap", "placed", `{"spec":{"placement":{"clusterSelector":{"matchLabels":%s}}}}`, labels)
	s.waitReport("ConfigMap", "placed", well(s.one))
	s.wantAbsent(s.two, "ConfigMap", "placed")

	s.t.Log("Without a list the selector holds")
	s.edit("ConfigMap", "placed", `{"spec":{"placement":{"clusters":null}}}`)
	s.waitMap(s.two, "placed", data)
	s.waitAbsent(s.one, "ConfigMap", "placed")
	s.waitReport("ConfigMap", "placed", well(s.two))

	s.t.Log("An empty list is nowhere, whatever the selector")
	s.edit("ConfigMap", "placed", `{"spec":{"placement":{"clusters":[]}}}`)
	s.waitAbsent(s.two, "ConfigMap", "placed")
	s.waitReport("ConfigMap", "placed", well())

	s.t.Log("And so is a placement that says nothing")
	s.edit("ConfigMap", "placed", `{"spec":{"placement":{"clusters":[{"name":%q},{"name":%q}],"clusterSelector":null}}}`, s.one, s.two)
	s.waitMap(s.one, "placed", data)
	s.waitMap(s.two, "placed", data)
	s.edit("ConfigMap", "placed", `{"spec":{"placement":{"clusters":null}}}`)
	s.waitAbsent(s.one, "ConfigMap", "placed")
	s.waitAbsent(s.two, "ConfigMap", "placed")
	s.waitReport("ConfigMap", "placed", well())
}

func tellStatus(s *stage) {
	f := s.configMapOf("told", map[string]any{"a": "b"})
	f.Placement = []string{s.one, "no-such-cluster"}
	s.put(f)
	s.waitReport("ConfigMap", "told", well(s.one))
	s.edit("ConfigMap", "told", `{"spec":{"placement":{"clusters":[{"name":%q},{"name":%q}]}}}`, s.one, s.two)
	s.waitReport("ConfigMap", "told", well(s.one, s.two))
	s.edit("ConfigMap", "told", `{"spec":{"placement":{"clusters":[{"name":%q}]}}}`, s.two)
	s.waitReport("ConfigMap", "told", well(s.two))
}

func tellCreationFailed(s *stage) {
	template := func(port int64) map[string]any {
		return map[string]any{"spec": map[string]any{"ports": []any{map[string]any{"name": "web", "port": port}}}}
	}
	s.put(s.object("Service", "refused", template(70000)))
	s.waitReport("Service", "refused", report{reason: "CheckClusters", clusters: map[string]string{s.one: "CreationFailed", s.two: "CreationFailed"}})
	s.wantAbsent(s.one, "Service", "refused")
	s.edit("Service", "refused", `{"spec":{"template":{"spec":{"ports":[{"name":"web","port":80}]}}}}`)
	s.waitReport("Service", "refused", well(s.one, s.two))
	s.now(s.one, "Service", "refused")
}

func tellUpdateFailed(s *stage) {
	s.put(s.object("ConfigMap", "fixed", map[string]any{"immutable": true, "data": map[string]any{"a": "1"}}))
	s.waitReport("ConfigMap", "fixed", well(s.one, s.two))
	s.edit("ConfigMap", "fixed", `{"spec":{"template":{"data":{"a":"2"}}}}`)
	s.waitReport("ConfigMap", "fixed", report{reason: "CheckClusters", clusters: map[string]string{s.one: "UpdateFailed", s.two: "UpdateFailed"}})
	s.waitMap(s.one, "fixed", map[string]any{"a": "1"})
	s.edit("ConfigMap", "fixed", `{"spec":{"template":{"data":{"a":"1"}}}}`)
	s.waitReport("ConfigMap", "fixed", well(s.one, s.two))
}

func tellPlacementFailed(s *stage) {
	data := map[string]any{"a": "1"}
	s.put(s.configMapOf("unreadable", data))
	s.waitMap(s.one, "unreadable", data)
	s.waitMap(s.two, "unreadable", data)
	s.edit("ConfigMap", "unreadable",
		`{"spec":{"placement":{"clusters":null,"clusterSelector":{"matchExpressions":[{"key":"city","operator":"Near"}]}}}}`)
	s.waitReport("ConfigMap", "unreadable", report{reason: "ComputePlacementFailed"})
	s.waitMap(s.one, "unreadable", data)
	s.waitMap(s.two, "unreadable", data)
	s.edit("ConfigMap", "unreadable", `{"spec":{"placement":{"clusterSelector":null,"clusters":[{"name":%q}]}}}`, s.one)
	s.waitReport("ConfigMap", "unreadable", well(s.one))
}

const memberFinalizer = "member.example.com/hold"

func tellWaitingForRemoval(s *stage) {
	data := map[string]any{"a": "1"}
	s.put(s.configMapOf("waiting", data))
	s.waitMap(s.one, "waiting", data)
	s.waitMap(s.two, "waiting", data)
	s.touch(s.two, "ConfigMap", "waiting", `{"metadata":{"finalizers":["`+memberFinalizer+`"]}}`)
	s.edit("ConfigMap", "waiting", `{"spec":{"placement":{"clusters":[{"name":%q}]}}}`, s.one)
	s.waitReport("ConfigMap", "waiting", report{clusters: map[string]string{s.one: "", s.two: "WaitingForRemoval"}, reason: "CheckClusters"})
	s.touch(s.two, "ConfigMap", "waiting", `{"metadata":{"finalizers":null}}`)
	s.waitAbsent(s.two, "ConfigMap", "waiting")
	s.waitReport("ConfigMap", "waiting", well(s.one))
}
