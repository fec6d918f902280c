package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/go-logr/logr"
)

// A heap grows by percentAtRest, Go's own default, before it is collected, or else by garbageShare of the memory limit in a busy
// manager: most of what a release allocates is gone a moment later, and a small heap would be collected many times for nothing.
const (
	percentAtRest = 100
	percentAtMost = 10000
	garbageShare  = 4
	// smallestHeap is what Go's runtime takes for the heap in use where it is smaller.
	smallestHeap = 4 << 20
)

// A manager is busy in a second in which it allocates busyBytes, and for restAfter seconds more.
const (
	busyBytes = 8 << 20
	restAfter = 5
)

// tuneMemory has the heap collected rarely while there is memory, and often when the container's limit comes near, and gives
// back what a burst of work took once the manager rests, until the context ends. Go's own behavior stays where there is no limit,
// or nothing tells of it, or GOGC is set; GOMEMLIMIT and AUTOMEMLIMIT set the limit.
func tuneMemory(ctx context.Context, log logr.Logger, ofContainer memlimit.Provider) {
	limit, err := memlimit.Set(memlimit.WithProvider(ofContainer))
	switch {
	case err != nil:
		log.Info("The memory limit is not known: the heap is collected as Go does by default", "reason", err.Error())
		return
	case limit == math.MaxInt64:
		log.V(1).Info("There is no memory limit: the heap is collected as Go does by default")
		return
	case os.Getenv("GOGC") != "":
		log.V(1).Info("The heap is collected as GOGC says", "limitBytes", limit)
		return
	}
	debug.SetGCPercent(percentBusy(0, limit))
	go tuneHeap(ctx, limit)
	log.V(1).Info("The heap is collected rarely until it comes near its limit", "limitBytes", limit)
}

// percentBusy returns by how much the heap may grow in a busy manager, in percent of the bytes that are in use.
func percentBusy(inUse uint64, limit int64) int {
	return int(min(max(uint64(limit)/garbageShare/(max(inUse, smallestHeap)/100), percentAtRest), percentAtMost))
}

// tuneHeap looks once a second whether the manager is busy, and how much is in use.
func tuneHeap(ctx context.Context, limit int64) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	// What is in use, to the collector, is what it found in the heap the last time, and what it begins with.
	read := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	var l load
	current := percentBusy(0, limit)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if ctx.Err() != nil {
			return
		}
		metrics.Read(read)
		if l.next(read[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
		percent := percentAtRest
		if !l.resting {
			percent = percentBusy(read[1].Value.Uint64()+read[2].Value.Uint64()+read[3].Value.Uint64(), limit)
		}
		if percent != current {
			debug.SetGCPercent(percent)
			current = percent
		}
	}
}

// load is how busy the manager is. The zero load is busy: a manager that starts reads all there is.
type load struct {
	allocated uint64
	resting   bool
	// quiet is how many seconds in a row too little was allocated to be busy.
	quiet int
}

// next takes what was allocated altogether, in bytes, a second after it took that the last time. It reports whether the
// manager has just come to rest.
func (l *load) next(allocated uint64) bool {
	if allocated-l.allocated >= busyBytes {
		l.quiet, l.resting = 0, false
	} else {
		l.quiet++
	}
	l.allocated = allocated
	rested := !l.resting && l.quiet >= restAfter
	l.resting = l.resting || rested
	return rested
}
