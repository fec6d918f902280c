package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cellfed/cellfed/e2e/framework"
)

// afterRestart is how long a story watches a manager that has started again.
const afterRestart = 20 * time.Second

// TestQuiet watches that nothing is written where nothing is to be done: neither to the members nor to the host, and not
// after a restart of the manager either.
func TestQuiet(t *testing.T) {
	env := environment(t)
	var stages []*stage
	for _, on := range []string{onClusters, onCells} {
		s := newStage(t, env, on, "quiet")
		stages = append(stages, s)
		s.put(s.configMapOf("still", map[string]any{"a": "1"}))
		s.put(s.object("Service", "still", map[string]any{"spec": map[string]any{"ports": []any{map[string]any{"port": int64(80)}}}}))
		s.put(s.object("ServiceAccount", "still", nil))
		for _, kind := range []string{"ConfigMap", "Service", "ServiceAccount"} {
			s.waitReport(kind, "still", well(s.one, s.two))
		}
	}
	stages[0].waitLeft()
	host, err := env.Host.Mark()
	if err != nil {
		t.Fatal(err)
	}
	members := stages[0].mark()
	restarted := false
	quiet := func(context.Context) error {
		for _, s := range stages {
			if writes := s.cellWrites(members); len(writes) > 0 {
				return fmt.Errorf("%d writes to the members:\n%s", len(writes), lines(writes))
			}
		}
		writes, err := env.Host.Writes(host, func(w framework.Write) bool {
			// Upstream may have asked for a cell's health while the façade was away, which the cell then tells.
			told := restarted && w.Resource == "cells.cellfed.io/status"
			return w.User == framework.ManagerUser && !told
		})
		if err != nil {
			return err
		}
		if len(writes) > 0 {
			return fmt.Errorf("%d writes to the host:\n%s", len(writes), lines(writes))
		}
		return nil
	}
	d := window(t)
	t.Logf("Watching for %s that nothing is written", d)
	framework.Always(t, d, "the quiet", quiet)

	t.Log("The manager crashes and starts again")
	restarted = true
	if err := env.Cellfed.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := env.Cellfed.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if pushed() {
		framework.Always(t, afterRestart, "the quiet after a restart", quiet)
	}
	for _, s := range stages {
		if !s.cells || pushed() {
			s.edit("ConfigMap", "still", `{"spec":{"template":{"data":{"a":"2"}}}}`)
			s.waitMap(s.one, "still", map[string]any{"a": "2"})
			s.waitMap(s.two, "still", map[string]any{"a": "2"})
		}
	}
}
