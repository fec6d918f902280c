package lint

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/manifest"
)

// run runs the verb, in a folder that holds the files.
func run(t *testing.T, files map[string]string, host []client.Object, args ...string) (out, errors string, err error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var b, e bytes.Buffer
	k := kube.New(genericiooptions.IOStreams{In: strings.NewReader(files["-"]), Out: &b, ErrOut: &e})
	if host != nil {
		scheme := runtime.NewScheme()
		for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, fedv1b1.AddToScheme, v1alpha1.AddToScheme} {
			if err := add(scheme); err != nil {
				t.Fatal(err)
			}
		}
		k.SetClient(fake.NewClientBuilder().WithScheme(scheme).WithObjects(host...).Build(), nil)
	}
	cmd := New(k)
	k.AddFlags(cmd.Flags())
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return b.String(), e.String(), err
}

const (
	namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: acme\n  labels: {cellfed.io/tenant: acme}\n"
	cell      = "apiVersion: cellfed.io/v1alpha1\nkind: Cell\nmetadata: {name: rz00a, namespace: acme}\nspec: {clusterName: hz-a}\n"
	policy    = "apiVersion: cellfed.io/v1alpha1\nkind: FederatedTypePolicy\nmetadata: {name: configmaps, namespace: kube-federation-system}\nspec: {propagator: Cellfed, propagatingAnnotations: [\"a/*\"]}\n"
	pay       = `# Who pays.
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata:
  name: pay
  namespace: acme
spec:
  topologyType: cell
  placement:
    topologies:
    - name: rz00a
    - name: rz00b
  placementMask:
    topologies:
    - name: rz00c
  template:
    metadata:
      annotations:
        b/c: x
`
	masked = `pay.yaml:15: error: FederatedConfigMap acme/pay: spec.placementMask.topologies[0].name: Invalid value: "rz00c": is not in spec.placement.topologies, so there is nothing to release: correct the name, place it there, or take it out of the mask
`
	unknown = `pay.yaml:12: warning: FederatedConfigMap acme/pay: spec.placement.topologies[1].name: there is no Cell "rz00b" in namespace "acme" yet: nothing is placed there before it is created
`
	dropped = `pay.yaml:19: warning: FederatedConfigMap acme/pay: spec.template.metadata.annotations[b/c]: is not propagated: no glob in spec.propagatingAnnotations of the FederatedTypePolicy "configmaps" matches it; an override can set it
`
)

func TestLint(t *testing.T) {
	cases := map[string]struct {
		reason string
		files  map[string]string
		host   []client.Object
		args   []string
		code   int
		out    string
		errors string
	}{
		"Alone": {
			reason: "what a file alone tells is judged", files: map[string]string{"pay.yaml": pay}, args: []string{"-f", "pay.yaml"},
			code: exit.NotSo, out: masked, errors: "1 object checked, 1 error and 0 warnings found; 0 documents of other kinds skipped\n",
		},
		"WithFacts": {
			reason: "what other files tell counts", files: map[string]string{"a.yaml": namespace + "---\n" + cell, "pay.yaml": pay, "z.yml": policy, "x.txt": "no"}, args: []string{"-f", "."},
			code: exit.NotSo, out: masked + unknown + dropped, errors: "4 objects checked, 1 error and 2 warnings found; 0 documents of other kinds skipped\n",
		},
		"OtherKinds": {
			reason: "other kinds are counted", files: map[string]string{"x.yaml": "apiVersion: v1\nkind: Pod\n---\nreplicas: 1\n"}, args: []string{"-f", "x.yaml"},
			errors: "0 objects checked, 0 errors and 0 warnings found; 2 documents of other kinds skipped\n",
		},
		"Forgotten": {
			reason: "what was to be judged and has no kind, or no apiVersion, does not pass as another kind",
			files:  map[string]string{"x.yaml": strings.Replace(pay, "kind: FederatedConfigMap\n", "", 1) + "---\nkind: FederatedConfigMap\n"}, args: []string{"-f", "x.yaml"}, code: exit.NotSo,
			out:    "x.yaml:2: error: it is no Kubernetes object: it has no apiVersion and kind: write both\nx.yaml:20: error: it is no Kubernetes object: it has no apiVersion and kind: write both\n",
			errors: "0 objects checked, 2 errors and 0 warnings found; 0 documents of other kinds skipped\n",
		},
		"ListOfKind": {
			reason: "a list of one kind is judged item by item", args: []string{"-f", "x.yaml"}, code: exit.NotSo,
			files:  map[string]string{"x.yaml": "apiVersion: types.kubefed.io/v2beta1\nkind: FederatedConfigMapList\nitems:\n- apiVersion: types.kubefed.io/v2beta1\n  kind: FederatedConfigMap\n  metadata: {name: pay, namespace: acme}\n  spec: 3\n"},
			out:    "x.yaml:7: error: FederatedConfigMap acme/pay: spec: Invalid value: \"3\": must be an object\n",
			errors: "1 object checked, 1 error and 0 warnings found; 0 documents of other kinds skipped\n",
		},
		"WarningsPass": {
			reason: "warnings alone are no failure", files: map[string]string{"pay.yaml": strings.Replace(pay, "rz00c", "rz00a", 1), "z.yml": policy}, args: []string{"-f", "."},
			out: dropped, errors: "2 objects checked, 0 errors and 1 warning found; 0 documents of other kinds skipped\n",
		},
		"Strict": {
			reason: "unless they are to be", files: map[string]string{"pay.yaml": strings.Replace(pay, "rz00c", "rz00a", 1), "z.yml": policy}, args: []string{"-f", ".", "--strict"},
			code: exit.NotSo, out: strings.Replace(dropped, "warning", "error", 1), errors: "2 objects checked, 1 error and 0 warnings found; 0 documents of other kinds skipped\n",
		},
		"Broken": {
			reason: "what cannot be read is a finding", files: map[string]string{"x.yaml": "kind: A\n---\nb: [\n"}, args: []string{"-f", "x.yaml"},
			code: exit.NotSo, out: "x.yaml:3: error: it is not valid YAML: line 3: did not find expected node content\n",
			errors: "0 objects checked, 1 error and 0 warnings found; 1 document of other kinds skipped\n",
		},
		"WrongType": {
			reason: "so is a fact that cannot be one", files: map[string]string{"x.yaml": strings.Replace(cell, "hz-a", "[1]", 1)}, args: []string{"-f", "x.yaml"},
			code: exit.NotSo, out: "x.yaml:1: error: Cell acme/rz00a: Cell \"rz00a\" cannot be read: json: cannot unmarshal array into Go struct field CellSpec.spec.clusterName of type string\n",
			errors: "1 object checked, 1 error and 0 warnings found; 0 documents of other kinds skipped\n",
		},
		"GitHub": {
			reason: "a workflow's commands are escaped", files: map[string]string{"pay.yaml": pay}, args: []string{"-f", "pay.yaml", "-o", "github"}, code: exit.NotSo,
			out: `::error file=pay.yaml,line=15,title=FederatedConfigMap acme/pay::spec.placementMask.topologies[0].name: Invalid value: "rz00c": is not in spec.placement.topologies, so there is nothing to release: correct the name, place it there, or take it out of the mask
`, errors: "1 object checked, 1 error and 0 warnings found; 0 documents of other kinds skipped\n",
		},
		"JSON": {
			reason: "programs read JSON", files: map[string]string{"pay.yaml": pay}, args: []string{"-f", "pay.yaml", "-o", "json"}, code: exit.NotSo,
			out: `{
    "findings": [
        {
            "file": "pay.yaml",
            "document": 1,
            "line": 15,
            "severity": "error",
            "kind": "FederatedConfigMap",
            "namespace": "acme",
            "name": "pay",
            "field": "spec.placementMask.topologies[0].name",
            "message": "spec.placementMask.topologies[0].name: Invalid value: \"rz00c\": is not in spec.placement.topologies, so there is nothing to release: correct the name, place it there, or take it out of the mask"
        }
    ],
    "checked": 1,
    "skipped": 0
}
`, errors: "1 object checked, 1 error and 0 warnings found; 0 documents of other kinds skipped\n",
		},
		"WithHost": {
			reason: "the host cluster tells what the files do not", files: map[string]string{"pay.yaml": pay}, args: []string{"-f", "pay.yaml", "--with-host"},
			host: objects(t, namespace, cell, policy+"status: {propagator: Cellfed}\n"), code: exit.NotSo, out: masked + unknown + dropped,
			errors: "1 object checked, 1 error and 2 warnings found; 0 documents of other kinds skipped\n",
		},
		"NoNamespace": {
			reason: "a namespace is needed to tell which cells are meant", files: map[string]string{"pay.yaml": strings.Replace(pay, "  namespace: acme\n", "", 1)}, args: []string{"-f", "pay.yaml"}, code: exit.NotSo,
			out: `pay.yaml:14: error: FederatedConfigMap pay: spec.placementMask.topologies[0].name: Invalid value: "rz00c": is not in spec.placement.topologies, so there is nothing to release: correct the name, place it there, or take it out of the mask
pay.yaml:4: warning: FederatedConfigMap pay: metadata.namespace: is missing, so that nobody can tell which cells are meant: write it, or give --namespace, with which FederatedConfigMap is judged
`, errors: "1 object checked, 1 error and 1 warning found; 0 documents of other kinds skipped\n",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out, errors, err := run(t, tc.files, tc.host, tc.args...)
			if exit.Code(err) != tc.code {
				t.Errorf("%s: code %d, want %d: %v", tc.reason, exit.Code(err), tc.code, err)
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

// objects reads what the host cluster holds.
func objects(t *testing.T, texts ...string) []client.Object {
	t.Helper()
	var all []client.Object
	for _, text := range texts {
		u, err := manifest.Parse("host", []byte(text))[0].Object()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	return all
}

// TestExamples has admission's rules find in the examples what the API server finds there, and nothing else.
func TestExamples(t *testing.T) {
	root, err := filepath.Abs("../../../examples")
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := run(t, nil, nil, "-f", root)
	if exit.Code(err) != exit.NotSo {
		t.Errorf("the error is %v", err)
	}
	var places []string
	for line := range strings.Lines(strings.ReplaceAll(out, root+"/", "")) {
		places = append(places, strings.Join(strings.SplitN(line, ":", 5)[:4], ":"))
	}
	want := []string{
		"cells.yaml:10: error: Cell acme-prod/rz00a", // refused.yaml claims what it has.
		"refused.yaml:10: error: Cell globex-prod/gx2",
		"refused.yaml:21: error: FederatedConfigMap globex-prod/pay",
	}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Errorf("findings in the examples (-want +got):\n%s\n%s", diff, out)
	}
}
