package main

import (
	"errors"
	"math"
	"os"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
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
	none := func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	for name, c := range map[string]struct {
		environment map[string]string
		ofContainer memlimit.Provider
		percent     int
		limit       int64
	}{
		"Limited":      {environment: map[string]string{"GOMEMLIMIT": "900MiB"}, percent: gcPercent, limit: 1 << 40},
		"OwnPercent":   {environment: map[string]string{"GOMEMLIMIT": "900MiB", "GOGC": "50"}, percent: 77, limit: 1 << 40},
		"Container":    {ofContainer: memlimit.Limit(1000), percent: gcPercent, limit: 900},
		"NoLimit":      {ofContainer: none, percent: 77, limit: math.MaxInt64},
		"Off":          {environment: map[string]string{"AUTOMEMLIMIT": "off"}, ofContainer: memlimit.Limit(1000), percent: 77, limit: math.MaxInt64},
		"Unreadable":   {ofContainer: func() (uint64, error) { return 0, errors.New("no cgroup") }, percent: 77, limit: math.MaxInt64},
		"UnknownLimit": {environment: map[string]string{"AUTOMEMLIMIT": "much"}, percent: 77, limit: math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			percent, limit := gc(t)
			t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
			// What the runtime made of the environment when the process began.
			debug.SetGCPercent(77)
			debug.SetMemoryLimit(math.MaxInt64)
			if _, ok := c.environment["GOMEMLIMIT"]; ok {
				debug.SetMemoryLimit(1 << 40)
			}
			for _, variable := range []string{"GOGC", "GOMEMLIMIT", "AUTOMEMLIMIT"} {
				t.Setenv(variable, "") // It is as it was afterwards.
				_ = os.Unsetenv(variable)
			}
			for variable, value := range c.environment {
				t.Setenv(variable, value)
			}
			tuneMemory(logr.Discard(), c.ofContainer)
			if percent, limit := gc(t); percent != c.percent || limit != c.limit {
				t.Errorf("The heap grows by %d percent up to %d bytes, want %d up to %d", percent, limit, c.percent, c.limit)
			}
		})
	}
}
