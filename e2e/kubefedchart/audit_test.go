package kubefedchart

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
)

// account is the name that the controller manager has in the host.
const account = "system:serviceaccount:" + namespace + ":kubefed-controller"

// auditPolicy writes down every request of the controller manager's. A watch is answered when it starts.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, Panic]
rules:
- level: Metadata
  users: [` + account + `]
- level: None
`

// auditLog is the log of what the controller manager asks the host.
type auditLog struct{ path string }

// newAuditLog returns a log and the flags of the API server that writes it.
func newAuditLog(t *testing.T, dir string) (auditLog, []string) {
	t.Helper()
	policy := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o644); err != nil {
		t.Fatal(err)
	}
	log := auditLog{path: filepath.Join(dir, "audit.log")}
	return log, []string{"--audit-policy-file=" + policy, "--audit-log-path=" + log.path, "--audit-log-mode=blocking"}
}

// request is what RBAC decides about.
type request struct{ verb, group, resource string }

func (r request) String() string { return fmt.Sprintf("%s %s.%s", r.verb, r.resource, r.group) }

// requests returns what was asked for of Kubernetes' resources, and what of anything was refused as not allowed.
func (l auditLog) requests(t *testing.T) (all sets.Set[request], refused []string) {
	t.Helper()
	file, err := os.Open(l.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	all = sets.New[request]()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb       string `json:"verb"`
			RequestURI string `json:"requestURI"`
			ObjectRef  struct {
				Resource    string `json:"resource"`
				Subresource string `json:"subresource"`
				APIGroup    string `json:"apiGroup"`
			} `json:"objectRef"`
			ResponseStatus struct {
				Code int `json:"code"`
			} `json:"responseStatus"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			// The last line may still be being written.
			continue
		}
		if event.ResponseStatus.Code == http.StatusForbidden {
			refused = append(refused, event.Verb+" "+event.RequestURI)
		}
		if event.ObjectRef.Resource == "" {
			continue
		}
		resource := event.ObjectRef.Resource
		if event.ObjectRef.Subresource != "" {
			resource += "/" + event.ObjectRef.Subresource
		}
		all.Insert(request{event.Verb, event.ObjectRef.APIGroup, resource})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all, refused
}

// grants returns every verb on every resource that the chart's roles allow.
func grants(t *testing.T, objects rendered) []request {
	t.Helper()
	granted := sets.New[request]()
	for _, object := range objects {
		if kind := object.GetKind(); kind != "Role" && kind != "ClusterRole" {
			continue
		}
		// A Role's rules are as a ClusterRole's.
		role := &rbacv1.ClusterRole{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						granted.Insert(request{verb, group, resource})
					}
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(granted), func(a, b request) int { return strings.Compare(a.String(), b.String()) })
}

// covers says whether a grant, whose resource may be a star, is what a request needs.
func (r request) covers(asked request) bool {
	if r.verb != asked.verb || r.group != asked.group {
		return false
	}
	if suffix, found := strings.CutPrefix(r.resource, "*"); found {
		return strings.HasSuffix(asked.resource, suffix) && (suffix != "" || !strings.Contains(asked.resource, "/"))
	}
	return r.resource == asked.resource
}
