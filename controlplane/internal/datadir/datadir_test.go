package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLock(t *testing.T) {
	dir := Dir(t.TempDir())
	release, err := dir.Lock()
	if err != nil {
		t.Fatalf("first lock: %v", err)
	}
	_, err = dir.Lock()
	var inUse *InUseError
	if !errors.As(err, &inUse) {
		t.Fatalf("second lock: got %v, want an InUseError", err)
	}
	if inUse.PID != os.Getpid() || inUse.Dir != dir {
		t.Errorf("InUseError is %+v, want directory %s and process %d", inUse, dir, os.Getpid())
	}
	release()
	release, err = dir.Lock()
	if err != nil {
		t.Fatalf("lock after release: %v", err)
	}
	release()
}

func TestPrepare(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(base, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason string
		dir    string
		fails  bool
	}{
		"Missing":   {reason: "A missing directory is made, with its parents", dir: filepath.Join(base, "a", "b")},
		"Existing":  {reason: "An existing directory is used", dir: base},
		"File":      {reason: "A file is no directory", dir: file, fails: true},
		"BelowFile": {reason: "Nothing can be made below a file", dir: filepath.Join(file, "a"), fails: true},
		// The superuser writes where the mode forbids it.
		"ReadOnly": {reason: "A directory that cannot be written is refused", dir: closed, fails: os.Geteuid() != 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := Dir(tc.dir).Prepare()
			if tc.fails != (err != nil) {
				t.Fatalf("%s: got error %v, want one: %t", tc.reason, err, tc.fails)
			}
			if err != nil {
				for _, part := range []string{"--data-dir", tc.dir, "give --data-dir"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("error %q does not say %q", err, part)
					}
				}
				return
			}
			left, err := filepath.Glob(filepath.Join(tc.dir, ".write-check-*"))
			if err != nil || len(left) != 0 {
				t.Errorf("the check left %v behind (%v)", left, err)
			}
		})
	}
}

func TestNew(t *testing.T) {
	if _, err := New(""); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("an empty path: got %v, want an error that names --data-dir", err)
	}
	dir, err := New("relative")
	if err != nil || !filepath.IsAbs(string(dir)) {
		t.Errorf("a relative path: got %q, %v, want an absolute one", dir, err)
	}
}
