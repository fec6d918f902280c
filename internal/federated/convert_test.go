package federated

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pair is one object in both versions.
type pair struct {
	reason string
	v1, v2 string
}

// wrap makes an object of a namespace from its parts.
func wrap(version, namespace, rest string) []byte {
	return []byte(`{"apiVersion":"types.kubefed.io/` + version + `","kind":"FederatedDeployment","metadata":{"name":"pay","namespace":"` + namespace + `"}` + rest + `}`)
}

// assertPairs converts each pair both ways.
func assertPairs(t *testing.T, namespace string, cases map[string]pair) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			v1, v2 := wrap(V1Beta1, namespace, tc.v1), wrap(V2Beta1, namespace, tc.v2)
			if diff := cmp.Diff(tokens(t, v2), tokens(t, mustConvert(t, v1, V2Beta1))); diff != "" {
				t.Errorf("%s: to v2beta1: -want +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tokens(t, v1), tokens(t, mustConvert(t, v2, V1Beta1))); diff != "" {
				t.Errorf("%s: to v1beta1: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestConvertTypes(t *testing.T) {
	assertPairs(t, "acme", map[string]pair{
		"PlainUpstream": {
			reason: "an object that nobody here wrote says that it names clusters, and is itself again",
			v1:     `,"spec":{"placement":{"clusters":[{"name":"acme.x"}]},"template":{"a":1}}`,
			v2:     `,"spec":{"placement":{"topologies":[{"name":"acme.x"}]},"template":{"a":1},"topologyType":"cluster"}`,
		},
		"ExplicitCluster": {
			reason: "the default, spelt out through v1beta1, is not mistaken for the default left out",
			v1:     `,"spec":{"placement":{"clusters":[]},"topologyType":"cluster"}`,
			v2:     `,"spec":{"placement":{"topologies":[]}}`,
		},
		"EmptySpec": {
			reason: "an empty spec takes the type too",
			v1:     `,"spec":{}`,
			v2:     `,"spec":{"topologyType":"cluster"}`,
		},
		"TypeBeforeLaterKeys": {
			reason: "the type goes where API servers sort it",
			v1:     `,"spec":{"template":{},"zone":1}`,
			v2:     `,"spec":{"template":{},"topologyType":"cluster","zone":1}`,
		},
		"DefaultOutOfPlace": {
			reason: "the default in another place is left there, because its place could not be told again",
			v1:     `,"spec":{"topologyType":"cluster","template":{}}`,
			v2:     `,"spec":{"topologyType":"cluster","template":{}}`,
		},
		"Unregistered": {
			reason: "names of a type that nobody registered pass through",
			v1:     `,"spec":{"placement":{"clusterSelector":{},"clusters":[{"name":"acme.x"}]},"topologyType":"zone"},"status":{"clusters":[{"name":"acme.x"}]}`,
			v2:     `,"spec":{"placement":{"topologySelector":{},"topologies":[{"name":"acme.x"}]},"topologyType":"zone"},"status":{"topologies":[{"name":"acme.x"}]}`,
		},
		"NotAString": {
			reason: "a type that is no string is no type, and stays",
			v1:     `,"spec":{"placement":{"clusters":[{"name":"acme.x"}]},"topologyType":null}`,
			v2:     `,"spec":{"placement":{"topologies":[{"name":"acme.x"}]},"topologyType":null}`,
		},
		"TypeTwice": {
			reason: "the last one counts, and both stay",
			v1:     `,"spec":{"topologyType":"cluster","placement":{"clusters":[{"name":"acme.x"}]},"topologyType":"cell"}`,
			v2:     `,"spec":{"topologyType":"cluster","placement":{"topologies":[{"name":"x"}]},"topologyType":"cell"}`,
		},
		"NoSpec": {
			reason: "what has no spec gets none",
			v1:     `,"status":{"clusters":[{"name":"acme.x"}]}`,
			v2:     `,"status":{"topologies":[{"name":"acme.x"}]}`,
		},
		"SpecIsNoObject": {
			reason: "what is no spec stays",
			v1:     `,"spec":[{"placement":{"clusters":[]}}],"status":null`,
			v2:     `,"spec":[{"placement":{"clusters":[]}}],"status":null`,
		},
		"StatusBeforeSpec": {
			reason: "the type counts for a status that comes first",
			v1:     `,"status":{"clusters":[{"name":"acme.x"}]},"spec":{"topologyType":"cell"}`,
			v2:     `,"status":{"topologies":[{"name":"x"}]},"spec":{"topologyType":"cell"}`,
		},
		"LastSpecIsNoObject": {
			reason: "a status speaks of the last spec, and that one names nothing",
			v1:     `,"spec":{"topologyType":"cell"},"spec":null,"status":{"clusters":[{"name":"acme.x"}]}`,
			v2:     `,"spec":{"topologyType":"cell"},"spec":null,"status":{"topologies":[{"name":"acme.x"}]}`,
		},
		"SpecTwice": {
			reason: "each spec speaks of its own names, and the last one of the status's",
			v1:     `,"spec":{"topologyType":"cell","placement":{"clusters":[{"name":"acme.x"}]}},"status":{"clusters":[{"name":"acme.x"}]},"spec":{"topologyType":"zone","placement":{"clusters":[{"name":"acme.x"}]}}`,
			v2:     `,"spec":{"topologyType":"cell","placement":{"topologies":[{"name":"x"}]}},"status":{"topologies":[{"name":"acme.x"}]},"spec":{"topologyType":"zone","placement":{"topologies":[{"name":"acme.x"}]}}`,
		},
	})
}

func TestConvertCells(t *testing.T) {
	assertPairs(t, "acme", map[string]pair{
		"Everything": {
			reason: "names are converted wherever they stand, and nothing else is",
			v1: `,"spec":{"overrides":[{"clusterName":"acme.a","clusterOverrides":[{"path":"/spec/replicas","value":{"clusterName":"acme.a"}}]}],
				"placement":{"clusterSelector":{"matchLabels":{"cellfed.io/namespace":"acme","cellfed.io/topology-type":"cell","city":"hz"}},"clusters":[{"name":"acme.a","weight":1},{"name":"acme.b"}]},
				"placementMask":{"clusters":[{"name":"acme.a"}]},"template":{"clusters":[{"name":"acme.a"}]},"topologyType":"cell"},
				"status":{"clusters":[{"name":"acme.a","remoteStatus":{"clusters":[{"name":"acme.a"}]}}],"conditions":[{"type":"Propagation"}]}`,
			v2: `,"spec":{"overrides":[{"topologyName":"a","topologyOverrides":[{"path":"/spec/replicas","value":{"clusterName":"acme.a"}}]}],
				"placement":{"topologySelector":{"matchLabels":{"city":"hz"}},"topologies":[{"name":"a","weight":1},{"name":"b"}]},
				"placementMask":{"topologies":[{"name":"a"}]},"template":{"clusters":[{"name":"acme.a"}]},"topologyType":"cell"},
				"status":{"topologies":[{"name":"a","remoteStatus":{"clusters":[{"name":"acme.a"}]}}],"conditions":[{"type":"Propagation"}]}`,
		},
		"AbsentList":     {reason: "an absent list stays absent", v1: cells(`"placement":{}`), v2: cells(`"placement":{}`)},
		"EmptyList":      {reason: "an empty list stays empty", v1: cells(`"placement":{"clusters":[]}`), v2: cells(`"placement":{"topologies":[]}`)},
		"NullList":       {reason: "null is neither", v1: cells(`"placement":{"clusters":null}`), v2: cells(`"placement":{"topologies":null}`)},
		"AbsentMask":     {reason: "an absent mask stays absent", v1: cells(`"placement":{"clusters":[]}`), v2: cells(`"placement":{"topologies":[]}`)},
		"EmptyMask":      {reason: "an empty mask stays empty", v1: cells(`"placementMask":{}`), v2: cells(`"placementMask":{}`)},
		"EmptyMaskList":  {reason: "a mask of nothing stays so", v1: cells(`"placementMask":{"clusters":[]}`), v2: cells(`"placementMask":{"topologies":[]}`)},
		"MaskSelector":   {reason: "a mask has no selector to convert", v1: cells(`"placementMask":{"clusterSelector":{}}`), v2: cells(`"placementMask":{"clusterSelector":{}}`)},
		"EmptyOverrides": {reason: "an empty list stays empty", v1: cells(`"overrides":[]`), v2: cells(`"overrides":[]`)},
		"ForeignCluster": {
			reason: "a cluster that is no cell of the namespace is marked as one",
			v1:     cells(`"placement":{"clusters":[{"name":"hz-a"},{"name":"other.a"}]}`),
			v2:     cells(`"placement":{"topologies":[{"name":"cluster:hz-a"},{"name":"cluster:other.a"}]}`),
		},
		"NameWithDots": {
			reason: "the first dot splits a cluster's name",
			v1:     cells(`"placement":{"clusters":[{"name":"acme.a.b"},{"name":"acme.acme.a"}]}`),
			v2:     cells(`"placement":{"topologies":[{"name":"a.b"},{"name":"acme.a"}]}`),
		},
		"ForeignInOverridesAndStatus": {
			reason: "the mark is used wherever a name stands",
			v1:     cells(`"overrides":[{"clusterName":"hz-a"}],"placementMask":{"clusters":[{"name":"hz-a"}]}`) + `,"status":{"clusters":[{"name":"hz-a"}]}`,
			v2:     cells(`"overrides":[{"topologyName":"cluster:hz-a"}],"placementMask":{"topologies":[{"name":"cluster:hz-a"}]}`) + `,"status":{"topologies":[{"name":"cluster:hz-a"}]}`,
		},
		"EscapedSpellings": {
			reason: "an escaped key or name is what it spells",
			v1:     `,"\u0073pec":{"placement":{"\u0063lusters":[{"n\u0061me":"\u0061cme.\u00e9\u0022"}]},"topology\u0054ype":"c\u0065ll"}`,
			v2:     `,"spec":{"placement":{"topologies":[{"name":"é\""}]},"topologyType":"cell"}`,
		},
		"Unicode": {
			reason: "names outside ASCII are converted like others",
			v1:     cells(`"placement":{"clusters":[{"name":"acme.杭州"},{"name":"杭州"}]}`),
			v2:     cells(`"placement":{"topologies":[{"name":"杭州"},{"name":"cluster:杭州"}]}`),
		},
		"DuplicateKeys": {
			reason: "each entry is converted, none is dropped",
			v1:     cells(`"placement":{"clusters":[{"name":"acme.a","name":"acme.b"}],"clusters":[]},"placement":{"clusters":null}`),
			v2:     cells(`"placement":{"topologies":[{"name":"a","name":"b"}],"topologies":[]},"placement":{"topologies":null}`),
		},
		"UnknownFields": {
			reason: "what nobody knows survives",
			v1:     `,"spec":{"placement":{"clusters":[{"name":"acme.a","x":[1]}],"y":{}},"template":{},"topologyType":"cell","z":{"clusters":[]}},"w":1`,
			v2:     `,"spec":{"placement":{"topologies":[{"name":"a","x":[1]}],"y":{}},"template":{},"topologyType":"cell","z":{"clusters":[]}},"w":1`,
		},
		"UnknownFieldsWithTheOtherName": {
			reason: "a field that has the other version's name changes places with the known one, and its value stays",
			v1:     cells(`"overrides":[{"topologyName":"x","topologyOverrides":1,"clusterName":"acme.a"}],"placement":{"topologies":[{"name":"acme.a"}],"clusters":[{"name":"acme.a"}]}`),
			v2:     cells(`"overrides":[{"clusterName":"x","clusterOverrides":1,"topologyName":"a"}],"placement":{"clusters":[{"name":"acme.a"}],"topologies":[{"name":"a"}]}`),
		},
		"WrongTypes": {
			reason: "what is not what it should be is copied",
			v1:     cells(`"overrides":{"clusterName":"acme.a"},"placement":{"clusters":{"name":"acme.a"}},"placement":[{"clusters":[]}],"placementMask":{"clusters":["acme.a",1,{"name":1}]}`) + `,"status":{"clusters":"acme.a"}`,
			v2:     cells(`"overrides":{"clusterName":"acme.a"},"placement":{"topologies":{"name":"acme.a"}},"placement":[{"clusters":[]}],"placementMask":{"topologies":["acme.a",1,{"name":1}]}`) + `,"status":{"topologies":"acme.a"}`,
		},
	})
}

// cells makes a spec of type cell, with the type where sorting puts it.
func cells(rest string) string {
	return `,"spec":{` + rest + `,"topologyType":"cell"}`
}

func TestConvertSelectors(t *testing.T) {
	const own = `{"key":"cellfed.io/namespace","operator":"In","values":["acme"]},{"key":"cellfed.io/topology-type","operator":"In","values":["cell"]}`
	const nwo = `{"key":"cellfed.io/topology-type","operator":"In","values":["cell"]},{"key":"cellfed.io/namespace","operator":"In","values":["acme"]}`
	const both = `"cellfed.io/namespace":"acme","cellfed.io/topology-type":"cell"`
	to := func(selector string) string { return cells(`"placement":{"clusterSelector":` + selector + `}`) }
	from := func(selector string) string { return cells(`"placement":{"topologySelector":` + selector + `}`) }
	assertPairs(t, "acme", map[string]pair{
		"Empty":              {reason: "all cells of the namespace, and no others", v1: to(`{"matchLabels":{` + both + `}}`), v2: from(`{}`)},
		"Labels":             {reason: "the labels go where API servers sort them", v1: to(`{"matchLabels":{"a":"1",` + both + `,"city":"hz"}}`), v2: from(`{"matchLabels":{"a":"1","city":"hz"}}`)},
		"Expressions":        {reason: "without labels they are made", v1: to(`{"matchExpressions":[{"key":"a","operator":"Exists"}],"matchLabels":{` + both + `}}`), v2: from(`{"matchExpressions":[{"key":"a","operator":"Exists"}]}`)},
		"EmptyExpressions":   {reason: "an empty list stays", v1: to(`{"matchExpressions":[],"matchLabels":{` + both + `}}`), v2: from(`{"matchExpressions":[]}`)},
		"EmptyLabels":        {reason: "empty labels stay empty", v1: to(`{"matchExpressions":[` + own + `],"matchLabels":{}}`), v2: from(`{"matchLabels":{}}`)},
		"BothEmpty":          {reason: "both stay empty, and differ from absent", v1: to(`{"matchExpressions":[` + nwo + `],"matchLabels":{}}`), v2: from(`{"matchExpressions":[],"matchLabels":{}}`)},
		"OurLabels":          {reason: "our labels that somebody wrote stay", v1: to(`{"matchExpressions":[` + own + `],"matchLabels":{` + both + `}}`), v2: from(`{"matchLabels":{` + both + `}}`)},
		"OtherNamespace":     {reason: "a selector for another namespace's cells selects nothing", v1: to(`{"matchExpressions":[` + own + `],"matchLabels":{"cellfed.io/namespace":"other"}}`), v2: from(`{"matchLabels":{"cellfed.io/namespace":"other"}}`)},
		"OurExpressions":     {reason: "our expressions that somebody wrote stay", v1: to(`{"matchExpressions":[` + own + `,` + nwo + `]}`), v2: from(`{"matchExpressions":[` + own + `]}`)},
		"UnknownMember":      {reason: "what nobody knows survives", v1: to(`{"matchLabels":{` + both + `},"x":1}`), v2: from(`{"x":1}`)},
		"Null":               {reason: "no selector at all stays where it is, which in v1beta1 selects nothing", v1: from(`null`), v2: from(`null`)},
		"LabelsNull":         {reason: "upstream would take this one for an empty selector", v1: from(`{"matchLabels":null}`), v2: from(`{"matchLabels":null}`)},
		"LabelsTwice":        {reason: "upstream's decoder would take the last of them", v1: from(`{"matchLabels":{"a":"b"},"matchLabels":{}}`), v2: from(`{"matchLabels":{"a":"b"},"matchLabels":{}}`)},
		"LabelsInOtherCase":  {reason: "upstream's decoder would merge them into the labels", v1: from(`{"MatchLabels":{"cellfed.io/namespace":"other"},"matchLabels":{"a":"b"}}`), v2: from(`{"MatchLabels":{"cellfed.io/namespace":"other"},"matchLabels":{"a":"b"}}`)},
		"Unrestricted":       {reason: "a selector of upstream's reads as one", v1: to(`{"matchLabels":{"city":"hz"}}`), v2: to(`{"matchLabels":{"city":"hz"}}`)},
		"UnrestrictedEmpty":  {reason: "all clusters, and says so", v1: to(`{}`), v2: to(`{}`)},
		"UnrestrictedNull":   {reason: "nothing", v1: to(`null`), v2: to(`null`)},
		"HalfRestricted":     {reason: "one of the labels restricts nothing", v1: to(`{"matchLabels":{"cellfed.io/namespace":"acme"}}`), v2: to(`{"matchLabels":{"cellfed.io/namespace":"acme"}}`)},
		"OtherRestriction":   {reason: "another namespace's restriction is none of ours", v1: to(`{"matchLabels":{"cellfed.io/namespace":"other","cellfed.io/topology-type":"cell"}}`), v2: to(`{"matchLabels":{"cellfed.io/namespace":"other","cellfed.io/topology-type":"cell"}}`)},
		"LabelsOutOfPlace":   {reason: "labels that restrict would not put so are somebody's", v1: to(`{"matchLabels":{"cellfed.io/topology-type":"cell","cellfed.io/namespace":"acme"}}`), v2: to(`{"matchLabels":{"cellfed.io/topology-type":"cell","cellfed.io/namespace":"acme"}}`)},
		"LabelsMemberAhead":  {reason: "a matchLabels that restrict would not put so is somebody's", v1: to(`{"matchLabels":{` + both + `},"matchExpressions":[]}`), v2: to(`{"matchLabels":{` + both + `},"matchExpressions":[]}`)},
		"ExpressionsBehind":  {reason: "a matchExpressions that restrict would not put so is somebody's", v1: to(`{"matchLabels":{},"matchExpressions":[` + own + `]}`), v2: to(`{"matchLabels":{},"matchExpressions":[` + own + `]}`)},
		"NeedlessExpression": {reason: "expressions where labels would have done are somebody's", v1: to(`{"matchExpressions":[` + own + `]}`), v2: to(`{"matchExpressions":[` + own + `]}`)},
		"OtherValues": {
			reason: "an expression with more values restricts to more",
			v1:     to(`{"matchExpressions":[` + strings.Replace(own, `["cell"]`, `["cell","x"]`, 1) + `],"matchLabels":{}}`),
			v2:     to(`{"matchExpressions":[` + strings.Replace(own, `["cell"]`, `["cell","x"]`, 1) + `],"matchLabels":{}}`),
		},
		"OtherMembers": {
			reason: "an expression with a field that nobody knows is somebody's",
			v1:     to(`{"matchExpressions":[` + strings.Replace(own, `["cell"]`, `["cell"],"x":1`, 1) + `],"matchLabels":{}}`),
			v2:     to(`{"matchExpressions":[` + strings.Replace(own, `["cell"]`, `["cell"],"x":1`, 1) + `],"matchLabels":{}}`),
		},
		"RestrictedByHand": {
			reason: "a clusterSelector that looks restricted is marked in v1beta1, where it goes on selecting the same",
			v1:     to(`{"matchExpressions":[{"key":"cellfed.io/topology-type","operator":"Exists"}],"matchLabels":{` + both + `}}`),
			v2:     to(`{"matchLabels":{` + both + `}}`),
		},
		"RestrictedByHandWithList": {
			reason: "an empty list stays different from none under the mark",
			v1:     to(`{"matchExpressions":[{"key":"cellfed.io/namespace","operator":"Exists"}],"matchLabels":{` + both + `}}`),
			v2:     to(`{"matchExpressions":[],"matchLabels":{` + both + `}}`),
		},
		"MarkedByHand": {
			reason: "the mark on what would need it is marked again",
			v1:     to(`{"matchExpressions":[{"key":"cellfed.io/topology-type","operator":"Exists"},{"key":"cellfed.io/namespace","operator":"Exists"}],"matchLabels":{` + both + `}}`),
			v2:     to(`{"matchExpressions":[{"key":"cellfed.io/topology-type","operator":"Exists"}],"matchLabels":{` + both + `}}`),
		},
		"MarkOnNothing": {
			reason: "the mark on what would not need it is somebody's",
			v1:     to(`{"matchExpressions":[{"key":"cellfed.io/topology-type","operator":"Exists"}]}`),
			v2:     to(`{"matchExpressions":[{"key":"cellfed.io/topology-type","operator":"Exists"}]}`),
		},
		"UnknownField": {
			reason: "an unknown field of v1beta1 is not taken for v2beta1's selector",
			v1:     cells(`"placement":{"topologySelector":{},"v1beta1:topologySelector":{},"xtopologySelector":{}}`),
			v2:     cells(`"placement":{"v1beta1:topologySelector":{},"v1beta1:v1beta1:topologySelector":{},"xtopologySelector":{}}`),
		},
		"BothSelectors": {
			reason: "two selectors are both kept, one after the other",
			v1:     cells(`"placement":{"clusterSelector":{},"clusterSelector":{"matchLabels":{` + both + `}}}`),
			v2:     cells(`"placement":{"clusterSelector":{},"topologySelector":{}}`),
		},
		"ClusterType": {
			reason: "a selector of clusters means what it says",
			v1:     `,"spec":{"placement":{"clusterSelector":{"matchLabels":{` + both + `}}}}`,
			v2:     `,"spec":{"placement":{"topologySelector":{"matchLabels":{` + both + `}}},"topologyType":"cluster"}`,
		},
	})
}

// A cluster-scoped federated object has no namespace whose cells it could name.
func TestConvertWithoutNamespace(t *testing.T) {
	v1 := `"spec":{"placement":{"clusterSelector":{},"clusters":[{"name":"a.b"},{"name":"cluster:c"}]},"topologyType":"cell"}`
	v2 := `"spec":{"placement":{"topologySelector":{},"topologies":[{"name":"a.b"},{"name":"cluster:c"}]},"topologyType":"cell"}`
	for name, metadata := range map[string]string{
		"NoMetadata":       ``,
		"NoNamespace":      `"metadata":{"name":"x"},`,
		"EmptyNamespace":   `"metadata":{"namespace":""},`,
		"NumericNamespace": `"metadata":{"namespace":"a","namespace":1},`,
		"MetadataIsNone":   `"metadata":"a",`,
	} {
		t.Run(name, func(t *testing.T) {
			o1 := []byte(`{"apiVersion":"types.kubefed.io/v1beta1",` + metadata + v1 + `}`)
			o2 := []byte(`{"apiVersion":"types.kubefed.io/v2beta1",` + metadata + v2 + `}`)
			if diff := cmp.Diff(tokens(t, o2), tokens(t, mustConvert(t, o1, V2Beta1))); diff != "" {
				t.Errorf("to v2beta1: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tokens(t, o1), tokens(t, mustConvert(t, o2, V1Beta1))); diff != "" {
				t.Errorf("to v1beta1: -want +got:\n%s", diff)
			}
		})
	}
}

// What the versions have in common is carried byte for byte.
func TestConvertCarriesRawJSON(t *testing.T) {
	raw := []string{
		`{ "z" : 12345678901234567890123456789 , "a":1.0 ,"a": 1e-400, "n":-0, "big":1E+9 }`,
		`{"html":"<&>","esc":"\u003c\u2028\ud800\/","utf":"é杭"}`,
	}
	src := wrap(V2Beta1, "acme", `,"spec":{"overrides":[{"topologyName":"a","topologyOverrides":[`+raw[0]+`]}],"template":`+raw[1]+
		`,"topologyType":"cell","x":`+raw[0]+`},"status":{"topologies":[{"name":"a","remoteStatus":`+raw[0]+`}]},"y":`+raw[1])
	for _, to := range []string{V1Beta1, V2Beta1} {
		src = mustConvert(t, src, to)
		if got := strings.Count(string(src), raw[0]); got != 3 {
			t.Errorf("to %s: %d of 3 numbers as they were in %s", to, got, src)
		}
		if got := strings.Count(string(src), raw[1]); got != 2 {
			t.Errorf("to %s: %d of 2 strings as they were in %s", to, got, src)
		}
	}
}

func TestConvertToItsOwnVersion(t *testing.T) {
	for _, version := range []string{V1Beta1, V2Beta1} {
		src := ` {"spec" : {"clusters":[]}, "apiVersion":"types.kubefed.io/` + version + `"} `
		got, err := AppendConvert([]byte("before"), []byte(src), version)
		if err != nil || string(got) != "before"+src {
			t.Errorf("AppendConvert to %s: %q, %v: want it as it was", version, got, err)
		}
	}
}

func TestConvertFails(t *testing.T) {
	const good = `{"apiVersion":"types.kubefed.io/v1beta1"}`
	cases := map[string]struct {
		reason, src, to string
		want            error
	}{
		"Empty":          {reason: "nothing is no JSON", src: ``, to: V2Beta1, want: ErrInvalidJSON},
		"Truncated":      {reason: "half an object is no JSON", src: good[:20], to: V2Beta1, want: ErrInvalidJSON},
		"TwoValues":      {reason: "two objects are not one", src: good + good, to: V2Beta1, want: ErrInvalidJSON},
		"BadTemplate":    {reason: "what is only copied must be JSON too", src: `{"apiVersion":"types.kubefed.io/v1beta1","spec":{"template":{01}}}`, to: V2Beta1, want: ErrInvalidJSON},
		"TooDeep":        {reason: "the stack is not without end", src: strings.Repeat("[", 50_000_000), to: V2Beta1, want: ErrInvalidJSON},
		"Array":          {reason: "an array is no object", src: `[` + good + `]`, to: V2Beta1, want: ErrNotObject},
		"String":         {reason: "a string is no object", src: `"x"`, to: V2Beta1, want: ErrNotObject},
		"Null":           {reason: "null is no object", src: `null`, to: V2Beta1, want: ErrNotObject},
		"NoVersion":      {reason: "an object must say what it is", src: `{}`, to: V2Beta1, want: ErrUnknownVersion},
		"NumericVersion": {reason: "a version is a string", src: `{"apiVersion":"types.kubefed.io/v1beta1","apiVersion":1}`, to: V2Beta1, want: ErrUnknownVersion},
		"OtherGroup":     {reason: "no other group has federated kinds", src: `{"apiVersion":"core.kubefed.io/v1beta1"}`, to: V2Beta1, want: ErrUnknownVersion},
		"OtherVersion":   {reason: "there are two versions", src: `{"apiVersion":"types.kubefed.io/v1"}`, to: V2Beta1, want: ErrUnknownVersion},
		"NoGroup":        {reason: "a version alone is the core group's", src: `{"apiVersion":"v1beta1"}`, to: V2Beta1, want: ErrUnknownVersion},
		"OtherTarget":    {reason: "there are two versions", src: good, to: "v3", want: ErrUnknownVersion},
		"TargetIsGroup":  {reason: "the target is a version, without the group", src: good, to: APIVersionV2Beta1, want: ErrUnknownVersion},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := AppendConvert([]byte("before"), []byte(tc.src), tc.to)
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: error %v, want %v", tc.reason, err, tc.want)
			}
			if string(got) != "before" {
				t.Errorf("%s: dst is %.100q, want it as it was given", tc.reason, got)
			}
		})
	}
}
