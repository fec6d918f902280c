package completion

import (
	"maps"
	"slices"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/cellfed/cellfed/internal/cli/kube"
)

func contexts(k *kube.Kube) []string {
	return keys(k, func(c api.Config) []string { return slices.Collect(maps.Keys(c.Contexts)) })
}

func clusters(k *kube.Kube) []string {
	return keys(k, func(c api.Config) []string { return slices.Collect(maps.Keys(c.Clusters)) })
}

func users(k *kube.Kube) []string {
	return keys(k, func(c api.Config) []string { return slices.Collect(maps.Keys(c.AuthInfos)) })
}

// keys reads names from the kubeconfig.
func keys(k *kube.Kube, names func(api.Config) []string) []string {
	config, err := k.Flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil
	}
	return names(config)
}
