package main

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	imageV1 = "registry.example/acme/pay:1.4.2"
	imageV2 = "registry.example/acme/pay:2.0.0"

	// holdTime is how long the demo watches that a held cell stays as it is.
	holdTime = 8 * time.Second
)

// identity is what a hand-over must not change of an object.
type identity struct {
	uid        string
	generation int64
}

// canary hands two types over and releases a version cell by cell, around a member that is down.
func (d *demo) canary(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		d.handOver, d.releaseOne, d.releaseWithoutMember, d.comeBack, d.releaseAll,
	} {
		if err := step(ctx); err != nil {
			return err
		}
		if err := d.env.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) handOver(ctx context.Context) error {
	d.say.title("Deployments and ConfigMaps are handed over: cellfed's push reconciler writes them from now on")
	before, err := d.identities(ctx)
	if err != nil {
		return err
	}
	err = d.doAll(ctx,
		"apply -f examples/policies.yaml",
		"-n kube-federation-system wait --for=jsonpath={.status.propagator}=Cellfed federatedtypepolicies --all --timeout=120s",
		"-n kube-federation-system get federatedtypepolicies",
	)
	if err != nil {
		return err
	}
	after, err := d.identities(ctx)
	if err != nil {
		return err
	}
	if !maps.Equal(before, after) {
		return fmt.Errorf("the hand-over changed the Deployments from %v to %v", before, after)
	}
	d.say.check("The Deployments in the members have the UID and the generation that they had")
	return nil
}

func (d *demo) releaseOne(ctx context.Context) error {
	d.say.title("The canary: version 2 is released to rz00a alone, by way of the placement mask")
	if err := d.releaseImage(ctx, imageV2, "rz00a"); err != nil {
		return err
	}
	if err := d.waitImages(ctx, map[string]string{"rz00a": imageV2, "rz00b": imageV1, "rz01a": imageV1}); err != nil {
		return err
	}
	return d.doCells(ctx, "-n", namespace, "status", "deployment/pay")
}

func (d *demo) releaseWithoutMember(ctx context.Context) error {
	d.say.title("The member " + shanghai + " is killed, and the release goes on without it")
	if err := d.env.Member(shanghai).Kill(); err != nil {
		return err
	}
	if err := d.releaseImage(ctx, imageV2, "rz00a", "rz00b"); err != nil {
		return err
	}
	return d.waitImages(ctx, map[string]string{"rz00a": imageV2, "rz00b": imageV2})
}

func (d *demo) comeBack(ctx context.Context) error {
	d.say.title(shanghai + " comes back with version 1, and stays at it: the mask does not name rz01a")
	if err := d.env.Member(shanghai).Start(ctx); err != nil {
		return err
	}
	err := framework.Hold(ctx, holdTime, "rz01a to stay as it is", func(ctx context.Context) error {
		image, err := d.image(ctx, cells[2])
		if err == nil && image != imageV1 {
			err = fmt.Errorf("it has %s", image)
		}
		return err
	})
	if err != nil {
		return err
	}
	d.say.check(fmt.Sprintf("rz01a was at %s for %s", imageV1, holdTime))
	return d.showImages(ctx)
}

func (d *demo) releaseAll(ctx context.Context) error {
	d.say.title("The mask is taken away: the rest follows")
	err := d.do(ctx, "-n", namespace, "patch", "federateddeployment", "pay", "--type=json", "-p", `[{"op":"remove","path":"/spec/placementMask"}]`)
	if err != nil {
		return err
	}
	return d.waitImages(ctx, map[string]string{"rz00a": imageV2, "rz00b": imageV2, "rz01a": imageV2})
}

// releaseImage sets the image, and lets it go to the cells that are named.
func (d *demo) releaseImage(ctx context.Context, image string, names ...string) error {
	var topologies []string
	for _, name := range names {
		topologies = append(topologies, fmt.Sprintf(`{"name":%q}`, name))
	}
	patch := fmt.Sprintf(`{"spec":{"placementMask":{"topologies":[%s]},"template":{"spec":{"template":{"spec":{"containers":[{"name":"pay","image":%q,"envFrom":[{"configMapRef":{"name":"pay"}}]}]}}}}}}`,
		strings.Join(topologies, ","), image)
	return d.do(ctx, "-n", namespace, "patch", "federateddeployment", "pay", "--type=merge", "-p", patch)
}

// waitImages waits until the cells that are named have the images, and shows all of them.
func (d *demo) waitImages(ctx context.Context, want map[string]string) error {
	err := framework.Poll(ctx, patience, "the cells to have their versions", func(ctx context.Context) error {
		for _, c := range cells {
			if want[c.name] == "" {
				continue
			}
			got, err := d.image(ctx, c)
			if err != nil {
				return err
			}
			if got != want[c.name] {
				return fmt.Errorf("%s has %s, want %s", c.name, got, want[c.name])
			}
		}
		return d.reported(ctx, want)
	})
	if err != nil {
		return err
	}
	return d.showImages(ctx)
}

// reported says whether the status speaks of what the object says now: the cells that have the new version are in sync
// with it.
func (d *demo) reported(ctx context.Context, want map[string]string) error {
	object, err := d.federatedPay(ctx)
	if err != nil {
		return err
	}
	topologies, _, err := unstructured.NestedSlice(object.Object, "status", "topologies")
	if err != nil {
		return err
	}
	for _, item := range topologies {
		entry, _ := item.(map[string]any)
		name, _ := entry["name"].(string)
		if want[name] == imageV2 && (entry["status"] != nil || entry["generation"] != object.GetGeneration()) {
			return fmt.Errorf("the status of %s is %v of generation %v, and the object's generation is %d",
				name, entry["status"], entry["generation"], object.GetGeneration())
		}
	}
	return nil
}

func (d *demo) federatedPay(ctx context.Context) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "types.kubefed.io", Version: "v2beta1", Kind: "FederatedDeployment"})
	err := d.env.Host.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "pay"}, object)
	return object, err
}

// showImages prints the version in each cell beside what the status says of it.
func (d *demo) showImages(ctx context.Context) error {
	object, err := d.federatedPay(ctx)
	if err != nil {
		return err
	}
	topologies, _, err := unstructured.NestedSlice(object.Object, "status", "topologies")
	if err != nil {
		return err
	}
	said := map[string]string{}
	for _, item := range topologies {
		entry, _ := item.(map[string]any)
		name, _ := entry["name"].(string)
		status, _ := entry["status"].(string)
		if status == "" {
			status = "In sync"
		}
		said[name] = fmt.Sprintf("%s, generation %v", status, entry["generation"])
	}
	table := [][][]string{{{"DEPLOYMENT pay"}, {"image"}, {"status"}}}
	for _, c := range cells {
		version := "the member is down"
		if image, err := d.image(ctx, c); err == nil {
			version = image[strings.LastIndexByte(image, ':')+1:]
		}
		table = append(table, [][]string{{strings.ToUpper(c.name) + " in " + c.cluster}, {version}, {said[c.name]}})
	}
	for _, line := range render(table) {
		d.say.line("   " + line)
	}
	return d.do(ctx, "-n", namespace, "get", "federateddeployment", "pay")
}

// image returns the image that a cell's member has.
func (d *demo) image(ctx context.Context, c cell) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	deployment, err := d.deployment(ctx, c)
	if err != nil {
		return "", err
	}
	return deployment.Spec.Template.Spec.Containers[0].Image, nil
}

func (d *demo) deployment(ctx context.Context, c cell) (*appsv1.Deployment, error) {
	deployment := &appsv1.Deployment{}
	err := d.env.Member(c.cluster).Client.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: "pay"}, deployment)
	if err != nil {
		return nil, fmt.Errorf("read the Deployment pay of the cell %s from %s: %w", c.name, c.cluster, err)
	}
	return deployment, nil
}

func (d *demo) identities(ctx context.Context) (map[string]identity, error) {
	all := map[string]identity{}
	for _, c := range cells {
		deployment, err := d.deployment(ctx, c)
		if err != nil {
			return nil, err
		}
		all[c.name] = identity{string(deployment.UID), deployment.Generation}
	}
	return all, nil
}
