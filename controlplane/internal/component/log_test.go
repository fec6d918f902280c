package component

import (
	"bytes"
	"testing"
)

func TestErrorsOnly(t *testing.T) {
	const (
		info     = "I1122 18:08:00.064190 942 a.go:1] \"Starting\"\n"
		failure  = "E1122 18:08:00.064190 942 a.go:1] \"Something broke\"\n"
		watch    = "E1122 18:08:00.064190 942 reflector.go:227] \"Failed to watch\" err=\"connection refused\"\n"
		manifest = "E1122 18:08:00.064190 942 options.go:205] The manifest file is empty, ignoring.\n"
	)
	cases := map[string]struct {
		reason   string
		stopping bool
		want     string
	}{
		"Running":  {"An operator sees what went wrong, and only that", false, failure + watch},
		"Stopping": {"A watch that ends with the process is nothing wrong", true, failure},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			stopping := make(chan struct{})
			if tc.stopping {
				close(stopping)
			}
			var out bytes.Buffer
			w := &errorsOnly{to: &out, stopping: stopping}
			for _, line := range []string{info, manifest, failure, watch} {
				if n, err := w.Write([]byte(line)); err != nil || n != len(line) {
					t.Errorf("Write(%q) = %d, %v: a line that is dropped counts as written", line, n, err)
				}
			}
			if got := out.String(); got != tc.want {
				t.Errorf("%s: got\n%swant\n%s", tc.reason, got, tc.want)
			}
		})
	}
}
