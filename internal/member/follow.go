package member

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// Follower keeps the connections of a Pool as the KubeFedClusters and Secrets of a namespace say, also while nobody asks
// for them: what was replaced is closed, so that who watches through it comes again with what is valid now. It makes no
// connections. It is a manager.Runnable, and runs on every replica.
type Follower struct {
	// Pool is what is kept.
	Pool *Pool
	// Cache holds the KubeFedClusters and Secrets of Namespace.
	Cache cache.Cache
	// Namespace is the KubeFed namespace.
	Namespace string
	// Log tells of clusters whose registration became wrong.
	Log logr.Logger
}

// NeedLeaderElection says that every replica has connections of its own.
func (f *Follower) NeedLeaderElection() bool { return false }

// Start follows until the context ends. It leaves the connections open then: the façade may still be draining.
func (f *Follower) Start(ctx context.Context) error {
	for _, o := range []struct {
		object  client.Object
		handler toolscache.ResourceEventHandlerFuncs
	}{
		{&fedv1b1.KubeFedCluster{}, f.clusterHandler(ctx)},
		{&corev1.Secret{}, f.secretHandler(ctx)},
	} {
		informer, err := f.Cache.GetInformer(ctx, o.object)
		if err != nil {
			return fmt.Errorf("follow member clusters: %w", err)
		}
		registration, err := informer.AddEventHandler(o.handler)
		if err != nil {
			return fmt.Errorf("follow member clusters: %w", err)
		}
		defer informer.RemoveEventHandler(registration) //nolint:errcheck // The informer may be gone first.
	}
	<-ctx.Done()
	return nil
}

func (f *Follower) clusterHandler(ctx context.Context) toolscache.ResourceEventHandlerFuncs {
	return toolscache.ResourceEventHandlerFuncs{
		UpdateFunc: func(old, current any) {
			was, ok1 := old.(*fedv1b1.KubeFedCluster)
			is, ok2 := current.(*fedv1b1.KubeFedCluster)
			if !ok1 || !ok2 {
				return
			}
			if was.UID != is.UID {
				f.Pool.Forget(was.UID)
			}
			// Status changes every few seconds, the generation with the spec only.
			if was.UID != is.UID || was.Generation != is.Generation || is.Generation == 0 {
				f.refresh(ctx, is)
			}
		},
		DeleteFunc: func(gone any) {
			if tombstone, ok := gone.(toolscache.DeletedFinalStateUnknown); ok {
				gone = tombstone.Obj
			}
			if cluster, ok := gone.(*fedv1b1.KubeFedCluster); ok {
				f.Pool.Forget(cluster.UID)
			}
		},
	}
}

func (f *Follower) secretHandler(ctx context.Context) toolscache.ResourceEventHandlerFuncs {
	changed := func(object any) {
		if tombstone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
			object = tombstone.Obj
		}
		secret, ok := object.(*corev1.Secret)
		if !ok || secret.Namespace != f.Namespace {
			return
		}
		var clusters fedv1b1.KubeFedClusterList
		if err := f.Cache.List(ctx, &clusters, client.InNamespace(f.Namespace)); err != nil {
			f.Log.Error(err, "Cannot list the member clusters that use a Secret", "secret", secret.Name)
			return
		}
		for i := range clusters.Items {
			if clusters.Items[i].Spec.SecretRef.Name == secret.Name {
				f.refresh(ctx, &clusters.Items[i])
			}
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    changed,
		UpdateFunc: func(_, current any) { changed(current) },
		DeleteFunc: changed,
	}
}

// refresh brings the connection to a cluster, if there is one, to what its registration says now.
func (f *Follower) refresh(ctx context.Context, cluster *fedv1b1.KubeFedCluster) {
	if cluster.Namespace != f.Namespace || !f.Pool.has(cluster.UID) {
		return
	}
	secret, err := ReadSecret(ctx, f.Cache, cluster)
	if err == nil {
		_, err = f.Pool.Get(cluster, secret)
	}
	if err != nil {
		f.Log.Info("Closed the connection to a member cluster", "cluster", cluster.Name, "reason", err.Error())
		f.Pool.Forget(cluster.UID)
	}
}

// ReadSecret returns the Secret that a KubeFedCluster refers to, nil when there is none.
func ReadSecret(ctx context.Context, reader client.Reader, cluster *fedv1b1.KubeFedCluster) (*corev1.Secret, error) {
	if cluster.Spec.SecretRef.Name == "" {
		return nil, nil
	}
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Spec.SecretRef.Name}
	if err := reader.Get(ctx, key, &secret); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the Secret %q of member cluster %q: %w", key.Name, cluster.Name, err)
	}
	return &secret, nil
}
