package tenants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/cellfed/cellfed/e2e/framework"
)

// caller sends requests as they are, with the rights of one user.
type caller struct {
	base   string
	http   *http.Client
	header http.Header
	facade bool
}

// tenantCaller returns a caller of the host's API server who is the tenant's user.
func tenantCaller(env *framework.Environment) (*caller, error) {
	config, err := env.Host.Config()
	if err != nil {
		return nil, err
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: mallory}
	// The audit log names the impersonator: the agent tells.
	config.UserAgent = mallory
	made, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	made.Timeout = quickly
	return &caller{base: config.Host, http: made}, nil
}

const (
	mergePatch = "application/merge-patch+json"
	jsonPatch  = "application/json-patch+json"
	applyPatch = "application/apply-patch+yaml"
)

// call sends a request. The path is sent as it is.
func (c *caller) call(ctx context.Context, method, path, contentType string, body []byte) answer {
	// Whoever floods an API server is asked to come again.
	for {
		got, again := c.once(ctx, method, path, contentType, body)
		if got.code != http.StatusTooManyRequests || again == 0 {
			return got
		}
		select {
		case <-ctx.Done():
			return got
		case <-time.After(again):
		}
	}
}

func (c *caller) once(ctx context.Context, method, path, contentType string, body []byte) (answer, time.Duration) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{message: err.Error(), layer: "client"}, 0
	}
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	for name, values := range c.header {
		request.Header[name] = values
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{message: err.Error(), layer: "client"}, 0
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return answer{message: err.Error(), layer: "client"}, 0
	}
	again, _ := time.ParseDuration(response.Header.Get("Retry-After") + "s")
	return readAnswer(response.StatusCode, data, c.facade), again
}

func (c *caller) get(ctx context.Context, path string) answer {
	return c.call(ctx, http.MethodGet, path, "", nil)
}

func (c *caller) send(ctx context.Context, method, path string, object any) answer {
	data, err := json.Marshal(object)
	if err != nil {
		return answer{message: err.Error(), layer: "client"}
	}
	return c.call(ctx, method, path, "application/json", data)
}

func (c *caller) create(ctx context.Context, object *unstructured.Unstructured) answer {
	return c.send(ctx, http.MethodPost, collection(object), object)
}

func (c *caller) patch(ctx context.Context, path, contentType, patch string) answer {
	if contentType == applyPatch {
		path += "?fieldManager=mallory&force=true"
	}
	return c.call(ctx, http.MethodPatch, path, contentType, []byte(patch))
}

// resources are the plurals of the kinds that are written.
var resources = map[string]string{
	"Cell": "cells", "FederatedConfigMap": "federatedconfigmaps", "FederatedSecret": "federatedsecrets",
	"FederatedNamespace": "federatednamespaces", "FederatedDeployment": "federateddeployments",
	"FederatedClusterRole": "federatedclusterroles", "ConfigMap": "configmaps", "Secret": "secrets",
	"ReplicaSchedulingPreference": "replicaschedulingpreferences",
}

// collection returns the path of an object's collection.
func collection(object *unstructured.Unstructured) string {
	prefix := "/apis/" + object.GetAPIVersion()
	if object.GroupVersionKind().Group == "" {
		prefix = "/api/" + object.GetAPIVersion()
	}
	if object.GetNamespace() != "" {
		prefix += "/namespaces/" + object.GetNamespace()
	}
	return prefix + "/" + resources[object.GetKind()]
}

func pathOf(object *unstructured.Unstructured) string {
	return collection(object) + "/" + object.GetName()
}

// path is that of a federated object of the attacked type in the tenant's namespace.
func (p *propagation) path(version, name string) string {
	return "/apis/types.kubefed.io/" + version + "/namespaces/" + acmeProd + "/" + p.resource + "/" + name
}

func isNotFound(err error) bool { return apierrors.IsNotFound(err) }
