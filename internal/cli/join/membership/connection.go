package membership

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/topology"
)

// Flags say how the member is reached by who runs the command.
type Flags struct {
	// Context is the context of the member in the kubeconfig.
	Context string
	// Kubeconfig is the member's. Empty means the host's.
	Kubeconfig string
	// Namespace is that of the account in the member.
	Namespace string

	// client and config are given by tests.
	client client.WithWatch
	config *rest.Config
}

// AddFlags adds the flags.
func (f *Flags) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.Context, "cluster-context", f.Context, "The context of the member in the kubeconfig.")
	fs.StringVar(&f.Kubeconfig, "member-kubeconfig", f.Kubeconfig, "The kubeconfig that reaches the member (default the one that reaches the host).")
	fs.StringVar(&f.Namespace, "member-namespace", f.Namespace, "The namespace of the account in the member (default the KubeFed namespace's name).")
}

// SetClient gives the flags a client of the member instead of a connection, for tests.
func (f *Flags) SetClient(c client.WithWatch, config *rest.Config) { f.client, f.config = c, config }

// Given reports whether a member is named.
func (f *Flags) Given() bool { return f.Context != "" || f.Kubeconfig != "" || f.client != nil }

// Member is a connection to a member.
type Member struct {
	client.WithWatch
	// Config is how the member is reached, its certificates read.
	Config *rest.Config
}

// Connect connects to the member.
func (f *Flags) Connect(k *kube.Kube) (*Member, error) {
	if f.client != nil {
		return &Member{WithWatch: f.client, Config: f.config}, nil
	}
	if !f.Given() {
		return nil, exit.Usagef("no member is named: give --cluster-context, a context of the kubeconfig, or --member-kubeconfig with a file of its own")
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	switch {
	case f.Kubeconfig != "":
		rules.ExplicitPath = f.Kubeconfig
	case k.Flags.KubeConfig != nil && *k.Flags.KubeConfig != "":
		rules.ExplicitPath = *k.Flags.KubeConfig
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.Context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read the configuration for the member: %w: see kubectl config get-contexts", err)
	}
	if err := rest.LoadTLSFiles(config); err != nil {
		return nil, fmt.Errorf("read the certificates of the member: %w", err)
	}
	config.WarningHandler = rest.NoWarnings{}
	c, err := client.NewWithWatch(config, client.Options{Scheme: kube.Scheme()})
	if err != nil {
		return nil, fmt.Errorf("reach the member at %s: %w", config.Host, err)
	}
	return &Member{WithWatch: c, Config: config}, nil
}

// UID tells which cluster it is.
func (m *Member) UID(ctx context.Context) (string, error) {
	namespace := &corev1.Namespace{}
	if err := m.Get(ctx, client.ObjectKey{Name: "kube-system"}, namespace); err != nil {
		return "", fmt.Errorf("tell which cluster the member is, by its namespace kube-system: %w", err)
	}
	return string(namespace.UID), nil
}

// HostUID tells which host it is, by its KubeFed namespace.
func HostUID(ctx context.Context, k *kube.Kube) (string, error) {
	c, err := k.Client()
	if err != nil {
		return "", err
	}
	namespace := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: k.KubeFedNamespace}, namespace); err != nil {
		return "", fmt.Errorf("read the namespace %q of KubeFed in the host cluster: %w: choose another with --kubefed-namespace", k.KubeFedNamespace, err)
	}
	return string(namespace.UID), nil
}

// Complete offers the names of the physical clusters.
func Complete(k *kube.Kube) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, err := k.Client()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		clusters := &kubefedv1beta1.KubeFedClusterList{}
		if err := c.List(cmd.Context(), clusters, client.InNamespace(k.KubeFedNamespace)); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for i := range clusters.Items {
			if !topology.StandsForCell(clusters.Items[i].Labels) {
				names = append(names, clusters.Items[i].Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
