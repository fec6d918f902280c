package apiserver

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"github.com/cellfed/cellfed/controlplane/internal/pki"
	"github.com/cellfed/cellfed/controlplane/internal/readiness"
)

// renewInterval is the time between two looks at the certificates of a server that runs.
const renewInterval = 12 * time.Hour

// addBootstrapHook adds a hook that ends once every cluster's namespaces exist and custom resource
// definitions are served. A hook that has not ended keeps /readyz from answering 200.
func addBootstrapHook(server *genericapiserver.GenericAPIServer) error {
	return server.AddPostStartHook("cellfed-bootstrap", func(hook genericapiserver.PostStartHookContext) error {
		client, err := kubernetes.NewForConfig(hook.LoopbackClientConfig)
		if err != nil {
			return err
		}
		extensions, err := apiextensions.NewForConfig(hook.LoopbackClientConfig)
		if err != nil {
			return err
		}
		if err := readiness.WaitBootstrap(hook, client, extensions); err != nil && hook.Err() == nil {
			return err
		}
		return nil // done, or the server stops
	})
}

// waitReady waits until a client with the administrator's kubeconfig finds the server ready, or ctx
// ends.
func (v *validated) waitReady(ctx context.Context) bool {
	if err := readiness.Wait(ctx, v.dir.AdminKubeconfig()); err != nil {
		return false
	}
	// Half of the memory in use now is what the start left behind.
	debug.FreeOSMemory()
	return true
}

// announce writes the line that says that the server is ready.
func (v *validated) announce(in *instance) {
	_, _ = fmt.Fprintf(in.out, "API server ready at %s, kubeconfig %s (after %.1f s)\n",
		v.url(in.port), v.dir.AdminKubeconfig(), time.Since(in.started).Seconds())
}

// renew replaces certificates that come near their end while the server runs. kube-apiserver loads a
// changed serving certificate by itself.
func (v *validated) renew(ctx context.Context, port int) {
	wait.UntilWithContext(ctx, func(context.Context) {
		files, err := v.writeFiles(port)
		if err != nil {
			klog.ErrorS(err, "Certificates could not be renewed")
			return
		}
		logRenewed(files)
	}, renewInterval)
}

func logRenewed(files *pki.Files) {
	if len(files.Renewed) > 0 {
		klog.InfoS("Made keys and certificates", "names", files.Renewed, "directory", files.Dir)
	}
}
