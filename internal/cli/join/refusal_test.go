package join

import (
	"strings"
	"testing"

	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/join/membership"
)

func cluster(name, endpoint, uid string, labels map[string]string) kubefedv1beta1.KubeFedCluster {
	c := kubefedv1beta1.KubeFedCluster{}
	c.Name, c.Labels, c.Spec.APIEndpoint = name, labels, endpoint
	if uid != "" {
		c.Annotations = map[string]string{membership.ClusterUIDAnnotation: uid}
	}
	return c
}

func TestRefusal(t *testing.T) {
	wanted := cluster("hz-a", "https://10.0.0.1:6443", "uid-1", nil)
	cell := map[string]string{v1alpha1.TopologyTypeLabel: "cell"}
	cases := map[string]struct {
		reason string
		there  []kubefedv1beta1.KubeFedCluster
		want   string
	}{
		"New":           {reason: "another member is there", there: []kubefedv1beta1.KubeFedCluster{cluster("hz-b", "https://10.0.0.2:6443", "uid-2", nil)}},
		"Again":         {reason: "the same is joined again", there: []kubefedv1beta1.KubeFedCluster{cluster("hz-a", "https://10.0.0.1:6443/", "uid-1", nil)}},
		"Kubefedctl":    {reason: "one that kubefedctl joined is taken up where the endpoint is the same", there: []kubefedv1beta1.KubeFedCluster{cluster("hz-a", "10.0.0.1:6443", "", nil)}},
		"OtherEndpoint": {reason: "another endpoint is never taken over", there: []kubefedv1beta1.KubeFedCluster{cluster("hz-a", "https://10.0.0.9:6443", "uid-1", nil)}, want: "give --endpoint https://10.0.0.9:6443"},
		"OtherCluster":  {reason: "another cluster behind the same endpoint", there: []kubefedv1beta1.KubeFedCluster{cluster("hz-a", "https://10.0.0.1:6443", "uid-2", nil)}, want: "is registered for another cluster"},
		"SameEndpoint":  {reason: "two names for one endpoint", there: []kubefedv1beta1.KubeFedCluster{cluster("hz-b", "10.0.0.1:6443", "", nil)}, want: `is registered already, as "hz-b"`},
		"SameCluster":   {reason: "two names for one cluster at two endpoints", there: []kubefedv1beta1.KubeFedCluster{cluster("hz-b", "https://example:443", "uid-1", nil)}, want: `is registered already, as "hz-b"`},
		"Cell":          {reason: "a cell's KubeFedCluster has the name", there: []kubefedv1beta1.KubeFedCluster{cluster("hz-a", "https://facade", "", cell)}, want: "stands for a cell"},
		"OtherCell":     {reason: "cells are no members", there: []kubefedv1beta1.KubeFedCluster{cluster("acme.rz00a", "https://10.0.0.1:6443", "", cell)}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := refusal(&wanted, tc.there)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: it says %v, want %q", tc.reason, err, tc.want)
			}
		})
	}
}
