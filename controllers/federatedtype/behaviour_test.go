package federatedtype

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/certs"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

const (
	plainObject = `
metadata: {name: plain}
spec:
  template: {spec: {replicas: 1}}
  placement: {clusters: [{name: hz-a}]}
  overrides: [{clusterName: hz-a, clusterOverrides: [{path: /spec/replicas, value: 2}]}]`
	celledObject = `
metadata: {name: celled}
spec:
  topologyType: cell
  template: {spec: {replicas: 1}}
  placement: {topologies: [{name: rz00a}, {name: rz01a}]}
  placementMask: {topologies: [{name: rz00a}]}
  overrides: [{topologyName: rz01a, topologyOverrides: [{path: /spec/replicas, value: 2}]}]`
)

// testUpgrade: from a plain CRD with an object to both versions, read and written, and then nothing more happens.
func testUpgrade(f *fixture) {
	f.enable(nil)
	f.must(f.client.Create(f.Context(), f.object(federated.V1Beta1, plainObject)))
	ftc := f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	crd := f.waitServed()

	if c := condition(crd); c.Status != apiextensionsv1.ConditionTrue {
		f.Errorf("condition: %v", c)
	}
	if diff := cmp.Diff([]string{federated.V1Beta1}, crd.Status.StoredVersions); diff != "" {
		f.Errorf("stored versions: %s", diff)
	}
	f.waitEvent(ftc, "TopologiesServed", crd.Name)

	want := `{"overrides":[{"topologyName":"hz-a","topologyOverrides":[{"path":"/spec/replicas","value":2}]}],` +
		`"placement":{"topologies":[{"name":"hz-a"}]},"template":{"spec":{"replicas":1}},"topologyType":"cluster"}`
	if diff := cmp.Diff(want, f.spec(federated.V2Beta1, "plain")); diff != "" {
		f.Errorf("an object of before, in v2beta1: %s", diff)
	}
	f.must(f.client.Create(f.Context(), f.object(federated.V2Beta1, celledObject)))
	want = fmt.Sprintf(`{"overrides":[{"clusterName":"%[1]s.rz01a","clusterOverrides":[{"path":"/spec/replicas","value":2}]}],`+
		`"placement":{"clusters":[{"name":"%[1]s.rz00a"},{"name":"%[1]s.rz01a"}]},"placementMask":{"clusters":[{"name":"%[1]s.rz00a"}]},`+
		`"template":{"spec":{"replicas":1}},"topologyType":"cell"}`, f.namespace)
	if diff := cmp.Diff(want, f.spec(federated.V1Beta1, "celled")); diff != "" {
		f.Errorf("an object of v2beta1, in v1beta1: %s", diff)
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"placement":{"clusters":[]}},"status":{"clusters":[]}}`))
	f.must(f.client.Patch(f.Context(), f.get(federated.V1Beta1, "celled"), patch))
	want = `{"overrides":[{"topologyName":"rz01a","topologyOverrides":[{"path":"/spec/replicas","value":2}]}],` +
		`"placement":{"topologies":[]},"placementMask":{"topologies":[{"name":"rz00a"}]},"template":{"spec":{"replicas":1}},"topologyType":"cell"}`
	if diff := cmp.Diff(want, f.spec(federated.V2Beta1, "celled")); diff != "" {
		f.Errorf("an object of v2beta1, patched in v1beta1: %s", diff)
	}

	settled := f.crd()
	framework.Always(f.T, 3*time.Second, "the CRD as it is", func(context.Context) error { return f.unwritten(settled) })
}

// testOddObjects: objects of before that a map list cannot hold go on being written by upstream.
func testOddObjects(f *fixture) {
	f.enable(nil)
	f.must(f.client.Create(f.Context(), f.object(federated.V1Beta1, `
metadata: {name: odd}
spec:
  placement: {clusters: [{name: a}, {name: a}]}
  overrides: [{clusterOverrides: [{path: /a}]}, {clusterName: b, clusterOverrides: [{path: /a}]}, {clusterName: b}]`)))
	f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	f.waitServed()
	o := f.get(federated.V1Beta1, "odd")
	o.SetLabels(map[string]string{"written": "after"})
	f.must(f.client.Update(f.Context(), o))
	status := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"observedGeneration":1,"clusters":[{"name":"a"}]}}`))
	f.must(f.client.Status().Patch(f.Context(), o, status))
	f.must(f.client.Status().Update(f.Context(), o))
	want := `{"overrides":[{"topologyName":"","topologyOverrides":[{"path":"/a"}]},{"topologyName":"b","topologyOverrides":[{"path":"/a"}]},{"topologyName":"b"}],` +
		`"placement":{"topologies":[{"name":"a"},{"name":"a"}]},"topologyType":"cluster"}`
	if diff := cmp.Diff(want, f.spec(federated.V2Beta1, "odd")); diff != "" {
		f.Errorf("in v2beta1: %s", diff)
	}
	f.must(f.client.Patch(f.Context(), f.get(federated.V2Beta1, "odd"), client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"written":"in-v2beta1"}}}`))))
	// An apply has to tell the items apart and says which it cannot, until somebody mends the object.
	apply := func() error { return f.apply("somebody", `{metadata: {name: odd, labels: {applied: "yes"}}}`) }
	if err := apply(); err == nil || !strings.Contains(err.Error(), `duplicate entries for key [clusterName="b"]`) {
		f.Errorf("apply to an object with duplicates: %v", err)
	}
	mended := `{"spec":{"placement":{"clusters":[{"name":"a"}]},"overrides":[]}}`
	f.must(f.client.Patch(f.Context(), f.get(federated.V1Beta1, "odd"), client.RawPatch("application/merge-patch+json", []byte(mended))))
	f.must(apply())
}

// testWebhookDown: an API server is told of a webhook only when that answers.
func testWebhookDown(f *fixture) {
	plain := f.enable(nil)
	ftc := f.federate()
	port, err := framework.FreePort()
	f.must(err)
	f.start(fmt.Sprintf("https://127.0.0.1:%d/convert", port), nil)
	crd := f.waitFor(v1alpha1.ReasonWebhookUnreachable)
	if c := condition(crd); c.Status != apiextensionsv1.ConditionFalse {
		f.Errorf("condition: %v", c)
	}
	f.waitEvent(ftc, "TopologiesWebhookUnreachable", "connection refused")
	framework.Always(f.T, 3*time.Second, "the CRD as it was", func(context.Context) error {
		if diff := cmp.Diff(plain.Spec, f.crd().Spec); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	f.webhook(port)
	f.waitServed()
}

// testWrongCA: a bundle that does not vouch for the webhook is not written, and the one that does stays.
func testWrongCA(f *fixture) {
	f.enable(nil)
	f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	before := f.waitServed()
	others, err := framework.NewCertificates(f.TempDir())
	f.must(err)
	f.ca.set(others.CA())
	after := f.waitFor(v1alpha1.ReasonWebhookUnreachable)
	if diff := cmp.Diff(before.Spec, after.Spec); diff != "" {
		f.Errorf("the CRD has changed: %s", diff)
	}
	f.must(f.client.List(f.Context(), f.list(federated.V2Beta1)))
	f.ca.set(f.certificates.CA())
	f.waitFor(v1alpha1.ReasonServed)
}

// testRotation: a new CA, and a certificate that it signed, come through.
func testRotation(f *fixture) {
	f.enable(nil)
	f.must(f.client.Create(f.Context(), f.object(federated.V1Beta1, plainObject)))
	f.federate()
	watcher, err := certs.New(f.certificates.Dir, 50*time.Millisecond)
	f.must(err)
	url, _ := f.webhook(0)
	f.start(url, func(o *Options) { o.CA = watcher }, watcher)
	f.waitServed()
	f.must(f.certificates.RotateAuthority())
	framework.Eventually(f.T, patience, "the new CA", func(context.Context) error {
		if diff := cmp.Diff(string(f.certificates.CA()), string(f.crd().Spec.Conversion.Webhook.ClientConfig.CABundle)); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	framework.Eventually(f.T, patience, "a conversion with the new CA", func(ctx context.Context) error {
		return f.client.List(ctx, f.list(federated.V2Beta1))
	})
}

// testUnsupported: a CRD that cannot be upgraded is left, reported, and upgraded when it can be.
func testUnsupported(f *fixture) {
	plain := f.enable(func(crd *apiextensionsv1.CustomResourceDefinition) {
		other := *crd.Spec.Versions[0].DeepCopy()
		other.Name, other.Storage = "v1", false
		crd.Spec.Versions = append(crd.Spec.Versions, other)
	})
	ftc := f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	crd := f.waitFor(v1alpha1.ReasonUnsupported)
	if diff := cmp.Diff(plain.Spec, crd.Spec); diff != "" {
		f.Errorf("the CRD has changed: %s", diff)
	}
	f.waitEvent(ftc, "TopologiesUnsupported", "spec.versions: v1 cannot be converted")

	f.must(f.client.Patch(f.Context(), crd, client.RawPatch("application/json-patch+json", []byte(`[{"op":"remove","path":"/spec/versions/1"}]`))))
	f.waitServed()
}

// testRefused: a CRD that the API server will not have with v2beta1 is left and reported, and not tried over and over.
func testRefused(f *fixture) {
	plain := f.enable(func(crd *apiextensionsv1.CustomResourceDefinition) {
		spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
		placement := spec.Properties["placement"]
		placement.XValidations = apiextensionsv1.ValidationRules{{Rule: "!has(self.clusters) || self.clusters.size() < 9"}}
		spec.Properties["placement"] = placement
	})
	ftc := f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	crd := f.waitFor(v1alpha1.ReasonUnsupported)
	if diff := cmp.Diff(plain.Spec, crd.Spec); diff != "" {
		f.Errorf("the CRD has changed: %s", diff)
	}
	f.waitEvent(ftc, "TopologiesUnsupported", "the API server refuses the CRD")
	framework.Always(f.T, time.Second, "the CRD as it is", func(context.Context) error {
		return f.unwritten(crd)
	})
}

// testSharedCRD: of two FTCs that name one CRD the first has it, and when that goes the second.
func testSharedCRD(f *fixture) {
	f.enable(nil)
	ftc := f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	f.waitServed()
	second := ftc.DeepCopy()
	second.ObjectMeta = metav1.ObjectMeta{Namespace: ftc.Namespace, Name: "z-" + ftc.Name}
	f.must(f.client.Create(f.Context(), second))
	settled := f.crd()
	framework.Always(f.T, time.Second, "the CRD as it is", func(context.Context) error { return f.unwritten(settled) })
	f.must(f.client.Delete(f.Context(), ftc))
	framework.Eventually(f.T, patience, "the other owner", func(context.Context) error {
		crd := f.crd()
		if !federatedcrd.Serves(crd) {
			return framework.Final(errors.New("v2beta1 has gone"))
		}
		if owner := federatedcrd.Owner(crd); owner != client.ObjectKeyFromObject(second).String() {
			return fmt.Errorf("it is %s", owner)
		}
		return nil
	})
}

// testMissingCRD: an FTC without a CRD is told, and the CRD is picked up when it comes.
func testMissingCRD(f *fixture) {
	ftc := f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	f.waitEvent(ftc, "TopologiesMissing", f.plural())
	f.enable(nil)
	f.waitServed()
}

// testSpecReplaced: kubefedctl enable puts a plain spec over the one that is there.
func testSpecReplaced(f *fixture) {
	plain := f.enable(nil)
	f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	upgraded := f.waitServed()
	replaced := upgraded.DeepCopy()
	replaced.Spec = plain.Spec
	f.must(f.client.Update(f.Context(), replaced))
	framework.Eventually(f.T, patience, "v2beta1 again", func(context.Context) error {
		if diff := cmp.Diff(upgraded.Spec, f.crd().Spec); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// testTypeDeleted: what came with an FTC goes with it, and comes back with it.
func testTypeDeleted(f *fixture) {
	plain := f.enable(nil)
	ftc := f.federate()
	url, stop := f.webhook(0)
	f.start(url, nil)
	f.waitServed()
	stop()
	f.must(f.client.Delete(f.Context(), ftc))
	removed := f.waitFor(v1alpha1.ReasonRemoved)
	if diff := cmp.Diff(plain.Spec, removed.Spec); diff != "" {
		f.Errorf("the CRD is not what it was: %s", diff)
	}
}

// testRemove: a controller that removes needs no webhook, leaves every object as it is but for the bookkeeping of v2beta1,
// and keeps the fields for as long as an object holds one.
func testRemove(f *fixture) {
	plain := f.enable(nil)
	f.must(f.client.Create(f.Context(), f.object(federated.V1Beta1, plainObject)))
	ftc := f.federate()
	url, stopWebhook := f.webhook(0)
	stop := f.start(url, nil)
	f.waitServed()
	f.must(f.client.Create(f.Context(), f.object(federated.V2Beta1, celledObject)))
	before := f.raw()
	stop()
	stopWebhook()

	remove := func(o *Options) { o.Remove = true }
	stop = f.start(url, remove)
	kept := f.waitFor(v1alpha1.ReasonFieldsKept)
	f.waitEvent(ftc, "TopologiesFieldsKept", f.namespace+"/celled holds one of them")
	if federatedcrd.Serves(kept) || kept.Spec.Conversion.Strategy != apiextensionsv1.NoneConverter {
		f.Errorf("v2beta1 or the conversion is still there: %v", kept.Spec)
	}
	// Who applied what in v2beta1 is not known any more; nothing else of any object is another.
	bookkeeping := regexp.MustCompile(`"managedFields":\[.*?\}\],|"resourceVersion":"\d+"`)
	if diff := cmp.Diff(bookkeeping.ReplaceAllString(before, ""), bookkeeping.ReplaceAllString(f.raw(), "")); diff != "" {
		f.Errorf("objects have changed: %s", diff)
	}
	// A write loses nothing.
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`))
	f.must(f.client.Patch(f.Context(), f.get(federated.V1Beta1, "celled"), patch))
	if spec := f.get(federated.V1Beta1, "celled").Object["spec"].(map[string]any); spec["topologyType"] != "cell" || spec["placementMask"] == nil {
		f.Errorf("a write dropped the fields: %v", spec)
	}
	stop()

	f.must(f.client.Delete(f.Context(), f.get(federated.V1Beta1, "celled")))
	before = f.raw()
	f.start(url, remove)
	removed := f.waitFor(v1alpha1.ReasonRemoved)
	if diff := cmp.Diff(plain.Spec, removed.Spec); diff != "" {
		f.Errorf("the CRD is not what it was: %s", diff)
	}
	if len(removed.Annotations) > 0 {
		f.Errorf("annotations are left: %v", removed.Annotations)
	}
	if diff := cmp.Diff(before, f.raw()); diff != "" {
		f.Errorf("objects have changed: %s", diff)
	}
}

// testDisowned: when v2beta1 is gone, what was applied in it can be applied in v1beta1, and nobody else's fields are
// anybody's but his.
func testDisowned(f *fixture) {
	f.enable(nil)
	f.federate()
	url, _ := f.webhook(0)
	stop := f.start(url, nil)
	f.waitServed()
	f.must(f.apply("gitops", celledObject))
	f.must(f.apply("gitops", `{metadata: {name: two}, spec: {template: {a: b}}}`))
	label := func(name, manager, value string) error {
		o := f.object(federated.V1Beta1, `{metadata: {name: `+name+`, labels: {mine: `+value+`}}}`)
		return f.client.Apply(f.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(manager))
	}
	f.must(label("two", "labeller", "a"))
	stop()
	if _, err := f.takeBack(f.namespace); err != nil {
		f.Fatal(err)
	}
	spec := f.spec(federated.V1Beta1, "celled")
	for _, name := range []string{"celled", "two"} {
		f.must(label(name, "labeller", "b"))
	}
	if err := label("two", "gitops", "c"); err == nil || !strings.Contains(err.Error(), "labeller") {
		f.Errorf("an owner in v1beta1 was forgotten: %v", err)
	}
	if diff := cmp.Diff(spec, f.spec(federated.V1Beta1, "celled")); diff != "" {
		f.Errorf("the object has changed: %s", diff)
	}
}

// testTakeBack: the same at one go, page by page.
func testTakeBack(f *fixture) {
	plain := f.enable(nil)
	f.federate()
	url, _ := f.webhook(0)
	stop := f.start(url, nil)
	f.waitServed()
	for i := range pageSize + 1 {
		o := f.object(federated.V1Beta1, plainObject)
		o.SetName(fmt.Sprintf("plain-%04d", i))
		f.must(f.client.Create(f.Context(), o))
	}
	last := f.object(federated.V1Beta1, plainObject)
	last.SetName("z-last")
	f.must(f.client.Create(f.Context(), last))
	mark := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"topologyType":"cluster"}}`))
	f.must(f.client.Patch(f.Context(), last, mark))
	stop()

	outcomes, err := f.takeBack("another-namespace")
	f.must(err)
	if len(outcomes) > 0 || !federatedcrd.Serves(f.crd()) {
		f.Errorf("in another namespace: %v", outcomes)
	}
	outcomes, err = f.takeBack(f.namespace)
	f.must(err)
	if len(outcomes) != 1 || outcomes[0].CRD != plain.Name || outcomes[0].Reason != v1alpha1.ReasonFieldsKept {
		f.Errorf("with a field on the last page: %v", outcomes)
	}
	f.must(f.client.Delete(f.Context(), last))
	outcomes, err = f.takeBack(f.namespace)
	f.must(err)
	if len(outcomes) != 1 || outcomes[0].Reason != v1alpha1.ReasonRemoved {
		f.Errorf("without one: %v", outcomes)
	}
	if diff := cmp.Diff(plain.Spec, f.crd().Spec); diff != "" {
		f.Errorf("the CRD is not what it was: %s", diff)
	}
}

// testClusterScoped: a cluster-scoped kind names clusters, and the refusal of cells says why.
func testClusterScoped(f *fixture) {
	f.clusterScoped = true
	f.enable(func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Scope = apiextensionsv1.ClusterScoped })
	f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	f.waitServed()
	for _, version := range []string{federated.V1Beta1, federated.V2Beta1} {
		f.refused(f.object(version, `{metadata: {name: celled}, spec: {topologyType: cell}}`), "has no namespace whose cells it could name")
		f.must(f.client.Create(f.Context(), f.object(version, `{metadata: {name: absent-`+version+`}, spec: {}}`)))
		f.must(f.client.Create(f.Context(), f.object(version, `{metadata: {name: cluster-`+version+`}, spec: {topologyType: cluster}}`)))
	}
}
