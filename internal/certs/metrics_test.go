package certs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/cellfed/cellfed/internal/certs"
)

// TestCollector: the metric tells when what is served ends, of either source.
func TestCollector(t *testing.T) {
	w := newWorld(t)
	rotator := w.replica(w.options())
	dir := t.TempDir()
	cert, key := newPair(t, "own")
	write(t, dir, map[string][]byte{"tls.crt": cert, "tls.key": key, "ca.crt": cert})
	watcher, err := certs.New(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		source      certs.Source
		serving, ca time.Time
	}{
		"Rotator": {rotator, w.clock.Now().Add(lifetimes.Serving), w.clock.Now().Add(lifetimes.Authority)},
		"Watcher": {watcher, parse(cert).NotAfter, parse(cert).NotAfter},
	} {
		t.Run(name, func(t *testing.T) {
			want := fmt.Sprintf(`# HELP cellfed_certificate_expiry_timestamp_seconds When what this replica serves with ends, in seconds since the epoch: the serving certificate, and the CA that issued it.
# TYPE cellfed_certificate_expiry_timestamp_seconds gauge
cellfed_certificate_expiry_timestamp_seconds{name="ca"} %d
cellfed_certificate_expiry_timestamp_seconds{name="serving"} %d
`, tc.ca.Unix(), tc.serving.Unix())
			if err := testutil.CollectAndCompare(certs.NewCollector(tc.source), strings.NewReader(want)); err != nil {
				t.Error(err)
			}
		})
	}
}
