package kubefedchart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const (
	deployment = "Deployment/kubefed-controller-manager"
	config     = "KubeFedConfig/kubefed"
)

// TestValues has one row for every value that is not covered by what runs.
func TestValues(t *testing.T) {
	pod := func(path ...any) []any { return append([]any{"spec", "template", "spec"}, path...) }
	container := func(path ...any) []any { return append(pod("containers", 0), path...) }
	tests := map[string]struct {
		reason string
		set    string
		key    string
		path   []any
		want   any
	}{
		"Namespace":      {"everything names its namespace", "global.kubefedNamespace=fed", deployment, []any{"metadata", "namespace"}, "fed"},
		"NamespaceFlag":  {"the program is told it too", "global.kubefedNamespace=fed", deployment, container("args", 0), "--kubefed-namespace=fed"},
		"NamespaceRole":  {"and the rights are for it", "global.kubefedNamespace=fed", "Role/kubefed-controller", []any{"metadata", "namespace"}, "fed"},
		"NamespaceGrant": {"and go to the account in it", "global.kubefedNamespace=fed", "ClusterRoleBinding/kubefed-controller", []any{"subjects", 0, "namespace"}, "fed"},
		"Image":          {"upstream's image", "x=", deployment, container("image"), "quay.io/kubernetes-multicluster/kubefed:v0.10.0"},
		"ImageMirror":    {"from elsewhere", "image.repository=registry.example/kubefed,image.tag=v1", deployment, container("image"), "registry.example/kubefed:v1"},
		"ImageDigest":    {"a digest counts instead of a tag", "image.digest=sha256:" + strings.Repeat("a", 64), deployment, container("image"), "quay.io/kubernetes-multicluster/kubefed@sha256:" + strings.Repeat("a", 64)},
		"PullPolicy":     {"when it is pulled", "image.pullPolicy=Always", deployment, container("imagePullPolicy"), "Always"},
		"PullSecrets":    {"and with what", "imagePullSecrets[0].name=pull", deployment, pod("imagePullSecrets", 0, "name"), "pull"},
		"Command":        {"the link of that name in upstream's image", "x=", deployment, container("command", 0), "/hyperfed/controller-manager"},
		"Replicas":       {"how many", "replicas=3", deployment, []any{"spec", "replicas"}, int64(3)},
		"Alone":          {"a single one is not kept from being drained", "replicas=1", "PodDisruptionBudget/kubefed-controller-manager", nil, nil},
		"NoBudget":       {"nor where it is not wanted", "podDisruptionBudget.enabled=false", "PodDisruptionBudget/kubefed-controller-manager", nil, nil},
		"LogLevel":       {"how much is logged", "logLevel=5", deployment, container("args", 5), "--v=5"},
		"QPS":            {"how many requests", "client.qps=7", deployment, container("args", 3), "--rest-config-qps=7"},
		"Burst":          {"how many at once", "client.burst=9", deployment, container("args", 4), "--rest-config-burst=9"},
		"Env":            {"variables", "env[0].name=HTTPS_PROXY,env[0].value=p", deployment, container("env", 0, "value"), "p"},
		"Gate":           {"a gate that is off", "featureGates.SchedulerPreferences=false", config, []any{"spec", "featureGates", 2, "configuration"}, "Disabled"},
		"GatePush":       {"types are propagated, or none could be handed over", "x=", config, []any{"spec", "featureGates", 0, "configuration"}, "Enabled"},
		"Duration":       {"the configuration", "config.leaderElect.leaseDuration=30s", config, []any{"spec", "leaderElect", "leaseDuration"}, "30s"},
		"Threshold":      {"numbers are numbers", "config.clusterHealthCheck.failureThreshold=5", config, []any{"spec", "clusterHealthCheck", "failureThreshold"}, int64(5)},
		"Workers":        {"workers", "config.syncController.maxConcurrentReconciles=4", config, []any{"spec", "syncController", "maxConcurrentReconciles"}, int64(4)},
		"StatusWorkers":  {"workers of status", "config.statusController.maxConcurrentReconciles=4", config, []any{"spec", "statusController", "maxConcurrentReconciles"}, int64(4)},
		"Lock":           {"the rights are for the lock that is used", "config.leaderElect.resourceLock=endpoints", "Role/kubefed-controller", []any{"rules", 7, "resources", 0}, "endpoints"},
		"Account":        {"annotations of the account", "serviceAccount.annotations.a=b", "ServiceAccount/kubefed-controller", []any{"metadata", "annotations", "a"}, "b"},
		"Groups":         {"types of another group", "rbac.federatedTypeGroups={types.example.com}", "ClusterRole/kubefed-federated-types-access", []any{"rules", 0, "apiGroups", 0}, "types.example.com"},
		"NoGroups":       {"no types but those that somebody else grants", "rbac.federatedTypeGroups=null", "ClusterRole/kubefed-federated-types-access", nil, nil},
		"Unscheduled":    {"without scheduling nobody writes the spec of federated objects", "featureGates.SchedulerPreferences=false", "ClusterRole/kubefed-federated-types-access", []any{"rules", 2}, nil},
		"NoService":      {"no Service", "service.enabled=false", "Service/kubefed-controller-manager-metrics", nil, nil},
		"ServicePort":    {"its port", "service.port=80", "Service/kubefed-controller-manager-metrics", []any{"spec", "ports", 0, "port"}, int64(80)},
		"ServiceLabels":  {"its labels", "service.labels.a=b", "Service/kubefed-controller-manager-metrics", []any{"metadata", "labels", "a"}, "b"},
		"ServiceNotes":   {"its annotations", "service.annotations.a=b", "Service/kubefed-controller-manager-metrics", []any{"metadata", "annotations", "a"}, "b"},
		"NoPolicy":       {"no NetworkPolicy unless it is asked for", "x=", "NetworkPolicy/kubefed-controller-manager", nil, nil},
		"Policy":         {"the metrics alone", "networkPolicy.enabled=true", "NetworkPolicy/kubefed-controller-manager", []any{"spec", "ingress", 0, "ports", 0, "port"}, "metrics"},
		"PodLabels":      {"labels of pods", "podLabels.a=b", deployment, []any{"spec", "template", "metadata", "labels", "a"}, "b"},
		"PodLabelsFixed": {"not those that they are selected by", "podLabels.app\\.kubernetes\\.io/name=b", deployment, []any{"spec", "template", "metadata", "labels", "app.kubernetes.io/name"}, "kubefed"},
		"PodNotes":       {"annotations of pods", "podAnnotations.a=b", deployment, []any{"spec", "template", "metadata", "annotations", "a"}, "b"},
		"Priority":       {"their priority", "priorityClassName=high", deployment, pod("priorityClassName"), "high"},
		"Resources":      {"what they use", "resources.limits.memory=1Gi", deployment, container("resources", "limits", "memory"), "1Gi"},
		"PodSecurity":    {"as whom they run", "podSecurityContext.runAsUser=7", deployment, pod("securityContext", "runAsUser"), int64(7)},
		"Security":       {"what they may do", "securityContext.readOnlyRootFilesystem=false", deployment, container("securityContext", "readOnlyRootFilesystem"), false},
		"NodeSelector":   {"where they run", "nodeSelector.a=b", deployment, pod("nodeSelector", "a"), "b"},
		"Tolerations":    {"and what they bear", "tolerations[0].key=a", deployment, pod("tolerations", 0, "key"), "a"},
		"Spread":         {"how they are spread", "topologySpreadConstraints[0].topologyKey=zone", deployment, pod("topologySpreadConstraints", 0, "topologyKey"), "zone"},
		"Affinity":       {"an affinity instead of the chart's", "affinity.nodeAffinity.a=b", deployment, pod("affinity", "podAntiAffinity"), nil},
		"Grace":          {"how long they have", "terminationGracePeriodSeconds=3", deployment, pod("terminationGracePeriodSeconds"), int64(3)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var args []string
			if test.set != "x=" {
				args = []string{"--set", test.set}
			}
			objects := render(t, args...)
			if test.path == nil {
				if objects[test.key] != nil {
					t.Errorf("%s: %s is rendered", test.reason, test.key)
				}
				return
			}
			if objects[test.key] == nil {
				t.Fatalf("%s: %s is not rendered", test.reason, test.key)
			}
			if diff := cmp.Diff(test.want, normal(objects.get(test.key, test.path...))); diff != "" {
				t.Errorf("%s: %v of %s (-want, +got):\n%s", test.reason, test.path, test.key, diff)
			}
		})
	}
}

// normal makes an integer of a number, which YAML has as it likes.
func normal(value any) any {
	switch number := value.(type) {
	case float64:
		return int64(number)
	case int:
		return int64(number)
	}
	return value
}

func TestRollout(t *testing.T) {
	const path = "checksum/config"
	checksum := func(args ...string) any {
		return render(t, args...).get(deployment, "spec", "template", "metadata", "annotations", path)
	}
	if checksum() == checksum("--set", "config.clusterHealthCheck.period=1s") {
		t.Error("another configuration does not roll the pods, which read theirs at the start only")
	}
}

func TestRefused(t *testing.T) {
	tests := map[string]struct{ reason, set, names string }{
		"Unknown":      {"a value that is misspelled", "replica=2", "replica"},
		"UnknownDeep":  {"at any depth", "config.leaderElect.lease=2s", "lease"},
		"Gate":         {"a gate that there is not", "featureGates.Push=true", "Push"},
		"GateType":     {"a gate is on or off", "featureGates.PushReconciler=Enabled", "PushReconciler"},
		"Duration":     {"a number is no duration", "config.leaderElect.leaseDuration=15", "leaseDuration"},
		"Lock":         {"upstream knows two kinds of lock", "config.leaderElect.resourceLock=leases", "resourceLock"},
		"Adopt":        {"Enabled or Disabled", "config.syncController.adoptResources=true", "adoptResources"},
		"Workers":      {"at least one", "config.syncController.maxConcurrentReconciles=0", "maxConcurrentReconciles"},
		"Group":        {"a star is no group", "rbac.federatedTypeGroups={*}", "federatedTypeGroups"},
		"Digest":       {"a digest", "image.digest=latest", "digest"},
		"Namespace":    {"a namespace", "global.kubefedNamespace=A_b", "kubefedNamespace"},
		"DefaultScope": {"a variable by which upstream replaces its configuration", "env[0].name=DEFAULT_KUBEFED_SCOPE", "env"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newHelm(t).Run(t.Context(), "", "template", release, chart(t), "--set", test.set)
			if err == nil || !strings.Contains(err.Error(), test.names) {
				t.Errorf("%s: --set %s: %v, want a refusal that names %s", test.reason, test.set, err, test.names)
			}
		})
	}
}

// TestSchema compares the values with their schema: each is in it, and each has a comment.
func TestSchema(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(chart(t), name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	type node struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Additional any                        `json:"additionalProperties"`
	}
	values := map[string]any{}
	if err := yaml.UnmarshalStrict(read("values.yaml"), &values); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, schema json.RawMessage, values map[string]any)
	walk = func(path string, schema json.RawMessage, values map[string]any) {
		var have node
		if err := json.Unmarshal(schema, &have); err != nil {
			t.Fatal(err)
		}
		if have.Properties == nil {
			return
		}
		if have.Additional != false && path != ".global" {
			t.Errorf("the schema of %s takes what it does not know", path)
		}
		for name := range have.Properties {
			if _, ok := values[name]; !ok && path+"."+name != ".enabled" {
				t.Errorf("%s.%s is in the schema and not in values.yaml", path, name)
			}
		}
		for name, value := range values {
			if have.Properties[name] == nil {
				t.Errorf("%s.%s is in values.yaml and not in the schema", path, name)
			} else if fields, ok := value.(map[string]any); ok {
				walk(path+"."+name, have.Properties[name], fields)
			}
		}
	}
	walk("", read("values.schema.json"), values)

	// What has a comment has it for all that is below it.
	commented, covered := false, -1
	for line := range strings.Lines(string(read("values.yaml"))) {
		trimmed := strings.TrimSpace(line)
		indent := len(line) - len(strings.TrimLeft(line, " "))
		name, value, field := strings.Cut(trimmed, ":")
		switch {
		case strings.HasPrefix(trimmed, "#"):
			commented = true
		case commented:
			commented, covered = false, indent
		case !field || covered >= 0 && indent > covered:
		case strings.TrimSpace(value) == "":
			covered = -1
		default:
			t.Errorf("the value %s has no comment", name)
		}
	}
}
