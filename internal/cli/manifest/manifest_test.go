package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seen is what a test compares of a document.
type seen struct {
	Index, Line int
	JSON, Err   string
}

func TestParse(t *testing.T) {
	cases := map[string]struct {
		reason string
		file   string
		want   []seen
	}{
		"OrderAndLines": {
			reason: "keys keep their order, and lines are those of the file",
			file:   "# first\nkind: A\napiVersion: v1\n---\n\nkind: B\napiVersion: v1\nspec: {z: 1, a: [true, null, \"1\"]}\n",
			want: []seen{
				{Index: 1, Line: 2, JSON: `{"kind":"A","apiVersion":"v1"}`},
				{Index: 2, Line: 6, JSON: `{"kind":"B","apiVersion":"v1","spec":{"z":1,"a":[true,null,"1"]}}`},
			},
		},
		"Markers": {
			reason: "a document without content does not count, and content may follow a marker",
			file:   "---\n# nothing\n--- # divides\n--- {kind: A}\n...\n---\nkind: B\n",
			want:   []seen{{Line: 2}, {Line: 4}, {Index: 1, Line: 4, JSON: `{"kind":"A"}`}, {Index: 2, Line: 7, JSON: `{"kind":"B"}`}},
		},
		"MarkerInText": {
			reason: "what is indented divides nothing",
			file:   "a: |\n  x\n  ---\n  y\n",
			want:   []seen{{Index: 1, Line: 1, JSON: `{"a":"x\n---\ny\n"}`}},
		},
		"ValuesAsKubectlReadsThem": {
			reason: "a value is what kubectl's own reader makes of it",
			file:   "a: yes\nb: 010\nc: 2001-01-01\nd: 1e3\ne: <&>\n",
			want:   []seen{{Index: 1, Line: 1, JSON: `{"a":true,"b":8,"c":"2001-01-01","d":1000,"e":"<&>"}`}},
		},
		"Merge": {
			reason: "merged keys follow those that are written",
			file:   "x: &x {b: 1, a: 2}\nw:\n  <<: *x\n  c: 3\n",
			want:   []seen{{Index: 1, Line: 1, JSON: `{"x":{"b":1,"a":2},"w":{"c":3,"a":2,"b":1}}`}},
		},
		"JSONStream": {
			reason: "JSON objects may follow each other, and stay as they are",
			file:   "{\"b\": 1,\n \"a\": 1.0}\n{\"c\": 2}\n",
			want:   []seen{{Index: 1, Line: 1, JSON: "{\"b\": 1,\n \"a\": 1.0}"}, {Index: 2, Line: 3, JSON: `{"c": 2}`}},
		},
		"Broken": {
			reason: "a document that cannot be read leaves the others alone, and its error has the file's line",
			file:   "kind: A\n---\nkind: B\nx: [\n---\nkind: C\nkind: D\n",
			want: []seen{
				{Index: 1, Line: 1, JSON: `{"kind":"A"}`},
				{Index: 2, Line: 3, Err: "it is not valid YAML: line 4: did not find expected node content"},
				{Index: 3, Line: 6, Err: `it is not valid YAML: line 7: key "kind" already set in map`},
			},
		},
		"Empty": {reason: "nothing is nothing", file: "", want: []seen{{Line: 1}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []seen
			for _, d := range Parse("x.yaml", []byte(tc.file)) {
				s := seen{Index: d.Index, Line: d.Line, JSON: string(d.JSON)}
				if d.Err != nil {
					s.Err = d.Err.Error()
				}
				got = append(got, s)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

const located = `# comment
---
apiVersion: v1
kind: X
metadata:
  labels:
    example.com/x: "1"
spec:
  placement:
    topologies:
    - name: a
    - name: b
    selector: {matchLabels: {q: r}}
`

func TestLineOf(t *testing.T) {
	documents := Parse("x.yaml", []byte(located))
	d := documents[len(documents)-1]
	for field, want := range map[string]int{
		"":                                     3,
		"kind":                                 4,
		"metadata.labels[example.com/x]":       7,
		"metadata.labels[example.com/y]":       6,
		"spec.placement.topologies[1].name":    12,
		"spec.placement.topologies[7].name":    10,
		"spec.placementMask.topologies":        8,
		"spec.placement.selector.matchLabels":  13,
		"spec.placement.topologies[unclosed":   10,
		"spec.placement.topologies[1].name[0]": 12,
	} {
		if got := d.LineOf(field); got != want {
			t.Errorf("LineOf(%q) = %d, want %d", field, got, want)
		}
	}
}

func TestFieldOf(t *testing.T) {
	for message, want := range map[string]string{
		"spec.placement.clusterSelector: is not used": "spec.placement.clusterSelector",
		`spec.overrides[0].path: "/x" is odd`:         "spec.overrides[0].path",
		`the cell "x" is odd: look`:                   "",
		"nothing":                                     "",
	} {
		if got := FieldOf(message); got != want {
			t.Errorf("FieldOf(%q) = %q, want %q", message, got, want)
		}
	}
}

func TestAppendYAML(t *testing.T) {
	const text = `b: 1
a:
- x: "yes"
  z: "on"
- - 1.50
  - null
c: {}
d: []
e: |
  two
  lines
f: "010"
g: "2001-01-01"
h: "1_000"
i: ~x
j: ""
k: true
l: 12345678901234567890
"<<": merges nothing
`
	documents := Parse("x.yaml", []byte(text))
	if documents[0].Err != nil {
		t.Fatal(documents[0].Err)
	}
	got, err := AppendYAML(nil, documents[0].JSON)
	if err != nil {
		t.Fatal(err)
	}
	again := Parse("x.yaml", got)
	if diff := cmp.Diff(string(documents[0].JSON), string(again[0].JSON)); diff != "" {
		t.Errorf("what is written does not read as what was read (-want +got):\n%s\n%s", diff, got)
	}
	want := strings.NewReplacer("1.50", "1.5").Replace(text)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("it is written in another way (-want +got):\n%s", diff)
	}
}

func TestItems(t *testing.T) {
	const list = "apiVersion: v1\nkind: List\nitems:\n- kind: A\n  apiVersion: v1\n- kind: B\n  apiVersion: v1\n"
	documents := Parse("x.yaml", []byte(list))
	items := documents[0].Items()
	var got []seen
	for _, item := range items {
		got = append(got, seen{Index: item.Index, Line: item.LineOf("apiVersion"), JSON: string(item.JSON)})
	}
	want := []seen{{Index: 1, Line: 5, JSON: `{"kind":"A","apiVersion":"v1"}`}, {Index: 1, Line: 7, JSON: `{"kind":"B","apiVersion":"v1"}`}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the items of a List (-want +got):\n%s", diff)
	}
}

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct {
		files Files
		want  string
	}{
		"Missing": {Files{Names: []string{"testdata/none"}}, `--filename: there is no file "testdata/none": correct the name`},
		"URL":     {Files{Names: []string{"https://x/y.yaml"}}, `--filename: "https://x/y.yaml" is a URL: download it and name the file`},
		"Nothing": {Files{Names: []string{t.TempDir()}}, "holds no file that ends in .yaml, .yml or .json: name another, or add -R to read those below it"},
	} {
		if _, err := tc.files.Read(strings.NewReader("")); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: the error is %v, want %q in it", name, err, tc.want)
		}
	}
	stdin := Files{Names: []string{"-"}}
	documents, err := stdin.Read(strings.NewReader("kind: A\n"))
	if err != nil || len(documents) != 1 || documents[0].String() != "standard input, document 1" {
		t.Errorf("standard input is read as %v, %v", documents, err)
	}
}
