// Package component prepares a Kubernetes component to run in this process: its flags (the user's
// first, then the defaults for what the user left open) and its log.
package component

import (
	"fmt"

	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
)

// Flags are what a component's flags shall become.
type Flags struct {
	// Component is the component's name, for errors and the way to its documentation.
	Component string
	// Named are the component's flags.
	Named cliflag.NamedFlagSets
	// Extra are the user's flags, as they stand on the command line after --.
	Extra []string
	// Owned are flags that the user may not give, with what to use in their place.
	Owned map[string]string
	// Defaults are values for flags that the user did not give.
	Defaults map[string]string
	// Yield names, for a default, the flag that excludes it: the default is left out when the user gave
	// that one.
	Yield map[string]string
}

// Apply sets the flags. A default is left out, not overwritten, where the user gave the flag: a list
// flag that is set twice would hold both. Errors name the flag, its value and the way out.
func (f Flags) Apply() error {
	fs := pflag.NewFlagSet(f.Component, pflag.ContinueOnError)
	fs.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	fs.Usage = func() {}
	for _, set := range f.Named.FlagSets {
		fs.AddFlagSet(set)
	}
	if err := fs.Parse(f.Extra); err != nil {
		return fmt.Errorf("after --: %w: what follows -- are flags of %s, which are listed at "+
			"https://kubernetes.io/docs/reference/command-line-tools-reference/%s/", err, f.Component, f.Component)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("after --: %q is no flag: write --name=value", fs.Arg(0))
	}
	for name, instead := range f.Owned {
		if flag := fs.Lookup(name); flag != nil && flag.Changed {
			return fmt.Errorf("after --: --%s=%s is set by this command: use %s", name, flag.Value, instead)
		}
	}
	for name, value := range f.Defaults {
		if fs.Changed(name) || f.Yield[name] != "" && fs.Changed(f.Yield[name]) {
			continue
		}
		if err := fs.Set(name, value); err != nil {
			return fmt.Errorf("setting %s's --%s to %q: %w", f.Component, name, value, err)
		}
	}
	return nil
}
