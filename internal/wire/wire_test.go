package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/cellfed/cellfed/internal/wire"
)

// samples are JSON texts, good and bad ones.
var samples = []string{
	`{}`, ` {"a" : [ ] , "b" : { } } `, `{"a":null,"b":true,"c":false,"d":""}`,
	`{"n":[0,-0,1,-1,9223372036854775807,9223372036854775808,-9223372036854775808,1.0,1e3,1E-3,0.1,123456789012345678901234567890]}`,
	`{"n":1e999}`, `{"n":01}`, `{"n":+1}`, `{"n":.5}`, `{"n":1.}`, `{"n":NaN}`,
	`{"s":"\u00e4\ud83d\ude00\n\"\\\/"}`, `{"s":"\ud800"}`, `{"s":"\ud800\ud800x"}`, "{\"s\":\"\xff\xfe\"}", "{\"s\":\"a\tb\"}", "{\"\xff\":1}",
	`{"a":1,"a":2}`, `{"a":{"b":1},"a":{"c":2}}`, `{"A":1,"a":2}`,
	`[]`, `null`, `1`, `"a"`, `true`, ``, ` `, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1}{}`, `{"a":1} x`, `{"a":1}]`, `{"a":[1,]}`, `{"a":[1`,
	"\xef\xbb\xbf{}",
	strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000),
	strings.Repeat(`{"a":`, 10001) + "1" + strings.Repeat("}", 10001),
}

// same fails unless Decode makes of a text what apimachinery makes of it.
func same(t *testing.T, text []byte) {
	t.Helper()
	var want map[string]any
	wantErr := utiljson.Unmarshal(text, &want)
	if wantErr == nil && want == nil {
		wantErr = errors.New("null is no object")
	}
	kept := bytes.Clone(text)
	got, err := wire.Decode(text, nil)
	if !bytes.Equal(text, kept) {
		t.Fatalf("The text was changed to %q", text)
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("Decode: %v, apimachinery: %v, for %.200q", err, wantErr, text)
	}
	if diff := cmp.Diff(want, got); err == nil && diff != "" {
		t.Fatalf("%.200q differs:\n%s", text, diff)
	}
}

func TestDecodeLikeApimachinery(t *testing.T) {
	for _, text := range samples {
		same(t, []byte(text))
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range samples {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { same(t, text) })
}

func TestDecodeKeepsNothing(t *testing.T) {
	text := []byte(`{"key":"value","list":["item"]}`)
	got, err := wire.Decode(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		text[i] = 'x'
	}
	if diff := cmp.Diff(map[string]any{"key": "value", "list": []any{"item"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeWithout(t *testing.T) {
	without := wire.Without{"metadata": {"managedFields": nil}, "items": {"big": nil}, "plain": {"x": nil}, "all": nil}
	got, err := wire.Decode([]byte(`{"metadata":{"name":"a","managedFields":[{"a":1}]},"managedFields":1,
		"items":[{"big":{"x":[1]},"small":1},2,[{"big":1}]],"plain":"x","all":{"big":1}}`), without)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"metadata": map[string]any{"name": "a"}, "managedFields": int64(1), "plain": "x",
		"items": []any{map[string]any{"small": int64(1)}, int64(2), []any{map[string]any{}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// What is left out must be JSON all the same.
	if _, err := wire.Decode([]byte(`{"all":{"a":}}`), without); err == nil {
		t.Error("Ill-formed JSON was left out")
	}
}

var (
	widgets = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}
	slim    = wire.Without{"metadata": {"managedFields": nil}}
)

const widget = `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","resourceVersion":"7","managedFields":[{"manager":"m"}]},"spec":{"n":1,"f":0.5}}`

func slimWidget() map[string]any {
	return map[string]any{
		"apiVersion": "example.com/v1", "kind": "Widget",
		"metadata": map[string]any{"name": "a", "resourceVersion": "7"}, "spec": map[string]any{"n": int64(1), "f": 0.5},
	}
}

// clientOf returns a client of a server that answers as it is told.
func clientOf(t *testing.T, answer http.HandlerFunc) dynamic.ResourceInterface {
	t.Helper()
	return clientWithout(t, slim, answer)
}

func clientWithout(t *testing.T, without wire.Without, answer http.HandlerFunc) dynamic.ResourceInterface {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	client, err := wire.NewDynamic(&rest.Config{Host: server.URL}, server.Client(), without)
	if err != nil {
		t.Fatal(err)
	}
	return client.Resource(widgets)
}

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestObject(t *testing.T) {
	var sent []byte
	client := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		sent, _ = io.ReadAll(r.Body)
		answering(http.StatusOK, widget)(w, r)
	})
	for what, do := range map[string]func() (*unstructured.Unstructured, error){
		"get": func() (*unstructured.Unstructured, error) { return client.Get(t.Context(), "a", metav1.GetOptions{}) },
		"patch": func() (*unstructured.Unstructured, error) {
			return client.Patch(t.Context(), "a", "application/merge-patch+json", []byte(`{}`), metav1.PatchOptions{})
		},
		"create": func() (*unstructured.Unstructured, error) {
			return client.Create(t.Context(), &unstructured.Unstructured{Object: slimWidget()}, metav1.CreateOptions{})
		},
	} {
		got, err := do()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if diff := cmp.Diff(slimWidget(), got.Object); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		if what == "create" && !strings.Contains(string(sent), `"kind":"Widget"`) {
			t.Errorf("The object was sent as %s", sent)
		}
	}
}

func TestList(t *testing.T) {
	client := clientOf(t, answering(http.StatusOK, `{"apiVersion":"example.com/v1","kind":"WidgetList","metadata":{"resourceVersion":"9"},"items":[`+
		widget+`,{"metadata":{"name":"b","managedFields":[]}}]}`))
	got, err := client.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := &unstructured.UnstructuredList{
		Object: map[string]any{"apiVersion": "example.com/v1", "kind": "WidgetList", "metadata": map[string]any{"resourceVersion": "9"}},
		Items: []unstructured.Unstructured{{Object: slimWidget()}, {Object: map[string]any{
			"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": "b"},
		}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, body := range []string{
		`{"apiVersion":"v1","kind":"WidgetList","items":{}}`, `{"apiVersion":"v1","kind":"WidgetList","items":[1]}`, `{"items":[]}`, `[]`, `<html>`,
	} {
		if got, err := clientOf(t, answering(http.StatusOK, body)).List(t.Context(), metav1.ListOptions{}); err == nil {
			t.Errorf("%s was read as %v", body, got)
		}
	}
	empty, err := clientOf(t, answering(http.StatusOK, `{"apiVersion":"v1","kind":"WidgetList","items":null}`)).List(t.Context(), metav1.ListOptions{})
	if err != nil || empty.Items == nil || len(empty.Items) != 0 {
		t.Errorf("A list of nothing is %v, %v", empty, err)
	}
}

// TestNothingLeftOut: a client that leaves out nothing has everything, in lists as well.
func TestNothingLeftOut(t *testing.T) {
	for name, without := range map[string]wire.Without{"nil": nil, "empty": {}} {
		list, err := clientWithout(t, without, answering(http.StatusOK, `{"apiVersion":"example.com/v1","kind":"WidgetList","items":[`+widget+`]}`)).
			List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		object, err := clientWithout(t, without, answering(http.StatusOK, widget)).Get(t.Context(), "a", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := utiljson.Unmarshal([]byte(widget), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, object.Object); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if len(list.Items) != 1 || !cmp.Equal(list.Items[0].Object, want) {
			t.Errorf("%s: the list has %v", name, list.Items)
		}
	}
}

func TestErrors(t *testing.T) {
	const gone = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"it is gone","reason":"NotFound","code":404}`
	if _, err := clientOf(t, answering(http.StatusNotFound, gone)).Get(t.Context(), "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) || err.Error() != "it is gone" {
		t.Errorf("A status became %v", err)
	}
	const secret = "c2VjcmV0"
	_, err := clientOf(t, answering(http.StatusOK, `{"apiVersion":"v1","data":"`+secret+`"}`)).Get(t.Context(), "a", metav1.GetOptions{})
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("An answer without a kind became %v", err)
	}
	if _, err := clientOf(t, answering(http.StatusBadGateway, "<html>")).Get(t.Context(), "a", metav1.GetOptions{}); err == nil {
		t.Error("A page was read as an object")
	}
}

// TestWatch has each event arrive before the next one is sent.
func TestWatch(t *testing.T) {
	next := make(chan string)
	client := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		for text := range next {
			_, _ = io.WriteString(w, text)
			w.(http.Flusher).Flush()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watching, err := client.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Stop()
	send := func(text string) { next <- text }
	receive := func(want watch.EventType) *unstructured.Unstructured {
		t.Helper()
		event := <-watching.ResultChan()
		if event.Type != want {
			t.Fatalf("got %v, want %s", event, want)
		}
		u, _ := event.Object.(*unstructured.Unstructured)
		return u
	}
	// In one piece, without a line's end, in two pieces, two at once, and larger than any buffer to begin with.
	send(`{"type":"ADDED","object":` + widget + "}\n")
	if diff := cmp.Diff(slimWidget(), receive(watch.Added).Object); diff != "" {
		t.Error(diff)
	}
	send(`{"object":` + widget + `,"type":"MODIFIED","more":[1]}`)
	receive(watch.Modified)
	send(`{"type":"DELETED","object":` + widget[:40])
	send(widget[40:] + "}\n" + `{"type":"BOOKMARK","object":{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"resourceVersion":"12","annotations":{"k8s.io/initial-events-end":"true"}}}}`)
	receive(watch.Deleted)
	if mark := receive(watch.Bookmark); mark.GetResourceVersion() != "12" || mark.GetAnnotations()["k8s.io/initial-events-end"] != "true" {
		t.Errorf("The bookmark is %v", mark)
	}
	long := strings.Repeat("x", 3<<20)
	send(fmt.Sprintf(`{"type":"ADDED","object":{"apiVersion":"v1","kind":"Widget","spec":%q}}`, long))
	if got := receive(watch.Added); got.Object["spec"] != long {
		t.Errorf("%d characters arrived of %d", len(fmt.Sprint(got.Object["spec"])), len(long))
	}
	send(`{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","message":"too old","code":410}}`)
	failed := <-watching.ResultChan()
	if err := apierrors.FromObject(failed.Object); failed.Type != watch.Error || !apierrors.IsResourceExpired(err) {
		t.Errorf("The error is %v", failed)
	}
	close(next)
	if event, open := <-watching.ResultChan(); open {
		t.Errorf("After the end there was %v", event)
	}
}

func TestWatchOfGarbage(t *testing.T) {
	for _, body := range []string{`{"type":"ADDED","object":{}}`, `{"type":"ADDED","object":{"kind":"Widget"}}`, `{"type":"ADDED","object":{"kind":"Widget","apiVersion":"a/b/c"}}`, `{"type":"ADDED"}`, `{"type":"NEWS","object":` + widget + `}`, `{"type":"ADDED","object":{"a":}}`, `[]`, `{"type":`, `<html>`, `{"object":` + widget + `}`} {
		client := clientOf(t, answering(http.StatusOK, body))
		watching, err := client.Watch(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for event := range watching.ResultChan() {
			if event.Type != watch.Error {
				t.Errorf("%s became %v", body, event)
			}
		}
	}
}

// repeated is an answer to a watch that has no end.
type repeated struct {
	text []byte
	rest []byte
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// BenchmarkWatch reads events of an object of 1 KiB with a status and its managedFields, by this package and by client-go.
func BenchmarkWatch(b *testing.B) {
	event := []byte(`{"type":"MODIFIED","object":` + benchObject + "}\n")
	for _, who := range []string{"wire", "client-go"} {
		b.Run(who, func(b *testing.B) {
			served := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusOK)
				_, _ = bufio.NewReaderSize(&repeated{text: event}, 1<<20).WriteTo(w)
				close(served)
			}))
			defer server.Close()
			config := dynamic.ConfigFor(&rest.Config{Host: server.URL})
			if who == "wire" {
				wire.Configure(config, slim)
			}
			restClient, err := rest.UnversionedRESTClientForConfigAndClient(config, server.Client())
			if err != nil {
				b.Fatal(err)
			}
			watching, err := dynamic.New(restClient).Resource(widgets).Watch(b.Context(), metav1.ListOptions{})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			for b.Loop() {
				if event := <-watching.ResultChan(); event.Type != watch.Modified {
					b.Fatal(event)
				}
			}
			watching.Stop()
			server.CloseClientConnections()
			<-served
		})
	}
}
