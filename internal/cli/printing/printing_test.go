package printing_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/printing"
)

func object() *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "a", Generation: 1 << 60, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
		Data: map[string]string{"html": "<b>"},
	}
}

func TestPrint(t *testing.T) {
	table := printing.Table{
		Columns: []printing.Column{{Name: "NAME"}, {Name: "MORE", Wide: true}, {Name: "STATE"}, {Name: "MESSAGE"}},
		Rows: [][]printing.Cell{
			{printing.Text("façade"), printing.Text("x"), {Text: "Good", Mood: printing.Good}, printing.Text("")},
			{printing.Text("b"), printing.Text("y"), printing.Text(""), printing.Text("why")},
			{printing.Text("short")},
		},
	}
	cases := map[string]struct {
		reason  string
		flags   printing.Flags
		objects any
		want    string
	}{
		"Table": {
			reason: "columns line up by characters, no line ends in blanks, and nothing is colored off a terminal",
			want:   "NAME     STATE   MESSAGE\nfaçade   Good\nb                why\nshort\n",
		},
		"Wide":      {reason: "all columns", flags: printing.Flags{Output: "wide"}, want: "NAME     MORE   STATE   MESSAGE\nfaçade   x      Good\nb        y              why\nshort\n"},
		"NoHeaders": {reason: "rows alone", flags: printing.Flags{NoHeaders: true}, want: "façade   Good\nb               why\nshort\n"},
		"Name":      {reason: "one a line", flags: printing.Flags{Output: "name"}, want: "a\nb\n"},
		"JSON": {
			reason: "an API object goes without managed fields, with its numbers intact and nothing escaped", flags: printing.Flags{Output: "json"}, objects: object(),
			want: `{
    "apiVersion": "v1",
    "data": {
        "html": "<b>"
    },
    "kind": "ConfigMap",
    "metadata": {
        "generation": 1152921504606846976,
        "name": "a"
    }
}
`,
		},
		"List": {
			reason: "so do those in a list", flags: printing.Flags{Output: "yaml"}, objects: printing.NewList(object()),
			want: `apiVersion: v1
items:
- apiVersion: v1
  data:
    html: <b>
  kind: ConfigMap
  metadata:
    generation: 1152921504606846976
    name: a
kind: List
metadata:
  resourceVersion: ""
`,
		},
		"Empty":  {reason: "an empty list is one", flags: printing.Flags{Output: "yaml"}, objects: printing.NewList(), want: "apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: \"\"\n"},
		"Struct": {reason: "what is no API object keeps its order", flags: printing.Flags{Output: "json"}, objects: struct{ Z, A int }{1, 2}, want: "{\n    \"Z\": 1,\n    \"A\": 2\n}\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := tc.flags.Print(&b, table, tc.objects, []string{"a", "b"}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, b.String()); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	if err := (&printing.Flags{Output: "xml"}).Print(&bytes.Buffer{}, table, nil, nil); exit.Code(err) != exit.Usage {
		t.Errorf("a form that is not known: got %v", err)
	}
}

func TestPaint(t *testing.T) {
	if got := printing.Paint("x", printing.Bad, true); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("got %q", got)
	}
	if got := printing.Paint("x", printing.Bad, false); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	if got := printing.Age(now.Add(-90*time.Minute), now); got != "90m" {
		t.Errorf("got %q", got)
	}
	if got := printing.Age(time.Time{}, now); got != "<unknown>" {
		t.Errorf("got %q", got)
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	p := printing.NewProgress(&b)
	for _, text := range []string{"one", "one", "two"} {
		p.Tell(text)
	}
	p.End()
	if diff := cmp.Diff("one\ntwo\n", b.String()); diff != "" {
		t.Errorf("off a terminal it is a line for each change: -want +got:\n%s", diff)
	}
}

// TestLine: a message of a member's is shown, and steers no terminal.
func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"two\n  lines\tand a blank ":           "two lines and a blank",
		"\x1b[2Jgone \x1b]0;title\x07\u009b1m": "[2Jgone ]0;title1m",
		"größer als „“ … 云":                    "größer als „“ … 云",
	} {
		if got := printing.Line(text); got != want {
			t.Errorf("Line(%q) = %q, want %q", text, got, want)
		}
	}
}
