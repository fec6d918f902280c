package facade

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

const aView = "/api/v1/namespaces/acme/configmaps/a"

// sent is a request that the member gets: its line, media type and body.
type sent struct{ Line, Type, Body string }

func sentTo(m *fakeMember) []sent {
	out := []sent{}
	for _, r := range m.seen() {
		out = append(out, sent{r.line(), r.header.Get("Content-Type"), r.body})
	}
	return out
}

const own = `"cellfed.io/managed":"true","cellfed.io/namespace":"acme","cellfed.io/cell":"rz"`

// TestWrites: what the member gets for each kind of write to an object of the cell.
func TestWrites(t *testing.T) {
	look := sent{Line: "GET " + aPath}
	cases := map[string]struct {
		reason             string
		method, path, body string
		contentType        string
		want               []sent
	}{
		"Create": {
			"a new object", "POST", "/api/v1/namespaces/acme/configmaps?dryRun=All", `{"metadata":{"name":"a","namespace":"acme"}}`, "application/json",
			[]sent{{"POST " + listPath + "?dryRun=All", "application/json", `{"metadata":{"name":"a","namespace":"acme-rz","labels":{` + own + `}}}`}},
		},
		"CreateYAML": {
			"in YAML", "POST", "/api/v1/namespaces/acme/configmaps", "metadata: {name: a}\n", "application/yaml",
			[]sent{{"POST " + listPath, "application/json", `{"metadata":{"name":"a","labels":{` + own + `}}}`}},
		},
		"Update": {
			"an update depends on the version that was looked at", "PUT", aView, `{"metadata":{"name":"a","labels":{"kubefed.io/managed":"true"}},"data":{"n":"1"}}`, "application/json",
			[]sent{look, {"PUT " + aPath, "application/json", `{"metadata":{"name":"a","labels":{` + own + `},"resourceVersion":"7"},"data":{"n":"1"}}`}},
		},
		"UpdateStatus": {
			"a subresource", "PUT", aView + "/status", `{"metadata":{"resourceVersion":"7"}}`, "",
			[]sent{look, {"PUT " + aPath + "/status", "application/json", `{"metadata":{"resourceVersion":"7","labels":{` + own + `}}}`}},
		},
		"MergePatch": {
			"as upstream takes its label away", "PATCH", aView + "?fieldManager=x", `{"metadata":{"labels":{"kubefed.io/managed":null}}}`, "application/merge-patch+json",
			[]sent{look, {"PATCH " + aPath + "?fieldManager=x", "application/merge-patch+json",
				`{"metadata":{"labels":{"kubefed.io/managed":null,"cellfed.io/managed":null,"cellfed.io/namespace":null,"cellfed.io/cell":null},"resourceVersion":"7"}}`}},
		},
		"StrategicPatch": {
			"a strategic merge patch", "PATCH", aView, `{"data":{"a":"b"}}`, "application/strategic-merge-patch+json",
			[]sent{look, {"PATCH " + aPath, "application/strategic-merge-patch+json", `{"data":{"a":"b"},"metadata":{"resourceVersion":"7"}}`}},
		},
		"JSONPatch": {
			"a JSON patch", "PATCH", aView, `[{"op":"add","path":"/data/a","value":"b"}]`, "application/json-patch+json",
			[]sent{look, {"PATCH " + aPath, "application/json-patch+json",
				`[{"op":"add","path":"/data/a","value":"b"},{"op":"add","path":"/metadata/resourceVersion","value":"7"}]`}},
		},
		"Apply": {
			"server-side apply", "PATCH", aView + "?fieldManager=x&force=true", "metadata: {name: a}\ndata: {k: '1'}\n", "application/apply-patch+yaml",
			[]sent{look, {"PATCH " + aPath + "?fieldManager=x&force=true", "application/apply-patch+yaml",
				`{"data":{"k":"1"},"metadata":{"name":"a","labels":{` + own + `},"resourceVersion":"7"}}`}},
		},
		"Delete": {
			"a deletion is of the object that was looked at", "DELETE", aView + "?propagationPolicy=Foreground", ``, "",
			[]sent{look, {"DELETE " + aPath + "?propagationPolicy=Foreground", "application/json",
				`{"propagationPolicy":"Foreground","preconditions":{"uid":"u","resourceVersion":"7"}}`}},
		},
		"DeleteCollection": {
			"a collection is the cell's own", "DELETE", "/api/v1/namespaces/acme/configmaps?labelSelector=a", `{"gracePeriodSeconds":1}`, "application/json",
			[]sent{{"DELETE " + listPath + "?labelSelector=a%2Ccellfed.io%2Fcell%3Drz%2Ccellfed.io%2Fmanaged%3Dtrue%2Ccellfed.io%2Fnamespace%3Dacme%2Ckubefed.io%2Fmanaged%21%3Dtrue",
				"application/json", `{"gracePeriodSeconds":1}`}},
		},
		"Evict": {
			"a pod is evicted", "POST", "/api/v1/namespaces/acme/pods/a/eviction", `{"metadata":{"name":"a"}}`, "application/json",
			[]sent{{Line: "GET /api/v1/namespaces/acme-rz/pods/a"}, {"POST /api/v1/namespaces/acme-rz/pods/a/eviction", "application/json",
				`{"metadata":{"name":"a"},"deleteOptions":{"preconditions":{"uid":"u"}}}`}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			b.member.on("GET "+aPath, object(configMap(ownLabels)))
			b.member.on("GET /api/v1/namespaces/acme-rz/pods/a", object(configMap("")))
			for _, what := range []string{"POST " + listPath, "PUT " + aPath, "PUT " + aPath + "/status", "PATCH " + aPath, "DELETE " + aPath, "DELETE " + listPath, "POST /api/v1/namespaces/acme-rz/pods/a/eviction"} {
				b.member.on(what, echo)
			}
			resp, body := b.call(tc.method, tc.path, tc.body, "Content-Type", tc.contentType)
			if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"namespace":"acme"`) && name != "DeleteCollection" {
				t.Errorf("%s: answered with %d %s", tc.reason, resp.StatusCode, body)
			}
			if diff := cmp.Diff(tc.want, sentTo(b.member)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

// TestForeignWrites: no write reaches an object that is not the cell's or free.
func TestForeignWrites(t *testing.T) {
	writes := map[string][3]string{
		"Update":         {"PUT", "application/json", `{"metadata":{"resourceVersion":"7"}}`},
		"Merge":          {"PATCH", "application/merge-patch+json", `{}`},
		"Strategic":      {"PATCH", "application/strategic-merge-patch+json", `{}`},
		"JSON":           {"PATCH", "application/json-patch+json", `[]`},
		"Apply":          {"PATCH", "application/apply-patch+yaml", `{}`},
		"Delete":         {"DELETE", "", ``},
		"DeleteWithBody": {"DELETE", "application/json", `{"preconditions":{"resourceVersion":"7"}}`},
	}
	for _, path := range []string{aView, aView + "/status", aView + "/scale"} {
		for name, w := range writes {
			if w[0] == "DELETE" && path != aView {
				continue
			}
			b := newBed(t, nil)
			b.member.on("GET "+aPath, object(configMap(foreignLabels)))
			resp, body := b.call(w[0], path, w[2], "Content-Type", w[1])
			if resp.StatusCode != http.StatusNotFound || !strings.Contains(body, `configmaps \"a\" not found`) {
				t.Errorf("%s %s: %d %s", name, path, resp.StatusCode, body)
			}
			if diff := cmp.Diff([]sent{{Line: "GET " + aPath}}, sentTo(b.member)); diff != "" {
				t.Errorf("%s %s: (-want +got)\n%s", name, path, diff)
			}
		}
	}
	b := newBed(t, nil)
	b.member.on("POST "+listPath, status(409, "AlreadyExists", "exists"))
	if resp, body := b.call("POST", "/api/v1/namespaces/acme/configmaps", `{"metadata":{"name":"a"}}`); resp.StatusCode != http.StatusConflict || !strings.Contains(body, "AlreadyExists") {
		t.Errorf("creating over it: %d %s", resp.StatusCode, body)
	}
	b.member.on("GET /api/v1/namespaces/acme-rz/pods/a", object(configMap(foreignLabels)))
	if resp, body := b.call("POST", "/api/v1/namespaces/acme/pods/a/eviction", `{}`); resp.StatusCode != http.StatusNotFound {
		t.Errorf("evicting it: %d %s", resp.StatusCode, body)
	}
}

// TestApplyCreates: server-side apply of an object that there is not makes one of the cell's.
func TestApplyCreates(t *testing.T) {
	b := newBed(t, nil)
	b.member.on("PATCH "+aPath, echo)
	b.call("PATCH", aView, `{"metadata":{"name":"a"}}`, "Content-Type", "application/apply-patch+yaml")
	want := []sent{{Line: "GET " + aPath}, {"PATCH " + aPath, "application/apply-patch+yaml", `{"metadata":{"name":"a","labels":{` + own + `}}}`}}
	if diff := cmp.Diff(want, sentTo(b.member)); diff != "" {
		t.Error(diff)
	}
	if resp, _ := b.call("PATCH", aView, `{}`, "Content-Type", "application/merge-patch+json"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("patching what is not there: %d", resp.StatusCode)
	}
}

// TestConflicts: a conflict that only the façade's precondition caused is retried; the client's own is the client's.
func TestConflicts(t *testing.T) {
	conflict := `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409,"message":"changed"`
	cases := map[string]struct {
		reason, body, conflict string
		conflicts              int32
		code                   int
		writes                 int32
	}{
		"Ours":         {"somebody wrote in between", `{"metadata":{}}`, conflict + "}", 2, 200, 3},
		"Always":       {"not for ever", `{"metadata":{}}`, conflict + "}", 100, 409, attempts},
		"Client":       {"the client named a version", `{"metadata":{"resourceVersion":"3"}}`, conflict + "}", 1, 409, 1},
		"FieldManager": {"a conflict of appliers is not solved by trying again", `{"metadata":{}}`, conflict + `,"details":{"causes":[{"reason":"FieldManagerConflict"}]}}`, 1, 409, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			b.member.on("GET "+aPath, object(configMap(ownLabels)))
			var writes atomic.Int32
			b.member.on("PUT "+aPath, func(w http.ResponseWriter, r *http.Request) {
				if writes.Add(1) <= tc.conflicts {
					answer(409, "application/json", tc.conflict)(w, r)
					return
				}
				echo(w, r)
			})
			resp, body := b.call("PUT", aView, tc.body)
			if resp.StatusCode != tc.code || writes.Load() != tc.writes {
				t.Errorf("%s: %d after %d writes: %s", tc.reason, resp.StatusCode, writes.Load(), body)
			}
		})
	}
}

// TestSharedNamespace: the Namespace that somebody else manages is seen, and not written.
func TestSharedNamespace(t *testing.T) {
	shared := `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"acme-rz","uid":"u","resourceVersion":"7","labels":{"kubefed.io/managed":"true","a":"b"}}}`
	shown := `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"acme","uid":"u","resourceVersion":"7","labels":{"a":"b"}}}`
	for name, w := range map[string][3]string{
		"Get":    {"GET", "", ""},
		"Update": {"PUT", "application/json", `{"metadata":{"name":"acme","labels":{"kubefed.io/managed":"true"}}}`},
		"Patch":  {"PATCH", "application/merge-patch+json", `{"metadata":{"labels":{"kubefed.io/managed":null}}}`},
		"Apply":  {"PATCH", "application/apply-patch+yaml", `{"metadata":{"name":"acme"}}`},
	} {
		b := newBed(t, nil)
		b.member.on("GET /api/v1/namespaces/acme-rz", object(shared))
		resp, body := b.call(w[0], "/api/v1/namespaces/acme", w[2], "Content-Type", w[1])
		if resp.StatusCode != http.StatusOK || body != shown {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
		for _, s := range sentTo(b.member) {
			if s.Line != "GET /api/v1/namespaces/acme-rz" {
				t.Errorf("%s: the member gets %v", name, s)
			}
		}
	}
	for _, labels := range []string{`"kubefed.io/managed":"true"`, `"a":"b"`} {
		b := newBed(t, nil)
		b.member.on("GET /api/v1/namespaces/acme-rz", object(`{"metadata":{"name":"acme-rz","uid":"u","resourceVersion":"7","labels":{`+labels+`}}}`))
		if resp, body := b.call("DELETE", "/api/v1/namespaces/acme", ""); resp.StatusCode != http.StatusForbidden || len(b.member.seen()) != 1 {
			t.Errorf("deleting it: %d %s", resp.StatusCode, body)
		}
	}
	b := newBed(t, nil)
	b.member.on("GET /api/v1/namespaces/acme-rz", object(`{"metadata":{"name":"acme-rz","uid":"u","resourceVersion":"7","labels":{`+own+`}}}`))
	b.member.on("DELETE /api/v1/namespaces/acme-rz", object(`{"metadata":{"name":"acme-rz"}}`))
	if resp, body := b.call("DELETE", "/api/v1/namespaces/acme", ""); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"name":"acme"`) {
		t.Errorf("deleting the cell's own: %d %s", resp.StatusCode, body)
	}
	b.member.on("POST /api/v1/namespaces", answer(409, "application/json",
		`{"kind":"Status","apiVersion":"v1","reason":"AlreadyExists","code":409,"message":"namespaces \"acme-rz\" already exists","details":{"name":"acme-rz","kind":"namespaces"}}`))
	if resp, body := b.call("POST", "/api/v1/namespaces", `{"metadata":{"name":"acme"}}`); resp.StatusCode != http.StatusConflict || strings.Contains(body, "acme-rz") {
		t.Errorf("creating it again: %d %s", resp.StatusCode, body)
	}
}

// TestBodies: bodies that cannot be mapped are refused before the member is asked.
func TestBodies(t *testing.T) {
	cases := map[string]struct {
		reason, method, path, contentType, body string
		code                                    int
	}{
		"CBOR":           {"an encoding that is not read here", "POST", "/api/v1/namespaces/acme/configmaps", "application/cbor", "x", 415},
		"PatchJSON":      {"a patch has a type of its own", "PATCH", aView, "application/json", `{}`, 415},
		"ApplyCBOR":      {"apply is YAML or JSON", "PATCH", aView, "application/apply-patch+cbor", "x", 415},
		"PutPatch":       {"an update is no patch", "PUT", aView, "application/merge-patch+json", `{}`, 415},
		"Nonsense":       {"a type that is none", "POST", "/api/v1/namespaces/acme/configmaps", ";", "{}", 415},
		"Large":          {"more than API servers take", "POST", "/api/v1/namespaces/acme/configmaps", "application/json", strings.Repeat(" ", maxBody+1), 413},
		"BadYAML":        {"YAML that is none", "POST", "/api/v1/namespaces/acme/configmaps", "application/yaml", "a: b: c", 400},
		"BadProtobuf":    {"protobuf that is none", "POST", "/api/v1/namespaces/acme/configmaps", "application/vnd.kubernetes.protobuf", "x", 400},
		"OtherNamespace": {"a body for another namespace", "POST", "/api/v1/namespaces/acme/configmaps", "", `{"metadata":{"namespace":"kube-system"}}`, 400},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			resp, body := b.call(tc.method, tc.path, tc.body, "Content-Type", tc.contentType)
			if resp.StatusCode != tc.code || !strings.Contains(body, `"kind":"Status"`) {
				t.Errorf("%s: %d %s", tc.reason, resp.StatusCode, body)
			}
			if seen := b.member.seen(); len(seen) > 0 {
				t.Errorf("%s: the member is asked %v", tc.reason, lines(seen))
			}
		})
	}
}

// TestProtobuf: kubectl and other typed clients send built-in kinds in protobuf.
func TestProtobuf(t *testing.T) {
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	if !ok {
		t.Fatal("no protobuf")
	}
	in := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "acme"}, Data: map[string]string{"k": "v"}}
	body, err := runtime.Encode(scheme.Codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion), in)
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, nil)
	b.member.on("POST "+listPath, echo)
	if resp, answer := b.call("POST", "/api/v1/namespaces/acme/configmaps", string(body), "Content-Type", protobufType); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	var got corev1.ConfigMap
	if err := json.Unmarshal([]byte(sentTo(b.member)[0].Body), &got); err != nil {
		t.Fatal(err)
	}
	in.Namespace, in.Labels = "acme-rz", map[string]string{"cellfed.io/managed": "true", "cellfed.io/namespace": "acme", "cellfed.io/cell": "rz"}
	in.Kind, in.APIVersion = "ConfigMap", "v1"
	if diff := cmp.Diff(in, &got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// A field that is unknown here would be lost: 2 bytes of field 15 behind the object.
	var envelope runtime.Unknown
	if err := envelope.Unmarshal(body[4:]); err != nil {
		t.Fatal(err)
	}
	envelope.Raw = append(envelope.Raw, 15<<3, 1)
	unknown, err := envelope.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	resp, answer := b.call("POST", "/api/v1/namespaces/acme/configmaps", string(protobufPrefix)+string(unknown), "Content-Type", protobufType)
	if resp.StatusCode != http.StatusUnsupportedMediaType || !strings.Contains(answer, "send JSON") {
		t.Errorf("a field that is unknown here: %d %s", resp.StatusCode, answer)
	}
}
