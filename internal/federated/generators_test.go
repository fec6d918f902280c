package federated

import (
	"encoding/json"
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// The generators make raw JSON. The wild ones know the words that the conversion knows and put them where they do
// not belong, twice, escaped and with other types.

const testNamespace = "acme-prod"

var (
	words = rapid.SampledFrom([]string{
		"apiVersion", "kind", "metadata", "namespace", "spec", "status", "name", "topologyType", "placement", "placementMask",
		"clusters", "topologies", "clusterSelector", "topologySelector", "v1beta1:topologySelector", "v1beta1:v1beta1:topologySelector",
		"overrides", "clusterName", "topologyName", "clusterOverrides", "topologyOverrides", "template", "retainReplicas",
		"matchLabels", "matchExpressions", "MatchLabels", "key", "operator", "values", "cellfed.io/namespace", "cellfed.io/topology-type",
		"cell", "cluster", "zone", "a", "zz", "é", "",
	})
	names = rapid.SampledFrom([]string{
		"rz00a", "acme-prod.rz00a", "acme-prod.", "acme-prod", "acme-prod.cluster:x", "cluster:acme-prod.x", "cluster:", "cluster:hz-a",
		"hz-a", "acme-prod.a.b", "other.rz00a", "cluster:cluster:x", "acme-prod.acme-prod.x", "<&>", "", "é\u2028",
	})
	scalars = rapid.SampledFrom([]string{
		"null", "true", "false", "0", "-0", "1e400", "12345678901234567890123", "1.0", "1.50e-7", `"\ud800"`, `"\ud83d\ude00"`,
		`"\u0063ell"`, "\"\xff\"", `"\/"`, `""`, `"cluster"`, `"cell"`,
	})
	spaces = rapid.SampledFrom([]string{"", "", "", " ", "\n\t"})
)

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// quoted spells a string, now and then with an escape that is not needed.
func quoted(t *rapid.T, s string) string {
	if s != "" && s[0] < 0x80 && s[0] != '"' && s[0] != '\\' && rapid.IntRange(0, 9).Draw(t, "escape") == 0 {
		return fmt.Sprintf(`"\u%04x`, s[0]) + quote(s[1:])[1:]
	}
	return quote(s)
}

func wildString(t *rapid.T) string {
	return quoted(t, rapid.OneOf(words, names, rapid.String()).Draw(t, "string"))
}

// wild makes any JSON value.
func wild(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		if depth == 0 {
			kind %= 2
		}
		switch kind {
		case 0:
			return scalars.Draw(t, "scalar")
		case 1:
			return wildString(t)
		case 2, 3:
			return array(t, wild(depth-1))
		default:
			return object(t, func(string) *rapid.Generator[string] { return wild(depth - 1) }, words)
		}
	})
}

func array(t *rapid.T, element *rapid.Generator[string]) string {
	return "[" + strings.Join(rapid.SliceOfN(element, 0, 3).Draw(t, "array"), spaces.Draw(t, "space")+",") + "]"
}

// object makes an object of some of the keys, in any order, some of them twice.
func object(t *rapid.T, value func(key string) *rapid.Generator[string], keys *rapid.Generator[string]) string {
	var members []string
	for range rapid.IntRange(0, 5).Draw(t, "members") {
		key := keys.Draw(t, "key")
		members = append(members, quoted(t, key)+spaces.Draw(t, "space")+":"+value(key).Draw(t, "value"))
	}
	return "{" + spaces.Draw(t, "space") + strings.Join(members, ",") + "}"
}

// mostly makes what it is told to, and now and then anything.
func mostly(g *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "wild") == 0 {
			return wild(2).Draw(t, "anything")
		}
		return g.Draw(t, "expected")
	})
}

func oddObject(keys []string, value func(key string) *rapid.Generator[string]) *rapid.Generator[string] {
	return mostly(rapid.Custom(func(t *rapid.T) string { return object(t, value, rapid.SampledFrom(keys)) }))
}

func oddList(element *rapid.Generator[string]) *rapid.Generator[string] {
	return mostly(rapid.Custom(func(t *rapid.T) string { return array(t, element) }))
}

var oddName = mostly(rapid.Custom(func(t *rapid.T) string { return quoted(t, names.Draw(t, "name")) }))

// oddExpression makes match expressions, those with which the conversion marks a selector above all.
var oddExpression = mostly(rapid.SampledFrom([]string{
	`{"key":"cellfed.io/namespace","operator":"In","values":["acme-prod"]}`,
	`{"key":"cellfed.io/topology-type","operator":"In","values":["cell"]}`,
	`{"key":"cellfed.io/namespace","operator":"Exists"}`,
	`{"key":"cellfed.io/topology-type","operator":"Exists"}`,
	`{"key":"cellfed.io/namespace","operator":"In","values":["acme-prod"]}`,
	`{"key":"cellfed.io/topology-type","operator":"In","values":["cell"]}`,
	`{"operator":"In","key":"cellfed.io/topology-type","values":["cell"]}`,
	`{"key":"cellfed.io/topology-type","operator":"In","values":["cell","x"]}`,
	`{"key":"cellfed.io/namespace","operator":"In","values":["other"]}`,
	`{"key":"city","operator":"NotIn","values":["hangzhou"]}`,
}))

var oddLabels = oddObject([]string{"cellfed.io/namespace", "cellfed.io/topology-type", "a", "city", "zz"}, func(key string) *rapid.Generator[string] {
	switch key {
	case "cellfed.io/namespace":
		return rapid.SampledFrom([]string{`"acme-prod"`, `"acme-prod"`, `"acme-prod"`, `"other"`, "1"})
	case "cellfed.io/topology-type":
		return rapid.SampledFrom([]string{`"cell"`, `"cell"`, `"cell"`, `"cluster"`, "null"})
	}
	return rapid.Just(`"x"`)
})

var oddSelector = oddObject([]string{"matchLabels", "matchExpressions", "matchLabels", "matchExpressions", "a", "zz", "MatchLabels"},
	func(key string) *rapid.Generator[string] {
		switch key {
		case "matchExpressions":
			return oddList(oddExpression)
		case "a", "zz":
			return scalars
		}
		return oddLabels
	})

var oddPlacement = oddObject([]string{
	"clusters", "topologies", "clusterSelector", "topologySelector", "v1beta1:topologySelector", "v1beta1:v1beta1:topologySelector", "x",
}, func(key string) *rapid.Generator[string] {
	switch key {
	case "clusters", "topologies":
		return oddList(oddObject([]string{"name", "name", "x"}, func(string) *rapid.Generator[string] { return oddName }))
	case "x":
		return scalars
	}
	return oddSelector
})

var oddOverrides = oddList(oddObject([]string{"clusterName", "topologyName", "clusterOverrides", "topologyOverrides", "x"},
	func(key string) *rapid.Generator[string] {
		if strings.HasSuffix(key, "Name") {
			return oddName
		}
		return wild(2)
	}))

var oddType = mostly(rapid.SampledFrom([]string{`"cell"`, `"cell"`, `"cluster"`, `"cluster"`, `"zone"`}))

var oddSpec = oddObject([]string{"topologyType", "topologyType", "placement", "placementMask", "overrides", "template", "zz"},
	func(key string) *rapid.Generator[string] {
		switch key {
		case "topologyType":
			return oddType
		case "placement", "placementMask":
			return oddPlacement
		case "overrides":
			return oddOverrides
		}
		return wild(3)
	})

var oddStatus = oddObject([]string{"clusters", "topologies", "conditions"}, func(key string) *rapid.Generator[string] {
	if key == "conditions" {
		return wild(2)
	}
	return oddList(oddObject([]string{"name", "name", "status", "remoteStatus"}, func(key string) *rapid.Generator[string] {
		if key == "name" {
			return oddName
		}
		return wild(2)
	}))
})

// cellSpec makes a spec of type cell with a placement, so that most of what it makes meets the rules for cells.
var cellSpec = rapid.Custom(func(t *rapid.T) string {
	return `{"placement":` + oddPlacement.Draw(t, "placement") + `,"overrides":` + oddOverrides.Draw(t, "overrides") + `,"topologyType":"cell"}`
})

// oddObjectOf makes an object of a version that is nearly a federated object.
func oddObjectOf(version string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		members := []string{`"kind":"FederatedDeployment"`}
		metadata := oddObject([]string{"namespace", "name", "labels"}, func(string) *rapid.Generator[string] { return wild(1) })
		if rapid.IntRange(0, 4).Draw(t, "plain metadata") > 0 {
			metadata = rapid.Just(`{"name":"pay","namespace":"` + testNamespace + `"}`)
		}
		add := func(key string, value *rapid.Generator[string]) {
			for range rapid.SampledFrom([]int{0, 1, 1, 1, 1, 1, 1, 2}).Draw(t, "times") {
				members = append(members, quoted(t, key)+":"+value.Draw(t, key))
			}
		}
		add("metadata", metadata)
		add("spec", rapid.OneOf(oddSpec, cellSpec, cellSpec))
		add("status", oddStatus)
		add("unknown", wild(1))
		members = rapid.Permutation(members).Draw(t, "order")
		version := quoted(t, "apiVersion") + ":" + quote(Group+"/"+version)
		if rapid.Bool().Draw(t, "apiVersion first") {
			return "{" + version + "," + strings.Join(members, ",") + "}"
		}
		return "{" + strings.Join(append(members, version), ",") + "}"
	})
}
