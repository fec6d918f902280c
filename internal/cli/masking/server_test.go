package masking

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
	"github.com/cellfed/cellfed/internal/cli/kube/servertest"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// patience is how long something that must happen may take on a busy machine.
const patience = time.Minute

// newHost returns a host cluster that stores FederatedDeployments in v2beta1, propagated by cellfed as the policy says, and
// that nothing runs in.
func newHost(t *testing.T) *framework.Cluster {
	t.Helper()
	host := servertest.Run(t)
	servertest.StoreDeployments(t, host)
	policy := &v1alpha1.FederatedTypePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: kube.DefaultKubeFedNamespace, Name: "deployments.apps"},
		Spec:       v1alpha1.FederatedTypePolicySpec{Propagator: v1alpha1.PropagatorCellfed},
	}
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}, policy}
	for _, name := range []string{"rz00a", "rz00b", "rz01a"} {
		c := cell(name, nil)
		objects = append(objects, &c)
	}
	for _, object := range objects {
		if err := host.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	if err := host.Client.Status().Patch(t.Context(), policy, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"propagator":"Cellfed"}}`))); err != nil {
		t.Fatal(err)
	}
	return host
}

// apply writes FederatedDeployment pay as somebody does who keeps it in git.
func apply(t *testing.T, host *framework.Cluster, spec string) {
	t.Helper()
	framework.Eventually(t, patience, "v2beta1 to be served", func(ctx context.Context) error {
		object := kubetest.FromYAML(t, "apiVersion: types.kubefed.io/v2beta1\nkind: FederatedDeployment\nmetadata: {name: pay, namespace: acme}\nspec:\n  topologyType: cell\n"+spec)
		return host.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("argocd-controller"), client.ForceOwnership)
	})
}

func read(t *testing.T, host *framework.Cluster) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("types.kubefed.io/v2beta1")
	object.SetKind("FederatedDeployment")
	if err := host.Client.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: "pay"}, object); err != nil {
		t.Fatal(err)
	}
	return object
}

// TestServer: whose the mask is, and what is a precondition, as an API server has it.
func TestServer(t *testing.T) {
	host := newHost(t)
	// do makes a change as the verbs do, and returns what was said.
	do := func(intent Intent, set ...func(*Change)) result {
		var out, errOut strings.Builder
		k := kube.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut})
		*k.Flags.KubeConfig, *k.Flags.Namespace = host.Kubeconfig, "acme"
		c := NewChange(k)
		c.Object, c.Intent, c.Timeout = "deploy/pay", intent, patience
		for _, s := range set {
			s(c)
		}
		err := c.Run(t.Context())
		if err != nil {
			return result{out.String(), exit.Message(err), exit.Code(err)}
		}
		return result{Out: out.String()}
	}
	const object = "federateddeployment.types.kubefed.io/pay"
	const theirs = object + `: spec.placementMask is set by "argocd-controller": change it where that manager takes it from, ` +
		"such as the git repository of Argo CD or the values of Helm, or take it over with --force-conflicts"
	force := func(c *Change) { c.Force = true }
	const masked = named + "  placementMask: {topologies: [{name: rz00a}]}\n"
	// The steps build on one another.
	steps := []struct {
		reason string
		spec   string
		intent Intent
		set    []func(*Change)
		want   result
		mask   string
	}{
		{"nobody has a mask", named, Intent{Hold, []string{"rz00a"}}, nil, result{Out: object + " held in rz00a (released to 2 of 3 cells)\n"}, "rz00b, rz01a"},
		{"who has set it changes it", "", Intent{Hold, []string{"rz00b"}}, nil, result{Out: object + " held in rz00b (released to 1 of 3 cells)\n"}, "rz01a"},
		{"down to nothing, which is no absent mask", "", Intent{Hold, []string{"rz01a"}}, nil, result{Out: object + " held in rz01a (released to 0 of 3 cells)\n"}, "empty"},
		{"and up again", "", Intent{Release, []string{"rz00a"}}, nil, result{Out: object + " released to rz00a (1 of 3 cells)\n"}, "rz00a"},
		{"the host cluster judges, and stores nothing", "", Intent{Clear, nil}, []func(*Change){func(c *Change) { c.DryRun = writing.Server }},
			result{Out: object + " released to everything that is placed: it has no mask any more (server dry run)\n"}, "rz00a"},
		{"the mask goes", "", Intent{Clear, nil}, nil, result{Out: object + " released to everything that is placed: it has no mask any more\n"}, "none"},
		{"what is in git is not changed here", masked, Intent{Release, []string{"rz00b"}}, nil, result{Err: theirs, Code: 1}, "rz00a"},
		{"nor removed", "", Intent{Clear, nil}, nil, result{Err: theirs, Code: 1}, "rz00a"},
		{"nor emptied", "", Intent{Set, nil}, nil, result{Err: theirs, Code: 1}, "rz00a"},
		{"unless it is taken over", "", Intent{Release, []string{"rz00b"}}, []func(*Change){force}, result{Out: object + " released to rz00b (2 of 3 cells)\n"}, "rz00a, rz00b"},
		{"from then on it is not theirs", "", Intent{Clear, nil}, nil, result{Out: object + " released to everything that is placed: it has no mask any more\n"}, "none"},
		{"removed by force", masked, Intent{Clear, nil}, []func(*Change){force}, result{Out: object + " released to everything that is placed: it has no mask any more\n"}, "none"},
	}
	for _, step := range steps {
		if step.spec != "" {
			apply(t, host, step.spec)
		}
		if diff := cmp.Diff(step.want, do(step.intent, step.set...)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", step.reason, diff)
		}
		if got := maskOf(read(t, host)); got != step.mask {
			t.Errorf("%s: the mask is %s, want %s", step.reason, got, step.mask)
		}
	}
	if spec := content(read(t, host)); len(spec) != 2 {
		t.Errorf("nothing else of the object is touched: got %v", spec)
	}
	preconditions(t, host)
}

// preconditions shows that what was read is what is written to, whichever way it is written.
func preconditions(t *testing.T, host *framework.Cluster) {
	t.Helper()
	var sink strings.Builder
	k := kube.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &sink, ErrOut: &sink})
	*k.Flags.KubeConfig, *k.Flags.Namespace = host.Kubeconfig, "acme"
	c := NewChange(k)
	apply(t, host, named)
	before := read(t, host)
	apply(t, host, named+"  retainReplicas: true\n")
	for reason, plan := range map[string]Plan{"set": {Mask: []string{"rz00a"}}, "removed": {}} {
		if _, err := c.put(t.Context(), before, plan); !writing.IsOvertaken(err) {
			t.Errorf("a mask is %s over what has changed: %v", reason, err)
		}
	}
	before = read(t, host)
	if err := host.Client.Delete(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	for reason, plan := range map[string]Plan{"set": {Mask: []string{"rz00a"}}, "removed": {}} {
		if _, err := c.put(t.Context(), before, plan); !writing.IsOvertaken(err) && !apierrors.IsNotFound(err) {
			t.Errorf("a mask is %s though the object has gone: %v", reason, err)
		}
	}
}
