// Package mask tells and sets the placement mask of an object.
package mask

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/masking"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// Options are the verb's arguments and flags.
type Options struct {
	// Cells, None and Clear say what the mask is to be. Without any the verb tells what it is.
	Cells []string
	None  bool
	Clear bool

	kube   *kube.Kube
	change *masking.Change
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command {
	return newCommand(&Options{kube: k, change: masking.NewChange(k)})
}

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mask TYPE/NAME [--cells CELL,... | --none | --clear]",
		Short: "Tell or set which cells a change may touch",
		Long: `Tell the placement mask of an object, or set it to something: to the cells given, to none of them, so that everything is held, or, with
--clear, to no mask at all, so that everything that is placed or will be gets what the object says.

kubectl cells hold and release change the mask step by step, and are safer where several people work: this verb replaces it, and stops if
somebody else has changed it meanwhile.

Without a flag that sets something -o json and yaml print what the mask is as "mask", null for none, beside the names of what is released
and of what is held. With one they print the object.`,
		Example: `
# Tell it
kubectl cells mask deployment/pay

# Release the first site, and hold the rest
kubectl cells mask deployment/pay --cells rz00a,rz00b`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completion.Object(o.kube),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.change.Object = args[0]
			set, err := o.validate(cmd)
			if err != nil {
				return err
			}
			if set {
				return o.change.Run(cmd.Context())
			}
			return o.tell(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Cells, "cells", nil, "The cells, or clusters, that a change may touch. All others are held.")
	flags.BoolVar(&o.None, "none", false, "Hold everything: the mask names nothing.")
	flags.BoolVar(&o.Clear, "clear", false, "Remove the mask: everything is released.")
	// It fails for a flag that is not there or completed already: neither can be.
	_ = cmd.RegisterFlagCompletionFunc("cells", completion.CellFlag(o.kube))
	o.change.AddFlags(cmd)
	return cmd
}

// validate tells whether something is to be set, and refuses what does not go together.
func (o *Options) validate(cmd *cobra.Command) (set bool, err error) {
	cells := cmd.Flags().Changed("cells")
	asked := 0
	for _, given := range []bool{cells, o.None, o.Clear} {
		if given {
			asked++
		}
	}
	switch {
	case asked > 1:
		return false, exit.Usagef("--cells, --none and --clear exclude one another: give one of them")
	case cells && (len(o.Cells) == 0 || slices.Contains(o.Cells, "")):
		return false, exit.Usagef("--cells names no cell: name some, or give --none to hold everything")
	case o.Clear:
		o.change.Intent = masking.Intent{Action: masking.Clear}
	case asked > 0:
		o.change.Intent = masking.Intent{Action: masking.Set, Names: o.Cells}
	default:
		for _, name := range []string{"wait", "force-conflicts", "dry-run"} {
			if cmd.Flags().Changed(name) {
				return false, exit.Usagef("--%s is for a mask that is set: give --cells, --none or --clear", name)
			}
		}
	}
	return asked > 0, o.change.Validate(cmd.Flags().Changed("timeout"))
}

// Told is what -o json and yaml print of a mask.
type Told struct {
	Type         string `json:"type"`
	Namespace    string `json:"namespace,omitempty"`
	Name         string `json:"name"`
	TopologyType string `json:"topologyType"`
	// Mask is null for none.
	Mask *matrix.Mask `json:"mask"`
	// Released and Held are the topologies that the object is placed on, or still is in.
	Released []string `json:"released"`
	Held     []string `json:"held"`
}

// tell tells the mask.
func (o *Options) tell(ctx context.Context) error {
	t, object, err := o.kube.Object(ctx, []string{o.change.Object})
	if err != nil {
		return err
	}
	s, err := masking.Read(ctx, o.kube, t, object)
	if err != nil {
		return err
	}
	m := s.Matrix()
	told := Told{
		Type: m.Type, Namespace: m.Namespace, Name: m.Name, TopologyType: m.TopologyType, Mask: m.Mask, Released: []string{}, Held: []string{},
	}
	for i := range m.Rows {
		// KubeFed obeys no mask.
		if m.Propagator == v1alpha1.PropagatorKubeFed || s.Object.Mask.Allows(m.Rows[i].KubeFedCluster) {
			told.Released = append(told.Released, m.Rows[i].Name)
		} else {
			told.Held = append(told.Held, m.Rows[i].Name)
		}
	}
	if s.Object.Invalid != nil {
		// A mask that cannot be read holds everything, as an empty one does.
		fmt.Fprintf(o.kube.ErrOut, "note: the object cannot be propagated as it is: %v\n", s.Object.Invalid)
	}
	reference := writing.Reference(t.Federated.Kind, t.Federated.Group, m.Name)
	sentence := told.sentence(reference)
	if told.Mask != nil && m.Propagator == v1alpha1.PropagatorKubeFed {
		sentence = reference + " has a mask that nobody obeys: a change reaches everything that is placed"
	}
	return o.change.Output.Print(o.kube.Out, sentence, told, reference)
}

// sentence says what the mask is.
func (t Told) sentence(object string) string {
	switch {
	case t.Mask == nil:
		return object + " has no mask: a change reaches everything that is placed"
	case len(t.Mask.Names) == 0:
		return object + " has an empty mask: a change reaches nothing"
	}
	text := fmt.Sprintf("%s: a change reaches %s", object, writing.Enumerate(t.Mask.Names))
	if len(t.Held) > 0 {
		text += "; held: " + writing.Enumerate(t.Held)
	}
	return text
}
