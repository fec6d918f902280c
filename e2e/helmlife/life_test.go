package helmlife

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	first  = "registry.example/acme/pay:1.4.2"
	second = "registry.example/acme/pay:2.0.0"
)

// heartbeats are the objects that are changed to see that changes propagate.
const heartbeats = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: beat, namespace: acme-prod}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}, {name: rz00b}, {name: rz01a}]}
  template: {data: {is: steady}}
---
apiVersion: types.kubefed.io/v2beta1
kind: FederatedDeployment
metadata: {name: beat, namespace: acme-prod}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}, {name: rz00b}, {name: rz01a}]}
  template:
    spec:
      replicas: 0
      selector: {matchLabels: {app: beat}}
      template:
        metadata: {labels: {app: beat}}
        spec: {containers: [{name: app, image: "registry.example/acme/beat:1"}]}
`

// TestLife is the life of one release, told in order.
func TestLife(t *testing.T) {
	w := newWorld(t)
	for _, part := range []struct {
		name string
		tell func(*story)
	}{
		{"Install", tellInstall},
		{"FirstSteps", tellFirstSteps},
		{"HandOver", tellHandOver},
		{"Canary", tellCanary},
		{"Upgrade", tellUpgrade},
		{"Rollback", tellRollback},
		{"Uninstall", tellUninstall},
		{"Reinstall", tellReinstall},
		{"Release", tellRelease},
		{"Webhooks", tellWebhooks},
		{"GivenCertificates", tellGivenCertificates},
		{"CertManager", tellCertManager},
	} {
		if !t.Run(part.name, func(t *testing.T) {
			s := &story{t, w}
			part.tell(s)
			s.entitled()
		}) {
			t.FailNow()
		}
	}
}

// tellInstall: the chart brings upstream KubeFed and cellfed into a host that has neither.
func tellInstall(s *story) {
	notes := s.install(older)
	for _, want := range []string{"rollout status deployment/cellfed-manager", "types.namespaces.enabled=true,types.deployments.enabled=true"} {
		if !strings.Contains(notes, want) {
			s.Errorf("the notes do not say %q:\n%s", want, notes)
		}
	}
	s.trusted()
	s.measured()
}

// tellFirstSteps goes through the chart's notes and its README, up to two federated objects in three cells.
func tellFirstSteps(s *story) {
	for _, member := range s.members {
		s.join(member)
	}
	s.run("", "-n "+system+" label kubefedcluster "+hangzhou+" "+shanghai+" cellfed.io/tenant=acme cellfed.io/workspace-group=prod")
	crds := s.helm("show", "crds", s.release.run.Chart())
	out, err := s.kubectl.Run(s.Context(), crds, "create", "-f", "-")
	s.must(err)
	for line := range strings.Lines(out.Stderr) {
		if !strings.Contains(line, "AlreadyExists") {
			s.Errorf("kubectl create of the chart's CRDs: %s", line)
		}
	}
	s.run("", "wait --for=condition=Established crd --all --timeout=60s")
	s.upgrade(older, "types.namespaces.enabled=true", "types.configmaps.enabled=true", "types.deployments.enabled=true")
	for _, name := range []string{"namespaces", "configmaps", "deployments.apps"} {
		s.typeRuns(name)
	}
	s.run("", "wait --for=condition=cellfed.io/Topologies crd federatednamespaces.types.kubefed.io federatedconfigmaps.types.kubefed.io federateddeployments.types.kubefed.io --timeout=120s")

	s.apply("namespace.yaml", "cells.yaml")
	s.run("", "-n acme-prod wait --for=condition=Ready cells --all --timeout=120s")
	s.apply("configmap.yaml", "deployment.yaml")
	s.run(heartbeats, "apply -f -")
	s.waitImages(map[string]string{"rz00a": first, "rz00b": first, "rz01a": first})
	s.propagates()
	// What is said of rights below is said of requests that were made.
	asked := s.asked()
	for _, account := range []string{"cellfed-manager", "kubefed-controller"} {
		if asked[account] < 100 {
			s.Errorf("%s asked for next to nothing: %v", account, asked)
		}
	}
}

// apply applies files of examples/.
func (s *story) apply(files ...string) {
	s.Helper()
	root, err := framework.ModuleRoot()
	s.must(err)
	for _, file := range files {
		s.run("", "apply -f "+filepath.Join(root, "examples", file))
	}
}

// typeRuns waits until upstream propagates a type.
func (s *story) typeRuns(name string) {
	s.Helper()
	framework.Eventually(s, patience, "upstream to propagate "+name, func(ctx context.Context) error {
		config := &kubefedv1beta1.FederatedTypeConfig{}
		if err := s.host.Client.Get(ctx, client.ObjectKey{Namespace: system, Name: name}, config); err != nil {
			return err
		}
		if config.Status.PropagationController != kubefedv1beta1.ControllerStatusRunning || config.Status.ObservedGeneration != config.Generation {
			return fmt.Errorf("its status is %+v", config.Status)
		}
		return nil
	})
}

// tellHandOver: a value hands a type to cellfed, and the other stays with upstream.
func tellHandOver(s *story) {
	before := s.snapshot()
	s.upgrade(older, "types.deployments.propagator=Cellfed")
	s.run("", "-n "+system+" wait --for=condition=StorageMigrated federatedtypepolicy deployments.apps --timeout=120s")
	s.run("", "-n "+system+" wait --for=jsonpath={.status.propagator}=Cellfed federatedtypepolicy deployments.apps --timeout=120s")
	s.propagates()
	for name, text := range s.snapshot() {
		if uid := before.uid(name); uid == "" || !strings.Contains(text, uid) {
			s.Errorf("%s was made anew by the hand-over", name)
		}
	}
	// The chart repeats what the hand-over has said since.
	kept := s.remember()
	s.upgrade(older)
	s.quiet(kept, "an upgrade after the hand-over")
}

// tellCanary releases to one cell, and leaves the release half out.
func tellCanary(s *story) {
	s.run("", "-n acme-prod patch federateddeployment pay --type=merge -p", `{"spec":{"placementMask":{"topologies":[{"name":"rz00a"}]}}}`)
	s.run("", "-n acme-prod patch federateddeployment pay --type=json -p", `[{"op":"replace","path":"/spec/template/spec/template/spec/containers/0/image","value":"`+second+`"}]`)
	s.waitImages(halfOut)
	s.run("", "-n acme-prod wait --for=condition=Held federateddeployment pay --timeout=60s")
}

// halfOut are the images of a release to one cell.
var halfOut = map[string]string{"rz00a": second, "rz00b": first, "rz01a": first}

// tellUpgrade: a newer chart, whose manager starts anew, changes nothing in the members while a release is half out.
func tellUpgrade(s *story) {
	before := s.remember()
	s.upgrade(newer, "logging.level=debug", "members.workers=16")
	if _, chart := s.revision(); chart != "cellfed-"+newer {
		s.Errorf("the release has %s", chart)
	}
	s.quiet(before, "an upgrade")
	s.waitImages(halfOut)
	s.trusted()
}

// tellRollback goes back, to the older chart as it was last and to the very first revision.
func tellRollback(s *story) {
	before := s.remember()
	last, _ := s.revision()
	var revision int
	_, err := fmt.Sscan(last, &revision)
	s.must(err)
	s.helm("rollback", "cellfed", fmt.Sprint(revision-1))
	s.roll()
	if _, chart := s.revision(); chart != "cellfed-"+older {
		s.Errorf("the release has %s", chart)
	}
	s.quiet(before, "a rollback")
	s.helm("rollback", "cellfed", "1")
	s.roll()
	s.quiet(before, "a rollback to the installation")
	s.waitImages(halfOut)
	s.trusted()
}

// tellUninstall: CRDs, what people wrote, and what the members hold outlive the release.
func tellUninstall(s *story) {
	before := s.remember()
	crds := s.run("", "get crd -o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.metadata.generation}{"\n"}{end}`)
	s.entitled()
	s.helm("uninstall", "cellfed")
	s.must(s.pods.stop(s.Context()))
	for _, kind := range []string{"deployments", "serviceaccounts,roles,rolebindings,services -l app.kubernetes.io/managed-by=Helm", "mutatingwebhookconfigurations,validatingwebhookconfigurations"} {
		for name := range strings.Lines(s.run("", "-n "+system+" get "+kind+" -o name")) {
			s.Errorf("%s is left of the release", strings.TrimSpace(name))
		}
	}
	if got := s.run("", "get crd -o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.metadata.generation}{"\n"}{end}`); got != crds {
		s.Errorf("the CRDs are\n%s\nwant\n%s", got, crds)
	}
	framework.Always(s, calm, "the peace of the members without a release", func(context.Context) error { return s.pods.err() })
	s.same(before, "the uninstallation")
	s.survived(before, "the uninstallation")
	// What ran until it was stopped had lost its rights before.
	s.must(s.requests.Forget())
	s.uninstalled = before
}

// tellReinstall: a new release of the name takes up what stayed.
func tellReinstall(s *story) {
	s.install(older)
	s.trusted()
	s.quiet(s.uninstalled, "a reinstallation")
	s.upgrade(older, "types.namespaces.enabled=true", "types.configmaps.enabled=true", "types.deployments.enabled=true", "types.deployments.propagator=Cellfed")
	s.quiet(s.uninstalled, "the first upgrade after it")
	s.waitImages(halfOut)
	s.trusted()
}

// tellRelease lets the release go on where it was left.
func tellRelease(s *story) {
	s.run("", "-n acme-prod patch federateddeployment pay --type=merge -p", `{"spec":{"placementMask":{"topologies":[{"name":"rz00a"},{"name":"rz01a"}]}}}`)
	s.waitImages(map[string]string{"rz00a": second, "rz00b": first, "rz01a": second})
	s.run("", "-n acme-prod patch federateddeployment pay --type=json -p", `[{"op":"remove","path":"/spec/placementMask"}]`)
	s.waitImages(map[string]string{"rz00a": second, "rz00b": second, "rz01a": second})
}

// shippedPolicy is the failure policy of a webhook by default. The creation of a Namespace without an owner is never held up.
func shippedPolicy(name string) string {
	if name == "unowned-namespace.validating.cellfed.io" {
		return "Ignore"
	}
	return "Fail"
}

// tellWebhooks: values of the webhooks reach the API server, and what the manager keeps there stays.
func tellWebhooks(s *story) {
	before := s.webhooks()
	for name, hook := range before {
		if hook.policy != shippedPolicy(name) || hook.exempt != "" {
			s.Errorf("%s is installed as %+v", name, hook)
		}
	}
	s.upgrade(older, "webhooks.failurePolicy=Ignore", "webhooks.exemptNamespaces={kube-system,acme-lab}")
	for name, hook := range s.webhooks() {
		if hook.policy != "Ignore" || hook.exempt != `["kube-system","acme-lab"]` || hook.ca != before[name].ca {
			s.Errorf("%s is %+v after the upgrade, and was %+v", name, hook, before[name])
		}
	}
	s.upgrade(older, "webhooks.failurePolicy=Fail", "webhooks.exemptNamespaces=null")
	for name, hook := range s.webhooks() {
		if hook != before[name] {
			s.Errorf("%s is %+v at last, and was %+v", name, hook, before[name])
		}
	}
	s.upgrade(older, "webhooks.enabled=false")
	if left := s.webhooks(); len(left) > 0 {
		s.Errorf("webhooks.enabled is false, and there are %v", left)
	}
	s.upgrade(older, "webhooks.enabled=true")
	s.trusted()
	s.propagates()
}
