// Package writing is what the verbs that write have in common: trying a change out, asking before it is made, and telling
// whose fields stand in its way.
package writing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/exit"
)

// The values of --dry-run.
const (
	None   = "none"
	Client = "client"
	Server = "server"
)

// DryRun is --dry-run.
type DryRun string

// AddFlag adds --dry-run, with its completion.
func (d *DryRun) AddFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(d), "dry-run", None,
		"Whether to try it out alone: none writes, client writes nothing, server has the host cluster judge what would be written.")
	cmd.Flags().Lookup("dry-run").NoOptDefVal = Client
	// It fails for a flag that is not there or completed already: neither can be.
	_ = cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]string{None, Client, Server}, cobra.ShellCompDirectiveNoFileComp))
}

// Validate refuses a value that is not known.
func (d DryRun) Validate() error {
	if !slices.Contains([]string{"", None, Client, Server}, string(d)) {
		return exit.Usagef("--dry-run %q is not known: use none, client or server", string(d))
	}
	return nil
}

// Client reports whether nothing is to be sent to the host cluster.
func (d DryRun) Client() bool { return d == Client }

// Server reports whether the host cluster is to judge what is sent, and to store nothing.
func (d DryRun) Server() bool { return d == Server }

// Writes reports whether something is to change.
func (d DryRun) Writes() bool { return d == None || d == "" }

// Options is what a request is to carry: --dry-run=server goes with each.
func (d DryRun) Options() []string {
	if d.Server() {
		return []string{metav1.DryRunAll}
	}
	return nil
}

// Suffix follows what is told to be done.
func (d DryRun) Suffix() string {
	switch {
	case d.Client():
		return " (dry run)"
	case d.Server():
		return " (server dry run)"
	default:
		return ""
	}
}

// Create returns the options of a creation.
func (d DryRun) Create(manager string) *client.CreateOptions {
	return &client.CreateOptions{FieldManager: manager, DryRun: d.Options()}
}

// Patch returns the options of a patch.
func (d DryRun) Patch(manager string) *client.PatchOptions {
	return &client.PatchOptions{FieldManager: manager, DryRun: d.Options()}
}

// Apply returns the options of a server-side apply.
func (d DryRun) Apply(manager string, force bool) *client.ApplyOptions {
	o := &client.ApplyOptions{FieldManager: manager, DryRun: d.Options()}
	if force {
		o.Force = new(true)
	}
	return o
}

// Reference names an object as kubectl does: federateddeployment.types.kubefed.io/pay.
func Reference(kind, group, name string) string {
	if group != "" {
		group = "." + group
	}
	return strings.ToLower(kind) + group + "/" + name
}

// Enumerate joins names, with and before the last.
func Enumerate(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// Some names the first of many.
func Some(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return Enumerate(names)
}
