// Package diff is the verb that shows what would change in each cell.
package diff

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/manifest"
)

const long = `Show what would change in each cell, before it does.

With TYPE/NAME, what is stored in the host cluster is rendered for each cell and compared
with what the cell's cluster holds: what a release would change in cells that the mask
holds, and what drifted in the others. What the template and the overrides set is
compared, and what cellfed has set before and would take away. What others own in a
cluster is neither shown nor touched.

With -f, manifests are compared with what is stored in the host cluster, both rendered for
each cell: what the change makes of each cell once it is released. This needs no access to
member clusters. Cells, FederatedTypePolicies and the like among the files count for the
new side. A mask that a manifest does not have is taken to stay as it is stored.

Member clusters are read with the credentials that they are registered with, which takes
the right to get Secrets in the KubeFed namespace: that is for administrators. Others can
give contexts of their own kubeconfig with --member-context. Nothing is ever written.

Cells with one difference are shown together; the namespace and the labels that tie an
object to its cell are left out then. Values of Secrets are hidden. A program named in
KUBECTL_EXTERNAL_DIFF shows the differences in place of the unified diff.

The exit code is 0 where nothing differs, 1 where something does, and above 1 where it
could not be told.`

const example = `  # What a release would change in the cells that are held
  kubectl cells diff deployment/pay

  # In two cells, with credentials of your own
  kubectl cells diff deployment/pay --cell rz00a,rz01a --member-context hz-a=hangzhou,sh-b=shanghai

  # What a commit changes, cell by cell
  kubectl cells diff -f deploy/ -R`

// The exit codes are kubectl diff's.
const (
	codeDiffers = 1
	codeFailed  = 2
)

// Options are what the verb is told.
type Options struct {
	genericiooptions.IOStreams
	Files manifest.Files
	// Object is TYPE/NAME, or TYPE and NAME.
	Object []string
	// Cells are the names of Cells, or of KubeFedClusters; none are all that the object is placed on.
	Cells []string
	// Contexts are those of the caller's kubeconfig, by the name of the member cluster.
	Contexts map[string]string

	kube *kube.Kube
}

// New returns the command.
func New(k *kube.Kube) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:     "diff (TYPE/NAME | -f FILE) [--cell CELL]",
		Short:   "Show what would change in each cell",
		Long:    long,
		Example: example,
		Args: func(cmd *cobra.Command, args []string) error {
			return failed(cobra.MaximumNArgs(2)(cmd, args))
		},
		ValidArgsFunction: completion.Object(k),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Complete(k, args)
			if err := o.Validate(); err != nil {
				return failed(err)
			}
			return failed(o.Run(cmd.Context()))
		},
	}
	o.Files.AddFlags(cmd.Flags())
	cmd.Flags().StringSliceVar(&o.Cells, "cell", nil, "Cells to compare, or KubeFedClusters where the object names clusters. Without it, all that the object is placed on.")
	cmd.Flags().StringToStringVar(&o.Contexts, "member-context", nil, "Context of the kubeconfig to read a member cluster with, as CLUSTER=CONTEXT. Can be given several times.")
	// It fails for a flag that is not there or completed already: neither can be.
	_ = cmd.RegisterFlagCompletionFunc("cell", completion.CellFlag(k))
	return cmd
}

// failed has an error end the program as kubectl diff ends: 1 would say that something differs.
func failed(err error) error {
	if err == nil || exit.Message(err) == "" || exit.Code(err) > codeDiffers {
		return err
	}
	return &exit.Error{Code: codeFailed, Err: err}
}

// Complete takes what the command line says.
func (o *Options) Complete(k *kube.Kube, args []string) {
	o.IOStreams, o.kube, o.Object = k.IOStreams, k, args
}

// Validate refuses what cannot be meant.
func (o *Options) Validate() error {
	switch {
	case len(o.Object) > 0 && len(o.Files.Names) > 0:
		return exit.Usagef("both an object, %q, and --filename are given: give one of them", strings.Join(o.Object, " "))
	case len(o.Object) == 0 && len(o.Files.Names) == 0:
		return exit.Usagef("nothing to compare: name an object, such as deployment/pay, or a file with -f")
	case len(o.Files.Names) > 0 && len(o.Contexts) > 0:
		return exit.Usagef("--member-context goes with an object: with --filename no member cluster is read")
	}
	return nil
}

// Run compares and prints.
func (o *Options) Run(ctx context.Context) error {
	compare := o.withStored
	if len(o.Object) > 0 {
		compare = o.withLive
	}
	all, failed := compare(ctx)
	// What could be told is told, also where some of it could not.
	if err := o.print(all); failed == nil || err != nil && exit.Message(err) != "" {
		return err
	}
	return failed
}
