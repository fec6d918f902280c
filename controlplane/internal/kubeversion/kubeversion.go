// Package kubeversion gives the Kubernetes libraries in this binary the version that they were built
// from. Importing it is enough.
//
// Kubernetes takes its version from linker flags. A plain `go build` leaves a placeholder there that
// no client can parse (the server reports it at /version), so the version is read from the module
// list that Go puts into every binary. Linker flags win where they were given.
package kubeversion

import (
	"runtime/debug"
	"strings"
	_ "unsafe" // for go:linkname

	utilversion "k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-base/version"
)

// component-base's exported means, SetDynamicVersion, refuses a version whose major, minor and patch
// differ from these variables, so that they have to be set first.
//
//go:linkname gitVersion k8s.io/component-base/version.gitVersion
var gitVersion string

//go:linkname gitMajor k8s.io/component-base/version.gitMajor
var gitMajor string

//go:linkname gitMinor k8s.io/component-base/version.gitMinor
var gitMinor string

// Modules whose versions are those of what they hold.
const (
	kubernetesModule = "k8s.io/kubernetes"
	kineModule       = "github.com/k3s-io/kine"
)

func init() {
	if !strings.Contains(gitVersion, "$Format") {
		return
	}
	v := moduleVersion(kubernetesModule)
	if v == "" {
		v = "v" + version.DefaultKubeBinaryVersion + ".0"
	}
	parsed, err := utilversion.ParseSemantic(v)
	if err != nil {
		return
	}
	gitVersion = v
	gitMajor = utilversion.Itoa(parsed.Major())
	gitMinor = utilversion.Itoa(parsed.Minor())
	// The version equals gitVersion, which is the one case that cannot be refused.
	_ = version.SetDynamicVersion(v)
}

// moduleVersion returns the version of a module in this binary, or nothing when the binary does not
// say, as one that was built outside of its module does not.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dep := range info.Deps {
		if dep.Path != path {
			continue
		}
		if dep.Replace != nil && dep.Replace.Version != "" {
			return dep.Replace.Version
		}
		return dep.Version
	}
	return ""
}

// Kubernetes returns the version of Kubernetes in this binary, with its leading v.
func Kubernetes() string {
	return version.Get().GitVersion
}

// Kine returns the version of kine in this binary, with its leading v, or "unknown".
func Kine() string {
	if v := moduleVersion(kineModule); v != "" {
		return v
	}
	return "unknown"
}
