package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// actor is an API server that is as broken as a test wants it.
type actor struct {
	*server
	ca      []byte
	behave  atomic.Pointer[func(w http.ResponseWriter, r *http.Request) (answered bool)]
	writes  atomic.Int32
	version atomic.Int32
	// free ends what hangs.
	free chan struct{}
}

func newActor(t *testing.T) *actor {
	a := &actor{free: make(chan struct{})}
	a.server, a.ca = newServer(t, http.HandlerFunc(a.serve), nil)
	t.Cleanup(func() { close(a.free) })
	a.version.Store(10)
	return a
}

func (a *actor) does(behavior func(w http.ResponseWriter, r *http.Request) bool) {
	a.behave.Store(&behavior)
}

func (a *actor) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		a.writes.Add(1)
	}
	if behave := a.behave.Load(); behave != nil && (*behave)(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/readyz":
		_, _ = io.WriteString(w, "ok")
	case r.Method == http.MethodPatch:
		name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		_, _ = fmt.Fprintf(w, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"namespace":"app","uid":"u","resourceVersion":"%d","labels":{"cellfed.io/managed":"true"}}}`,
			name, a.version.Add(1))
	case r.URL.Query().Get("watch") != "":
		_, _ = fmt.Fprintf(w, `{"type":"BOOKMARK","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"resourceVersion":"%d","annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n",
			a.version.Load())
		_ = http.NewResponseController(w).Flush()
		a.hang(r)
	default:
		_, _ = fmt.Fprintf(w, `{"apiVersion":"v1","kind":"ConfigMapList","metadata":{"resourceVersion":"%d"},"items":[]}`, a.version.Load())
	}
}

func (a *actor) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-a.free:
	}
}

func (f *fleet) join(a *actor, name string) {
	c, s := newCluster(a.URL, a.ca)
	c.Name, c.UID = name, types.UID(name)
	f.Ensure(c, s)
	f.expect("synced", "configmaps")
}

func status(w http.ResponseWriter, code int, message string) bool {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":"InternalError","code":%d}`, message, code)
	return true
}

// TestTrouble: whatever a member's API server does, it costs its own calls and no more than their time, the others go on,
// and it is used again when it works again.
func TestTrouble(t *testing.T) {
	t.Cleanup(func() { noGoroutines(t) })
	isProbe := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "z") }
	page := func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>"+strings.Repeat("captive portal ", 1000))
		return true
	}
	cases := map[string]struct {
		reason string
		does   func(a *actor) func(http.ResponseWriter, *http.Request) bool
		// sick says that the member is to be found unhealthy; otherwise it stays healthy.
		sick bool
		// works says that writes succeed.
		works bool
	}{
		"Hangs": {"it accepts and never answers", func(a *actor) func(http.ResponseWriter, *http.Request) bool {
			return func(_ http.ResponseWriter, r *http.Request) bool { a.hang(r); return true }
		}, true, false},
		"HangsHalfway": {"it begins to answer and never ends", func(a *actor) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				_, _ = io.WriteString(w, `{"kind":`)
				_ = http.NewResponseController(w).Flush()
				a.hang(r)
				return true
			}
		}, true, false},
		"Page": {"a proxy's page in place of every answer", func(*actor) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, _ *http.Request) bool { return page(w) }
		}, true, false},
		"PageForWrites": {"a page for writes only", func(*actor) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool { return !isProbe(r) && page(w) }
		}, false, false},
		"Truncated": {"JSON that ends too soon", func(*actor) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if isProbe(r) {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","na`)
				return true
			}
		}, false, false},
		"OtherKind": {"an object of another kind", func(*actor) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if isProbe(r) {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","namespace":"app","uid":"u","resourceVersion":"5"}}`)
				return true
			}
		}, false, false},
		"OtherObject": {"an object of another name", func(*actor) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if isProbe(r) {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"y","namespace":"app","uid":"u","resourceVersion":"5"}}`)
				return true
			}
		}, false, false},
		"FailsAll": {"an error for everything", func(*actor) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				return status(w, 500, "it knows "+r.Header.Get("Authorization"))
			}
		}, true, false},
		"FailsWrites": {"an error for writes, while it is ready", func(*actor) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				return r.Method == http.MethodPatch && status(w, 500, "it knows "+r.Header.Get("Authorization"))
			}
		}, false, false},
		"Unauthorized": {"the token is no longer good", func(*actor) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, _ *http.Request) bool { return status(w, 401, "Unauthorized") }
		}, true, false},
		"Slow": {"it is slow, and works", func(*actor) func(http.ResponseWriter, *http.Request) bool {
			return func(_ http.ResponseWriter, r *http.Request) bool {
				select {
				case <-r.Context().Done():
				case <-time.After(300 * time.Millisecond):
				}
				return false
			}
		}, false, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, good := newActor(t), newActor(t)
			f := newFleet(t, func(o *Options) { o.Timeout, o.probeTimeout = 2*time.Second, 2*time.Second })
			f.Watch(configMaps)
			f.join(bad, "bad")
			f.join(good, "good")
			bad.does(tc.does(bad))

			began := time.Now()
			_, err := f.Create(t.Context(), "bad", configMaps, configMap("x", nil))
			if (err == nil) != tc.works {
				t.Errorf("%s: got %v", tc.reason, err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%s: the caller waited %s", tc.reason, took)
			}
			if err != nil && strings.Contains(err.Error(), testToken) {
				t.Errorf("%s: the message tells the token: %v", tc.reason, err)
			}
			if _, err := f.Create(t.Context(), "good", configMaps, configMap("x", nil)); err != nil {
				t.Errorf("%s: the other member: %v", tc.reason, err)
			}
			if tc.sick {
				eventually(t, "the member to be found unhealthy", func() bool { ok, _ := f.Healthy("bad"); return !ok })
				if _, why := f.Healthy("bad"); strings.Contains(why, testToken) || len(why) > 1000 {
					t.Errorf("%s: the reason is %q", tc.reason, why)
				}
				sent := bad.writes.Load()
				_, err := f.Create(t.Context(), "bad", configMaps, configMap("x", nil))
				if !errors.Is(err, ErrUnhealthy) || bad.writes.Load() != sent {
					t.Errorf("%s: %v, %d requests", tc.reason, err, bad.writes.Load()-sent)
				}
			}
			if o, known := f.Get("bad", configMaps, "app", "other"); o != nil || !known {
				t.Errorf("%s: what was known is not: %v, %v", tc.reason, o, known)
			}
			bad.does(func(http.ResponseWriter, *http.Request) bool { return false })
			eventually(t, "the member to work again", func() bool {
				_, err := f.Create(t.Context(), "bad", configMaps, configMap("x", nil))
				return err == nil
			})
			f.Forget("bad")
			if _, err := f.Create(t.Context(), "bad", configMaps, configMap("x", nil)); !errors.Is(err, ErrUnknown) {
				t.Errorf("%s: after its end: %v", tc.reason, err)
			}
		})
	}
}

// TestNothingThere: a member that there is not costs nobody anything, and is told.
func TestNothingThere(t *testing.T) {
	a := newActor(t)
	c, s := newCluster(a.URL, a.ca)
	a.Close()
	f := newFleet(t, nil)
	f.Watch(configMaps)
	f.Ensure(c, s)
	eventually(t, "the reason to be told", func() bool {
		ok, why := f.Healthy("hz-a")
		return !ok && strings.Contains(why, "refused")
	})
	if _, err := f.Read(t.Context(), "hz-a", configMaps, "app", "x"); !errors.Is(err, ErrUnhealthy) {
		t.Errorf("got %v", err)
	}
	f.Unwatch(configMaps)
}

// TestLyingList: what is no list of the type does not make objects be gone.
func TestLyingList(t *testing.T) {
	a := newActor(t)
	f := newFleet(t, func(o *Options) { o.Timeout = time.Second })
	f.Watch(configMaps)
	a.does(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("labelSelector") == "" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","namespace":"app","uid":"u","resourceVersion":"5"}}`+"\n")
		return true
	})
	c, s := newCluster(a.URL, a.ca)
	f.Ensure(c, s)
	eventually(t, "the trouble to be told", func() bool { _, why := f.Healthy("hz-a"); return why == "" && f.Trouble("hz-a", configMaps) != "" })
	if f.Synced("hz-a", configMaps) {
		t.Error("it is believed")
	}
}

// TestBrokenEvent: an event that cannot be makes the objects be read anew, so that nothing is missed.
func TestBrokenEvent(t *testing.T) {
	a := newActor(t)
	f := newFleet(t, nil)
	f.Watch(configMaps)
	f.join(a, "hz-a")
	var watches atomic.Int32
	a.does(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("watch") == "" || watches.Add(1) > 2 {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"type":"BOOKMARK","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"resourceVersion":"20","annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n"+
			`{"type":"ADDED","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","namespace":"app","uid":"u","resourceVersion":"21"}}}`+"\n")
		_ = http.NewResponseController(w).Flush()
		a.hang(r)
		return true
	})
	c, s := newCluster(a.URL, a.ca)
	c.Name, c.UID = "hz-a", "hz-a"
	s.Data[TokenKey] = []byte("next")
	f.Ensure(c, s)
	eventually(t, "the watches to begin anew", func() bool { return watches.Load() >= 4 })
}

// TestLimit: the limit of requests holds for a member, and a caller waits no longer than for an answer.
func TestLimit(t *testing.T) {
	a, b := newActor(t), newActor(t)
	f := newFleet(t, func(o *Options) { o.QPS, o.Timeout = 0.1, 5*time.Second })
	f.Watch(configMaps)
	f.join(a, "a")
	f.join(b, "b")
	for _, name := range []string{"a", "b"} {
		if _, err := f.Create(t.Context(), name, configMaps, configMap("x", nil)); err != nil {
			t.Errorf("the first request: %v", err)
		}
		if _, err := f.Create(t.Context(), name, configMaps, configMap("x", nil)); err == nil {
			t.Error("there is no limit")
		}
		if ok, why := f.Healthy(name); !ok {
			t.Errorf("a limit is no illness: %s", why)
		}
	}
	if a.writes.Load() != 1 || b.writes.Load() != 1 {
		t.Errorf("%d and %d requests were sent", a.writes.Load(), b.writes.Load())
	}
}

// TestCanceled: who no longer wants an answer does not make a member suspect.
func TestCanceled(t *testing.T) {
	a := newActor(t)
	f := newFleet(t, nil)
	f.Watch(configMaps)
	f.join(a, "hz-a")
	ctx, cancel := context.WithCancel(t.Context())
	var probes atomic.Int32
	a.does(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/readyz" {
			probes.Add(1)
		}
		if r.Method == http.MethodDelete {
			cancel()
			a.hang(r)
			return true
		}
		return false
	})
	live := &Object{Unstructured: configMap("x", nil)}
	if _, err := f.Delete(ctx, "hz-a", configMaps, live, metav1.DeleteOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if ok, why := f.Healthy("hz-a"); !ok || probes.Load() != 0 {
		t.Errorf("%d probes: %s", probes.Load(), why)
	}
}

// TestEndless: an answer without an end is cut off, whatever time there is.
func TestEndless(t *testing.T) {
	a := newActor(t)
	f := newFleet(t, func(o *Options) { o.Timeout = patience })
	f.Watch(configMaps)
	f.join(a, "hz-a")
	a.does(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		_, _ = io.WriteString(w, `{"a":"`)
		for chunk := []byte(strings.Repeat("x", 1<<20)); ; {
			if _, err := w.Write(chunk); err != nil {
				return true
			}
		}
	})
	if _, err := f.Create(t.Context(), "hz-a", configMaps, configMap("x", nil)); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
}

// TestSuspicious: what makes one doubt a member, and what does not.
func TestSuspicious(t *testing.T) {
	r := configMaps.Resource.GroupResource()
	cases := map[string]struct {
		reason string
		err    error
		want   bool
	}{
		"Nil":          {"nothing happened", nil, false},
		"Canceled":     {"the caller went away", fmt.Errorf("x: %w", context.Canceled), false},
		"Deadline":     {"it took too long", context.DeadlineExceeded, true},
		"Transport":    {"the connection broke", io.ErrUnexpectedEOF, true},
		"Answer":       {"the answer makes no sense", &AnswerError{}, true},
		"Internal":     {"it fails", apierrors.NewInternalError(io.EOF), true},
		"Unauthorized": {"it does not know who asks", apierrors.NewUnauthorized("x"), true},
		"NotFound":     {"an answer like any other", apierrors.NewNotFound(r, "x"), false},
		"Conflict":     {"an answer like any other", apierrors.NewConflict(r, "x", io.EOF), false},
		"TooMany":      {"it has enough to do", apierrors.NewTooManyRequests("x", 1), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := suspicious(tc.err); got != tc.want {
				t.Errorf("%s: got %v", tc.reason, got)
			}
		})
	}
}

// TestConflicts: a conflict that is not about the object does not mean that it exists.
func TestConflicts(t *testing.T) {
	a := newActor(t)
	f := newFleet(t, nil)
	f.Watch(configMaps)
	f.join(a, "hz-a")
	for name, tc := range map[string]struct {
		reason  string
		details string
		exists  bool
	}{
		"Object": {"the object is there", `{"name":"x","kind":"configmaps"}`, true},
		"Quota":  {"a quota is being changed", `{"name":"x","kind":"resourcequotas"}`, false},
		"Other":  {"another object is there", `{"name":"y","kind":"configmaps"}`, false},
		"None":   {"nobody knows what it is about", `null`, false},
	} {
		t.Run(name, func(t *testing.T) {
			a.does(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPatch {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusConflict)
				_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409,"details":`+tc.details+`}`)
				return true
			})
			_, err := f.Create(t.Context(), "hz-a", configMaps, configMap("x", nil))
			if apierrors.IsAlreadyExists(err) != tc.exists || apierrors.IsConflict(err) == tc.exists {
				t.Errorf("%s: got %v", tc.reason, err)
			}
		})
	}
}
