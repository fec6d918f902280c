// Package apiserver runs a kube-apiserver in this process, with its certificates, its kubeconfigs and
// its datastore.
package apiserver

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/cellfed/cellfed/controlplane/internal/datadir"
	"github.com/cellfed/cellfed/controlplane/internal/datastore"
)

// Options are what a user can say about an API server.
type Options struct {
	// DataDir is the directory of everything that the server keeps.
	DataDir string
	// BindAddress is the IP address to serve on.
	BindAddress string
	// Port is the port to serve on, 0 for any free one.
	Port int
	// TLSSANs are further IP addresses and DNS names for the server's certificate.
	TLSSANs []string
	// ServiceClusterIPRange is the CIDR of the Services' cluster IPs.
	ServiceClusterIPRange string
	// DatastoreEndpoint is where objects are stored; empty for SQLite in DataDir.
	DatastoreEndpoint string
	// DatastoreCAFile, DatastoreCertFile and DatastoreKeyFile are for a datastore that speaks TLS.
	DatastoreCAFile, DatastoreCertFile, DatastoreKeyFile string
	// DatastoreTimeout bounds the wait for a datastore that is away.
	DatastoreTimeout time.Duration
	// StopTimeout bounds the graceful stop.
	StopTimeout time.Duration
	// Verbosity is klog's level.
	Verbosity int
	// ExtraArgs are kube-apiserver's own flags, which win over the defaults here.
	ExtraArgs []string
}

// Defaults returns the options of a server that was told nothing but its data directory.
func Defaults() *Options {
	return &Options{
		BindAddress:           "127.0.0.1",
		Port:                  6443,
		ServiceClusterIPRange: "10.96.0.0/16",
		DatastoreTimeout:      30 * time.Second,
		StopTimeout:           15 * time.Second,
	}
}

// validated are options that were checked.
type validated struct {
	*Options
	dir      datadir.Dir
	ip       net.IP
	endpoint *datastore.Endpoint
	sans     []string
}

// validate checks everything that can be checked without touching a disk or a network. Every error
// names the flag, its value and the way out.
func (o *Options) validate() (*validated, error) {
	dir, err := datadir.New(o.DataDir)
	if err != nil {
		return nil, err
	}
	ip := net.ParseIP(o.BindAddress)
	if ip == nil {
		return nil, fmt.Errorf("--bind-address %q is not an IP address: give 127.0.0.1 for this machine only, or 0.0.0.0 for all interfaces", o.BindAddress)
	}
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("--port %d is not a port: give 1 to 65535, or 0 for any free one", o.Port)
	}
	for _, timeout := range []struct {
		flag  string
		value time.Duration
	}{{"--datastore-timeout", o.DatastoreTimeout}, {"--stop-timeout", o.StopTimeout}} {
		if timeout.value <= 0 {
			return nil, fmt.Errorf("%s %s is not a bound: give a duration above zero, such as 30s", timeout.flag, timeout.value)
		}
	}
	endpoint, err := datastore.ParseEndpoint(o.DatastoreEndpoint, dir.Database())
	if err != nil {
		return nil, err
	}
	if (o.DatastoreCertFile == "") != (o.DatastoreKeyFile == "") {
		return nil, fmt.Errorf("--datastore-cert-file %q and --datastore-key-file %q go together: give both or neither", o.DatastoreCertFile, o.DatastoreKeyFile)
	}
	sans, err := o.sans(ip)
	if err != nil {
		return nil, err
	}
	return &validated{Options: o, dir: dir, ip: ip, endpoint: endpoint, sans: sans}, nil
}

// sans are the names by which the server is reached: on this machine, from a pod, and those the user
// adds.
func (o *Options) sans(ip net.IP) ([]string, error) {
	service, err := firstServiceIP(o.ServiceClusterIPRange)
	if err != nil {
		return nil, err
	}
	sans := []string{
		"127.0.0.1", "::1", "localhost", service.String(),
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
	}
	if !ip.IsUnspecified() {
		sans = append(sans, ip.String())
	} else if host, err := os.Hostname(); err == nil && len(validation.IsDNS1123Subdomain(strings.ToLower(host))) == 0 {
		sans = append(sans, strings.ToLower(host))
	}
	for _, san := range o.TLSSANs {
		if net.ParseIP(san) == nil && len(validation.IsDNS1123Subdomain(san)) != 0 && len(validation.IsWildcardDNS1123Subdomain(san)) != 0 {
			return nil, fmt.Errorf("--tls-san %q is neither an IP address nor a DNS name: give the name or address alone, without scheme and port", san)
		}
		sans = append(sans, san)
	}
	return sans, nil
}

// firstServiceIP is the cluster IP of the Service "kubernetes".
func firstServiceIP(ranges string) (net.IP, error) {
	first, _, _ := strings.Cut(ranges, ",")
	_, network, err := net.ParseCIDR(first)
	if err != nil {
		return nil, fmt.Errorf("--service-cluster-ip-range %q is not a CIDR: give one such as 10.96.0.0/16", ranges)
	}
	if ones, bits := network.Mask.Size(); bits-ones < 3 {
		return nil, fmt.Errorf("--service-cluster-ip-range %q holds less than 8 addresses: give a wider one such as 10.96.0.0/16", ranges)
	}
	ip := make(net.IP, len(network.IP))
	copy(ip, network.IP)
	ip[len(ip)-1]++
	return ip, nil
}

// url is the address of the server for clients on this machine.
func (v *validated) url(port int) string {
	host := v.ip.String()
	if v.ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
}
