// gitops-agent is an Argo CD with one application: it follows a folder of a git repository as Argo CD's application
// controller does, without Argo CD's servers. It reconciles again and again, and prints what Argo CD would show as a line
// of JSON each time.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/e2e/argocd/customizations"
	"github.com/cellfed/cellfed/e2e/argocd/engine"
)

type options struct {
	kubeconfig, argocdCM, application, repo, path, record string
	interval, timeout                                     time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "the cluster that is synced to")
	flag.StringVar(&o.argocdCM, "argocd-cm", "", "the file with the ConfigMap argocd-cm")
	flag.StringVar(&o.application, "application", "", "the application's name")
	flag.StringVar(&o.repo, "repo", "", "the directory of the git repository")
	flag.StringVar(&o.path, "path", ".", "the folder in it that is synced")
	flag.StringVar(&o.record, "record", "", "a directory that gets each object in each health that it is seen in")
	flag.DurationVar(&o.interval, "interval", time.Second, "the time between two reconciles")
	flag.DurationVar(&o.timeout, "timeout", time.Minute, "how long a sync may wait for what it has applied")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, o); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	logrus.SetLevel(logrus.WarnLevel)
	overrides, err := customizations.Load(ctx, o.argocdCM)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return fmt.Errorf("read the kubeconfig %s: %w", o.kubeconfig, err)
	}
	config.QPS, config.Burst = 100, 200
	application, err := engine.New(o.application, engine.Repository{Dir: o.repo, Path: o.path}, config, overrides)
	if err != nil {
		return err
	}
	defer application.Close()
	out := json.NewEncoder(os.Stdout)
	for {
		report, err := application.Reconcile(ctx, o.timeout)
		if err == nil && o.record != "" {
			err = record(o.record, report)
		}
		line := any(report)
		if err != nil {
			line = map[string]string{"error": err.Error()}
		}
		if err := out.Encode(line); err != nil {
			return fmt.Errorf("print a report: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(o.interval):
		}
	}
}

// record writes each live object to a file that is named after it and its health.
func record(dir string, report *engine.Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("record objects: %w", err)
	}
	for _, resource := range report.Resources {
		if resource.Live == nil || resource.Health == "" {
			continue
		}
		data, err := yaml.Marshal(resource.Live)
		if err != nil {
			return fmt.Errorf("record %s: %w", resource.Name, err)
		}
		name := strings.NewReplacer(" ", "-", "/", "-").Replace(resource.Name) + "-" + string(resource.Health)
		text := fmt.Sprintf("# %s\n%s", resource.Message, data)
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o644); err != nil {
			return fmt.Errorf("record %s: %w", resource.Name, err)
		}
	}
	return nil
}
