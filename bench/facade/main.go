// Command facade measures what a cell's façade costs beside the member cluster itself: latency of a get and of an update,
// throughput of a long list, and the memory of idle watches. It boots one real API server, serves a façade of it in a
// process of its own, and asks both in turn, so that what else the machine does falls on both.
//
//	go run ./bench/facade --controlplane bin/controlplane
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == serveCommand {
		exit(serve(os.Args[2:]))
	}
	var o options
	flag.StringVar(&o.controlplane, "controlplane", "bin/controlplane", "the controlplane binary")
	flag.IntVar(&o.objects, "objects", 5000, "objects in the list")
	flag.IntVar(&o.size, "size", 4096, "bytes of data in an object")
	flag.IntVar(&o.requests, "requests", 1000, "gets and updates, each, on either way")
	flag.IntVar(&o.lists, "lists", 7, "lists on either way")
	flag.IntVar(&o.watches, "watches", 100, "idle watches")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "bench/facade:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
