package cell

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// suffixBytes is how many random bytes tell the Secrets of one cell apart.
const suffixBytes = 5

// apply does what the plan says, in an order in which each step leaves something that works, and keeps the facts on
// what it did. It returns what is to be told about, also when it fails half-way.
func (r *Reconciler) apply(ctx context.Context, f *facts, p plan) ([]occurrence, error) {
	var told []occurrence
	tell := func(o occurrence) { told = append(told, o) }

	if p.finalizer == finalizerAdd {
		if err := r.patchCell(ctx, f.cell, controllerutil.AddFinalizer); err != nil {
			return told, fmt.Errorf("add the finalizer: %w", err)
		}
	}
	for _, step := range []func() error{
		func() error { return r.applyTokens(ctx, f, &p.tokens, tell) },
		func() error { return r.applyCluster(ctx, f, p, tell) },
		func() error { return r.revoke(ctx, f, p.tokens.revoke, tell) },
		func() error { return r.applyNamespace(ctx, f, p.namespace, tell) },
		func() error { return r.vacate(ctx, f, p.vacate, tell) },
	} {
		if err := step(); err != nil {
			return told, err
		}
	}
	if p.finalizer == finalizerRemove {
		if err := r.patchCell(ctx, f.cell, controllerutil.RemoveFinalizer); client.IgnoreNotFound(err) != nil {
			return told, fmt.Errorf("remove the finalizer: %w", err)
		}
	}
	return told, nil
}

// patchCell changes the finalizer, provided that the Cell is still the one that was read.
func (r *Reconciler) patchCell(ctx context.Context, cell *v1alpha1.Cell, change func(client.Object, string) bool) error {
	before := cell.DeepCopy()
	if !change(cell, v1alpha1.CellFinalizer) {
		return nil
	}
	return r.client.Patch(ctx, cell, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), client.FieldOwner(v1alpha1.FieldManager))
}

// applyTokens makes a token if one is needed, and marks those that were replaced.
func (r *Reconciler) applyTokens(ctx context.Context, f *facts, p *tokenPlan, tell func(occurrence)) error {
	if p.issue {
		secret, err := r.issue(ctx, f)
		if err != nil {
			return err
		}
		p.use = secret.Name
		f.tokens = append(f.tokens, newToken(secret))
		tokensIssued.Inc()
		tell(tokenIssued(secret.Name))
	}
	for _, name := range p.retire {
		after := f.now.Add(f.settings.tokenGrace).UTC().Format(time.RFC3339)
		if err := r.patchToken(ctx, f, name, map[string]any{
			"annotations": map[string]any{v1alpha1.TokenRevokedAfterAnnotation: after},
		}); err != nil {
			return fmt.Errorf("mark the façade token in Secret %q as replaced: %w", name, err)
		}
	}
	for _, name := range p.relabel {
		if err := r.patchToken(ctx, f, name, map[string]any{"labels": labelPatch(f.token(name).labels, secretLabels(f))}); err != nil {
			return fmt.Errorf("label Secret %q: %w", name, err)
		}
	}
	return nil
}

// issue makes a token. Nothing but the Secret holds it.
func (r *Reconciler) issue(ctx context.Context, f *facts) (*corev1.Secret, error) {
	random := make([]byte, tokenBytes+suffixBytes)
	if _, err := io.ReadFull(r.random, random); err != nil {
		return nil, fmt.Errorf("issue a façade token: %w", err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: f.settings.kubeFedNamespace,
			Name:      f.clusterName() + "-" + hex.EncodeToString(random[tokenBytes:]),
			Labels:    secretLabels(f),
			Annotations: map[string]string{
				v1alpha1.TokenExpiresAnnotation: f.now.Add(f.settings.tokenLifetime).UTC().Format(time.RFC3339),
			},
		},
		Immutable: ptr.To(true),
		Data:      map[string][]byte{tokenKey: []byte(base64.RawURLEncoding.EncodeToString(random[:tokenBytes]))},
	}
	if err := r.client.Create(ctx, secret, client.FieldOwner(v1alpha1.FieldManager)); err != nil {
		return nil, fmt.Errorf("issue a façade token: create Secret %q: %w", secret.Name, err)
	}
	return secret, nil
}

// patchToken changes the metadata of the Secret that was read, and of no other of its name.
func (r *Reconciler) patchToken(ctx context.Context, f *facts, name string, metadata map[string]any) error {
	metadata["uid"] = f.token(name).uid
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return err
	}
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	secret.SetNamespace(f.settings.kubeFedNamespace)
	secret.SetName(name)
	return r.client.Patch(ctx, secret, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(v1alpha1.FieldManager))
}

// labelPatch returns a merge patch that gives labels cellfed's values and takes away what else is under its keys.
func labelPatch(live, want map[string]string) map[string]any {
	patch := map[string]any{}
	for key := range reservedLabels(live) {
		patch[key] = nil
	}
	for key, value := range want {
		patch[key] = value
	}
	return patch
}

// revoke deletes the Secrets of tokens.
func (r *Reconciler) revoke(ctx context.Context, f *facts, names []string, tell func(occurrence)) error {
	for _, name := range names {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: f.settings.kubeFedNamespace, Name: name}}
		err := r.client.Delete(ctx, secret, client.Preconditions{UID: ptr.To(f.token(name).uid)})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("revoke the façade token in Secret %q: %w", name, err)
		}
		tokensRevoked.Inc()
		tell(tokenRevoked(name))
	}
	return nil
}

// token returns the token in the Secret of that name, which must be among the facts.
func (f *facts) token(name string) token {
	for _, t := range f.tokens {
		if t.name == name {
			return t
		}
	}
	return token{name: name}
}

// applyCluster makes the KubeFedCluster what it should be, or deletes it.
//
// Server-side apply would take over whatever has the name. So a new one is created, which fails when there is one, and
// one that is there is applied on condition that it is still the one that was judged.
func (r *Reconciler) applyCluster(ctx context.Context, f *facts, p plan, tell func(occurrence)) error {
	name := f.clusterName()
	switch p.cluster {
	case clusterCreate:
		if err := r.createCluster(ctx, f, p.tokens.use); err != nil {
			return fmt.Errorf("create KubeFedCluster %q: %w", name, err)
		}
		if _, err := r.patchCluster(ctx, f, p.tokens.use); err != nil {
			return fmt.Errorf("apply KubeFedCluster %q: %w", name, err)
		}
		tell(clusterCreated(name))
	case clusterApply:
		changed, err := r.patchCluster(ctx, f, p.tokens.use)
		if err != nil {
			return fmt.Errorf("apply KubeFedCluster %q: %w", name, err)
		}
		if changed {
			tell(clusterApplied(name))
		}
	case clusterDelete:
		err := r.client.Delete(ctx, f.own, client.Preconditions{UID: ptr.To(f.own.UID)})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete KubeFedCluster %q: %w", name, err)
		}
		tell(clusterDeleted(name))
	}
	return nil
}

// createCluster creates the KubeFedCluster with what never goes away again: what is created belongs to this request,
// and only what is applied can be given up by a later apply.
func (r *Reconciler) createCluster(ctx context.Context, f *facts, secret string) error {
	desired := desiredCluster(f, secret)
	created := &kubefedv1beta1.KubeFedCluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   desired.Namespace,
			Name:        desired.Name,
			Annotations: desired.Annotations,
			Labels:      map[string]string{},
		},
		Spec: desired.Spec,
	}
	for _, key := range []string{v1alpha1.GeneratedLabel, v1alpha1.NamespaceLabel, v1alpha1.CellLabel, v1alpha1.TopologyTypeLabel} {
		created.Labels[key] = desired.Labels[key]
	}
	if err := r.client.Create(ctx, created, client.FieldOwner(v1alpha1.FieldManager)); err != nil {
		return err
	}
	f.own = created
	return nil
}

// patchCluster applies the KubeFedCluster, and reports whether that changed it.
func (r *Reconciler) patchCluster(ctx context.Context, f *facts, secret string) (bool, error) {
	desired := desiredCluster(f, secret)
	config := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{
			"apiEndpoint":            desired.Spec.APIEndpoint,
			"caBundle":               base64.StdEncoding.EncodeToString(desired.Spec.CABundle),
			"secretRef":              map[string]any{"name": desired.Spec.SecretRef.Name},
			"disabledTLSValidations": []any{},
			"proxyURL":               desired.Spec.ProxyURL,
		},
	}}
	config.SetGroupVersionKind(kubefedv1beta1.SchemeGroupVersion.WithKind("KubeFedCluster"))
	config.SetNamespace(desired.Namespace)
	config.SetName(desired.Name)
	config.SetUID(f.own.UID)
	config.SetLabels(desired.Labels)
	config.SetAnnotations(desired.Annotations)
	err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(config), client.FieldOwner(v1alpha1.FieldManager), client.ForceOwnership)
	if err != nil {
		return false, err
	}
	applied := &kubefedv1beta1.KubeFedCluster{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(config.Object, applied); err != nil {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	changed := applied.ResourceVersion != f.own.ResourceVersion
	f.own = applied
	return changed, nil
}

// applyNamespace makes the FederatedNamespace, or puts right the one that cellfed made.
func (r *Reconciler) applyNamespace(ctx context.Context, f *facts, step namespaceStep, tell func(occurrence)) error {
	if step == "" {
		return nil
	}
	kind, namespace := f.federation.kind, f.cell.Namespace
	objects := r.dynamic.Resource(f.federation.resource).Namespace(namespace)
	if step == namespaceCreate {
		created, err := objects.Create(ctx,
			newFederatedNamespace(f.federation.resource.GroupVersion().String(), kind, namespace),
			metav1.CreateOptions{FieldManager: v1alpha1.FieldManager})
		if err != nil {
			return fmt.Errorf("create %s %q: %w", kind, namespace, err)
		}
		f.federation.object = created
		tell(namespaceFederated(kind, namespace))
		return nil
	}
	live, err := objects.Get(ctx, namespace, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get %s %q: %w", kind, namespace, err)
	}
	if !generated(live) {
		return nil
	}
	corrected := live.DeepCopy()
	placeOnCells(corrected, f.federation.typed)
	patch, err := client.MergeFromWithOptions(live, client.MergeFromWithOptimisticLock{}).Data(corrected)
	if err != nil {
		return fmt.Errorf("correct %s %q: %w", kind, namespace, err)
	}
	written, err := objects.Patch(ctx, namespace, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: v1alpha1.FieldManager})
	if err != nil {
		return fmt.Errorf("correct %s %q: %w", kind, namespace, err)
	}
	f.federation.object = written
	if written.GetResourceVersion() != live.GetResourceVersion() {
		tell(namespaceCorrected(kind, namespace))
	}
	return nil
}

// outdated reports whether an error says that the facts were: the plan is to be made again.
func outdated(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || replaced(err)
}

// replaced reports whether an apply was refused because the object of that name has another UID than the one that was
// judged, which the API server takes for an attempt to change it.
func replaced(err error) bool {
	status := apierrors.APIStatus(nil)
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(cause metav1.StatusCause) bool {
		return cause.Field == "metadata.uid"
	})
}
