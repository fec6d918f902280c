package federatedcrd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/internal/federatedcrd"
)

// upstreamCRDs returns the federated CRDs that upstream KubeFed's own chart installs, by name, as an API server
// returns them.
func upstreamCRDs(t testing.TB) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kubefed").Output()
	if err != nil {
		t.Fatalf("locating the module sigs.k8s.io/kubefed: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "charts", "kubefed", "crds", "crds.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	crds := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for _, document := range bytes.Split(raw, []byte("\n---\n")) {
		crd := parse(t, document)
		if crd.Name != "" {
			crds[crd.Name] = crd
		}
	}
	if len(crds) < 10 {
		t.Fatalf("found %d federated CRDs in upstream's chart", len(crds))
	}
	return crds
}

// parse reads a CRD and fills in what an API server fills in.
func parse(t testing.TB, document []byte) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(document, crd); err != nil {
		t.Fatal(err)
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	for _, v := range crd.Spec.Versions {
		if v.Storage {
			crd.Status.StoredVersions = []string{v.Name}
		}
	}
	return crd
}

// options are an owner and a webhook.
func options() federatedcrd.Options {
	return federatedcrd.Options{
		Owner: "kube-federation-system/deployments.apps",
		ClientConfig: apiextensionsv1.WebhookClientConfig{
			Service: &apiextensionsv1.ServiceReference{
				Namespace: "kube-federation-system", Name: "cellfed-webhook", Path: new("/convert"), Port: new(int32(443)),
			},
			CABundle: []byte("-----BEGIN CERTIFICATE-----\n"),
		},
	}
}

func upgrade(t testing.TB, crd *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	out, err := federatedcrd.Upgrade(crd, options())
	if err != nil {
		t.Fatalf("upgrading %s: %v", crd.Name, err)
	}
	return out
}

func downgrade(t testing.TB, crd *apiextensionsv1.CustomResourceDefinition, keepFields bool) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	out, err := federatedcrd.Downgrade(crd, keepFields)
	if err != nil {
		t.Fatalf("downgrading %s: %v", crd.Name, err)
	}
	return out
}

// schema returns the schema of a version, which must be there.
func schema(t testing.TB, crd *apiextensionsv1.CustomResourceDefinition, version string) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	for _, v := range crd.Spec.Versions {
		if v.Name == version {
			return v.Schema.OpenAPIV3Schema
		}
	}
	t.Fatalf("%s has no version %s", crd.Name, version)
	return nil
}
