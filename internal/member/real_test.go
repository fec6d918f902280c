package member

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const widgetCRD = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.test.cellfed.io"},
"spec":{"group":"test.cellfed.io","scope":"Namespaced","names":{"plural":"widgets","kind":"Widget"},"versions":[{"name":"v1","served":true,
"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`

var crds = target("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false)

// TestRealMember is what only a real API server can show.
func TestRealMember(t *testing.T) {
	m := runMember(t, framework.Options{Controllers: framework.MemberControllers})
	m.put(t, namespaces, labeled(object(namespaces, "", "app", nil), nil), "test")
	for name, test := range map[string]func(*testing.T, *realMember){
		"Create": testCreate, "Apply": testApply, "Migrate": testMigrate, "Delete": testDelete, "Release": testRelease,
		"Flavors": testFlavors, "Unserved": testUnserved, "Rotate": testRotate, "EmptyNamespace": testEmptyNamespace,
		"Refused": testRefused, "Retired": testRetired,
	} {
		t.Run(name, func(t *testing.T) { test(t, m) })
	}
}

// joined returns a fleet of one member that is synced.
func joined(t *testing.T, m *realMember, targets ...Target) *fleet {
	f := newFleet(t, nil)
	for _, each := range targets {
		f.Watch(each)
	}
	f.Ensure(m.registration())
	f.expect("healthy", "")
	synced := map[string]bool{}
	for len(synced) < len(targets) {
		for _, each := range targets {
			if !synced[each.Resource.Resource] && f.Synced("hz-a", each) {
				synced[each.Resource.Resource] = true
			}
		}
		if len(synced) < len(targets) {
			e := <-f.events
			if e.what == "synced" {
				synced[e.object] = true
			}
		}
	}
	return f
}

func deployment(name string) *unstructured.Unstructured {
	labels := map[string]any{"app": name}
	return object(deployments, "app", name, map[string]any{"spec": map[string]any{
		"selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{
			"containers": []any{map[string]any{"name": "c", "image": "i"}},
		}},
	}})
}

// testCreate: one request creates what is not there, and only that, and leaves an entry of an apply alone.
func testCreate(t *testing.T, m *realMember) {
	m.put(t, crds, parse(t, widgetCRD), "test")
	f := joined(t, m, configMaps, deployments, namespaces)
	f.Watch(widgets)
	f.expect("synced", "widgets")
	cases := map[string]struct {
		reason  string
		target  Target
		desired *unstructured.Unstructured
	}{
		"ConfigMap":  {"a plain kind", configMaps, configMap("create", map[string]any{"a": "b"})},
		"Deployment": {"a kind with defaults", deployments, deployment("create")},
		"Namespace":  {"a kind without a namespace", namespaces, object(namespaces, "", "create", nil)},
		"CR":         {"a custom resource", widgets, object(widgets, "app", "create", map[string]any{"spec": map[string]any{"a": 1.5}})},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := tc.desired.DeepCopy()
			made, err := f.Create(t.Context(), "hz-a", tc.target, tc.desired)
			must(t, err)
			if diff := cmp.Diff(before.Object, tc.desired.Object); diff != "" {
				t.Errorf("%s: what was to be created is changed: %s", tc.reason, diff)
			}
			if seen, known := f.Get("hz-a", tc.target, made.GetNamespace(), "create"); !known || seen.GetResourceVersion() < made.GetResourceVersion() {
				t.Errorf("%s: its own write is not read: %v", tc.reason, seen)
			}
			if made.Applied == nil || made.Legacy || made.GetManagedFields() != nil {
				t.Errorf("%s: got %v, legacy %v, %v", tc.reason, made.Applied, made.Legacy, made.GetManagedFields())
			}
			for _, entry := range m.get(t, tc.target, made.GetNamespace(), "create").GetManagedFields() {
				if entry.Manager == v1alpha1.FieldManager && entry.Operation != metav1.ManagedFieldsOperationApply {
					t.Errorf("%s: there is an entry of an update", tc.reason)
				}
			}
			other := tc.desired.DeepCopy()
			other.SetAnnotations(map[string]string{"x": "y"})
			if _, err := f.Create(t.Context(), "hz-a", tc.target, other); !apierrors.IsAlreadyExists(err) {
				t.Errorf("%s: a second one: %v", tc.reason, err)
			}
			if live := m.get(t, tc.target, made.GetNamespace(), "create"); live.GetAnnotations()["x"] != "" || live.GetUID() != made.GetUID() {
				t.Errorf("%s: what is there was touched", tc.reason)
			}
			if tc.target.Namespaced {
				lost := tc.desired.DeepCopy()
				lost.SetNamespace("nowhere")
				if _, err := f.Create(t.Context(), "hz-a", tc.target, lost); !IsNoNamespace(err) {
					t.Errorf("%s: no namespace: %v", tc.reason, err)
				}
			}
		})
	}
	lost := object(target("test.cellfed.io", "v1", "gadgets", "Gadget", true), "app", "x", nil)
	if _, err := f.Create(t.Context(), "hz-a", target("test.cellfed.io", "v1", "gadgets", "Gadget", true), lost); !apierrors.IsNotFound(err) || IsNoNamespace(err) {
		t.Errorf("a kind that there is not: %v", err)
	}
}

// testApply: an apply reaches the object it was meant for and no other, and fields come and go.
func testApply(t *testing.T, m *realMember) {
	f := joined(t, m, configMaps)
	live, err := f.Create(t.Context(), "hz-a", configMaps, configMap("apply", map[string]any{"a": "1", "b": "2"}))
	must(t, err)
	foreign := m.patch(t, configMaps, "app", "apply", `{"data":{"c":"theirs","a":"theirs"}}`)
	f.expect("changed", "apply")
	stale := live
	next := configMap("apply", map[string]any{"a": "3"})
	if _, err := f.Apply(t.Context(), "hz-a", configMaps, next, stale, true); !apierrors.IsConflict(err) {
		t.Errorf("pinned to an old version: %v", err)
	}
	live, err = f.Apply(t.Context(), "hz-a", configMaps, next, stale, false)
	must(t, err)
	want := map[string]any{"a": "3", "c": "theirs"}
	if diff := cmp.Diff(want, live.Object["data"]); diff != "" {
		t.Errorf("after the apply: %s", diff)
	}
	if seen, _ := f.Get("hz-a", configMaps, "app", "apply"); seen.GetResourceVersion() <= foreign.GetResourceVersion() {
		t.Errorf("its own write is not read: %v", seen)
	}
	must(t, m.of(configMaps, "app").Delete(t.Context(), "apply", metav1.DeleteOptions{}))
	f.expect("deleted", "apply")
	if _, err := f.Apply(t.Context(), "hz-a", configMaps, next, live, false); !apierrors.IsConflict(err) {
		t.Errorf("an object that is gone: %v", err)
	}
	if seen, err := f.Read(t.Context(), "hz-a", configMaps, "app", "apply"); err != nil || seen != nil {
		t.Errorf("an apply for an object that is gone made %v, %v", seen, err)
	}
	made := m.put(t, configMaps, configMap("apply", map[string]any{"theirs": "x"}), "somebody")
	if _, err := f.Apply(t.Context(), "hz-a", configMaps, next, live, false); !apierrors.IsConflict(err) {
		t.Errorf("another object of the name: %v", err)
	}
	if seen := m.get(t, configMaps, "app", "apply"); seen.GetResourceVersion() != made.GetResourceVersion() {
		t.Error("an apply touched another object of the name")
	}
}

// testMigrate: what upstream KubeFed wrote by create and update is cellfed's after the first apply, so that a field that
// leaves the template leaves the member, and what others wrote stays.
func testMigrate(t *testing.T, m *realMember) {
	f := joined(t, m, configMaps)
	made := m.put(t, configMaps, configMap("migrate", map[string]any{"a": "1", "b": "2"}), "hyperfed")
	made.Object["data"] = map[string]any{"a": "1", "b": "2", "later": "3"}
	_, err := m.of(configMaps, "app").Update(t.Context(), made, metav1.UpdateOptions{FieldManager: "hyperfed"})
	must(t, err)
	m.patch(t, configMaps, "app", "migrate", `{"data":{"theirs":"x"}}`)
	eventually(t, "the object to be known", func() bool {
		o, _ := f.Get("hz-a", configMaps, "app", "migrate")
		return o != nil && len(o.Object["data"].(map[string]any)) == 4
	})
	live, _ := f.Get("hz-a", configMaps, "app", "migrate")
	if !live.Legacy || live.Applied != nil {
		t.Errorf("legacy %v, applied %v", live.Legacy, live.Applied)
	}
	next, err := f.Apply(t.Context(), "hz-a", configMaps, configMap("migrate", map[string]any{"a": "4"}), live, true)
	must(t, err)
	if next.Legacy || next.Applied == nil || next.GetUID() != live.GetUID() {
		t.Errorf("legacy %v, applied %v", next.Legacy, next.Applied)
	}
	if diff := cmp.Diff(map[string]any{"a": "4", "theirs": "x"}, next.Object["data"]); diff != "" {
		t.Errorf("after the apply: %s", diff)
	}
	if _, err := f.Apply(t.Context(), "hz-a", configMaps, configMap("migrate", nil), live, true); !apierrors.IsConflict(err) {
		t.Errorf("pinned to what it was before: %v", err)
	}
}

// testDelete: a deletion reaches the object it was meant for, says whether it is gone, and is remembered.
func testDelete(t *testing.T, m *realMember) {
	f := joined(t, m, configMaps)
	live, err := f.Create(t.Context(), "hz-a", configMaps, configMap("delete", nil))
	must(t, err)
	stranger := &Object{Unstructured: live.DeepCopy()}
	stranger.SetUID("11111111-0000-0000-0000-000000000000")
	if gone, err := f.Delete(t.Context(), "hz-a", configMaps, stranger, metav1.DeleteOptions{}); !apierrors.IsConflict(err) || gone {
		t.Errorf("another object of the name: %v, %v", gone, err)
	}
	m.patch(t, configMaps, "app", "delete", `{"metadata":{"finalizers":["example.com/hold"]}}`)
	if gone, err := f.Delete(t.Context(), "hz-a", configMaps, live, metav1.DeleteOptions{}); err != nil || gone {
		t.Errorf("an object with a finalizer: %v, %v", gone, err)
	}
	m.patch(t, configMaps, "app", "delete", `{"metadata":{"finalizers":null}}`)
	f.expect("deleted", "delete")
	if gone, err := f.Delete(t.Context(), "hz-a", configMaps, live, metav1.DeleteOptions{}); err != nil || !gone {
		t.Errorf("an object that is gone: %v, %v", gone, err)
	}
	live, err = f.Create(t.Context(), "hz-a", configMaps, configMap("delete", nil))
	must(t, err)
	if seen, _ := f.Get("hz-a", configMaps, "app", "delete"); seen == nil {
		t.Error("what was made again is not known")
	}
	gone, err := f.Delete(t.Context(), "hz-a", configMaps, live, metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)})
	if err != nil || !gone {
		t.Errorf("an object: %v, %v", gone, err)
	}
	if seen, known := f.Get("hz-a", configMaps, "app", "delete"); seen != nil || !known {
		t.Errorf("its own deletion is not read: %v", seen)
	}
}

// testRelease: what is released keeps its content, without labels and without a claim to it.
func testRelease(t *testing.T, m *realMember) {
	f := joined(t, m, configMaps)
	desired := configMap("release", map[string]any{"a": "1"})
	desired.SetLabels(map[string]string{v1alpha1.ManagedLabel: "true", v1alpha1.CellLabel: "c", "keep": "me"})
	live, err := f.Create(t.Context(), "hz-a", configMaps, desired)
	must(t, err)
	must(t, f.Release(t.Context(), "hz-a", configMaps, live, []string{v1alpha1.ManagedLabel, v1alpha1.CellLabel, "absent"}))
	if seen, known := f.Get("hz-a", configMaps, "app", "release"); seen != nil || !known {
		t.Errorf("what was released is still seen: %v", seen)
	}
	is := m.get(t, configMaps, "app", "release")
	if diff := cmp.Diff(map[string]string{"keep": "me"}, is.GetLabels()); diff != "" {
		t.Errorf("labels: %s", diff)
	}
	if diff := cmp.Diff(map[string]any{"a": "1"}, is.Object["data"]); diff != "" || is.GetUID() != live.GetUID() {
		t.Errorf("data: %s", diff)
	}
	for _, entry := range is.GetManagedFields() {
		if entry.Manager == v1alpha1.FieldManager && entry.Operation == metav1.ManagedFieldsOperationApply {
			t.Errorf("a claim is left: %s", entry.FieldsV1)
		}
	}
	stranger := &Object{Unstructured: live.DeepCopy()}
	stranger.SetUID("11111111-0000-0000-0000-000000000000")
	if err := f.Release(t.Context(), "hz-a", configMaps, stranger, nil); !apierrors.IsConflict(err) {
		t.Errorf("another object of the name: %v", err)
	}
}

// testFlavors: objects of both labels are known, others are not, and one that loses its label is not any longer.
func testFlavors(t *testing.T, m *realMember) {
	m.put(t, secrets, labeled(object(secrets, "app", "upstream", nil), map[string]string{v1alpha1.KubeFedManagedLabel: "true"}), "hyperfed")
	m.put(t, secrets, object(secrets, "app", "cell", nil), "hyperfed")
	m.put(t, secrets, labeled(object(secrets, "app", "foreign", nil), nil), "hyperfed")
	m.put(t, secrets, labeled(object(secrets, "app", "refused", nil), map[string]string{v1alpha1.KubeFedManagedLabel: "false"}), "hyperfed")
	f := joined(t, m, secrets)
	got := map[string]bool{}
	for _, o := range f.List("hz-a", secrets) {
		if o.GetNamespace() == "app" {
			got[o.GetName()] = o.Legacy
		}
	}
	if diff := cmp.Diff(map[string]bool{"upstream": true, "cell": true}, got); diff != "" {
		t.Errorf("listed: %s", diff)
	}
	m.patch(t, secrets, "app", "upstream", `{"metadata":{"labels":{"kubefed.io/managed":null}}}`)
	f.expect("deleted", "upstream")
	m.patch(t, secrets, "app", "foreign", `{"metadata":{"labels":{"kubefed.io/managed":"true","cellfed.io/managed":"true"}}}`)
	f.expect("added", "foreign")
	m.patch(t, secrets, "app", "cell", `{"metadata":{"labels":{"cellfed.io/managed":null,"kubefed.io/managed":"true"}}}`)
	eventually(t, "the other label to be seen", func() bool {
		o, _ := f.Get("hz-a", secrets, "app", "cell")
		return o != nil && o.GetLabels()[v1alpha1.KubeFedManagedLabel] == "true"
	})
	if o, err := f.Read(t.Context(), "hz-a", secrets, "app", "refused"); err != nil || o.GetLabels()[v1alpha1.KubeFedManagedLabel] != "false" {
		t.Errorf("read %v, %v", o, err)
	}
}

// testUnserved: a type that a member does not have is told, disturbs no other, and is found when it comes.
func testUnserved(t *testing.T, m *realMember) {
	late := target("late.cellfed.io", "v1", "widgets", "Widget", true)
	f := joined(t, m, configMaps)
	f.Watch(late)
	eventually(t, "the trouble to be told", func() bool { return f.Trouble("hz-a", late) != "" })
	if ok, why := f.Healthy("hz-a"); !ok || f.Trouble("hz-a", configMaps) != "" || f.Synced("hz-a", late) {
		t.Errorf("the others: %s %s", why, f.Trouble("hz-a", configMaps))
	}
	if _, known := f.Get("hz-a", late, "app", "x"); known {
		t.Error("a type that is not there is known")
	}
	crd := parse(t, widgetCRD)
	crd.SetName("widgets.late.cellfed.io")
	must(t, unstructured.SetNestedField(crd.Object, "late.cellfed.io", "spec", "group"))
	m.put(t, crds, crd, "test")
	f.expect("synced", "widgets")
	eventually(t, "the trouble to be over", func() bool { return f.Trouble("hz-a", late) == "" })
	f.Unwatch(late)
	if _, known := f.Get("hz-a", late, "app", "x"); known {
		t.Error("a type that nobody watches is known")
	}
}

// testRotate: new credentials are taken without anything being unknown meanwhile, wrong ones are told and stop everything.
func testRotate(t *testing.T, m *realMember) {
	f := joined(t, m, configMaps)
	live, err := f.Create(t.Context(), "hz-a", configMaps, configMap("rotate", nil))
	must(t, err)
	registration, secret := m.registration()
	f.Ensure(registration, secret)
	secret.Data[TokenKey] = []byte("next")
	f.Ensure(registration, secret)
	if o, known := f.Get("hz-a", configMaps, "app", "rotate"); !known || o.GetUID() != live.GetUID() {
		t.Errorf("after a rotation: %v, %v", o, known)
	}
	f.expect("synced", "configmaps")
	m.patch(t, configMaps, "app", "rotate", `{"data":{"x":"y"}}`)
	f.expect("changed", "rotate")

	secret.Data[TokenKey] = []byte("wrong")
	f.Ensure(registration, secret)
	eventually(t, "the wrong token to be told", func() bool { ok, _ := f.Healthy("hz-a"); return !ok })
	if _, err := f.Create(t.Context(), "hz-a", configMaps, configMap("never", nil)); !isUnhealthy(err) {
		t.Errorf("got %v", err)
	}
	delete(secret.Data, TokenKey)
	f.Ensure(registration, secret)
	if ok, why := f.Healthy("hz-a"); ok || why == "" {
		t.Errorf("a wrong registration: %v %q", ok, why)
	}
	secret.Data[TokenKey] = []byte("next")
	f.Ensure(registration, secret)
	f.expect("healthy", "")
	f.expect("synced", "configmaps")

	again := registration.DeepCopy()
	again.UID = "another"
	f.Ensure(again, secret)
	f.expect("healthy", "")
	f.expect("synced", "configmaps")
	f.Forget("hz-a")
	if _, known := f.Get("hz-a", configMaps, "app", "rotate"); known || len(f.Members()) != 0 {
		t.Error("a member that is gone is known")
	}
	noGoroutines(t)
}

// testRetired: when the pool's connection ends first, everything goes on as soon as the registration is told anew.
func testRetired(t *testing.T, m *realMember) {
	f := joined(t, m, configMaps)
	registration, secret := m.registration()
	f.pool.Forget(registration.UID)
	f.Ensure(registration, secret)
	f.expect("synced", "configmaps")
	_, err := f.Create(t.Context(), "hz-a", configMaps, configMap("retired", nil))
	must(t, err)
	m.patch(t, configMaps, "app", "retired", `{"data":{"x":"y"}}`)
	f.expect("changed", "retired")
}

// TestOutage: a member that goes away is found out, what is known of it stays known, and when it is back what happened
// meanwhile is told.
func TestOutage(t *testing.T) {
	m := runMember(t, framework.Options{})
	m.put(t, namespaces, labeled(object(namespaces, "", "app", nil), nil), "test")
	f := joined(t, m, configMaps)
	live, err := f.Create(t.Context(), "hz-a", configMaps, configMap("outage", nil))
	must(t, err)
	must(t, m.Kill())
	eventually(t, "the outage to be found out", func() bool { ok, _ := f.Healthy("hz-a"); return !ok })
	if _, err := f.Apply(t.Context(), "hz-a", configMaps, configMap("outage", nil), live, false); !isUnhealthy(err) {
		t.Errorf("got %v", err)
	}
	if o, known := f.Get("hz-a", configMaps, "app", "outage"); o == nil || !known {
		t.Errorf("during the outage: %v, %v", o, known)
	}
	must(t, m.Start(t.Context()))
	f.expect("healthy", "")
	f.expect("synced", "configmaps")
	m.patch(t, configMaps, "app", "outage", `{"data":{"x":"y"}}`)
	f.expect("changed", "outage")

	must(t, m.Freeze())
	began := time.Now()
	if _, err := f.Apply(t.Context(), "hz-a", configMaps, configMap("outage", nil), live, false); err == nil {
		t.Error("a frozen server answers")
	}
	if took := time.Since(began); took > 2*f.options.Timeout {
		t.Errorf("the caller waited %s", took)
	}
	must(t, m.Thaw())
	eventually(t, "the member to work again", func() bool {
		_, err := f.Apply(t.Context(), "hz-a", configMaps, configMap("outage", nil), live, false)
		return err == nil
	})
}

// testRefused: a member that knows who asks and lets nothing be done is not healthy.
func testRefused(t *testing.T, m *realMember) {
	f := newFleet(t, nil)
	f.Watch(configMaps)
	registration, secret := m.registration()
	secret.Data[TokenKey] = []byte("poor")
	f.Ensure(registration, secret)
	eventually(t, "the refusal to be told", func() bool { ok, _ := f.Healthy("hz-a"); return !ok && f.Trouble("hz-a", configMaps) != NotAsked })
	role := target("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false)
	m.put(t, role, object(role, "", "poor", map[string]any{
		"roleRef":  map[string]any{"apiGroup": role.Kind.Group, "kind": "ClusterRole", "name": "cluster-admin"},
		"subjects": []any{map[string]any{"apiGroup": role.Kind.Group, "kind": "User", "name": "poor"}},
	}), "test")
	f.expect("synced", "configmaps")
	eventually(t, "the member to be healthy", func() bool { ok, _ := f.Healthy("hz-a"); return ok })
}

// testEmptyNamespace: what is somebody's is named, what Kubernetes puts there by itself is not.
func testEmptyNamespace(t *testing.T, m *realMember) {
	m.put(t, namespaces, labeled(object(namespaces, "", "empty", nil), nil), "test")
	f := joined(t, m)
	eventually(t, "the namespace to be furnished", func() bool {
		_, err := m.of(configMaps, "empty").Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
		accounts, listErr := m.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}).Namespace("empty").List(t.Context(), metav1.ListOptions{})
		return listErr == nil && len(accounts.Items) == 1 && (err == nil || apierrors.IsNotFound(err))
	})
	leases := target("coordination.k8s.io", "v1", "leases", "Lease", true)
	lease := func(name, renewed string) *unstructured.Unstructured {
		return object(leases, "empty", name, map[string]any{"spec": map[string]any{
			"holderIdentity": "x", "leaseDurationSeconds": int64(15), "renewTime": renewed,
		}})
	}
	m.put(t, configMaps, object(configMaps, "empty", "kube-root-ca.crt", nil), "test")
	m.put(t, leases, lease("old", "2020-01-01T00:00:00.000000Z"), "test")
	rest, err := f.EmptyNamespace(t.Context(), "hz-a", "empty")
	if err != nil || len(rest) != 0 {
		t.Errorf("left in an empty namespace: %q, %v", rest, err)
	}
	m.put(t, leases, lease("held", "2099-01-01T00:00:00.000000Z"), "test")
	for _, name := range []string{"a", "b", "c", "d"} {
		m.put(t, secrets, object(secrets, "empty", name, nil), "test")
	}
	rest, err = f.EmptyNamespace(t.Context(), "hz-a", "empty")
	must(t, err)
	want := []string{"leases.coordination.k8s.io/held", "secrets/a", "secrets/b", "secrets/c"}
	if diff := cmp.Diff(want, rest); diff != "" {
		t.Errorf("left: %s", diff)
	}
}
