package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/e2e/framework"
)

var update = flag.Bool("update", false, "write the snapshots anew")

// snapshots are values, each with what it is for. What it makes different is in testdata/NAME.diff.
var snapshots = map[string]struct{ reason, values string }{
	"GlobalKubefedNamespace": {"What is KubeFed's is in another namespace than the manager.", `{global: {kubefedNamespace: federation}}`},
	"CrdsOff":                {"Something else applies the CRDs.", `{crds: {enabled: false}}`},
	"FederatedCrds":          {"They are in crds/, which is not rendered unless that is asked for.", `{federated-crds: {enabled: true}}`},
	"Image":                  {"A mirror's image, with a tag.", `{image: {repository: mirror.bank/cellfed, tag: v9, pullPolicy: Always}}`},
	"ImageDigest":            {"A digest counts instead of the tag.", `{image: {tag: v9, digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}`},
	"ImagePullSecrets":       {"A registry wants credentials.", `{imagePullSecrets: [{name: registry}]}`},
	"Replicas":               {"More managers.", `{replicas: 3}`},
	"OneReplica":             {"One manager has no budget, or no node could be drained, and need not be elected.", `{replicas: 1, leaderElection: {enabled: false}}`},
	"DisruptionBudgetOff":    {"Somebody else makes one.", `{podDisruptionBudget: {enabled: false}}`},
	"DisruptionBudget":       {"A percentage.", `{replicas: 3, podDisruptionBudget: {minAvailable: 60%}}`},
	"UpdateStrategy":         {"Pods that are replaced one by one.", `{updateStrategy: {rollingUpdate: {maxUnavailable: 0}}}`},
	"Resources":              {"More of everything.", `{resources: {requests: {cpu: "1"}, limits: {memory: 8Gi}}}`},
	"PodSecurityContext":     {"A group for mounted files.", `{podSecurityContext: {fsGroup: 65532}}`},
	"SecurityContext":        {"A user by number.", `{securityContext: {runAsUser: 65532}}`},
	"NodeSelector":           {"Nodes of the control plane.", `{nodeSelector: {node-role.kubernetes.io/control-plane: ""}}`},
	"Tolerations":            {"Their taint.", `{tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]}`},
	"Affinity":               {"Other than to keep apart.", `{affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}}`},
	"TopologySpread":         {"Over zones.", `{topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}]}`},
	"PriorityClassName":      {"Before other pods.", `{priorityClassName: system-cluster-critical}`},
	"PodMetadata":            {"A label cannot change what Services select by.", `{podLabels: {team: platform}, podAnnotations: {example.com/a: b}}`},
	"CommonLabels":           {"On everything but pods.", `{commonLabels: {cost-center: "42"}}`},
	"Termination":            {"Longer.", `{terminationGracePeriodSeconds: 60}`},
	"HostNetwork":            {"Where API servers reach no pod, on other ports.", `{hostNetwork: true, ports: {webhook: 19443, facade: 19444, metrics: 18443, health: 18081}}`},
	"Extra":                  {"A proxy, and a flag that has no value.", `{extraArgs: [--zap-stacktrace-level=panic], extraEnv: [{name: HTTPS_PROXY, value: "http://proxy:3128"}]}`},
	"ServiceAccount":         {"Named, with an identity of a cloud.", `{serviceAccount: {name: federation, annotations: {iam.example.com/role: federation}}}`},
	"ServiceAccountGiven":    {"There already.", `{serviceAccount: {create: false, name: federation}}`},
	"RbacOff":                {"Somebody else grants.", `{rbac: {create: false}}`},
	"TenantRolesOff":         {"Somebody else's roles.", `{tenantRoles: {create: false}}`},
	"Logging":                {"For a person.", `{logging: {level: debug, format: console}}`},
	"WebhooksOff":            {"Nothing is judged.", `{webhooks: {enabled: false}}`},
	"Webhooks":               {"Not everywhere, and not at any price.", `{webhooks: {failurePolicy: Ignore, timeoutSeconds: 5, exemptNamespaces: [kube-system, kube-public]}}`},
	"WebhooksURL":            {"API servers elsewhere.", `{webhooks: {url: "https://cellfed.bank:8443/"}}`},
	"Facade":                 {"KubeFed elsewhere.", `{facade: {url: "https://cellfed.bank:9444", serviceType: LoadBalancer, serviceAnnotations: {example.com/internal: "true"}}}`},
	"FacadePort":             {"The URL follows the Service.", `{facade: {servicePort: 443}}`},
	"FacadeTimes":            {"Tokens that are replaced more often.", `{facade: {tokenLifetime: 24h, tokenGrace: 5m, timeout: 10s}}`},
	"CertificatesSelfManaged": {"Other names and lifetimes.",
		`{certificates: {extraNames: [cellfed.bank, 10.0.0.1], selfManaged: {secretName: own, lifetime: 24h, authorityLifetime: 720h, settlePeriod: 5m}}}`},
	"CertificatesCertManager": {"A CA of its own.", `{certificates: {mode: CertManager}}`},
	"CertificatesIssuer": {"The bank's CA, and names of more than the Services.",
		`{facade: {url: "https://cellfed.bank:9444"}, webhooks: {url: "https://10.0.0.2"}, certificates: {mode: CertManager, extraNames: [10.0.0.1, other.bank], certManager: {secretName: bank, duration: 720h, renewBefore: 240h, issuerRef: {kind: ClusterIssuer, name: bank}}}}`},
	"CertificatesGiven":        {"One Secret with all of it.", `{certificates: {mode: Given, given: {secretName: given}}}`},
	"CertificatesGivenSecrets": {"The CA in another Secret.", `{certificates: {mode: Given, given: {secretName: given, caSecretName: ca}}}`},
	"CertificatesGivenConfig":  {"The CA in a ConfigMap, also for Prometheus.", `{certificates: {mode: Given, given: {secretName: given, caConfigMapName: ca}}, metrics: {serviceMonitor: {enabled: true}}}`},
	"Judgment":                 {"Masks that are kept, and tenants that may move.", `{defaultPlacementMask: keep, tenantChange: Warn}`},
	"Members":                  {"Slower.", `{members: {qps: 12.5, timeout: 1m, workers: 4}}`},
	"HandOver":                 {"More careful.", `{handOver: {quietPeriod: 1m, storageSettlePeriod: 2m}}`},
	"Tracing":                  {"A tenth, to a collector in the cluster.", `{tracing: {endpoint: "otel.monitoring:4317", samplingRate: 0.1, insecure: true}}`},
	"TracingCA":                {"The collector's CA, beside certificates that are given.", `{tracing: {endpoint: "otel.bank:4317", caSecretName: otel}, certificates: {mode: Given, given: {secretName: given}}}`},
	"TracingCAConfig":          {"In a ConfigMap.", `{tracing: {endpoint: "otel.bank:4317", caConfigMapName: otel}}`},
	"Pprof":                    {"For somebody in the pod.", `{pprof: {bindAddress: "127.0.0.1:6060"}}`},
	"MetricsOff":               {"No port, no Service.", `{metrics: {enabled: false}}`},
	"MetricsPlain":             {"Without TLS.", `{metrics: {secure: false, servicePort: 8080, serviceMonitor: {enabled: true}}}`},
	"MetricsReaders":           {"Prometheus may.", `{metrics: {readers: [{kind: ServiceAccount, name: prometheus, namespace: monitoring}]}}`},
	"ServiceMonitor": {"With everything that a Prometheus may want.",
		`{metrics: {serviceMonitor: {enabled: true, namespace: monitoring, labels: {release: prometheus}, interval: 15s, scrapeTimeout: 10s, tlsConfig: {insecureSkipVerify: true}, bearerTokenSecret: {name: token, key: token}, relabelings: [{action: labeldrop, regex: pod}], metricRelabelings: [{action: drop, regex: x}]}}}`},
	"NetworkPolicy": {"Only what is named.",
		`{networkPolicy: {enabled: true, webhookFrom: [{ipBlock: {cidr: 10.0.0.0/8}}], facadeFrom: [{podSelector: {}}], metricsFrom: [{namespaceSelector: {}}]}}`},
	"NetworkPolicyOpen": {"The ports only.", `{networkPolicy: {enabled: true}}`},
	"TypesKubeFed":      {"A type that upstream propagates, and one whose FederatedTypeConfig is there.", `{types: {configmaps: {enabled: true}, namespaces: {enabled: true, typeConfig: false}}}`},
	"TypesCellfed": {"Handed over, with all that a policy can say.",
		`{types: {services: {enabled: true, propagator: Cellfed, retain: [.spec.externalIPs], status: {collection: Fields, fields: [.loadBalancer.ingress]}}}}`},
	"TypesCustom": {"A type that is none of the usual.",
		`{types: {widgets: {enabled: true, propagator: Cellfed, statusCollection: Disabled, target: {group: example.com, version: v1beta1, kind: Widget, pluralName: widgets, scope: Cluster}}}}`},
	"TypesAll": {"All that are usual.",
		`{types: {namespaces: {enabled: true}, configmaps: {enabled: true}, secrets: {enabled: true}, services: {enabled: true}, serviceaccounts: {enabled: true}, deployments: {enabled: true}, statefulsets: {enabled: true}, daemonsets: {enabled: true}, jobs: {enabled: true}, cronjobs: {enabled: true}, ingresses: {enabled: true}, horizontalpodautoscalers: {enabled: true}, poddisruptionbudgets: {enabled: true}, roles: {enabled: true}, rolebindings: {enabled: true}, clusterroles: {enabled: true}, clusterrolebindings: {enabled: true}}}`},
}

// carried are values that render what is kept elsewhere, and what they must render then: a snapshot would repeat it.
var carried = map[string]struct{ values, want string }{
	"PrometheusRule": {`{metrics: {prometheusRule: {enabled: true, namespace: monitoring, labels: {release: prometheus}}}}`, "of {{ $labels.cell }}"},
	"Dashboards":     {`{metrics: {dashboards: {enabled: true, namespace: monitoring, labels: {grafana: "1"}, annotations: {folder: cellfed}}}}`, "+data:\n+  one.json: |\n+    {\"title\": \"{{ cell }}\"}"},
	"Argocd":         {`{argocd: {customizations: {install: true, namespace: argo}}}`, "+  one: |\n+    {{ x }}"},
	"Kubefed":        {`{kubefed: {enabled: true}}`, "# Deployment kube-federation-system/kubefed"},
}

func TestSnapshots(t *testing.T) {
	defaults := mustTemplate(t, "{}")
	compare(t, "Default.diff", changes(t, nil, defaults))
	for name, tc := range snapshots {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := "# " + tc.reason + "\n" + changes(t, defaults, mustTemplate(t, tc.values))
			compare(t, name+".diff", got)
		})
	}
}

// TestCarried renders a copy of the chart with files of its own, whose braces are not the chart's.
func TestCarried(t *testing.T) {
	chart := filepath.Join(t.TempDir(), "cellfed")
	if err := os.CopyFS(chart, os.DirFS(chartDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(chart, "files", "dashboards")); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"alerts.yaml":           "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up, annotations: {summary: 'of {{ $labels.cell }}'}}\n",
		"dashboards/one.json":   `{"title": "{{ cell }}"}` + "\n",
		"dashboards/two.json":   "{}\n",
		"argocd/argocd-cm.yaml": "data:\n  one: |\n    {{ x }}\n",
	} {
		file := filepath.Join(chart, "files", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	defaults := mustTemplate(t, "{}")
	for name, tc := range carried {
		t.Run(name, func(t *testing.T) {
			objects, err := renderChart(t, chart, framework.KubeFedNamespace, tc.values)
			if err != nil {
				t.Fatal(err)
			}
			if got := changes(t, defaults, byName(t, objects)); !strings.Contains(got, tc.want) {
				t.Errorf("there is no %q in:\n%s", tc.want, got)
			}
		})
	}
}

// TestNoSnapshotIsLeftOver: every file in testdata is compared with something.
func TestNoSnapshotIsLeftOver(t *testing.T) {
	files, err := filepath.Glob(golden("*.diff"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".diff")
		if _, ok := snapshots[name]; !ok && name != "Default" {
			t.Errorf("%s is no snapshot's: delete it", file)
		}
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden(name), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden(name))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s -want +got (go test ./hack/chart -update writes it anew):\n%s", name, diff)
	}
}

// TestEveryValueIsTried: a value that nobody tries may do nothing.
func TestEveryValueIsTried(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, tc := range snapshots {
		for _, leaf := range leaves(t, tc.values) {
			tried[leaf] = true
		}
	}
	for _, tc := range carried {
		for _, leaf := range leaves(t, tc.values) {
			tried[leaf] = true
		}
	}
	for _, leaf := range leaves(t, string(data)) {
		covered := slices.ContainsFunc(sortedKeys(tried), func(other string) bool {
			return other == leaf || within(other, leaf) || strings.HasPrefix(other, leaf+".") || strings.HasPrefix(leaf, other+".")
		})
		if !covered && !ofUsualType(leaf) {
			t.Errorf("no snapshot has another %s", leaf)
		}
	}
}

// within reports whether two leaves are of one value that is rendered as it is.
func within(a, b string) bool {
	return slices.ContainsFunc([]string{"podSecurityContext.", "securityContext.", "resources.", "metrics.dashboards.labels."}, func(value string) bool {
		return strings.HasPrefix(a, value) && strings.HasPrefix(b, value)
	})
}

// ofUsualType reports whether a leaf is a detail of a type, which TypesAll shows.
func ofUsualType(leaf string) bool {
	return strings.HasPrefix(leaf, "types.") && !strings.HasSuffix(leaf, ".enabled")
}

// leaves returns the paths of a document's values.
func leaves(t *testing.T, document string) []string {
	t.Helper()
	var root map[string]any
	if err := yaml.Unmarshal([]byte(document), &root); err != nil {
		t.Fatal(err)
	}
	var paths []string
	var walk func(prefix string, value map[string]any)
	walk = func(prefix string, value map[string]any) {
		for key, child := range value {
			if m, ok := child.(map[string]any); ok && len(m) > 0 {
				walk(prefix+key+".", m)
			} else {
				paths = append(paths, prefix+key)
			}
		}
	}
	walk("", root)
	return paths
}
