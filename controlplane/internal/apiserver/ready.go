package apiserver

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"github.com/cellfed/cellfed/controlplane/internal/pki"
	"github.com/cellfed/cellfed/controlplane/internal/readiness"
)

// bootstrapPollInterval is the time between two looks at what a starting server has made.
const bootstrapPollInterval = 50 * time.Millisecond

// renewInterval is the time between two looks at the certificates of a server that runs.
const renewInterval = 12 * time.Hour

// bootstrapNamespaces are made by a controller that kube-apiserver's own readiness does not wait for.
var bootstrapNamespaces = []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic}

// addBootstrapHook adds a hook that ends once the namespaces exist and custom resource definitions are
// served. A hook that has not ended keeps /readyz from answering 200.
func addBootstrapHook(server *genericapiserver.GenericAPIServer) error {
	return server.AddPostStartHook("cellfed-bootstrap", func(hook genericapiserver.PostStartHookContext) error {
		client, err := kubernetes.NewForConfig(hook.LoopbackClientConfig)
		if err != nil {
			return err
		}
		extensions, err := apiextensionsclient.NewForConfig(hook.LoopbackClientConfig)
		if err != nil {
			return err
		}
		err = wait.PollUntilContextCancel(hook, bootstrapPollInterval, true, func(ctx context.Context) (bool, error) {
			for _, name := range bootstrapNamespaces {
				if _, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err != nil {
					return false, nil
				}
			}
			_, err := extensions.ApiextensionsV1().CustomResourceDefinitions().List(ctx, metav1.ListOptions{Limit: 1})
			return err == nil, nil
		})
		if hook.Err() != nil {
			return nil // the server stops
		}
		return err
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
