package render

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/federated"
)

const (
	ours     = "cellfed"
	upstream = "controller-manager"
)

// memberServer is a real API server, spoken to as the push reconciler does.
type memberServer struct{ dynamic.Interface }

// memberObject is one object in it, through the life of its federated object.
type memberObject struct {
	*testing.T
	client   dynamic.ResourceInterface
	resource dynamic.NamespaceableResourceInterface
	target   Target
	fed      *federated.Object
	policy   *Policy
}

func (s memberServer) object(t *testing.T, resource string, target Target, name string) *memberObject {
	r := s.Resource(schema.GroupVersionResource{Group: target.Kind.Group, Version: target.Kind.Version, Resource: resource})
	o := &memberObject{T: t, resource: r, client: r, target: target, fed: &federated.Object{Namespace: "default", Name: name}}
	if target.Namespaced {
		o.client = r.Namespace("default")
	}
	return o
}

func (o *memberObject) template(text string) {
	o.Helper()
	o.fed.Template = content(o, text)
}

func (o *memberObject) render() *Rendered {
	o.Helper()
	r, err := Render(o.fed, physical, o.target, o.policy)
	if err != nil {
		o.Fatal(err)
	}
	return r
}

// live reads the object as a member's cache holds it.
func (o *memberObject) live() (*Live, *unstructured.Unstructured) {
	o.Helper()
	u, err := o.client.Get(o.Context(), o.fed.Name, metav1.GetOptions{})
	if err != nil {
		o.Fatal(err)
	}
	live := &Live{Object: u.DeepCopy()}
	live.Object.SetManagedFields(nil)
	label := fieldpath.MakePathOrDie("metadata", "labels", "kubefed.io/managed")
	for _, entry := range u.GetManagedFields() {
		set := &fieldpath.Set{}
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			o.Fatal(err)
		}
		switch {
		case entry.Operation == metav1.ManagedFieldsOperationApply && entry.Manager == ours:
			live.Applied = set
		case entry.Operation == metav1.ManagedFieldsOperationUpdate && set.Has(label):
			live.Legacy = true
		}
	}
	return live, u
}

// upstreamWrites creates the object as upstream does.
func (o *memberObject) upstreamWrites() {
	o.Helper()
	options := metav1.CreateOptions{FieldManager: upstream}
	if _, err := o.client.Create(o.Context(), o.render().Object, options); err != nil {
		o.Fatal(err)
	}
}

// somebody patches the object.
func (o *memberObject) somebody(manager, patch string, subresources ...string) {
	o.Helper()
	raw, err := json.Marshal(content(o, patch))
	if err != nil {
		o.Fatal(err)
	}
	if _, err := o.client.Patch(o.Context(), o.fed.Name, types.MergePatchType, raw, metav1.PatchOptions{FieldManager: manager}, subresources...); err != nil {
		o.Fatal(err)
	}
}

// apply does what the push reconciler does: retain, migrate what upstream wrote, apply. It returns what differed before, and
// wants nothing to differ afterwards.
func (o *memberObject) apply() []string {
	o.Helper()
	r := o.render()
	live, u := o.live()
	desired, pin := Retain(r, live, o.fed, o.target, o.policy)
	before := Diff(desired, live, physical, o.target)
	if live.Legacy {
		patch, err := csaupgrade.UpgradeManagedFieldsPatch(u, sets.New(upstream), ours)
		if err != nil {
			o.Fatal(err)
		}
		migrated, err := o.client.Patch(o.Context(), o.fed.Name, types.JSONPatchType, patch, metav1.PatchOptions{})
		if err != nil {
			o.Fatal(err)
		}
		u = migrated
	}
	send := desired.DeepCopy()
	if pin {
		send.SetResourceVersion(u.GetResourceVersion())
	}
	o.send(send)
	if left := o.left(); left != nil {
		o.Errorf("after the apply there differ %v", left)
	}
	return before
}

func (o *memberObject) send(desired *unstructured.Unstructured) {
	o.Helper()
	if _, err := o.client.Apply(o.Context(), o.fed.Name, desired, metav1.ApplyOptions{FieldManager: ours, Force: true}); err != nil {
		o.Fatal(err)
	}
}

// left returns what differs now.
func (o *memberObject) left() []string {
	o.Helper()
	live, _ := o.live()
	desired, _ := Retain(o.render(), live, o.fed, o.target, o.policy)
	return Diff(desired, live, physical, o.target)
}

func (o *memberObject) want(reason string, path string, want any) {
	o.Helper()
	live, _ := o.live()
	var got any
	if m := Project(live.Object.Object, []Path{mustPath(path)}); m != nil {
		got = any(m)
		for _, s := range mustPath(path) {
			if s.each {
				break
			}
			got = got.(map[string]any)[s.field]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		o.Errorf("%s: %s, -want +got:\n%s", reason, path, diff)
	}
}

func (o *memberObject) wantDiff(reason string, got []string, want ...string) {
	o.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		o.Errorf("%s: -want +got:\n%s", reason, diff)
	}
}

// value returns one value of the live object.
func (o *memberObject) value(path ...string) any {
	o.Helper()
	live, _ := o.live()
	value, _, err := unstructured.NestedFieldNoCopy(live.Object.Object, path...)
	if err != nil {
		o.Fatal(err)
	}
	return value
}

func deployment(rest string) string {
	return "{spec: {" + rest + " selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: x, image: y}]}}}}"
}

// TestAPIServer shows with a real API server that what is retained stays, what leaves the template goes, and that nothing is
// ever written twice.
func TestAPIServer(t *testing.T) {
	cp := framework.RunControlPlane(t, framework.Options{})
	config, err := cp.Config()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	server := memberServer{client}
	for name, test := range map[string]func(*testing.T, memberServer){
		"ReplicasOfAnAutoscaler": testReplicas, "ReplicasOfUpstream": testReplicasOfUpstream,
		"ServiceOfUpstream": testServiceOfUpstream, "ServiceOfOurs": testServiceOfOurs, "Ports": testPorts, "Job": testJob,
		"LeavesTheTemplate": testLeavesTheTemplate, "TakenOver": testTakenOver, "Forms": testForms, "Secret": testSecret, "Webhook": testWebhook,
		"Account": testAccount, "Namespace": testNamespace, "Custom": testCustom, "HandOver": testHandOver,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
}

func testReplicas(t *testing.T, s memberServer) {
	o := s.object(t, "deployments", deployments, "replicas")
	o.fed.RetainReplicas = true
	o.template(deployment("replicas: 2,"))
	o.send(o.render().Object)
	o.want("an object is created with the template's", ".spec.replicas", int64(2))
	o.template(deployment("replicas: 3, paused: true,"))
	o.wantDiff("nobody took the replicas over", o.apply(), ".spec.paused")
	o.want("they stay, though they are still ours", ".spec.replicas", int64(2))
	o.somebody("hpa", "{spec: {replicas: 7}}", "scale")
	o.wantDiff("an autoscaler's replicas are no drift", o.left())
	o.template(deployment("replicas: 4,"))
	o.wantDiff("the template changes", o.apply(), ".spec.paused")
	o.want("the autoscaler's stay", ".spec.replicas", int64(7))
	o.template(deployment(""))
	o.apply()
	o.want("also when the template says nothing", ".spec.replicas", int64(7))
	o.fed.RetainReplicas = false
	o.template(deployment("replicas: 4,"))
	o.wantDiff("they are the template's again", o.apply(), ".spec.replicas")
	o.want("when nobody retains them", ".spec.replicas", int64(4))
}

func testReplicasOfUpstream(t *testing.T, s memberServer) {
	o := s.object(t, "deployments", deployments, "replicas-upstream")
	o.fed.RetainReplicas = true
	o.template(deployment("replicas: 2, paused: true,"))
	o.upstreamWrites()
	o.somebody("kubectl", "{spec: {replicas: 5}}")
	o.wantDiff("what upstream wrote is as it should be", o.left())
	o.template(deployment("replicas: 3,"))
	o.apply()
	o.want("replicas are retained", ".spec.replicas", int64(5))
	o.want("what left the template has left", ".spec.paused", nil)
}

const service = "{spec: {type: NodePort, selector: {a: b}, ports: [{name: a, port: 80}, {name: b, port: 81, targetPort: 8081}]}}"

func testServiceOfUpstream(t *testing.T, s memberServer) {
	o := s.object(t, "services", services, "upstream")
	o.template(service)
	o.upstreamWrites()
	ip, ports := o.value("spec", "clusterIP"), o.value("spec", "ports")
	o.wantDiff("what upstream wrote is as it should be", o.left())
	o.template("{spec: {type: NodePort, selector: {a: c}, ports: [{name: a, port: 80}, {name: b, port: 81, targetPort: 8081}], sessionAffinity: ClientIP}}")
	o.wantDiff("and differs where the template changed", o.apply(), ".spec.selector.a", ".spec.sessionAffinity")
	o.want("the IP stays", ".spec.clusterIP", ip)
	o.want("the ports stay", ".spec.ports", ports)
	o.template(service)
	o.wantDiff("back again", o.apply(), ".spec.selector.a", ".spec.sessionAffinity")
	o.want("the IP stays", ".spec.clusterIP", ip)
	o.want("the ports stay", ".spec.ports", ports)
	o.want("what left the template has its default", ".spec.sessionAffinity", "None")
	o.template("{spec: {type: NodePort, selector: {a: b}, ports: [{name: renamed, port: 80}]}}")
	o.apply()
	o.want("a port goes, the other one keeps its node port", ".spec.ports", []any{map[string]any{
		"name": "renamed", "port": int64(80), "protocol": "TCP", "targetPort": int64(80), "nodePort": ports.([]any)[0].(map[string]any)["nodePort"],
	}})
	o.template("{spec: {type: ClusterIP, selector: {a: b}, ports: [{port: 80}]}}")
	o.apply()
	o.want("a Service of another type has no node port", ".spec.ports", []any{map[string]any{"port": int64(80), "protocol": "TCP", "targetPort": int64(80)}})
	o.want("and the same IP", ".spec.clusterIP", ip)
}

func testServiceOfOurs(t *testing.T, s memberServer) {
	o := s.object(t, "services", services, "ours")
	o.template("{spec: {clusterIP: '', type: NodePort, selector: {a: b}, ports: [{port: 80}]}}")
	o.send(o.render().Object)
	ip, ports := o.value("spec", "clusterIP"), o.value("spec", "ports")
	o.wantDiff("nothing differs once it is there", o.left())
	o.template("{spec: {clusterIP: '', type: NodePort, selector: {a: c}, ports: [{port: 80}]}}")
	o.wantDiff("but for what changes", o.apply(), ".spec.selector.a")
	o.want("the IP stays", ".spec.clusterIP", ip)
	o.want("the ports stay", ".spec.ports", ports)
	o.somebody("evil", "{spec: {selector: {z: z}}}")
	o.wantDiff("an addition to the selector is drift", o.apply(), ".spec.selector.a")
	o.want("and goes", ".spec.selector", map[string]any{"a": "c"})
}

func testPorts(t *testing.T, s memberServer) {
	o := s.object(t, "services", services, "ports")
	o.template("{spec: {ports: [{name: a, port: 53, protocol: UDP}, {name: b, port: 53, protocol: TCP}]}}")
	o.send(o.render().Object)
	o.wantDiff("two protocols on a port are two ports", o.left())
	o.template("{spec: {ports: [{name: a, port: 53, protocol: UDP}, {name: b, port: 53}]}}")
	o.wantDiff("TCP need not be said", o.apply())
	o.template("{spec: {ports: [{name: b, port: 53}]}}")
	o.wantDiff("one of them goes", o.apply(), ".spec.ports[port=53,protocol=UDP]")
}

func testJob(t *testing.T, s memberServer) {
	job := func(rest string) string {
		return "{spec: {" + rest + " template: {metadata: {labels: {app: a}}, spec: {restartPolicy: Never, containers: [{name: x, image: y}]}}}}"
	}
	for _, written := range []string{"upstream", "ours"} {
		o := s.object(t, "jobs", jobs, "job-"+written)
		o.template(job("suspend: true,"))
		if written == "ours" {
			o.send(o.render().Object)
		} else {
			o.upstreamWrites()
		}
		selector := o.value("spec", "selector")
		o.wantDiff("nothing differs once it is there", o.left())
		o.template(job("suspend: true, ttlSecondsAfterFinished: 100,"))
		o.wantDiff("it can be changed", o.apply(), ".spec.ttlSecondsAfterFinished")
		o.want("the selector stays", ".spec.selector", selector)
		o.template(job("suspend: true,"))
		o.wantDiff("and back", o.apply(), ".spec.ttlSecondsAfterFinished")
	}
}

func testLeavesTheTemplate(t *testing.T, s memberServer) {
	o := s.object(t, "configmaps", configMaps, "leaves")
	o.template("{metadata: {labels: {l: m}}, data: {a: b, c: d}}")
	o.upstreamWrites()
	o.somebody("other", "{data: {own: x}, metadata: {labels: {own: x}, annotations: {own: x}}}")
	o.wantDiff("what others add is theirs", o.left())
	o.template("{data: {a: b}}")
	o.apply()
	o.want("what upstream wrote leaves with the template", ".data", map[string]any{"a": "b", "own": "x"})
	o.want("labels too", ".metadata.labels", map[string]any{"kubefed.io/managed": "true", "own": "x"})
	o.template("{data: {}}")
	o.wantDiff("what we wrote too", o.apply(), ".data.a")
	o.want("but not what is others'", ".data", map[string]any{"own": "x"})
}

func testTakenOver(t *testing.T, s memberServer) {
	o := s.object(t, "configmaps", configMaps, "taken")
	o.template("{data: {a: b}}")
	o.send(o.render().Object)
	o.somebody("other", "{data: {a: x}}")
	o.wantDiff("another value is drift", o.left(), ".data.a")
	o.somebody("other", "{data: {a: b}}")
	o.wantDiff("the value is right again, but not ours", o.apply(), ".data.a")
	o.somebody("other", "{metadata: {managedFields: [{}]}}")
	o.wantDiff("without field managers the values tell", o.left())
}

// testForms applies what API servers store differently, and wants no difference.
func testForms(t *testing.T, s memberServer) {
	o := s.object(t, "deployments", deployments, "forms")
	o.template(`{metadata: {creationTimestamp: null, annotations: {}}, spec: {replicas: null, paused: false, minReadySeconds: 0, selector: {matchLabels: {a: b}},
		strategy: {}, template: {metadata: {creationTimestamp: null, labels: {a: b}, annotations: {}}, spec: {nodeSelector: {}, hostNetwork: false, securityContext: {}, tolerations: [],
		containers: [{name: x, image: y, args: [], command: [a], env: [{name: E, value: ''}], ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}], workingDir: '',
		resources: {limits: {cpu: 1000m, memory: 1024Mi}, requests: {cpu: 0.50, memory: 1e3}}, volumeMounts: [{name: v, mountPath: /v}]}],
		volumes: [{name: v, emptyDir: {sizeLimit: 1024Mi}}, {name: w, emptyDir: {}}, {name: c, configMap: {name: c, defaultMode: 0644, items: []}}]}}}}`)
	o.send(o.render().Object)
	o.wantDiff("they are the same", o.left())
	o.somebody("other", "{spec: {template: {spec: {volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}, {name: w, hostPath: {path: /}}, {name: c, configMap: {name: c, defaultMode: 420}}]}}}}")
	o.wantDiff("but for another volume, though an empty one could be none", o.left(), ".spec.template.spec.volumes[name=w].emptyDir")
	n := s.object(t, "networkpolicies", Target{Kind: schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}, Namespaced: true}, "forms")
	n.template("{spec: {podSelector: {}, ingress: [], egress: [{}], policyTypes: [Ingress, Egress]}}")
	n.send(n.render().Object)
	n.wantDiff("nor are empty rules", n.left())
	n.somebody("other", "{spec: {ingress: [{}]}}")
	n.wantDiff("but a rule where there was none", n.apply(), ".spec.ingress")
}

func testSecret(t *testing.T, s memberServer) {
	o := s.object(t, "secrets", secrets, "secret")
	o.template(`{stringData: {a: b, c: d}, data: {e: "Zg=\n="}}`)
	o.send(o.render().Object)
	o.wantDiff("nothing differs", o.left())
	o.template("{stringData: {a: b}}")
	o.wantDiff("what leaves stringData", o.apply(), ".data.c", ".data.e")
	o.want("leaves the data", ".data", map[string]any{"a": "Yg=="})
}

func testWebhook(t *testing.T, s memberServer) {
	hook := func(rest string) string {
		return "{webhooks: [{name: a.x.io, sideEffects: None, admissionReviewVersions: [v1], failurePolicy: Ignore, clientConfig: {service: {namespace: x, name: y}" + rest + "}}]}"
	}
	injected := "{webhooks: [{name: a.x.io, sideEffects: None, admissionReviewVersions: [v1], failurePolicy: Ignore, clientConfig: {service: {namespace: x, name: y}, caBundle: bXkgYnVuZGxl}}]}"
	for _, written := range []string{"upstream", "ours"} {
		o := s.object(t, "validatingwebhookconfigurations", hooks, "hook-"+written)
		o.fed.Namespace = ""
		o.template(hook(""))
		if written == "ours" {
			o.send(o.render().Object)
		} else {
			o.upstreamWrites()
		}
		o.somebody("injector", injected)
		o.wantDiff("a CA bundle that is filled in is no drift", o.left())
		o.template(hook(", caBundle: Cg=="))
		o.apply()
		o.want("and stays", ".webhooks[*].clientConfig.caBundle", []any{map[string]any{"clientConfig": map[string]any{"caBundle": "bXkgYnVuZGxl"}}})
	}
}

func testAccount(t *testing.T, s memberServer) {
	o := s.object(t, "serviceaccounts", accounts, "account")
	o.template("{automountServiceAccountToken: true}")
	o.upstreamWrites()
	o.somebody("tokens", "{secrets: [{name: token}]}")
	o.template("{automountServiceAccountToken: false}")
	o.wantDiff("it is changed", o.apply(), ".automountServiceAccountToken")
	o.want("and keeps its secrets", ".secrets", []any{map[string]any{"name": "token"}})
	o.template("{automountServiceAccountToken: true}")
	o.apply()
	o.want("for good", ".secrets", []any{map[string]any{"name": "token"}})
}

func testNamespace(t *testing.T, s memberServer) {
	o := s.object(t, "namespaces", namespaces, "ns")
	o.template("{metadata: {labels: {a: b}}}")
	o.upstreamWrites()
	o.wantDiff("nothing differs", o.left())
	o.template("")
	o.apply()
	o.want("what the API server adds stays", ".metadata.labels", map[string]any{"kubefed.io/managed": "true", "kubernetes.io/metadata.name": "ns"})
	o.want("also its finalizer", ".spec.finalizers", []any{"kubernetes"})
}

// testCustom goes through the lists of a custom resource: of a single owner, by keys, and a set.
func testCustom(t *testing.T, s memberServer) {
	crd := object(t, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.x.io}
spec:
  group: x.io
  scope: Namespaced
  names: {kind: Foo, plural: foos, singular: foo, listKind: FooList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              n: {type: string, nullable: true}
              single: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
              set: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              map: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [id], items: {type: object, required: [id], properties: {id: {type: integer}, x: {type: string}, y: {type: string}}}}
`)
	definitions := s.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := definitions.Create(t.Context(), crd, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	o := s.object(t, "foos", customs, "custom")
	framework.Eventually(t, 30*time.Second, "the resource is served", func(ctx context.Context) error {
		_, err := o.client.List(ctx, metav1.ListOptions{})
		return err
	})
	o.policy = policy(t, nil, []string{".spec.map[*].y", ".spec.single[*].y"})
	o.template("{spec: {n: null, single: [{key: a, x: '1'}], set: [a], map: [{id: 2, x: '1'}]}}")
	o.upstreamWrites()
	o.somebody("other", "{spec: {single: [{key: a, x: '1', y: m}], set: [b, a], map: [{id: 1, x: o}, {id: 2, x: '1', y: m}]}}")
	o.template("{spec: {n: null, single: [{key: a, x: '2', y: t}], set: [a], map: [{id: 2, x: '2', y: t}]}}")
	for range 2 {
		o.apply()
		o.want("what is retained stays", ".spec", content(t, "{n: null, single: [{key: a, x: '2', y: m}], set: [b, a], map: [{id: 1, x: o}, {id: 2, x: '2', y: m}]}"))
	}
	o.somebody("other", "{spec: {single: [{key: a, x: '3', y: n}], map: [{id: 1, x: o}, {id: 2, x: '2', y: n}]}}")
	o.wantDiff("and what is not is drift", o.apply(), ".spec.single")
	o.want("which is repaired beside it", ".spec.single", content(t, "{x: [{key: a, x: '2', y: n}]}")["x"])
}

func testHandOver(t *testing.T, s memberServer) {
	o := s.object(t, "deployments", deployments, "handover")
	o.template(deployment("replicas: 2,"))
	o.upstreamWrites()
	uid, generation := o.value("metadata", "uid"), o.value("metadata", "generation")
	o.wantDiff("nothing is to be written", o.apply())
	o.want("an apply all the same changes nothing", ".metadata.generation", generation)
	o.want("and recreates nothing", ".metadata.uid", uid)
}
