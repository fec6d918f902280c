package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

// completer is the name under which kubectl runs a plugin's executable to complete its command line.
const completer = "kubectl_complete-cells"

// interrupted is the exit code of a program that the user ends, as shells have it.
const interrupted = 130

// Main runs kubectl cells and returns its exit code.
func Main(version string, args []string, streams genericiooptions.IOStreams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// What controller-runtime's client has to say is said by errors and warnings.
	ctrl.SetLogger(logr.Discard())
	return run(ctx, filepath.Base(os.Args[0]), version, args, kube.New(streams))
}

func run(ctx context.Context, name, version string, args []string, k *kube.Kube) int {
	root := NewCommand(k, version)
	switch {
	case strings.TrimSuffix(name, ".exe") == completer:
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	case !strings.HasPrefix(name, "kubectl-"):
		// Not run as a plugin: it is called what it is called.
		root.Use, root.Annotations = name, nil
	}
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil {
		return interrupted
	}
	err = asUsage(err)
	for _, message := range exit.Messages(err) {
		fmt.Fprintf(k.ErrOut, "error: %s\n", message)
	}
	return exit.Code(err)
}

// asUsage gives the errors in which cobra tells that a command line is wrong the code that goes with it: they have no type.
func asUsage(err error) error {
	if exit.Code(err) != exit.Failure {
		return err
	}
	for _, beginning := range []string{"unknown command ", "required flag(s) ", "if any flags in the group ", "at least one of the flags in the group "} {
		if strings.HasPrefix(err.Error(), beginning) {
			return exit.Usagef("%s", strings.Join(strings.Fields(err.Error()), " "))
		}
	}
	return err
}

// addVerbosity adds kubectl's -v, which shows the requests.
func addVerbosity(fs *pflag.FlagSet) {
	all := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(all)
	verbosity := pflag.PFlagFromGoFlag(all.Lookup("v"))
	verbosity.Usage = "How much to log of what goes on; 6 and more shows the requests."
	fs.AddFlag(verbosity)
}
