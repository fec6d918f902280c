package describe

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/get"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/cli/printing"
	"github.com/cellfed/cellfed/internal/topology"
)

// unreadable stands for what the user may not read.
const unreadable = "not known: you may not read it"

// text tells the facts.
func text(facts *Facts, events bool, now time.Time) string {
	w := &writer{now: now}
	cell := &facts.Cell
	health, _ := get.Health(cell)
	w.pair("Name", cell.Name)
	w.pair("Namespace", cell.Namespace)
	w.pair("Labels", pairs(cell.Labels))
	w.pair("Health", health)
	w.pair("Age", printing.Age(cell.CreationTimestamp.Time, now))
	w.pair("Cluster", cell.Spec.ClusterName)
	w.pair("Target Namespace", cell.TargetNamespace())
	w.pair("Tenant", orNone(cell.Status.Tenant))
	w.pair("Workspace Group", orNone(cell.Status.WorkspaceGroup))
	if cell.DeletionTimestamp != nil {
		w.pair("Deleting", "for "+printing.Age(cell.DeletionTimestamp.Time, now))
	}
	if cell.Status.ObservedGeneration != cell.Generation {
		w.pair("Note", fmt.Sprintf("the status speaks of generation %d, and the cell is at %d", cell.Status.ObservedGeneration, cell.Generation))
	}
	w.conditions(cell.Status.Conditions)
	w.clusters(facts)
	w.objects(facts)
	if events {
		w.events(facts)
	}
	return w.String()
}

// writer gathers the text.
type writer struct {
	bytes.Buffer
	now time.Time
}

// pair writes a line of the first part.
func (w *writer) pair(name, value string) { fmt.Fprintf(w, "%-17s %s\n", name+":", value) }

// sub writes an indented line.
func (w *writer) sub(name, value string) { fmt.Fprintf(w, "  %-15s %s\n", name+":", value) }

// table writes an indented table.
func (w *writer) table(table printing.Table) {
	var b bytes.Buffer
	// A buffer takes everything.
	_ = (&printing.Flags{}).Print(&b, table, nil, nil)
	for line := range strings.Lines(b.String()) {
		_, _ = io.WriteString(w, "  "+line)
	}
}

func (w *writer) conditions(conditions []metav1.Condition) {
	if len(conditions) == 0 {
		w.pair("Conditions", "none yet: cellfed's manager has not looked at the cell")
		return
	}
	fmt.Fprintln(w, "Conditions:")
	table := printing.Table{Columns: []printing.Column{{Name: "TYPE"}, {Name: "STATUS"}, {Name: "REASON"}, {Name: "SINCE"}, {Name: "MESSAGE"}}}
	for _, c := range conditions {
		table.Rows = append(table.Rows, texts(c.Type, string(c.Status), c.Reason, printing.Age(c.LastTransitionTime.Time, w.now), printing.Line(c.Message)))
	}
	w.table(table)
}

func (w *writer) clusters(facts *Facts) {
	cell := &facts.Cell
	w.cluster("KubeFedCluster", topology.CellClusterName(cell.Namespace, cell.Name), facts.Generated, facts.ClustersHidden, "it is not there yet")
	w.cluster("Physical Cluster", cell.Spec.ClusterName, facts.Physical, facts.ClustersHidden,
		"no such cluster is registered: join it, or change spec.clusterName")
}

// cluster writes how a KubeFedCluster is.
func (w *writer) cluster(title, name string, cluster *kubefedv1beta1.KubeFedCluster, hidden bool, missing string) {
	fmt.Fprintln(w, title+":")
	w.sub("Name", name)
	switch {
	case cluster == nil && hidden:
		w.sub("Health", unreadable)
		return
	case cluster == nil:
		w.sub("Health", missing)
		return
	}
	w.sub("Health", clusterHealth(cluster, w.now))
	w.sub("Endpoint", cluster.Spec.APIEndpoint)
	if cluster.Status.KubernetesVersion != "" {
		w.sub("Kubernetes", cluster.Status.KubernetesVersion)
	}
	if cluster.Status.Region != nil && *cluster.Status.Region != "" {
		w.sub("Region", *cluster.Status.Region)
	}
	if len(cluster.Status.Zones) > 0 {
		w.sub("Zones", strings.Join(cluster.Status.Zones, ", "))
	}
	if cluster.Labels[v1alpha1.SharedLabel] == "true" {
		w.sub("Shared", "with every tenant")
	}
	if t := cluster.Labels[v1alpha1.TenantLabel]; t != "" {
		w.sub("Tenant", t)
	}
}

// clusterHealth says in words what KubeFed reports of a cluster.
func clusterHealth(cluster *kubefedv1beta1.KubeFedCluster, now time.Time) string {
	words := []string{}
	for _, c := range cluster.Status.Conditions {
		if c.Type != "Ready" && c.Status != corev1.ConditionTrue {
			continue
		}
		word := string(c.Type)
		if c.Status != corev1.ConditionTrue {
			word = "not ready"
			if c.Status == corev1.ConditionUnknown {
				word = "not known"
			}
		}
		if c.LastTransitionTime != nil {
			word += " for " + printing.Age(c.LastTransitionTime.Time, now)
		}
		if c.Message != nil && *c.Message != "" && c.Status != corev1.ConditionTrue {
			word += ": " + printing.Line(*c.Message)
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return "not known: KubeFed has not reported on it yet"
	}
	return strings.Join(words, "; ")
}

// objects writes what is placed on the cell.
func (w *writer) objects(facts *Facts) {
	if facts.Note != "" {
		defer func() { fmt.Fprintf(w, "  note: %s\n", facts.Note) }()
	}
	cluster := topology.CellClusterName(facts.Cell.Namespace, facts.Cell.Name)
	table := printing.Table{Columns: []printing.Column{
		{Name: "OBJECT"}, {Name: "GENERATION"}, {Name: "STATE"}, {Name: "SINCE"}, {Name: "AVAILABLE"}, {Name: "MESSAGE"},
	}}
	for i := range facts.Objects {
		m := &facts.Objects[i]
		for j := range m.Rows {
			if r := &m.Rows[j]; r.KubeFedCluster == cluster {
				table.Rows = append(table.Rows, w.object(m, r))
			}
		}
	}
	if len(table.Rows) == 0 {
		w.pair("Objects", "none is placed on it")
		return
	}
	s := matrix.Counts(facts.Objects)[cluster]
	w.pair("Objects", fmt.Sprintf("%d placed, %d in sync, %d held, %d failed", s.Placed, s.InSync, s.Held, s.Failed))
	w.table(table)
}

func (w *writer) object(m *matrix.Matrix, r *matrix.Row) []printing.Cell {
	generation, since, working := fmt.Sprintf("%d of %d", r.Generation, m.Generation), "-", "-"
	if r.Generation == 0 {
		generation = "-"
	}
	if t, err := time.Parse(time.RFC3339, r.Since); err == nil {
		since = printing.Age(t, w.now)
	}
	if r.Working != "" {
		working = r.Working
	}
	message := printing.Line(r.Message)
	if r.Reason != "" {
		message = strings.TrimSuffix(r.Reason+": "+message, ": ")
	}
	return texts(m.Type+"/"+m.Name, generation, string(r.State), since, working, message)
}

func (w *writer) events(facts *Facts) {
	switch {
	case facts.EventsHidden:
		w.pair("Events", unreadable)
		return
	case len(facts.Events) == 0:
		w.pair("Events", "none")
		return
	}
	fmt.Fprintln(w, "Events:")
	table := printing.Table{Columns: []printing.Column{{Name: "TYPE"}, {Name: "REASON"}, {Name: "AGE"}, {Name: "FROM"}, {Name: "MESSAGE"}}}
	for i := range facts.Events {
		e := &facts.Events[i]
		from := e.ReportingController
		if from == "" {
			from = e.Source.Component
		}
		table.Rows = append(table.Rows, texts(e.Type, e.Reason, printing.Age(lastSeen(e), w.now), from, printing.Line(e.Message)))
	}
	w.table(table)
}

func texts(words ...string) []printing.Cell {
	cells := make([]printing.Cell, 0, len(words))
	for _, word := range words {
		cells = append(cells, printing.Text(word))
	}
	return cells
}

func pairs(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, key+"="+labels[key])
	}
	return orNone(strings.Join(parts, ", "))
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
