package mapping

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

var (
	configMaps = Resource{Version: "v1", Resource: "configmaps"}
	namespaces = Resource{Version: "v1", Resource: "namespaces"}
	events     = Resource{Version: "v1", Resource: "events"}
)

// sameJSON compares two JSON texts by value, numbers as they are written.
func sameJSON(t *testing.T, reason, want, got string) {
	t.Helper()
	if diff := cmp.Diff(decode(t, want), decode(t, got)); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", reason, diff)
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q is not JSON: %v", text, err)
	}
	return v
}

func TestOut(t *testing.T) {
	cases := map[string]struct {
		reason string
		r      Resource
		in     string
		owner  Ownership
		want   string
	}{
		"Ours": {
			reason: "the cell's labels become upstream's, in the object and in who owns its fields",
			r:      configMaps, owner: Ours,
			in: `{"metadata":{"name":"a","namespace":"acme-rz","selfLink":"/x","labels":{"cellfed.io/cell":"rz","cellfed.io/managed":"true","cellfed.io/namespace":"acme","b":"c"},
				"managedFields":[{"manager":"m","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:cellfed.io/cell":{},"f:cellfed.io/managed":{},"f:cellfed.io/namespace":{},"f:b":{}}}}}]}}`,
			want: `{"metadata":{"name":"a","namespace":"acme","labels":{"b":"c","kubefed.io/managed":"true"},
				"managedFields":[{"manager":"m","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:kubefed.io/managed":{},"f:b":{}}}}}]}}`,
		},
		"SpecUntouched": {
			reason: "a spec is not parsed: odd numbers, duplicates and namespaces in it stay",
			r:      configMaps, owner: Free,
			in:   `{"spec":{"namespace":"acme-rz","n":1.0e400,"n":12345678901234567890},"metadata":{"namespace":"acme-rz"}, "data": {"x" : 1}}`,
			want: `{"spec":{"namespace":"acme-rz","n":1.0e400,"n":12345678901234567890},"metadata":{"namespace":"acme"}, "data": {"x" : 1}}`,
		},
		"FreeWithLabel": {
			reason: "an object that is explicitly not managed shows that",
			r:      configMaps, owner: Free,
			in:   `{"metadata":{"namespace":"acme-rz","labels":{"kubefed.io/managed":"false"}}}`,
			want: `{"metadata":{"namespace":"acme","labels":{"kubefed.io/managed":"false"}}}`,
		},
		"Stray": {
			reason: "labels of cells on an object that none manages are not shown",
			r:      configMaps, owner: Free,
			in:   `{"metadata":{"namespace":"acme-rz","labels":{"cellfed.io/cell":"rz","cellfed.io/tenant":"t"}}}`,
			want: `{"metadata":{"namespace":"acme","labels":{"cellfed.io/tenant":"t"}}}`,
		},
		"Upstream": {
			reason: "what upstream manages through the physical cluster is not there, cell or no cell",
			r:      configMaps, owner: Foreign,
			in: `{"metadata":{"namespace":"acme-rz","labels":{"kubefed.io/managed":"true","cellfed.io/managed":"true","cellfed.io/namespace":"acme","cellfed.io/cell":"rz"}}}`,
		},
		"OtherCell": {
			reason: "what another cell manages neither",
			r:      configMaps, owner: Foreign,
			in: `{"metadata":{"namespace":"acme-rz","labels":{"cellfed.io/managed":"true","cellfed.io/namespace":"acme","cellfed.io/cell":"other"}}}`,
		},
		"OtherNamespace": {
			reason: "an object that was not asked for is not believed",
			r:      configMaps, owner: Outside, in: `{"metadata":{"namespace":"kube-system"}}`,
		},
		"ForeignNamespace": {
			reason: "the Namespace is shared: it reads as one that nobody manages",
			r:      namespaces, owner: Foreign,
			in:   `{"metadata":{"name":"acme-rz","labels":{"kubefed.io/managed":"true","kubernetes.io/metadata.name":"acme-rz"}}}`,
			want: `{"metadata":{"name":"acme","labels":{"kubernetes.io/metadata.name":"acme"}}}`,
		},
		"OwnNamespace": {
			reason: "the cell's own Namespace carries upstream's label",
			r:      namespaces, owner: Ours,
			in:   `{"metadata":{"name":"acme-rz","labels":{"cellfed.io/managed":"true","cellfed.io/namespace":"acme","cellfed.io/cell":"rz"}}}`,
			want: `{"metadata":{"name":"acme","labels":{"kubefed.io/managed":"true"}}}`,
		},
		"AnotherNamespace": {
			reason: "a Namespace that was not asked for is not shown",
			r:      namespaces, owner: Outside, in: `{"metadata":{"name":"kube-system"}}`,
		},
		"Event": {
			reason: "an Event speaks of the view's namespace",
			r:      events, owner: Free,
			in:   `{"metadata":{"namespace":"acme-rz"},"involvedObject":{"kind":"Namespace","name":"acme-rz","namespace":"acme-rz"},"message":"in acme-rz"}`,
			want: `{"metadata":{"namespace":"acme"},"involvedObject":{"kind":"Namespace","name":"acme","namespace":"acme"},"message":"in acme-rz"}`,
		},
		"NoMetadata": {
			reason: "what has no metadata is as it is",
			r:      configMaps, owner: Free, in: `{"kind":"X"}`, want: `{"kind":"X"}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, state := testView.Out(nil, tc.r, []byte(tc.in))
			if state.Owner != tc.owner {
				t.Errorf("%s: it is %s, want %s", tc.reason, state.Owner, tc.owner)
			}
			if name == "SpecUntouched" {
				if diff := cmp.Diff(tc.want, string(got)); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
				}
				return
			}
			if tc.want == "" {
				if len(got) > 0 {
					t.Errorf("%s: got %s", tc.reason, got)
				}
				return
			}
			sameJSON(t, tc.reason, tc.want, string(got))
		})
	}
}

func TestIn(t *testing.T) {
	ours := &State{Owner: Ours, UID: "u", ResourceVersion: "7"}
	free := &State{Owner: Free, UID: "u", ResourceVersion: "7"}
	const own = `"cellfed.io/managed":"true","cellfed.io/namespace":"acme","cellfed.io/cell":"rz"`
	cases := map[string]struct {
		reason  string
		write   Write
		r       Resource
		current *State
		in      string
		want    string
		pinned  bool
	}{
		"Create": {
			"an object that is created belongs to the cell", Create, configMaps, nil,
			`{"metadata":{"name":"a","namespace":"acme"},"data":{"n":1}}`,
			`{"metadata":{"name":"a","namespace":"acme-rz","labels":{` + own + `}},"data":{"n":1}}`, false,
		},
		"CreateManaged": {
			"as upstream creates it", Create, configMaps, nil,
			`{"metadata":{"labels":{"kubefed.io/managed":"true","a":"b"}}}`,
			`{"metadata":{"labels":{"a":"b",` + own + `}}}`, false,
		},
		"CreateUnmanaged": {
			"unless it says that it is not managed", Create, configMaps, nil,
			`{"metadata":{"labels":{"kubefed.io/managed":"false"}}}`,
			`{"metadata":{"labels":{"kubefed.io/managed":"false"}}}`, false,
		},
		"CreateWithoutMetadata": {
			"metadata is made", Create, configMaps, nil, `{"a":1}`, `{"a":1,"metadata":{"labels":{` + own + `}}}`, false,
		},
		"CreateNamespace": {
			"the Namespace gets the target's name", Create, namespaces, nil,
			`{"metadata":{"name":"acme","labels":{"kubernetes.io/metadata.name":"acme"}}}`,
			`{"metadata":{"name":"acme-rz","labels":{"kubernetes.io/metadata.name":"acme-rz",` + own + `}}}`, false,
		},
		"Update": {
			"an update is made to the version that was looked at", Update, configMaps, ours,
			`{"metadata":{"name":"a","resourceVersion":"0","labels":{"kubefed.io/managed":"true"}}}`,
			`{"metadata":{"name":"a","labels":{` + own + `},"resourceVersion":"7"}}`, true,
		},
		"UpdateVersion": {
			"or to the one that the client names", Update, configMaps, ours,
			`{"metadata":{"resourceVersion":"5","labels":{"kubefed.io/managed":"true"}}}`,
			`{"metadata":{"resourceVersion":"5","labels":{` + own + `}}}`, false,
		},
		"UpdateFrees": {
			"an update without upstream's label frees the object, as it does upstream", Update, configMaps, ours,
			`{"metadata":{"labels":{"a":"b"}}}`, `{"metadata":{"labels":{"a":"b"},"resourceVersion":"7"}}`, true,
		},
		"Adopt": {
			"and one with it adopts", Update, configMaps, free,
			`{"metadata":{"labels":{"kubefed.io/managed":"true"}}}`, `{"metadata":{"labels":{` + own + `},"resourceVersion":"7"}}`, true,
		},
		"UpdateStatus": {
			"a write to status frees nothing", Update, Resource{Version: "v1", Resource: "pods", Subresource: "status"}, ours,
			`{"metadata":{}}`, `{"metadata":{"labels":{` + own + `},"resourceVersion":"7"}}`, true,
		},
		"UpdateScale": {
			"a Scale carries no labels", Update, Resource{Group: "apps", Version: "v1", Resource: "deployments", Subresource: "scale"}, ours,
			`{"metadata":{"namespace":"acme"},"spec":{"replicas":1}}`,
			`{"metadata":{"namespace":"acme-rz","resourceVersion":"7"},"spec":{"replicas":1}}`, true,
		},
		"ApplyNew": {
			"what is applied first belongs to the cell", Apply, configMaps, nil,
			`{"metadata":{"name":"a"}}`, `{"metadata":{"name":"a","labels":{` + own + `}}}`, false,
		},
		"ApplyOurs": {
			"and stays so", Apply, configMaps, ours,
			`{"metadata":{"name":"a"}}`, `{"metadata":{"name":"a","labels":{` + own + `},"resourceVersion":"7"}}`, true,
		},
		"ApplyFree": {
			"what is free is not adopted without a word", Apply, configMaps, free,
			`{"metadata":{"name":"a"}}`, `{"metadata":{"name":"a","resourceVersion":"7"}}`, true,
		},
		"ManagedFields": {
			"who owns upstream's label owns the cell's", Update, configMaps, ours,
			`{"metadata":{"resourceVersion":"5","labels":{"kubefed.io/managed":"true"},"managedFields":[{"fieldsV1":{"f:metadata":{"f:labels":{"f:kubefed.io/managed":{}}}}}]}}`,
			`{"metadata":{"resourceVersion":"5","labels":{` + own + `},"managedFields":[{"fieldsV1":{"f:metadata":{"f:labels":{"f:cellfed.io/managed":{},"f:cellfed.io/namespace":{},"f:cellfed.io/cell":{}}}}}]}}`, false,
		},
		"Event": {
			"an Event speaks of the member's namespace", Create, events, nil,
			`{"metadata":{"labels":{"kubefed.io/managed":"no"}},"involvedObject":{"namespace":"acme","name":"acme"}}`,
			`{"metadata":{"labels":{"kubefed.io/managed":"no"}},"involvedObject":{"namespace":"acme-rz","name":"acme"}}`, false,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := testView.In(tc.write, tc.r, []byte(tc.in), tc.current)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			sameJSON(t, tc.reason, tc.want, string(got.JSON))
			if got.Pinned != tc.pinned {
				t.Errorf("%s: pinned is %v", tc.reason, got.Pinned)
			}
		})
	}
}

func TestInRefuses(t *testing.T) {
	cases := map[string]struct {
		reason string
		r      Resource
		in     string
		is     func(error) bool
	}{
		"OtherNamespace":   {"a body for another namespace", configMaps, `{"metadata":{"namespace":"other"}}`, apierrors.IsBadRequest},
		"TargetNamespace":  {"the target's name is not known here", configMaps, `{"metadata":{"namespace":"acme-rz"}}`, apierrors.IsBadRequest},
		"NamespaceNumber":  {"nor is a number a namespace", configMaps, `{"metadata":{"namespace":1}}`, apierrors.IsBadRequest},
		"ReservedLabel":    {"the cell's labels are cellfed's to write", configMaps, `{"metadata":{"labels":{"cellfed.io/cell":"rz"}}}`, apierrors.IsForbidden},
		"EscapedLabel":     {"also when spelled otherwise", configMaps, `{"metadata":{"labels":{"cellfed.io\u002fcell":"rz"}}}`, apierrors.IsForbidden},
		"TwoMetadata":      {"parsers differ in which one counts", configMaps, `{"metadata":{},"met\u0061data":{"namespace":"other"}}`, apierrors.IsBadRequest},
		"TwoNamespaces":    {"also within", configMaps, `{"metadata":{"namespace":"acme","namespace":"other"}}`, apierrors.IsBadRequest},
		"TwoLabels":        {"and in labels", configMaps, `{"metadata":{"labels":{"kubefed.io/managed":"true","kubefed.io/managed":"x"}}}`, apierrors.IsBadRequest},
		"LabelsArray":      {"labels are an object", configMaps, `{"metadata":{"labels":[]}}`, apierrors.IsBadRequest},
		"MetadataString":   {"metadata is an object", configMaps, `{"metadata":"x"}`, apierrors.IsBadRequest},
		"Array":            {"a body is an object", configMaps, `[]`, apierrors.IsBadRequest},
		"Garbage":          {"and JSON", configMaps, `{"metadata":`, apierrors.IsBadRequest},
		"Empty":            {"not nothing", configMaps, ``, apierrors.IsBadRequest},
		"Deep":             {"and not as deep as a stack", configMaps, strings.Repeat("[", 1<<20), apierrors.IsBadRequest},
		"AnotherNamespace": {"no other Namespace is made", namespaces, `{"metadata":{"name":"other"}}`, apierrors.IsForbidden},
		"GeneratedName":    {"nor one of a name to be generated", namespaces, `{"metadata":{"generateName":"a"}}`, apierrors.IsForbidden},
		"NamespaceInOne":   {"Namespaces are in none", namespaces, `{"metadata":{"name":"acme","namespace":"acme"}}`, apierrors.IsBadRequest},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := testView.In(Create, tc.r, []byte(tc.in), nil)
			if err == nil || !tc.is(err) {
				t.Errorf("%s: got %s, %v", tc.reason, got.JSON, err)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	state := State{UID: "u", ResourceVersion: "7"}
	cases := map[string]struct {
		reason, body, query, want string
		pinned                    bool
	}{
		"Plain": {"the object that was looked at is deleted", ``, ``, `{"preconditions":{"uid":"u","resourceVersion":"7"}}`, true},
		"Query": {
			"options in the query would be lost behind a body", ``, `gracePeriodSeconds=5&propagationPolicy=Foreground&dryRun=All`,
			`{"gracePeriodSeconds":5,"propagationPolicy":"Foreground","dryRun":["All"],"preconditions":{"uid":"u","resourceVersion":"7"}}`, true,
		},
		"Body": {
			"options in the body stay", `{"kind":"DeleteOptions","apiVersion":"v1","x":1,"preconditions":null}`, `gracePeriodSeconds=5`,
			`{"kind":"DeleteOptions","apiVersion":"v1","x":1,"preconditions":{"uid":"u","resourceVersion":"7"}}`, true,
		},
		"ClientUID": {
			"what the client expects counts", `{"preconditions":{"uid":"v"}}`, ``, `{"preconditions":{"uid":"v","resourceVersion":"7"}}`, true,
		},
		"ClientVersion": {
			"also of the version", `{"preconditions":{"resourceVersion":"5"}}`, ``, `{"preconditions":{"resourceVersion":"5","uid":"u"}}`, false,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			q, err := ParseRequest("DELETE", "/api/v1/namespaces/acme/pods/p", tc.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := testView.Delete([]byte(tc.body), q.Query, state)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			sameJSON(t, tc.reason, tc.want, string(got.JSON))
			if got.Pinned != tc.pinned {
				t.Errorf("%s: pinned is %v", tc.reason, got.Pinned)
			}
		})
	}
	if _, err := testView.Delete([]byte(`{"preconditions":{},"preconditions":{}}`), nil, state); !apierrors.IsBadRequest(err) {
		t.Errorf("preconditions given twice: got %v", err)
	}
}

func TestEviction(t *testing.T) {
	got, err := testView.Eviction([]byte(`{"kind":"Eviction","metadata":{"name":"p","namespace":"acme"}}`), State{UID: "u", ResourceVersion: "7"})
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "the pod that was looked at is evicted",
		`{"kind":"Eviction","metadata":{"name":"p","namespace":"acme-rz"},"deleteOptions":{"preconditions":{"uid":"u"}}}`, string(got.JSON))
	if _, err := testView.Eviction([]byte(`{"metadata":{"namespace":"other"}}`), State{}); !apierrors.IsBadRequest(err) {
		t.Errorf("an eviction in another namespace: got %v", err)
	}
}

func TestStatusOut(t *testing.T) {
	in := `{"kind":"Status","apiVersion":"v1","message":"namespaces \"acme-rz\" not found","details":{"name":"acme-rz","kind":"namespaces"}}`
	want := `{"kind":"Status","apiVersion":"v1","message":"namespaces \"acme\" not found","details":{"name":"acme","kind":"namespaces"}}`
	sameJSON(t, "an error speaks of the view's namespace", want, string(testView.StatusOut([]byte(in))))
	other := strings.ReplaceAll(in, "namespaces", "pods")
	if diff := cmp.Diff(other, string(testView.StatusOut([]byte(other)))); diff != "" {
		t.Errorf("an error that speaks of something else is as it is:\n%s", diff)
	}
}

// FuzzOutIn: writing back what was read changes nothing but which labels upstream sees, and nothing panics.
func FuzzOutIn(f *testing.F) {
	f.Add([]byte(`{"metadata":{"name":"a","namespace":"acme-rz","labels":{"cellfed.io/managed":"true","cellfed.io/namespace":"acme","cellfed.io/cell":"rz","x":"y"}},"spec":{"a":[1,2.50,{"b":"\u00e9"}]}}`))
	f.Add([]byte(`{"spec":{},"metadata":{"namespace":"acme-rz","labels":{"kubefed.io/managed":"false"},"managedFields":[{"fieldsV1":{"f:metadata":{}}}]}}`))
	f.Add([]byte(`{"metadata":{"name":"acme-rz","labels":{"kubernetes.io/metadata.name":"acme-rz"}}}`))
	f.Add([]byte(`{"involvedObject":{"namespace":"acme-rz"}}`))
	f.Add([]byte(`{"metadata":{"namespace":"acme-rz"`))
	f.Fuzz(func(t *testing.T, object []byte) {
		for _, r := range []Resource{configMaps, namespaces, events} {
			shown, state := testView.Out(nil, r, object)
			_, _ = testView.ObjectOut(r, object, true)
			_, _ = testView.rowOut(nil, r, object, false)
			if !json.Valid(object) || checkUnique(object) != nil || !state.Shown(r) || state.Owner == Foreign {
				continue
			}
			if !json.Valid(shown) {
				t.Fatalf("%s is shown as %s", object, shown)
			}
			back, err := testView.In(Update, r, shown, &State{Owner: state.Owner})
			if err != nil {
				continue // Not every JSON object is one of the API's.
			}
			again, second := testView.Out(nil, r, back.JSON)
			if second.Owner != state.Owner {
				t.Fatalf("%s was %s, and is %s when it is written back", object, state.Owner, second.Owner)
			}
			sameJSON(t, fmt.Sprintf("%s is shown as another when it is written back", object), string(shown), string(again))
		}
	})
}

// checkUnique returns an error when a key is given twice where the mapping looks.
func checkUnique(object []byte) error {
	if err := checkObject(object); err != nil {
		return err
	}
	top, err := members(string(object), "")
	for _, m := range top {
		if m.name == "metadata" && err == nil {
			var all []member
			all, err = members(m.value.Raw, "")
			for _, n := range all {
				if err == nil && n.name == "labels" {
					_, err = members(n.value.Raw, "")
				}
			}
		}
	}
	return err
}
