package engine

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
)

const (
	synced    = "Synced"
	outOfSync = "OutOfSync"
)

// Report is what Argo CD would show of an application.
type Report struct {
	// Revision is the commit that the cluster was compared with.
	Revision string `json:"revision"`
	// Sync is Synced or OutOfSync, and OutOfSync names what differs.
	Sync      string   `json:"sync"`
	OutOfSync []string `json:"outOfSync,omitempty"`
	// Differed names what was out of sync before the operation, and Operation is nil where there was none.
	Differed  []string   `json:"differed,omitempty"`
	Operation *Operation `json:"operation,omitempty"`
	// Health is the worst of the resources'.
	Health    health.HealthStatusCode `json:"health"`
	Resources []Resource              `json:"resources"`
}

// Operation is how a sync went.
type Operation struct {
	Revision  string                `json:"revision"`
	Phase     common.OperationPhase `json:"phase"`
	Message   string                `json:"message,omitempty"`
	Resources []string              `json:"resources,omitempty"`
}

// Resource is an object of the application.
type Resource struct {
	Name    string                  `json:"name"`
	Health  health.HealthStatusCode `json:"health,omitempty"`
	Message string                  `json:"message,omitempty"`
	// Live is the object as it is in the cluster.
	Live *unstructured.Unstructured `json:"-"`
}

func (a *Application) report(c *comparison) *Report {
	r := &Report{Revision: c.revision, Sync: synced, Health: health.HealthStatusHealthy}
	for i, target := range c.result.Target {
		live := c.result.Live[i]
		object := target
		if object == nil {
			object = live
		}
		name := fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
		if target == nil || live == nil || c.diffs.Diffs[i].Modified {
			r.Sync = outOfSync
			r.OutOfSync = append(r.OutOfSync, name)
		}
		resource := Resource{Name: name, Live: live}
		if status := a.judge(live); status != nil {
			resource.Health, resource.Message = status.Status, status.Message
			if health.IsWorse(r.Health, status.Status) {
				r.Health = status.Status
			}
		}
		r.Resources = append(r.Resources, resource)
	}
	return r
}

func operation(revision string, phase common.OperationPhase, message string, results []common.ResourceSyncResult) *Operation {
	o := &Operation{Revision: revision, Phase: phase, Message: message}
	for _, result := range results {
		o.Resources = append(o.Resources, fmt.Sprintf("%s: %s %s: %s", result.ResourceKey.String(), result.Status, result.HookPhase, result.Message))
	}
	return o
}
