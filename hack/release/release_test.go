package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const version = "v1.2.3"

// tool is an SBOM as the tool writes it.
const tool = `{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{"timestamp":"%TIME%","tools":[{"name":"t","hashes":[{"alg":"MD5"}]}],
"component":{"bom-ref":"pkg:golang/example.com/m@v0.0.0-1?type=module#x","name":"example.com/m","version":"v0.0.0-1","purl":"pkg:golang/example.com/m@v0.0.0-1?a&b"}},
"components":[{"name":"example.com/d","version":"v1.0.0","purl":"pkg:golang/example.com/d@v1.0.0"}],
"dependencies":[{"ref":"pkg:golang/example.com/m@v0.0.0-1?type=module#x"}]}`

// fill makes what hack/release.sh has built: the plugin for three platforms that no machine of this test is, and the manager.
func fill(t *testing.T, clock string) release {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"kubectl-cells_plan9_amd64", "kubectl-cells_plan9_arm64", "kubectl-cells_windows_mips", "cellfed-manager_plan9_amd64"} {
		b, err := parseBuild(name)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "build", name, b.binary()), "program of "+name)
		put(t, filepath.Join(dir, "build", name, "sbom.json"), strings.ReplaceAll(tool, "%TIME%", clock))
	}
	put(t, filepath.Join(dir, "cellfed-1.2.3.tgz"), "the chart")
	return release{version: version, time: time.Unix(1_700_000_000, 0).UTC(), dist: dir, license: "../../LICENSE", krew: "../krew.yaml.in",
		inspect: func(build, []byte) error { return nil }}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPack: what is packed is as it should be, and the same on another day in another directory.
func TestPack(t *testing.T) {
	read := func(clock string) map[string]string {
		r := fill(t, clock)
		if err := r.pack(); err != nil {
			t.Fatal(err)
		}
		if err := r.check(); err != nil {
			t.Fatal(err)
		}
		names, err := r.files()
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, name := range append(names, sums) {
			data, err := os.ReadFile(filepath.Join(r.dist, name))
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(data)
		}
		return all
	}
	one, other := read("2026-01-01T00:00:00Z"), read("2027-02-02T02:02:02Z")
	if diff := cmp.Diff(one, other); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
	for _, name := range []string{
		"kubectl-cells_v1.2.3_plan9_amd64.tar.gz", "kubectl-cells_v1.2.3_windows_mips.zip", "kubectl-cells_v1.2.3_windows_mips.cdx.json",
		"cellfed-manager_v1.2.3_plan9_amd64.tar.gz", "cellfed-1.2.3.tgz", manifest,
	} {
		if _, found := one[name]; !found || !strings.Contains(one[sums], "  "+name+"\n") {
			t.Errorf("there is no %s, or no checksum of it:\n%s", name, one[sums])
		}
	}
	if strings.Contains(one[manifest], "manager") {
		t.Errorf("the krew manifest names the manager:\n%s", one[manifest])
	}
}

// TestCheck: a release that is not whole is refused.
func TestCheck(t *testing.T) {
	const archive = "kubectl-cells_v1.2.3_plan9_amd64.tar.gz"
	edit := func(name, from, to string) func(*testing.T, *release) {
		return func(t *testing.T, r *release) {
			path := filepath.Join(r.dist, name)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(data), from) {
				t.Fatalf("%s does not hold %q", name, from)
			}
			put(t, path, strings.ReplaceAll(string(data), from, to))
		}
	}
	cases := map[string]struct {
		reason string
		spoil  func(*testing.T, *release)
		// resum has the checksums made anew, so that they are not what is refused.
		resum bool
		want  string
	}{
		"Sum": {"a file is not what it was", edit(manifest, "plan9", "plan8"), false, sums},
		"Extra": {"a file was not summed up", func(t *testing.T, r *release) {
			put(t, filepath.Join(r.dist, "extra"), "")
		}, false, sums},
		"URI":      {"the manifest leads elsewhere", edit(manifest, "/v1.2.3/", "/v1.2.4/"), true, "uri is"},
		"Platform": {"the manifest names a platform of another archive", edit(manifest, "arch: amd64", "arch: arm64"), true, "uri is"},
		"SHA256":   {"the manifest has another checksum", edit(manifest, "sha256: ", "sha256: 0"), true, "sha256 is"},
		"Bin":      {"the manifest names another program", edit(manifest, "bin: kubectl-cells.exe", "bin: kubectl-cells"), true, "bin is"},
		"License":  {"the manifest leaves the license out", edit(manifest, "from: LICENSE", "from: kubectl-cells"), true, "files has"},
		"Field":    {"the manifest has a field that krew does not know", edit(manifest, "caveats:", "caveat:"), true, "caveat"},
		"Version":  {"the manifest is of another version", edit(manifest, "version: v1.2.3", "version: v1.2.2"), true, "spec.version"},
		"SBOM": {"the SBOM is of another version", edit("kubectl-cells_v1.2.3_plan9_arm64.cdx.json", `"version": "v1.2.3"`, `"version": "v1.2.2"`),
			true, "it is of kubectl-cells v1.2.2"},
		"Refs": {"the SBOM's references lead nowhere", edit("kubectl-cells_v1.2.3_plan9_arm64.cdx.json", `"ref": "pkg:golang/example.com/m@`, `"ref": "pkg:golang/m@`),
			true, "do not hold its own component"},
		"Lacking": {"an archive is not in the manifest", func(t *testing.T, r *release) {
			put(t, filepath.Join(r.dist, "kubectl-cells_v1.2.3_plan9_riscv64.tar.gz"), tarballOf(t, "kubectl-cells", 0o755))
			data, err := os.ReadFile(filepath.Join(r.dist, "kubectl-cells_v1.2.3_plan9_arm64.cdx.json"))
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(r.dist, "kubectl-cells_v1.2.3_plan9_riscv64.cdx.json"), string(data))
		}, true, "does not have"},
		"Mode": {"the program cannot be run", func(t *testing.T, r *release) {
			put(t, filepath.Join(r.dist, archive), tarballOf(t, "kubectl-cells", 0o644))
		}, true, "has the mode"},
		"Name": {"the archive holds another program", func(t *testing.T, r *release) {
			put(t, filepath.Join(r.dist, archive), tarballOf(t, "cells", 0o755))
		}, true, "want kubectl-cells and LICENSE"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := fill(t, "2026-01-01T00:00:00Z")
			if err := r.pack(); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, &r)
			if c.resum {
				if err := r.sum(); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.check(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got the error %v, want one that says %q", c.reason, err, c.want)
			}
		})
	}
}

func tarballOf(t *testing.T, program string, mode os.FileMode) string {
	t.Helper()
	var out bytes.Buffer
	if err := tarball(&out, []file{{"LICENSE", 0o644, []byte("l")}, {program, mode, []byte("p")}}, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestSettleSBOM: every reference to the program is to the version that is released.
func TestSettleSBOM(t *testing.T) {
	data, err := settleSBOM([]byte(tool), plugin, version, time.Unix(0, 0).UTC())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "v0.0.0-1") || strings.Contains(string(data), "hashes") || !strings.Contains(string(data), "?a&b") {
		t.Errorf("got %s", data)
	}
	var header bomHeader
	if err := json.Unmarshal(data, &header); err != nil {
		t.Fatal(err)
	}
	if got := header.Metadata.Timestamp; got != "1970-01-01T00:00:00Z" {
		t.Errorf("the time is %s", got)
	}
}

// TestInspect: a program of another platform, or one that was built otherwise, is not taken.
func TestInspect(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = inspectProgram(build{plugin, "plan9", runtime.GOARCH}, program)
	if err == nil || !strings.Contains(err.Error(), `GOOS "`+runtime.GOOS+`", want "plan9"`) || !strings.Contains(err.Error(), "-trimpath") {
		t.Errorf("this test's program was taken for one of plan9: got the error %v", err)
	}
	if err := inspectProgram(build{plugin, runtime.GOOS, runtime.GOARCH}, []byte("no program")); err == nil {
		t.Error("a text was taken for a program")
	}
}

// TestInspectSettings: what a machine's settings add to a program is found in it.
func TestInspectSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-tags=local", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = inspectProgram(build{plugin, runtime.GOOS, runtime.GOARCH}, program)
	if want := `was built with -tags "local", want ""`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got the error %v, want one that says %s", err, want)
	}
}

// TestVersion: a version is one that krew and Go's tags have.
func TestVersion(t *testing.T) {
	for text, want := range map[string]bool{
		"v0.1.0": true, "v1.2.3-rc.1": true, "0.1.0": false, "v1.2": false, "d2eecb1": false, "v01.2.3": false, "": false, "v1.2.3 ": false,
	} {
		err := run([]string{"check", "-version", text, "-dist", t.TempDir()})
		if refused := strings.Contains(err.Error(), "-version"); refused == want {
			t.Errorf("%q: got the error %v", text, err)
		}
	}
}
