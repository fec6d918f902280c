package framework

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// auditPolicy writes down every request that changes something, once it is answered, without its body. Events are
// left out where the second rule is.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted, Panic]
rules:
- level: None
  resources:
  - group: coordination.k8s.io
  - group: authentication.k8s.io
  - group: authorization.k8s.io
%s- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

// noEvents is the rule of the policy that leaves events out.
const noEvents = `- level: None
  resources:
  - group: events.k8s.io
  - group: ""
    resources: [events]
`

// Write is one request to a cluster that was meant to change an object.
type Write struct {
	// User is who asked.
	User string
	// Agent is the User-Agent that came with it.
	Agent string
	// Verb is create, update, patch, delete or deletecollection.
	Verb string
	// Resource is the plural of the kind, with its group when it has one, and the subresource: deployments.apps/status.
	Resource string
	// Namespace of the object; empty when it is cluster-scoped.
	Namespace string
	// Name of the object; empty for a create with a generated name and for deletecollection.
	Name string
	// Code is the HTTP status of the answer.
	Code int
}

// Succeeded says whether the cluster did what it was asked to.
func (w Write) Succeeded() bool { return w.Code >= 200 && w.Code < 300 }

func (w Write) String() string {
	return fmt.Sprintf("%s %s %s/%s by %s (%s): %d", w.Verb, w.Resource, w.Namespace, w.Name, w.User, w.Agent, w.Code)
}

func (c *ControlPlane) auditLog() string { return filepath.Join(c.Dir, "audit.log") }

func (c *ControlPlane) auditArgs() ([]string, error) {
	policy := filepath.Join(c.Dir, "audit-policy.yaml")
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("write the audit policy of %s: %w", c.Name, err)
	}
	rule := noEvents
	if c.options.AuditEvents {
		rule = ""
	}
	if err := os.WriteFile(policy, fmt.Appendf(nil, auditPolicy, rule), 0o644); err != nil {
		return nil, fmt.Errorf("write the audit policy of %s: %w", c.Name, err)
	}
	return []string{
		"--audit-policy-file=" + policy,
		"--audit-log-path=" + c.auditLog(),
		// Written before the request is answered: who has seen an answer finds the write in the log.
		"--audit-log-mode=blocking",
	}, nil
}

// AuditMark is a point in the log of a cluster's writes.
type AuditMark struct{ offset int64 }

// Mark returns the point that the log of writes has reached. The cluster must have been started with Audit.
func (c *ControlPlane) Mark() (AuditMark, error) {
	info, err := os.Stat(c.auditLog())
	if errors.Is(err, os.ErrNotExist) {
		return AuditMark{}, nil
	}
	if err != nil {
		return AuditMark{}, fmt.Errorf("read the audit log of %s: %w", c.Name, err)
	}
	return AuditMark{offset: info.Size()}, nil
}

// Writes returns the writes since the mark for which keep is true, in the order in which they were answered. A nil
// keep takes all.
func (c *ControlPlane) Writes(since AuditMark, keep func(Write) bool) ([]Write, error) {
	var writes []Write
	err := readLog(c.auditLog(), since.offset, func(line []byte) error {
		write, err := parseWrite(line)
		if err == nil && (keep == nil || keep(write)) {
			writes = append(writes, write)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the audit log of %s: %w", c.Name, err)
	}
	return writes, nil
}

// auditEvent is what is used of an event of the group audit.k8s.io.
type auditEvent struct {
	Verb string `json:"verb"`
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	UserAgent string `json:"userAgent"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		APIGroup    string `json:"apiGroup"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

func parseWrite(line []byte) (Write, error) {
	var event auditEvent
	if err := json.Unmarshal(line, &event); err != nil {
		return Write{}, fmt.Errorf("an audit event that is not JSON: %w", err)
	}
	resource := event.ObjectRef.Resource
	if event.ObjectRef.APIGroup != "" {
		resource += "." + event.ObjectRef.APIGroup
	}
	if event.ObjectRef.Subresource != "" {
		resource += "/" + event.ObjectRef.Subresource
	}
	agent, _, _ := strings.Cut(event.UserAgent, " ")
	return Write{
		User: event.User.Username, Agent: agent, Verb: event.Verb, Resource: resource,
		Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name, Code: event.ResponseStatus.Code,
	}, nil
}
