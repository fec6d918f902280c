package customizations

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
)

// TestRecorded: what Argo CD says of objects that e2e/gitops has met in a host: each file's name ends with the health, and
// its first line is the message.
func TestRecorded(t *testing.T) {
	paths, err := filepath.Glob("testdata/recorded/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("nothing is recorded: %v", err)
	}
	overrides := Health(load(t))
	for _, path := range paths {
		base := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(base, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			message, _, _ := strings.Cut(strings.TrimPrefix(string(data), "# "), "\n")
			want := &health.HealthStatus{Status: health.HealthStatusCode(base[strings.LastIndex(base, "-")+1:]), Message: message}
			got, err := health.GetResourceHealth(parse(t, string(data)), overrides)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("it is judged otherwise than it was (-want +got):\n%s", diff)
			}
		})
	}
}
