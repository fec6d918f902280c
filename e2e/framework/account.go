package framework

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// accountSeconds is how long a token of a service account is good, which is longer than any suite takes.
const accountSeconds = 7200

// AccountConfig returns what a pod of a service account has to reach the cluster: its address, its authority and a token.
func (c *Cluster) AccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	admin, err := c.Config()
	if err != nil {
		return nil, err
	}
	if err := rest.LoadTLSFiles(admin); err != nil {
		return nil, fmt.Errorf("read the kubeconfig of %s: %w", c.Name, err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(accountSeconds))}}
	if err := c.Client.SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("request a token of %s/%s in %s: %w", namespace, name, c.Name, err)
	}
	return &rest.Config{Host: admin.Host, BearerToken: request.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: admin.CAData}}, nil
}

// WriteAccountKubeconfig writes a kubeconfig of AccountConfig's.
func (c *Cluster) WriteAccountKubeconfig(ctx context.Context, path, namespace, name string) error {
	config, err := c.AccountConfig(ctx, namespace, name)
	if err != nil {
		return err
	}
	return writeKubeconfig(path, "", map[string]*rest.Config{c.Name: config})
}
