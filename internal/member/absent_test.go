package member

import (
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAbsent: an object is gone when the member says so, and not when something in front of it knows no paths at all.
func TestAbsent(t *testing.T) {
	a := newActor(t)
	f := newFleet(t, nil)
	f.Watch(configMaps)
	f.join(a, "hz-a")
	live := &Object{Unstructured: configMap("x", nil)}
	live.SetUID("u")
	page := func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<html>no such page</html>")
		return true
	}
	missing := func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"details":{"name":"x","kind":"configmaps"}}`)
		return true
	}
	isProbe := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "z") }
	isObject := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/x") }
	cases := map[string]struct {
		reason string
		does   func(http.ResponseWriter, *http.Request) bool
		gone   bool
	}{
		"Status": {"the member tells", func(w http.ResponseWriter, r *http.Request) bool {
			return isObject(r) && missing(w)
		}, true},
		"TypeNotServed": {"a member that lives does not know the type", func(w http.ResponseWriter, r *http.Request) bool {
			return isObject(r) && page(w)
		}, true},
		"NoMember": {"nothing is known there", func(w http.ResponseWriter, r *http.Request) bool {
			return (isObject(r) || isProbe(r)) && page(w)
		}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a.does(tc.does)
			defer a.does(func(http.ResponseWriter, *http.Request) bool { return false })
			gone, err := f.Delete(t.Context(), "hz-a", configMaps, live, metav1.DeleteOptions{})
			if gone != tc.gone || (err == nil) != tc.gone {
				t.Errorf("%s: gone %v, %v", tc.reason, gone, err)
			}
			o, err := f.Read(t.Context(), "hz-a", configMaps, "app", "x")
			if o != nil || (err == nil) != tc.gone {
				t.Errorf("%s: read %v, %v", tc.reason, o, err)
			}
		})
	}
}

// TestUnhealthyTold: that a member cannot be used is told also where it never could be, and where its registration is
// wrong.
func TestUnhealthyTold(t *testing.T) {
	a := newActor(t)
	told := make(chan string, 100)
	f := newFleet(t, func(o *Options) { o.OnUnhealthy = func(string) { told <- "" } })
	f.Watch(configMaps)
	f.join(a, "hz-a")
	expect := func(reason string) {
		t.Helper()
		eventually(t, reason, func() bool {
			select {
			case <-told:
				return true
			default:
				return false
			}
		})
	}
	c, s := newCluster(a.URL, a.ca)
	c.Name, c.UID = "hz-a", "hz-a"
	if len(told) != 0 {
		t.Fatal("a member that works was told to be unhealthy")
	}
	f.Ensure(c, nil)
	expect("the Secret is gone")
	f.Ensure(c, s)
	f.expect("healthy", "")

	dead := newActor(t)
	c, s = newCluster(dead.URL, dead.ca)
	c.Name, c.UID = "hz-b", "hz-b"
	dead.Close()
	f.Ensure(c, s)
	expect("it was never there")
}
