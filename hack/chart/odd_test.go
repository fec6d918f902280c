package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/options"
)

// TestAsTheManager: the chart refuses the odd values that the manager would refuse when it starts, and no others; what it
// renders of those that it takes is what the manager is to be told.
func TestAsTheManager(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, values string
		flag           string // what says the same to the manager
		refused        bool
	}{
		"TimeoutNone":       {"No member answers in no time.", `{members: {timeout: 0s}}`, "--member-timeout=0s", true},
		"TimeoutNoneOfIt":   {"Nothing in other words.", `{members: {timeout: 0h0m0.0s}}`, "--member-timeout=0h0m0.0s", true},
		"TimeoutTooSmall":   {"It would be rounded to nothing.", `{members: {timeout: 0.4ns}}`, "--member-timeout=0.4ns", true},
		"TimeoutLeast":      {"A nanosecond.", `{members: {timeout: 0.001us}}`, "--member-timeout=0.001us", false},
		"TimeoutMixed":      {"Go's own words.", `{members: {timeout: 1h0m0.5s}}`, "--member-timeout=1h0m0.5s", false},
		"TimeoutTooLong":    {"More than three centuries.", `{members: {timeout: 9999999h}}`, "--member-timeout=9999999h", true},
		"TimeoutNegative":   {"Time goes forward.", `{members: {timeout: "-1s"}}`, "--member-timeout=-1s", true},
		"QuietPeriod":       {"Nothing would be waited for.", `{handOver: {quietPeriod: 0s}}`, "--handover-quiet-period=0s", true},
		"StorageSettle":     {"API servers are not of one mind at once.", `{handOver: {storageSettlePeriod: 0s}}`, "--storage-settle-period=0s", true},
		"TokenLifetime":     {"A token that nobody could use.", `{facade: {tokenLifetime: 0s}}`, "--facade-token-lifetime=0s", true},
		"TokenGrace":        {"KubeFed reads a new token after a while.", `{facade: {tokenGrace: 0s}}`, "--facade-token-grace=0s", true},
		"FacadeTimeout":     {"No member answers in no time.", `{facade: {timeout: 0s}}`, "--facade-timeout=0s", true},
		"LifetimeShort":     {"No time to renew.", `{certificates: {selfManaged: {lifetime: 29s, settlePeriod: 1s}}}`, "--certificate-lifetime=29s --certificate-settle-period=1s", true},
		"LifetimeLeast":     {"Time enough.", `{certificates: {selfManaged: {lifetime: 30s, settlePeriod: 1s}}}`, "--certificate-lifetime=30s --certificate-settle-period=1s", false},
		"AuthorityShort":    {"A CA ends after what it issued.", `{certificates: {selfManaged: {authorityLifetime: 2159h59m}}}`, "--certificate-authority-lifetime=2159h59m", true},
		"AuthorityLeast":    {"With it is late enough.", `{certificates: {selfManaged: {authorityLifetime: 129600m}}}`, "--certificate-authority-lifetime=129600m", false},
		"SettleNone":        {"A client needs a moment.", `{certificates: {selfManaged: {settlePeriod: 999ms}}}`, "--certificate-settle-period=999ms", true},
		"SettleLong":        {"More than half of a lifetime.", `{certificates: {selfManaged: {settlePeriod: 1081h}}}`, "--certificate-settle-period=1081h", true},
		"SettleLongForCA":   {"More than a sixth of the CA's.", `{certificates: {selfManaged: {authorityLifetime: 2160h, settlePeriod: 361h}}}`, "--certificate-authority-lifetime=2160h --certificate-settle-period=361h", true},
		"SettleLongest":     {"A sixth of the CA's.", `{certificates: {selfManaged: {authorityLifetime: 2160h, settlePeriod: 360h}}}`, "--certificate-authority-lifetime=2160h --certificate-settle-period=360h", false},
		"SecretName":        {"No name.", `{certificates: {selfManaged: {secretName: a..b}}}`, "--certificate-secret=a..b", true},
		"NameUpper":         {"Certificates are for names in lower case.", `{certificates: {extraNames: [Cellfed.bank]}}`, "--certificate-names=Cellfed.bank", true},
		"NamePort":          {"They are for a host, whatever the port.", `{certificates: {extraNames: ["a.b:443"]}}`, "--certificate-names=a.b:443", true},
		"NameIPv6":          {"An IP.", `{certificates: {extraNames: ["fd00::1", 10.0.0.1]}}`, "--certificate-names=fd00::1,10.0.0.1", false},
		"WorkersNone":       {"Nobody would write.", `{members: {workers: 0}}`, "--member-workers=0", true},
		"WorkersMany":       {"As a number, not as a power of ten.", `{members: {workers: 1000000}}`, "--member-workers=1000000", false},
		"QPS":               {"No limit is 0, not less.", `{members: {qps: -1}}`, "--member-qps=-1", true},
		"QPSMany":           {"A power of ten is a number here.", `{members: {qps: 2000000}}`, "--member-qps=2000000", false},
		"CollectorPort":     {"Nothing listens at 0.", `{tracing: {endpoint: "otel:0"}}`, "--tracing-endpoint=otel:0", true},
		"CollectorPortHigh": {"There is no such port.", `{tracing: {endpoint: "otel:70000"}}`, "--tracing-endpoint=otel:70000", true},
		"CollectorHosts":    {"One address.", `{tracing: {endpoint: "a:b:1"}}`, "--tracing-endpoint=a:b:1", true},
		"CollectorIPv6":     {"In brackets.", `{tracing: {endpoint: "[fd00::1]:4317"}}`, "--tracing-endpoint=[fd00::1]:4317", false},
		"ProfilesPort":      {"There is no such port.", `{pprof: {bindAddress: ":65536"}}`, "--pprof-bind-address=:65536", true},
		"URLPort":           {"A port is a number.", `{facade: {url: "https://a:b"}}`, "--facade-url=https://a:b", true},
		"URLEscape":         {"No character.", `{facade: {url: "https://a/%zz"}}`, "--facade-url=https://a/%zz", true},
		"URLPath":           {"Behind a gateway.", `{facade: {url: "https://Gateway.bank:9444/cellfed"}}`, "--facade-url=https://Gateway.bank:9444/cellfed", false},
		"Mask":              {"A word in lower case.", `{defaultPlacementMask: None}`, "--default-placement-mask=None", true},
		"TenantChange":      {"A word in upper case.", `{tenantChange: warn}`, "--tenant-change=warn", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := judged(strings.Fields(tc.flag)); (err != nil) != tc.refused {
				t.Fatalf("%s\nthe manager says %v to %s", tc.reason, err, tc.flag)
			}
			objects, err := helmTemplate(t, "cellfed", tc.values)
			if (err != nil) != tc.refused {
				t.Fatalf("%s\nthe chart says %v to %s", tc.reason, err, tc.values)
			}
			if tc.refused {
				return
			}
			args, _, err := unstructured.NestedStringSlice(managerContainer(t, byName(t, objects)["Deployment cellfed/cellfed-manager"]), "args")
			if err != nil {
				t.Fatal(err)
			}
			args = slices.DeleteFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--zap-") })
			if err := judged(args); err != nil {
				t.Errorf("%s\nthe manager says %v to what is rendered", tc.reason, err)
			}
		})
	}
}

// judged returns what the manager says when it is started with the arguments.
func judged(args []string) error {
	given := options.Default()
	fs := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	given.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	return given.Validate().ToAggregate()
}

// TestSubchartKeys: the chart's schema knows the values of its subcharts, so that one that is misspelled is refused although
// the subchart, which has a schema of its own, is not asked while it is off.
func TestSubchartKeys(t *testing.T) {
	want, _, err := unstructured.NestedMap(readSchema(t, "charts/kubefed"), "properties")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := unstructured.NestedMap(readSchema(t, "."), "properties", "kubefed", "properties")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sortedKeys(want), sortedKeys(got)); diff != "" {
		t.Errorf("values.schema.json: kubefed.properties are not those of the subchart, -want +got:\n%s", diff)
	}
}

// readSchema returns the schema of the values of the chart or of one of its subcharts.
func readSchema(t *testing.T, dir string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(chartDir, dir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestNumericNames: a name that YAML would take for a number or a truth is a string to the API server.
func TestNumericNames(t *testing.T) {
	const values = `{
		global: {kubefedNamespace: "456"}, priorityClassName: "789", serviceAccount: {name: "1e3"}, tracing: {endpoint: "o:1", caSecretName: "11"},
		metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true, namespace: "22"}, dashboards: {enabled: true, namespace: "33"}},
		argocd: {customizations: {install: true, namespace: "44"}}, networkPolicy: {enabled: true}, kubefed: {enabled: true, priorityClassName: "99"}, types: {jobs: {enabled: true}}
	}`
	for _, mode := range []string{
		"certificates.mode=SelfManaged", "certificates.mode=CertManager,certificates.certManager.secretName=55",
		"certificates.mode=Given,certificates.given.secretName=66,certificates.given.caSecretName=77", "certificates.mode=Given,certificates.given.secretName=66,certificates.given.caConfigMapName=88",
	} {
		out, err := helm(t, values, "template", "123", "charts/cellfed", "--namespace", "123", "--values", "-", "--set-string", mode)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := parse([]byte(out))
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			numbers(t, mode+" "+object.GetKind()+" "+object.GetName(), object.Object)
		}
	}
}

// numbers reports names that are none.
func numbers(t *testing.T, at string, value any) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			_, text := child.(string)
			named := slices.ContainsFunc([]string{"name", "Name", "amespace", "/instance"}, func(end string) bool { return strings.HasSuffix(key, end) })
			if _, object := child.(map[string]any); named && !text && !object {
				t.Errorf("%s: %s is %v, a %T", at, key, child, child)
			}
			numbers(t, at+"."+key, child)
		}
	case []any:
		for _, child := range value {
			numbers(t, at, child)
		}
	}
}
