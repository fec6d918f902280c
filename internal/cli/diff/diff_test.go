package diff

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/manifest"
	"github.com/cellfed/cellfed/internal/federated"
)

const memberToken = "the-members-token"

// world is a host cluster, and a member that all clusters lead to.
type world struct {
	t      *testing.T
	client client.WithWatch
	// live are the member's objects by path.
	live map[string]*unstructured.Unstructured
	// forbidden are the resources that the caller may not read in the host.
	forbidden  []string
	kubeconfig string

	// mu guards tokens: clusters are asked in parallel.
	mu     sync.Mutex
	tokens map[string]bool
}

// seen returns the tokens that the member saw.
func (w *world) seen() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.tokens)
}

const host = `
apiVersion: v1
kind: Namespace
metadata: {name: acme-prod, labels: {cellfed.io/tenant: acme}}
---
apiVersion: cellfed.io/v1alpha1
kind: Cell
metadata: {name: rz00a, namespace: acme-prod}
spec: {clusterName: hz-a, targetNamespace: acme-prod-rz00a}
---
apiVersion: cellfed.io/v1alpha1
kind: Cell
metadata: {name: rz00b, namespace: acme-prod}
spec: {clusterName: hz-a, targetNamespace: acme-prod-rz00b}
---
apiVersion: cellfed.io/v1alpha1
kind: Cell
metadata: {name: rz01a, namespace: acme-prod}
spec: {clusterName: sh-b}
---
apiVersion: types.kubefed.io/v2beta1
kind: FederatedNamespace
metadata: {name: acme-prod, namespace: acme-prod}
spec: {topologyType: cell, placement: {topologySelector: {}}}
---
apiVersion: core.kubefed.io/v1beta1
kind: FederatedTypeConfig
metadata: {name: configmaps, namespace: kube-federation-system}
spec:
  propagation: Disabled
  federatedType: {group: types.kubefed.io, version: v1beta1, kind: FederatedConfigMap, pluralName: federatedconfigmaps, scope: Namespaced}
  targetType: {version: v1, kind: ConfigMap, pluralName: configmaps, scope: Namespaced}
---
apiVersion: core.kubefed.io/v1beta1
kind: FederatedTypeConfig
metadata: {name: secrets, namespace: kube-federation-system}
spec:
  propagation: Disabled
  federatedType: {group: types.kubefed.io, version: v1beta1, kind: FederatedSecret, pluralName: federatedsecrets, scope: Namespaced}
  targetType: {version: v1, kind: Secret, pluralName: secrets, scope: Namespaced}
---
apiVersion: cellfed.io/v1alpha1
kind: FederatedTypePolicy
metadata: {name: configmaps, namespace: kube-federation-system}
spec: {propagator: Cellfed, propagatingAnnotations: ["acme.example/*"]}
status: {propagator: Cellfed}
`

const pay = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: pay, namespace: acme-prod}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}, {name: rz00b}, {name: rz01a}]}
  placementMask: {topologies: [{name: rz00a}]}
  template:
    data: {currency: CNY, log-level: info}
  overrides:
  - topologyName: rz01a
    topologyOverrides:
    - {path: /data/log-level, value: debug}
`

func newWorld(t *testing.T, manifests ...string) *world {
	t.Helper()
	t.Setenv("KUBECTL_EXTERNAL_DIFF", "")
	w := &world{t: t, live: map[string]*unstructured.Unstructured{}, tokens: map[string]bool{}}
	server := httptest.NewTLSServer(http.HandlerFunc(w.serve))
	t.Cleanup(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	w.kubeconfig = "apiVersion: v1\nkind: Config\nclusters: [{name: own, cluster: {server: " + server.URL + ", insecure-skip-tls-verify: true}}]\n" +
		"users: [{name: me, user: {token: my-own-token}}]\ncontexts: [{name: own, context: {cluster: own, user: me}}]\n"
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, fedv1b1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"FederatedNamespace", "FederatedConfigMap", "FederatedSecret"} {
		gvk := schema.GroupVersionKind{Group: federated.Group, Version: federated.V2Beta1, Kind: kind}
		scheme.AddKnownTypeWithName(gvk, &unstructured.Unstructured{})
		scheme.AddKnownTypeWithName(gvk.GroupVersion().WithKind(kind+"List"), &unstructured.UnstructuredList{})
	}
	objects := []client.Object{&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "member", Namespace: kube.DefaultKubeFedNamespace}, Data: map[string][]byte{"token": []byte(memberToken)},
	}}
	for _, name := range []string{"hz-a", "sh-b"} {
		objects = append(objects, &fedv1b1.KubeFedCluster{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid-" + "member", Namespace: kube.DefaultKubeFedNamespace, Labels: map[string]string{v1alpha1.SharedLabel: "true"}},
			Spec:       fedv1b1.KubeFedClusterSpec{APIEndpoint: server.URL, CABundle: certificate, SecretRef: fedv1b1.LocalSecretReference{Name: "member"}},
		})
	}
	for _, text := range append([]string{host}, manifests...) {
		for _, d := range manifest.Parse("host", []byte(text)) {
			if d.Empty() {
				continue
			}
			objects = append(objects, parse(t, string(d.Text)))
		}
	}
	w.client = interceptor.NewClient(fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build(), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if err := w.allowed(c, o); err != nil {
				return err
			}
			return c.Get(ctx, key, o, options...)
		},
	})
	return w
}

// allowed refuses what the caller may not read.
func (w *world) allowed(c client.Client, o client.Object) error {
	gvk, err := c.GroupVersionKindFor(o)
	if err != nil {
		return err
	}
	for _, kind := range w.forbidden {
		if gvk.Kind == kind {
			return apierrors.NewForbidden(schema.GroupResource{Group: gvk.Group, Resource: strings.ToLower(kind) + "s"}, o.GetName(), nil)
		}
	}
	return nil
}

// serve is the member's API server.
func (w *world) serve(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.tokens[r.Header.Get("Authorization")] = true
	w.mu.Unlock()
	out.Header().Set("Content-Type", "application/json")
	object, ok := w.live[r.URL.Path]
	if r.Method != http.MethodGet || !ok {
		status := apierrors.NewNotFound(schema.GroupResource{}, r.URL.Path).Status()
		out.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(out).Encode(status)
		return
	}
	_ = json.NewEncoder(out).Encode(object.Object)
}

// hold has the member hold an object, of which cellfed has applied what applied says.
func (w *world) hold(path, text, applied string) {
	w.t.Helper()
	u := parse(w.t, text)
	if applied != "" {
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{
			Manager: v1alpha1.FieldManager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(applied),
		}})
	}
	w.live[path] = u
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u, err := manifest.Parse("test", []byte(text))[0].Object()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// run runs the verb with a file new.yaml.
func (w *world) run(file string, args ...string) (out, errors string, err error) {
	w.t.Helper()
	dir := w.t.TempDir()
	w.t.Chdir(dir)
	for name, text := range map[string]string{"new.yaml": file, "config": w.kubeconfig} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	var b, e bytes.Buffer
	k := kube.New(genericiooptions.IOStreams{Out: &b, ErrOut: &e})
	k.SetClient(w.client, nil)
	cmd := New(k)
	k.AddFlags(cmd.Flags())
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append(args, "-n", "acme-prod", "--kubeconfig", filepath.Join(dir, "config")))
	err = cmd.ExecuteContext(w.t.Context())
	return b.String(), e.String(), err
}

// expect compares what the verb printed.
func expect(t *testing.T, reason string, code int, want, out string, err error) {
	t.Helper()
	if exit.Code(err) != code {
		t.Errorf("%s: code %d, want %d: %v", reason, exit.Code(err), code, err)
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("%s (-want +got):\n%s", reason, diff)
	}
}

func TestStored(t *testing.T) {
	cases := map[string]struct {
		reason, stored, file string
		args                 []string
		code                 int
		want                 string
	}{
		"Same": {reason: "nothing differs", stored: pay, file: pay, want: "FederatedConfigMap acme-prod/pay in rz00a, rz00b (held), rz01a (held): no change\n"},
		"Template": {
			reason: "cells with one difference are shown together, those that differ otherwise apart", stored: pay,
			file: strings.Replace(pay, "log-level: info", "log-level: warn", 1), code: codeDiffers,
			want: `--- FederatedConfigMap acme-prod/pay in rz00a, rz00b (held): stored
+++ FederatedConfigMap acme-prod/pay in rz00a, rz00b (held): new
@@ -1,7 +1,7 @@
 apiVersion: v1
 data:
   currency: CNY
-  log-level: info
+  log-level: warn
 kind: ConfigMap
 metadata:
   name: pay
FederatedConfigMap acme-prod/pay in rz01a (held): no change
`,
		},
		"Annotation": {
			reason: "what is not propagated changes nothing", stored: pay, file: strings.Replace(pay, "    data:", "    metadata: {annotations: {x/y: z}}\n    data:", 1),
			want: "FederatedConfigMap acme-prod/pay in rz00a, rz00b (held), rz01a (held): no change\n",
		},
		"Placement": {
			reason: "what comes and goes is shown whole", stored: strings.Replace(pay, ", {name: rz01a}]", "]", 1), code: codeDiffers,
			file: strings.Replace(strings.Replace(pay, "{name: rz00b}, ", "", 1), "  placementMask: {topologies: [{name: rz00a}]}\n", "", 1),
			want: `--- FederatedConfigMap acme-prod/pay in rz00b (held): stored
+++ FederatedConfigMap acme-prod/pay in rz00b (held): new
@@ -1,7 +0,0 @@
-apiVersion: v1
-data:
-  currency: CNY
-  log-level: info
-kind: ConfigMap
-metadata:
-  name: pay
--- FederatedConfigMap acme-prod/pay in rz01a (held): stored
+++ FederatedConfigMap acme-prod/pay in rz01a (held): new
@@ -0,0 +1,7 @@
+apiVersion: v1
+data:
+  currency: CNY
+  log-level: debug
+kind: ConfigMap
+metadata:
+  name: pay
FederatedConfigMap acme-prod/pay in rz00a: no change
`,
		},
		"OneCell": {
			reason: "one cell can be asked for", stored: pay, file: strings.Replace(pay, "CNY", "EUR", 1), args: []string{"--cell", "rz01a"}, code: codeDiffers,
			want: `--- FederatedConfigMap acme-prod/pay in rz01a (held): stored
+++ FederatedConfigMap acme-prod/pay in rz01a (held): new
@@ -1,6 +1,6 @@
 apiVersion: v1
 data:
-  currency: CNY
+  currency: EUR
   log-level: debug
 kind: ConfigMap
 metadata:
`,
		},
		"Secret": {
			reason: "values of Secrets are hidden", stored: secret("a: b25l, b: dHdv"), file: secret("a: b25l, b: dHJvaXM=, c: bmV3"), code: codeDiffers,
			want: `--- FederatedSecret acme-prod/key in rz00a, rz00b, rz01a: stored
+++ FederatedSecret acme-prod/key in rz00a, rz00b, rz01a: new
@@ -1,7 +1,8 @@
 apiVersion: v1
 data:
   a: '***'
-  b: '*** (before)'
+  b: '*** (after)'
+  c: '***'
 kind: Secret
 metadata:
   name: key
`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.stored)
			// Neither the clusters' registrations nor their Secrets are needed.
			w.forbidden = []string{"Secret"}
			out, _, err := w.run(tc.file, append([]string{"-f", "new.yaml"}, tc.args...)...)
			expect(t, tc.reason, tc.code, tc.want, out, err)
			if len(w.seen()) > 0 {
				t.Error("a member was asked")
			}
		})
	}
}

func secret(data string) string {
	return "\napiVersion: types.kubefed.io/v2beta1\nkind: FederatedSecret\nmetadata: {name: key, namespace: acme-prod}\nspec:\n  topologyType: cell\n  placement: {topologySelector: {}}\n  template:\n    data: {" + data + "}\n"
}

// inCell returns what a cell holds.
func inCell(cell, namespace, content string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: pay\n  namespace: " + namespace + "\n  uid: u-" + cell + "\n  resourceVersion: \"7\"\n  creationTimestamp: \"2026-01-01T00:00:00Z\"\n" +
		"  labels: {cellfed.io/managed: \"true\", cellfed.io/namespace: acme-prod, cellfed.io/cell: " + cell + "}\n" + content
}

const ownsAll = `{"f:data":{".":{},"f:currency":{},"f:log-level":{},"f:old":{}},"f:metadata":{"f:labels":{"f:cellfed.io/cell":{},"f:cellfed.io/managed":{},"f:cellfed.io/namespace":{}}}}`

const inHeld = "/api/v1/namespaces/acme-prod-rz00b/configmaps/pay"

func TestLive(t *testing.T) {
	w := newWorld(t, pay)
	w.hold("/api/v1/namespaces/acme-prod-rz00a/configmaps/pay", inCell("rz00a", "acme-prod-rz00a", "data: {currency: CNY, log-level: info, theirs: x}\n"), ownsAll)
	w.hold(inHeld, inCell("rz00b", "acme-prod-rz00b", "data: {currency: EUR, log-level: info, old: gone, theirs: x}\n"), ownsAll)
	out, errors, err := w.run("", "configmap/pay")
	expect(t, "a held cell has what it had, and one has nothing yet", codeDiffers, `--- FederatedConfigMap acme-prod/pay in rz00b (held): live
+++ FederatedConfigMap acme-prod/pay in rz00b (held): rendered
@@ -1,8 +1,7 @@
 apiVersion: v1
 data:
-  currency: EUR
+  currency: CNY
   log-level: info
-  old: gone
 kind: ConfigMap
 metadata:
   name: pay
--- FederatedConfigMap acme-prod/pay in rz01a (held): live
+++ FederatedConfigMap acme-prod/pay in rz01a (held): rendered
@@ -0,0 +1,7 @@
+apiVersion: v1
+data:
+  currency: CNY
+  log-level: debug
+kind: ConfigMap
+metadata:
+  name: pay
FederatedConfigMap acme-prod/pay in rz00a: no change
`, out, err)
	if errors != "" {
		t.Errorf("standard error: %s", errors)
	}
	if diff := cmp.Diff(map[string]bool{"Bearer " + memberToken: true}, w.seen()); diff != "" {
		t.Errorf("tokens that the member saw (-want +got):\n%s", diff)
	}
}

// TestLiveLost: what the status names and nobody knows any more is not passed over.
func TestLiveLost(t *testing.T) {
	w := newWorld(t, pay+"status: {topologies: [{name: rz00a}, {name: gone}]}\n")
	_, errors, err := w.run("", "configmap/pay")
	expect(t, "it may still be there", codeDiffers, "the status names acme-prod.gone, which is no cell or cluster that the object can reach: it is not compared\n", errors, err)
	_, errors, err = w.run("", "configmap/pay", "--cell", "rz00a")
	expect(t, "where it is not asked for it is not told", codeDiffers, "", errors, err)
}

func TestLiveOthers(t *testing.T) {
	cases := map[string]struct {
		reason, live, applied string
		code                  int
		want                  string
	}{
		"Foreign": {
			reason: "another's object is left alone", live: strings.Replace(inCell("rz00b", "acme-prod-rz00b", ""), "cell: rz00b", "cell: other", 1),
			want: "FederatedConfigMap acme-prod/pay in rz00b (held): an object of this name is there that is propagated from elsewhere, and is left alone: rename one of them\n",
		},
		"HandsOff": {
			reason: "so is one that says so", live: strings.Replace(inCell("rz00b", "acme-prod-rz00b", ""), "labels: {", "labels: {kubefed.io/managed: \"false\", ", 1),
			want: "FederatedConfigMap acme-prod/pay in rz00b (held): the object there carries the label kubefed.io/managed: \"false\" and is left alone: remove the label to have it managed\n",
		},
		"OwnersAlone": {
			reason: "a difference of owners is told in words", live: inCell("rz00b", "acme-prod-rz00b", "data: {currency: CNY, log-level: info}\n"),
			applied: strings.Replace(ownsAll, `"f:currency":{},`, "", 1),
			want:    "FederatedConfigMap acme-prod/pay in rz00b (held): no value changes, cellfed takes over what others own or own too: .data.currency\n",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, pay)
			w.hold(inHeld, tc.live, tc.applied)
			out, _, err := w.run("", "configmap/pay", "--cell", "rz00b")
			expect(t, tc.reason, tc.code, tc.want, out, err)
		})
	}
}

func TestLiveRefused(t *testing.T) {
	w := newWorld(t, pay)
	w.forbidden = []string{"Secret"}
	out, _, err := w.run("", "configmap/pay")
	expect(t, "who may not read the members' credentials is told what to do", codeFailed, "", out, err)
	refusal := func(cells, cluster string) string {
		return cells + `: you may not read what cluster "` + cluster + `" is registered with: that takes the right to get secrets in namespace "kube-federation-system", which holds the credentials of all clusters and is for administrators: ` +
			"give a context of your own for the cluster, --member-context " + cluster + "=CONTEXT, or compare a manifest with what is stored, which needs no access to clusters: kubectl cells diff -f FILE"
	}
	if diff := cmp.Diff(refusal("rz00a, rz00b", "hz-a")+"\n"+refusal("rz01a", "sh-b"), exit.Message(err)); diff != "" {
		t.Errorf("the refusal (-want +got):\n%s", diff)
	}
	if len(w.seen()) > 0 {
		t.Error("a member was asked")
	}

	w.hold(inHeld, inCell("rz00b", "acme-prod-rz00b", "data: {currency: CNY, log-level: info}\n"), ownsAll)
	out, _, err = w.run("", "configmap/pay", "--cell", "rz00b", "--member-context", "hz-a=own")
	expect(t, "a context of the caller's own will do", 0, "FederatedConfigMap acme-prod/pay in rz00b (held): no change\n", out, err)
	if diff := cmp.Diff(map[string]bool{"Bearer my-own-token": true}, w.seen()); diff != "" {
		t.Errorf("tokens that the member saw (-want +got):\n%s", diff)
	}

	_, _, err = w.run("", "configmap/pay", "--cell", "rz00b", "--member-context", "hz-a=none")
	expect(t, "one that there is", codeFailed, `rz00b: --member-context: the kubeconfig has no context "none" for cluster "hz-a": kubectl config get-contexts lists them`, exit.Message(err), err)
	_, _, err = w.run("", "configmap/pay", "--cell", "rz09")
	expect(t, "a cell that there is not", codeFailed, "--cell: it cannot reach rz09: name one of rz00a, rz00b, rz01a, hz-a, sh-b", exit.Message(err), err)
}

func TestExternal(t *testing.T) {
	w := newWorld(t, pay)
	t.Setenv("KUBECTL_EXTERNAL_DIFF", " ")
	if out, _, err := w.run(strings.Replace(pay, "CNY", "EUR", 1), "-f", "new.yaml", "--cell", "rz00a"); exit.Code(err) != codeDiffers || !strings.Contains(out, "-  currency: CNY\n+  currency: EUR\n") {
		t.Errorf("a blank names no program: code %d, output:\n%s", exit.Code(err), out)
	}
	t.Setenv("KUBECTL_EXTERNAL_DIFF", "diff -u -N -r $(evil)")
	out, _, err := w.run(strings.Replace(pay, "CNY", "EUR", 1), "-f", "new.yaml", "--cell", "rz00a")
	if exit.Code(err) != codeDiffers || !strings.Contains(out, "-  currency: CNY\n+  currency: EUR\n") || !strings.Contains(out, "/AFTER/FederatedConfigMap_acme-prod_pay_rz00a") {
		t.Errorf("code %d, output:\n%s", exit.Code(err), out)
	}
}

// TestFileName: what does not fit into a name does not make two differences one.
func TestFileName(t *testing.T) {
	taken := map[string]bool{}
	long := strings.Repeat("x", 300)
	for _, want := range []string{long[:200], long[:200] + "_2", long[:200] + "_3"} {
		got := fileName(long, taken)
		if taken[got] = true; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
