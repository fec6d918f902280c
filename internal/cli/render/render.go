// Package render is the verb that shows what a cell gets of a federated object.
package render

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/manifest"
	"github.com/cellfed/cellfed/internal/cli/manifest/facts"
	"github.com/cellfed/cellfed/internal/cli/printing"
	"github.com/cellfed/cellfed/internal/federated"
)

const long = `Show what cells get of a federated object: the template with the cell's overrides,
in the cell's namespace in its cluster, with the labels that tell whose it is.

TYPE/NAME is read from the host cluster. With -f manifests are rendered without a
cluster: the same files tell the Cells, the FederatedTypeConfigs and the
FederatedTypePolicies, and what they do not tell is assumed, each assumption being told
on standard error. --with-host has the host cluster tell the rest.

Without --cell all cells and clusters are shown that the object is placed on. A cell
that it is not placed on can be named too. What is rendered is what is sent to the
cluster: the fields that a cluster keeps its own, as the FederatedTypePolicy retains
them, are shown as the template has them. Values of Secrets are shown as they are.`

const example = `  # What cell rz01a gets
  kubectl cells render deployment/pay --cell rz01a

  # Everything that a change makes, before it is committed
  kubectl cells render -f deploy/`

// Options are what the verb is told.
type Options struct {
	genericiooptions.IOStreams
	Files manifest.Files
	// Object is TYPE/NAME, or TYPE and NAME.
	Object []string
	// Cells are the names of Cells, or of KubeFedClusters; none are all that the object is placed on.
	Cells []string
	// Output is yaml or json; empty means yaml.
	Output string
	// WithHost takes facts from the host cluster beside the files.
	WithHost bool

	kube *kube.Kube
}

// New returns the command.
func New(k *kube.Kube) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:     "render (TYPE/NAME | -f FILE) [--cell CELL]",
		Short:   "Show what cells get of a federated object",
		Long:    long,
		Example: example,
		Args:    cobra.MaximumNArgs(2),

		ValidArgsFunction: completion.Object(k),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Complete(k, args)
			if err := o.Validate(); err != nil {
				return err
			}
			return o.Run(cmd.Context())
		},
	}
	o.Files.AddFlags(cmd.Flags())
	cmd.Flags().StringSliceVar(&o.Cells, "cell", nil, "Cells to show, or KubeFedClusters where the object names clusters. Without it, all that the object is placed on.")
	cmd.Flags().StringVarP(&o.Output, "output", "o", "", "How to print: yaml or json.")
	cmd.Flags().BoolVar(&o.WithHost, "with-host", false, "With -f, have the host cluster tell what the files do not.")
	// They fail for a flag that is not there or completed already: neither can be.
	_ = cmd.RegisterFlagCompletionFunc("cell", completion.CellFlag(k))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{printing.FormYAML, printing.FormJSON}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// Complete takes what the command line says.
func (o *Options) Complete(k *kube.Kube, args []string) {
	o.IOStreams, o.kube, o.Object = k.IOStreams, k, args
}

// Validate refuses what cannot be meant.
func (o *Options) Validate() error {
	switch {
	case o.Output != "" && o.Output != printing.FormYAML && o.Output != printing.FormJSON:
		return exit.Usagef("--output %q is not known: use yaml or json", o.Output)
	case len(o.Object) > 0 && len(o.Files.Names) > 0:
		return exit.Usagef("both an object, %q, and --filename are given: give one of them", strings.Join(o.Object, " "))
	case len(o.Object) == 0 && len(o.Files.Names) == 0:
		return exit.Usagef("nothing to render: name an object, such as deployment/pay, or a file with -f")
	case len(o.Object) > 0 && o.WithHost:
		return exit.Usagef("--with-host goes with --filename: an object of the host cluster is always rendered with what that holds")
	}
	return nil
}

// Run renders and prints, all or nothing.
func (o *Options) Run(ctx context.Context) error {
	objects, known, err := o.read(ctx)
	if err != nil {
		return err
	}
	var all []shown
	var failed []error
	told := notes{}
	for _, u := range objects {
		these, err := o.render(known, u, len(objects) > 1, &told)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s %q: %w", u.GetKind(), u.GetName(), err))
		}
		all = append(all, these...)
	}
	for _, note := range told.all {
		fmt.Fprintln(o.ErrOut, note)
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("none of the objects is placed on %s", cmp.Or(strings.Join(o.Cells, ", "), "a cell or a cluster"))
	}
	return o.print(all)
}

// read returns the federated objects to render and what surrounds them.
func (o *Options) read(ctx context.Context) ([]*unstructured.Unstructured, *facts.Known, error) {
	known := facts.New(o.kube.KubeFedNamespace)
	if len(o.Object) > 0 {
		_, u, err := o.kube.Object(ctx, o.Object)
		if err != nil {
			return nil, nil, err
		}
		return []*unstructured.Unstructured{u}, known, o.load(ctx, known, u)
	}
	documents, err := o.Files.Read(o.In)
	if err != nil {
		return nil, nil, err
	}
	objects, err := facts.Gather(known, documents, o.namespace())
	if err != nil {
		return nil, nil, err
	}
	if len(objects) == 0 {
		return nil, nil, fmt.Errorf("--filename: there is no object of the group %s in %s: name a file with one", federated.Group, strings.Join(o.Files.Names, ", "))
	}
	if o.WithHost {
		err = o.load(ctx, known, objects...)
	}
	return objects, known, err
}

func (o *Options) namespace() string {
	if o.kube.Flags != nil && o.kube.Flags.Namespace != nil {
		return *o.kube.Flags.Namespace
	}
	return ""
}

// load has the host cluster tell what is not known.
func (o *Options) load(ctx context.Context, known *facts.Known, objects ...*unstructured.Unstructured) error {
	client, err := o.kube.Client()
	if err != nil {
		return err
	}
	var namespaces []string
	for _, u := range objects {
		namespaces = append(namespaces, u.GetNamespace())
	}
	slices.Sort(namespaces)
	_, err = known.Load(ctx, client, slices.Compact(namespaces))
	return err
}

// notes are sentences for standard error, each told once.
type notes struct{ all []string }

func (n *notes) tell(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(n.all, text) {
		n.all = append(n.all, text)
	}
}

// shown is an object in a place.
type shown struct {
	place  facts.Place
	object *unstructured.Unstructured
}

// render returns what the chosen places get of an object, of which there may be several.
func (o *Options) render(known *facts.Known, u *unstructured.Unstructured, several bool, told *notes) ([]shown, error) {
	t, err := known.Type(u)
	if err != nil {
		return nil, err
	}
	object, err := federated.Decode(u)
	if err != nil {
		return nil, err
	}
	places, assumed, err := known.Places(object, t)
	if err != nil {
		return nil, err
	}
	chosen, missing := facts.Choose(places, o.Cells)
	if several {
		// Not every object of a directory is meant for the cell.
		chosen = slices.DeleteFunc(chosen, func(p facts.Place) bool { return !p.Placed })
		if len(chosen) == 0 {
			return nil, nil
		}
	} else if len(missing) > 0 {
		return nil, fmt.Errorf("--cell: it cannot reach %s: name one of %s", strings.Join(missing, ", "), facts.Names(places))
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("it is placed nowhere: place it, or name a cell with --cell: %s", facts.Names(places))
	}
	for _, assumption := range append(t.Assumed, assumed...) {
		told.tell("assumed: %s", assumption)
	}
	var all []shown
	for i := range chosen {
		r, err := t.Render(object, &chosen[i])
		if err != nil {
			return nil, err
		}
		if chosen[i].Assumed != "" {
			told.tell("assumed: %s", chosen[i].Assumed)
		}
		if !chosen[i].Placed {
			told.tell("%s %q is not placed on %s: this is what it would get", u.GetKind(), u.GetName(), &chosen[i])
		}
		for _, dropped := range r.Dropped {
			told.tell("%s %q: metadata of the template that is not propagated: %s", u.GetKind(), u.GetName(), dropped)
		}
		all = append(all, shown{chosen[i], r.Object})
	}
	return all, nil
}

// print prints one object as it is, and several with a comment that says where each belongs.
func (o *Options) print(all []shown) error {
	var text strings.Builder
	if o.Output == printing.FormJSON {
		objects := make([]runtime.Object, 0, len(all))
		for _, s := range all {
			objects = append(objects, s.object)
		}
		var value any = printing.NewList(objects...)
		if len(objects) == 1 {
			value = objects[0]
		}
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "    ")
		if err := encoder.Encode(value); err != nil {
			return fmt.Errorf("encode the output as JSON: %w", err)
		}
	} else {
		for i, s := range all {
			if i > 0 {
				text.WriteString("---\n")
			}
			if len(all) > 1 {
				fmt.Fprintf(&text, "# %s\n", &s.place)
			}
			content, err := yaml.Marshal(s.object.Object)
			if err != nil {
				return fmt.Errorf("encode the output as YAML: %w", err)
			}
			text.Write(content)
		}
	}
	if _, err := io.WriteString(o.Out, text.String()); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}
