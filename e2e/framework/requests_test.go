package framework

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRequests reads a log whose last line is still being written, and one that nothing was written to.
func TestRequests(t *testing.T) {
	log, _, err := NewRequestLog(t.TempDir(), "system")
	if err != nil {
		t.Fatal(err)
	}
	if all, err := log.Requests(); err != nil || len(all) > 0 {
		t.Errorf("a log that is not there has %v, %v", all, err)
	}
	const (
		granted = `{"verb":"get","requestURI":"/version","user":{"username":"system:serviceaccount:system:manager"},"responseStatus":{"code":200}}` + "\n"
		refused = `{"verb":"patch","requestURI":"/apis/apps/v1/namespaces/a/deployments/b/status","user":{"username":"system:serviceaccount:system:manager"},` +
			`"objectRef":{"resource":"deployments","subresource":"status","apiGroup":"apps"},"responseStatus":{"code":403,"message":"no"}}` + "\n"
	)
	if err := os.WriteFile(log.path, []byte(granted), 0o600); err != nil {
		t.Fatal(err)
	}
	first := Request{Account: "manager", Verb: "get", URI: "/version", Code: 200}
	second := Request{
		Account: "manager", Verb: "patch", URI: "/apis/apps/v1/namespaces/a/deployments/b/status", Group: "apps", Resource: "deployments/status", Code: 403, Message: "no",
	}
	expect := func(want ...Request) {
		t.Helper()
		got, err := log.Requests()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the requests, -want +got:\n%s", diff)
		}
	}
	expect(first)
	if err := log.Forget(); err != nil {
		t.Fatal(err)
	}
	expect()
	if err := os.WriteFile(log.path, []byte(granted+refused+`{"verb":`), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(second)
	if first.Forbidden() || !second.Forbidden() {
		t.Error("what was refused is not told from what was granted")
	}
}
