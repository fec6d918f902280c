package federated

import (
	"encoding/json"
	"testing"
)

// The seeds are in testdata/fuzz, beside what fuzzing found worth keeping.

func FuzzRoundTripV1Beta1(f *testing.F) {
	f.Fuzz(func(t *testing.T, namespace string, spec, status []byte) {
		fuzzRoundTrip(t, V1Beta1, V2Beta1, namespace, spec, status)
	})
}

func FuzzRoundTripV2Beta1(f *testing.F) {
	f.Fuzz(func(t *testing.T, namespace string, spec, status []byte) {
		fuzzRoundTrip(t, V2Beta1, V1Beta1, namespace, spec, status)
	})
}

func fuzzRoundTrip(t *testing.T, from, to, namespace string, spec, status []byte) {
	if CheckJSON(spec) != nil || CheckJSON(status) != nil {
		return
	}
	src := []byte(`{"apiVersion":"types.kubefed.io/` + from + `","metadata":{"namespace":` + quote(namespace) + `},"spec":` + string(spec) + `,"status":` + string(status) + `}`)
	assertRoundTrip(t, src, from, to)
}

// FuzzNeverPanics also finds out whether what is taken for JSON is what encoding/json takes for it.
func FuzzNeverPanics(f *testing.F) {
	f.Fuzz(func(t *testing.T, src []byte, to string) {
		if got := CheckJSON(src) == nil; got != json.Valid(src) {
			t.Fatalf("CheckJSON(%q) finds it good: %t, encoding/json: %t", src, got, !got)
		}
		got, err := Convert(src, to)
		if err == nil && !json.Valid(got) {
			t.Fatalf("Convert(%q, %q) is not JSON: %q", src, to, got)
		}
	})
}
