package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
	"github.com/cellfed/cellfed/internal/cli/matrix"
)

const canaryHead = `federateddeployment.types.kubefed.io/pay in acme, generation 7: 1 of 3 in sync, 1 held, 1 failed, 1 being removed, 2 available
Mask: a change reaches old, rz00a, rz01a.
Propagated: False (Failed): UpdateFailed: rz01a
Available: False (Progressing): Not available: rz01a

`

const canaryTable = `CELL    CLUSTER   GENERATION   STATE      SINCE   AVAILABLE   MESSAGE
rz00a   hz-a      7            InSync     5m      2/2
rz00b   hz-a      6            Held       2d      4/4
old     sh-b      6            Removing   30s     -
rz01a   sh-b      6            Failed     2m      1/3         UpdateFailed: the Deployment is invalid: spec.selector is immutable
`

func TestOne(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		want   result
	}{
		"Canary": {
			reason: "each cell's state, and the availability by what each is to have: of one that is held, by what it has",
			args:   []string{"deploy/pay"},
			want:   result{Out: canaryHead + canaryTable},
		},
		"NoHeaders": {
			reason: "the rows alone, for programs that cut lines",
			args:   []string{"deploy/pay", "--no-headers"},
			want: result{Out: `rz00a   hz-a   7   InSync     5m    2/2
rz00b   hz-a   6   Held       2d    4/4
old     sh-b   6   Removing   30s   -
rz01a   sh-b   6   Failed     2m    1/3   UpdateFailed: the Deployment is invalid: spec.selector is immutable
`},
		},
		"Stale": {
			reason: "a status that lags says so: what the mask has released since is on its way, what it does not name is held, and a cell that does not exist is named",
			args:   []string{"cm", "settings", "-o", "wide"},
			want: result{Out: `federatedconfigmap.types.kubefed.io/settings in acme, generation 5: 0 of 4 in sync, 2 on its way, 1 held, 1 not known
Mask: a change reaches rz00a, rz00b.
Note: The status speaks of generation 4, and the object is at 5.

CELL    CLUSTER   GENERATION   STATE         SINCE   AVAILABLE   MESSAGE                                  TARGET-NAMESPACE   KUBEFEDCLUSTER
rz00a   hz-a      4            Progressing   60m     -           generation 5 is not reported yet         acme-rz00a         acme.rz00a
rz00b   hz-a      3            Progressing   60m     -           generation 5 is not reported yet         acme-rz00b         acme.rz00b
rz01a   sh-b      -            Held          -       -                                                    acme-rz01a         acme.rz01a
typo    -         -            Unknown       -       -           there is no such cell in the namespace   -                  acme.typo
`},
		},
		"Upstream": {
			reason: "of what KubeFed propagates less is known, and a note says so",
			args:   []string{"secret/tls"},
			want: result{Out: `federatedsecret.types.kubefed.io/tls in acme, generation 2: 1 of 2 in sync, 1 failed
Mask: none, so that a change reaches everything that is placed.
Propagation: False (CheckClusters)
Note: KubeFed propagates this type: it reports neither the generation nor the time for each topology, and no availability.

NAME   CLUSTER   GENERATION   STATE    SINCE   AVAILABLE   MESSAGE
hz-a   hz-a      -            InSync   -       -
sh-b   sh-b      -            Failed   -       -           ClusterNotReady
`},
		},
		"Name":    {reason: "-o name", args: []string{"deploy/pay", "-o", "name"}, want: result{Out: "federateddeployment.types.kubefed.io/pay\n"}},
		"Missing": {reason: "an object that is not there", args: []string{"deploy/no"}, want: result{Err: "error: federateddeployments.types.kubefed.io \"no\" not found in the namespace \"acme\": choose another with -n\n", Code: 1}},
		"NotSo":   {reason: "asked once, with the answer no", args: []string{"deploy/pay", "--wait", "--timeout", "0s", "--no-headers", "-o", "name"}, want: result{Out: "federateddeployment.types.kubefed.io/pay\n", Err: "error: deployments.apps/pay: failed in rz01a\n", Code: 3}},
		"AllOne":  {reason: "an object has one namespace", args: []string{"deploy/pay", "-A"}, want: result{Err: "error: an object cannot be named together with --all-namespaces: choose its namespace with -n\n", Code: 2}},
		"Chosen":  {reason: "a selector chooses among many", args: []string{"deploy/pay", "-l", "app=pay"}, want: result{Err: "error: an object cannot be named together with --selector: give one of them\n", Code: 2}},
		"WaitAll": {reason: "one object is waited for", args: []string{"--wait"}, want: result{Err: "error: --wait is for one object: name it as TYPE/NAME\n", Code: 2}},
		"Timeout": {reason: "a flag that would mean nothing", args: []string{"deploy/pay", "--timeout", "1m"}, want: result{Err: "error: --timeout is for --wait: give both, or none\n", Code: 2}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			check(t, tc.reason, tc.want, run(t, world(t, canary, widened, upstreams), tc.args...))
		})
	}
}

func TestAll(t *testing.T) {
	check(t, "one line an object, one mark a cell, cells by cluster", result{Out: `Namespace acme: 3 objects, 7 cells or clusters

                      hz-a sh-b
                      hrr  ors  t
                      zzz  lzh  y
                      -00  d0-  p
                      a00   1b  o
                       ab   a
configmaps/settings   .~~  .h.  ?
deployments.apps/pay  .+h  x!.  .
secrets/tls           +..  ..!  .

+ in sync   ~ on its way   h held   ! failed   x being removed   ? not known   . not placed
`}, run(t, world(t, canary, widened, upstreams)))
	check(t, "nothing is no error", result{Err: "No federated objects found in the namespace \"acme\".\n"}, run(t, world(t)))
	check(t, "a program reads a list", result{Out: "items: []\n"}, run(t, world(t), "-o", "yaml"))
	check(t, "by label", result{Out: "federateddeployment.types.kubefed.io/pay\n"}, run(t, world(t, canary, upstreams), "-l", "app=pay", "-o", "name"))
	check(t, "no label of any", result{Err: "No federated objects found in the namespace \"acme\".\n"}, run(t, world(t, canary, upstreams), "--selector", "app in (web)"))
	check(t, "-o name", result{Out: "federateddeployment.types.kubefed.io/pay\nfederatedsecret.types.kubefed.io/tls\n"}, run(t, world(t, canary, upstreams), "-A", "-o", "name"))
}

// TestTenant: whoever may not read what is configured gets all that their own namespace tells.
func TestTenant(t *testing.T) {
	forbidden := func(_ context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		switch list.(type) {
		case *kubefedv1beta1.FederatedTypeConfigList, *v1alpha1.FederatedTypePolicyList, *v1alpha1.CellList:
			return apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("not yours"))
		}
		return c.List(t.Context(), list, opts...)
	}
	h := kubetest.New(t, "acme", interceptor.Funcs{List: forbidden}, world(t, canary)...)
	h.SetDiscovery(kubetest.Serving("FederatedDeployment"))
	head, _, _ := strings.Cut(canaryHead, "\n\n")
	check(t, "the propagator is told by the status, and the clusters are not known", result{Out: head + `
Note: The cells of the namespace cannot be read: their clusters are not told.

CELL    CLUSTER   GENERATION   STATE      SINCE   AVAILABLE   MESSAGE
old     -         6            Removing   30s     -
rz00a   -         7            InSync     5m      2/2
rz00b   -         6            Held       2d      4/4
rz01a   -         6            Failed     2m      1/3         UpdateFailed: the Deployment is invalid: spec.selector is immutable
`}, runOn(t.Context(), t, h, "deploy/pay"))
}

// settled is widened once the push reconciler has done what it asks for.
func settled(t *testing.T) *unstructured.Unstructured {
	return kubetest.FromYAML(t, `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: settings, namespace: acme, generation: 5}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}, {name: rz00b}, {name: rz01a}]}
  placementMask: {topologies: [{name: rz00a}, {name: rz00b}]}
status:
  observedGeneration: 5
  summary: {placed: 3, inSync: 2, held: 1, failed: 0, available: 0}
  conditions: [{type: Propagated, status: "True", reason: Propagated}]
  topologies:
  - {name: rz00a, generation: 5, lastChangeTime: "2026-11-23T12:00:00Z"}
  - {name: rz00b, generation: 5, lastChangeTime: "2026-11-23T12:00:00Z"}
  - {name: rz01a, status: Held, lastChangeTime: "2026-11-23T11:00:00Z"}
`)
}

// replace writes an object over the one that is there.
func replace(ctx context.Context, c client.Client, object *unstructured.Unstructured) error {
	current := object.DeepCopy()
	if err := c.Get(ctx, client.ObjectKeyFromObject(object), current); err != nil {
		return err
	}
	object.SetResourceVersion(current.GetResourceVersion())
	return c.Update(ctx, object)
}

// TestWait: the wait ends when what is released is there, and tells of the way on stderr.
func TestWait(t *testing.T) {
	var h *kubetest.Host
	reads := 0
	h = kubetest.New(t, "acme", interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			if reads++; reads == 3 {
				if err := replace(ctx, c, settled(t)); err != nil {
					return err
				}
			}
			if err := c.Get(ctx, key, object, opts...); err != nil {
				return err
			}
			if reads == 2 {
				// Somebody touches the object once it was looked at.
				other := object.DeepCopyObject().(client.Object)
				other.SetLabels(map[string]string{"touched": "true"})
				return c.Update(ctx, other)
			}
			return nil
		},
	}, world(t, widened)...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check(t, "held cells are not waited for", result{
		Out: "rz00a   hz-a   5   InSync   0s    -\nrz00b   hz-a   5   InSync   0s    -\nrz01a   sh-b   -   Held     60m   -\n",
		Err: "0 of 4 in sync, 2 on its way, 1 held, 1 not known; generation 5 is not reported yet\n",
	}, runOn(ctx, t, h, "cm/settings", "--wait", "--no-headers"))
}

func TestWaitTimesOut(t *testing.T) {
	got := run(t, world(t, canary), "deploy/pay", "--wait", "--timeout", "50ms")
	check(t, "what is not so in time has its own exit code, and is shown", result{
		Out:  canaryHead + canaryTable,
		Err:  "1 of 3 in sync, 1 held, 1 failed, 1 being removed, 2 available; failed in rz01a\nerror: deployments.apps/pay: not in sync and available within 50ms: failed in rz01a\n",
		Code: 3,
	}, got)
}

// TestWatch: the matrix is told again when it changes, with a line between.
func TestWatch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reads := 0
	h := kubetest.New(t, "acme", interceptor.Funcs{
		Get: func(_ context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			reads++
			if err := c.Get(t.Context(), key, object, opts...); err != nil {
				return err
			}
			switch reads {
			case 2:
				return replace(t.Context(), c, settled(t))
			case 3:
				// What changes now is not shown: the test is over once it is looked at.
				touched := settled(t)
				touched.SetLabels(map[string]string{"touched": "true"})
				return replace(t.Context(), c, touched)
			case 4:
				cancel()
			}
			return nil
		},
	}, world(t, widened)...)
	got := runOn(ctx, t, h, "cm/settings", "--watch", "--no-headers")
	want := result{Out: `rz00a   hz-a   4   Progressing   60m   -   generation 5 is not reported yet
rz00b   hz-a   3   Progressing   60m   -   generation 5 is not reported yet
rz01a   sh-b   -   Held          -     -
typo    -      -   Unknown       -     -   there is no such cell in the namespace

rz00a   hz-a   5   InSync   0s    -
rz00b   hz-a   5   InSync   0s    -
rz01a   sh-b   -   Held     60m   -
`}
	check(t, "a change is told once, and what changes nothing that is told is not", want, got)
}

// TestHundreds: a grid of many cells fits the width, block by block, and every square is there.
func TestHundreds(t *testing.T) {
	objects := world(t)[:6] // Without cells.
	topologies := ""
	for i := range 300 {
		name := fmt.Sprintf("rz%03d", i)
		objects = append(objects, cell(name, fmt.Sprintf("cluster-%d", i/100)))
		topologies += fmt.Sprintf("  - {name: %s, generation: 1}\n", name)
	}
	objects = append(objects, kubetest.FromYAML(t, `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: settings, namespace: acme, generation: 1}
spec: {topologyType: cell}
status:
  observedGeneration: 1
  topologies:
`+topologies))
	got := run(t, objects)
	squares := 0
	for line := range strings.Lines(got.Out) {
		if len(line) > 92 {
			t.Errorf("a line of %d characters: %q", len(line), line)
		}
		if strings.HasPrefix(line, "configmaps/settings") {
			squares += strings.Count(line, "+")
		}
	}
	if diff := cmp.Diff(300, squares); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, got.Out)
	}
}

// TestMask: a mask is told as what it does.
func TestMask(t *testing.T) {
	some, none := &matrix.Mask{Names: []string{"a", "b"}}, &matrix.Mask{}
	for want, m := range map[string]matrix.Matrix{
		"Mask: none, so that a change reaches everything that is placed.":                  {},
		"Mask: empty, so that a change reaches nothing.":                                   {Mask: none, Propagator: v1alpha1.PropagatorCellfed},
		"Mask: a change reaches a, b.":                                                     {Mask: some},
		"Mask: one that nobody obeys, so that a change reaches everything that is placed.": {Mask: none, Propagator: v1alpha1.PropagatorKubeFed},
	} {
		if got := mask(&m); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
