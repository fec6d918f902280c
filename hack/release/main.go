// Command release makes what is published of the programs that hack/release.sh has built, and looks at it afterwards.
//
//	release pack  -version V -time SECONDS -dist DIR -license FILE -krew FILE
//	release check -version V -dist DIR
//
// pack takes each DIST/build/PROGRAM_OS_ARCH, which holds the program and its sbom.json, and writes into DIST an archive of the
// program with the license, and its SBOM; the krew manifest; and SHA256SUMS of everything that is there. The same input gives
// the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New(`nothing to do was named: there are "release pack" and "release check"`)
	}
	r := release{inspect: inspectProgram}
	seconds := int64(0)
	flags := flag.NewFlagSet("release "+args[0], flag.ContinueOnError)
	flags.StringVar(&r.version, "version", "", "version, such as v1.2.3")
	flags.StringVar(&r.dist, "dist", "dist", "directory of the release")
	flags.StringVar(&r.license, "license", "LICENSE", "license, which is part of every archive")
	flags.StringVar(&r.krew, "krew", "hack/krew.yaml.in", "template of the krew manifest")
	flags.Int64Var(&seconds, "time", 0, "time of everything in the archives, in seconds since 1970")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	r.time = time.Unix(seconds, 0).UTC()
	if !versionPattern.MatchString(r.version) {
		return fmt.Errorf("-version %q: give a version such as v1.2.3 or v1.2.3-rc.1", r.version)
	}
	switch args[0] {
	case "pack":
		return r.pack()
	case "check":
		return r.check()
	default:
		return fmt.Errorf(`%q is nothing to do: there are "release pack" and "release check"`, args[0])
	}
}
