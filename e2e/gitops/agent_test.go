package gitops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cellfed/cellfed/e2e/framework"
)

// report is what Argo CD would show of the application: a line that the agent prints.
type report struct {
	Error     string   `json:"error"`
	Revision  string   `json:"revision"`
	Sync      string   `json:"sync"`
	OutOfSync []string `json:"outOfSync"`
	Differed  []string `json:"differed"`
	Operation *struct {
		Phase     string   `json:"phase"`
		Message   string   `json:"message"`
		Resources []string `json:"resources"`
	} `json:"operation"`
	Health    string     `json:"health"`
	Resources []resource `json:"resources"`
}

type resource struct {
	Name    string `json:"name"`
	Health  string `json:"health"`
	Message string `json:"message"`
}

// of returns the health of a resource, such as "Cell acme-prod/rz00a".
func (r *report) of(name string) resource {
	for _, resource := range r.Resources {
		if resource.Name == name {
			return resource
		}
	}
	return resource{}
}

// agent is a process of e2e/argocd.
type agent struct {
	t       *testing.T
	process *framework.Process
}

func startAgent(t *testing.T, dir string, args ...string) *agent {
	t.Helper()
	bin, err := framework.Binary("gitops-agent")
	if err != nil {
		t.Fatal(err)
	}
	process, err := framework.Start(framework.Program{Name: "gitops-agent", Path: bin, Args: args, Dir: filepath.Join(dir, "agent")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &agent{t: t, process: process}
}

// reports returns what the agent has printed so far.
func (a *agent) reports() ([]report, error) {
	if err := a.process.Err(); err != nil {
		return nil, framework.Final(err)
	}
	data, err := os.ReadFile(a.process.LogPath)
	if err != nil {
		return nil, err
	}
	var all []report
	for line := range bytes.Lines(data) {
		var r report
		// What is not JSON is a log line, or not at its end yet.
		if bytes.HasPrefix(line, []byte("{")) && bytes.HasSuffix(line, []byte("\n")) && json.Unmarshal(line, &r) == nil {
			all = append(all, r)
		}
	}
	return all, nil
}

// wait waits for a report on the revision that check has nothing against, and returns it.
func (a *agent) wait(what, revision string, check func(*report) error) *report {
	a.t.Helper()
	before, err := a.reports()
	if err != nil {
		a.t.Fatal(err)
	}
	var last report
	framework.Eventually(a.t, soon, what, func(context.Context) error {
		all, err := a.reports()
		if err != nil {
			return err
		}
		if len(all) <= len(before) {
			return errors.New("the agent has reported nothing since")
		}
		last = all[len(all)-1]
		if last.Revision != revision {
			return fmt.Errorf("the last report is %+v", last)
		}
		if err := check(&last); err != nil {
			return fmt.Errorf("%w: the last report is %+v", err, last)
		}
		return nil
	})
	return &last
}

// well has nothing against an application that is Synced and Healthy.
func well(r *report) error {
	if r.Sync != "Synced" || r.Health != "Healthy" {
		return fmt.Errorf("it is %s and %s", r.Sync, r.Health)
	}
	return nil
}

// says has nothing against one that is, and whose resource has the message.
func says(name, message string) func(*report) error {
	return func(r *report) error {
		if got := r.of(name).Message; got != message {
			return fmt.Errorf("of %s it says %q, want %q", name, got, message)
		}
		return well(r)
	}
}

// next waits until the agent has reconciled n more times, and returns the reports.
func (a *agent) next(n int) []report {
	a.t.Helper()
	before, err := a.reports()
	if err != nil {
		a.t.Fatal(err)
	}
	var since []report
	framework.Eventually(a.t, soon, fmt.Sprintf("%d more reconciles", n), func(context.Context) error {
		all, err := a.reports()
		if err != nil {
			return err
		}
		if since = all[len(before):]; len(since) < n {
			return fmt.Errorf("there were %d", len(since))
		}
		return nil
	})
	return since[:n]
}
