package render

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

const config = `apiVersion: core.kubefed.io/v1beta1
kind: FederatedTypeConfig
metadata: {name: widgets.example.com, namespace: kube-federation-system}
spec:
  propagation: Disabled
  federatedType: {group: types.kubefed.io, version: v1beta1, kind: FederatedWidget, pluralName: federatedwidgets, scope: Namespaced}
  targetType: {group: example.com, version: v1, kind: Widget, pluralName: widgets, scope: Namespaced}
---
apiVersion: cellfed.io/v1alpha1
kind: FederatedTypePolicy
metadata: {name: widgets.example.com, namespace: kube-federation-system}
spec: {propagator: Cellfed, propagatingAnnotations: ["acme.example/*"]}
---
apiVersion: cellfed.io/v1alpha1
kind: Cell
metadata: {name: rz00a, namespace: acme}
spec: {clusterName: hz-a, targetNamespace: acme-rz00a}
---
`

const widget = `apiVersion: types.kubefed.io/v2beta1
kind: FederatedWidget
metadata: {name: pay, namespace: acme}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}]}
  template:
    metadata: {annotations: {acme.example/a: x, other/b: z}, finalizers: [f]}
    spec: {size: 1}
`

const rendered = `apiVersion: example.com/v1
kind: Widget
metadata:
  annotations:
    acme.example/a: x
  labels:
    cellfed.io/cell: rz00a
    cellfed.io/managed: "true"
    cellfed.io/namespace: acme
  name: pay
  namespace: acme-rz00a
spec:
  size: 1
`

// run runs the verb over standard input.
func run(t *testing.T, in string, args ...string) (out, errors string, err error) {
	t.Helper()
	var b, e bytes.Buffer
	k := kube.New(genericiooptions.IOStreams{In: strings.NewReader(in), Out: &b, ErrOut: &e})
	cmd := New(k)
	k.AddFlags(cmd.Flags())
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return b.String(), e.String(), err
}

func TestRender(t *testing.T) {
	const wherever = "assumed: no FederatedNamespace of namespace \"acme\" is known, so that the namespace is taken to be wherever the object is placed\n"
	notPropagated := wherever + "FederatedWidget \"pay\": metadata of the template that is not propagated: finalizers\nFederatedWidget \"pay\": metadata of the template that is not propagated: other/b\n"
	cases := map[string]struct {
		reason, in  string
		args        []string
		out, errors string
	}{
		"Known": {
			reason: "what the files tell is not assumed", in: config + widget,
			args: []string{"--cell", "rz00a"}, out: rendered, errors: notPropagated,
		},
		"JSON": {
			reason: "JSON is for programs", in: config + strings.Replace(widget, "    metadata: {annotations: {acme.example/a: x, other/b: z}, finalizers: [f]}\n", "", 1), args: []string{"-o", "json"},
			out:    "{\n    \"apiVersion\": \"example.com/v1\",\n    \"kind\": \"Widget\",\n    \"metadata\": {\n        \"labels\": {\n            \"cellfed.io/cell\": \"rz00a\",\n            \"cellfed.io/managed\": \"true\",\n            \"cellfed.io/namespace\": \"acme\"\n        },\n        \"name\": \"pay\",\n        \"namespace\": \"acme-rz00a\"\n    },\n    \"spec\": {\n        \"size\": 1\n    }\n}\n",
			errors: wherever,
		},
		"Assumed": {
			reason: "what is assumed is told", args: []string{"--cell", "rz00a"},
			in:  strings.Replace(strings.Replace(widget, "template:\n", "template:\n    apiVersion: example.com/v1\n    kind: Widget\n", 1), "    metadata: {annotations: {acme.example/a: x, other/b: z}, finalizers: [f]}\n", "", 1),
			out: strings.NewReplacer("  annotations:\n    acme.example/a: x\n", "", "acme-rz00a", "acme").Replace(rendered),
			errors: `assumed: no FederatedTypeConfig of FederatedWidget is known, so that it is taken to propagate Widget of example.com/v1, in a namespace
assumed: no FederatedTypePolicy "widgets.example.com" is known, so that no annotation of the template is propagated
assumed: no FederatedNamespace of namespace "acme" is known, so that the namespace is taken to be wherever the object is placed
assumed: no Cell "rz00a" is known, so that its objects are taken to be in namespace "acme" of its cluster
`,
		},
		"KubeFed": {
			reason: "KubeFed propagates no annotation", in: strings.Replace(config, "propagator: Cellfed", "propagator: KubeFed", 1) + widget, args: []string{"--cell", "rz00a"},
			out:    strings.Replace(rendered, "  annotations:\n    acme.example/a: x\n", "", 1),
			errors: wherever + "FederatedWidget \"pay\": metadata of the template that is not propagated: acme.example/a\n" + strings.TrimPrefix(notPropagated, wherever),
		},
		"Unplaced": {
			reason: "a cell that the object is not placed on can be shown", args: []string{"--cell", "rz00a"},
			in:  config + strings.NewReplacer("[{name: rz00a}]", "[]", "    metadata: {annotations: {acme.example/a: x, other/b: z}, finalizers: [f]}\n", "").Replace(widget),
			out: strings.Replace(rendered, "  annotations:\n    acme.example/a: x\n", "", 1),
			errors: `assumed: no FederatedNamespace of namespace "acme" is known, so that the namespace is taken to be wherever the object is placed
FederatedWidget "pay" is not placed on cell rz00a of cluster hz-a: this is what it would get
`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out, errors, err := run(t, tc.in, append([]string{"-f", "-"}, tc.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.out, out); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.errors, errors); diff != "" {
				t.Errorf("%s: standard error (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestExamples renders what the demo releases, for every cell.
func TestExamples(t *testing.T) {
	out, _, err := run(t, "", "-f", "../../../examples/cells.yaml", "-f", "../../../examples/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(out, "---\n")
	var heads []string
	for _, d := range documents {
		head, _, _ := strings.Cut(d, "\n")
		replicas := "2"
		if strings.Contains(d, "replicas: 3") {
			replicas = "3"
		}
		heads = append(heads, head+" "+replicas)
	}
	want := []string{"# cell rz00a of cluster hz-a 2", "# cell rz00b of cluster hz-a 2", "# cell rz01a of cluster sh-b 3"}
	if diff := cmp.Diff(want, heads); diff != "" {
		t.Errorf("the cells (-want +got):\n%s", diff)
	}
}

func TestRenderFails(t *testing.T) {
	cases := map[string]struct {
		reason, in string
		args       []string
		code       int
		want       string
	}{
		"Nothing": {reason: "something is to be named", code: exit.Usage, want: "nothing to render: name an object, such as deployment/pay, or a file with -f"},
		"Both":    {reason: "one thing", args: []string{"deployment/pay", "-f", "-"}, code: exit.Usage, want: `both an object, "deployment/pay", and --filename are given: give one of them`},
		"NoCell": {
			reason: "a cell that there is not", in: config + widget, args: []string{"-f", "-", "--cell", "rz09"}, code: exit.Failure,
			want: `FederatedWidget "pay": --cell: it cannot reach rz09: name one of rz00a`,
		},
		"NoType": {
			reason: "a kind that nobody knows", in: widget, args: []string{"-f", "-"}, code: exit.Failure,
			want: `FederatedWidget "pay": it is not known what FederatedWidget puts into members: give its FederatedTypeConfig too, or write apiVersion and kind into the template`,
		},
		"NoObject": {
			reason: "nothing to render", in: "apiVersion: v1\nkind: Pod\n", args: []string{"-f", "-"}, code: exit.Failure,
			want: "--filename: there is no object of the group types.kubefed.io in -: name a file with one",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out, _, err := run(t, tc.in, tc.args...)
			if exit.Code(err) != tc.code || out != "" {
				t.Errorf("%s: code %d, output %q", tc.reason, exit.Code(err), out)
			}
			if diff := cmp.Diff(tc.want, exit.Message(err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
