package diff

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

// TestHideSecrets: no value of a Secret is shown, wherever it stands, and it still shows which of them change.
func TestHideSecrets(t *testing.T) {
	secret := func(rest string) *unstructured.Unstructured {
		if rest == "" {
			return nil
		}
		return kubetest.FromYAML(t, "{apiVersion: v1, kind: Secret, metadata: {name: pay"+rest+"}")
	}
	const applied = `, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"data":{"a":"aHVzaA=="}}', other: shown}}`
	cases := map[string]struct {
		reason        string
		before, after string
		want          string
	}{
		"Data": {
			reason: "what is the same, what changes, what comes and what goes", before: "}, data: {same: aHVzaA==, changes: aHVzaA==, goes: aHVzaA==}", after: "}, data: {same: aHVzaA==, changes: c2hoaA==, comes: aHVzaA==}",
			want: "data: changes: '*** (before)' goes: '***' same: '***' | data: changes: '*** (after)' comes: '***' same: '***'",
		},
		"StringData": {reason: "it is readable", before: "}, stringData: {a: hush}", after: "}, stringData: {a: shhh}", want: "stringData: a: '*** (before)' | stringData: a: '*** (after)'"},
		"Odd":        {reason: "it need not be what it should be", before: "}, data: hush", after: "}, stringData: [hush]", want: "data: '***' | stringData: '***'"},
		"LastApplied": {
			reason: "it holds all that was applied", before: applied, after: strings.Replace(applied, "aHVzaA==", "c2hoaA==", 1),
			want: "annotations: kubectl.kubernetes.io/last-applied-configuration: '*** (before)' other: shown | annotations: kubectl.kubernetes.io/last-applied-configuration: '*** (after)' other: shown",
		},
		"LastAppliedAlone": {reason: "nothing is there now", after: applied, want: "| annotations: kubectl.kubernetes.io/last-applied-configuration: '***' other: shown"},
		"OtherTools": {
			reason: "others keep copies too", before: `, annotations: {objectset.rio.cattle.io/applied: aHVzaA==, example.com/original: '{"stringData":{"a":"hush"}}'}}`,
			want: "annotations: example.com/original: '***' objectset.rio.cattle.io/applied: '***' |",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before, after := secret(tc.before), secret(tc.after)
			hideSecrets(before, after)
			var sides []string
			for _, u := range []*unstructured.Unstructured{before, after} {
				text, err := textOf(u)
				if err != nil {
					t.Fatal(err)
				}
				text = strings.NewReplacer("apiVersion: v1", "", "kind: Secret", "", "name: pay", "", "metadata:", "").Replace(text)
				sides = append(sides, strings.Join(strings.Fields(text), " "))
			}
			if diff := cmp.Diff(tc.want, strings.TrimSpace(strings.Join(sides, " | "))); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
