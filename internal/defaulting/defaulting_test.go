package defaulting_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/internal/defaulting"
	"github.com/cellfed/cellfed/internal/federated"
)

var acme = map[string]string{"cellfed.io/tenant": "acme", "cellfed.io/workspace-group": "prod", "team": "pay"}

// v1 and v2 return an object of a version with that metadata and spec.
func v1(metadata, spec string) string { return objectOf("v1beta1", metadata, spec) }
func v2(metadata, spec string) string { return objectOf("v2beta1", metadata, spec) }

func objectOf(version, metadata, spec string) string {
	object := `{"apiVersion":"types.kubefed.io/` + version + `","kind":"FederatedConfigMap","metadata":` + metadata
	if spec != "" {
		object += `,"spec":` + spec
	}
	return object + `}`
}

func TestFederatedOnCreation(t *testing.T) {
	const withFinalizer = `{"name":"a","finalizers":["kubefed.io/sync-controller"]}`
	cases := map[string]struct {
		reason string
		object string
		facts  defaulting.Facts
		want   string
	}{
		"Nothing": {
			reason: "An object of upstream's in a namespace of nobody's gets nothing.",
			object: v2(`{"name":"a"}`, `{"template":{}}`),
		},
		"Labels": {
			reason: "The tenant is the namespace's, and the namespace's other labels are its own.",
			object: v2(`{"name":"a"}`, `{}`), facts: defaulting.Facts{NamespaceLabels: acme},
			want: `[{"op":"add","path":"/metadata/labels","value":{"cellfed.io/tenant":"acme","cellfed.io/workspace-group":"prod"}}]`,
		},
		"NullLabels": {
			reason: "Null labels are none.",
			object: v2(`{"labels":null}`, `{}`), facts: defaulting.Facts{NamespaceLabels: map[string]string{"cellfed.io/tenant": "a"}},
			want: `[{"op":"add","path":"/metadata/labels","value":{"cellfed.io/tenant":"a"}}]`,
		},
		"ForgedLabels": {
			reason: "What the writer says about the tenant does not count, and the writer's other labels stay.",
			object: v2(`{"labels":{"cellfed.io/tenant":"evil","cellfed.io/workspace-group":"prod","team":"x"}}`, `{}`),
			facts:  defaulting.Facts{NamespaceLabels: acme},
			want:   `[{"op":"add","path":"/metadata/labels/cellfed.io~1tenant","value":"acme"}]`,
		},
		"LabelsOfNobody": {
			reason: "In a namespace of nobody's an object belongs to nobody.",
			object: v1(`{"labels":{"cellfed.io/tenant":"evil","cellfed.io/workspace-group":""}}`, `{}`),
			facts:  defaulting.Facts{NamespaceLabels: map[string]string{"cellfed.io/tenant": ""}},
			want:   `[{"op":"remove","path":"/metadata/labels/cellfed.io~1tenant"},{"op":"remove","path":"/metadata/labels/cellfed.io~1workspace-group"}]`,
		},
		"Finalizer": {
			reason: "Who writes to the members need not write the finalizer first.",
			object: v2(`{"name":"a"}`, `{}`), facts: defaulting.Facts{Propagated: true},
			want: `[{"op":"add","path":"/metadata/finalizers","value":["kubefed.io/sync-controller"]}]`,
		},
		"OtherFinalizers": {
			reason: "Other finalizers stay.",
			object: v2(`{"finalizers":["a/b"]}`, `{}`), facts: defaulting.Facts{Propagated: true},
			want: `[{"op":"add","path":"/metadata/finalizers/-","value":"kubefed.io/sync-controller"}]`,
		},
		"HasFinalizer": {
			reason: "Once is enough.",
			object: v2(withFinalizer, `{}`), facts: defaulting.Facts{Propagated: true},
		},
		"NoMaskByAll": {
			reason: "An absent mask stays absent, and everything goes.",
			object: v2(withFinalizer, `{}`), facts: defaulting.Facts{Propagated: true, Mask: defaulting.MaskAll},
		},
		"NoMaskByKeep": {
			reason: "There is nothing to keep.",
			object: v2(withFinalizer, `{}`), facts: defaulting.Facts{Propagated: true, Mask: defaulting.MaskKeep},
		},
		"EmptyMask": {
			reason: "Everything is held until somebody widens the mask.",
			object: v2(withFinalizer, `{"template":{}}`), facts: defaulting.Facts{Propagated: true, Mask: defaulting.MaskNone},
			want: `[{"op":"add","path":"/spec/placementMask","value":{"topologies":[]}}]`,
		},
		"EmptyMaskV1Beta1": {
			reason: "In v1beta1 a mask names clusters.",
			object: v1(withFinalizer, `{"template":{}}`), facts: defaulting.Facts{Propagated: true, Mask: defaulting.MaskNone},
			want: `[{"op":"add","path":"/spec/placementMask","value":{"clusters":[]}}]`,
		},
		"EmptyMaskWithoutSpec": {
			reason: "An object without a spec is held as well: it may get one without a template.",
			object: v2(withFinalizer, ``), facts: defaulting.Facts{Propagated: true, Mask: defaulting.MaskNone},
			want: `[{"op":"add","path":"/spec","value":{"placementMask":{"topologies":[]}}}]`,
		},
		"WrittenMask": {
			reason: "Who writes a mask has decided.",
			object: v2(withFinalizer, `{"placementMask":{"topologies":[{"name":"a"}]}}`),
			facts:  defaulting.Facts{Propagated: true, Mask: defaulting.MaskNone},
		},
		"MaskOfGenerated": {
			reason: "Nobody would widen the mask of what cellfed itself generates.",
			object: strings.Replace(v2(`{"labels":{"cellfed.io/generated":"true"},"finalizers":["kubefed.io/sync-controller"]}`, `{}`), "ConfigMap", "Namespace", 1),
			facts:  defaulting.Facts{Propagated: true, Mask: defaulting.MaskNone},
		},
		"MaskOfForged": {
			reason: "cellfed generates no other kind, whatever a label says.",
			object: v2(`{"labels":{"cellfed.io/generated":"true"},"finalizers":["kubefed.io/sync-controller"]}`, `{}`),
			facts:  defaulting.Facts{Propagated: true, Mask: defaulting.MaskNone},
			want:   `[{"op":"add","path":"/spec/placementMask","value":{"topologies":[]}}]`,
		},
		"MaskUnderKubeFed": {
			reason: "Upstream obeys no mask, so none is written.",
			object: v2(`{}`, `{}`), facts: defaulting.Facts{Mask: defaulting.MaskNone},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			patch, err := defaulting.Federated([]byte(tc.object), nil, tc.facts)
			wantPatch(t, tc.reason, tc.want, patch, err)
		})
	}
}

func TestFederatedOnUpdate(t *testing.T) {
	const template, other = `"template":{"data":{"a":"1"}}`, `"template":{"data":{"a":"2"}}`
	const masked, emptied = `"placementMask":{"topologies":[{"name":"a"},{"name":"b"}]}`, `"placementMask":{"topologies":[]}`
	const give = `[{"op":"add","path":"/spec/placementMask","value":{"topologies":[{"name":"a"},{"name":"b"}]}}]`
	const empty = `[{"op":"add","path":"/spec/placementMask","value":{"topologies":[]}}]`
	spec := func(fields ...string) string { return `{` + strings.Join(fields, ",") + `}` }
	cases := map[string]struct {
		reason      string
		before, now string
		keep, none  string // all does nothing, ever.
	}{
		"LeftOut":           {reason: "A writer who left the mask out did not decide about it.", before: spec(masked, template), now: spec(other), keep: give, none: empty},
		"AsItWas":           {reason: "A writer who read the mask and wrote it back did not decide about it.", before: spec(masked, template), now: spec(masked, other), none: empty},
		"NeverThere":        {reason: "Where there was none, there is none to keep.", before: spec(template), now: spec(other), none: empty},
		"Emptied":           {reason: "A mask that is empty is not emptied.", before: spec(emptied, template), now: spec(emptied, other)},
		"EmptiedAndLeftOut": {reason: "What was held stays held.", before: spec(emptied, template), now: spec(other), keep: empty, none: empty},
		"Widened":           {reason: "Who widens the mask with the change has decided.", before: spec(emptied, template), now: spec(masked, other)},
		"Written":           {reason: "Who writes a mask has decided.", before: spec(template), now: spec(masked, other)},
		"Reordered":         {reason: "A list of names is no other one for its order.", before: spec(masked, template), now: spec(`"placementMask":{"topologies":[{"name":"b"},{"name":"a"}]}`, other), none: empty},
		"MaskOnly":          {reason: "An update of the mask alone is never given one.", before: spec(masked, template), now: spec(template)},
		"PlacementOnly":     {reason: "An update of the placement alone is never given a mask.", before: spec(masked, template), now: spec(`"placement":{"topologies":[]}`, template)},
		"Overrides":         {reason: "Overrides are a change.", before: spec(masked, template), now: spec(`"overrides":[{"topologyName":"a"}]`, template), keep: give, none: empty},
		"RetainReplicas":    {reason: "So is what is retained.", before: spec(masked, template), now: spec(`"retainReplicas":true`, template), keep: give, none: empty},
		"Removed":           {reason: "So is a template that goes.", before: spec(masked, template), now: spec(), keep: give, none: empty},
		"Whitespace":        {reason: "What is written in another way is the same.", before: spec(masked, `"template":{"a":1,"b":[ ]}`), now: spec(`"template":{"b":[],"a":1}`)},
		"BigNumber":         {reason: "Numbers beyond what a float can tell apart are told apart.", before: spec(masked, `"template":{"a":9007199254740992}`), now: spec(`"template":{"a":9007199254740993}`), keep: give, none: empty},
		"NullTemplate":      {reason: "Null is nothing.", before: spec(masked), now: spec(masked, `"template":null`)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for mask, want := range map[defaulting.MaskDefault]string{
				defaulting.MaskAll: "", "": "", defaulting.MaskKeep: tc.keep, defaulting.MaskNone: tc.none,
			} {
				facts := defaulting.Facts{Propagated: true, Mask: mask}
				patch, err := defaulting.Federated([]byte(v2(`{}`, tc.now)), []byte(v2(`{}`, tc.before)), facts)
				wantPatch(t, tc.reason+" By "+string(mask), want, patch, err)
				facts.Propagated = false
				patch, err = defaulting.Federated([]byte(v2(`{}`, tc.now)), []byte(v2(`{}`, tc.before)), facts)
				wantPatch(t, "Upstream obeys no mask, so none is written.", "", patch, err)
			}
		})
	}
}

func TestV1Beta1MaskIsKept(t *testing.T) {
	before := v1(`{}`, `{"placementMask":{"clusters":[{"name":"ns.a"}]},"template":{}}`)
	now := v1(`{}`, `{"template":{"a":1}}`)
	patch, err := defaulting.Federated([]byte(now), []byte(before), defaulting.Facts{Propagated: true, Mask: defaulting.MaskKeep})
	wantPatch(t, "A mask is kept in the words in which it was written.",
		`[{"op":"add","path":"/spec/placementMask","value":{"clusters":[{"name":"ns.a"}]}}]`, patch, err)
}

func TestNotObject(t *testing.T) {
	for name, object := range map[string]string{
		"Array": `[]`, "NoMetadata": `{"spec":{}}`, "Metadata": `{"metadata":"a"}`, "Labels": `{"metadata":{"labels":[]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := defaulting.Federated([]byte(object), nil, defaulting.Facts{}); !errors.Is(err, federated.ErrNotObject) {
				t.Errorf("Federated: got error %v, want ErrNotObject", err)
			}
			if _, err := defaulting.Labels([]byte(object), acme); !errors.Is(err, federated.ErrNotObject) {
				t.Errorf("Labels: got error %v, want ErrNotObject", err)
			}
		})
	}
}

func TestMaskDefaultOf(t *testing.T) {
	cases := map[string]struct {
		reason      string
		annotations map[string]string
		want        defaulting.MaskDefault
		warns       bool
	}{
		"Absent":  {reason: "The manager's own default holds.", want: defaulting.MaskKeep},
		"All":     {reason: "The namespace decides.", annotations: map[string]string{"cellfed.io/default-placement-mask": "all"}, want: defaulting.MaskAll},
		"None":    {reason: "The namespace decides.", annotations: map[string]string{"cellfed.io/default-placement-mask": "none"}, want: defaulting.MaskNone},
		"Unknown": {reason: "What nobody knows releases nothing, and is told.", annotations: map[string]string{"cellfed.io/default-placement-mask": "keeep"}, want: defaulting.MaskNone, warns: true},
		"Empty":   {reason: "Nor does what says nothing.", annotations: map[string]string{"cellfed.io/default-placement-mask": ""}, want: defaulting.MaskNone, warns: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, warning := defaulting.MaskDefaultOf(tc.annotations, defaulting.MaskKeep)
			if got != tc.want || (warning != "") != tc.warns {
				t.Errorf("%s\ngot %q and the warning %q, want %q", tc.reason, got, warning, tc.want)
			}
		})
	}
}

// wantPatch compares the patch as it is sent. An empty one is not sent.
func wantPatch(t *testing.T, reason, want string, patch defaulting.Patch, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s\n%v", reason, err)
	}
	data, err := patch.JSON()
	if err != nil {
		t.Fatalf("%s\n%v", reason, err)
	}
	if diff := cmp.Diff(parsed(t, want), parsed(t, string(data))); diff != "" {
		t.Errorf("%s\n-want +got:\n%s", reason, diff)
	}
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	if text == "" {
		return nil
	}
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}
