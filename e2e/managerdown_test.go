package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
)

// TestManagerDown crashes cellfed's manager, the only one: what an existing user has is kept as it is, cells read as not
// ready, and nothing is deleted anywhere. What people write is refused, for nobody judges it. When it is back, all is well
// without a needless write.
func TestManagerDown(t *testing.T) {
	env := environment(t)
	user := newUser(t, env, "down-user")
	user.create(fmt.Sprintf(existingUser, user.namespace, hangzhou))
	user.waitPlain(hangzhou, "plain", map[string]string{"from": "cluster"})
	s := newTenant(t, env, "down")
	s.cell("rz00a", hangzhou, "down-a", nil)
	s.cell("rz00b", hangzhou, "down-b", nil)
	s.waitReady()
	manifest := strings.ReplaceAll(listed, "settings", "steady")
	kubectl := s.kubectl()
	in := "-n " + s.namespace + " "
	s.want(kubectl, manifest, in+"apply -f -", "created")
	data := map[string]string{"level": "info"}
	s.waitData("rz00a", "steady", data)
	s.waitData("rz00b", "steady", data)
	s.waitPropagated("FederatedConfigMap", "steady", "rz00a", "rz00b")

	before := s.mark()
	s.must(env.Cellfed.Kill())
	t.Cleanup(func() {
		// The stories that follow need it, whatever became of this one.
		if err := env.Cellfed.Start(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.waitUpstream("rz00a", false)
	s.waitUpstream("rz00b", false)
	if pushed() {
		// What is stored is v2beta1: that can be read, and written as far as nobody has to judge it.
		s.patch("FederatedConfigMap", v2beta1, "steady", `{"metadata":{"annotations":{"while":"down"}}}`)
		s.refused(kubectl, "", in+"patch "+inV2+` steady --type=merge -p {"spec":{"placementMask":{"topologies":[]}}}`, "failed calling webhook")
		s.refused(kubectl, "", in+"get "+inV1+" steady -o yaml", "conversion webhook", "refused")
		s.want(kubectl, "", in+"get "+inV2+" steady -o yaml", "rz00a")
	} else {
		s.refused(kubectl, "", "-n "+user.namespace+" patch "+inV1+` plain --type=merge -p {"spec":{"template":{"data":{"while":"down"}}}}`, "failed calling webhook")
		lost := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: user.namespace, Name: "plain"}}
		s.must(env.Member(hangzhou).Client.Delete(s.ctx, lost))
		user.waitPlain(hangzhou, "plain", map[string]string{"from": "cluster"})
		s.refused(kubectl, strings.Replace(manifest, "info", "debug", 1), in+"apply -f -", "conversion webhook", "refused")
		s.want(kubectl, "", in+"get "+inV1+" steady -o yaml", "down.rz00a")
	}
	s.waitData("rz00a", "steady", data)
	s.waitData("rz00b", "steady", data)
	s.wantNoWrites(before, "while the manager is down")

	s.must(env.Cellfed.Start(s.ctx))
	user.patch("FederatedConfigMap", v1beta1, "plain", `{"spec":{"template":{"data":{"since":"back"}}}}`)
	s.waitUpstream("rz00a", true)
	s.waitUpstream("rz00b", true)
	s.waitReady()
	s.waitPropagated("FederatedConfigMap", "steady", "rz00a", "rz00b")
	s.wantNoWrites(before, "since the manager came back")
	s.want(kubectl, strings.Replace(manifest, "info", "debug", 1), in+"apply -f -", "configured")
	s.waitData("rz00a", "steady", map[string]string{"level": "debug"})
	s.waitData("rz00b", "steady", map[string]string{"level": "debug"})
	user.waitPlain(hangzhou, "plain", map[string]string{"from": "cluster", "since": "back"})

	t.Log("A graceful stop, with the cells' condition after it")
	s.must(env.Cellfed.Stop(s.ctx))
	s.waitUpstream("rz00a", false)
	s.must(env.Cellfed.Start(s.ctx))
	s.waitCondition("rz00a", cellfedv1alpha1.ConditionReady, metav1.ConditionTrue)
}

// waitUpstream waits until upstream takes the cell's KubeFedCluster for ready, or for not ready.
func (s *tenant) waitUpstream(cell string, want bool) {
	s.t.Helper()
	name := s.namespace + "." + cell
	s.eventually(fmt.Sprintf("the KubeFedCluster %s to be ready: %v", name, want), func(ctx context.Context) error {
		ready, message, err := s.env.KubeFed.ClusterReady(ctx, name)
		if err != nil {
			return err
		}
		if ready != want {
			return errors.New("it is not: " + message)
		}
		return nil
	})
}
