package customizations

import (
	"os"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
)

// TestExamples: Argo CD knows every field of the examples' manifests, and every Application syncs as docs/gitops.md has it.
func TestExamples(t *testing.T) {
	projects, wanted := map[string]bool{"default": true}, []string{}
	check := func(name string, annotations map[string]string, spec v1alpha1.ApplicationSpec) {
		if got := annotations["argocd.argoproj.io/compare-options"]; got != "ServerSideDiff=true" {
			t.Errorf("%s is compared with the options %q", name, got)
		}
		for _, option := range []string{"ServerSideApply=true", "ApplyOutOfSyncOnly=true", "RespectIgnoreDifferences=true"} {
			if !slices.Contains(spec.SyncPolicy.SyncOptions, option) {
				t.Errorf("%s is synced without %s", name, option)
			}
		}
	}
	for _, path := range []string{"../../../examples/gitops/application.yaml", "../../../examples/gitops/applicationset.yaml"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		documents, err := kube.SplitYAMLToString(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range documents {
			application, set, project := &v1alpha1.Application{}, &v1alpha1.ApplicationSet{}, &v1alpha1.AppProject{}
			switch kind := parse(t, document).GetKind(); kind {
			case "Application":
				err = yaml.UnmarshalStrict([]byte(document), application)
				check(application.Name, application.Annotations, application.Spec)
			case "ApplicationSet":
				err = yaml.UnmarshalStrict([]byte(document), set)
				check(set.Name, set.Spec.Template.Annotations, set.Spec.Template.Spec)
			case "AppProject":
				err = yaml.UnmarshalStrict([]byte(document), project)
				projects[project.Name] = true
			default:
				t.Errorf("%s has a %s", path, kind)
			}
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	tenants, err := os.ReadDir("../../../examples/gitops/fleet/tenants")
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range tenants {
		wanted = append(wanted, "tenant-"+tenant.Name())
	}
	for _, name := range wanted {
		if !projects[name] {
			t.Errorf("there is no AppProject %s", name)
		}
	}
}
