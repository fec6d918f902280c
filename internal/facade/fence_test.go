package facade

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFence: a write to a fenced resource never reaches the member, whatever its kind. Everything else does.
func TestFence(t *testing.T) {
	const apply, merge = "application/apply-patch+yaml", "application/merge-patch+json"
	cases := map[string]struct {
		reason                    string
		method, path, body, media string
		fenced                    bool
	}{
		"Create":           {"", "POST", "/api/v1/namespaces/acme/configmaps", `{"metadata":{"name":"a"}}`, jsonType, true},
		"Update":           {"", "PUT", aView, `{"metadata":{"name":"a"}}`, jsonType, true},
		"Patch":            {"", "PATCH", aView, `{}`, merge, true},
		"Apply":            {"", "PATCH", aView + "?fieldManager=x", `{"metadata":{"name":"a"}}`, apply, true},
		"Delete":           {"", "DELETE", aView, ``, "", true},
		"DeleteCollection": {"", "DELETE", "/api/v1/namespaces/acme/configmaps", ``, "", true},
		"Subresource":      {"a subresource changes the object", "PUT", aView + "/status", `{"metadata":{"name":"a"}}`, jsonType, true},
		"DryRun":           {"what cannot be done cannot be tried", "POST", "/api/v1/namespaces/acme/configmaps?dryRun=All", `{"metadata":{"name":"a"}}`, jsonType, true},
		"Namespace":        {"a Namespace is fenced by its own type", "PUT", "/api/v1/namespaces/acme", `{"metadata":{"name":"acme"}}`, jsonType, true},
		"Get":              {"reads go on", "GET", aView, ``, "", false},
		"List":             {"reads go on", "GET", "/api/v1/namespaces/acme/configmaps", ``, "", false},
		"OtherResource":    {"a type of upstream's", "POST", "/api/v1/namespaces/acme/secrets", `{"metadata":{"name":"a"}}`, jsonType, false},
		"OtherGroup":       {"the same name in another group", "POST", "/apis/example.com/v1/namespaces/acme/configmaps", `{"metadata":{"name":"a"}}`, jsonType, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, func(o *Options) {
				o.Fence = func(_ context.Context, group, resource string) string {
					if group == "" && (resource == "configmaps" || resource == "namespaces") {
						return "cellfed propagates it: ask there"
					}
					return ""
				}
			})
			b.member.on("GET "+aPath, object(configMap(ownLabels)))
			resp, body := b.call(c.method, c.path, c.body, "Content-Type", c.media)
			asked := lines(b.member.seen())
			if !c.fenced {
				if len(asked) == 0 {
					t.Errorf("%s: the member was asked nothing; the client got %d %s", c.reason, resp.StatusCode, body)
				}
				return
			}
			if diff := cmp.Diff([]string{}, asked); diff != "" {
				t.Errorf("%s: the member was asked: %s", c.reason, diff)
			}
			if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, `"reason":"Forbidden"`) ||
				!strings.Contains(body, "cellfed propagates it: ask there") {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
		})
	}
}

// TestFenceOpens: the fence is asked anew for each write.
func TestFenceOpens(t *testing.T) {
	var closed atomic.Bool
	closed.Store(true)
	b := newBed(t, func(o *Options) {
		o.Fence = func(context.Context, string, string) string {
			if closed.Load() {
				return "cellfed propagates it"
			}
			return ""
		}
	})
	b.member.on("POST "+listPath, echo)
	create := func() int {
		resp, _ := b.call("POST", "/api/v1/namespaces/acme/configmaps", `{"metadata":{"name":"a"}}`, "Content-Type", jsonType)
		return resp.StatusCode
	}
	if code := create(); code != http.StatusForbidden {
		t.Errorf("closed: got %d", code)
	}
	closed.Store(false)
	if code := create(); code != http.StatusOK {
		t.Errorf("open: got %d", code)
	}
}

// TestFenceStuck: who cannot say whether a resource is fenced holds a write up for as long as a member may, and it is refused.
func TestFenceStuck(t *testing.T) {
	b := newBed(t, func(o *Options) {
		o.Timeout = 50 * time.Millisecond
		o.Fence = func(ctx context.Context, _, _ string) string {
			<-ctx.Done()
			return "it is not known who propagates it"
		}
	})
	resp, body := b.call("POST", "/api/v1/namespaces/acme/configmaps", `{"metadata":{"name":"a"}}`, "Content-Type", jsonType)
	if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "it is not known who propagates it") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	if diff := cmp.Diff([]string{}, lines(b.member.seen())); diff != "" {
		t.Errorf("the member was asked: %s", diff)
	}
}
