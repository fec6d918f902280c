package masking

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// result is what a change comes to.
type result struct {
	Out, Err string
	Code     int
}

func world(t *testing.T, document string) []client.Object {
	t.Helper()
	object := kubetest.FromYAML(t, document)
	// The client in memory makes none of its own, and the change is for the object of this one alone.
	object.SetUID("u1")
	objects := []client.Object{
		kubetest.TypeConfig("deployments", "apps", "v1", "Deployment"), kubetest.Policy("deployments.apps", v1alpha1.PropagatorCellfed), object,
	}
	for _, name := range []string{"rz00a", "rz00b", "rz01a"} {
		c := cell(name, nil)
		objects = append(objects, &c)
	}
	return objects
}

func changeOn(h *kubetest.Host, intent Intent) *Change {
	c := NewChange(h.Kube)
	c.Object, c.Intent, c.Timeout = "deployment/pay", intent, time.Minute
	c.pause = func(context.Context, int) error { return nil }
	return c
}

func run(t *testing.T, h *kubetest.Host, c *Change) result {
	t.Helper()
	err := c.Run(t.Context())
	message := ""
	if err != nil {
		message = "error: " + exit.Message(err) + "\n"
	}
	return result{h.Stdout.String(), h.Stderr.String() + message, exit.Code(err)}
}

// stored returns what the mask is, as -o yaml prints it, or the word none.
func stored(t *testing.T, h *kubetest.Host) string {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("types.kubefed.io/v2beta1")
	object.SetKind("FederatedDeployment")
	if err := h.Fake.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: "pay"}, object); err != nil {
		t.Fatal(err)
	}
	return maskOf(object)
}

func TestChange(t *testing.T) {
	const mask = "  placementMask: {topologies: [{name: rz00b}, {name: rz00a}]}\n"
	cases := map[string]struct {
		reason string
		object string
		intent Intent
		change func(*Change)
		want   result
		mask   string
	}{
		"Hold": {
			reason: "the mask names the others", object: objectOf(named, report), intent: Intent{Hold, []string{"rz00a"}}, mask: "rz00b, rz01a",
			want: result{Out: "federateddeployment.types.kubefed.io/pay held in rz00a (released to 2 of 3 cells)\n",
				Err: "rz00a stays at generation 4\na cell that is placed later is held until it is released\n"},
		},
		"Release": {
			reason: "the mask grows", object: objectOf(named+mask, report), intent: Intent{Release, []string{"rz01a"}}, mask: "rz00a, rz00b, rz01a",
			want: result{Out: "federateddeployment.types.kubefed.io/pay released to rz01a (3 of 3 cells)\n", Err: "rz01a gets generation 5: it has generation 3\n"},
		},
		"Clear": {
			reason: "the mask goes", object: objectOf(named+mask, report), intent: Intent{Clear, nil}, mask: "none",
			want: result{Out: "federateddeployment.types.kubefed.io/pay released to everything that is placed: it has no mask any more\n",
				Err: "rz01a gets generation 5: it has generation 3\na cell that is placed later gets the object at once\n"},
		},
		"Unchanged": {
			reason: "there is nothing to do, and that is no failure", object: objectOf(named+mask, report), intent: Intent{Hold, []string{"rz01a"}}, mask: "rz00a, rz00b",
			want: result{Out: "federateddeployment.types.kubefed.io/pay unchanged: released to 2 of 3 cells\n"},
		},
		"UnchangedWithoutMask": {
			reason: "nothing is held", object: objectOf(named, report), intent: Intent{Clear, nil}, mask: "none",
			want: result{Out: "federateddeployment.types.kubefed.io/pay unchanged: it has no mask, and nothing is held\n"},
		},
		"DryRun": {
			reason: "nothing is written", object: objectOf(named, report), intent: Intent{Set, nil}, change: func(c *Change) { c.DryRun = writing.Client }, mask: "none",
			want: result{Out: "federateddeployment.types.kubefed.io/pay held in rz00a, rz00b and rz01a (released to 0 of 3 cells) (dry run)\n",
				Err: "rz00a stays at generation 4\nrz00b stays at generation 4\nrz01a stays as it is: it has generation 3 as far as is known, and generation 4 may be on its way\na cell that is placed later is held until it is released\n"},
		},
		"Name": {
			reason: "for shells", object: objectOf(named+mask, report), intent: Intent{Release, []string{"rz01a"}}, change: func(c *Change) { c.Output = "name" }, mask: "rz00a, rz00b, rz01a",
			want: result{Out: "federateddeployment.types.kubefed.io/pay\n", Err: "rz01a gets generation 5: it has generation 3\n"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := kubetest.New(t, "acme", interceptor.Funcs{}, world(t, tc.object)...)
			c := changeOn(h, tc.intent)
			// The client in memory says of what it began with that somebody has set it.
			c.Force = true
			if tc.change != nil {
				tc.change(c)
			}
			if diff := cmp.Diff(tc.want, run(t, h, c)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if got := stored(t, h); got != tc.mask {
				t.Errorf("%s: the mask is %s, want %s", tc.reason, got, tc.mask)
			}
		})
	}
}

// TestOvertaken: what others do between the look and the write is neither undone nor released unseen.
func TestOvertaken(t *testing.T) {
	const gone = "; look at it with kubectl cells status, and try again\n"
	cases := map[string]struct {
		reason string
		intent Intent
		other  func(spec map[string]any)
		want   result
		mask   string
	}{
		"AnotherHold": {
			reason: "both are held", intent: Intent{Hold, []string{"rz00a"}}, other: func(spec map[string]any) { spec["placementMask"] = mask([]string{"rz00a"}) }, mask: "empty",
			want: result{Out: "federateddeployment.types.kubefed.io/pay held in rz00a (released to 0 of 3 cells)\n"},
		},
		"TheSame": {
			reason: "somebody else has done it", intent: Intent{Hold, []string{"rz00a"}}, other: func(spec map[string]any) { spec["placementMask"] = mask([]string{"rz00b"}) }, mask: "rz00b",
			want: result{Out: "federateddeployment.types.kubefed.io/pay unchanged: released to 1 of 3 cells\n"},
		},
		"Replaced": {
			reason: "what replaces a mask does not replace another", intent: Intent{Set, []string{"rz00a"}}, other: func(spec map[string]any) { spec["placementMask"] = mask([]string{"rz01a"}) }, mask: "rz01a",
			want: result{Err: "error: deployments.apps/pay has changed meanwhile, and nothing was written: its mask is now rz01a and not rz00a, rz00b" + gone, Code: exit.Failure},
		},
		"Content": {
			reason: "nobody has looked at what would be released", intent: Intent{Release, []string{"rz01a"}}, other: func(spec map[string]any) { spec["retainReplicas"] = true }, mask: "rz00a, rz00b",
			want: result{Err: "error: deployments.apps/pay has changed meanwhile, and nothing was written: what would be released is generation 4 of it and not 4" + gone, Code: exit.Failure},
		},
		"ContentOfHeld": {
			reason: "what is held is held", intent: Intent{Hold, []string{"rz00a"}}, other: func(spec map[string]any) { spec["retainReplicas"] = true }, mask: "rz00b",
			want: result{Out: "federateddeployment.types.kubefed.io/pay held in rz00a (released to 1 of 3 cells)\n"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			overtaken := false
			h := kubetest.New(t, "acme", interceptor.Funcs{
				Apply: func(ctx context.Context, c client.WithWatch, applied runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
					if !overtaken {
						overtaken = true
						object := &unstructured.Unstructured{}
						object.SetAPIVersion("types.kubefed.io/v2beta1")
						object.SetKind("FederatedDeployment")
						if err := c.Get(ctx, client.ObjectKey{Namespace: "acme", Name: "pay"}, object); err != nil {
							return err
						}
						spec := object.Object["spec"].(map[string]any)
						tc.other(spec)
						if err := c.Update(ctx, object); err != nil {
							return err
						}
						return apierrors.NewConflict(schema.GroupResource{Resource: "federateddeployments"}, "pay", fmt.Errorf("the object has been modified"))
					}
					// The client in memory keeps no list as one value: whose it is is for a server to show.
					return c.Apply(ctx, applied, append(opts, client.ForceOwnership)...)
				},
			}, world(t, objectOf(named+"  placementMask: {topologies: [{name: rz00b}, {name: rz00a}]}\n", report))...)
			got := run(t, h, changeOn(h, tc.intent))
			if got.Code == 0 {
				got.Err = ""
			} else if _, last, ok := cutLast(got.Err); ok {
				got.Err = last
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if got := stored(t, h); got != tc.mask {
				t.Errorf("%s: the mask is %s, want %s", tc.reason, got, tc.mask)
			}
		})
	}
}

// cutLast parts the last line from those before.
func cutLast(text string) (before, last string, ok bool) {
	for i := len(text) - 2; i >= 0; i-- {
		if text[i] == '\n' {
			return text[:i+1], text[i+1:], true
		}
	}
	return "", text, false
}

// TestTries: who is always overtaken is told so.
func TestTries(t *testing.T) {
	attempts := 0
	h := kubetest.New(t, "acme", interceptor.Funcs{
		Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
			attempts++
			return apierrors.NewConflict(schema.GroupResource{Resource: "federateddeployments"}, "pay", fmt.Errorf("modified"))
		},
	}, world(t, objectOf(named, report))...)
	if got := run(t, h, changeOn(h, Intent{Hold, []string{"rz00a"}})); got.Code != exit.Failure || attempts != tries {
		t.Errorf("after %d attempts: %+v", attempts, got)
	}
}

// TestWait: what was reported decides.
func TestWait(t *testing.T) {
	const mask = "  placementMask: {topologies: [{name: rz00b}, {name: rz00a}]}\n"
	cases := map[string]struct {
		reason string
		object string
		want   result
	}{
		"Settled": {
			reason: "all that is released is there, and what is held is not waited for", object: objectOf(named+mask, report),
			want: result{Out: "federateddeployment.types.kubefed.io/pay unchanged: released to 2 of 3 cells\n"},
		},
		"Late": {
			reason: "it is not reported in time", object: objectOf(named+mask, ""),
			want: result{
				Out: "federateddeployment.types.kubefed.io/pay unchanged: released to 2 of 3 cells\n",
				Err: "generation 4 is not reported yet\nerror: deployments.apps/pay: not in sync and available within 300ms: generation 4 is not reported yet\n", Code: exit.NotSo,
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := kubetest.New(t, "acme", interceptor.Funcs{}, world(t, tc.object)...)
			c := changeOn(h, Intent{Hold, []string{"rz01a"}})
			c.Wait, c.Timeout = true, 300*time.Millisecond
			if tc.want.Code == 0 {
				c.Timeout = time.Minute
			}
			if diff := cmp.Diff(tc.want, run(t, h, c)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestKeptOut: the FederatedNamespace is read before a release is told of, and who may not read it is told less.
func TestKeptOut(t *testing.T) {
	cases := map[string]struct {
		reason string
		err    error
		want   string
	}{
		"None":   {reason: "there is none", want: "rz01a: the object is removed from there, as no FederatedNamespace \"acme\" places the namespace there any more\n"},
		"Hidden": {reason: "nobody can tell", err: apierrors.NewForbidden(schema.GroupResource{}, "acme", nil), want: "rz01a gets generation 5: it has generation 3\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			objects := append(world(t, objectOf(named+"  placementMask: {topologies: [{name: rz00b}, {name: rz00a}]}\n", report)), kubetest.TypeConfig("namespaces", "", "v1", "Namespace"))
			h := kubetest.New(t, "acme", interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
					if object.GetObjectKind().GroupVersionKind().Kind == "FederatedNamespace" && tc.err != nil {
						return tc.err
					}
					return c.Get(ctx, key, object, opts...)
				},
			}, objects...)
			c := changeOn(h, Intent{Release, []string{"rz01a"}})
			c.DryRun = writing.Client
			if got := run(t, h, c); got.Code != 0 || got.Err != tc.want {
				t.Errorf("%s: got %+v", tc.reason, got)
			}
		})
	}
}
