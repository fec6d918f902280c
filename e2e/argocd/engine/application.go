// Package engine reconciles an application as Argo CD's controller does, out of the same parts: the cache and the sync of
// its gitops engine, its server-side diff, its tracking by annotation, and its health checks in Lua.
package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	argocommon "github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo"
	argodiff "github.com/argoproj/argo-cd/v3/util/argo/diff"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	"github.com/argoproj/argo-cd/v3/util/lua"

	"github.com/cellfed/cellfed/e2e/argocd/customizations"
)

// tick is how often a sync that waits looks again.
const tick = time.Second

// Application is an Argo CD application with automated sync, self-heal, pruning, server-side apply and diff, and
// ApplyOutOfSyncOnly.
type Application struct {
	name       string
	repository Repository
	config     *rest.Config
	overrides  customizations.Overrides
	tracking   argo.ResourceTracking
	kubectl    *kube.KubectlCmd
	cache      cache.ClusterCache
	dryRunner  diff.ServerSideDryRunner
	cleanup    func()
}

// tracked is what the cache holds of an object, beside the object.
type tracked struct{ application string }

// New returns an application of the name, whose cache of the cluster has been filled.
func New(name string, repository Repository, config *rest.Config, overrides customizations.Overrides) (*Application, error) {
	a := &Application{
		name: name, repository: repository, config: config, overrides: overrides, tracking: argo.NewResourceTracking(),
		kubectl: &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}},
	}
	a.cache = cache.NewClusterCache(config,
		cache.SetLogr(logr.Discard()), cache.SetKubectl(a.kubectl),
		cache.SetSettings(cache.Settings{ResourceHealthOverride: lua.ResourceHealthOverrides(overrides), ResourcesFilter: everything{}}),
		cache.SetPopulateResourceInfoHandler(func(object *unstructured.Unstructured, _ bool) (any, bool) {
			owner := a.tracking.GetAppName(object, argocommon.LabelKeyAppInstance, v1alpha1.TrackingMethodAnnotation, "")
			return &tracked{owner}, owner != ""
		}))
	if err := a.cache.EnsureSynced(); err != nil {
		return nil, fmt.Errorf("fill the cache of the cluster: %w", err)
	}
	applier, cleanup, err := a.kubectl.ManageServerSideDiffDryRuns(config)
	if err != nil {
		return nil, fmt.Errorf("prepare dry runs: %w", err)
	}
	a.dryRunner, a.cleanup = diff.NewK8sServerSideDryRunner(applier), cleanup
	return a, nil
}

// Close ends what New started.
func (a *Application) Close() {
	a.cleanup()
	a.cache.Invalidate()
}

type everything struct{}

func (everything) IsExcludedResource(_, _, _ string) bool { return false }

// comparison is what differs between a commit and the cluster.
type comparison struct {
	revision string
	result   sync.ReconciliationResult
	diffs    *diff.DiffResultList
}

// Reconcile compares the last commit with the cluster, syncs if they differ, and reports.
func (a *Application) Reconcile(ctx context.Context, timeout time.Duration) (*Report, error) {
	before, err := a.compare(ctx)
	if err != nil {
		return nil, err
	}
	report := a.report(before)
	if report.Sync == synced {
		return report, nil
	}
	operation, err := a.sync(ctx, timeout)
	if err != nil {
		return nil, err
	}
	after, err := a.compare(ctx)
	if err != nil {
		return nil, err
	}
	differed := report.OutOfSync
	report = a.report(after)
	report.Differed, report.Operation = differed, operation
	return report, nil
}

func (a *Application) compare(ctx context.Context) (*comparison, error) {
	targets, revision, err := a.repository.Read(ctx)
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		if err := a.tracking.SetAppInstance(target, argocommon.LabelKeyAppInstance, a.name, "", v1alpha1.TrackingMethodAnnotation, ""); err != nil {
			return nil, fmt.Errorf("mark %s as the application's: %w", target.GetName(), err)
		}
	}
	live, err := a.cache.GetManagedLiveObjs(targets, func(r *cache.Resource) bool {
		info, ok := r.Info.(*tracked)
		return ok && info.application == a.name
	})
	if err != nil {
		return nil, fmt.Errorf("read what is in the cluster: %w", err)
	}
	c := &comparison{revision: revision, result: sync.Reconcile(targets, live, "", a.cache)}
	config, err := argodiff.NewDiffConfigBuilder().
		WithDiffSettings([]v1alpha1.ResourceIgnoreDifferences{}, a.overrides, true, normalizers.IgnoreNormalizerOpts{}).
		WithTracking(argocommon.LabelKeyAppInstance, string(v1alpha1.TrackingMethodAnnotation)).WithNoCache().
		WithGVKParser(a.cache.GetGVKParser()).WithManager(argocommon.ArgoCDSSAManager).
		WithStructuredMergeDiff(true).WithServerSideDiff(true).WithServerSideDryRunner(a.dryRunner).
		Build()
	if err != nil {
		return nil, fmt.Errorf("prepare the comparison: %w", err)
	}
	if c.diffs, err = argodiff.StateDiffs(c.result.Live, c.result.Target, config); err != nil {
		return nil, fmt.Errorf("compare %s with the cluster: %w", revision, err)
	}
	return c, nil
}

// sync runs one operation to its end, wave by wave. Like Argo CD's controller it begins anew from what is live at each
// look, with the results so far.
func (a *Application) sync(ctx context.Context, timeout time.Duration) (*Operation, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	phase, message, results, started := common.OperationRunning, "", []common.ResourceSyncResult(nil), metav1.Now()
	for {
		c, err := a.compare(ctx)
		if err != nil {
			return nil, err
		}
		if phase, message, results, err = a.step(c, phase, message, results, started); err != nil {
			return nil, err
		}
		if phase.Completed() {
			break
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return operation(c.revision, phase, message, results), nil
			}
			return nil, ctx.Err()
		case <-time.After(tick):
		}
	}
	_, revision, err := a.repository.Read(ctx)
	return operation(revision, phase, message, results), err
}

func (a *Application) step(c *comparison, phase common.OperationPhase, message string, results []common.ResourceSyncResult, started metav1.Time) (
	common.OperationPhase, string, []common.ResourceSyncResult, error,
) {
	for i := range results {
		results[i].Order = i + 1
	}
	syncContext, cleanup, err := sync.NewSyncContext(c.revision, c.result, a.config, a.config, a.kubectl, "",
		sync.WithLogr(logr.Discard()),
		sync.WithHealthOverride(lua.ResourceHealthOverrides(a.overrides)),
		sync.WithOperationSettings(false, true, false, false),
		sync.WithInitialState(phase, message, results, started),
		sync.WithManifestValidation(true),
		sync.WithResourceModificationChecker(true, c.diffs),
		sync.WithServerSideApply(true),
		sync.WithServerSideApplyManager(argocommon.ArgoCDSSAManager),
	)
	if err != nil {
		return phase, message, results, fmt.Errorf("begin to sync: %w", err)
	}
	defer cleanup()
	syncContext.Sync()
	phase, message, results = syncContext.GetState()
	return phase, message, results, nil
}

// judge returns the health of what is live.
func (a *Application) judge(live *unstructured.Unstructured) *health.HealthStatus {
	if live == nil {
		return &health.HealthStatus{Status: health.HealthStatusMissing}
	}
	// An error is part of what is returned.
	status, _ := health.GetResourceHealth(live, lua.ResourceHealthOverrides(a.overrides))
	return status
}
