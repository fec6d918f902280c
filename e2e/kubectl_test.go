package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const listed = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: settings}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}, {name: rz00b}]}
  template:
    data: {level: info}
`

const (
	inV1 = "federatedconfigmaps.v1beta1.types.kubefed.io"
	inV2 = "federatedconfigmaps.v2beta1.types.kubefed.io"
)

// TestKubectl looks at federated objects and cells with the real kubectl, in both versions.
func TestKubectl(t *testing.T) {
	s := newTenant(t, environment(t), "kubectl")
	s.cell("rz00a", hangzhou, "kubectl-a", nil)
	s.cell("rz00b", hangzhou, "kubectl-b", nil)
	s.waitReady()
	kubectl := s.kubectl()
	in := "-n " + s.namespace + " "

	t.Run("Apply", func(t *testing.T) {
		s := s.on(t)
		s.want(kubectl, listed, in+"apply -f -", "created")
		s.waitPropagated("FederatedConfigMap", "settings", "rz00a", "rz00b")
		s.want(kubectl, listed, in+"apply -f -", "unchanged")
		s.want(kubectl, listed, in+"apply --server-side --force-conflicts -f -", "serverside-applied")
	})
	t.Run("Get", func(t *testing.T) {
		s := s.on(t)
		s.want(kubectl, "", in+"get federatedconfigmap settings -o jsonpath={.apiVersion}", v2beta1)
		s.want(kubectl, "", in+"get "+inV1+" settings -o yaml", "clusters:", "name: kubectl.rz00a", "topologyType: cell", "!topologies:")
		s.want(kubectl, "", in+"get "+inV2+" settings -o yaml", "topologies:", "name: rz00a", "topologyType: cell", "!kubectl.rz00a")
		s.want(kubectl, "", in+"get cells -o wide", "CLUSTER", "TARGET-NAMESPACE", "READY", hangzhou, "kubectl-a", "True", "kubectl.rz00a", "acme")
		s.want(kubectl, "", "get kubefedclusters -A", "kubectl.rz00a", hangzhou)
	})
	t.Run("List", func(t *testing.T) {
		s := s.on(t)
		columns := []string{"PLACED", "IN-SYNC", "HELD", "FAILED", "settings", "cell"}
		if pushed() {
			columns = append(columns, "cell   2        2         0      0")
		}
		s.want(kubectl, "", in+"get fcm", columns...)
		s.want(kubectl, "", in+"get "+inV2, columns...)
		s.want(kubectl, "", "get "+inV1+" -A", "settings")
	})
	t.Run("Explain", func(t *testing.T) {
		s := s.on(t)
		s.want(kubectl, "", "explain federatedconfigmap.spec --api-version=types.kubefed.io/v2beta1", "topologyType", "placementMask", "overrides", "DESCRIPTION")
		s.want(kubectl, "", "explain federatedconfigmap.spec.placement --api-version=types.kubefed.io/v2beta1", "topologies", "topologySelector", "!clusters")
		s.want(kubectl, "", "explain federatedconfigmap.spec.placement --api-version=types.kubefed.io/v1beta1", "clusters", "clusterSelector", "!topologies")
		s.want(kubectl, "", "explain cell.spec", "clusterName", "targetNamespace")
	})
	t.Run("Diff", func(t *testing.T) { s.on(t).diff() })
	t.Run("Watch", func(t *testing.T) {
		for _, resource := range []string{inV1, inV2} {
			s.on(t).watch(resource)
		}
	})
}

// diff compares what would be applied: nothing, then one line.
func (s *tenant) diff() {
	kubectl := s.kubectl()
	in := "-n " + s.namespace + " "
	s.want(kubectl, listed, in+"diff -f -", "!level")
	out, err := kubectl.Run(s.ctx, strings.Replace(listed, "info", "debug", 1), strings.Fields(in+"diff -f -")...)
	s.must(err)
	if out.Code != 1 {
		s.t.Errorf("kubectl diff with a change ended with status %d, want 1:\n%s", out.Code, out)
	}
	var changes []string
	for line := range strings.Lines(out.Stdout) {
		if (line[0] == '+' || line[0] == '-') && !strings.HasPrefix(line, "+++") && !strings.HasPrefix(line, "---") &&
			!strings.Contains(line, "generation:") {
			changes = append(changes, strings.Join(strings.Fields(line), " "))
		}
	}
	want := []string{"- level: info", "+ level: debug"}
	if diff := cmp.Diff(want, changes); diff != "" {
		s.t.Errorf("kubectl diff (-want +got):\n%s\nof\n%s", diff, out)
	}
}

// watch sees a change as it happens, in the version that it asked for.
func (s *tenant) watch(resource string) {
	ctx, cancel := context.WithTimeout(s.ctx, soon)
	defer cancel()
	kubectl := s.kubectl()
	cmd := kubectl.Command(ctx, "-n", s.namespace, "get", resource, "settings", "--watch", "--output-watch-events", "-o", "json")
	out, err := cmd.StdoutPipe()
	s.must(err)
	s.must(cmd.Start())
	defer func() {
		cancel()
		_ = cmd.Wait()
	}()

	value := resource + time.Now().Format("-150405.000")
	decoder := json.NewDecoder(bufio.NewReader(out))
	for first := true; ; first = false {
		var event struct {
			Type   string `json:"type"`
			Object struct {
				APIVersion string `json:"apiVersion"`
				Spec       struct {
					Template struct {
						Data map[string]string `json:"data"`
					} `json:"template"`
				} `json:"spec"`
			} `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			s.t.Fatalf("kubectl get %s --watch ended before it saw the change: %v", resource, err)
		}
		if version := strings.Split(resource, ".")[1]; event.Object.APIVersion != "types.kubefed.io/"+version {
			s.t.Fatalf("kubectl get %s --watch saw an object of %s", resource, event.Object.APIVersion)
		}
		if first {
			// The watch is there: now the change.
			s.patch("FederatedConfigMap", v2beta1, "settings", `{"spec":{"template":{"data":{"seen":"`+value+`"}}}}`)
		}
		if event.Object.Spec.Template.Data["seen"] == value {
			if event.Type != "MODIFIED" {
				s.t.Errorf("kubectl get %s --watch saw the change as %s", resource, event.Type)
			}
			return
		}
	}
}
