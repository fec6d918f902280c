package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

const (
	kubeFedConfigName = "kubefed"
	kubeFedLease      = "kubefed-controller-manager"
	// leaderRecord is where client-go writes who leads, in what is no Lease.
	leaderRecord = "control-plane.alpha.kubernetes.io/leader"
	// skew is how far the clocks of the leader and of this machine may be apart.
	skew = time.Minute
)

// kubeFedConfig looks whether KubeFed's configuration is whole: KubeFed ends where a part is missing, unless its own webhook
// has filled it in.
func kubeFedConfig(ctx context.Context, p *probe) (Verdict, error) {
	config := &kubefedv1beta1.KubeFedConfig{}
	switch err := p.Get(ctx, client.ObjectKey{Namespace: p.namespace, Name: kubeFedConfigName}, config); {
	case apierrors.IsNotFound(err):
		return verdictf(Fail, "install KubeFed, or name its namespace with --kubefed-namespace", "there is no KubeFedConfig %q", kubeFedConfigName), nil
	case err != nil:
		return Verdict{}, fmt.Errorf("read the KubeFedConfig: %w", err)
	}
	if missing := missingParts(&config.Spec); len(missing) > 0 {
		return verdictf(Fail, "write them, as KubeFed's chart has them", "the KubeFedConfig lacks %s, without which KubeFed ends", strings.Join(missing, ", ")), nil
	}
	if config.Spec.Scope != "Cluster" {
		return verdictf(Fail, "cellfed needs the scope Cluster", "KubeFed's scope is %q", config.Spec.Scope), nil
	}
	return verdictf(OK, "", "the KubeFedConfig is whole"), nil
}

// missingParts names the fields that KubeFed needs and that are not there.
func missingParts(spec *kubefedv1beta1.KubeFedConfigSpec) []string {
	var missing []string
	want := func(there bool, field string) {
		if !there {
			missing = append(missing, "spec."+field)
		}
	}
	duration := spec.ControllerDuration
	want(duration != nil && duration.AvailableDelay != nil && duration.UnavailableDelay != nil && duration.CacheSyncTimeout != nil, "controllerDuration")
	elect := spec.LeaderElect
	want(elect != nil && elect.LeaseDuration != nil && elect.RenewDeadline != nil && elect.RetryPeriod != nil && elect.ResourceLock != nil, "leaderElect")
	health := spec.ClusterHealthCheck
	want(health != nil && health.Period != nil && health.FailureThreshold != nil && health.SuccessThreshold != nil && health.Timeout != nil, "clusterHealthCheck")
	want(spec.SyncController != nil && spec.SyncController.AdoptResources != nil, "syncController")
	want(len(spec.FeatureGates) > 0, "featureGates")
	return missing
}

// kubeFedController looks whether KubeFed's controller manager renews its lease.
func kubeFedController(ctx context.Context, p *probe) (Verdict, error) {
	const way = "see the Deployment kubefed-controller-manager and its log"
	holder, renewed, lasts, err := p.leader(ctx, kubeFedLease)
	switch {
	case err != nil:
		return Verdict{}, err
	case holder == "":
		return verdictf(Fail, way, "no KubeFed controller manager holds the lease %q", kubeFedLease), nil
	case p.now().Sub(renewed) > lasts+skew:
		return verdictf(Fail, way, "KubeFed's controller manager %s last renewed its lease at %s", holder, renewed.UTC().Format(time.RFC3339)), nil
	}
	return verdictf(OK, "", "KubeFed's controller manager %s holds its lease", holder), nil
}

// leader returns who leads, in whatever kind of object it is written down: a KubeFedConfig can name several.
func (p *probe) leader(ctx context.Context, name string) (holder string, renewed time.Time, lasts time.Duration, err error) {
	key := client.ObjectKey{Namespace: p.namespace, Name: name}
	take := func(who string, when time.Time, seconds int32) {
		if who != "" && when.After(renewed) {
			holder, renewed, lasts = who, when, time.Duration(seconds)*time.Second
		}
	}
	lease := &coordinationv1.Lease{}
	switch err := p.Get(ctx, key, lease); {
	case err == nil:
		s := lease.Spec
		if s.HolderIdentity != nil && s.RenewTime != nil && s.LeaseDurationSeconds != nil {
			take(*s.HolderIdentity, s.RenewTime.Time, *s.LeaseDurationSeconds)
		}
	case !apierrors.IsNotFound(err):
		return "", renewed, 0, fmt.Errorf("read the lease %q: %w", name, err)
	}
	for _, kind := range []string{"ConfigMap", "Endpoints"} {
		// API servers warn whoever reads Endpoints.
		if holder != "" {
			break
		}
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
		switch err := p.Get(ctx, key, object); {
		case err == nil:
			var record struct {
				HolderIdentity       string      `json:"holderIdentity"`
				LeaseDurationSeconds int32       `json:"leaseDurationSeconds"`
				RenewTime            metav1.Time `json:"renewTime"`
			}
			if json.Unmarshal([]byte(object.Annotations[leaderRecord]), &record) == nil {
				take(record.HolderIdentity, record.RenewTime.Time, record.LeaseDurationSeconds)
			}
		case !apierrors.IsNotFound(err):
			return "", renewed, 0, fmt.Errorf("read the lease %q: %w", name, err)
		}
	}
	return holder, renewed, lasts, nil
}

// kubeFedTypes looks whether KubeFed runs a controller for each type that it is to propagate.
func kubeFedTypes(ctx context.Context, p *probe) (Verdict, error) {
	configs := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := p.list(ctx, configs, "the FederatedTypeConfigs"); err != nil {
		return Verdict{}, err
	}
	var idle, disabled []string
	for i := range configs.Items {
		config := &configs.Items[i]
		switch {
		case config.Annotations[v1alpha1.HandedOverAnnotation] == "true":
		case config.Spec.Propagation == kubefedv1beta1.PropagationDisabled:
			disabled = append(disabled, config.Name)
		case config.Status.ObservedGeneration != config.Generation || config.Status.PropagationController != kubefedv1beta1.ControllerStatusRunning:
			idle = append(idle, config.Name)
		}
	}
	slices.Sort(idle)
	switch {
	case len(configs.Items) == 0:
		return verdictf(Warn, "make one with kubectl cells enable TYPE", "no type is federated"), nil
	case len(idle) > 0:
		return verdictf(Fail, "see the log of KubeFed's controller manager", "KubeFed runs no controller for %s", writing.Some(idle)), nil
	case len(disabled) > 0:
		return verdictf(OK, "", "%s federated; somebody has disabled %s", counted(len(configs.Items), "type"), writing.Some(disabled)), nil
	}
	return verdictf(OK, "", "%s federated", counted(len(configs.Items), "type")), nil
}

// policies looks whether each type is propagated by whom its policy names.
func policies(ctx context.Context, p *probe) (Verdict, error) {
	list := &v1alpha1.FederatedTypePolicyList{}
	if err := p.list(ctx, list, "the FederatedTypePolicies"); err != nil {
		return Verdict{}, err
	}
	var wrong []string
	handed := 0
	for i := range list.Items {
		policy := &list.Items[i]
		if policy.Status.Propagator == v1alpha1.PropagatorCellfed {
			handed++
		}
		for _, kind := range []v1alpha1.ConditionType{v1alpha1.ConditionPropagating, v1alpha1.ConditionValid} {
			c := meta.FindStatusCondition(policy.Status.Conditions, string(kind))
			if c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == policy.Generation {
				continue
			}
			why := "not reported yet"
			if c != nil {
				why = strings.Trim(c.Reason+": "+c.Message, ": ")
			}
			wrong = append(wrong, fmt.Sprintf("%s is not %s (%s)", policy.Name, kind, why))
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 0 {
		return verdictf(Fail, "kubectl cells handover tells what a type waits for", "%s", writing.Some(wrong)), nil
	}
	return verdictf(OK, "", "%s, cellfed propagates %s", counted(len(list.Items), "policy"), counted(handed, "type")), nil
}
