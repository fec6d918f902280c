package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

const ownLabelsJSON = `"cellfed.io/managed":"true","cellfed.io/namespace":"acme","cellfed.io/cell":"rz"`

func item(name, labels string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"acme-rz","uid":"u-%s","resourceVersion":"7","labels":{%s}},"data":{"x":"}]\"\\"}}`, name, name, labels)
}

func shownItem(name, labels string) string {
	return strings.ReplaceAll(item(name, labels), "acme-rz", "acme")
}

func TestCopyList(t *testing.T) {
	foreign := `"kubefed.io/managed":"true"`
	managed := `"kubefed.io/managed":"true"`
	cases := map[string]struct {
		reason   string
		selector string
		bare     bool
		r        Resource
		in, want string
	}{
		"List": {
			reason: "what is not the cell's is left out, and the commas are right", r: configMaps,
			in:   `{"kind":"L","items":[` + item("f", foreign) + `,` + item("a", ownLabelsJSON) + ` , ` + item("f", foreign) + `,` + item("b", "") + `],"metadata":{"continue":"c"}}` + "\n",
			want: `{"kind":"L","items":[` + shownItem("a", managed) + `,` + shownItem("b", "") + `],"metadata":{"continue":"c"}}`,
		},
		"Filter": {
			reason: "what no selector of the member can say is filtered", r: configMaps, selector: "kubefed.io/managed",
			in:   `{"items":[` + item("a", ownLabelsJSON) + `,` + item("b", "") + `]}`,
			want: `{"items":[` + shownItem("a", managed) + `]}`,
		},
		"Empty":     {reason: "an empty list is one", r: configMaps, in: `{"metadata":{},"items":[]}`, want: `{"metadata":{},"items":[]}`},
		"Null":      {reason: "items may be null", r: configMaps, in: `{"items":null,"n":1}`, want: `{"items":null,"n":1}`},
		"NothingIn": {reason: "even an empty object passes", r: configMaps, in: ` {} `, want: `{}`},
		"Table": {
			reason: "rows are told by their objects", r: configMaps,
			in:   `{"kind":"Table","rows":[{"cells":["a",1],"object":` + item("a", ownLabelsJSON) + `},{"cells":["f"],"object":` + item("f", foreign) + `},{"cells":["x"]}]}`,
			want: `{"kind":"Table","rows":[{"cells":["a",1],"object":` + shownItem("a", managed) + `}]}`,
		},
		"BareTable": {
			reason: "and are sent without when the client wants none", r: configMaps, bare: true,
			in:   `{"rows":[{"cells":["a"],"object":` + item("a", "") + `}]}`,
			want: `{"rows":[{"cells":["a"],"object":null}]}`,
		},
		"NamespaceTable": {
			reason: "the first cell of a Namespace is its name", r: namespaces,
			in:   `{"rows":[{"cells":["acme-rz","Active"],"object":{"metadata":{"name":"acme-rz"}}},{"cells":["x"],"object":{"metadata":{"name":"x"}}}]}`,
			want: `{"rows":[{"cells":["acme","Active"],"object":{"metadata":{"name":"acme"}}}]}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, filter, err := testView.LabelSelector(tc.r, tc.selector, false)
			if err != nil {
				t.Fatal(err)
			}
			for how, reader := range map[string]io.Reader{
				"whole": strings.NewReader(tc.in), "byte by byte": iotest.OneByteReader(strings.NewReader(tc.in)),
				"end with data": iotest.DataErrReader(strings.NewReader(tc.in)),
			} {
				var out bytes.Buffer
				n, err := testView.CopyList(&out, reader, tc.r, &Route{Filter: filter, BareRows: tc.bare})
				if err != nil || n != int64(out.Len()) {
					t.Fatalf("%s, read %s: %d bytes counted of %d, %v", tc.reason, how, n, out.Len(), err)
				}
				sameJSON(t, tc.reason+", read "+how, tc.want, out.String())
			}
		})
	}
}

func TestCopyListFails(t *testing.T) {
	cases := map[string]struct {
		reason, in string
		want       error
	}{
		"Garbage":    {"HTML is no list", "<html>", ErrMalformed},
		"Array":      {"nor is an array", "[]", ErrMalformed},
		"Cut":        {"a list that ends early did not end", `{"items":[{"metadata":{`, io.ErrUnexpectedEOF},
		"CutBetween": {"also between items", `{"items":[{}`, io.ErrUnexpectedEOF},
		"CutKey":     {"and behind a comma", `{"items":[],`, io.ErrUnexpectedEOF},
		"NoColon":    {"a key has a value", `{"items"[]}`, ErrMalformed},
		"NumberKey":  {"a key is a string", `{1:2}`, ErrMalformed},
		"NoComma":    {"items are parted by commas", `{"items":[{} {}]}`, ErrMalformed},
		"Missing":    {"and there is one behind each", `{"items":[{},]}`, ErrMalformed},
		"Two":        {"there is one list", `{"items":[]}{}`, ErrMalformed},
		"Nothing":    {"an empty answer is none", ``, io.ErrUnexpectedEOF},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := testView.CopyList(io.Discard, strings.NewReader(tc.in), configMaps, &Route{})
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: got %v, want %v", tc.reason, err, tc.want)
			}
		})
	}
	t.Run("TooLarge", func(t *testing.T) {
		_, err := testView.CopyList(io.Discard, io.MultiReader(strings.NewReader(`{"items":["`), zeros{}), configMaps, &Route{})
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("an item without end: got %v", err)
		}
	})
}

// zeros is an endless stream of the digit 0.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

func TestWatch(t *testing.T) {
	other := `"cellfed.io/managed":"true","cellfed.io/namespace":"acme","cellfed.io/cell":"other"`
	event := func(kind, object string) string { return `{"type":"` + kind + `","object":` + object + `}` }
	table := func(columns, name, labels string) string {
		return `{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":` + columns + `,"rows":[{"cells":["` + name + `","secret"],"object":` + item(name, labels) + `}]}`
	}
	type step struct{ in, want string }
	cases := map[string]struct {
		reason   string
		selector string
		steps    []step
	}{
		"Own": {"events of the cell's objects pass, mapped", "", []step{
			{event("ADDED", item("a", ownLabelsJSON)), event("ADDED", shownItem("a", `"kubefed.io/managed":"true"`))},
			{event("DELETED", item("a", ownLabelsJSON)), event("DELETED", shownItem("a", `"kubefed.io/managed":"true"`))},
		}},
		"Bookmark": {"bookmarks and errors pass as they are", "", []step{
			{`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}`, `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}`},
			{`{"type":"ERROR","object":{"kind":"Status","code":410}}`, `{"type":"ERROR","object":{"kind":"Status","code":410}}`},
		}},
		"TakenOver": {"what another cell takes over is gone, once, and nothing is told of it but that", "", []step{
			{event("ADDED", item("a", "")), event("ADDED", shownItem("a", ""))},
			{event("MODIFIED", item("a", other)), event("DELETED", `{"metadata":{"name":"a","uid":"u-a","resourceVersion":"7","namespace":"acme"}}`)},
			{event("MODIFIED", item("a", other)), ""},
			{event("MODIFIED", item("a", "")), event("ADDED", shownItem("a", ""))},
			{event("MODIFIED", item("a", "")), event("MODIFIED", shownItem("a", ""))},
		}},
		"Foreign": {"what never was there is never told", "", []step{
			{event("ADDED", item("a", other)), ""},
			{event("MODIFIED", item("a", other)), ""},
			{event("DELETED", item("a", other)), ""},
		}},
		"Elsewhere": {"an object of a namespace that was not asked for neither", "", []step{
			{event("MODIFIED", strings.ReplaceAll(item("a", ""), "acme-rz", "kube-system")), ""},
		}},
		"Filter": {"what stops to match is gone, as the cell may read it", "kubefed.io/managed", []step{
			{event("ADDED", item("a", ownLabelsJSON)), event("ADDED", shownItem("a", `"kubefed.io/managed":"true"`))},
			{event("MODIFIED", item("a", `"x":"y"`)), event("DELETED", shownItem("a", `"x":"y"`))},
			{event("DELETED", item("a", `"x":"y"`)), ""},
		}},
		"Table": {"the columns come with the first event that is shown", "", []step{
			{event("ADDED", table(`[{"name":"N"}]`, "f", other)), ""},
			{event("ADDED", table(`null`, "a", "")), event("ADDED", strings.ReplaceAll(table(`[{"name":"N"}]`, "a", ""), "acme-rz", "acme"))},
			{event("MODIFIED", table(`null`, "a", other)), event("DELETED",
				`{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":null,"rows":[{"cells":["a",null],"object":{"metadata":{"name":"a","uid":"u-a","resourceVersion":"7","namespace":"acme"}}}]}`)},
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, filter, err := testView.LabelSelector(configMaps, tc.selector, false)
			if err != nil {
				t.Fatal(err)
			}
			w := testView.NewWatch(configMaps, &Route{Filter: filter})
			for i, s := range tc.steps {
				got, err := w.Event(nil, []byte(s.in))
				if err != nil {
					t.Fatalf("%s, event %d: %v", tc.reason, i, err)
				}
				if s.want == "" || len(got) == 0 {
					if s.want != string(got) {
						t.Errorf("%s, event %d: got %q, want %q", tc.reason, i, got, s.want)
					}
					continue
				}
				sameJSON(t, fmt.Sprintf("%s, event %d", tc.reason, i), s.want, string(got))
			}
		})
	}
	for _, garbage := range []string{`{}`, `[]`, `{"type":1,"object":{}}`, `{"type":"ADDED","object":[]}`} {
		if got, err := testView.NewWatch(configMaps, &Route{}).Event(nil, []byte(garbage)); !errors.Is(err, ErrMalformed) {
			t.Errorf("the event %s: got %s, %v", garbage, got, err)
		}
	}
}

func TestEmptyShowsNothing(t *testing.T) {
	q, r, err := route(testView, "GET", "/api/v1/persistentvolumes", "watch=1", ScopeCluster)
	if err != nil {
		t.Fatal(err)
	}
	object := `{"metadata":{"name":"pv"}}`
	var out bytes.Buffer
	if _, err := testView.CopyList(&out, strings.NewReader(`{"items":[`+object+`]}`), q.Resource, r); err != nil || out.String() != `{"items":[]}` {
		t.Errorf("a member that ignores selectors: the list is %s, %v", out.String(), err)
	}
	w := testView.NewWatch(q.Resource, r)
	for _, kind := range []string{"ADDED", "MODIFIED", "DELETED"} {
		if got, err := w.Event(nil, []byte(`{"type":"`+kind+`","object":`+object+`}`)); err != nil || len(got) > 0 {
			t.Errorf("a member that ignores selectors: %s is sent as %s, %v", kind, got, err)
		}
	}
}

// FuzzScanner: values come out of the stream as they went in, however it is cut; garbage neither panics nor hangs.
func FuzzScanner(f *testing.F) {
	f.Add([]byte(`{"items":[{"metadata":{"name":"a"}}],"x":"\"\\"} 12 "a" null[1]`), 3)
	f.Add([]byte(`{"a":`), 1)
	f.Fuzz(func(t *testing.T, input []byte, size int) {
		s := NewScanner(iotest.HalfReader(bytes.NewReader(input)), 1+abs(size)%64)
		var values [][]byte
		for {
			v, err := s.Value()
			if err != nil {
				break
			}
			values = append(values, append([]byte(nil), v...))
			s.Release()
		}
		_, _ = testView.CopyList(io.Discard, bytes.NewReader(input), configMaps, &Route{})
		_, _ = testView.NewWatch(configMaps, &Route{}).Event(nil, input)
		if !json.Valid(input) {
			return
		}
		if len(values) != 1 || !bytes.Equal(values[0], bytes.TrimSpace(input)) {
			t.Fatalf("%q came out as %q", input, values)
		}
	})
}

func abs(n int) int { return max(n, -(n + 1)) }

// TestCopyListKeepsItems: a list comes out with the items that were in it, whatever is in them.
func TestCopyListKeepsItems(t *testing.T) {
	var in strings.Builder
	in.WriteString(`{"items":[`)
	for i := range 1000 {
		if i > 0 {
			in.WriteByte(',')
		}
		in.WriteString(item(fmt.Sprint("i", i), ownLabelsJSON))
	}
	in.WriteString(`]}`)
	var out bytes.Buffer
	if _, err := testView.CopyList(&out, strings.NewReader(in.String()), configMaps, &Route{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(gjson.Get(in.String(), "items.#.data").Raw, gjson.GetBytes(out.Bytes(), "items.#.data").Raw); diff != "" {
		t.Error(diff)
	}
	if n := gjson.GetBytes(out.Bytes(), "items.#").Int(); n != 1000 {
		t.Errorf("%d items", n)
	}
}
