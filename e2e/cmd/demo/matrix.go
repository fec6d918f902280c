package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// nothing is what a member holds of an object that is not placed there.
const nothing = "-"

// row is a federated object and what each cell's member is to hold of it, by the cell's name, one fact a line.
type row struct {
	kind string
	name string
	want map[string][]string
}

// expected returns the matrix of examples/, with the log level of rz00b as it is by then.
func expected(level string) []row {
	settings := func(cell, level string) []string {
		return []string{"cell=" + cell, "currency=CNY", "log-level=" + level}
	}
	holidays := []string{"region=zhejiang"}
	return []row{
		{kind: "FederatedConfigMap", name: "pay", want: map[string][]string{
			"rz00a": settings("rz00a", "info"), "rz00b": settings("rz00b", level), "rz01a": settings("rz01a", "info"),
		}},
		{kind: "FederatedDeployment", name: "pay", want: map[string][]string{
			"rz00a": {"2 of 2 available"}, "rz00b": {"2 of 2 available"}, "rz01a": {"3 of 3 available"},
		}},
		{kind: "FederatedConfigMap", name: "holidays", want: map[string][]string{
			"rz00a": holidays, "rz00b": holidays, "rz01a": {nothing},
		}},
	}
}

var (
	released = expected("debug")
	changed  = expected("warn")
)

// matrix prints what each member really holds, and fails when it is not what was asked for.
func (d *demo) matrix(ctx context.Context) error {
	d.say.title("The matrix: federated object by cell, read from the members")
	head := []string{"FEDERATED OBJECT"}
	for _, c := range cells {
		head = append(head, strings.ToUpper(c.name)+" in "+c.cluster+"/"+c.namespace)
	}
	table := [][][]string{}
	for _, title := range head {
		table = append(table, [][]string{{title}})
	}
	for _, r := range changed {
		table[0] = append(table[0], []string{r.kind + " " + r.name})
		for i, c := range cells {
			held, err := d.held(ctx, r, c)
			if err != nil {
				return err
			}
			table[i+1] = append(table[i+1], held)
		}
	}
	for _, line := range render(table) {
		d.say.line("   " + line)
	}
	if err := d.matches(ctx, changed); err != nil {
		return err
	}
	if err := d.nothingElse(ctx, changed); err != nil {
		return err
	}
	d.say.check("Every cell holds what it was given, and nothing else")
	return nil
}

// waitMatrix waits until the members hold what the rows say.
func (d *demo) waitMatrix(ctx context.Context, rows []row) error {
	return framework.Poll(ctx, patience, "the members to hold what was released", func(ctx context.Context) error {
		if err := d.env.Err(); err != nil {
			return framework.Final(err)
		}
		return d.matches(ctx, rows)
	})
}

func (d *demo) matches(ctx context.Context, rows []row) error {
	for _, r := range rows {
		for _, c := range cells {
			held, err := d.held(ctx, r, c)
			if err != nil {
				return err
			}
			if !slices.Equal(held, r.want[c.name]) {
				return fmt.Errorf("%s %s in the cell %s (%s/%s): the member has %v, want %v",
					r.kind, r.name, c.name, c.cluster, c.namespace, held, r.want[c.name])
			}
		}
	}
	return nil
}

// nothingElse fails when a member has an object of a cell's that is not in the matrix.
func (d *demo) nothingElse(ctx context.Context, rows []row) error {
	want := map[string]bool{}
	for _, r := range rows {
		for _, c := range cells {
			if !slices.Equal(r.want[c.name], []string{nothing}) {
				want[strings.Join([]string{c.cluster, strings.TrimPrefix(r.kind, "Federated"), c.namespace, r.name}, " ")] = true
			}
		}
	}
	got := map[string]bool{}
	for cluster, member := range d.env.Members {
		for _, gvk := range []schema.GroupVersionKind{
			{Version: "v1", Kind: "ConfigMap"}, {Group: "apps", Version: "v1", Kind: "Deployment"},
		} {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(gvk)
			if err := member.Client.List(ctx, list, client.HasLabels{cellfedv1alpha1.ManagedLabel}); err != nil {
				return fmt.Errorf("list every %s of a cell in %s: %w", gvk.Kind, cluster, err)
			}
			for _, object := range list.Items {
				got[strings.Join([]string{cluster, gvk.Kind, object.GetNamespace(), object.GetName()}, " ")] = true
			}
		}
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("the members have %v for the cells, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	return nil
}

// held reads what a cell's member has of an object.
func (d *demo) held(ctx context.Context, r row, c cell) ([]string, error) {
	var object client.Object = &corev1.ConfigMap{}
	if r.kind == "FederatedDeployment" {
		object = &appsv1.Deployment{}
	}
	err := d.env.Member(c.cluster).Client.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: r.name}, object)
	if apierrors.IsNotFound(err) {
		return []string{nothing}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of the cell %s from %s: %w", r.name, c.name, c.cluster, err)
	}
	if got := object.GetLabels()[cellfedv1alpha1.CellLabel]; got != c.name {
		return []string{fmt.Sprintf("belongs to %q", got)}, nil
	}
	if deployment, ok := object.(*appsv1.Deployment); ok {
		var replicas int32
		if deployment.Spec.Replicas != nil {
			replicas = *deployment.Spec.Replicas
		}
		return []string{fmt.Sprintf("%d of %d available", deployment.Status.AvailableReplicas, replicas)}, nil
	}
	var facts []string
	data := object.(*corev1.ConfigMap).Data
	for _, key := range slices.Sorted(maps.Keys(data)) {
		facts = append(facts, key+"="+data[key])
	}
	return facts, nil
}

// waitReported waits until the host knows the replicas of every cell.
func (d *demo) waitReported(ctx context.Context) error {
	want := map[string]int64{"rz00a": 2, "rz00b": 2, "rz01a": 3}
	return framework.Poll(ctx, patience, "the status of FederatedDeployment pay", func(ctx context.Context) error {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(schema.GroupVersionKind{Group: "types.kubefed.io", Version: "v2beta1", Kind: "FederatedDeployment"})
		if err := d.env.Host.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "pay"}, object); err != nil {
			return err
		}
		topologies, _, err := unstructured.NestedSlice(object.Object, "status", "topologies")
		if err != nil {
			return err
		}
		got := map[string]int64{}
		for _, item := range topologies {
			entry, ok := item.(map[string]any)
			if !ok {
				return fmt.Errorf("status.topologies has the item %v", item)
			}
			name, _ := entry["name"].(string)
			if got[name], _, err = unstructured.NestedInt64(entry, "remoteStatus", "availableReplicas"); err != nil {
				return err
			}
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("it reports %v available, want %v", got, want)
		}
		return nil
	})
}

// waitExistingUser waits until the objects that name clusters are there, with upstream's own label.
func (d *demo) waitExistingUser(ctx context.Context) error {
	want := map[string]string{hangzhou: "hello", shanghai: "hello, Shanghai"}
	for _, cluster := range slices.Sorted(maps.Keys(want)) {
		err := framework.Poll(ctx, patience, "the existing user's ConfigMap in "+cluster, func(ctx context.Context) error {
			object := &corev1.ConfigMap{}
			if err := d.env.Member(cluster).Client.Get(ctx, client.ObjectKey{Namespace: "legacy", Name: "motd"}, object); err != nil {
				return err
			}
			if object.Data["text"] != want[cluster] {
				return fmt.Errorf("its text is %q, want %q", object.Data["text"], want[cluster])
			}
			if object.Labels[cellfedv1alpha1.KubeFedManagedLabel] != "true" || object.Labels[cellfedv1alpha1.ManagedLabel] != "" {
				return errors.New("it does not carry upstream's label alone")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	d.say.check("Both members hold it in the namespace legacy, under upstream's own label")
	return nil
}

// render lays out columns of cells of lines.
func render(columns [][][]string) []string {
	widths := make([]int, len(columns))
	for i, column := range columns {
		for _, lines := range column {
			for _, line := range lines {
				widths[i] = max(widths[i], len([]rune(line)))
			}
		}
	}
	rule := "+"
	for _, width := range widths {
		rule += strings.Repeat("-", width+2) + "+"
	}
	out := []string{rule}
	for r := range columns[0] {
		height := 0
		for _, column := range columns {
			height = max(height, len(column[r]))
		}
		for h := range height {
			line := "|"
			for i, column := range columns {
				text := ""
				if h < len(column[r]) {
					text = column[r][h]
				}
				line += " " + text + strings.Repeat(" ", widths[i]-len([]rune(text))) + " |"
			}
			out = append(out, line)
		}
		out = append(out, rule)
	}
	return out
}
