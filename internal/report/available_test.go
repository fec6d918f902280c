package report_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

// TestRules: what the objects of each kind say of whether they work. Of Deployments, DaemonSets and StatefulSets it is what
// kubectl rollout status says.
func TestRules(t *testing.T) {
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	daemonSet := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DaemonSet"}
	statefulSet := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}
	job := schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}
	claim := schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}
	cases := map[string]struct {
		reason string
		kind   schema.GroupVersionKind
		object string
		want   string
	}{
		"DeploymentDone": {reason: "All replicas are new and available.", kind: deployment, want: "True Available",
			object: `{metadata: {generation: 2}, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3}}`},
		"DeploymentZero": {reason: "None are wanted, and none are there.", kind: deployment, want: "True Available",
			object: `{metadata: {generation: 2}, spec: {replicas: 0}, status: {observedGeneration: 2}}`},
		"DeploymentUnobserved": {reason: "The status is the last spec's.", kind: deployment, want: "False Progressing",
			object: `{metadata: {generation: 3}, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3}}`},
		"DeploymentUpdating": {reason: "Not all replicas are new.", kind: deployment, want: "False Progressing",
			object: `{metadata: {generation: 2}, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 2, availableReplicas: 3}}`},
		"DeploymentOld": {reason: "Old replicas are still there.", kind: deployment, want: "False Progressing",
			object: `{metadata: {generation: 2}, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 4, updatedReplicas: 3, availableReplicas: 4}}`},
		"DeploymentUnavailable": {reason: "New replicas are not available.", kind: deployment, want: "False Progressing",
			object: `{metadata: {generation: 2}, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 2}}`},
		"DeploymentStuck": {reason: "It has given up.", kind: deployment, want: "False Failed",
			object: `{metadata: {generation: 2}, spec: {replicas: 3}, status: {observedGeneration: 2, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}}`},
		"DeploymentWasStuck": {reason: "It has given up on the last spec.", kind: deployment, want: "False Progressing",
			object: `{metadata: {generation: 3}, spec: {replicas: 3}, status: {observedGeneration: 2, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}}`},
		"DeploymentNew": {reason: "There is no status yet.", kind: deployment, want: "False Progressing", object: `{metadata: {generation: 1}, spec: {replicas: 1}}`},
		"DaemonSetDone": {reason: "All nodes have the new one.", kind: daemonSet, want: "True Available",
			object: `{metadata: {generation: 2}, spec: {updateStrategy: {type: RollingUpdate}}, status: {observedGeneration: 2, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2}}`},
		"DaemonSetUpdating": {reason: "Some nodes have the old one.", kind: daemonSet, want: "False Progressing",
			object: `{metadata: {generation: 2}, spec: {updateStrategy: {type: RollingUpdate}}, status: {observedGeneration: 2, desiredNumberScheduled: 2, updatedNumberScheduled: 1, numberAvailable: 2}}`},
		"DaemonSetUnavailable": {reason: "On some nodes it does not work.", kind: daemonSet, want: "False Progressing",
			object: `{metadata: {generation: 2}, status: {observedGeneration: 2, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1}}`},
		"DaemonSetByHand": {reason: "People decide when it is updated.", kind: daemonSet, want: "Unknown NotKnown",
			object: `{metadata: {generation: 2}, spec: {updateStrategy: {type: OnDelete}}, status: {observedGeneration: 2}}`},
		"StatefulSetDone": {reason: "All replicas have the new revision.", kind: statefulSet, want: "True Available",
			object: `{metadata: {generation: 2}, spec: {replicas: 2, updateStrategy: {type: RollingUpdate}}, status: {observedGeneration: 2, readyReplicas: 2, updatedReplicas: 2, updateRevision: b, currentRevision: b}}`},
		"StatefulSetUpdating": {reason: "The new revision is not the current one.", kind: statefulSet, want: "False Progressing",
			object: `{metadata: {generation: 2}, spec: {replicas: 2, updateStrategy: {type: RollingUpdate}}, status: {observedGeneration: 2, readyReplicas: 2, updatedReplicas: 1, updateRevision: b, currentRevision: a}}`},
		"StatefulSetPartition": {reason: "The replicas above the partition are new.", kind: statefulSet, want: "True Available",
			object: `{metadata: {generation: 2}, spec: {replicas: 3, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}}, status: {observedGeneration: 2, readyReplicas: 3, updatedReplicas: 1, updateRevision: b, currentRevision: a}}`},
		"StatefulSetBelowPartition": {reason: "One above the partition is not new.", kind: statefulSet, want: "False Progressing",
			object: `{metadata: {generation: 2}, spec: {replicas: 3, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 1}}}, status: {observedGeneration: 2, readyReplicas: 3, updatedReplicas: 1}}`},
		"StatefulSetUnready": {reason: "A replica is not ready.", kind: statefulSet, want: "False Progressing",
			object: `{metadata: {generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 2, readyReplicas: 1}}`},
		"StatefulSetNew": {reason: "There is no status yet.", kind: statefulSet, want: "False Progressing", object: `{spec: {replicas: 0}}`},
		"StatefulSetByHand": {reason: "People decide when it is updated.", kind: statefulSet, want: "Unknown NotKnown",
			object: `{spec: {updateStrategy: {type: OnDelete}}}`},
		"JobDone":    {reason: "It is complete.", kind: job, want: "True Available", object: `{status: {conditions: [{type: Complete, status: "True"}]}}`},
		"JobRunning": {reason: "It is neither.", kind: job, want: "False Progressing", object: `{status: {active: 1, conditions: [{type: Suspended, status: "False"}]}}`},
		"JobFailed":  {reason: "It has failed.", kind: job, want: "False Failed", object: `{status: {conditions: [{type: Failed, status: "True"}]}}`},
		"PodReady":   {reason: "It is ready.", kind: podKind, want: "True Available", object: `{status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`},
		"PodRunning": {reason: "It runs and is not ready.", kind: podKind, want: "False Progressing", object: `{status: {phase: Running, conditions: [{type: Ready, status: "False"}]}}`},
		"PodDone":    {reason: "It has done what it is for.", kind: podKind, want: "True Available", object: `{status: {phase: Succeeded, conditions: [{type: Ready, status: "False"}]}}`},
		"PodFailed":  {reason: "It has failed.", kind: podKind, want: "False Failed", object: `{status: {phase: Failed}}`},
		"ClaimBound": {reason: "It has a volume.", kind: claim, want: "True Available", object: `{status: {phase: Bound}}`},
		"ClaimWaits": {reason: "It waits for a volume.", kind: claim, want: "False Progressing", object: `{status: {phase: Pending}}`},
		"ClaimLost":  {reason: "Its volume is gone.", kind: claim, want: "False Failed", object: `{status: {phase: Lost}}`},
		"ConfigMap":  {reason: "It says nothing.", kind: configMap, object: `{data: {a: b}}`},
		"OtherGroup": {reason: "A kind of the same name is another kind.", kind: schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Job"}, object: `{}`},
		"Garbage":    {reason: "What cannot be read says nothing good.", kind: deployment, want: "False Progressing", object: `{metadata: {generation: x}, spec: [], status: {conditions: [1], replicas: 1}}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			member := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(tc.object), &member.Object); err != nil {
				t.Fatal(err)
			}
			got, _ := report.Build(report.Input{Object: pay(federated.Status{}), Now: now, Kind: tc.kind,
				Topologies: []report.Topology{{Name: "acme.a", Placed: true, Outcome: wrote(5), Live: member}}})
			said := ""
			for _, c := range got.Conditions {
				if c.Type == "Available" {
					said = c.Status + " " + c.Reason
				}
			}
			if said != tc.want {
				t.Errorf("%s\ngot %q, want %q", tc.reason, said, tc.want)
			}
			if available := int64(1); (got.Summary.Available == available) != (tc.want == "True Available") {
				t.Errorf("%s\ngot %d available", tc.reason, got.Summary.Available)
			}
		})
	}
}
