package cli

import (
	"github.com/spf13/pflag"
)

func addDataDirFlag(fs *pflag.FlagSet, dir *string) {
	fs.StringVar(dir, "data-dir", *dir, "directory of certificates, kubeconfigs and datastore (required)")
}

func addVerbosityFlag(fs *pflag.FlagSet, level *int) {
	fs.IntVarP(level, "v", "v", *level, "log level of Kubernetes: 0 for errors only, 1 for its usual lines, more to debug")
}
