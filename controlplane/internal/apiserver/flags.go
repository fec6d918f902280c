package apiserver

import (
	"net"
	"strconv"

	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/cellfed/cellfed/controlplane/internal/component"
	"github.com/cellfed/cellfed/controlplane/internal/pki"
)

// owned are kube-apiserver's flags that this command sets itself, and what to use in their place.
var owned = map[string]string{
	"bind-address":             "--bind-address before the --",
	"secure-port":              "--port before the --",
	"service-cluster-ip-range": "--service-cluster-ip-range before the --",
	"tls-cert-file":            "--tls-san before the --, or --tls-sni-cert-key",
	"tls-private-key-file":     "--tls-san before the --, or --tls-sni-cert-key",
	"cert-dir":                 "--data-dir before the --",
	"etcd-servers":             "--datastore-endpoint before the --",
	"etcd-cafile":              "--datastore-ca-file before the --",
	"etcd-certfile":            "--datastore-cert-file before the --",
	"etcd-keyfile":             "--datastore-key-file before the --",
	"client-ca-file":           "the authority in the data directory, whose key signs client certificates, or --authentication-config",
	"v":                        "-v before the --",
}

// exclusive are defaults that kube-apiserver refuses beside another flag.
var exclusive = map[string]string{
	"authorization-mode":               "authorization-config",
	"service-account-key-file":         "service-account-signing-endpoint",
	"service-account-signing-key-file": "service-account-signing-endpoint",
}

// applyFlags puts the user's extra flags and the defaults into s.
func (v *validated) applyFlags(s *options.ServerRunOptions, in *instance) error {
	return component.Flags{
		Component: "kube-apiserver",
		Named:     s.Flags(),
		Extra:     v.ExtraArgs,
		Owned:     owned,
		Defaults:  v.defaultFlags(in),
		Yield:     exclusive,
	}.Apply()
}

// defaultFlags are kube-apiserver's flags for a server that stands alone.
func (v *validated) defaultFlags(in *instance) map[string]string {
	files := in.files
	advertise := v.ip
	if advertise.IsUnspecified() {
		// Looking for an address would fail on a machine without a default route, and nothing needs one.
		advertise = net.IPv4(127, 0, 0, 1)
	}
	return map[string]string{
		"bind-address":      v.ip.String(),
		"secure-port":       strconv.Itoa(in.port),
		"advertise-address": advertise.String(),
		// No other API server to share the Service "kubernetes" with, and no pod network to reach this one.
		"endpoint-reconciler-type": "none",
		"service-cluster-ip-range": v.ServiceClusterIPRange,

		"tls-cert-file":        files.ServingCert(),
		"tls-private-key-file": files.ServingKey(),
		"client-ca-file":       files.CACert(),

		"service-account-issuer":           "https://kubernetes.default.svc.cluster.local",
		"service-account-key-file":         files.ServiceAccountPublicKey(),
		"service-account-signing-key-file": files.ServiceAccountKey(),

		"requestheader-client-ca-file":       files.FrontProxyCACert(),
		"requestheader-allowed-names":        pki.FrontProxyClientUser,
		"requestheader-username-headers":     "X-Remote-User",
		"requestheader-group-headers":        "X-Remote-Group",
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"proxy-client-cert-file":             files.FrontProxyClientCert(),
		"proxy-client-key-file":              files.FrontProxyClientKey(),

		"authorization-mode": "RBAC",
		"allow-privileged":   "true",
		"profiling":          "false",

		// A stop ends the watches at once, instead of waiting a minute for clients that have no reason to
		// go, and answers what comes meanwhile with "retry later".
		"shutdown-send-retry-after":               "true",
		"shutdown-watch-termination-grace-period": "2s",

		"v": strconv.Itoa(v.Verbosity),
	}
}
