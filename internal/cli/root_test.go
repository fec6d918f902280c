package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

// result is what a run of the program comes to.
type result struct {
	Out, Err string
	Code     int
}

func runAs(t *testing.T, name string, objects []client.Object, args ...string) result {
	t.Helper()
	h := kubetest.New(t, "acme", interceptor.Funcs{}, objects...)
	code := run(t.Context(), name, "v1.2.3", args, h.Kube)
	return result{h.Stdout.String(), h.Stderr.String(), code}
}

func TestUsage(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		err    string
		code   int
	}{
		"Command":  {"a verb that is not there", []string{"frobnicate"}, "error: unknown command \"frobnicate\" for \"kubectl cells\"\n", exit.Usage},
		"Near":     {"one that is nearly there", []string{"statsu"}, "error: unknown command \"statsu\" for \"kubectl cells\" Did you mean this? status\n", exit.Usage},
		"Flag":     {"a flag that is not there", []string{"get", "--nope"}, "error: unknown flag: --nope: see kubectl cells get --help\n", exit.Usage},
		"Argument": {"more than the verb takes", []string{"status", "a", "b", "c"}, "error: these arguments do not fit: write kubectl cells status [TYPE/NAME | TYPE NAME] [options]: see kubectl cells status --help\n", exit.Usage},
		"NotSo":    {"what fails has code 1", []string{"describe", "no"}, "error: cell \"no\" not found in the namespace \"acme\": choose another namespace with -n; kubectl cells get lists cells\n", exit.Failure},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(result{Err: tc.err, Code: tc.code}, runAs(t, "kubectl-cells", nil, tc.args...)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestErrors: each of several errors reads as one.
func TestErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "two.yaml")
	var documents []string
	for _, name := range []string{"fee", "pay"} {
		documents = append(documents, "apiVersion: types.kubefed.io/v2beta1\nkind: FederatedWidget\nmetadata: {name: "+name+", namespace: acme}\nspec: {placement: {topologies: []}}\n")
	}
	if err := os.WriteFile(file, []byte(strings.Join(documents, "---\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	got := runAs(t, "kubectl-cells", nil, "render", "-f", file)
	lines := strings.Split(strings.TrimSpace(got.Err), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], `error: FederatedWidget "fee": `) || !strings.HasPrefix(lines[1], `error: FederatedWidget "pay": `) {
		t.Errorf("got %s", got.Err)
	}
}

// TestName: kubectl passes a plugin no name, so that it calls itself as the user has called it.
func TestName(t *testing.T) {
	for name, want := range map[string]string{"kubectl-cells": "kubectl cells get", "kubectl-cells.exe": "kubectl cells get", "cells": "cells get"} {
		if got := runAs(t, name, nil, "get", "--help"); !strings.Contains(got.Out, "\n  "+want+" [CELL...] [options]\n") {
			t.Errorf("%s: its help does not name %q:\n%s", name, want, got.Out)
		}
	}
}

func TestOptions(t *testing.T) {
	options := runAs(t, "kubectl-cells", nil, "options").Out
	help := runAs(t, "kubectl-cells", nil, "get", "--help").Out
	for _, flag := range []string{"--kubeconfig", "--context", "--as", "--token", "--request-timeout", "--kubefed-namespace", "--namespace", "-v, "} {
		if !strings.Contains(options, flag) {
			t.Errorf("kubectl cells options does not tell %s", flag)
		}
		if strings.Contains(help, flag) {
			t.Errorf("the help of a verb tells %s, which every verb has", flag)
		}
	}
	if !strings.Contains(help, "--selector") {
		t.Error("the help of a verb does not tell its own flags")
	}
}

// TestEveryCommand: what people read of each command is there.
func TestEveryCommand(t *testing.T) {
	root := NewCommand(kube.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard}), "")
	walk(root, func(cmd *cobra.Command) {
		if cmd.Hidden || cmd.Name() == "help" {
			return
		}
		if cmd.Short == "" || cmd.Long == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: it needs a Long, and a Short without a full stop", cmd.CommandPath())
		}
		if !cmd.HasExample() && cmd.HasParent() && cmd.Runnable() && cmd.Name() != "options" {
			t.Errorf("%s: it needs an Example", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s needs a help", cmd.CommandPath(), f.Name)
			}
		})
	})
}

func TestCompletion(t *testing.T) {
	objects := []client.Object{
		kubetest.TypeConfig("deployments", "apps", "v1", "Deployment"), kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap"),
		kubetest.FromYAML(t, "{apiVersion: types.kubefed.io/v2beta1, kind: FederatedDeployment, metadata: {name: pay, namespace: acme}}"),
		kubetest.FromYAML(t, "{apiVersion: types.kubefed.io/v2beta1, kind: FederatedDeployment, metadata: {name: web, namespace: other}}"),
		&v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}}, &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00b"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}},
	}
	cases := map[string]struct {
		reason string
		args   []string
		want   string
	}{
		"Cells":      {"cells that are not there yet", []string{"get", "rz00a", "rz"}, "rz00b\n:4\n"},
		"Cell":       {"one cell", []string{"describe", ""}, "rz00a\nrz00b\n:4\n"},
		"Types":      {"types, after which a name follows", []string{"status", "dep"}, "deployments.apps/\n:6\n"},
		"Object":     {"objects of the namespace", []string{"status", "deploy/"}, "deploy/pay\n:4\n"},
		"ObjectName": {"objects by name alone", []string{"status", "deploy", ""}, "pay\n:4\n"},
		"Output":     {"forms, of which the shell chooses", []string{"get", "-o", "w"}, "table\nwide\njson\nyaml\nname\n:4\n"},
		"Namespace":  {"namespaces", []string{"get", "-n", "a"}, "acme\n:4\n"},
		"Nothing":    {"what is not there is no error", []string{"status", "nosuch/"}, ":4\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := runAs(t, "kubectl_complete-cells", objects, tc.args...)
			// cobra tells the directive on stderr in words, which shells drop.
			if diff := cmp.Diff(result{Out: tc.want, Err: got.Err}, got); diff != "" || strings.Contains(got.Err, "rror") && !strings.Contains(got.Err, "ShellCompDirective") {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	if got := runAs(t, "kubectl-cells", nil, "completion", "kubectl"); !strings.Contains(got.Out, `exec kubectl-cells __complete "$@"`) {
		t.Errorf("what kubectl runs: got %q", got.Out)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := runAs(t, "kubectl-cells", nil, "completion", shell); got.Code != 0 || !strings.Contains(got.Out, "kubectl-cells") {
			t.Errorf("%s: code %d, %q", shell, got.Code, got.Err)
		}
	}
	if got := runAs(t, "kubectl-cells", nil, "completion", "csh"); got.Code != exit.Usage {
		t.Errorf("csh: got %+v", got)
	}
}

func TestVersion(t *testing.T) {
	manager := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-federation-system", Name: "cellfed-manager", Labels: map[string]string{"app.kubernetes.io/component": "manager"}},
		Spec: appsv1.DeploymentSpec{Replicas: new(int32(2)), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "manager", Image: "registry.example/cellfed:v1.0.0"}},
		}}},
		Status: appsv1.DeploymentStatus{ReadyReplicas: 1},
	}
	got := runAs(t, "kubectl-cells", []client.Object{manager}, "version")
	if _, second, _ := strings.Cut(got.Out, "\n"); !strings.HasPrefix(got.Out, "Client:  v1.2.3 (go") ||
		second != "Manager: registry.example/cellfed:v1.0.0 (kube-federation-system/cellfed-manager, 1 of 2 ready)\n" {
		t.Errorf("got %+v", got)
	}
	got = runAs(t, "kubectl-cells", nil, "version")
	if !strings.HasSuffix(got.Out, "Manager: not known: there is no manager in the namespace kube-federation-system: name another with --kubefed-namespace\n") || got.Code != 0 {
		t.Errorf("got %+v", got)
	}
	if got = runAs(t, "kubectl-cells", []client.Object{manager}, "version", "--client", "-o", "json"); strings.Contains(got.Out, "manager") || !strings.Contains(got.Out, `"version": "v1.2.3"`) {
		t.Errorf("got %+v", got)
	}
}

// TestInterrupted: the user ends the program, and it says nothing more.
func TestInterrupted(t *testing.T) {
	h := kubetest.New(t, "acme", interceptor.Funcs{
		List: func(ctx context.Context, _ client.WithWatch, _ client.ObjectList, _ ...client.ListOption) error {
			return fmt.Errorf("list: %w", ctx.Err())
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := run(ctx, "kubectl-cells", "", []string{"get"}, h.Kube); code != interrupted || h.Stderr.Len() != 0 {
		t.Errorf("code %d, %q", code, h.Stderr)
	}
}

// Without any configuration client-go would ask an API server on this machine.
func TestUnconfigured(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	code := run(t.Context(), "kubectl-cells", "v1.2.3", []string{"get"}, kube.New(streams))
	want := result{Err: "error: no configuration for the host cluster was found: give --kubeconfig or --server, or set KUBECONFIG\n", Code: exit.Failure}
	if diff := cmp.Diff(want, result{out.String(), errOut.String(), code}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
