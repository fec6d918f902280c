package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
)

// inspectProgram says whether a program is one for its platform, built without C, without the paths of a machine, and without what
// a machine's settings could have added.
func inspectProgram(b build, program []byte) error {
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("read how %s was built: %w", b.binary(), err)
	}
	got := map[string]string{}
	for _, s := range info.Settings {
		got[s.Key] = s.Value
	}
	var errs []error
	for _, want := range []struct{ key, value string }{
		{"GOOS", b.os}, {"GOARCH", b.arch}, {"CGO_ENABLED", "0"}, {"-trimpath", "true"}, {"vcs.revision", ""},
		{"-tags", ""}, {"GOEXPERIMENT", ""}, {"GOFIPS140", ""},
	} {
		if got[want.key] != want.value {
			errs = append(errs, fmt.Errorf("%s was built with %s %q, want %q", b.binary(), want.key, got[want.key], want.value))
		}
	}
	return errors.Join(errs...)
}
