// Package version tells which versions are at work.
package version

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/printing"
)

// The labels and the container of the manager's Deployment.
const (
	componentLabel = "app.kubernetes.io/component"
	nameLabel      = "app.kubernetes.io/name"
	component      = "manager"
	product        = "cellfed"
)

// Client is this program.
type Client struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Manager is cellfed in the host cluster.
type Manager struct {
	Namespace  string `json:"namespace"`
	Deployment string `json:"deployment"`
	Image      string `json:"image"`
	Ready      int32  `json:"readyReplicas"`
	Replicas   int32  `json:"replicas"`
}

// Versions is what -o json and -o yaml print.
type Versions struct {
	Client Client `json:"client"`
	// Manager is absent where it was not asked for, or nobody can tell.
	Manager *Manager `json:"manager,omitempty"`
}

// Options are the verb's flags.
type Options struct {
	kube   *kube.Kube
	print  printing.Flags
	client bool
	info   Client
}

// New returns a function that makes the verb of a client of that version.
func New(clientVersion string) func(*kube.Kube) *cobra.Command {
	return func(k *kube.Kube) *cobra.Command {
		o := &Options{kube: k, info: Client{clientVersion, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}}
		cmd := &cobra.Command{
			Use:   "version",
			Short: "Tell the versions of this program and of the manager",
			Long: `Tell the versions of this program and of cellfed's manager in the host cluster. The manager's is its image, which takes the right
to read Deployments in the KubeFed namespace: without it only this program's is told.`,
			Example: `
# This program and the manager
kubectl cells version

# This program alone: the host cluster is not asked
kubectl cells version --client`,
			Args:              cobra.NoArgs,
			ValidArgsFunction: cobra.NoFileCompletions,
			RunE: func(cmd *cobra.Command, _ []string) error {
				if err := o.validate(); err != nil {
					return err
				}
				return o.run(cmd.Context())
			},
		}
		cmd.Flags().StringVarP(&o.print.Output, "output", "o", "", "How to print: text, json or yaml.")
		cmd.Flags().BoolVar(&o.client, "client", false, "Tell this program's version alone.")
		_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
		return cmd
	}
}

func (o *Options) validate() error {
	switch o.print.Output {
	case "", "text", printing.FormJSON, printing.FormYAML:
		return nil
	default:
		return exit.Usagef("--output %q is not known: use text, json or yaml", o.print.Output)
	}
}

func (o *Options) run(ctx context.Context) error {
	versions := Versions{Client: o.info}
	var asked error
	if !o.client {
		versions.Manager, asked = find(ctx, o.kube)
	}
	if o.print.Structured() {
		if asked != nil {
			fmt.Fprintf(o.kube.ErrOut, "note: %v\n", asked)
		}
		return o.print.Print(o.kube.Out, printing.Table{}, versions, nil)
	}
	fmt.Fprintf(o.kube.Out, "Client:  %s (%s, %s)\n", o.info.Version, o.info.Go, o.info.Platform)
	switch {
	case asked != nil:
		fmt.Fprintf(o.kube.Out, "Manager: not known: %v\n", asked)
	case versions.Manager != nil:
		m := versions.Manager
		fmt.Fprintf(o.kube.Out, "Manager: %s (%s/%s, %d of %d ready)\n", m.Image, m.Namespace, m.Deployment, m.Ready, m.Replicas)
	}
	return nil
}

// find finds the manager's Deployment in the KubeFed namespace: by its labels, or else by its image.
func find(ctx context.Context, k *kube.Kube) (*Manager, error) {
	c, err := k.Client()
	if err != nil {
		return nil, err
	}
	list := &appsv1.DeploymentList{}
	err = c.List(ctx, list, client.InNamespace(k.KubeFedNamespace))
	if apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("you may not read Deployments in the namespace %s", k.KubeFedNamespace)
	}
	if err != nil {
		return nil, fmt.Errorf("list the Deployments in the namespace %s: %w", k.KubeFedNamespace, err)
	}
	for i := range list.Items {
		d := &list.Items[i]
		if d.Labels[componentLabel] != component {
			continue
		}
		for _, container := range d.Spec.Template.Spec.Containers {
			if container.Name == component && (d.Labels[nameLabel] == product || strings.Contains(d.Name+container.Image, product)) {
				replicas := int32(1)
				if d.Spec.Replicas != nil {
					replicas = *d.Spec.Replicas
				}
				return &Manager{Namespace: d.Namespace, Deployment: d.Name, Image: container.Image, Ready: d.Status.ReadyReplicas, Replicas: replicas}, nil
			}
		}
	}
	return nil, fmt.Errorf("there is no manager in the namespace %s: name another with --kubefed-namespace", k.KubeFedNamespace)
}
