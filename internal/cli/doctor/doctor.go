// Package doctor checks an installation from end to end, and says what to do.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/discovery"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/printing"
)

// answerIn is how long a check may take.
const answerIn = 20 * time.Second

// Options are the verb's flags.
type Options struct {
	// Timeout is how long one check may take.
	Timeout time.Duration
	Print   printing.Flags

	kube *kube.Kube
	now  func() time.Time
	// version asks the host for its version.
	version func() (string, error)
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command {
	o := &Options{kube: k, now: time.Now}
	o.version = o.serverVersion
	return newCommand(o)
}

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the installation from end to end, and say what to do",
		Long: `Check the installation from end to end: the host, KubeFed with its configuration and its controller, cellfed's manager, its webhooks
and certificates, the conversion between the versions of the federated types, the members and the cells.

Each check is a row: OK, WARN for what is odd, FAIL for what does not work, and SKIP for what you may not see or what is not
there to be checked. The last two say what to do. Nothing is changed: what is written to try out admission is a dry run.

The exit code is 3 if a check failed.`,
		Example: `
# Check everything
kubectl cells doctor

# What failed, for a program
kubectl cells doctor -o json | jq '.checks[] | select(.result == "FAIL")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Print.Validate(); err != nil {
				return err
			}
			if o.Timeout <= 0 {
				return exit.Usagef("--check-timeout %s is no time to wait: give one such as 20s", o.Timeout)
			}
			return o.Run(cmd.Context())
		},
	}
	cmd.Flags().DurationVar(&o.Timeout, "check-timeout", answerIn, "How long one check may take.")
	o.Print.AddFlags(cmd)
	return cmd
}

func (o *Options) serverVersion() (string, error) {
	config, err := o.kube.Config()
	if err != nil {
		return "", err
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return "", err
	}
	version, err := client.ServerVersion()
	if err != nil {
		return "", err
	}
	return version.GitVersion, nil
}

// Report is what -o json and yaml print.
type Report struct {
	Checks []Row `json:"checks"`
	// Failed counts the checks that failed.
	Failed int `json:"failed"`
}

// Run checks.
func (o *Options) Run(ctx context.Context) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	rows := run(ctx, checks, &probe{Client: c, kube: o.kube, namespace: o.kube.KubeFedNamespace, now: o.now, version: o.version}, o.Timeout)
	report := Report{Checks: rows}
	table := printing.Table{Columns: []printing.Column{{Name: "CHECK"}, {Name: "RESULT"}, {Name: "MESSAGE"}}}
	var names []string
	moods := map[Level]printing.Mood{OK: printing.Good, Warn: printing.Waiting, Fail: printing.Bad, Skip: printing.Dim}
	for _, row := range rows {
		message := row.Message
		if row.Way != "" {
			message += ": " + row.Way
		}
		table.Rows = append(table.Rows, []printing.Cell{printing.Text(row.Name), {Text: string(row.Result), Mood: moods[row.Result]}, printing.Text(message)})
		names = append(names, row.Name)
		if row.Result == Fail {
			report.Failed++
		}
	}
	if err := o.Print.Print(o.kube.Out, table, report, names); err != nil {
		return err
	}
	switch {
	case report.Failed == 1:
		return exit.NotSof("1 check failed")
	case report.Failed > 1:
		return exit.NotSof("%d checks failed", report.Failed)
	}
	return nil
}

// verdictf makes a verdict; way says what to do.
func verdictf(level Level, way, format string, args ...any) Verdict {
	return Verdict{Result: level, Message: fmt.Sprintf(format, args...), Way: way}
}
