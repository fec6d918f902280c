package handover

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

// object is held in one of two clusters.
const object = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedDeployment
metadata: {name: pay, namespace: acme, generation: 1}
spec:
  placement: {topologies: [{name: hz-a}, {name: hz-b}]}
  placementMask: {topologies: [{name: hz-a}]}
  template: {metadata: {annotations: {example.com/a: x}}}
status:
  observedGeneration: 1
  summary: {placed: 2, inSync: 1, held: 1, failed: 0, available: 0}
  topologies: [{name: hz-a, generation: 1}, {name: hz-b, status: Held}]
`

// free is released to all of them.
var free = strings.NewReplacer("  placementMask: {topologies: [{name: hz-a}]}\n", "", "held: 1", "held: 0").Replace(object)

func world(t *testing.T, policy *v1alpha1.FederatedTypePolicy, document string) []client.Object {
	t.Helper()
	config := kubetest.TypeConfig("deployments", "apps", "v1", "Deployment")
	config.Status.PropagationController = "Running"
	objects := []client.Object{
		config, crdWith("True", ""), kubetest.FromYAML(t, document),
		&coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: config.Namespace, Name: leaseName},
			Spec:       coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: now}},
		},
	}
	if policy != nil {
		objects = append(objects, policy)
	}
	return objects
}

type result struct {
	Out, Err string
	Code     int
}

func run(t *testing.T, h *kubetest.Host, args ...string) result {
	t.Helper()
	cmd := newCommand(&Options{kube: h.Kube, now: func() time.Time { return now }})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	message := ""
	if err != nil {
		message = "error: " + exit.Message(err) + "\n"
	}
	return result{h.Stdout.String(), h.Stderr.String() + message, exit.Code(err)}
}

// manager reports on a policy once it is applied, as cellfed's manager does.
func manager(report func(*v1alpha1.FederatedTypePolicy)) interceptor.Funcs {
	return interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, applied runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if err := c.Apply(ctx, applied, append(opts, client.ForceOwnership)...); err != nil {
				return err
			}
			policy := &v1alpha1.FederatedTypePolicy{}
			if err := c.Get(ctx, client.ObjectKey{Namespace: "kube-federation-system", Name: "deployments.apps"}, policy); err != nil {
				return err
			}
			report(policy)
			return c.Update(ctx, policy)
		},
	}
}

const steps = `deployments.apps, 1 object: from KubeFed to Cellfed
1. the FederatedTypeConfig is disabled, and KubeFed stops propagating the type
2. cellfed waits until nothing of KubeFed's is seen to be written any more: nobody propagates the type for some seconds
3. cellfed propagates the type: nothing in a member is deleted, recreated or rewritten by that
4. the object is stored anew in v2beta1, with the same content
Note: the template of 1 object has annotations that the policy does not name, and cellfed drops them, as KubeFed does: example.com/a: name them in spec.propagatingAnnotations of the policy if they are to be propagated
`

func TestRun(t *testing.T) {
	done := func(p *v1alpha1.FederatedTypePolicy) {
		p.Status.Propagator, p.Status.StorageVersion = "Cellfed", "v2beta1"
		p.Status.Conditions = []metav1.Condition{{Type: "Propagating", Status: "True", ObservedGeneration: p.Generation}}
	}
	waiting := func(p *v1alpha1.FederatedTypePolicy) {
		p.Status.Conditions = []metav1.Condition{{Type: "Propagating", Status: "False", ObservedGeneration: p.Generation, Message: "KubeFed has not stopped"}}
	}
	cases := map[string]struct {
		reason string
		policy *v1alpha1.FederatedTypePolicy
		object string
		report func(*v1alpha1.FederatedTypePolicy)
		args   []string
		want   result
	}{
		"DryRun": {
			reason: "it tells, and changes nothing", object: free, args: []string{"deploy", "--to", "Cellfed", "--dry-run"},
			want: result{Err: steps},
		},
		"NobodyToAsk": {
			reason: "a script has to agree", object: free, args: []string{"deploy", "--to", "Cellfed"},
			want: result{Err: steps + "error: nobody can be asked here: give --yes if what is told above is to be done, or --dry-run to be told it alone\n", Code: exit.Usage},
		},
		"Done": {
			reason: "it is waited for", object: free, report: done, args: []string{"deploy", "--to", "Cellfed", "--yes"},
			want: result{Out: "federatedtypepolicy.cellfed.io/deployments.apps: Cellfed is to propagate the type\nfederatedtypepolicy.cellfed.io/deployments.apps: Cellfed propagates the type\n", Err: steps},
		},
		"Late": {
			reason: "it says what it waits for", object: free, report: waiting, args: []string{"deploy", "--to", "Cellfed", "--yes", "--timeout", "300ms"},
			want: result{
				Out: "federatedtypepolicy.cellfed.io/deployments.apps: Cellfed is to propagate the type\n",
				Err: steps + "KubeFed has not stopped\nerror: deployments.apps is not handed over to Cellfed within 300ms, and the hand-over goes on: KubeFed has not stopped\n", Code: exit.NotSo,
			},
		},
		"Held": {
			reason: "what is held keeps its type", policy: kubetest.Policy("deployments.apps", "Cellfed"), object: object, args: []string{"deploy", "--to", "KubeFed", "--yes", "--dry-run", "-o", "json"},
			want: result{
				Out: `{
    "type": "deployments.apps",
    "from": "Cellfed",
    "to": "KubeFed",
    "unchanged": false,
    "objects": 1,
    "blockers": [
        "1 object is held, and KubeFed, which knows no mask, would release it: acme/pay: release it with kubectl cells release TYPE/NAME --all, or complete its mask"
    ],
    "warnings": [],
    "steps": [
        "cellfed stops propagating the type, once it has written what it has begun",
        "the objects are looked at once more: one that KubeFed must not be given has cellfed go on",
        "the FederatedTypeConfig is enabled, and KubeFed propagates the type: nothing in a member is deleted, recreated or rewritten by that",
        "the object is stored anew in v1beta1, with the same content"
    ]
}
`,
				Err: "error: deployments.apps cannot be handed over to KubeFed as it is: nothing was changed\n", Code: exit.Failure,
			},
		},
		"Already": {
			reason: "nothing is written", policy: kubetest.Policy("deployments.apps", "Cellfed"), object: free, args: []string{"deploy", "--to", "Cellfed", "--wait=false"},
			want: result{Err: "deployments.apps is to be propagated by Cellfed already\n"},
		},
		"AlreadyForPrograms": {
			reason: "a program gets its object all the same", policy: kubetest.Policy("deployments.apps", "Cellfed"), object: free,
			args: []string{"deploy", "--to", "Cellfed", "--wait=false", "-o", "name"},
			want: result{Out: "federatedtypepolicy.cellfed.io/deployments.apps\n", Err: "deployments.apps is to be propagated by Cellfed already\n"},
		},
		"To":      {reason: "a direction", object: free, args: []string{"deploy"}, want: result{Err: "error: --to is missing: give --to Cellfed or --to KubeFed\n", Code: exit.Usage}},
		"Unknown": {reason: "there are two", object: free, args: []string{"deploy", "--to", "cellfed"}, want: result{Err: "error: --to \"cellfed\" is not known: use Cellfed or KubeFed\n", Code: exit.Usage}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			funcs := interceptor.Funcs{}
			if tc.report != nil {
				funcs = manager(tc.report)
			}
			h := kubetest.New(t, "acme", funcs, world(t, tc.policy, tc.object)...)
			if diff := cmp.Diff(tc.want, run(t, h, tc.args...)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestWritesPropagatorAlone: the rest of a policy is somebody else's.
func TestWritesPropagatorAlone(t *testing.T) {
	policy := kubetest.Policy("deployments.apps", "KubeFed")
	policy.Spec.Retain = []string{".spec.replicas"}
	h := kubetest.New(t, "acme", manager(func(*v1alpha1.FederatedTypePolicy) {}), world(t, policy, free)...)
	if got := run(t, h, "deploy", "--to", "Cellfed", "--yes", "--wait=false"); got.Code != 0 {
		t.Fatal(got.Err)
	}
	now := &v1alpha1.FederatedTypePolicy{}
	if err := h.Fake.Get(t.Context(), client.ObjectKeyFromObject(policy), now); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.FederatedTypePolicySpec{Propagator: "Cellfed", Retain: []string{".spec.replicas"}}
	if diff := cmp.Diff(want, now.Spec); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
