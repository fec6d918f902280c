package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/go-logr/logr"
)

// gcPercent is how much the heap grows, in percent of what is in use, before it is collected. Most of what a release
// allocates is gone a moment later, and Go's own 100 has it collected many times for nothing.
const gcPercent = 400

// tuneMemory has the heap collected rarely while there is memory, and often when the container's limit comes near. GOGC,
// GOMEMLIMIT and AUTOMEMLIMIT decide where they are set. Where there is no limit, or nothing tells of it, Go's own behavior stays.
func tuneMemory(log logr.Logger, ofContainer memlimit.Provider) {
	limit, err := memlimit.Set(memlimit.WithProvider(ofContainer))
	switch {
	case err != nil:
		log.Info("The memory limit is not known: the heap is collected as Go does by default", "reason", err.Error())
		return
	case limit == math.MaxInt64:
		log.V(1).Info("There is no memory limit: the heap is collected as Go does by default")
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	log.V(1).Info("The heap is collected rarely until it comes near its limit", "limitBytes", limit)
}
