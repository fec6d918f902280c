// Package status tells how federated objects fare: one of them in each of its cells, or all of a namespace by all cells.
package status

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/printing"
)

// defaultTimeout is how long --wait waits.
const defaultTimeout = 5 * time.Minute

// Options are the verb's arguments and flags.
type Options struct {
	// Args name an object: TYPE/NAME or TYPE NAME. Without any, all objects are asked for.
	Args []string
	// AllNamespaces, Selector, Watch, Wait, Timeout and Print are the flags.
	AllNamespaces bool
	Selector      string
	Watch         bool
	Wait          bool
	Timeout       time.Duration
	Print         printing.Flags

	kube     *kube.Kube
	now      func() time.Time
	selector labels.Selector
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command {
	return newCommand(&Options{kube: k, now: time.Now})
}

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [TYPE/NAME | TYPE NAME]",
		Short: "Tell how federated objects fare in each cell",
		Long: `Tell how a federated object fares in each of its cells or clusters: the generation that it has there, whether it is in sync, held,
on its way or failed and since when, whether it works there, and what is wrong.

Without an object it tells of all objects of the namespace, or with -A of all namespaces: one line an object, one mark a cell.

With --wait it waits until all that the placement mask releases is in sync and, for kinds that say so, available, and ends with the
exit code 3 if that is not so in time. What is held is not waited for. With --timeout 0s it does not wait but asks: 0 for yes, 3 for no.

It tells what the object's status says, and asks no member. Of a type that KubeFed propagates less is known; a note says so.`,
		Example: `
# One object
kubectl cells status deployment/pay

# All objects of the namespace, one mark a cell
kubectl cells status

# The objects of one application
kubectl cells status -l app=pay

# In a pipeline: wait for the canary
kubectl cells status deployment/pay --wait --timeout 10m`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: completion.Object(o.kube),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Args = args
			if err := o.Validate(cmd.Flags().Changed("timeout")); err != nil {
				return err
			}
			return o.Run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.AllNamespaces, "all-namespaces", "A", false, "Tell of the objects of all namespaces.")
	flags.StringVarP(&o.Selector, "selector", "l", "", "Tell of the federated objects that this label selector selects.")
	flags.BoolVarP(&o.Watch, "watch", "w", false, "Go on, and tell again whenever something changes.")
	flags.BoolVar(&o.Wait, "wait", false, "Wait until all that is released is in sync and available; the exit code is 3 if it is not in time.")
	flags.DurationVar(&o.Timeout, "timeout", defaultTimeout, "How long --wait waits; 0s asks once.")
	o.Print.AddFlags(cmd)
	return cmd
}

// Validate refuses what does not go together.
func (o *Options) Validate(timeoutGiven bool) error {
	if err := o.Print.Validate(); err != nil {
		return err
	}
	var err error
	if o.selector, err = labels.Parse(o.Selector); err != nil {
		return exit.Usagef("--selector %q: %w: write it as app=pay,tier!=batch", o.Selector, err)
	}
	switch {
	case len(o.Args) > 0 && o.Selector != "":
		return exit.Usagef("an object cannot be named together with --selector: give one of them")
	case len(o.Args) > 0 && o.AllNamespaces:
		return exit.Usagef("an object cannot be named together with --all-namespaces: choose its namespace with -n")
	case o.Wait && len(o.Args) == 0:
		return exit.Usagef("--wait is for one object: name it as TYPE/NAME")
	case o.Wait && o.Watch:
		return exit.Usagef("--wait and --watch do not go together: give one of them")
	case timeoutGiven && !o.Wait:
		return exit.Usagef("--timeout is for --wait: give both, or none")
	case o.Timeout < 0:
		return exit.Usagef("--timeout %s is less than nothing: give 0s to ask once, or a time such as 5m", o.Timeout)
	case o.Print.Output == printing.FormName && len(o.Args) == 0:
		return nil
	}
	if len(o.Args) > 0 {
		_, _, err := kube.SplitObject(o.Args)
		return err
	}
	return nil
}

// Run tells.
func (o *Options) Run(ctx context.Context) error {
	if len(o.Args) > 0 {
		return o.one(ctx)
	}
	return o.all(ctx)
}

// clear empties the screen that is watched; where there is none, a line parts what is told from what was told before.
func (o *Options) clear(first bool) {
	switch {
	case printing.IsTerminal(o.kube.Out) && !o.Print.Structured():
		fmt.Fprint(o.kube.Out, "\x1b[H\x1b[2J")
	case first:
	case o.Print.Output == printing.FormYAML:
		fmt.Fprintln(o.kube.Out, "---")
	case !o.Print.Structured():
		fmt.Fprintln(o.kube.Out)
	}
}
