package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// way is one way to the member: direct, or through the façade.
type way struct {
	name   string
	base   string
	token  string
	client *http.Client
	// namespace is what the objects' namespace is called on this way.
	namespace string
}

// do sends a request and returns the answer. The caller closes its body.
func (w *way) do(ctx context.Context, method, path, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return w.client.Do(req)
}

// read sends a request and returns the answer's body, and an error unless it is a success.
func (w *way) read(ctx context.Context, method, path, body string) ([]byte, error) {
	resp, err := w.do(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // It was read.
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s %s: status %d: %.300s", w.name, method, path, resp.StatusCode, answer)
	}
	return answer, err
}

// bed is an API server and a façade of it, each a process.
type bed struct {
	dir            string
	direct, facade *way
	processes      []*exec.Cmd
	memoryIn       io.WriteCloser
	memoryOut      *bufio.Reader
}

// newBed boots both. Close stops them, and must be called also after an error.
func newBed(ctx context.Context, controlplane string) (*bed, error) {
	b := &bed{}
	var err error
	if b.dir, err = os.MkdirTemp("", "cellfed-bench-facade-"); err != nil {
		return b, err
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	token := hex.EncodeToString(random)
	tokens := filepath.Join(b.dir, "tokens.csv")
	if err := os.WriteFile(tokens, []byte(token+",bench,1,system:masters\n"), 0o600); err != nil {
		return b, err
	}
	address, err := freeAddress()
	if err != nil {
		return b, err
	}
	_, port, _ := net.SplitHostPort(address)
	data := filepath.Join(b.dir, "data")
	if err := b.start(exec.Command(controlplane, "apiserver", "--data-dir", data, "--port", port, "--",
		"--token-auth-file="+tokens), "apiserver.log"); err != nil {
		return b, err
	}
	ca := filepath.Join(data, "pki", "ca.crt")
	b.direct = &way{name: "direct", base: "https://" + address, token: token, namespace: targetNamespace}
	if err := b.ready(ctx, b.direct, ca, "/readyz"); err != nil {
		return b, err
	}
	return b, b.startFacade(ctx, token, ca)
}

// startFacade runs this program as the façade's process.
func (b *bed) startFacade(ctx context.Context, token, ca string) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	certificate := filepath.Join(b.dir, "facade.crt")
	config, err := json.Marshal(serveConfig{Endpoint: b.direct.base, CAFile: ca, Token: token, Address: address, CertFile: certificate})
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, serveCommand, string(config))
	if b.memoryIn, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	b.memoryOut = bufio.NewReader(out)
	if err := b.start(cmd, "facade.log"); err != nil {
		return err
	}
	b.facade = &way{name: "façade", base: "https://" + address + "/cells/" + namespace + "/" + cell, token: token, namespace: namespace}
	return b.ready(ctx, b.facade, certificate, "/readyz")
}

// start starts a process whose output, as far as it goes nowhere yet, goes to a file.
func (b *bed) start(cmd *exec.Cmd, log string) error {
	file, err := os.Create(filepath.Join(b.dir, log))
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // The process has its own.
	if cmd.Stdout == nil {
		cmd.Stdout = file
	}
	cmd.Stderr = file
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	b.processes = append(b.processes, cmd)
	return nil
}

// ready gives a way its client and waits until it answers.
func (b *bed) ready(ctx context.Context, w *way, caFile, path string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		ca, err := os.ReadFile(caFile)
		roots := x509.NewCertPool()
		if err == nil && roots.AppendCertsFromPEM(ca) {
			w.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
			if _, err = w.read(ctx, http.MethodGet, path, ""); err == nil {
				return nil
			}
		}
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", w.name, errors.Join(ctx.Err(), last))
		case <-tick.C:
		}
	}
}

// memory returns the bytes that the façade's heap and stacks take.
func (b *bed) memory() (uint64, error) {
	if _, err := io.WriteString(b.memoryIn, "\n"); err != nil {
		return 0, err
	}
	var n uint64
	_, err := fmt.Fscanln(b.memoryOut, &n)
	return n, err
}

// Close stops the processes, the façade first, and removes their files.
func (b *bed) Close() {
	for i := len(b.processes) - 1; i >= 0; i-- {
		p := b.processes[i]
		_ = p.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(15*time.Second, func() { _ = p.Process.Kill() })
		_ = p.Wait()
		kill.Stop()
	}
	_ = os.RemoveAll(b.dir)
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close() //nolint:errcheck // Nothing is lost.
	return listener.Addr().String(), nil
}
