package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/facade"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/member"
)

// serveCommand is the first argument of the process that serves the façade.
const serveCommand = "serve-facade"

// The cell that is measured.
const (
	namespace       = "acme"
	cell            = "rz00a"
	targetNamespace = "acme-rz00a"
)

// serveConfig is what the process that serves the façade is told, as JSON in its one argument.
type serveConfig struct {
	Endpoint, CAFile, Token, Address, CertFile string
}

// oneCell is a resolver of one cell. What the real one costs is a few reads from a cache.
type oneCell struct {
	token  string
	member *member.Member
}

// Tokens returns the cell's token.
func (o *oneCell) Tokens(context.Context, string, string) ([]string, error) {
	return []string{o.token}, nil
}

// Resolve returns the cell's target.
func (o *oneCell) Resolve(context.Context, string, string) (*facade.Target, error) {
	return &facade.Target{
		View:    mapping.View{Namespace: namespace, Cell: cell, TargetNamespace: targetNamespace},
		Cluster: o.member.Name(), BaseURL: o.member.BaseURL(), Transport: o.member, Scopes: o.member,
		Membership: o.member.Context(),
	}, nil
}

// serve serves the façade until its standard input ends. It answers each line there with the bytes that its heap and
// stacks take after a garbage collection.
func serve(args []string) error {
	var config serveConfig
	if len(args) != 1 {
		return fmt.Errorf("%s takes its configuration and nothing else", serveCommand)
	}
	if err := json.Unmarshal([]byte(args[0]), &config); err != nil {
		return fmt.Errorf("configuration of %s: %w", serveCommand, err)
	}
	ca, err := os.ReadFile(config.CAFile)
	if err != nil {
		return err
	}
	cluster := &fedv1b1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Name: "member", UID: "member"}}
	cluster.Spec.APIEndpoint, cluster.Spec.CABundle = config.Endpoint, ca
	cluster.Spec.SecretRef.Name = "member"
	m, err := member.NewPool().Get(cluster, &corev1.Secret{Data: map[string][]byte{member.TokenKey: []byte(config.Token)}})
	if err != nil {
		return err
	}
	handler, err := facade.NewHandler(facade.Options{Resolver: &oneCell{token: config.Token, member: m}, Log: logr.Discard()})
	if err != nil {
		return err
	}
	certificate, err := newCertificate(config.CertFile)
	if err != nil {
		return err
	}
	server := &facade.Server{
		Handler: handler, Address: config.Address, Log: logr.Discard(), DrainTimeout: time.Second,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil },
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer stop()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Println(memory())
		}
	}()
	return server.Start(ctx)
}

// memory returns the bytes that heap and stacks take.
func memory() uint64 {
	runtime.GC()
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

// newCertificate makes a certificate for 127.0.0.1 and writes it to a file.
func newCertificate(file string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
