package main

import (
	"errors"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"

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

// unsetenv takes away what tunes the heap, until the test ends.
func unsetenv(t *testing.T) {
	t.Helper()
	for _, variable := range []string{"GOGC", "GOMEMLIMIT", "AUTOMEMLIMIT"} {
		t.Setenv(variable, "") // It is as it was afterwards.
		_ = os.Unsetenv(variable)
	}
}

func TestTuneMemory(t *testing.T) {
	none := func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	for name, c := range map[string]struct {
		environment map[string]string
		ofContainer memlimit.Provider
		percent     int
		limit       int64
	}{
		"Limited":      {environment: map[string]string{"GOMEMLIMIT": "4GiB"}, percent: percentAtMost, limit: 4 << 30},
		"OwnPercent":   {environment: map[string]string{"GOMEMLIMIT": "4GiB", "GOGC": "50"}, percent: 77, limit: 4 << 30},
		"OneGiB":       {environment: map[string]string{"GOMEMLIMIT": "1GiB"}, percent: 6400, limit: 1 << 30},
		"Container":    {ofContainer: memlimit.Limit(1000), percent: 100, limit: 900},
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
				debug.SetMemoryLimit(c.limit)
			}
			unsetenv(t)
			for variable, value := range c.environment {
				t.Setenv(variable, value)
			}
			tuneMemory(t.Context(), logr.Discard(), c.ofContainer)
			if percent, limit := gc(t); percent != c.percent || limit != c.limit {
				t.Errorf("The heap grows by %d percent up to %d bytes, want %d up to %d", percent, limit, c.percent, c.limit)
			}
		})
	}
}

// garbage keeps the compiler from leaving out what a test allocates.
var garbage []byte

func TestTuneHeap(t *testing.T) {
	percent, limit := gc(t)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	debug.SetMemoryLimit(math.MaxInt64)
	unsetenv(t)
	forced := []metrics.Sample{{Name: "/gc/cycles/forced:gc-cycles"}}
	synctest.Test(t, func(t *testing.T) {
		after := func(seconds int) (percent int, collections uint64) {
			time.Sleep(time.Duration(seconds) * time.Second)
			synctest.Wait()
			percent, _ = gc(t)
			metrics.Read(forced)
			return percent, forced[0].Value.Uint64()
		}
		_, before := after(0)
		tuneMemory(t.Context(), logr.Discard(), memlimit.Limit(1<<30))
		// What the process allocated before counts for the first second.
		percent, collections := after(restAfter + 2)
		if percent != percentAtRest || collections != before+1 {
			t.Errorf("At rest the heap grows by %d percent, and was collected and given back %d times; want %d, once", percent, collections-before, percentAtRest)
		}
		garbage = make([]byte, busyBytes)
		percent, collections = after(1)
		if percent <= percentAtRest || collections != before+1 {
			t.Errorf("A busy manager's heap grows by %d percent, and was given back %d times; want more than %d, once", percent, collections-before, percentAtRest)
		}
		if percent, collections = after(restAfter); percent != percentAtRest || collections != before+2 {
			t.Errorf("At rest again the heap grows by %d percent, and was given back %d times; want %d, twice", percent, collections-before, percentAtRest)
		}
	})
}

func TestPercentBusy(t *testing.T) {
	for name, c := range map[string]struct {
		inUse uint64
		limit int64
		want  int
	}{
		"Start": {inUse: 0, limit: 1 << 30, want: 6400},
		"Small": {inUse: 16 << 20, limit: 1 << 30, want: 1600},
		"Large": {inUse: 512 << 20, limit: 1 << 30, want: 100},
		"Huge":  {inUse: 1 << 20, limit: math.MaxInt64 - 1, want: percentAtMost},
	} {
		t.Run(name, func(t *testing.T) {
			if got := percentBusy(c.inUse, c.limit); got != c.want {
				t.Errorf("percentBusy(%d, %d): %d, want %d", c.inUse, c.limit, got, c.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	const some, much = busyBytes - 1, busyBytes
	var l load
	var allocated uint64
	after := func(seconds int, bytes uint64, rested, resting bool, why string) {
		t.Helper()
		for second := range seconds {
			allocated += bytes
			if got, want := l.next(allocated), rested && second == seconds-1; got != want {
				t.Fatalf("After %d seconds of %d bytes it has come to rest: %t, want %t. %s", second+1, bytes, got, want, why)
			}
		}
		if l.resting != resting {
			t.Fatalf("After %d seconds of %d bytes it rests: %t, want %t. %s", seconds, bytes, l.resting, resting, why)
		}
	}
	after(20, much, false, false, "A manager is busy when it starts.")
	after(restAfter-1, some, false, false, "Bursts have pauses.")
	after(1, much, false, false, "Who works after a pause never rested.")
	after(restAfter, some, true, true, "A pause that lasts is rest.")
	after(100, some, false, true, "Memory is given back once.")
	after(1, much, false, false, "The next burst begins at once.")
	after(restAfter, 0, true, true, "Rest follows each burst.")
}
