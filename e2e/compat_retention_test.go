package e2e

import (
	"fmt"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// waitLabel waits until a change of the template, a label, has come to a topology.
func (s *stage) waitLabel(topology, kind, name, value string) {
	s.t.Helper()
	s.waitObject(topology, kind, name, "the label change="+value, func(object *unstructured.Unstructured) error {
		if got := object.GetLabels()["change"]; got != value {
			return fmt.Errorf("it is %q", got)
		}
		return s.marked(topology, object)
	})
}

// relabel changes the template of a federated object by a label.
func (s *stage) relabel(kind, name, value string) {
	s.t.Helper()
	s.edit(kind, name, `{"spec":{"template":{"metadata":{"labels":{"change":%q}}}}}`, value)
}

func tellRetainedMetadata(s *stage) {
	data := map[string]any{"a": "1"}
	s.put(s.configMapOf("theirs", data))
	s.waitMap(s.one, "theirs", data)
	s.waitMap(s.two, "theirs", data)
	s.touch(s.one, "ConfigMap", "theirs",
		`{"metadata":{"annotations":{"member.example.com/a":"theirs"},"finalizers":["`+memberFinalizer+`"]}}`)
	s.relabel("ConfigMap", "theirs", "1")
	s.waitLabel(s.one, "ConfigMap", "theirs", "1")
	s.waitLabel(s.two, "ConfigMap", "theirs", "1")
	s.waitReport("ConfigMap", "theirs", well(s.one, s.two))
	got := s.now(s.one, "ConfigMap", "theirs")
	if diff := cmp.Diff(map[string]string{"member.example.com/a": "theirs"}, got.GetAnnotations()); diff != "" {
		s.t.Errorf("the annotations that a member's controllers set are others (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{memberFinalizer}, got.GetFinalizers()); diff != "" {
		s.t.Errorf("the finalizers that a member's controllers set are others (-want +got):\n%s", diff)
	}
	s.touch(s.one, "ConfigMap", "theirs", `{"metadata":{"finalizers":null}}`)
}

func tellRetainedService(s *stage) {
	s.put(s.object("Service", "web", map[string]any{"spec": map[string]any{
		"type": "NodePort", "selector": map[string]any{"app": "web"},
		"ports": []any{map[string]any{"name": "http", "port": int64(80), "protocol": "TCP"}},
	}}))
	s.waitReport("Service", "web", well(s.one, s.two))
	before := s.now(s.one, "Service", "web")
	ip, port := addresses(before)
	if ip == "" || port == 0 {
		s.t.Fatalf("the member gave the Service the IP %q and the node port %d", ip, port)
	}
	s.edit("Service", "web", `{"spec":{"template":{"metadata":{"labels":{"change":"1"}},"spec":{"selector":{"app":"other"},
		"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":8080},{"name":"https","port":443,"protocol":"TCP"}]}}}}`)
	s.waitLabel(s.one, "Service", "web", "1")
	s.waitReport("Service", "web", well(s.one, s.two))
	after := s.now(s.one, "Service", "web")
	gotIP, gotPort := addresses(after)
	if gotIP != ip || gotPort != port || after.GetUID() != before.GetUID() {
		s.t.Errorf("the Service has the IP %s and the node port %d, had %s and %d", gotIP, gotPort, ip, port)
	}
	if selector, _, _ := unstructured.NestedString(after.Object, "spec", "selector", "app"); selector != "other" {
		s.t.Errorf("the selector is app=%s, want the template's", selector)
	}
	if ports, _, _ := unstructured.NestedSlice(after.Object, "spec", "ports"); len(ports) != 2 {
		s.t.Errorf("the ports are %v, want the template's two", ports)
	}
}

// addresses returns what an API server gives to a Service: its IP and its first node port.
func addresses(service *unstructured.Unstructured) (string, int64) {
	ip, _, _ := unstructured.NestedString(service.Object, "spec", "clusterIP")
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	if len(ports) == 0 {
		return ip, 0
	}
	first, _ := ports[0].(map[string]any)
	port, _, _ := unstructured.NestedInt64(first, "nodePort")
	return ip, port
}

func tellRetainedSecrets(s *stage) {
	s.put(s.object("ServiceAccount", "robot", map[string]any{"metadata": map[string]any{"labels": map[string]any{"change": "0"}}}))
	s.waitLabel(s.one, "ServiceAccount", "robot", "0")
	s.waitLabel(s.two, "ServiceAccount", "robot", "0")
	s.touch(s.one, "ServiceAccount", "robot", `{"secrets":[{"name":"robot-token-1"}]}`)
	s.relabel("ServiceAccount", "robot", "1")
	s.waitLabel(s.one, "ServiceAccount", "robot", "1")
	s.waitReport("ServiceAccount", "robot", well(s.one, s.two))
	s.wantSecrets("robot", "robot-token-1")

	s.t.Log("The template's own come before the member's")
	s.edit("ServiceAccount", "robot", `{"spec":{"template":{"metadata":{"labels":{"change":"2"}},"secrets":[{"name":"ours"}]}}}`)
	s.waitLabel(s.one, "ServiceAccount", "robot", "2")
	s.waitObject(s.one, "ServiceAccount", "robot", "its secrets", func(object *unstructured.Unstructured) error {
		got, _, _ := unstructured.NestedSlice(object.Object, "secrets")
		for _, secret := range got {
			if equality.Semantic.DeepEqual(secret, map[string]any{"name": "ours"}) {
				return nil
			}
		}
		return fmt.Errorf("they are %v", got)
	})
}

func (s *stage) wantSecrets(account, secret string) {
	s.t.Helper()
	got, _, err := unstructured.NestedSlice(s.now(s.one, "ServiceAccount", account).Object, "secrets")
	s.must(err)
	if diff := cmp.Diff([]any{map[string]any{"name": secret}}, got); diff != "" {
		s.t.Errorf("the secrets of the ServiceAccount are others (-want +got):\n%s", diff)
	}
}

func tellRetainedReplicas(s *stage) {
	template := map[string]any{"spec": map[string]any{
		"replicas": int64(1),
		"selector": map[string]any{"matchLabels": map[string]any{"app": "scaled"}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": "scaled"}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "image": "registry.invalid/app:1"}}},
		},
	}}
	s.put(s.object("Deployment", "scaled", template), func(object *unstructured.Unstructured) {
		s.must(unstructured.SetNestedField(object.Object, true, "spec", "retainReplicas"))
	})
	s.waitScale(s.one, 1)
	s.waitScale(s.two, 1)
	s.touch(s.one, "Deployment", "scaled", `{"spec":{"replicas":3}}`)
	s.relabel("Deployment", "scaled", "1")
	s.waitLabel(s.one, "Deployment", "scaled", "1")
	s.waitLabel(s.two, "Deployment", "scaled", "1")
	s.waitReport("Deployment", "scaled", well(s.one, s.two))
	s.waitScale(s.one, 3)
	s.waitScale(s.two, 1)

	s.t.Log("Without retainReplicas the template holds again")
	s.edit("Deployment", "scaled", `{"spec":{"retainReplicas":false,"template":{"spec":{"replicas":2}}}}`)
	s.waitScale(s.one, 2)
	s.waitScale(s.two, 2)
	s.touch(s.one, "Deployment", "scaled", `{"spec":{"replicas":3}}`)
	s.waitScale(s.one, 2)
}

func (s *stage) waitScale(topology string, want int64) {
	s.t.Helper()
	s.waitObject(topology, "Deployment", "scaled", fmt.Sprintf("%d replicas", want), func(object *unstructured.Unstructured) error {
		if got, _, _ := unstructured.NestedInt64(object.Object, "spec", "replicas"); got != want {
			return fmt.Errorf("it has %d", got)
		}
		return nil
	})
}
