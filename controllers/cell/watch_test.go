package cell

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

func TestClusterChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		change func(*kubefedv1beta1.KubeFedCluster)
		want   bool
	}{
		"Probe": {
			"upstream writes the time of its last probe every few seconds",
			func(c *kubefedv1beta1.KubeFedCluster) {
				c.ResourceVersion = "2"
				c.Status.Conditions[0].LastProbeTime = metav1.NewTime(epoch.Add(time.Hour))
			},
			false,
		},
		"Zones":      {"what else it finds out is of no interest", func(c *kubefedv1beta1.KubeFedCluster) { c.Status.KubernetesVersion = "v1" }, false},
		"Condition":  {"the cluster is not ready any more", func(c *kubefedv1beta1.KubeFedCluster) { c.Status.Conditions[0].Status = corev1.ConditionFalse }, true},
		"Type":       {"the cluster is offline", func(c *kubefedv1beta1.KubeFedCluster) { c.Status.Conditions[0].Type = common.ClusterOffline }, true},
		"Label":      {"somebody changed a label", func(c *kubefedv1beta1.KubeFedCluster) { c.Labels = map[string]string{"a": "b"} }, true},
		"Annotation": {"somebody changed an annotation", func(c *kubefedv1beta1.KubeFedCluster) { c.Annotations = map[string]string{"a": "b"} }, true},
		"Spec":       {"somebody changed the spec", func(c *kubefedv1beta1.KubeFedCluster) { c.Spec.ProxyURL = "x" }, true},
		"Deletion":   {"somebody deleted it", func(c *kubefedv1beta1.KubeFedCluster) { c.DeletionTimestamp = &metav1.Time{Time: epoch} }, true},
		"Finalizer":  {"what keeps it changed", func(c *kubefedv1beta1.KubeFedCluster) { c.Finalizers = []string{"a"} }, true},
		"Another":    {"it was deleted and made again between two looks", func(c *kubefedv1beta1.KubeFedCluster) { c.UID = "another" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			before := newCluster("c", common.ClusterReady, corev1.ConditionTrue)
			after := before.DeepCopy()
			tc.change(after)
			if got := clusterChanged().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != tc.want {
				t.Errorf("%s: %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	good := Options{KubeFedNamespace: "k", FacadeURL: "https://f:1", CABundle: &bundle{}}
	for name, tc := range map[string]struct {
		reason string
		change func(*Options)
		valid  bool
	}{
		"Good":      {"what is left out has a default", func(*Options) {}, true},
		"Namespace": {"nobody knows where KubeFed is", func(o *Options) { o.KubeFedNamespace = "" }, false},
		"NoURL":     {"nobody knows where the façade is", func(o *Options) { o.FacadeURL = "" }, false},
		"HTTP":      {"a token is sent to nobody in clear", func(o *Options) { o.FacadeURL = "http://f:1" }, false},
		"NoHost":    {"a URL without a host leads nowhere", func(o *Options) { o.FacadeURL = "https://" }, false},
		"Bundle":    {"nobody says whom to trust", func(o *Options) { o.CABundle = nil }, false},
		"Lifetime":  {"time does not run backwards", func(o *Options) { o.TokenLifetime = -1 }, false},
		"Grace":     {"nor does it here", func(o *Options) { o.TokenGrace = -1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			options := good
			tc.change(&options)
			if err := options.complete(); (err == nil) != tc.valid {
				t.Errorf("%s: %v", tc.reason, err)
			}
			if tc.valid && (options.TokenLifetime != DefaultTokenLifetime || options.TokenGrace != DefaultTokenGrace || options.Clock == nil || options.Concurrency == 0) {
				t.Errorf("%s: %+v", tc.reason, options)
			}
		})
	}
}
