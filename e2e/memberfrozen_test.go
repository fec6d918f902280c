package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// steadyWindow is how long the story watches that a cell on a member that works stays ready.
const steadyWindow = 15 * time.Second

// TestMemberFrozen has a member that takes connections and answers nothing, which is worse than one that is gone: its
// cells are not ready within a bounded time, and those of the other member notice nothing.
func TestMemberFrozen(t *testing.T) {
	env := environment(t)
	s := newTenant(t, env, "frozen")
	s.cell("rz00a", hangzhou, "frozen-a", nil)
	s.cell("rz01a", shanghai, "frozen-s", nil)
	s.waitReady()
	s.create(fmt.Sprintf(frozenConfigMap, "here", "rz00a"))
	s.create(fmt.Sprintf(frozenConfigMap, "there", "rz01a"))
	s.waitData("rz00a", "here", map[string]string{"level": "info"})
	s.waitData("rz01a", "there", map[string]string{"level": "info"})

	s.must(env.Member(shanghai).Freeze())
	thawed := false
	t.Cleanup(func() {
		if !thawed {
			if err := env.Member(shanghai).Thaw(); err != nil {
				t.Error(err)
			}
		}
	})
	s.waitUpstream("rz01a", false)
	s.waitCondition("rz01a", cellfedv1alpha1.ConditionReady, metav1.ConditionFalse)
	s.patch("FederatedConfigMap", v2beta1, "there", `{"spec":{"template":{"data":{"level":"debug"}}}}`)
	s.patch("FederatedConfigMap", v2beta1, "here", `{"spec":{"template":{"data":{"level":"debug"}}}}`)
	s.waitData("rz00a", "here", map[string]string{"level": "debug"})
	framework.Always(t, steadyWindow, "the readiness of the cell on the other member", func(ctx context.Context) error {
		ready, message, err := env.KubeFed.ClusterReady(ctx, s.namespace+".rz00a")
		if err != nil {
			return err
		}
		if !ready {
			return fmt.Errorf("it is not ready: %s", message)
		}
		return nil
	})

	s.must(env.Member(shanghai).Thaw())
	thawed = true
	s.waitReady()
	s.waitData("rz01a", "there", map[string]string{"level": "debug"})
}

const frozenConfigMap = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: %s}
spec:
  topologyType: cell
  placement: {topologies: [{name: %s}]}
  template:
    data: {level: info}
`
