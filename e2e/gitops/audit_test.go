package gitops

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// auditLog is the host's log of requests that change something.
type auditLog string

// size returns how much has been written.
func (l auditLog) size(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile(string(l))
	if err != nil {
		t.Fatal(err)
	}
	return len(data)
}

// since returns what the agent has written after that, and how many dry runs there were.
func (l auditLog) since(t *testing.T, size int) (writes []string, dryRuns int) {
	t.Helper()
	data, err := os.ReadFile(string(l))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data[size:]) {
		var event struct {
			Verb       string `json:"verb"`
			RequestURI string `json:"requestURI"`
			User       struct {
				Username string `json:"username"`
			} `json:"user"`
		}
		if err := json.Unmarshal(line, &event); err != nil || event.User.Username != agentUser {
			continue // What is not at its end yet comes after what is looked for.
		}
		uri, err := url.Parse(event.RequestURI)
		if err != nil {
			t.Fatal(err)
		}
		if uri.Query().Get("dryRun") == "All" {
			dryRuns++
			continue
		}
		writes = append(writes, fmt.Sprintf("%s %s", event.Verb, event.RequestURI))
	}
	return writes, dryRuns
}

func (w *world) audit() auditLog { return auditLog(filepath.Join(w.env.Host.Dir, "audit.log")) }
