package convert

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

const (
	v2 = `# Who pays.
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata:
  name: pay
  namespace: acme-prod
spec:
  topologyType: cell
  template:
    data:
      clusters: "yes"
  placement:
    topologies: # lost
    - name: rz00a
  overrides:
  - topologyName: rz00a
    topologyOverrides:
    - {path: /data/x, value: 1}
`
	v1 = `# Who pays.
apiVersion: types.kubefed.io/v1beta1
kind: FederatedConfigMap
metadata:
  name: pay
  namespace: acme-prod
spec:
  topologyType: cell
  template:
    data:
      clusters: "yes"
  placement:
    clusters:
    - name: acme-prod.rz00a
  overrides:
  - clusterName: acme-prod.rz00a
    clusterOverrides:
    - path: /data/x
      value: 1
`
	other    = "apiVersion: v1\nkind: Namespace # stays\nmetadata: {name:   acme-prod}\n"
	without  = "apiVersion: types.kubefed.io/v2beta1\nkind: FederatedX\nmetadata:\n  name: x\nspec:\n  topologyType: cell\n  placement:\n    topologies:\n    - name: a\n"
	jsonLine = `{"apiVersion":"types.kubefed.io/v2beta1","kind":"FederatedX","metadata":{"namespace":"ns"},"spec":{"topologyType":"cell","placement":{"topologies":[{"name":"a"}]}}}`
)

// run runs the verb over standard input.
func run(t *testing.T, in string, args ...string) (out string, err error) {
	t.Helper()
	var b, errors bytes.Buffer
	k := kube.New(genericiooptions.IOStreams{In: strings.NewReader(in), Out: &b, ErrOut: &errors})
	cmd := New(k)
	k.AddFlags(cmd.Flags())
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err = cmd.Execute()
	return b.String(), err
}

func TestConvert(t *testing.T) {
	cases := map[string]struct {
		reason string
		in     string
		args   []string
		want   string
	}{
		"ToV1":     {reason: "an object is converted, in its order, with the comments before it", in: v2, args: []string{"--to", "v1beta1"}, want: v1},
		"There":    {reason: "an object that is in the version stays as it is written", in: v2, args: []string{"--to", "v2beta1"}, want: v2},
		"Others":   {reason: "other kinds pass as they are written", in: other + "---\n" + v2, args: []string{"--to", "v1beta1"}, want: other + "---\n" + v1},
		"Comments": {reason: "a document of comments stays", in: "# license\n---\n" + v2, args: []string{"--to", "v1beta1"}, want: "# license\n---\n" + v1},
		"Namespace": {
			reason: "the namespace given is that of names, and is not written", in: without, args: []string{"--to", "v1beta1", "-n", "acme"},
			want: strings.NewReplacer("v2beta1", "v1beta1", "topologies", "clusters", "name: a", "name: acme.a").Replace(without),
		},
		"JSON": {
			reason: "JSON stays JSON", in: jsonLine + jsonLine, args: []string{"--to", "v1beta1"},
			want: strings.Repeat("{\n    \"apiVersion\": \"types.kubefed.io/v1beta1\",\n    \"kind\": \"FederatedX\",\n    \"metadata\": {\n        \"namespace\": \"ns\"\n    },\n    \"spec\": {\n        \"topologyType\": \"cell\",\n        \"placement\": {\n            \"clusters\": [\n                {\n                    \"name\": \"ns.a\"\n                }\n            ]\n        }\n    }\n}\n", 2),
		},
		"JSONToYAML": {
			reason: "the form can be chosen", in: jsonLine, args: []string{"--to", "v1beta1", "-o", "yaml"},
			want: "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedX\nmetadata:\n  namespace: ns\nspec:\n  topologyType: cell\n  placement:\n    clusters:\n    - name: ns.a\n",
		},
		"List": {
			reason: "the items of a List are converted", in: "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(jsonLine, ":", ": ") + "\n- {apiVersion: v1, kind: X}\nmetadata: {}\n", args: []string{"--to", "v1beta1"},
			want: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: types.kubefed.io/v1beta1\n  kind: FederatedX\n  metadata:\n    namespace: ns\n  spec:\n    topologyType: cell\n    placement:\n      clusters:\n      - name: ns.a\n- apiVersion: v1\n  kind: X\nmetadata: {}\n",
		},
		"ListOfKind": {
			reason: "so is a list of one kind, with its items", in: "apiVersion: types.kubefed.io/v2beta1\nkind: FederatedXList\nitems:\n- " + strings.ReplaceAll(jsonLine, ":", ": ") + "\n", args: []string{"--to", "v1beta1"},
			want: "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedXList\nitems:\n- apiVersion: types.kubefed.io/v1beta1\n  kind: FederatedX\n  metadata:\n    namespace: ns\n  spec:\n    topologyType: cell\n    placement:\n      clusters:\n      - name: ns.a\n",
		},
		"CommentsToJSON": {
			reason: "JSON has no comments", in: "# license\n---\napiVersion: v1\nkind: X\n", args: []string{"--to", "v1beta1", "-o", "json"},
			want: "{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"X\"\n}\n",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := run(t, tc.in, append([]string{"-f", "-"}, tc.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestConvertBack converts the examples to the other version and back.
func TestConvertBack(t *testing.T) {
	for _, file := range []string{"deployment.yaml", "configmap.yaml", "configmap-by-city.yaml"} {
		there, err := run(t, "", "-f", "../../../examples/"+file, "--to", "v1beta1")
		if err != nil {
			t.Fatal(err)
		}
		back, err := run(t, there, "-f", "-", "--to", "v2beta1")
		if err != nil {
			t.Fatal(err)
		}
		// Of the way that the examples are written, brackets and quotes are lost.
		text, err := os.ReadFile("../../../examples/" + file)
		if err != nil {
			t.Fatal(err)
		}
		again, err := run(t, string(text), "-f", "-", "--to", "v2beta1", "-o", "json")
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := run(t, back, "-f", "-", "--to", "v2beta1", "-o", "json")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(again, asJSON); diff != "" || !strings.Contains(there, "acme-prod.rz00a") && !strings.Contains(there, "clusterSelector") {
			t.Errorf("%s comes back as another (-want +got):\n%s\n%s", file, diff, there)
		}
	}
}

func TestConvertFails(t *testing.T) {
	cases := map[string]struct {
		reason, in string
		args       []string
		code       int
		want       string
	}{
		"Version": {
			reason: "a document that fails is named, and nothing is printed", in: other + "---\napiVersion: types.kubefed.io/v7\nkind: FederatedX\nmetadata: {name: x}\n---\n" + v2,
			args: []string{"-f", "-", "--to", "v1beta1"}, code: exit.Failure,
			want: `nothing was converted: standard input, document 2: FederatedX "x": apiVersion "types.kubefed.io/v7" is not a version of a federated object: use types.kubefed.io/v1beta1 or types.kubefed.io/v2beta1`,
		},
		"YAML": {
			reason: "so is one that is no YAML", in: v2 + "---\na: [\n", args: []string{"-f", "-", "--to", "v1beta1"}, code: exit.Failure,
			want: "nothing was converted: standard input, document 2: it is not valid YAML: line 20: did not find expected node content",
		},
		"NoVersion": {reason: "the version is needed", args: []string{"-f", "-"}, code: exit.Usage, want: "--to is missing: name the version to convert to, v1beta1 or v2beta1"},
		"BadVersion": {
			reason: "and one that there is", args: []string{"-f", "-", "--to", "v1"}, code: exit.Usage,
			want: `--to "v1" is no version of federated objects: use v1beta1 or v2beta1`,
		},
		"NoFile": {
			reason: "so is a file", args: []string{"--to", "v1beta1"}, code: exit.Usage,
			want: "--filename: name a file or a directory with -f, or - for standard input",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := run(t, tc.in, tc.args...)
			if exit.Code(err) != tc.code || out != "" {
				t.Errorf("%s: code %d, output %q", tc.reason, exit.Code(err), out)
			}
			if diff := cmp.Diff(tc.want, exit.Message(err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
