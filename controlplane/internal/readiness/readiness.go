// Package readiness waits for an API server to be ready.
package readiness

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/cellfed/cellfed/controlplane/internal/datadir"
)

const (
	pollInterval = 50 * time.Millisecond
	// requestTimeout bounds one look, so that a server that accepts and says nothing is noticed.
	requestTimeout = 5 * time.Second
	// quiet is how long a wait goes on before it is spoken of.
	quiet = time.Second
)

// Wait waits until the API server that the kubeconfig names answers 200 at /readyz, or ctx ends. The
// kubeconfig may be written, and written anew, while Wait waits. An error tells what was seen last.
func Wait(ctx context.Context, kubeconfig string) error {
	last := fmt.Errorf("%s: %w", kubeconfig, fs.ErrNotExist)
	started, spoken := time.Now(), false
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		err := look(ctx, kubeconfig)
		if err == nil {
			return true, nil
		}
		// The end of the wait says nothing about the server.
		if !ended(ctx) {
			last = err
		}
		if !spoken && time.Since(started) > quiet {
			spoken = true
			klog.V(1).InfoS("Waiting for the API server", "kubeconfig", kubeconfig, "reason", last)
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("the API server is not ready: %w", last)
	}
	return nil
}

// ended tells whether ctx has ended, also in the moment between its deadline and its cancellation.
func ended(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

func look(ctx context.Context, kubeconfig string) error {
	if _, err := os.Stat(kubeconfig); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.Timeout = requestTimeout
	config.QPS = -1 // Wait sets the pace
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// WaitDataDir waits for the API server of a data directory, timeout at most. The end of ctx is no
// error here: whoever starts next ends with it.
func WaitDataDir(ctx context.Context, dir datadir.Dir, timeout time.Duration) error {
	waitCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := Wait(waitCtx, dir.AdminKubeconfig()); err != nil && ctx.Err() == nil {
		return fmt.Errorf("--data-dir %q: waited %s (--wait-timeout): %w: start `controlplane apiserver` with the same --data-dir first", string(dir), timeout, err)
	}
	return nil
}
