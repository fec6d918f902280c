// Package datadir knows the data directory of one control plane: where its files are, that it can be
// used, and that one server at a time does so.
package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Dir is the data directory of one control plane, an absolute path.
type Dir string

// New returns the data directory at path, which may be relative and need not exist. An empty path is
// an error.
func New(path string) (Dir, error) {
	if path == "" {
		return "", errors.New("--data-dir is empty: name the directory that holds the control plane's certificates, kubeconfig and datastore")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("--data-dir %q: %w", path, err)
	}
	return Dir(abs), nil
}

// PKI is the directory of keys and certificates.
func (d Dir) PKI() string { return filepath.Join(string(d), "pki") }

// Database is the SQLite file of the embedded datastore.
func (d Dir) Database() string { return filepath.Join(string(d), "datastore", "state.db") }

// Socket is where the embedded datastore listens, if the path is short enough for a unix socket.
func (d Dir) Socket() string { return filepath.Join(string(d), "kine.sock") }

// AdminKubeconfig is the cluster administrator's kubeconfig.
func (d Dir) AdminKubeconfig() string { return filepath.Join(string(d), "kubeconfig") }

// ControllerManagerKubeconfig is kube-controller-manager's kubeconfig.
func (d Dir) ControllerManagerKubeconfig() string {
	return filepath.Join(string(d), "controller-manager.kubeconfig")
}

// SchedulerKubeconfig is kube-scheduler's kubeconfig.
func (d Dir) SchedulerKubeconfig() string { return filepath.Join(string(d), "scheduler.kubeconfig") }

func (d Dir) lock() string { return filepath.Join(string(d), "lock") }

// Prepare creates the directory with mode 0700 if it is missing, and fails if it is none, or if files
// in it cannot be listed, read or written.
func (d Dir) Prepare() error {
	const way = "give --data-dir a directory that this user can read and write"
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("--data-dir %q cannot be used: %w: %s", string(d), err, way)
	}
	if _, err := os.ReadDir(string(d)); err != nil {
		return fmt.Errorf("--data-dir %q cannot be read: %w: %s", string(d), err, way)
	}
	probe, err := os.CreateTemp(string(d), ".write-check-*")
	if err != nil {
		return fmt.Errorf("--data-dir %q cannot be written: %w: %s", string(d), err, way)
	}
	defer func() { _ = os.Remove(probe.Name()) }()
	if err := probe.Close(); err != nil {
		return fmt.Errorf("--data-dir %q cannot be written: %w: %s", string(d), err, way)
	}
	return nil
}

// InUseError says that another server holds the data directory.
type InUseError struct {
	// Dir is the data directory.
	Dir Dir
	// PID is the process id that the other server left in the lock file, 0 if there is none.
	PID int
}

func (e *InUseError) Error() string {
	holder := "another controlplane apiserver"
	if e.PID != 0 {
		holder += " (process " + strconv.Itoa(e.PID) + ")"
	}
	return fmt.Sprintf("--data-dir %q is in use by %s: stop it, or give this server a directory of its own", string(e.Dir), holder)
}

// Lock takes the data directory for this process and returns what releases it. The kernel releases it
// when the process ends, however it ends. It fails with an *InUseError when another process has it.
func (d Dir) Lock() (release func(), err error) {
	f, err := os.OpenFile(d.lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--data-dir %q: opening the lock file: %w", string(d), err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &InUseError{Dir: d, PID: readPID(f)}
		}
		return nil, fmt.Errorf("--data-dir %q: locking %s: %w", string(d), d.lock(), err)
	}
	// The process id only serves the other server's message: without it the lock holds just the same.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	// The file stays: removing it would let a third process lock a new file of that name.
	return func() { _ = f.Close() }, nil
}

func readPID(f *os.File) int {
	buf := make([]byte, 32)
	n, _ := f.ReadAt(buf, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil {
		return 0
	}
	return pid
}
