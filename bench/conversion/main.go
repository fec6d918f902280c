// Command conversion compares the conversion of a federated Deployment with the same done by decoding it to unstructured
// and encoding it again, in both directions, and prints the ratio.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/cellfed/cellfed/internal/federated"
)

type direction struct{ from, to string }

var directions = []direction{
	{federated.V1Beta1, federated.V2Beta1},
	{federated.V2Beta1, federated.V1Beta1},
}

type contender struct {
	name    string
	convert func(src []byte, to string) ([]byte, error)
}

var contenders = []contender{
	{"cellfed", federated.Convert},
	{"decode and encode", decodeAndEncode},
}

func run(b *testing.B, convert func([]byte, string) ([]byte, error), src []byte, to string) {
	b.ReportAllocs()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := convert(src, to); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}

func main() {
	testing.Init()
	rounds := flag.Int("rounds", 5, "how often each is measured, in turns; the median counts")
	duration := flag.String("duration", "300ms", "how long each measurement takes")
	atLeast := flag.Float64("at-least", 0, "fail if a ratio is less than this; 0 means never")
	flag.Parse()
	if err := flag.Set("test.benchtime", *duration); err != nil {
		fail(err)
	}
	var table strings.Builder
	table.WriteString("from, bytes\tto\t\tobjects/s\tMB/s\tns/op\tallocs/op\tB/op\tratio\t\n")
	least := 0.0
	for _, d := range directions {
		ratio, err := compare(&table, d, *rounds)
		if err != nil {
			fail(err)
		}
		if least == 0 || ratio < least {
			least = ratio
		}
	}
	if err := print(table.String()); err != nil {
		fail(err)
	}
	if least < *atLeast {
		fail(fmt.Errorf("a ratio is %.1f: want at least %.1f", least, *atLeast))
	}
}

func print(table string) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	if _, err := out.Write([]byte(table)); err != nil {
		return err
	}
	return out.Flush()
}

// compare measures the contenders in one direction, adds a row for each, and returns how many times as fast the first
// is as the second.
func compare(table *strings.Builder, d direction, rounds int) (float64, error) {
	src, err := deployment(d.from)
	if err != nil {
		return 0, err
	}
	results := make([][]testing.BenchmarkResult, len(contenders))
	for range rounds {
		for i, c := range contenders {
			r := testing.Benchmark(func(b *testing.B) { run(b, c.convert, src, d.to) })
			if r.N == 0 {
				return 0, fmt.Errorf("%s cannot convert to %s", c.name, d.to)
			}
			results[i] = append(results[i], r)
		}
	}
	var medians []testing.BenchmarkResult
	for _, rs := range results {
		slices.SortFunc(rs, func(a, b testing.BenchmarkResult) int { return int(a.NsPerOp() - b.NsPerOp()) })
		medians = append(medians, rs[len(rs)/2])
	}
	baseline := float64(medians[len(medians)-1].NsPerOp())
	for i, m := range medians {
		ns := float64(m.NsPerOp())
		fmt.Fprintf(table, "%s, %d\t%s\t%s\t%.0f\t%.0f\t%.0f\t%d\t%d\t%.1f\t\n", d.from, len(src), d.to, contenders[i].name,
			1e9/ns, float64(len(src))*1e3/ns, ns, m.AllocsPerOp(), m.AllocedBytesPerOp(), baseline/ns)
	}
	return baseline / float64(medians[0].NsPerOp()), nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "Error:", err)
	os.Exit(1)
}
