package federatedtype

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/federated"
)

// serve brings the type up in both versions.
func (f *fixture) serve() {
	f.Helper()
	f.enable(nil)
	f.federate()
	url, _ := f.webhook(0)
	f.start(url, nil)
	f.waitServed()
}

// apply applies YAML of an object in v2beta1 as the field manager, without force.
func (f *fixture) apply(manager, document string) error {
	o := f.object(federated.V2Beta1, document)
	return f.client.Apply(f.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(manager))
}

// testFieldManagers: the template, the overrides of each cell and the mask can each be somebody's own.
func testFieldManagers(f *fixture) {
	f.serve()
	f.must(f.apply("gitops", `
metadata: {name: pay}
spec:
  topologyType: cell
  template: {spec: {replicas: 1}}
  placement: {topologies: [{name: rz00a}, {name: rz01a}]}`))
	override := func(cell string, replicas int) string {
		return fmt.Sprintf(`
metadata: {name: pay}
spec: {overrides: [{topologyName: %s, topologyOverrides: [{path: /spec/replicas, value: %d}]}]}`, cell, replicas)
	}
	f.must(f.apply("team-a", override("rz00a", 2)))
	f.must(f.apply("team-b", override("rz01a", 3)))
	f.must(f.apply("release", `{metadata: {name: pay}, spec: {placementMask: {topologies: [{name: rz00a}]}}}`))

	want := `{"overrides":[{"topologyName":"rz00a","topologyOverrides":[{"path":"/spec/replicas","value":2}]},` +
		`{"topologyName":"rz01a","topologyOverrides":[{"path":"/spec/replicas","value":3}]}],` +
		`"placement":{"topologies":[{"name":"rz00a"},{"name":"rz01a"}]},"placementMask":{"topologies":[{"name":"rz00a"}]},` +
		`"template":{"spec":{"replicas":1}},"topologyType":"cell"}`
	if diff := cmp.Diff(want, f.spec(federated.V2Beta1, "pay")); diff != "" {
		f.Errorf("four field managers: %s", diff)
	}
	if err := f.apply("team-a", override("rz01a", 9)); err == nil || !strings.Contains(err.Error(), "team-b") {
		f.Errorf("team-a took team-b's cell: %v", err)
	}
	// Upstream's write in between goes by v1beta1 and takes nothing from anybody.
	o := f.get(federated.V1Beta1, "pay")
	o.SetFinalizers([]string{"kubefed.io/sync-controller"})
	f.must(f.client.Update(f.Context(), o))

	f.must(f.apply("release", `{metadata: {name: pay}, spec: {placementMask: {topologies: [{name: rz00a}, {name: rz01a}]}}}`))
	f.must(f.apply("team-b", `{metadata: {name: pay}}`))
	want = `{"overrides":[{"topologyName":"rz00a","topologyOverrides":[{"path":"/spec/replicas","value":2}]}],` +
		`"placement":{"topologies":[{"name":"rz00a"},{"name":"rz01a"}]},"placementMask":{"topologies":[{"name":"rz00a"},{"name":"rz01a"}]},` +
		`"template":{"spec":{"replicas":1}},"topologyType":"cell"}`
	if diff := cmp.Diff(want, f.spec(federated.V2Beta1, "pay")); diff != "" {
		f.Errorf("after one has let go and another gone on: %s", diff)
	}
	f.must(f.apply("gitops", `
metadata: {name: pay}
spec:
  topologyType: cell
  template: {spec: {replicas: 1}}
  placement: {topologies: [{name: rz01a}]}`))
	if spec := f.spec(federated.V1Beta1, "pay"); !strings.Contains(spec, `"placement":{"clusters":[{"name":"`+f.namespace+`.rz01a"}]}`) {
		f.Errorf("a cell that was taken from the placement is still placed: %s", spec)
	}
	f.must(f.apply("release", `{metadata: {name: pay}}`))
	if spec := f.spec(federated.V2Beta1, "pay"); strings.Contains(spec, "placementMask") {
		f.Errorf("a mask that nobody wants any more is left: %s", spec)
	}
	o = f.get(federated.V1Beta1, "pay")
	o.SetFinalizers(nil)
	f.must(f.client.Update(f.Context(), o))
}

// testEmptied: who applies an empty list or selector gets it, and who applies none has none, with upstream's write in
// between or without.
func testEmptied(f *fixture) {
	f.serve()
	for name, steps := range map[string][2]string{
		"mask":             {`"placementMask":{"topologies":[{"name":"a"}]},"topologyType":"cell"`, `"placementMask":{"topologies":[]},"topologyType":"cell"`},
		"mask-absent":      {`"placementMask":{"topologies":[]},"topologyType":"cell"`, `"placementMask":{},"topologyType":"cell"`},
		"list":             {`"placement":{"topologies":[{"name":"a"}],"topologySelector":{}},"topologyType":"cell"`, `"placement":{"topologies":[],"topologySelector":{}},"topologyType":"cell"`},
		"list-absent":      {`"placement":{"topologies":[],"topologySelector":{}},"topologyType":"cell"`, `"placement":{"topologySelector":{}},"topologyType":"cell"`},
		"placement":        {`"placement":{"topologies":[{"name":"a"}]},"topologyType":"cell"`, `"placement":{},"topologyType":"cell"`},
		"selector":         {`"placement":{"topologySelector":{"matchLabels":{"a":"b"}}},"topologyType":"cell"`, `"placement":{"topologySelector":{}},"topologyType":"cell"`},
		"labels":           {`"placement":{"topologySelector":{"matchLabels":{"a":"b"}}},"topologyType":"cell"`, `"placement":{"topologySelector":{"matchLabels":{}}},"topologyType":"cell"`},
		"expressions":      {`"placement":{"topologySelector":{"matchExpressions":[{"key":"a","operator":"Exists"}],"matchLabels":{}}},"topologyType":"cell"`, `"placement":{"topologySelector":{"matchLabels":{}}},"topologyType":"cell"`},
		"label-of-ours":    {`"placement":{"topologySelector":{"matchLabels":{"a":"b","cellfed.io/namespace":"other"}}},"topologyType":"cell"`, `"placement":{"topologySelector":{"matchLabels":{"a":"b"}}},"topologyType":"cell"`},
		"clusters":         {`"placement":{"topologySelector":{"matchLabels":{"a":"b"}}},"topologyType":"cluster"`, `"placement":{"topologySelector":{}},"topologyType":"cluster"`},
		"foreign-selector": {`"placement":{"clusterSelector":{"matchLabels":{"a":"b"}}},"topologyType":"cell"`, `"placement":{"clusterSelector":{}},"topologyType":"cell"`},
	} {
		for _, between := range []string{"alone", "between"} {
			object := name + "-" + between
			f.must(f.apply("gitops", `{metadata: {name: `+object+`}, spec: {`+steps[0]+`}}`))
			if between == "between" {
				o := f.get(federated.V1Beta1, object)
				o.SetLabels(map[string]string{"written": "by-upstream"})
				f.must(f.client.Update(f.Context(), o, client.FieldOwner("upstream")))
			}
			if err := f.apply("gitops", `{metadata: {name: `+object+`}, spec: {`+steps[1]+`}}`); err != nil {
				f.Errorf("%s: %v", object, err)
				continue
			}
			if diff := cmp.Diff("{"+steps[1]+"}", f.spec(federated.V2Beta1, object)); diff != "" {
				f.Errorf("%s came back as something else: %s", object, diff)
			}
		}
	}
}

// testSelectors: v2beta1 refuses what v1beta1 has no place for.
func testSelectors(f *fixture) {
	f.serve()
	f.refused(f.object(federated.V2Beta1, `
metadata: {name: both}
spec: {topologyType: cell, placement: {topologySelector: {}, clusterSelector: {matchLabels: {a: b}}}}`), "exclude one another")
	f.refused(f.object(federated.V2Beta1, `
metadata: {name: cluster}
spec: {topologyType: cluster, placement: {clusterSelector: {}}}`), "use placement.topologySelector")
	f.refused(f.object(federated.V2Beta1, `
metadata: {name: absent}
spec: {placement: {clusterSelector: {}}}`), "use placement.topologySelector")
	f.refused(f.object(federated.V2Beta1, `
metadata: {name: twice}
spec: {topologyType: cell, placement: {topologies: [{name: a}, {name: a}]}}`), "Duplicate value")
	f.refused(f.object(federated.V2Beta1, `
metadata: {name: other}
spec: {topologyType: region}`), `supported values: "cell", "cluster"`)

	for name, placement := range map[string]string{
		"own":     `{"topologySelector":{"matchLabels":{"city":"hangzhou"}}}`,
		"all":     `{"topologySelector":{}}`,
		"foreign": `{"clusterSelector":{"matchLabels":{"city":"hangzhou"}}}`,
		"looks":   `{"clusterSelector":{"matchLabels":{"cellfed.io/namespace":"` + f.namespace + `","cellfed.io/topology-type":"cell"}}}`,
	} {
		f.must(f.client.Create(f.Context(), f.object(federated.V2Beta1, `{metadata: {name: `+name+`}, spec: {topologyType: cell, placement: `+placement+`}}`)))
		want := `{"placement":` + placement + `,"topologyType":"cell"}`
		if diff := cmp.Diff(want, f.spec(federated.V2Beta1, name)); diff != "" {
			f.Errorf("%s came back as something else: %s", name, diff)
		}
	}
}

// testWhatKubectlSees: the preferred version, the columns, and what explain says.
func testWhatKubectlSees(f *fixture) {
	f.serve()
	f.must(f.client.Create(f.Context(), f.object(federated.V2Beta1, celledObject)))
	f.must(f.client.Create(f.Context(), f.object(federated.V2Beta1, `
metadata: {name: empty}
spec: {topologyType: cell, placement: {topologySelector: {matchLabels: {city: hangzhou}}}, placementMask: {topologies: []}}`)))
	status := client.RawPatch("application/merge-patch+json", []byte(
		`{"status":{"summary":{"placed":2,"inSync":1,"held":1,"failed":0,"available":1}}}`))
	f.must(f.client.Status().Patch(f.Context(), f.get(federated.V2Beta1, "celled"), status))

	d, err := discovery.NewDiscoveryClientForConfig(f.config)
	f.must(err)
	groups, err := d.ServerGroups()
	f.must(err)
	for _, group := range groups.Groups {
		if group.Name == federated.Group && group.PreferredVersion.Version != federated.V2Beta1 {
			f.Errorf("kubectl prefers %s", group.PreferredVersion.Version)
		}
	}

	raw, err := d.RESTClient().Get().
		AbsPath(fmt.Sprintf("/apis/%s/%s/namespaces/%s/%s", federated.Group, federated.V2Beta1, f.namespace, f.plural())).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(f.Context()).Raw()
	f.must(err)
	var table metav1.Table
	f.must(json.Unmarshal(raw, &table))
	var got []string
	for _, column := range table.ColumnDefinitions {
		if column.Description == "" {
			f.Errorf("column %s has no description", column.Name)
		}
		got = append(got, fmt.Sprintf("%s/%d", column.Name, column.Priority))
	}
	if diff := cmp.Diff([]string{"Name/0", "Type/0", "Placed/0", "In-Sync/0", "Held/0", "Failed/0", "Available/1", "Age/0"}, got); diff != "" {
		f.Errorf("columns: %s", diff)
	}
	rows := [][]any{
		{"celled", "cell", 2.0, 1.0, 1.0, 0.0, 1.0},
		{"empty", "cell", nil, nil, nil, nil, nil},
	}
	for i, row := range table.Rows {
		if diff := cmp.Diff(rows[i], row.Cells[:7]); diff != "" {
			f.Errorf("row %d: %s", i, diff)
		}
	}

	kubectl, err := framework.Binary("kubectl")
	f.must(err)
	out, err := exec.CommandContext(f.Context(), kubectl, "--kubeconfig", f.cluster.Kubeconfig, "explain", f.plural(), "--recursive").CombinedOutput()
	f.must(err)
	for _, words := range []string{"VERSION:    v2beta1", "topologyName", "placementMask"} {
		if !strings.Contains(string(out), words) {
			f.Errorf("kubectl explain does not say %q:\n%s", words, out)
		}
	}
}
