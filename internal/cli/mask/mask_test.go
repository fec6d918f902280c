package mask

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/hold"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
	"github.com/cellfed/cellfed/internal/cli/release"
)

const pay = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedDeployment
metadata: {name: pay, namespace: acme, uid: u, generation: 4}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}, {name: rz00b}]}
`

func host(t *testing.T, more string) *kubetest.Host {
	t.Helper()
	objects := []client.Object{
		kubetest.TypeConfig("deployments", "apps", "v1", "Deployment"), kubetest.Policy("deployments.apps", v1alpha1.PropagatorCellfed),
		kubetest.FromYAML(t, pay+more),
	}
	for _, name := range []string{"rz00a", "rz00b"} {
		objects = append(objects, &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}, Spec: v1alpha1.CellSpec{ClusterName: "hz-a"}})
	}
	return kubetest.New(t, "acme", interceptor.Funcs{}, objects...)
}

// TestVerbs: what a command line of hold, release or mask comes to. What a change comes to is package masking's to show.
func TestVerbs(t *testing.T) {
	const reference = "federateddeployment.types.kubefed.io/pay"
	const masked = "  placementMask: {topologies: [{name: rz00b}]}\n"
	cases := map[string]struct {
		reason string
		more   string
		args   []string
		out    string
		err    string
		code   int
	}{
		"Tell":         {reason: "no flag asks", more: masked, args: []string{"mask", "deploy/pay"}, out: reference + ": a change reaches rz00b; held: rz00a\n"},
		"TellNone":     {reason: "none is none", args: []string{"mask", "deploy/pay"}, out: reference + " has no mask: a change reaches everything that is placed\n"},
		"TellEmpty":    {reason: "an empty one is another", more: "  placementMask: {topologies: []}\n", args: []string{"mask", "deploy/pay"}, out: reference + " has an empty mask: a change reaches nothing\n"},
		"TellYAML":     {reason: "for programs", args: []string{"mask", "deploy/pay", "-o", "yaml"}, out: "held: []\nmask: null\nname: pay\nnamespace: acme\nreleased:\n- rz00a\n- rz00b\ntopologyType: cell\ntype: deployments.apps\n"},
		"Set":          {reason: "to these and no others", args: []string{"mask", "deploy/pay", "--cells", "rz00a"}, out: reference + " held in rz00b (released to 1 of 2 cells)\n"},
		"None":         {reason: "to nothing", args: []string{"mask", "deploy/pay", "--none"}, out: reference + " held in rz00a and rz00b (released to 0 of 2 cells)\n"},
		"Clear":        {reason: "to no mask", more: masked, args: []string{"mask", "deploy/pay", "--clear", "--force-conflicts"}, out: reference + " released to everything that is placed: it has no mask any more\n"},
		"HoldAll":      {reason: "an empty mask", args: []string{"hold", "deploy/pay", "--all"}, out: reference + " held in rz00a and rz00b (released to 0 of 2 cells)\n"},
		"Hold":         {reason: "one of two", args: []string{"hold", "deploy/pay", "rz00a", "--dry-run"}, out: reference + " held in rz00a (released to 1 of 2 cells) (dry run)\n"},
		"ReleaseAll":   {reason: "no mask", more: masked, args: []string{"release", "deploy/pay", "--all", "--dry-run=client"}, out: reference + " released to everything that is placed: it has no mask any more (dry run)\n"},
		"Release":      {reason: "one more", more: masked, args: []string{"release", "deploy/pay", "rz00a", "--dry-run=client"}, out: reference + " released to rz00a (2 of 2 cells) (dry run)\n"},
		"TwoFlags":     {reason: "only one can be meant", args: []string{"mask", "deploy/pay", "--none", "--clear"}, err: "--cells, --none and --clear exclude one another: give one of them", code: exit.Usage},
		"NoCells":      {reason: "nothing is not none", args: []string{"mask", "deploy/pay", "--cells", ""}, err: "--cells names no cell: name some, or give --none to hold everything", code: exit.Usage},
		"WaitAlone":    {reason: "nothing is set", args: []string{"mask", "deploy/pay", "--wait"}, err: "--wait is for a mask that is set: give --cells, --none or --clear", code: exit.Usage},
		"HoldNothing":  {reason: "a forgotten cell is not all of them", args: []string{"hold", "deploy/pay"}, err: "no cell is named: name those of deploy/pay to hold, or give --all", code: exit.Usage},
		"HoldBoth":     {reason: "only one can be meant", args: []string{"hold", "deploy/pay", "rz00a", "--all"}, err: "--all holds every cell: name none beside it, or leave it out", code: exit.Usage},
		"FreeNothing":  {reason: "a forgotten cell is not all of them", args: []string{"release", "deploy/pay"}, err: "no cell is named: name those of deploy/pay to release, or give --all", code: exit.Usage},
		"FreeBoth":     {reason: "only one can be meant", args: []string{"release", "deploy/pay", "rz00a", "--all"}, err: "--all releases every cell: name none beside it, or leave it out", code: exit.Usage},
		"Timeout":      {reason: "nothing waits", args: []string{"hold", "deploy/pay", "rz00a", "--timeout", "1m"}, err: "--timeout is for --wait: give both, or none", code: exit.Usage},
		"WaitForTrial": {reason: "nothing comes", args: []string{"hold", "deploy/pay", "rz00a", "--wait", "--dry-run=server"}, err: "--wait and --dry-run do not go together: nothing would come to be waited for", code: exit.Usage},
		"DryRun":       {reason: "no such trial", args: []string{"hold", "deploy/pay", "rz00a", "--dry-run=maybe"}, err: `--dry-run "maybe" is not known: use none, client or server`, code: exit.Usage},
		"Output":       {reason: "no such form", args: []string{"hold", "deploy/pay", "rz00a", "-o", "wide"}, err: `--output "wide" is not known: use json, yaml or name`, code: exit.Usage},
		"Object":       {reason: "the form TYPE NAME is for verbs without cells", args: []string{"hold", "deploy", "pay"}, err: `"deploy" names no object: write TYPE/NAME, such as deployment/deploy`, code: exit.Usage},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := host(t, tc.more)
			cmd := New(h.Kube)
			switch tc.args[0] {
			case "hold":
				cmd = hold.New(h.Kube)
			case "release":
				cmd = release.New(h.Kube)
			}
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(tc.args[1:])
			err := cmd.ExecuteContext(t.Context())
			if exit.Code(err) != tc.code || exit.Message(err) != tc.err {
				t.Errorf("%s: code %d, %q", tc.reason, exit.Code(err), exit.Message(err))
			}
			if diff := cmp.Diff(tc.out, h.Stdout.String()); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestTellUnderKubeFed: a mask that nobody obeys holds nothing.
func TestTellUnderKubeFed(t *testing.T) {
	h := host(t, "  placementMask: {topologies: [{name: rz00b}]}\n")
	policy := kubetest.Policy("deployments.apps", v1alpha1.PropagatorKubeFed)
	if err := h.Fake.Get(t.Context(), client.ObjectKeyFromObject(policy), policy); err != nil {
		t.Fatal(err)
	}
	policy.Status.Propagator = v1alpha1.PropagatorKubeFed
	if err := h.Fake.Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	for form, want := range map[string]string{
		"":     "federateddeployment.types.kubefed.io/pay has a mask that nobody obeys: a change reaches everything that is placed\n",
		"yaml": "held: []\nmask:\n  names:\n  - rz00b\nname: pay\nnamespace: acme\nreleased:\n- rz00a\n- rz00b\ntopologyType: cell\ntype: deployments.apps\n",
	} {
		h.Stdout.Reset()
		cmd := New(h.Kube)
		cmd.SetArgs([]string{"deploy/pay", "--output=" + form})
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, h.Stdout.String()); diff != "" {
			t.Errorf("-o %q: -want +got:\n%s", form, diff)
		}
	}
}

// TestTellUnreadable: a mask that cannot be read holds everything, and it is told why.
func TestTellUnreadable(t *testing.T) {
	h := host(t, "  placementMask: {nope: 1}\n")
	cmd := New(h.Kube)
	cmd.SetArgs([]string{"deploy/pay"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "federateddeployment.types.kubefed.io/pay has an empty mask: a change reaches nothing\n"
	if got := h.Stderr.String(); h.Stdout.String() != want || !strings.HasPrefix(got, "note: the object cannot be propagated as it is: the placement mask cannot be used: spec.placementMask.nope is not known") {
		t.Errorf("got %q, %q", h.Stdout.String(), got)
	}
}
