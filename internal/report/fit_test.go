package report_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

const leftOut = "remoteStatus left out: "

// limit is what a status may have; a MiB and a half is what the datastore takes.
const limit = 900 << 10

// sized returns a topology whose object's status has about that many bytes of JSON.
func sized(name string, bytes int) report.Topology {
	return report.Topology{Name: name, Placed: true, Outcome: wrote(5), Live: live(map[string]any{"text": strings.Repeat("x", bytes)})}
}

func encoded(t testing.TB, o *federated.Object, status federated.Status) []byte {
	t.Helper()
	content, err := o.EncodeStatus(status)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestCut: a status that is too large is cut, and not lost.
func TestCut(t *testing.T) {
	var wordy []report.Topology
	for i := range 1500 {
		wordy = append(wordy, report.Topology{Name: fmt.Sprintf("acme.c%04d", i), Placed: true, Outcome: failing(federated.StatusUpdateFailed, strings.Repeat("<", 1000))})
	}
	const kib = 1 << 10
	cases := map[string]struct {
		reason     string
		topologies []report.Topology
		want       []string // whose own status is left out
	}{
		"Fits":        {reason: "Nothing is cut without need.", topologies: []report.Topology{sized("acme.a", 400*kib), sized("acme.b", 400*kib)}},
		"Largest":     {reason: "The largest one goes, and the others stay.", topologies: []report.Topology{sized("acme.a", 200*kib), sized("acme.b", 500*kib), sized("acme.c", 300*kib)}, want: []string{"acme.b"}},
		"OneTooLarge": {reason: "One alone can be too large.", topologies: []report.Topology{sized("acme.a", 2000*kib)}, want: []string{"acme.a"}},
		"Equal":       {reason: "Of several of one size the first by name goes.", topologies: []report.Topology{sized("acme.b", 400*kib), sized("acme.c", 400*kib), sized("acme.a", 400*kib)}, want: []string{"acme.a"}},
		"Escaped": {reason: "What takes six bytes each takes six bytes each.", want: []string{"acme.a"}, topologies: []report.Topology{
			{Name: "acme.a", Placed: true, Outcome: wrote(5), Live: live(map[string]any{"text": strings.Repeat("<", 200*kib)})}, sized("acme.b", 10)}},
		"Messages": {reason: "Messages go last.", topologies: wordy},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := pay(federated.Status{})
			got, _ := report.Build(report.Input{Object: o, Topologies: tc.topologies, Now: now, Kind: configMap})
			if size := len(encoded(t, o, got)); size > limit {
				t.Errorf("%s\nthe status has %d bytes", tc.reason, size)
			}
			var without []string
			for _, c := range got.Clusters {
				if strings.HasPrefix(c.Message, leftOut) != (c.RemoteStatus == nil && name != "Messages") {
					t.Errorf("%s\n%s: remoteStatus %t, message %q", tc.reason, c.Name, c.RemoteStatus != nil, c.Message)
				}
				if strings.HasPrefix(c.Message, leftOut) {
					without = append(without, c.Name)
				}
			}
			if diff := cmp.Diff(tc.want, without); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
			}
			if len(got.Clusters) != len(tc.topologies) {
				t.Errorf("%s\n%d of %d topologies are listed", tc.reason, len(got.Clusters), len(tc.topologies))
			}
			o.Status = got
			if again, changed := report.Build(report.Input{Object: o, Topologies: tc.topologies, Now: then, Kind: configMap}); changed {
				t.Errorf("%s\nit changes when nothing does:\n%s", tc.reason, cmp.Diff(got, again))
			}
			for i := range tc.topologies {
				tc.topologies[i].Outcome, tc.topologies[i].Live = nil, nil
			}
			if again, changed := report.Build(report.Input{Object: o, Topologies: tc.topologies, Now: then, Kind: configMap}); changed {
				t.Errorf("%s\nit changes with a restart:\n%s", tc.reason, cmp.Diff(got, again))
			}
		})
	}
}

// TestCutIsUndone: what was left out is told again when there is room, and a message of the member's stays meanwhile.
func TestCutIsUndone(t *testing.T) {
	const kib = 1 << 10
	large, small := sized("acme.a", 1000*kib), sized("acme.a", kib)
	large.Outcome, small.Outcome = failing(federated.StatusUpdateFailed, "no"), failing(federated.StatusUpdateFailed, "no")
	o := pay(federated.Status{})
	o.Status, _ = report.Build(report.Input{Object: o, Topologies: []report.Topology{large}, Now: now, Kind: configMap})
	if message := o.Status.Clusters[0].Message; !strings.HasPrefix(message, "no; "+leftOut) {
		t.Errorf("got message %q", message)
	}
	small.Outcome = nil
	got, _ := report.Build(report.Input{Object: o, Topologies: []report.Topology{small}, Now: now, Kind: configMap})
	if c := got.Clusters[0]; c.Message != "no" || c.RemoteStatus == nil {
		t.Errorf("got message %q and remoteStatus %t", c.Message, c.RemoteStatus != nil)
	}
}

// TestSizeIsNoLess: whatever the members say, a status is cut before it is too large. The limit leaves room for the
// estimate to be too high, and none for it to be too low.
func TestSizeIsNoLess(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("a\"\\<>&\n\x00\x7f\u2028\u2029é世😀\xff")), 1, 40, -1)
		o := pay(federated.Status{})
		var topologies []report.Topology
		for i := range rapid.IntRange(1, 5).Draw(rt, "topologies") {
			unit := map[string]any{
				text.Draw(rt, "key"): text.Draw(rt, "value"), "n": rapid.Int64().Draw(rt, "int"), "f": rapid.Float64().Draw(rt, "float"),
				"l": []any{text.Draw(rt, "item"), nil, true, false, rapid.Float64().Draw(rt, "item")},
			}
			count := rapid.IntRange(1, 6000).Draw(rt, "count")
			items := make([]any, count)
			for i := range items {
				items[i] = unit
			}
			topologies = append(topologies, report.Topology{Name: fmt.Sprintf("acme.c%d", i), Placed: true,
				Outcome: failing(text.Draw(rt, "status"), text.Draw(rt, "message")), Live: live(map[string]any{"items": items})})
		}
		got, _ := report.Build(report.Input{Object: o, Topologies: topologies, Now: now, Kind: configMap})
		if size := len(encoded(t, o, got)); size > limit {
			rt.Fatalf("the status has %d bytes", size)
		}
	})
}
