package diff

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/cli/manifest/facts"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/scope"
)

const deployment = `
apiVersion: types.kubefed.io/v1beta1
kind: FederatedDeployment
metadata: {name: pay, namespace: default}
spec:
  placement: {clusters: [{name: hz-a}]}
  template:
    metadata: {labels: {app: pay}}
    spec:
      replicas: 2
      selector: {matchLabels: {app: pay}}
      template:
        metadata: {labels: {app: pay}}
        spec:
          containers:
          - name: pay
            image: pay:1
            args: [a, b]
            env: [{name: LEVEL, value: info}]
            resources: {limits: {cpu: 1000m, memory: 1024Mi}}
          - name: proxy
            image: proxy:1
`

const changed = `
apiVersion: types.kubefed.io/v1beta1
kind: FederatedDeployment
metadata: {name: pay, namespace: default}
spec:
  placement: {clusters: [{name: hz-a}]}
  template:
    metadata: {labels: {app: pay}}
    spec:
      replicas: 2
      selector: {matchLabels: {app: pay}}
      template:
        metadata: {labels: {app: pay}}
        spec:
          containers:
          - name: pay
            image: pay:2
            args: [b]
            env: []
            resources: {limits: {cpu: "1", memory: 1Gi}}
`

// TestAgainstServer compares with what a real API server makes of what is applied: defaults, owners, other spellings.
func TestAgainstServer(t *testing.T) {
	server, err := framework.StartCluster(t.Context(), framework.Options{Name: "member", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	config, err := server.Config()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	deployments := client.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}).Namespace("default")
	sides := map[string]*side{"first": sideOf(t, deployment), "second": sideOf(t, changed)}
	place := sides["first"].places["hz-a"]
	look := func(reason, which, want string) {
		t.Helper()
		u, err := deployments.Get(t.Context(), "pay", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s := sides[which]
		rendered, err := s.renderedAt(place)
		if err != nil {
			t.Fatal(err)
		}
		groups, err := grouped([]change{become(s, place, rendered, u)})
		if err != nil {
			t.Fatal(err)
		}
		got := groups[0].unified("pay", labels{"live", "rendered"}) + groups[0].note
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}
	rendered, err := sides["first"].renderedAt(place)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := deployments.Create(t.Context(), rendered.Object, metav1.CreateOptions{FieldManager: "controller-manager"}); err != nil {
		t.Fatal(err)
	}
	look("what upstream wrote is the same, defaults and spelling aside", "first", "")
	if err := deployments.Delete(t.Context(), "pay", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	apply(t, deployments, rendered.Object)
	look("so is what cellfed applied", "first", "")
	look("what changes is shown, what leaves the template too", "second", `--- pay in hz-a: live
+++ pay in hz-a: rendered
@@ -16,20 +16,11 @@
     spec:
       containers:
       - args:
-        - a
         - b
-        env:
-        - name: LEVEL
-          value: info
-        image: pay:1
+        env: []
+        image: pay:2
         name: pay
         resources:
           limits:
             cpu: "1"
             memory: 1Gi
-      - image: proxy:1
-        imagePullPolicy: IfNotPresent
-        name: proxy
-        resources: {}
-        terminationMessagePath: /dev/termination-log
-        terminationMessagePolicy: File
`)
	somebody := `{"metadata":{"annotations":{"theirs":"x"}},"spec":{"replicas":5,"template":{"spec":{"containers":[{"name":"side","image":"side:1"}]}}}}`
	if _, err := deployments.Patch(t.Context(), "pay", types.StrategicMergePatchType, []byte(somebody), metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
	look("drift is shown, what is others' own is not", "first", `--- pay in hz-a: live
+++ pay in hz-a: rendered
@@ -5,7 +5,7 @@
     app: pay
   name: pay
 spec:
-  replicas: 5
+  replicas: 2
   selector:
     matchLabels:
       app: pay
`)
}

func sideOf(t *testing.T, text string) *side {
	t.Helper()
	o, err := federated.Decode(parse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return &side{
		object: o, typ: facts.Type{Resource: "deployments", Target: render.Target{Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Namespaced: true}},
		places: map[string]facts.Place{"hz-a": {Topology: scope.Topology{Name: "hz-a", Member: "hz-a"}, Decision: scope.Decision{Placed: true}}},
	}
}

func apply(t *testing.T, client dynamic.ResourceInterface, u *unstructured.Unstructured) {
	t.Helper()
	content, err := json.Marshal(u.Object)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Patch(t.Context(), u.GetName(), types.ApplyPatchType, content, metav1.PatchOptions{FieldManager: v1alpha1.FieldManager, Force: new(true)})
	if err != nil {
		t.Fatal(err)
	}
}
