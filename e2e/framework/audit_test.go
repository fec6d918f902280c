package framework

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const auditLines = `{"kind":"Event","verb":"create","user":{"username":"system:admin"},"userAgent":"hyperfed/v0 (linux)","objectRef":{"resource":"configmaps","namespace":"a","name":"b","apiVersion":"v1"},"responseStatus":{"code":201}}
{"kind":"Event","verb":"patch","user":{"username":"u"},"userAgent":"kubectl","objectRef":{"resource":"deployments","subresource":"status","apiGroup":"apps","namespace":"a","name":"c"},"responseStatus":{"code":409}}
`

func TestWrites(t *testing.T) {
	created := Write{User: "system:admin", Agent: "hyperfed/v0", Verb: "create", Resource: "configmaps", Namespace: "a", Name: "b", Code: 201}
	refused := Write{User: "u", Agent: "kubectl", Verb: "patch", Resource: "deployments.apps/status", Namespace: "a", Name: "c", Code: 409}
	const unfinished = `{"kind":"Event","verb":"dele`

	cases := map[string]struct {
		reason string
		before string
		after  string
		keep   func(Write) bool
		want   []Write
	}{
		"All":        {reason: "no filter takes every line", after: auditLines, want: []Write{created, refused}},
		"SinceMark":  {reason: "what was written before the mark is left out", before: auditLines, after: auditLines, want: []Write{created, refused}},
		"Succeeded":  {reason: "the filter decides", after: auditLines, keep: Write.Succeeded, want: []Write{created}},
		"Unfinished": {reason: "a line that is still being written is not an error", after: auditLines + unfinished, want: []Write{created, refused}},
		"Nothing":    {reason: "a cluster that nobody wrote to has no writes"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cp := &ControlPlane{Name: "cluster", Dir: t.TempDir()}
			appendTo(t, cp.auditLog(), tc.before)
			mark, err := cp.Mark()
			if err != nil {
				t.Fatal(err)
			}
			appendTo(t, cp.auditLog(), tc.after)
			got, err := cp.Writes(mark, tc.keep)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	if text == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
