package federated

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
)

func TestEncodeStatus(t *testing.T) {
	status := Status{
		ObservedGeneration: 4,
		Conditions: []Condition{
			{Type: PropagationCondition, Status: "True", LastUpdateTime: "t1", LastTransitionTime: "t2"},
			{Type: "Held", Status: "True", Reason: "Masked", Message: "rz01a is held", LastTransitionTime: "t3", ObservedGeneration: 4},
		},
		Clusters: []ClusterStatus{
			{Name: "acme.rz00a", RemoteStatus: map[string]any{"replicas": int64(1)}, Generation: 4, AppliedVersion: "d:gen:9", LastChangeTime: "t4"},
			{Name: "hz-a", Status: StatusHeld, Generation: 3, Message: "held"},
		},
		Summary: &Summary{Placed: 2, InSync: 1, Held: 1},
	}
	clusters := func(first, second string) []any {
		return []any{
			map[string]any{"name": first, "remoteStatus": map[string]any{"replicas": int64(1)}, "generation": int64(4), "appliedVersion": "d:gen:9", "lastChangeTime": "t4"},
			map[string]any{"name": second, "status": "Held", "generation": int64(3), "message": "held"},
		}
	}
	conditions := []any{
		map[string]any{"type": "Propagation", "status": "True", "lastUpdateTime": "t1", "lastTransitionTime": "t2"},
		map[string]any{"type": "Held", "status": "True", "reason": "Masked", "message": "rz01a is held", "lastTransitionTime": "t3", "observedGeneration": int64(4)},
	}
	summary := map[string]any{"placed": int64(2), "inSync": int64(1), "held": int64(1), "failed": int64(0), "available": int64(0)}
	cases := map[string]struct {
		reason, version, typ string
		status               Status
		want                 map[string]any
	}{
		"V1Beta1": {
			reason: "clusters are clusters, whatever the type", version: V1Beta1, typ: "cell", status: status,
			want: map[string]any{"observedGeneration": int64(4), "conditions": conditions, "clusters": clusters("acme.rz00a", "hz-a"), "summary": summary},
		},
		"V2Beta1Cells": {
			reason: "cells have their own names, and what is none says so", version: V2Beta1, typ: "cell", status: status,
			want: map[string]any{"observedGeneration": int64(4), "conditions": conditions, "topologies": clusters("rz00a", "cluster:hz-a"), "summary": summary},
		},
		"V2Beta1Clusters": {
			reason: "clusters keep their names", version: V2Beta1, typ: "cluster", status: status,
			want: map[string]any{"observedGeneration": int64(4), "conditions": conditions, "topologies": clusters("acme.rz00a", "hz-a"), "summary": summary},
		},
		"Zero": {
			reason: "what is not known is left out", version: V2Beta1, typ: "cluster", want: map[string]any{},
		},
		"EmptyLists": {
			reason: "an empty list is one, or an apply would leave what was there", version: V1Beta1, typ: "cluster",
			status: Status{Conditions: []Condition{}, Clusters: []ClusterStatus{}, Summary: &Summary{}},
			want: map[string]any{"conditions": []any{}, "clusters": []any{},
				"summary": map[string]any{"placed": int64(0), "inSync": int64(0), "held": int64(0), "failed": int64(0), "available": int64(0)}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := &Object{APIVersion: Group + "/" + tc.version, Namespace: "acme", Placement: Placement{TopologyType: tc.typ}}
			got, err := o.EncodeStatus(tc.status)
			if err != nil {
				t.Fatalf("%s: EncodeStatus: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: EncodeStatus: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	if _, err := (&Object{APIVersion: "v1"}).EncodeStatus(status); !errors.Is(err, ErrUnknownVersion) {
		t.Errorf("EncodeStatus of an object of no version: %v, want an ErrUnknownVersion", err)
	}
}

var anyStatus = rapid.Custom(func(t *rapid.T) Status {
	word := rapid.SampledFrom([]string{"", "x", "Held", "2026-01-02T03:04:05Z", "é"})
	number := rapid.SampledFrom([]int64{0, 1, 2, 1 << 60})
	s := Status{ObservedGeneration: number.Draw(t, "observed")}
	for i := range rapid.IntRange(0, 3).Draw(t, "conditions") {
		s.Conditions = append(s.Conditions, Condition{
			Type: fmt.Sprint(i), Status: word.Draw(t, "status"), Reason: word.Draw(t, "reason"), Message: word.Draw(t, "message"),
			LastUpdateTime: word.Draw(t, "update"), LastTransitionTime: word.Draw(t, "transition"), ObservedGeneration: number.Draw(t, "generation"),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "clusters") {
		s.Clusters = append(s.Clusters, ClusterStatus{
			Name: names.Draw(t, "name"), Status: word.Draw(t, "status"), Generation: number.Draw(t, "generation"),
			RemoteStatus:   rapid.SampledFrom([]any{nil, "x", map[string]any{"clusters": []any{map[string]any{"name": "rz00a"}}}, map[string]any{}}).Draw(t, "remote"),
			AppliedVersion: word.Draw(t, "applied"), LastChangeTime: word.Draw(t, "change"), Message: word.Draw(t, "message"),
		})
	}
	if rapid.Bool().Draw(t, "summarized") {
		s.Summary = &Summary{Placed: number.Draw(t, "placed"), InSync: 1, Held: 2, Failed: 3, Available: 4}
	}
	return s
})

// What is written is read again as it was, in the version that it was written in and, converted, in the other.
func TestStatusRoundTrip(t *testing.T) {
	for from, to := range map[string]string{V1Beta1: V2Beta1, V2Beta1: V1Beta1} {
		t.Run(from, rapid.MakeCheck(func(t *rapid.T) {
			u := unstructuredOf(t, `{"apiVersion":"types.kubefed.io/`+from+`","metadata":{"namespace":"acme-prod"},"spec":{"topologyType":"`+
				rapid.SampledFrom([]string{"cell", "cluster"}).Draw(t, "type")+`"}}`)
			o, err := Decode(u)
			if err != nil {
				t.Fatal(err)
			}
			want := anyStatus.Draw(t, "status")
			status, err := o.EncodeStatus(want)
			if err != nil {
				t.Fatal(err)
			}
			u.Object["status"] = (&unstructured.Unstructured{Object: status}).DeepCopy().Object
			assertStatus(t, want, u)
			converted, err := Convert([]byte(jsonOf(t, u.Object)), to)
			if err != nil {
				t.Fatal(err)
			}
			assertStatus(t, want, unstructuredOf(t, string(converted)))
		}))
	}
}

func assertStatus(t *rapid.T, want Status, u *unstructured.Unstructured) {
	t.Helper()
	o, err := Decode(u)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, o.Status, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("status of %v: -written +read:\n%s", u.Object, diff)
	}
}
