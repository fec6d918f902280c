package unjoin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/federated"
)

// refusal says what keeps the cluster.
func (o *Options) refusal(ctx context.Context, cluster *kubefedv1beta1.KubeFedCluster) error {
	fleet, err := o.kube.Fleet(ctx, "")
	if err != nil {
		return err
	}
	if note := fleet.Note(); note != "" {
		return fmt.Errorf("%s, so that nobody can tell what is on the cluster: run this as somebody who may read them", note)
	}
	cells := standing(fleet, cluster.Name)
	if len(cells) > 0 {
		return fmt.Errorf("cells stand on the cluster: %s: delete them first, with kubectl cells delete CELL -n NAMESPACE%s", writing.Some(cells), forced(o.Force))
	}
	placed := placedOn(fleet, cluster)
	if len(placed) > 0 && !o.Force {
		return fmt.Errorf("federated objects are placed on the cluster: %s: take the cluster out of their placement, or change its labels where a selector selects it, and wait until they are gone from it",
			writing.Some(placed))
	}
	if len(placed) > 0 {
		fmt.Fprintf(o.kube.ErrOut, "note: still placed on the cluster: %s\n", strings.Join(placed, ", "))
	}
	return nil
}

func forced(force bool) string {
	if !force {
		return ""
	}
	return "; --force does not spare that"
}

// standing names the cells on the cluster, as namespace/name.
func standing(fleet *kube.Fleet, cluster string) []string {
	var cells []string
	for i := range fleet.Cells {
		if c := &fleet.Cells[i]; c.Spec.ClusterName == cluster {
			cells = append(cells, c.Namespace+"/"+c.Name)
		}
	}
	slices.Sort(cells)
	return cells
}

// placedOn names the federated objects that the cluster may hold: what places them there, by name or selector, what is there by
// their status, and what cannot be read.
func placedOn(fleet *kube.Fleet, cluster client.Object) []string {
	var placed []string
	for _, t := range fleet.Objects {
		for i := range t.Items {
			u := &t.Items[i]
			object, err := federated.Decode(u)
			on := err != nil || object.Invalid != nil
			if !on {
				selects, err := object.Placement.Matcher()
				on = err != nil || selects(cluster.GetName(), cluster.GetLabels()) || slices.Contains(object.Placement.StatusClusters, cluster.GetName())
			}
			if on {
				placed = append(placed, t.Name+"/"+u.GetName()+in(u.GetNamespace()))
			}
		}
	}
	return placed
}

func in(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " in " + namespace
}
