package framework

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// KubeFedNamespace is the namespace that upstream KubeFed is installed into.
const KubeFedNamespace = "kube-federation-system"

// tuning is what of upstream's configuration decides how fast it is.
type tuning struct {
	// healthCheckPeriod is how often upstream looks at a cluster, failures how often in a row one must fail.
	healthCheckPeriod time.Duration
	failures          int64
	// clusterAvailableDelay is when upstream reconciles after a cluster came, clusterUnavailableDelay after one went.
	clusterAvailableDelay, clusterUnavailableDelay time.Duration
	// workers are a sync controller's.
	workers int64
}

var (
	// quick is for tests.
	quick = tuning{
		healthCheckPeriod: 2 * time.Second, failures: 2,
		clusterAvailableDelay: 2 * time.Second, clusterUnavailableDelay: 5 * time.Second, workers: 2,
	}
	// shipped is what upstream's chart says where nobody says anything else.
	shipped = tuning{
		healthCheckPeriod: 10 * time.Second, failures: 3,
		clusterAvailableDelay: 20 * time.Second, clusterUnavailableDelay: 60 * time.Second, workers: 1,
	}
)

// KubeFed is upstream KubeFed on a host cluster.
type KubeFed struct {
	host    *Cluster
	bin     string
	healthz string
	metrics string
	process *Process
}

// InstallKubeFed installs upstream's CRDs, configuration and federated types, as its chart has them, without starting
// it.
func InstallKubeFed(ctx context.Context, host *Cluster) (*KubeFed, error) {
	return installKubeFed(ctx, host, false)
}

func installKubeFed(ctx context.Context, host *Cluster, asShipped bool) (*KubeFed, error) {
	bin, err := Binary("hyperfed")
	if err != nil {
		return nil, err
	}
	chart, err := UpstreamChart(ctx)
	if err != nil {
		return nil, err
	}
	crds, err := ReadManifests(
		filepath.Join(chart, "charts", "controllermanager", "crds", "crds.yaml"),
		filepath.Join(chart, "crds", "crds.yaml"),
	)
	if err != nil {
		return nil, err
	}
	for _, crd := range crds {
		// What controller-gen of old left behind: a null is no time, and status is the server's.
		unstructured.RemoveNestedField(crd.Object, "metadata", "creationTimestamp")
		unstructured.RemoveNestedField(crd.Object, "status")
	}
	if err := host.applyCRDs(ctx, crds); err != nil {
		return nil, err
	}
	if err := host.CreateNamespace(ctx, KubeFedNamespace, nil); err != nil {
		return nil, err
	}
	if err := client.IgnoreAlreadyExists(host.Client.Create(ctx, kubeFedConfig(asShipped))); err != nil {
		return nil, fmt.Errorf("create the KubeFedConfig: %w", err)
	}
	if err := installFederatedTypes(ctx, host, chart); err != nil {
		return nil, err
	}
	return &KubeFed{host: host, bin: bin}, nil
}

// UpstreamChart returns the directory of upstream's own chart, which comes with the module that has its Go types.
func UpstreamChart(ctx context.Context) (string, error) {
	module, err := moduleDir(ctx, ".", "sigs.k8s.io/kubefed")
	if err != nil {
		return "", err
	}
	return filepath.Join(module, "charts", "kubefed"), nil
}

// withStatus are the federated types whose targets have a status. Upstream takes an object without one for not
// propagated where the collection of status is on.
var withStatus = []string{"deployments.apps", "replicasets.apps", "jobs.batch", "services", "ingresses.networking.k8s.io"}

// installFederatedTypes creates the FederatedTypeConfigs of the chart, which are a template in name only, with the
// collection of status on where there is a status.
func installFederatedTypes(ctx context.Context, host *Cluster, chart string) error {
	types, err := ReadManifests(filepath.Join(chart, "templates", "federatedtypeconfig.yaml"))
	if err != nil {
		return err
	}
	for _, config := range types {
		config.SetNamespace(KubeFedNamespace)
		if slices.Contains(withStatus, config.GetName()) {
			if err := unstructured.SetNestedField(config.Object, "Enabled", "spec", "statusCollection"); err != nil {
				return fmt.Errorf("set the status collection of %s: %w", config.GetName(), err)
			}
		}
		if err := client.IgnoreAlreadyExists(host.Client.Create(ctx, config)); err != nil {
			return fmt.Errorf("create the FederatedTypeConfig %s: %w", config.GetName(), err)
		}
	}
	return nil
}

// kubeFedConfig has every field, since upstream ends where one is missing and its defaulting webhook is not there.
func kubeFedConfig(asShipped bool) *kubefedv1beta1.KubeFedConfig {
	tuning := quick
	if asShipped {
		tuning = shipped
	}
	duration := func(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }
	lock := kubefedv1beta1.ConfigMapsResourceLock
	adopt := kubefedv1beta1.AdoptResourcesEnabled
	enabled := kubefedv1beta1.ConfigurationEnabled
	return &kubefedv1beta1.KubeFedConfig{
		ObjectMeta: metav1.ObjectMeta{Name: "kubefed", Namespace: KubeFedNamespace},
		Spec: kubefedv1beta1.KubeFedConfigSpec{
			Scope: apiextensionsv1.ClusterScoped,
			ControllerDuration: &kubefedv1beta1.DurationConfig{
				AvailableDelay:   duration(tuning.clusterAvailableDelay),
				UnavailableDelay: duration(tuning.clusterUnavailableDelay),
				CacheSyncTimeout: duration(2 * time.Minute),
			},
			LeaderElect: &kubefedv1beta1.LeaderElectConfig{
				LeaseDuration: duration(15 * time.Second),
				RenewDeadline: duration(10 * time.Second),
				RetryPeriod:   duration(2 * time.Second),
				ResourceLock:  &lock,
			},
			FeatureGates: []kubefedv1beta1.FeatureGatesConfig{
				{Name: "PushReconciler", Configuration: enabled},
				{Name: "RawResourceStatusCollection", Configuration: enabled},
				{Name: "SchedulerPreferences", Configuration: enabled},
			},
			ClusterHealthCheck: &kubefedv1beta1.ClusterHealthCheckConfig{
				Period:           duration(tuning.healthCheckPeriod),
				FailureThreshold: new(tuning.failures),
				SuccessThreshold: new(int64(1)),
				Timeout:          duration(3 * time.Second),
			},
			SyncController:   &kubefedv1beta1.SyncControllerConfig{MaxConcurrentReconciles: new(tuning.workers), AdoptResources: &adopt},
			StatusController: &kubefedv1beta1.StatusControllerConfig{MaxConcurrentReconciles: new(int64(1))},
		},
	}
}

// Start starts upstream's controller manager and waits until its sync controllers run.
func (k *KubeFed) Start(ctx context.Context) error {
	if running(k.process) {
		return nil
	}
	if k.healthz == "" {
		if err := k.chooseAddresses(); err != nil {
			return err
		}
	}
	var err error
	k.process, err = Start(Program{
		Name: "kubefed", Path: k.bin, Dir: filepath.Dir(k.host.Dir), Detached: k.host.options.Detached,
		Args: []string{
			"controller-manager", "--kubeconfig", k.host.Kubeconfig, "--kubefed-namespace", KubeFedNamespace,
			"--healthz-addr", k.healthz, "--metrics-addr", k.metrics, "-v=2",
		},
	})
	if err != nil {
		return err
	}
	return Poll(ctx, readyTimeout, "upstream KubeFed", k.ready)
}

func (k *KubeFed) chooseAddresses() error {
	healthz, err := FreePort()
	if err != nil {
		return err
	}
	metrics, err := FreePort()
	if err != nil {
		return err
	}
	k.healthz = fmt.Sprintf("127.0.0.1:%d", healthz)
	k.metrics = fmt.Sprintf("127.0.0.1:%d", metrics)
	return nil
}

func (k *KubeFed) ready(ctx context.Context) error {
	if err := k.process.Err(); err != nil {
		return Final(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+k.healthz+"/healthz", nil)
	if err != nil {
		return Final(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	types := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := k.host.Client.List(ctx, types, client.InNamespace(KubeFedNamespace)); err != nil {
		return err
	}
	for i := range types.Items {
		if types.Items[i].Spec.Propagation == kubefedv1beta1.PropagationDisabled {
			continue
		}
		if types.Items[i].Status.PropagationController != kubefedv1beta1.ControllerStatusRunning {
			return fmt.Errorf("the sync controller of %s does not run", types.Items[i].Name)
		}
	}
	return nil
}

// Process returns the controller manager, or nil when it was not started or has been stopped.
func (k *KubeFed) Process() *Process { return k.process }

// Stop ends the controller manager. The next one waits for its lease to expire.
func (k *KubeFed) Stop(ctx context.Context) error {
	if k.process == nil {
		return nil
	}
	err := k.process.Stop(ctx)
	k.process = nil
	return err
}

// WaitForClusters waits until upstream takes every one of the clusters for ready.
func (k *KubeFed) WaitForClusters(ctx context.Context, timeout time.Duration, names ...string) error {
	return Poll(ctx, timeout, fmt.Sprintf("the clusters %v to be ready", names), func(ctx context.Context) error {
		for _, name := range names {
			ready, message, err := k.ClusterReady(ctx, name)
			if err != nil {
				return err
			}
			if !ready {
				return fmt.Errorf("the cluster %s is not ready: %s", name, message)
			}
		}
		return nil
	})
}

// ClusterReady says whether upstream takes a cluster for ready, and upstream's own words.
func (k *KubeFed) ClusterReady(ctx context.Context, name string) (bool, string, error) {
	cluster := &kubefedv1beta1.KubeFedCluster{}
	if err := k.host.Client.Get(ctx, client.ObjectKey{Namespace: KubeFedNamespace, Name: name}, cluster); err != nil {
		return false, "", fmt.Errorf("get the KubeFedCluster %s: %w", name, err)
	}
	index := slices.IndexFunc(cluster.Status.Conditions, func(c kubefedv1beta1.ClusterCondition) bool {
		return c.Type == "Ready" && c.Status == "True"
	})
	if index >= 0 {
		return true, "", nil
	}
	var messages []error
	for _, condition := range cluster.Status.Conditions {
		if condition.Message != nil {
			messages = append(messages, errors.New(*condition.Message))
		}
	}
	if len(messages) == 0 {
		return false, "it has no status", nil
	}
	return false, errors.Join(messages...).Error(), nil
}
