package helmlife

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// mount notes where the container's volumes are here, and returns their directories by those of the container.
func (p *pod) mount(home string, spec *corev1.PodSpec) (map[string]string, error) {
	mounts := map[string]string{}
	for _, mount := range spec.Containers[0].VolumeMounts {
		i := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		if i < 0 {
			return nil, fmt.Errorf("the mount %s is of no volume", mount.Name)
		}
		mounts[mount.MountPath] = filepath.Join(home, mount.Name)
		p.volumes[mounts[mount.MountPath]] = spec.Volumes[i]
	}
	return mounts, nil
}

// fill brings the pod's volumes up to what the host says, as a kubelet does from time to time.
func (p *pods) fill(ctx context.Context, pod *pod) error {
	for dir, volume := range pod.volumes {
		files, err := p.files(ctx, volume)
		if err != nil {
			return fmt.Errorf("fill the volume %s: %w", volume.Name, err)
		}
		if err := writeVolume(dir, files); err != nil {
			return fmt.Errorf("fill the volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

// files returns what a volume holds, by its names.
func (p *pods) files(ctx context.Context, volume corev1.Volume) (map[string][]byte, error) {
	var sources []corev1.VolumeProjection
	switch {
	case volume.Projected != nil:
		sources = volume.Projected.Sources
	case volume.Secret != nil:
		sources = []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: volume.Secret.SecretName}, Items: volume.Secret.Items,
		}}}
	default:
		return nil, errors.New("it is of a kind that no volume of the chart's is of")
	}
	files := map[string][]byte{}
	for _, source := range sources {
		data, items, err := p.source(ctx, source)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if len(data[item.Key]) == 0 {
				return nil, fmt.Errorf("there is no %s", item.Key)
			}
			files[item.Path] = data[item.Key]
		}
		if len(items) == 0 {
			for key, value := range data {
				files[key] = value
			}
		}
	}
	return files, nil
}

func (p *pods) source(ctx context.Context, source corev1.VolumeProjection) (map[string][]byte, []corev1.KeyToPath, error) {
	switch {
	case source.Secret != nil:
		secret := &corev1.Secret{}
		err := p.host.Client.Get(ctx, client.ObjectKey{Namespace: system, Name: source.Secret.Name}, secret)
		return secret.Data, source.Secret.Items, err
	case source.ConfigMap != nil:
		config, data := &corev1.ConfigMap{}, map[string][]byte{}
		err := p.host.Client.Get(ctx, client.ObjectKey{Namespace: system, Name: source.ConfigMap.Name}, config)
		for key, value := range config.Data {
			data[key] = []byte(value)
		}
		return data, source.ConfigMap.Items, err
	}
	return nil, nil, errors.New("a projected volume that is of no Secret and no ConfigMap")
}

// writeVolume writes files as a kubelet does: into a directory of their own, to which a link leads, that is changed in one
// step. What it led to before goes.
func writeVolume(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	data, next := filepath.Join(dir, "..data"), filepath.Join(dir, "..data_tmp")
	before, err := os.Readlink(data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	moment, err := os.MkdirTemp(dir, "..moment")
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(moment, name), content, 0o600); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Symlink(filepath.Base(moment), next), os.Rename(next, data)); err != nil {
		return err
	}
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if before == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(dir, before))
}
