// Command admission measures what admission adds to a write of a federated object, through a real API server, in one
// run: go run ./bench/admission
//
// The same federated Deployments are written, in the stored version, to two namespaces in turn: one that admission looks
// after, and one that is exempted from it by its name.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

type options struct {
	requests, rounds, concurrency, size int
}

func main() {
	var o options
	flag.IntVar(&o.requests, "requests", 500, "how many writes of each kind are measured one after the other")
	flag.IntVar(&o.rounds, "rounds", 5, "how often the writes a second are measured; the median is reported")
	flag.IntVar(&o.concurrency, "concurrency", 16, "how many writers there are for the writes a second")
	flag.IntVar(&o.size, "size", 4096, "the size of the federated Deployment, in bytes")
	flag.Parse()
	// What controller-runtime's clients log is no part of the result, nor is it news that there are no cells.
	log.SetLogger(logr.Discard())
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/admission:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if least := min(o.requests, o.rounds, o.concurrency, o.size); least < 1 {
		return fmt.Errorf("a number is %d: give 1 or more for each", least)
	}
	dir, err := os.MkdirTemp("", "cellfed-bench-admission-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bed{}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := b.boot(ctx, dir); err != nil {
		return err
	}
	return measure(ctx, b, o)
}

func progress(what string) { fmt.Fprintln(os.Stderr, what) }
