package federated

import (
	"testing"

	"pgregory.net/rapid"
)

func TestRoundTripOfOddObjects(t *testing.T) {
	t.Run(V1Beta1, rapid.MakeCheck(func(t *rapid.T) {
		assertRoundTrip(t, []byte(oddObjectOf(V1Beta1).Draw(t, "object")), V1Beta1, V2Beta1)
	}))
	t.Run(V2Beta1, rapid.MakeCheck(func(t *rapid.T) {
		assertRoundTrip(t, []byte(oddObjectOf(V2Beta1).Draw(t, "object")), V2Beta1, V1Beta1)
	}))
}

// The selector is where most can go wrong, so it is tried by itself, and often.
func TestRoundTripOfOddPlacements(t *testing.T) {
	object := func(t *rapid.T, version string) []byte {
		return []byte(`{"apiVersion":"` + Group + `/` + version + `","metadata":{"namespace":"` + testNamespace + `"},"spec":{"placement":` +
			oddPlacement.Draw(t, "placement") + `,"topologyType":"cell"}}`)
	}
	for range 20 {
		t.Run(V1Beta1, rapid.MakeCheck(func(t *rapid.T) { assertRoundTrip(t, object(t, V1Beta1), V1Beta1, V2Beta1) }))
		t.Run(V2Beta1, rapid.MakeCheck(func(t *rapid.T) { assertRoundTrip(t, object(t, V2Beta1), V2Beta1, V1Beta1) }))
	}
}

// Objects that chance seldom makes.
func TestRoundTripOfRareObjects(t *testing.T) {
	cases := map[string]struct {
		reason, rest string
	}{
		"BytesThatAreNotUTF8": {
			reason: "a namespace and a name are the strings that encoding/json reads",
			rest:   `"metadata":{"namespace":"` + "a\xff" + `"},"spec":{"topologyType":"cell","placement":{"topologies":[{"name":"` + "\xfe" + `"},{"name":"x"}],"clusters":[{"name":"` + "a\xff.\xfe" + `"}]}}`,
		},
		"LoneSurrogates": {
			reason: "half a character is not swallowed with what follows",
			rest:   `"metadata":{"namespace":"\ud800\u0061"},"spec":{"topologyType":"cell","placement":{"topologies":[{"name":"\ud800\u0062"}],"clusters":[{"name":"\ud800a.b"},{"name":"\udc00"}]}}`,
		},
		"ManyMembers": {
			reason: "the order of many members is kept",
			rest:   `"metadata":{"namespace":"a"},"spec":{"z9":1,"topologyType":"cell","z1":{},"z5":[],"placement":{},"a":null,"overrides":[],"placementMask":{},"template":{}}`,
		},
		"VersionTwice": {
			reason: "only the last version is the object's",
			rest:   `"apiVersion":"types.kubefed.io/v1"`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for from, to := range map[string]string{V1Beta1: V2Beta1, V2Beta1: V1Beta1} {
				assertRoundTrip(t, []byte(`{`+tc.rest+`,"apiVersion":"types.kubefed.io/`+from+`"}`), from, to)
			}
		})
	}
}
