package kubefedchart

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/cellfed/cellfed/e2e/framework"
)

// account is the controller manager's service account in the host.
const account = "kubefed-controller"

// request is what RBAC decides about.
type request struct{ verb, group, resource string }

func (r request) String() string { return fmt.Sprintf("%s %s.%s", r.verb, r.resource, r.group) }

// requests returns what the controller manager asked of Kubernetes' resources, and what of anything it was refused.
func requests(t *testing.T, log *framework.RequestLog) (all sets.Set[request], refused []string) {
	t.Helper()
	logged, err := log.Requests()
	if err != nil {
		t.Fatal(err)
	}
	all = sets.New[request]()
	for _, r := range logged {
		if r.Account != account {
			continue
		}
		if r.Forbidden() {
			refused = append(refused, r.String())
		}
		if r.Resource != "" {
			all.Insert(request{r.Verb, r.Group, r.Resource})
		}
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
