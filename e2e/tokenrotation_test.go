package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cellfed/cellfed/e2e/framework"
)

// TestTokenRotation replaces the token of a physical cluster and revokes the old one: its cells go on, over new
// connections, and so does what upstream does there itself.
func TestTokenRotation(t *testing.T) {
	env := environment(t)
	user := newUser(t, env, "rotation-user")
	user.create(fmt.Sprintf(existingUser, user.namespace, shanghai))
	user.waitPlain(shanghai, "plain", map[string]string{"from": "cluster"})

	s := newTenant(t, env, "rotation")
	s.cell("rz01a", shanghai, "rotation-a", nil)
	s.cell("rz01b", shanghai, "rotation-b", nil)
	s.waitReady()
	s.create(`
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: settings}
spec:
  topologyType: cell
  placement: {topologySelector: {}}
  template:
    data: {level: info}
`)
	s.waitData("rz01a", "settings", map[string]string{"level": "info"})
	s.waitData("rz01b", "settings", map[string]string{"level": "info"})

	before := s.mark()
	s.must(env.KubeFed.RotateToken(s.ctx, env.Member(shanghai)))
	s.eventually("the member to be ready with the new token", func(ctx context.Context) error {
		ready, message, err := env.KubeFed.ClusterReady(ctx, shanghai)
		if err != nil || ready {
			return err
		}
		return errors.New(message)
	})
	s.patch("FederatedConfigMap", v2beta1, "settings", `{"spec":{"template":{"data":{"level":"debug"}}}}`)
	s.waitData("rz01a", "settings", map[string]string{"level": "debug"})
	s.waitData("rz01b", "settings", map[string]string{"level": "debug"})
	s.waitReady()
	user.patch("FederatedConfigMap", v1beta1, "plain", `{"spec":{"template":{"data":{"more":"yes"}}}}`)
	user.waitPlain(shanghai, "plain", map[string]string{"from": "cluster", "more": "yes"})

	for _, write := range s.cellWrites(before) {
		if write.Verb != "update" && write.Verb != "patch" {
			t.Errorf("the rotation of a token made more than the one change: %s", write)
		}
	}
	if err := env.Err(); err != nil {
		t.Error(err)
	}
	s.checkOldTokenRevoked()
}

// checkOldTokenRevoked makes sure that the story has told what it says: one token of the member's is left.
func (s *tenant) checkOldTokenRevoked() {
	s.t.Helper()
	count, err := framework.CountTokens(s.ctx, s.env.Member(shanghai))
	s.must(err)
	if count != 1 {
		s.t.Errorf("the member has %d tokens, want the new one alone", count)
	}
}
