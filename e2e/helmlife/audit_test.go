package helmlife

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// auditPolicy writes down every request of the chart's service accounts. A watch is written down when it starts.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, Panic]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts:` + system + `"]
- level: None
`

// auditLog is the log of what the chart's service accounts ask the host.
type auditLog struct {
	path string
	// past is how much of it is not looked at any more.
	past int64
}

// start returns the flags of the API server that writes the log.
func (l *auditLog) start(t *testing.T, dir string) []string {
	t.Helper()
	policy := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o644); err != nil {
		t.Fatal(err)
	}
	l.path = filepath.Join(dir, "audit.log")
	return []string{"--audit-policy-file=" + policy, "--audit-log-path=" + l.path, "--audit-log-mode=blocking"}
}

// forbidden returns how much each account has asked for, and what was answered with 403.
func (l *auditLog) forbidden() (asked map[string]int, refused []string, err error) {
	file, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(l.past, io.SeekStart); err != nil {
		return nil, nil, err
	}
	asked = map[string]int{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb       string `json:"verb"`
			RequestURI string `json:"requestURI"`
			User       struct {
				Username string `json:"username"`
			} `json:"user"`
			ResponseStatus struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
			} `json:"responseStatus"`
		}
		// The last line may still be being written.
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue
		}
		account := event.User.Username[strings.LastIndex(event.User.Username, ":")+1:]
		asked[account]++
		if event.ResponseStatus.Code == http.StatusForbidden {
			refused = append(refused, account+": "+event.Verb+" "+event.RequestURI+": "+event.ResponseStatus.Message)
		}
	}
	return asked, refused, lines.Err()
}

// entitled checks that what ran had every right that it asked for.
func (s *story) entitled() {
	s.Helper()
	asked, refused, err := s.audit.forbidden()
	s.must(err)
	for _, line := range refused {
		s.Errorf("refused: %s", line)
	}
	s.Logf("requests by account, %d refused: %v", len(refused), asked)
}

// forget leaves what was asked for until now out of what is looked at.
func (s *story) forget() {
	s.Helper()
	info, err := os.Stat(s.audit.path)
	s.must(err)
	s.audit.past = info.Size()
}
