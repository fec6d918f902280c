package framework

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// requestPolicy writes down every request of a namespace's service accounts, whatever the answer. A watch is written down when it
// starts.
const requestPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, Panic]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts:%s"]
- level: None
`

// RequestLog is the log of what the service accounts of a namespace ask an API server.
type RequestLog struct {
	path string
	// past is how much of it is not looked at any more.
	past int64
}

// NewRequestLog returns a log in a directory, and the flags of the API server that writes it.
func NewRequestLog(dir, namespace string) (*RequestLog, []string, error) {
	policy := filepath.Join(dir, "request-policy.yaml")
	if err := os.WriteFile(policy, fmt.Appendf(nil, requestPolicy, namespace), 0o644); err != nil {
		return nil, nil, fmt.Errorf("write the policy of a log of requests: %w", err)
	}
	l := &RequestLog{path: filepath.Join(dir, "requests.log")}
	return l, []string{"--audit-policy-file=" + policy, "--audit-log-path=" + l.path, "--audit-log-mode=blocking"}, nil
}

// Request is one request of a service account.
type Request struct {
	// Account is the name of the service account.
	Account string
	// Verb is RBAC's.
	Verb string
	// URI is what was asked for.
	URI string
	// Group and Resource, with its subresource, are empty for what is no resource.
	Group, Resource string
	// Code is the HTTP status of the answer, Message what came with a refusal.
	Code    int
	Message string
}

// Forbidden says whether the account lacked the right.
func (r Request) Forbidden() bool { return r.Code == http.StatusForbidden }

func (r Request) String() string { return r.Account + ": " + r.Verb + " " + r.URI + ": " + r.Message }

// Requests returns what was asked for, in the order in which it was answered.
func (l *RequestLog) Requests() ([]Request, error) {
	var all []Request
	err := readLog(l.path, l.past, func(line []byte) error {
		var event struct {
			auditEvent
			RequestURI     string `json:"requestURI"`
			ResponseStatus struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
			} `json:"responseStatus"`
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return fmt.Errorf("an audit event that is not JSON: %w", err)
		}
		resource := event.ObjectRef.Resource
		if event.ObjectRef.Subresource != "" {
			resource += "/" + event.ObjectRef.Subresource
		}
		all = append(all, Request{
			Account: event.User.Username[strings.LastIndex(event.User.Username, ":")+1:],
			Verb:    event.Verb, URI: event.RequestURI, Group: event.ObjectRef.APIGroup, Resource: resource,
			Code: event.ResponseStatus.Code, Message: event.ResponseStatus.Message,
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of requests: %w", err)
	}
	return all, nil
}

// Forget leaves what was asked for until now out of what is looked at.
func (l *RequestLog) Forget() error {
	info, err := os.Stat(l.path)
	if err != nil {
		return fmt.Errorf("read the log of requests: %w", err)
	}
	l.past = info.Size()
	return nil
}

// readLog hands each line of a log, from an offset on, to take. A log that nothing was written to need not be there.
func readLog(path string, offset int64, take func(line []byte) error) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	reader := bufio.NewReader(file)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			// A line without its end is still being written.
			return nil
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := take(line); err != nil {
			return err
		}
	}
}
