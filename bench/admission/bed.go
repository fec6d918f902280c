package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// The namespaces that the objects are written to: one that admission looks after, and one that it does not.
const (
	admitted = "bench-admitted"
	exempted = "bench-exempted"
)

// namespaces are both, in the order in which they are measured.
var namespaces = []string{admitted, exempted}

// bed is an API server with cellfed's manager.
type bed struct {
	host    *framework.Cluster
	cellfed *framework.Cellfed
}

// boot starts it. Close must be called also after an error.
func (b *bed) boot(ctx context.Context, dir string) error {
	progress("starting an API server and cellfed's manager")
	var err error
	b.host, err = framework.StartCluster(ctx, framework.Options{Name: "host", Dir: dir, Controllers: framework.MemberControllers})
	if err != nil {
		return err
	}
	if _, err := framework.InstallKubeFed(ctx, b.host); err != nil {
		return err
	}
	if b.cellfed, err = framework.InstallCellfed(ctx, b.host); err != nil {
		return err
	}
	if err := b.cellfed.Start(ctx); err != nil {
		return err
	}
	if err := b.cellfed.WaitForVersions(ctx, time.Minute, true); err != nil {
		return err
	}
	labels := map[string]string{cellfedv1alpha1.TenantLabel: "bench", cellfedv1alpha1.WorkspaceGroupLabel: "bench"}
	for _, name := range namespaces {
		if err := b.host.CreateNamespace(ctx, name, labels); err != nil {
			return err
		}
	}
	if err := b.cellfed.WaitForAdmission(ctx); err != nil {
		return err
	}
	return b.cellfed.Exempt(ctx, exempted)
}

// Close stops what was started.
func (b *bed) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if b.cellfed != nil {
		errs = append(errs, b.cellfed.Stop(ctx))
	}
	if b.host != nil {
		errs = append(errs, b.host.Stop(ctx))
	}
	return errors.Join(errs...)
}

// deployment is a federated Deployment of about the size, in the stored version.
func deployment(namespace, name string, size int, revision string) *unstructured.Unstructured {
	labels := map[string]any{"app": name}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "types.kubefed.io/v1beta1",
		"kind":       "FederatedDeployment",
		"metadata":   map[string]any{"name": name, "namespace": namespace},
		"spec": map[string]any{
			"topologyType": "cell",
			"placement": map[string]any{"clusters": []any{
				map[string]any{"name": namespace + ".rz00a"}, map[string]any{"name": namespace + ".rz01a"},
			}},
			"overrides": []any{map[string]any{
				"clusterName":      namespace + ".rz01a",
				"clusterOverrides": []any{map[string]any{"path": "/spec/replicas", "value": int64(3)}},
			}},
			"template": map[string]any{"spec": map[string]any{
				"replicas": int64(2), "selector": map[string]any{"matchLabels": labels},
				"template": map[string]any{
					"metadata": map[string]any{"labels": labels},
					"spec": map[string]any{"containers": []any{map[string]any{
						"name": "app", "image": "registry.invalid/app:" + revision,
					}}},
				},
			}},
		},
	}}
	data, err := json.Marshal(object)
	if err != nil {
		panic(err) // It holds nothing that could not be written.
	}
	if rest := size - len(data); rest > 0 {
		padding := strings.Repeat("x", rest)
		_ = unstructured.SetNestedSlice(object.Object, []any{map[string]any{
			"name": "app", "image": "registry.invalid/app:" + revision, "args": []any{padding},
		}}, "spec", "template", "spec", "template", "spec", "containers")
	}
	return object
}

// revisionPatch changes the template by a label.
func revisionPatch(revision string) client.Patch {
	return client.RawPatch(types.MergePatchType, fmt.Appendf(nil,
		`{"spec":{"template":{"metadata":{"labels":{"revision":%q}}}}}`, revision))
}
