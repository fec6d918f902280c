// Package completion completes command lines: cells, federated types, their objects, namespaces. What it cannot find out
// in a moment it does not offer, and it never tells an error to the shell.
package completion

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/cellfed/cellfed/internal/cli/kube"
)

// patience is how long somebody who has pressed the tab key waits.
const patience = 3 * time.Second

// AddFlags completes the flags that every command has.
func AddFlags(root *cobra.Command, k *kube.Kube) {
	// It fails for a flag that is not there or completed already: neither can be.
	_ = root.RegisterFlagCompletionFunc("namespace", func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return offer(cmd, k, toComplete, namespaces)
	})
	for flag, names := range map[string]func(*kube.Kube) []string{"context": contexts, "cluster": clusters, "user": users} {
		_ = root.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			return beginning(names(k), toComplete), cobra.ShellCompDirectiveNoFileComp
		})
	}
}

// Cells completes names of cells of the namespace, each once.
func Cells(k *kube.Kube) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return offer(cmd, k, toComplete, func(ctx context.Context, k *kube.Kube) ([]string, error) {
			names, err := cells(ctx, k)
			return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }), err
		})
	}
}

// Cell completes the name of one cell of the namespace, as the only argument or as the value of a flag.
func Cell(k *kube.Kube) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offer(cmd, k, toComplete, cells)
	}
}

// CellFlag completes the name of a cell as the value of a flag.
func CellFlag(k *kube.Kube) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return offer(cmd, k, toComplete, cells)
	}
}

// Types completes the name of one federated type, as the only argument.
func Types(k *kube.Kube) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offer(cmd, k, toComplete, types)
	}
}

// Object completes one federated object, as TYPE/NAME or TYPE NAME.
func Object(k *kube.Kube) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		typeName, _, slashed := strings.Cut(toComplete, "/")
		switch {
		case len(args) == 0 && slashed:
			return offer(cmd, k, toComplete, objects(typeName, typeName+"/"))
		case len(args) == 0:
			found, directive := offer(cmd, k, toComplete, types)
			for i := range found {
				found[i] += "/"
			}
			return found, directive | cobra.ShellCompDirectiveNoSpace
		case len(args) == 1 && !strings.Contains(args[0], "/"):
			return offer(cmd, k, toComplete, objects(args[0], ""))
		default:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// ObjectThenCells completes a federated object as TYPE/NAME, and then names of cells.
func ObjectThenCells(k *kube.Kube) cobra.CompletionFunc {
	object, rest := Object(k), Cells(k)
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return object(cmd, args, toComplete)
		}
		return rest(cmd, args, toComplete)
	}
}

// offer asks for names, for as long as somebody waits, and returns those that begin as what is there.
func offer(cmd *cobra.Command, k *kube.Kube, toComplete string, ask func(context.Context, *kube.Kube) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// Warnings of the host cluster would stand in the middle of the command line, and requests that take no context, as
	// those of the discovery, have to end as well.
	if config, err := k.Config(); err == nil {
		config.Timeout = patience
		config.WarningHandler = rest.NoWarnings{}
	}
	names, err := ask(ctx, k)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return beginning(names, toComplete), cobra.ShellCompDirectiveNoFileComp
}

func beginning(names []string, start string) []string {
	var found []string
	for _, name := range names {
		if strings.HasPrefix(name, start) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func cells(ctx context.Context, k *kube.Kube) ([]string, error) {
	namespace, _, err := k.Namespace()
	if err != nil {
		return nil, err
	}
	found, err := k.Cells(ctx, namespace)
	names := make([]string, 0, len(found))
	for i := range found {
		names = append(names, found[i].Name)
	}
	return names, err
}

func types(ctx context.Context, k *kube.Kube) ([]string, error) {
	found, err := k.Types(ctx)
	names := make([]string, 0, len(found))
	for _, t := range found {
		names = append(names, t.Name)
	}
	return names, err
}

func objects(typeName, before string) func(context.Context, *kube.Kube) ([]string, error) {
	return func(ctx context.Context, k *kube.Kube) ([]string, error) {
		t, err := k.Type(ctx, typeName)
		if err != nil {
			return nil, err
		}
		namespace, _, err := k.Namespace()
		if err != nil {
			return nil, err
		}
		found, err := k.Objects(ctx, t, namespace)
		names := make([]string, 0, len(found))
		for i := range found {
			names = append(names, before+found[i].GetName())
		}
		return names, err
	}
}

func namespaces(ctx context.Context, k *kube.Kube) ([]string, error) {
	c, err := k.Client()
	if err != nil {
		return nil, err
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := c.List(ctx, list); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, nil
}
