// Command propagation measures how federated objects reach the members: by cellfed, by upstream KubeFed v0.10.0 as it
// ships, and by a bare client that does the same writes, the floor. All of them work on the same API servers in one
// run: a host and two members, each a real kube-apiserver with a datastore of its own, on this machine.
//
//	go run ./bench/propagation
//	go run ./bench/propagation --only A,latency --rounds 5
//	go run ./bench/propagation --cellfed=false -o json
//
// Upstream, and cellfed at first, are measured with both versions served. At the end cellfed has the type served in
// v2beta1 alone (servedVersions of the FederatedTypePolicy), and A and conversions are measured once more.
//
// Upstream's controllers run as its chart runs them, and so does cellfed's manager, which has the memory limit of its own.
//
// The floor does what cannot be left out: one client, with as many workers as the one that writes for the propagators,
// writes an object to a CRD of the host that nobody watches, with the content and the schema of the federated object,
// and as soon as that is acknowledged writes what the members are to hold straight to them, to all of an object's
// members at once, by server-side apply (or, "plain", by POST and PUT). Every time is counted from the first write to
// the host until the watches of the members have shown the last object.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

type options struct {
	upstream, cellfed bool
	// v2beta1Only has the types served in v2beta1 alone once they are cellfed's.
	v2beta1Only bool
	only, types []string
	output, dir string
	args        []string
	sizes
}

// sizes are how much is measured.
type sizes struct {
	Objects     int `json:"objects"`
	Deployments int `json:"deployments"`
	Cells       int `json:"cells"`
	ManyCells   int `json:"manyCells"`
	Latency     int `json:"latency"`
	Conversions int `json:"conversions"`
	Stored      int `json:"stored"`
	Rounds      int `json:"rounds"`
	Concurrency int `json:"concurrency"`
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		// What controller-runtime's clients log is no part of the result.
		log.SetLogger(logr.Discard())
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o, newProgress(os.Stderr))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/propagation:", err)
		os.Exit(1)
	}
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	var only, types, extra string
	fs := flag.NewFlagSet("propagation", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.BoolVar(&o.upstream, "upstream", true, "measure upstream KubeFed")
	fs.BoolVar(&o.cellfed, "cellfed", true, "measure cellfed")
	fs.BoolVar(&o.v2beta1Only, "v2beta1-only", false, "have the types served in v2beta1 alone as soon as they were handed to cellfed, instead of at the end; sections that write v1beta1 are left out")
	fs.StringVar(&only, "only", "", "the sections to run, of "+strings.Join(sectionNames(), ",")+" (default all)")
	fs.StringVar(&types, "types", "", "the federated types that are handed to cellfed (default all)")
	fs.StringVar(&extra, "manager-args", "", "further flags of cellfed's manager, separated by blanks")
	fs.StringVar(&o.output, "o", "table", "table or json")
	fs.StringVar(&o.dir, "dir", "", "where data and logs go, and stay (default a directory that is removed)")
	fs.IntVar(&o.Objects, "objects", 500, "federated ConfigMaps in A, updates, cells")
	fs.IntVar(&o.Deployments, "deployments", 200, "federated Deployments in B")
	fs.IntVar(&o.Cells, "cells", 10, "cells in B")
	fs.IntVar(&o.ManyCells, "many-cells", 20, "cells on each cluster in cells")
	fs.IntVar(&o.Latency, "latency", 100, "objects in latency, and twice as many in slow")
	fs.IntVar(&o.Conversions, "conversions", 100, "objects in conversions")
	fs.IntVar(&o.Stored, "stored", 5000, "objects in place in restart")
	fs.IntVar(&o.Rounds, "rounds", 3, "rounds of A, B and updates by cellfed and the floor; the median counts")
	fs.IntVar(&o.Concurrency, "concurrency", 16, "workers of the client")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.only, o.types, o.args = list(only), list(types), strings.Fields(extra)
	for _, name := range o.only {
		if !slices.Contains(sectionNames(), name) {
			return o, fmt.Errorf("--only names the section %q: give some of %s", name, strings.Join(sectionNames(), ","))
		}
	}
	if o.v2beta1Only {
		for _, name := range o.only {
			if !slices.Contains(v2beta1Sections, name) {
				return o, fmt.Errorf("--only names the section %q, which writes v1beta1: with --v2beta1-only give some of %s", name, strings.Join(v2beta1Sections, ","))
			}
		}
		if len(o.only) == 0 {
			o.only = v2beta1Sections
		}
	}
	if o.output != "table" && o.output != "json" {
		return o, fmt.Errorf("-o is %q: give table or json", o.output)
	}
	s := o.sizes
	if least := min(s.Objects, s.Deployments, s.Cells, s.ManyCells, s.Latency, s.Conversions, s.Stored, s.Rounds, s.Concurrency); least < 1 {
		return o, fmt.Errorf("a number is %d: give 1 or more for each", least)
	}
	return o, nil
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// progress writes a line with the time since the start.
type progress func(format string, args ...any)

func newProgress(out io.Writer) progress {
	start := time.Now()
	return func(format string, args ...any) {
		fmt.Fprintf(out, "%7.1fs  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}
