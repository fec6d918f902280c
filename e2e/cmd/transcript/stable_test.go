package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStable(t *testing.T) {
	cases := map[string]struct {
		reason, out, want string
	}{
		"Nothing": {reason: "no output is none"},
		"Ages": {
			reason: "an age has one width in every run, and so has its column",
			out: "NAME    HEALTH   AGE    CLUSTER\n" +
				"rz00a   Ready    3m7s   hz-a\n" +
				"rz00b   Ready    12s    hz-a\n",
			want: "NAME    HEALTH   AGE   CLUSTER\n" +
				"rz00a   Ready    1m    hz-a\n" +
				"rz00b   Ready    1m    hz-a\n",
		},
		"EmptyCells": {
			reason: "a row may end before the last column, and an absent age stays absent",
			out: "OBJECT   SINCE   MESSAGE\n" +
				"a        2m10s   it is 5m late\n" +
				"b        -\n",
			want: "OBJECT   SINCE   MESSAGE\n" +
				"a        1m      it is 5m late\n" +
				"b        -\n",
		},
		"Indented": {
			reason: "a table within a text ends where its indent does",
			out: "Conditions:\n" +
				"  TYPE    SINCE\n" +
				"  Ready   117s\n" +
				"Cluster:  9s\n",
			want: "Conditions:\n" +
				"  TYPE    SINCE\n" +
				"  Ready   1m\n" +
				"Cluster:  9s\n",
		},
		"Ageless": {
			reason: "a table without ages is left as it is",
			out:    "NAME   MESSAGE\na      12s\n",
			want:   "NAME   MESSAGE\na      12s\n",
		},
		"Addresses": {
			reason: "ports and times are those of one run",
			out:    "https://127.0.0.1:30385/cells at 2026-11-23T04:26:06Z\n",
			want:   "https://192.0.2.1:6443/cells at 2026-01-01T00:00:00Z\n",
		},
		"Progress": {
			reason: "whether progress is told depends on how fast the clusters are",
			out:    "rz00a gets generation 8\ngeneration 8 is not reported yet\nnot available: rz00a\nreleased\n",
			want:   "rz00a gets generation 8\nreleased\n",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, stable(c.out)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", c.reason, diff)
			}
			if diff := cmp.Diff(c.want, stable(c.want)); diff != "" {
				t.Errorf("what is stable does not stay so: (-want +got)\n%s", diff)
			}
		})
	}
}
