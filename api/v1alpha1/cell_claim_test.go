package v1alpha1

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestClaim(t *testing.T) {
	for reason, tc := range map[string]struct {
		cell Cell
		want string
	}{
		"the target namespace is the Cell's own when the spec names none": {
			cell: Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Spec: CellSpec{ClusterName: "hz-a"}},
			want: "hz-a/shop",
		},
		"the spec's target namespace counts": {
			cell: Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Spec: CellSpec{ClusterName: "hz-a", TargetNamespace: "shop-1"}},
			want: "hz-a/shop-1",
		},
	} {
		t.Run(reason, func(t *testing.T) {
			if got := tc.cell.Claim(); got != tc.want {
				t.Errorf("Claim() = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPrecedes(t *testing.T) {
	at := func(seconds int64, namespace, name string) *Cell {
		return &Cell{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(time.Unix(seconds, 0)),
		}}
	}
	for reason, tc := range map[string]struct {
		a, b *Cell
		want bool
	}{
		"the older one comes first, whatever its name":   {a: at(1, "z", "z"), b: at(2, "a", "a"), want: true},
		"the younger one does not":                       {a: at(2, "a", "a"), b: at(1, "z", "z"), want: false},
		"of the same second, the namespace decides":      {a: at(1, "a", "z"), b: at(1, "b", "a"), want: true},
		"of the same second and namespace, the name":     {a: at(1, "a", "a"), b: at(1, "a", "b"), want: true},
		"a Cell does not come before itself":             {a: at(1, "a", "a"), b: at(1, "a", "a"), want: false},
		"a namespace that sorts later does not go first": {a: at(1, "b", "a"), b: at(1, "a", "z"), want: false},
	} {
		t.Run(reason, func(t *testing.T) {
			if got := tc.a.Precedes(tc.b); got != tc.want {
				t.Errorf("Precedes() = %t, want %t", got, tc.want)
			}
		})
	}
}
