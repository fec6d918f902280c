package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// counting counts how often it is encoded.
type counting struct{ times *int }

func (c counting) MarshalJSON() ([]byte, error) {
	*c.times++
	return []byte(`"value"`), nil
}

// TestNewLogger: values come with what is logged, and cost nothing before.
func TestNewLogger(t *testing.T) {
	var out bytes.Buffer
	times := 0
	root := newLogger(&zap.Options{DestWriter: &out})
	with := func() logr.Logger {
		return root.WithName("propagation").WithValues("controller", "a").WithValues("reconcileID", counting{&times}, "n", 1)
	}
	with().V(1).Info("nobody asked for this")
	if times != 0 || out.Len() != 0 {
		t.Errorf("Values are encoded %d times, and %q is written, where nothing is logged", times, out.String())
	}
	with().Info("something", "more", true)
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%q: %v", out.String(), err)
	}
	delete(got, "ts")
	want := map[string]any{
		"level": "info", "logger": "propagation", "msg": "something", "controller": "a", "reconcileID": "value", "n": 1.0, "more": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
