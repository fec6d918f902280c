package inventory_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/inventory/inventorytest"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/scope"
)

func config(name, kind, targetKind string) *fedv1b1.FederatedTypeConfig {
	return &fedv1b1.FederatedTypeConfig{
		ObjectMeta: metav1.ObjectMeta{Namespace: inventorytest.KubeFedNamespace, Name: name},
		Spec: fedv1b1.FederatedTypeConfigSpec{
			TargetType:    fedv1b1.APIResource{Version: "v1", Kind: targetKind, Scope: apiextensionsv1.NamespaceScoped},
			FederatedType: fedv1b1.APIResource{Group: "types.kubefed.io", Version: "v1beta1", Kind: kind, Scope: apiextensionsv1.NamespaceScoped},
			Propagation:   fedv1b1.PropagationEnabled,
		},
	}
}

func policy(name string, status v1alpha1.Propagator, annotations ...string) *v1alpha1.FederatedTypePolicy {
	return &v1alpha1.FederatedTypePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: inventorytest.KubeFedNamespace, Name: name},
		Spec:       v1alpha1.FederatedTypePolicySpec{Propagator: v1alpha1.PropagatorCellfed, PropagatingAnnotations: annotations},
		Status:     v1alpha1.FederatedTypePolicyStatus{Propagator: status},
	}
}

func cluster(name string, labels ...string) *fedv1b1.KubeFedCluster {
	return &fedv1b1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{
		Namespace: inventorytest.KubeFedNamespace, Name: name, Labels: pairs(labels...),
	}}
}

func cell(namespace, name, cluster string, labels ...string) *v1alpha1.Cell {
	return &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: pairs(labels...)},
		Spec:       v1alpha1.CellSpec{ClusterName: cluster, TargetNamespace: namespace + "-" + name},
	}
}

func namespace(name string, labels ...string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: pairs(labels...)}}
}

func pairs(keysAndValues ...string) map[string]string {
	if len(keysAndValues) == 0 {
		return nil
	}
	m := map[string]string{}
	for i := 0; i < len(keysAndValues); i += 2 {
		m[keysAndValues[i]] = keysAndValues[i+1]
	}
	return m
}

var configMaps = schema.GroupResource{Group: "types.kubefed.io", Resource: "federatedconfigmaps"}

func TestTypeOf(t *testing.T) {
	namespaces := config("namespaces", "FederatedNamespace", "Namespace")
	namespaces.Spec.TargetType.Scope = apiextensionsv1.ClusterScoped
	deployments := config("deployments.apps", "FederatedDeployment", "Deployment")
	deployments.Spec.FederatedType.PluralName = "federateddeployments"
	f := inventorytest.New(t,
		config("configmaps", "FederatedConfigMap", "ConfigMap"), policy("configmaps", v1alpha1.PropagatorCellfed, "example.com/*", "bad glob"),
		config("zz", "FederatedConfigMap", "Other"),
		namespaces, deployments, policy("deployments.apps", ""),
	)
	type want struct {
		Name       string
		Target     render.Target
		Namespaced bool
		Propagator v1alpha1.Propagator
		Propagates bool
	}
	target := func(group, kind string, namespaced bool) render.Target {
		return render.Target{Kind: schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind}, Namespaced: namespaced}
	}
	for name, tc := range map[string]struct {
		reason   string
		resource string
		want     *want
	}{
		"Cellfed": {
			reason:   "the policy counts as far as it can be used, and of several FederatedTypeConfigs the first",
			resource: "federatedconfigmaps.types.kubefed.io",
			want:     &want{Name: "configmaps", Target: target("", "ConfigMap", true), Namespaced: true, Propagator: v1alpha1.PropagatorCellfed, Propagates: true},
		},
		"Namespaces": {
			reason:   "a FederatedNamespace is in a namespace, a Namespace is not, and without a policy the type is KubeFed's",
			resource: "federatednamespaces.types.kubefed.io",
			want:     &want{Name: "namespaces", Target: target("", "Namespace", false), Namespaced: true, Propagator: v1alpha1.PropagatorKubeFed},
		},
		"HandingOver": {
			reason:   "while nobody propagates the type it is not Cellfed's, and the group comes from the name",
			resource: "federateddeployments.types.kubefed.io",
			want:     &want{Name: "deployments.apps", Target: target("apps", "Deployment", true), Namespaced: true, Propagator: v1alpha1.PropagatorKubeFed},
		},
		"Group":   {reason: "the resource of another group is another", resource: "federatedconfigmaps.example.com"},
		"Unknown": {reason: "what no FederatedTypeConfig names has no type", resource: "federatedsecrets.types.kubefed.io"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := f.TypeOf(t.Context(), schema.ParseGroupResource(tc.resource))
			if err != nil {
				t.Fatal(err)
			}
			var seen *want
			if got != nil {
				seen = &want{Name: got.Name, Target: got.Target, Namespaced: got.Namespaced, Propagator: got.Propagator, Propagates: got.Policy.Propagates("example.com/x")}
			}
			if diff := cmp.Diff(tc.want, seen); diff != "" {
				t.Errorf("%s: TypeOf: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	if f.Requests() != 0 {
		t.Errorf("%d requests were made", f.Requests())
	}
}

// A type that cellfed has and is to give back says so, and no other does.
func TestTypeOfHandingBack(t *testing.T) {
	const cellfed, kubeFed = v1alpha1.PropagatorCellfed, v1alpha1.PropagatorKubeFed
	for name, tc := range map[string]struct {
		reason      string
		wanted, has v1alpha1.Propagator
		deleted     bool
		want        [2]bool
	}{
		"Stays":   {"it is wanted as it is", cellfed, cellfed, false, [2]bool{false, false}},
		"Back":    {"the policy says so", kubeFed, cellfed, false, [2]bool{true, false}},
		"Unsaid":  {"so does one that says nothing", "", cellfed, false, [2]bool{true, false}},
		"Deleted": {"and one that is being deleted", cellfed, cellfed, true, [2]bool{true, true}},
		"Nobodys": {"between the two the type is judged as KubeFed's", kubeFed, "", false, [2]bool{false, false}},
		"Given":   {"it is KubeFed's", kubeFed, kubeFed, false, [2]bool{false, false}},
		"Begun":   {"it is not cellfed's yet", cellfed, kubeFed, true, [2]bool{false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			p := policy("configmaps", tc.has)
			p.Spec.Propagator = tc.wanted
			if tc.deleted {
				p.DeletionTimestamp, p.Finalizers = new(metav1.Now()), []string{v1alpha1.HandoverFinalizer}
			}
			f := inventorytest.New(t, config("configmaps", "FederatedConfigMap", "ConfigMap"), p)
			got, err := f.TypeOf(t.Context(), configMaps)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, [2]bool{got.HandingBack, got.PolicyDeleted}); diff != "" {
				t.Errorf("%s: HandingBack and PolicyDeleted: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A type is read once for each state of its two objects, and never stays as it was.
func TestTypeOfFollows(t *testing.T) {
	c, p := config("configmaps", "FederatedConfigMap", "ConfigMap"), policy("configmaps", v1alpha1.PropagatorCellfed)
	f := inventorytest.New(t, c, p)
	look := func() *inventory.Type {
		t.Helper()
		got, err := f.TypeOf(t.Context(), configMaps)
		if err != nil || got == nil {
			t.Fatalf("TypeOf: %v, %v", got, err)
		}
		return got
	}
	first := look()
	if look() != first {
		t.Error("it was read again although nothing changed")
	}
	p.Status.Propagator = v1alpha1.PropagatorKubeFed
	f.Put(p)
	if got := look().Propagator; got != v1alpha1.PropagatorKubeFed {
		t.Errorf("the status was changed, and it is %s's", got)
	}
	f.Remove(p)
	if look() == first {
		t.Error("the policy has gone, and it still counts")
	}
	c.Spec.TargetType.Kind = "Other"
	f.Put(c)
	if got := look().Target.Kind.Kind; got != "Other" {
		t.Errorf("the FederatedTypeConfig was changed, and the target is %s", got)
	}
	f.Remove(c)
	if got, err := f.TypeOf(t.Context(), configMaps); got != nil || err != nil {
		t.Errorf("the FederatedTypeConfig has gone, and there are %v, %v", got, err)
	}
}

func TestNamespace(t *testing.T) {
	f := inventorytest.New(t, namespace("acme", v1alpha1.TenantLabel, "acme"))
	got, err := f.Namespace(t.Context(), "acme")
	if err != nil || got.Labels[v1alpha1.TenantLabel] != "acme" || f.Requests() != 0 {
		t.Errorf("got %v, %v with %d requests", got, err, f.Requests())
	}
	if _, err := f.Namespace(t.Context(), "new"); !errors.Is(err, inventorytest.ErrRequest) {
		t.Errorf("a Namespace that is not in the cache: %v", err)
	}
	f.Live = fake.NewFakeClient(namespace("new", v1alpha1.TenantLabel, "n"))
	if got, err := f.Namespace(t.Context(), "new"); err != nil || got.Labels[v1alpha1.TenantLabel] != "n" {
		t.Errorf("a Namespace that is new: %v, %v", got, err)
	}
	if _, err := f.Namespace(t.Context(), "none"); !apierrors.IsNotFound(err) {
		t.Errorf("a Namespace that there is not: %v", err)
	}
}

func TestTopologies(t *testing.T) {
	generated := func(namespace, name, member string, more ...string) *fedv1b1.KubeFedCluster {
		return cluster(namespace+"."+name, append([]string{
			v1alpha1.GeneratedLabel, "true", v1alpha1.NamespaceLabel, namespace, v1alpha1.CellLabel, name,
			v1alpha1.ClusterLabel, member, v1alpha1.TopologyTypeLabel, "cell",
		}, more...)...)
	}
	f := inventorytest.New(t,
		namespace("acme", v1alpha1.TenantLabel, "acme"), namespace("plain"), namespace("acme-new", v1alpha1.TenantLabel, "evil"),
		cluster("hz", v1alpha1.TenantLabel, "acme"), cluster("sh", v1alpha1.TenantLabel, "evil"),
		cell("acme", "rest", "hz", "city", "hz", "app.kubernetes.io/instance", "pay"), generated("acme", "rest", "hz", v1alpha1.TenantLabel, "acme", "city", "hz", "theirs", "x"),
		cell("acme", "stale", "sh", "city", "sh"), generated("acme", "stale", "hz", v1alpha1.TenantLabel, "former"),
		cell("acme", "new", "hz", "city", "hz", "argocd.argoproj.io/instance", "pay", v1alpha1.TenantLabel, "evil", v1alpha1.SharedLabel, "true"),
		cell("acme", "early", "unknown"),
		cell("acme", "cellular", "acme.rest"),
		cell("acme", "taken", "hz"), cluster("acme.taken"),
		generated("acme", "gone", "hz"),
		cell("other", "rest", "hz"), generated("other", "rest", "hz"),
	)
	acme := map[string]string{v1alpha1.TenantLabel: "acme"}
	of := func(name, member string, memberLabels map[string]string, more ...string) scope.Topology {
		return scope.Topology{
			Name: "acme." + name, Member: member, MemberLabels: memberLabels,
			Labels: generated("acme", name, member, append(more, v1alpha1.TenantLabel, "acme")...).Labels,
			View:   &mapping.View{Namespace: "acme", Cell: name, TargetNamespace: "acme-" + name},
		}
	}
	unknown := func(t scope.Topology) scope.Topology {
		t.MemberUnknown = true
		return t
	}
	known := func(t scope.Topology, namesake scope.Namesake) scope.Topology {
		t.Namesake = namesake
		return t
	}
	physical := func(name string, labels map[string]string) scope.Topology {
		return scope.Topology{Name: name, Labels: labels, Member: name, MemberLabels: labels}
	}
	clusters := []scope.Topology{
		physical("acme.taken", nil), physical("hz", acme), physical("sh", map[string]string{v1alpha1.TenantLabel: "evil"}),
	}
	for name, tc := range map[string]struct {
		reason, namespace string
		want              []scope.Topology
	}{
		"Cells": {
			reason:    "cells are what their controller will make of them, and those of other namespaces are not there",
			namespace: "acme",
			want: append([]scope.Topology{
				unknown(of("cellular", "acme.rest", nil)),
				unknown(of("early", "unknown", nil)),
				known(of("new", "hz", acme, "city", "hz"), scope.Namesake{Exists: true, Tenant: "evil"}),
				of("rest", "hz", acme, "city", "hz", "theirs", "x"),
				of("stale", "sh", map[string]string{v1alpha1.TenantLabel: "evil"}, "city", "sh"),
			}, clusters...),
		},
		"NoCells":       {reason: "every namespace sees the physical clusters", namespace: "plain", want: clusters},
		"ClusterScoped": {reason: "what is in no namespace has no cells", want: clusters},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := f.Topologies(t.Context(), tc.namespace)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: Topologies: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	if f.Requests() != 0 {
		t.Errorf("%d requests were made", f.Requests())
	}
}

func TestNamesake(t *testing.T) {
	f := inventorytest.New(t, namespace("acme", v1alpha1.TenantLabel, "acme", v1alpha1.WorkspaceGroupLabel, "prod"), namespace("plain"))
	for name, tc := range map[string]struct {
		reason string
		want   scope.Namesake
	}{
		"acme":                         {"a tenant's Namespace", scope.Namesake{Exists: true, Tenant: "acme", WorkspaceGroup: "prod"}},
		"plain":                        {"nobody's is one, too", scope.Namesake{Exists: true}},
		"acme-a":                       {"there is none", scope.Namesake{}},
		inventorytest.KubeFedNamespace: {"KubeFed's is known by its name", scope.Namesake{KubeFed: true}},
	} {
		got, err := f.Namesake(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s: -want +got:\n%s", name, tc.reason, diff)
		}
	}
	if f.Requests() != 0 {
		t.Errorf("%d requests were made", f.Requests())
	}
}

func TestCells(t *testing.T) {
	f := inventorytest.New(t, cell("acme", "a", "hz"), cell("acme", "b", "sh"), cell("other", "a", "hz"))
	names := func(cells []v1alpha1.Cell, err error) []string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, c := range cells {
			all = append(all, c.Namespace+"/"+c.Name)
		}
		return all
	}
	sorted := cmp.Transformer("sorted", func(in []string) map[string]bool {
		set := map[string]bool{}
		for _, name := range in {
			set[name] = true
		}
		return set
	})
	for name, tc := range map[string]struct{ got, want []string }{
		"In":        {names(f.CellsIn(t.Context(), "acme")), []string{"acme/a", "acme/b"}},
		"On":        {names(f.CellsOn(t.Context(), "hz")), []string{"acme/a", "other/a"}},
		"Claiming":  {names(f.CellsClaiming(t.Context(), "hz/acme-a")), []string{"acme/a"}},
		"Targeting": {names(f.CellsTargeting(t.Context(), "acme-b")), []string{"acme/b"}},
	} {
		if diff := cmp.Diff(tc.want, tc.got, sorted); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
	if c, err := f.Cell(t.Context(), "acme", "a"); err != nil || c == nil {
		t.Errorf("Cell: %v, %v", c, err)
	}
	if c, err := f.Cell(t.Context(), "acme", "none"); err != nil || c != nil {
		t.Errorf("Cell that there is not: %v, %v", c, err)
	}
	if c, err := f.Cluster(t.Context(), "none"); err != nil || c != nil {
		t.Errorf("KubeFedCluster that there is not: %v, %v", c, err)
	}
}

// The indexes work for a fake client as well.
func TestFakeClient(t *testing.T) {
	f := inventorytest.New(t)
	builder := fake.NewClientBuilder().WithScheme(f.Scheme).WithObjects(cell("acme", "a", "hz"), config("configmaps", "FederatedConfigMap", "ConfigMap"))
	for _, index := range inventory.Indexes() {
		builder = builder.WithIndex(index.Object, index.Field, index.Extract)
	}
	i := &inventory.Inventory{Reader: builder.Build(), KubeFedNamespace: inventorytest.KubeFedNamespace}
	if cells, err := i.CellsOn(t.Context(), "hz"); err != nil || len(cells) != 1 {
		t.Errorf("CellsOn: %v, %v", cells, err)
	}
	if got, err := i.TypeOf(t.Context(), configMaps); err != nil || got == nil {
		t.Errorf("TypeOf: %v, %v", got, err)
	}
}

// fleet is an installation with 30 types, and 1,000 cells in 100 namespaces.
func fleet() []client.Object {
	var objects []client.Object
	for i := range 30 {
		name := fmt.Sprintf("type%02d", i)
		objects = append(objects, config(name, "Federated"+name, name), policy(name, v1alpha1.PropagatorCellfed, "example.com/*"))
	}
	for i := range 10 {
		objects = append(objects, cluster(fmt.Sprintf("c%d", i), v1alpha1.SharedLabel, "true"))
	}
	for n := range 100 {
		ns := fmt.Sprintf("n%02d", n)
		objects = append(objects, namespace(ns, v1alpha1.TenantLabel, ns))
		for i := range 10 {
			name, member := fmt.Sprintf("r%d", i), fmt.Sprintf("c%d", i)
			objects = append(objects, cell(ns, name, member), cluster(ns+"."+name, v1alpha1.GeneratedLabel, "true", v1alpha1.NamespaceLabel, ns,
				v1alpha1.CellLabel, name, v1alpha1.ClusterLabel, member, v1alpha1.TopologyTypeLabel, "cell", v1alpha1.TenantLabel, ns))
		}
	}
	return objects
}

func BenchmarkTypeOf(b *testing.B) {
	f := inventorytest.New(b, fleet()...)
	resource := schema.GroupResource{Group: "types.kubefed.io", Resource: "federatedtype15s"}
	if got, err := f.TypeOf(b.Context(), resource); err != nil || got == nil {
		b.Fatalf("TypeOf: %v, %v", got, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.TypeOf(b.Context(), resource); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTopologies(b *testing.B) {
	f := inventorytest.New(b, fleet()...)
	b.ReportAllocs()
	for b.Loop() {
		if got, err := f.Topologies(b.Context(), "n50"); err != nil || len(got) != 20 {
			b.Fatalf("Topologies: %d, %v", len(got), err)
		}
	}
}
