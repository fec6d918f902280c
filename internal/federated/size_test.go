package federated

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
)

// sizedObject returns an object of type cell whose template, override value and remote status have about so many
// bytes each, with escapes, nested objects and numbers in them.
func sizedObject(version string, size int) []byte {
	var filler strings.Builder
	for filler.Len() < size {
		filler.WriteString(`{"env":"\u003ca=\"b\\\"\u003e","n":[1,2.50,12345678901234567890],"clusters":[{"name":"acme.a"}]},`)
	}
	list := "[" + strings.TrimSuffix(filler.String(), ",") + "]"
	v2 := wrap(V2Beta1, "acme", `,"spec":{"overrides":[{"topologyName":"a","topologyOverrides":[{"path":"/x","value":`+list+`}]}],
		"placement":{"topologies":[{"name":"a"},{"name":"b"}],"topologySelector":{"matchLabels":{"city":"hz"}}},"template":`+list+`,"topologyType":"cell"},
		"status":{"topologies":[{"name":"a","remoteStatus":`+list+`}]}`)
	if version == V2Beta1 {
		return v2
	}
	v1, err := Convert(v2, V1Beta1)
	if err != nil {
		panic(err)
	}
	return v1
}

func TestAllocationsDoNotGrowWithTheObject(t *testing.T) {
	for from, to := range map[string]string{V1Beta1: V2Beta1, V2Beta1: V1Beta1} {
		var allocations []float64
		for _, size := range []int{1 << 10, 1 << 20} {
			src := sizedObject(from, size)
			dst := make([]byte, 0, len(src)+growth)
			allocations = append(allocations, testing.AllocsPerRun(20, func() {
				if _, err := AppendConvert(dst, src, to); err != nil {
					t.Fatal(err)
				}
			}))
		}
		// One for each name that gets a namespace, and two for a converter when the pool has none.
		const names, converter = 4, 2
		if max(allocations[0], allocations[1]) > names+converter {
			t.Errorf("%s to %s: %v allocations at 1 KiB and 1 MiB, want at most %d", from, to, allocations, names+converter)
		}
	}
}

func TestConvertUsesOneBuffer(t *testing.T) {
	for from, to := range map[string]string{V1Beta1: V2Beta1, V2Beta1: V1Beta1} {
		src := sizedObject(from, 1<<20)
		const runs = 10
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			mustConvertSize(t, src, to)
		}
		runtime.ReadMemStats(&after)
		perRun := float64(after.TotalAlloc-before.TotalAlloc) / runs
		if limit := 1.2 * float64(len(src)); perRun > limit {
			t.Errorf("%s to %s: %.0f bytes allocated for an object of %d, want less than %.0f", from, to, perRun, len(src), limit)
		}
	}
}

func mustConvertSize(t *testing.T, src []byte, to string) {
	t.Helper()
	if _, err := Convert(src, to); err != nil {
		t.Fatal(err)
	}
}

func TestRoundTripOfLargeObjects(t *testing.T) {
	for from, to := range map[string]string{V1Beta1: V2Beta1, V2Beta1: V1Beta1} {
		src := sizedObject(from, 1<<20)
		before := bytes.Clone(src)
		assertRoundTrip(t, src, from, to)
		if !bytes.Equal(src, before) {
			t.Errorf("%s to %s: the source was written to", from, to)
		}
	}
}

// A converter is used again, so what one conversion held must not show in another's result.
func TestConversionsDoNotMix(t *testing.T) {
	want := map[string][]byte{}
	for _, namespace := range []string{"acme", "other"} {
		want[namespace] = mustConvert(t, wrap(V1Beta1, namespace, cells(`"placement":{"clusters":[{"name":"acme.a"},{"name":"other.a"}]}`)), V2Beta1)
	}
	errs := make(chan string, 8)
	for i := range cap(errs) {
		namespace := []string{"acme", "other"}[i%2]
		go func() {
			for range 2000 {
				got, err := Convert(wrap(V1Beta1, namespace, cells(`"placement":{"clusters":[{"name":"acme.a"},{"name":"other.a"}]}`)), V2Beta1)
				if err != nil || !bytes.Equal(got, want[namespace]) {
					errs <- string(got)
					return
				}
			}
			errs <- ""
		}()
	}
	for range cap(errs) {
		if got := <-errs; got != "" {
			t.Errorf("a conversion among others gave %s", got)
		}
	}
}
