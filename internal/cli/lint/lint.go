// Package lint is the verb that applies the rules of admission to manifests.
package lint

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/manifest"
	"github.com/cellfed/cellfed/internal/cli/manifest/facts"
)

const long = `Apply the rules of cellfed's admission to manifests, for CI, without a cluster.

Federated objects of both versions, Cells, FederatedTypePolicies and Namespaces are
judged as if they were created. What surrounds them is taken from the same files:
Namespaces say whose the objects are; Cells and KubeFedClusters what can be named, as
soon as one Cell of the namespace, or one KubeFedCluster, is given; FederatedTypeConfigs
and FederatedTypePolicies how a type is propagated. A rule that needs what the files do
not tell is silent. With --with-host the host cluster tells the rest; the files prevail.

Documents of other kinds are skipped and counted. The schemas of the CRDs are not
applied: kubectl apply --dry-run=server does that.

Each finding is a line FILE:LINE: SEVERITY: OBJECT: MESSAGE, where LINE is that of the
field. The exit code is 3 where there are errors, with --strict where there are warnings
too, and 0 otherwise.`

const example = `  # Everything in a directory and those below it
  kubectl cells lint -f deploy/ -R

  # Together with what the host cluster holds, and with no warning left
  kubectl cells lint -f pay.yaml --with-host --strict

  # Marks in a GitHub workflow
  kubectl cells lint -f deploy/ -R -o github`

// The forms that -o can name.
const (
	formText   = "text"
	formJSON   = "json"
	formGitHub = "github"
)

var forms = []string{formText, formJSON, formGitHub}

// Options are what the verb is told.
type Options struct {
	genericiooptions.IOStreams
	Files manifest.Files
	// Output is one of forms, or empty.
	Output string
	// Strict makes warnings errors.
	Strict bool
	// WithHost takes facts from the host cluster too.
	WithHost bool
	// Namespace is that of objects that name none. Empty leaves them without.
	Namespace string

	kube *kube.Kube
}

// New returns the command.
func New(k *kube.Kube) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:     "lint -f FILE",
		Short:   "Apply the rules of admission to manifests",
		Long:    long,
		Example: example,
		Args:    cobra.NoArgs,

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Complete(k)
			if err := o.Validate(); err != nil {
				return err
			}
			return o.Run(cmd.Context())
		},
	}
	o.Files.AddFlags(cmd.Flags())
	cmd.Flags().StringVarP(&o.Output, "output", "o", "", "How to print: "+strings.Join(forms, ", ")+".")
	cmd.Flags().BoolVar(&o.Strict, "strict", false, "Treat warnings as errors.")
	cmd.Flags().BoolVar(&o.WithHost, "with-host", false, "Judge with what the host cluster holds beside the files.")
	// It fails for a flag that is not there or completed already: neither can be.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// Complete takes what the flags of the connection say.
func (o *Options) Complete(k *kube.Kube) {
	o.IOStreams, o.kube = k.IOStreams, k
	if k.Flags != nil && k.Flags.Namespace != nil {
		o.Namespace = *k.Flags.Namespace
	}
}

// Validate refuses what cannot be meant.
func (o *Options) Validate() error {
	if o.Output != "" && !slices.Contains(forms, o.Output) {
		return exit.Usagef("--output %q is not known: use %s", o.Output, strings.Join(forms, ", "))
	}
	return o.Files.Required()
}

// Run judges and prints.
func (o *Options) Run(ctx context.Context) error {
	documents, err := o.Files.Read(o.In)
	if err != nil {
		return err
	}
	report := &Report{}
	known := facts.New(o.kube.KubeFedNamespace)
	places := gather(report, known, documents, o.Namespace)
	if o.WithHost {
		if err := o.load(ctx, known, places); err != nil {
			return err
		}
	}
	for _, p := range places {
		judge(report, known, p)
	}
	order := make(map[string]int, len(documents))
	for i := range documents {
		order[documents[i].File] = max(order[documents[i].File], i)
	}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int {
		if a.File != b.File {
			return order[a.File] - order[b.File]
		}
		return a.Document - b.Document
	})
	if o.Strict {
		for i := range report.Findings {
			report.Findings[i].Severity = Error
		}
	}
	return o.print(report)
}

// load adds what the host cluster holds around the objects.
func (o *Options) load(ctx context.Context, known *facts.Known, places []place) error {
	client, err := o.kube.Client()
	if err != nil {
		return err
	}
	var namespaces []string
	for _, p := range places {
		namespaces = append(namespaces, p.object.GetNamespace())
	}
	slices.Sort(namespaces)
	forbidden, err := known.Load(ctx, client, slices.Compact(namespaces))
	if err != nil {
		return fmt.Errorf("--with-host: %w", err)
	}
	if len(forbidden) > 0 {
		fmt.Fprintf(o.ErrOut, "note: you may not read objects of these kinds in the host cluster, and rules that need them are silent: %s\n", strings.Join(forbidden, ", "))
	}
	return nil
}

func (o *Options) print(report *Report) error {
	write := map[string]func() error{
		"": func() error { return report.text(o.Out) }, formText: func() error { return report.text(o.Out) },
		formJSON: func() error { return report.json(o.Out) }, formGitHub: func() error { return report.github(o.Out) },
	}[o.Output]
	if err := write(); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	fmt.Fprint(o.ErrOut, report.summary())
	if report.count(Error) > 0 {
		return &exit.Error{Code: exit.NotSo}
	}
	return nil
}
