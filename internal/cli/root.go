// Package cli is kubectl cells: the verbs, and what they have in common.
package cli

import (
	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/convert"
	"github.com/cellfed/cellfed/internal/cli/create"
	"github.com/cellfed/cellfed/internal/cli/delete"
	"github.com/cellfed/cellfed/internal/cli/describe"
	"github.com/cellfed/cellfed/internal/cli/diff"
	"github.com/cellfed/cellfed/internal/cli/disable"
	"github.com/cellfed/cellfed/internal/cli/doctor"
	"github.com/cellfed/cellfed/internal/cli/enable"
	"github.com/cellfed/cellfed/internal/cli/get"
	"github.com/cellfed/cellfed/internal/cli/handover"
	"github.com/cellfed/cellfed/internal/cli/hold"
	"github.com/cellfed/cellfed/internal/cli/join"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/lint"
	"github.com/cellfed/cellfed/internal/cli/mask"
	"github.com/cellfed/cellfed/internal/cli/release"
	"github.com/cellfed/cellfed/internal/cli/render"
	"github.com/cellfed/cellfed/internal/cli/status"
	"github.com/cellfed/cellfed/internal/cli/uninstall"
	"github.com/cellfed/cellfed/internal/cli/unjoin"
	"github.com/cellfed/cellfed/internal/cli/version"
)

// group is verbs that are listed together.
type group struct {
	title string
	verbs []func(*kube.Kube) *cobra.Command
}

// groups returns every verb, in the order in which the help lists them: a verb is added here and nowhere else.
func groups(clientVersion string) []group {
	return []group{
		{"See what is where:", []func(*kube.Kube) *cobra.Command{
			get.New,
			describe.New,
			status.New,
		}},
		{"Release cell by cell:", []func(*kube.Kube) *cobra.Command{
			diff.New,
			hold.New,
			release.New,
			mask.New,
		}},
		{"Federated types:", []func(*kube.Kube) *cobra.Command{
			enable.New,
			disable.New,
			handover.New,
		}},
		{"Clusters, cells and the installation:", []func(*kube.Kube) *cobra.Command{
			join.New,
			unjoin.New,
			create.New,
			delete.New,
			doctor.New,
			uninstall.New,
		}},
		{"Offline:", []func(*kube.Kube) *cobra.Command{
			render.New,
			convert.New,
			lint.New,
		}},
		{"Other:", []func(*kube.Kube) *cobra.Command{
			completion.New,
			newOptions,
			version.New(clientVersion),
		}},
	}
}

// NewCommand returns the whole of kubectl cells. It reads and writes through k.
func NewCommand(k *kube.Kube, clientVersion string) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-cells",
		Short: "Release applications cell by cell over many clusters",
		Long: `kubectl cells shows and steers what cellfed releases: which cells there are, what each of them holds, and which of them
the next change may reach.

It talks to the host cluster alone, with kubectl's own flags and kubeconfig: only diff TYPE/NAME reads members, and join
and unjoin write to the one that they are given.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl cells"},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(k.In)
	root.SetOut(k.Out)
	root.SetErr(k.ErrOut)
	k.AddFlags(root.PersistentFlags())
	addVerbosity(root.PersistentFlags())
	for _, g := range groups(clientVersion) {
		if len(g.verbs) == 0 {
			continue
		}
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, verb := range g.verbs {
			cmd := verb(k)
			cmd.GroupID = g.title
			root.AddCommand(cmd)
		}
	}
	root.CompletionOptions.DisableDefaultCmd = true
	completion.AddFlags(root, k)
	dress(root)
	return root
}
