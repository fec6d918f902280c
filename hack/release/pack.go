package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// versionPattern is semantic versioning's, with the v that krew, Go and git tags have.
var versionPattern = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

const (
	plugin   = "kubectl-cells"
	sums     = "SHA256SUMS"
	manifest = "cells.yaml"
	windows  = "windows"
)

// release is one version's files, and what they are made of.
type release struct {
	version string
	time    time.Time
	dist    string
	license string
	krew    string
	// inspect says whether a program is one for its platform.
	inspect func(b build, program []byte) error
}

// build is a program for a platform.
type build struct {
	program, os, arch string
}

// parseBuild reads the name of a directory: PROGRAM_OS_ARCH.
func parseBuild(name string) (build, error) {
	words := strings.Split(name, "_")
	if len(words) != 3 {
		return build{}, fmt.Errorf("%q is no PROGRAM_OS_ARCH", name)
	}
	return build{words[0], words[1], words[2]}, nil
}

func (b build) dir() string { return b.program + "_" + b.os + "_" + b.arch }

// binary is the program's file.
func (b build) binary() string {
	if b.os == windows {
		return b.program + ".exe"
	}
	return b.program
}

// name is what the build's files in the release begin with.
func (b build) name(version string) string {
	return strings.Join([]string{b.program, version, b.os, b.arch}, "_")
}

func (b build) archive(version string) string {
	if b.os == windows {
		return b.name(version) + ".zip"
	}
	return b.name(version) + ".tar.gz"
}

func (b build) sbom(version string) string { return b.name(version) + ".cdx.json" }

// pack writes everything.
func (r *release) pack() error {
	entries, err := os.ReadDir(filepath.Join(r.dist, "build"))
	if err != nil {
		return fmt.Errorf("find what was built: %w", err)
	}
	var plugins []platform
	for _, entry := range entries {
		b, err := parseBuild(entry.Name())
		if err != nil {
			return fmt.Errorf("find what was built: %w", err)
		}
		sum, err := r.packBuild(b)
		if err != nil {
			return fmt.Errorf("pack %s: %w", b.dir(), err)
		}
		if b.program == plugin {
			plugins = append(plugins, platform{OS: b.os, Arch: b.arch, Archive: b.archive(r.version), SHA256: sum, Bin: b.binary()})
		}
	}
	template, err := os.ReadFile(r.krew)
	if err != nil {
		return fmt.Errorf("read the template of the krew manifest: %w", err)
	}
	made, err := krewManifest(string(template), r.version, plugins)
	if err != nil {
		return err
	}
	if err := r.write(manifest, made); err != nil {
		return err
	}
	return r.sum()
}

// packBuild writes a build's archive and SBOM, and returns the archive's checksum.
func (r *release) packBuild(b build) (string, error) {
	dir := filepath.Join(r.dist, "build", b.dir())
	program, err := os.ReadFile(filepath.Join(dir, b.binary()))
	if err != nil {
		return "", fmt.Errorf("read the program: %w", err)
	}
	license, err := os.ReadFile(r.license)
	if err != nil {
		return "", fmt.Errorf("read the license: %w", err)
	}
	bom, err := os.ReadFile(filepath.Join(dir, "sbom.json"))
	if err != nil {
		return "", fmt.Errorf("read the SBOM: %w", err)
	}
	if bom, err = settleSBOM(bom, b.program, r.version, r.time); err != nil {
		return "", err
	}
	if err := r.write(b.sbom(r.version), bom); err != nil {
		return "", err
	}
	files := []file{{"LICENSE", 0o644, license}, {b.binary(), 0o755, program}}
	archive := tarball
	if b.os == windows {
		archive = zipped
	}
	var out bytes.Buffer
	if err := archive(&out, files, r.time); err != nil {
		return "", err
	}
	if err := r.write(b.archive(r.version), out.Bytes()); err != nil {
		return "", err
	}
	return checksum(out.Bytes()), nil
}

// sum writes the checksums of all files that are in the release by now.
func (r *release) sum() error {
	names, err := r.files()
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(r.dist, name))
		if err != nil {
			return fmt.Errorf("sum up: %w", err)
		}
		fmt.Fprintf(&b, "%s  %s\n", checksum(data), name)
	}
	return r.write(sums, []byte(b.String()))
}

// files returns the names of what is published, but for the checksums, sorted.
func (r *release) files() ([]string, error) {
	entries, err := os.ReadDir(r.dist)
	if err != nil {
		return nil, fmt.Errorf("list the release: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() && entry.Name() != sums {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (r *release) write(name string, data []byte) error {
	if err := os.WriteFile(filepath.Join(r.dist, name), data, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	fmt.Printf("  %s (%d KB)\n", name, len(data)/1000)
	return nil
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
