package uninstall

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

var (
	mine     = Policy{Name: "configmaps", Wanted: v1alpha1.PropagatorCellfed, Propagator: v1alpha1.PropagatorCellfed, Storage: "v2beta1", Current: true}
	theirs   = Policy{Name: "secrets", Wanted: v1alpha1.PropagatorKubeFed, Propagator: v1alpha1.PropagatorKubeFed, Storage: "v1beta1", Current: true}
	migrates = Policy{Name: "jobs.batch", Wanted: v1alpha1.PropagatorKubeFed, Propagator: v1alpha1.PropagatorKubeFed, Current: true}
	running  = &Manager{Name: "cellfed-manager", Wanted: 2, Pods: 2}
	stopped  = &Manager{Name: "cellfed-manager", Namespace: "kf"}
	full     = []Cell{{Name: "acme/rz00a", Placed: []string{"configmaps/pay"}}}
	empty    = []Cell{{Name: "acme/rz00a"}}
	hooks    = []string{"mutatingwebhookconfiguration/cellfed-mutating", "validatingwebhookconfiguration/cellfed-validating"}
	upgraded = []string{"federatedconfigmaps.types.kubefed.io"}
)

func TestPlan(t *testing.T) {
	cases := map[string]struct {
		reason    string
		situation Situation
		choice    Choice
		want      []string
	}{
		"Everything": {
			reason:    "the order in which nothing is lost",
			situation: Situation{Policies: []Policy{mine, theirs, migrates}, Cells: empty, Manager: running, Webhooks: hooks, Upgraded: upgraded, Rest: []string{"service/cellfed-facade"}},
			choice:    Choice{All: true},
			want: []string{
				"hand back: hand the types back to KubeFed: configmaps and jobs.batch",
				"delete policies: delete the FederatedTypePolicies: configmaps, secrets and jobs.batch",
				"delete cells: delete the cells: acme/rz00a",
				"stop the manager: stop the manager: scale its Deployment to 0",
				"delete webhook configurations: delete mutatingwebhookconfiguration/cellfed-mutating and validatingwebhookconfiguration/cellfed-validating, which refuse what nobody answers for",
				"remove v2beta1: take v2beta1 and the conversion from 1 CRD, by a Job of the manager's image",
				"delete the rest: delete the rest: service/cellfed-facade",
			},
		},
		"Resumed": {
			reason:    "what is done is not done again",
			situation: Situation{Cells: full, Manager: stopped, Upgraded: upgraded},
			choice:    Choice{KeepCells: true},
			want: []string{
				"hand back: all types are KubeFed's (done)", "delete policies: there are no FederatedTypePolicies (done)",
				"delete cells: 1 cell kept, and read as not ready from now on (done)", "stop the manager: the manager is stopped (done)",
				"delete webhook configurations: there are no webhook configurations (done)",
				"remove v2beta1: take v2beta1 and the conversion from 1 CRD, by a Job of the manager's image",
			},
		},
		"Terminating": {
			reason:    "a Pod that ends goes on to write",
			situation: Situation{Manager: &Manager{Name: "cellfed-manager", Pods: 1}},
			want: []string{
				"hand back: all types are KubeFed's (done)", "delete policies: there are no FederatedTypePolicies (done)", "delete cells: there are no cells (done)",
				"stop the manager: stop the manager: scale its Deployment to 0",
				"delete webhook configurations: there are no webhook configurations (done)", "remove v2beta1: no CRD has v2beta1 (done)",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, step := range Plan(&tc.situation, tc.choice) {
				line := string(step.Act) + ": " + step.Text
				if step.Done {
					line += " (done)"
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	cases := map[string]struct {
		reason    string
		situation Situation
		choice    Choice
		want      []string
	}{
		"Nothing":     {reason: "nothing is installed"},
		"Ready":       {reason: "all can go", situation: Situation{Policies: []Policy{mine}, Cells: empty, Manager: running, Upgraded: upgraded}},
		"Held":        {reason: "KubeFed would release it", situation: Situation{Policies: []Policy{mine}, Held: []string{"configmaps/pay in acme"}, Manager: running}, want: []string{"configmaps/pay in acme", "kubectl cells release"}},
		"Placed":      {reason: "what is on a cell would go from the member", situation: Situation{Cells: full, Manager: running}, want: []string{"acme/rz00a (configmaps/pay)", "--keep-cells"}},
		"Kept":        {reason: "nothing goes where cells are kept", situation: Situation{Cells: full, Manager: running}, choice: Choice{KeepCells: true}},
		"TooEarly":    {reason: "the manager hands back", situation: Situation{Policies: []Policy{mine}, Manager: stopped}, want: []string{"kubectl -n kf scale deployment cellfed-manager --replicas=1"}},
		"CellsLeft":   {reason: "the manager removes cells", situation: Situation{Cells: empty, Manager: stopped}, want: []string{"1 cell left", "kubectl -n kf scale", "--keep-cells"}},
		"Elsewhere":   {reason: "a manager that no Deployment stops", situation: Situation{Leader: "vm_1"}, want: []string{"vm_1 holds the lease"}},
		"NoJob":       {reason: "nothing to make a Job of", situation: Situation{Upgraded: upgraded}, want: []string{"--deployment", "--remove-v2beta1"}},
		"HelmRelease": {reason: "Helm deletes what it installed", situation: Situation{Manager: &Manager{Name: "m", Release: "cellfed"}}, choice: Choice{All: true}, want: []string{"helm uninstall cellfed"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := Refusal(&tc.situation, tc.choice)
			if (err != nil) != (len(tc.want) > 0) {
				t.Fatalf("%s: it says %v", tc.reason, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: it does not say %q: %v", tc.reason, want, err)
				}
			}
		})
	}
}

// TestReasons: where there are several reasons, each is a line of its own of one refusal.
func TestReasons(t *testing.T) {
	const noJob = "there is no Deployment of the manager to make a Job of: name it with --deployment, or run the manager's program once with --remove-v2beta1 and its flags, and run this again"
	const elsewhere = "a manager runs that is no Deployment here (vm_1 holds the lease): stop it once the types are handed back and the cells are gone, and run this again"
	cases := map[string]struct {
		reason    string
		situation Situation
		want      string
	}{
		"One": {reason: "a sentence", situation: Situation{Upgraded: upgraded}, want: "nothing was changed: " + noJob},
		"Two": {reason: "a list", situation: Situation{Leader: "vm_1", Upgraded: upgraded}, want: "nothing was changed, for 2 reasons:\n- " + elsewhere + "\n- " + noJob},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := Refusal(&tc.situation, Choice{})
			if err == nil {
				t.Fatalf("%s: it is not refused", tc.reason)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
