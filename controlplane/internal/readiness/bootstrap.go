package readiness

import (
	"context"
	"fmt"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// bootstrapNamespaces are made by a controller that kube-apiserver's own readiness does not wait for.
var bootstrapNamespaces = []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic}

// WaitBootstrap waits until the namespaces that every cluster has are there and custom resource
// definitions are served, or ctx ends. An error tells what was missing last.
func WaitBootstrap(ctx context.Context, client kubernetes.Interface, extensions apiextensions.Interface) error {
	var missing error
	if err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		missing = bootstrapped(ctx, client, extensions)
		return missing == nil, nil
	}); err != nil {
		return fmt.Errorf("the API server has not made what every cluster has: %w", missing)
	}
	return nil
}

func bootstrapped(ctx context.Context, client kubernetes.Interface, extensions apiextensions.Interface) error {
	for _, name := range bootstrapNamespaces {
		if _, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
	}
	_, err := extensions.ApiextensionsV1().CustomResourceDefinitions().List(ctx, metav1.ListOptions{Limit: 1})
	return err
}
