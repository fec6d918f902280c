package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// section is one part of what is measured. Each of its functions may be nil.
type section struct {
	name string
	// shipped measures upstream as it ships, before cellfed is installed.
	shipped func(context.Context, *bed) error
	// beside measures upstream with cellfed beside it: what upstream cannot do alone.
	beside func(context.Context, *bed) error
	// cellfed measures cellfed, after the types were handed to it.
	cellfed func(context.Context, *bed) error
	// alone measures cellfed again at the end, when the types are served in v2beta1 alone.
	alone func(context.Context, *bed) error
	// figures are the results.
	figures func(sizes) []figure
}

// newSections returns the sections, in the order in which they run.
func newSections() []section {
	return []section{newBurst(), newCellBurst(), newLatency(), newConversions(), newUpdates(), newSlow(), newCells(), newRestart()}
}

// alone returns the figures of a section as those of what is served in v2beta1 alone.
func alone(section string, figures []figure) []figure {
	for i := range figures {
		figures[i].Section = section + ", v2beta1 alone"
	}
	return figures
}

// v2beta1Sections are those whose objects cellfed's part writes in v2beta1, of a type that may be served in it alone.
var v2beta1Sections = []string{"A", "latency", "conversions", "updates"}

func sectionNames() []string {
	var names []string
	for _, s := range newSections() {
		names = append(names, s.name)
	}
	return names
}

// run runs the sections that are asked for, and prints what came out, also when some of them failed.
func run(ctx context.Context, o options, say progress) error {
	var chosen []section
	for _, s := range newSections() {
		if len(o.only) == 0 || slices.Contains(o.only, s.name) {
			chosen = append(chosen, s)
		}
	}
	b, err := newBed(ctx, o, say)
	if err != nil {
		b.Close()
		return err
	}
	defer b.Close()
	measureErr := measure(ctx, b, chosen)
	// The logs tell what failed.
	b.keep = b.keep || measureErr != nil && ctx.Err() == nil
	result := report{Command: "go run ./bench/propagation " + strings.Join(os.Args[1:], " "), Sizes: o.sizes}
	for _, s := range chosen {
		for _, f := range s.figures(o.sizes) {
			f.Section = cmp.Or(f.Section, s.name)
			if f.Cellfed == nil && f.Upstream == nil && f.Floor == nil {
				continue
			}
			result.Lines = append(result.Lines, f.lines()...)
		}
	}
	if measureErr != nil {
		result.Errors = strings.Split(measureErr.Error(), "\n")
	}
	write := result.table
	if o.output == "json" {
		write = result.json
	}
	return errors.Join(write(os.Stdout), measureErr)
}

// measure takes the sections through the stages. A section that fails does not end the others.
func measure(ctx context.Context, b *bed, chosen []section) error {
	var errs []error
	stage := func(who string, wanted bool, part func(section) func(context.Context, *bed) error) {
		for _, s := range chosen {
			do := part(s)
			if !wanted || do == nil || ctx.Err() != nil {
				continue
			}
			b.progress("%s: %s", s.name, who)
			if err := errors.Join(do(ctx, b), b.Err()); err != nil {
				b.progress("%s failed: %v", s.name, err)
				errs = append(errs, fmt.Errorf("section %s, %s: %w", s.name, who, err))
			}
		}
	}
	stage("upstream as it ships", b.options.upstream, func(s section) func(context.Context, *bed) error { return s.shipped })
	needed := b.options.cellfed || b.options.upstream && slices.ContainsFunc(chosen, func(s section) bool { return s.beside != nil })
	if !needed || ctx.Err() != nil {
		return errors.Join(append(errs, context.Cause(ctx))...)
	}
	if err := b.install(ctx); err != nil {
		return errors.Join(append(errs, err)...)
	}
	stage("upstream with cellfed beside it", b.options.upstream, func(s section) func(context.Context, *bed) error { return s.beside })
	if b.options.cellfed && ctx.Err() == nil {
		if err := b.handOver(ctx); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	stage("cellfed", b.options.cellfed, func(s section) func(context.Context, *bed) error { return s.cellfed })
	if b.options.cellfed && !b.options.v2beta1Only && ctx.Err() == nil && slices.ContainsFunc(chosen, func(s section) bool { return s.alone != nil }) {
		if err := b.hideV1Beta1(ctx); err != nil {
			return errors.Join(append(errs, err)...)
		}
		stage("cellfed, v2beta1 alone", true, func(s section) func(context.Context, *bed) error { return s.alone })
	}
	return errors.Join(append(errs, context.Cause(ctx))...)
}
