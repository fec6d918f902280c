package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// archived is an archive of the release.
type archived struct {
	build build
	sum   string
	files []file
}

func (a archived) file(name string) *file {
	i := slices.IndexFunc(a.files, func(f file) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &a.files[i]
}

// check looks at a release as those who download it do.
func (r *release) check() error {
	all, err := r.checkSums()
	if err != nil {
		return err
	}
	contents := map[string]archived{}
	for name, data := range all {
		a, err := r.checkArchive(name, data)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if a.files == nil {
			continue
		}
		contents[name] = a
		if err := checkSBOM(all[a.build.sbom(r.version)], a.build.program, r.version); err != nil {
			return fmt.Errorf("%s: %w", a.build.sbom(r.version), err)
		}
	}
	if err := checkKrew(all[manifest], r.version, contents); err != nil {
		return fmt.Errorf("%s: %w", manifest, err)
	}
	here := build{plugin, runtime.GOOS, runtime.GOARCH}
	a, found := contents[here.archive(r.version)]
	if !found {
		fmt.Printf("%d archives are as they should be; none of them is for this machine (%s/%s)\n", len(contents), here.os, here.arch)
		return nil
	}
	if err := r.checkVersion(a); err != nil {
		return fmt.Errorf("%s: %w", here.archive(r.version), err)
	}
	fmt.Printf("%d archives are as they should be, and the program of this machine says %s\n", len(contents), r.version)
	return nil
}

// checkSums compares every file with the checksums, and returns them by name.
func (r *release) checkSums() (map[string][]byte, error) {
	list, err := os.ReadFile(filepath.Join(r.dist, sums))
	if err != nil {
		return nil, fmt.Errorf("read the checksums: %w", err)
	}
	names, err := r.files()
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	var want strings.Builder
	for _, name := range names {
		if all[name], err = os.ReadFile(filepath.Join(r.dist, name)); err != nil {
			return nil, fmt.Errorf("read the release: %w", err)
		}
		fmt.Fprintf(&want, "%s  %s\n", checksum(all[name]), name)
	}
	if want.String() != string(list) {
		return nil, fmt.Errorf("%s is not that of the files:\n%swant\n%s", sums, list, want.String())
	}
	return all, nil
}

// checkArchive looks into an archive of a program. Of another file it returns nothing.
func (r *release) checkArchive(name string, data []byte) (archived, error) {
	stem, isZip := strings.CutSuffix(name, ".zip")
	stem, isTar := strings.CutSuffix(stem, ".tar.gz")
	if !isZip && !isTar {
		return archived{}, nil
	}
	b, err := parseBuild(strings.Replace(stem, "_"+r.version+"_", "_", 1))
	if err != nil {
		return archived{}, err
	}
	if name != b.archive(r.version) {
		return archived{}, fmt.Errorf("its name should be %s", b.archive(r.version))
	}
	files, err := unpack(data, isZip)
	if err != nil {
		return archived{}, err
	}
	a := archived{b, checksum(data), files}
	program := a.file(b.binary())
	switch {
	case len(files) != 2 || program == nil || a.file("LICENSE") == nil:
		return archived{}, fmt.Errorf("it holds %d files: want %s and LICENSE", len(files), b.binary())
	case program.mode != 0o755 || len(program.data) == 0:
		return archived{}, fmt.Errorf("%s has the mode %v and %d bytes: want a program that can be run", program.name, program.mode, len(program.data))
	}
	return a, r.inspect(b, program.data)
}

// checkVersion runs the plugin.
func (r *release) checkVersion(a archived) error {
	dir, err := os.MkdirTemp("", "cellfed-release-")
	if err != nil {
		return fmt.Errorf("make a directory for the program: %w", err)
	}
	path := filepath.Join(dir, a.build.binary())
	err = os.WriteFile(path, a.file(a.build.binary()).data, 0o755)
	var out []byte
	if err == nil {
		out, err = exec.Command(path, "version", "--client").CombinedOutput()
	}
	if err == nil && !slices.Contains(strings.Fields(string(out)), r.version) {
		err = fmt.Errorf("version --client does not say %s", r.version)
	}
	if err != nil {
		err = fmt.Errorf("run the program: %w: %s", err, out)
	}
	return errors.Join(err, os.RemoveAll(dir))
}
