package federatedtype

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/storagemigration"
)

// storageManager owns, of a policy's status, what this controller says: the rest is another's.
const storageManager = client.FieldOwner(v1alpha1.FieldManager + "-storage")

const (
	// conditionStorageMigrated says whether all objects of the type are stored in the version that goes with its
	// propagator.
	conditionStorageMigrated v1alpha1.ConditionType = "StorageMigrated"

	// reasonMigrated goes with a true StorageMigrated.
	reasonMigrated v1alpha1.ConditionReason = "Migrated"
	// reasonMigrating means that objects are written again.
	reasonMigrating v1alpha1.ConditionReason = "Migrating"
	// reasonMigrationFailed means that the migration met an error, and is tried again.
	reasonMigrationFailed v1alpha1.ConditionReason = "MigrationFailed"
	// reasonMigrationRefused means that objects cannot be written again as they are.
	reasonMigrationRefused v1alpha1.ConditionReason = "MigrationRefused"
)

// storageState is what a policy's status says of the stored objects.
type storageState struct {
	// version is the version in which all objects are stored, "" while some may not be.
	version string
	status  metav1.ConditionStatus
	reason  v1alpha1.ConditionReason
	message string
}

func migrated(version string) storageState {
	return storageState{version, metav1.ConditionTrue, reasonMigrated, "all objects are stored in " + version}
}

func migrating(p storagemigration.Progress) storageState {
	return storageState{"", metav1.ConditionFalse, reasonMigrating,
		fmt.Sprintf("%d of %d objects are stored in %s", p.Done, max(p.Total, p.Done), p.Version)}
}

func settling(version string) storageState {
	return storageState{"", metav1.ConditionFalse, reasonMigrating,
		fmt.Sprintf("objects are stored in %s; they are looked through once more when no request that began before can store one otherwise", version)}
}

func failed(version string, err error) storageState {
	if errors.Is(err, storagemigration.ErrRefused) {
		return storageState{"", metav1.ConditionFalse, reasonMigrationRefused, err.Error()}
	}
	// What exactly is in the log: it may be another each time.
	return storageState{"", metav1.ConditionFalse, reasonMigrationFailed,
		fmt.Sprintf("objects could not be stored in %s, because an API server or the conversion webhook failed; it is tried again", version)}
}

// tell writes the state into the policy's status, unless that says so already. A type without a policy is not told.
func (r *storageReconciler) tell(ctx context.Context, key types.NamespacedName, state storageState) error {
	policy, err := getPolicy(ctx, r.live, key)
	if err != nil || policy == nil {
		return err
	}
	condition := v1alpha1.NewCondition(conditionStorageMigrated, state.status, state.reason, policy.Generation, state.message)
	condition.LastTransitionTime = metav1.NewTime(r.clock.Now())
	status := map[string]any{}
	if state.version != "" {
		status["storageVersion"] = state.version
	}
	return applyStatus(ctx, r.client, policy, condition, status, policy.Status.StorageVersion == state.version, storageManager)
}

// applyStatus makes a policy's status say what the manager has to say: the condition, and the rest, which is told to say so
// already or not. What others keep in the status stays.
func applyStatus(ctx context.Context, c client.Client, policy *v1alpha1.FederatedTypePolicy, condition metav1.Condition, status map[string]any, restSaid bool, manager client.FieldOwner) error {
	old := meta.FindStatusCondition(policy.Status.Conditions, condition.Type)
	if old != nil && old.Status == condition.Status {
		condition.LastTransitionTime = old.LastTransitionTime
	}
	if old != nil && *old == condition && restSaid {
		return nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&condition)
	if err != nil {
		return err
	}
	status["conditions"] = []any{content}
	key := client.ObjectKeyFromObject(policy)
	apply := &unstructured.Unstructured{Object: map[string]any{"status": status}}
	apply.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("FederatedTypePolicy"))
	apply.SetNamespace(key.Namespace)
	apply.SetName(key.Name)
	// A policy that was made again meanwhile is another's, and one that is gone is not made again.
	apply.SetUID(policy.UID)
	err = c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(apply), manager, client.ForceOwnership)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("updating the status of the FederatedTypePolicy %s: %w", key, err)
	}
	return nil
}
