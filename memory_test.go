package main

import (
	"os"
	"runtime/debug"
	"testing"

	"github.com/go-logr/logr"
)

// gc returns the heap's growth that is set, and the memory limit.
func gc(t *testing.T) (percent int, limit int64) {
	t.Helper()
	percent = debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent, debug.SetMemoryLimit(-1)
}

func TestTuneMemory(t *testing.T) {
	for name, c := range map[string]struct {
		environment map[string]string
		percent     int
		limit       int64
	}{
		"Limited":      {environment: map[string]string{"GOMEMLIMIT": "900MiB"}, percent: gcPercent, limit: 1 << 40},
		"OwnPercent":   {environment: map[string]string{"GOMEMLIMIT": "900MiB", "GOGC": "50"}, percent: 77, limit: 1 << 40},
		"UnknownLimit": {environment: map[string]string{"AUTOMEMLIMIT": "much"}, percent: 77, limit: 1 << 40},
	} {
		t.Run(name, func(t *testing.T) {
			percent, limit := gc(t)
			t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
			// What the runtime made of the environment when the process began.
			debug.SetGCPercent(77)
			debug.SetMemoryLimit(1 << 40)
			for _, variable := range []string{"GOGC", "GOMEMLIMIT", "AUTOMEMLIMIT"} {
				t.Setenv(variable, "") // It is as it was afterwards.
				_ = os.Unsetenv(variable)
			}
			for variable, value := range c.environment {
				t.Setenv(variable, value)
			}
			tuneMemory(logr.Discard())
			if percent, limit := gc(t); percent != c.percent || limit != c.limit {
				t.Errorf("The heap grows by %d percent up to %d bytes, want %d up to %d", percent, limit, c.percent, c.limit)
			}
		})
	}
}
