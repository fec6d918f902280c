package customizations

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch"
	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argoproj/argo-cd/v3/pkg/apiclient/application"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
)

type actionCase struct {
	reason string
	object string
	action string
	// params are name and value in turn.
	params []string
	// patch is what Argo CD sends to the API server, in full: empty for nothing.
	patch string
	err   string
}

var actionCases = map[string]actionCase{
	"HoldOne": {
		"Without a mask everything is released: the rest is named.", "Cells", "hold", []string{"cell", "rz00b"},
		`{"spec":{"placementMask":{"topologies":[{"name":"rz00a"},{"name":"rz01a"}]}}}`, "",
	},
	"HoldOneV1": {
		"v1beta1 names the cell's cluster, whatever the user calls it.", "CellsV1", "hold", []string{"cell", "rz01a"},
		`{"spec":{"placementMask":{"clusters":[{"name":"acme-prod.rz00a"}]}}}`, "",
	},
	"HoldOneV1ByCluster": {
		"The cluster's name will do.", "CellsV1", "hold", []string{"cell", "acme-prod.rz01a"},
		`{"spec":{"placementMask":{"clusters":[{"name":"acme-prod.rz00a"}]}}}`, "",
	},
	"HoldLast": {
		"An empty mask holds everything.", "Masked", "hold", []string{"cell", "rz00a"},
		`{"spec":{"placementMask":{"topologies":[]}}}`, "",
	},
	"HoldHeld": {"It is held already.", "Masked", "hold", []string{"cell", "rz00b"}, "", ""},
	"HoldSelected": {
		"What a selector selects is what the status lists.", "Selected", "hold", []string{"cell", "rz00b"},
		`{"spec":{"placementMask":{"topologies":[{"name":"rz00a"}]}}}`, "",
	},
	"HoldCluster": {
		"Clusters are held likewise.", "Clusters", "hold", []string{"cluster", "sh-b"},
		`{"spec":{"placementMask":{"clusters":[]}}}`, "",
	},
	"HoldUnknown": {
		"What it is not placed on is a slip.", "Cells", "hold", []string{"cell", "rz02a"}, "",
		"the object is not placed on the cell rz02a: name one of rz00a, rz00b, rz01a",
	},
	"HoldNobody": {"Nothing is held by accident.", "Cells", "hold", nil, "", "name the cell in the parameter cell: rz00a, rz00b, rz01a"},
	"HoldNothing": {
		"So does an empty parameter.", "Cells", "hold", []string{"cell", ""}, "", "name the cell in the parameter cell: rz00a, rz00b, rz01a",
	},
	"ReleaseOne": {
		"The mask is widened by one.", "Masked", "release", []string{"cell", "rz01a"},
		`{"spec":{"placementMask":{"topologies":[{"name":"rz00a"},{"name":"rz01a"}]}}}`, "",
	},
	"ReleaseFirst": {
		"An empty mask is widened.", "Empty", "release", []string{"cell", "rz00a"},
		`{"spec":{"placementMask":{"topologies":[{"name":"rz00a"}]}}}`, "",
	},
	"ReleaseBare": {
		"So is one without a list.", "Bare", "release", []string{"cell", "rz00a"},
		`{"spec":{"placementMask":{"topologies":[{"name":"rz00a"}]}}}`, "",
	},
	"ReleaseLeaving": {
		"What is held and placed no more is released to be removed.", "Leaving", "release", []string{"cell", "rz00b"},
		`{"spec":{"placementMask":{"topologies":[{"name":"rz00a"},{"name":"rz00b"}]}}}`, "",
	},
	"ReleaseReleased": {"It is released already.", "Masked", "release", []string{"cell", "rz00a"}, "", ""},
	"ReleaseUnmasked": {"Everything is.", "Cells", "release", []string{"cell", "rz00a"}, "", ""},
	"ReleaseCluster": {
		"Clusters are released likewise.", "Clusters", "release", []string{"cluster", "hz-a"},
		`{"spec":{"placementMask":{"clusters":[{"name":"sh-b"},{"name":"hz-a"}]}}}`, "",
	},
	"ReleaseUnknown": {
		"What it is not placed on is a slip.", "Masked", "release", []string{"cell", "rz"}, "",
		"the object is not placed on the cell rz: name one of rz00a, rz00b, rz01a",
	},
	"HoldAll":        {"The mask names nothing.", "Cells", "hold-all", nil, `{"spec":{"placementMask":{"topologies":[]}}}`, ""},
	"HoldAllMasked":  {"A narrower one takes the mask's place.", "Masked", "hold-all", nil, `{"spec":{"placementMask":{"topologies":[]}}}`, ""},
	"HoldAllV1":      {"In v1beta1's words.", "CellsV1", "hold-all", nil, `{"spec":{"placementMask":{"clusters":[]}}}`, ""},
	"ReleaseAll":     {"The mask goes.", "Masked", "release-all", nil, `{"spec":{"placementMask":null}}`, ""},
	"ReleaseAllV1":   {"In v1beta1 too.", "Clusters", "release-all", nil, `{"spec":{"placementMask":null}}`, ""},
	"ReleaseAllDone": {"There is none.", "Cells", "release-all", nil, "", ""},
	"Nulled": {
		"Lua knows no null: a template's null, which stands for nothing, goes. Nothing else does.", "Nulled", "hold-all", nil,
		`{"spec":{"placementMask":{"topologies":[]},"template":{"metadata":{"creationTimestamp":null}}}}`, "",
	},
}

func params(pairs []string) []*application.ResourceActionParameters {
	var params []*application.ResourceActionParameters
	for pair := range slices.Chunk(pairs, 2) {
		params = append(params, &application.ResourceActionParameters{Name: &pair[0], Value: &pair[1]})
	}
	return params
}

// run runs an action as Argo CD's API server does, and returns the merge patch that it sends.
func run(vm lua.VM, object *unstructured.Unstructured, name string, parameters []*application.ResourceActionParameters) (string, error) {
	action, err := vm.GetResourceAction(object, name)
	if err != nil {
		return "", err
	}
	live, err := json.Marshal(object)
	if err != nil {
		return "", err
	}
	impacted, err := vm.ExecuteResourceAction(object, action.ActionLua, parameters)
	if err != nil {
		return "", err
	}
	changed, err := json.Marshal(impacted[0].UnstructuredObj)
	if err != nil {
		return "", err
	}
	patch, err := jsonpatch.CreateMergePatch(live, changed)
	if string(patch) == "{}" {
		patch = nil
	}
	return string(patch), err
}

// TestActions: what Argo CD writes when an action is run: the mask, and nothing else, however odd the rest is.
func TestActions(t *testing.T) {
	objects := recorded(t, "testdata/actions.yaml")
	vm := lua.VM{ResourceOverrides: load(t)}
	for name, tc := range actionCases {
		t.Run(name, func(t *testing.T) {
			got, err := run(vm, objects[tc.object].DeepCopy(), tc.action, params(tc.params))
			message := ""
			if err != nil {
				message = strings.TrimSpace(err.Error())
			}
			if message != tc.err {
				t.Fatalf("%s\nthe error is %q, want %q", tc.reason, message, tc.err)
			}
			if diff := gocmp.Diff(tc.patch, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestDiscovery: which actions are offered, and which of them can be run.
func TestDiscovery(t *testing.T) {
	off := func(disabled ...string) map[string]bool {
		return map[string]bool{
			"hold": slices.Contains(disabled, "hold"), "release": slices.Contains(disabled, "release"),
			"hold-all": slices.Contains(disabled, "hold-all"), "release-all": slices.Contains(disabled, "release-all"),
		}
	}
	cases := map[string]struct {
		reason   string
		disabled map[string]bool
		param    string
	}{
		"Cells":    {"Nothing is held.", off("release", "release-all"), "cell"},
		"Masked":   {"Some is held.", off(), "cell"},
		"Empty":    {"All is held.", off("hold", "hold-all"), "cell"},
		"Bare":     {"A mask without a list holds all.", off("hold", "hold-all"), "cell"},
		"Clusters": {"The parameter is a cluster.", off(), "cluster"},
		"KubeFed":  {"KubeFed knows no masks.", off("hold", "hold-all", "release", "release-all"), "cluster"},
	}
	objects := recorded(t, "testdata/actions.yaml")
	vm := lua.VM{ResourceOverrides: load(t)}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			scripts, err := vm.GetResourceActionDiscovery(objects[name])
			if err != nil {
				t.Fatal(err)
			}
			actions, err := vm.ExecuteResourceActionDiscovery(objects[name], scripts)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, action := range actions {
				got[action.Name] = action.Disabled
				var want []v1alpha1.ResourceActionParam
				if action.Name == "hold" || action.Name == "release" {
					want = []v1alpha1.ResourceActionParam{{Name: tc.param}}
				}
				if diff := gocmp.Diff(want, action.Params); diff != "" {
					t.Errorf("%s takes others (-want +got):\n%s", action.Name, diff)
				}
				if _, err := vm.GetResourceAction(objects[name], action.Name); err != nil {
					t.Errorf("%s is offered and cannot be run: %v", action.Name, err)
				}
			}
			if diff := gocmp.Diff(tc.disabled, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestEveryKind: the actions are offered for all kinds that config/argocd names, since Argo CD looks them up one by one.
func TestEveryKind(t *testing.T) {
	data, err := os.ReadFile("../../../config/argocd/kinds.txt")
	if err != nil {
		t.Fatal(err)
	}
	kinds := strings.Fields(string(data))
	if !slices.IsSortedFunc(kinds, cmp.Compare) || len(kinds) == 0 {
		t.Errorf("the kinds are not sorted: %v", kinds)
	}
	overrides := load(t)
	for _, kind := range kinds {
		override := overrides["types.kubefed.io/"+kind]
		actions, err := override.GetActions()
		if err != nil || len(actions.Definitions) != 4 {
			t.Errorf("%s has the actions %v, %v", kind, actions.Definitions, err)
		}
	}
}
