package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// chosen selects what the variables of the release dashboard name: cells of namespaces, and not physical clusters.
const chosen = `type=~"$type", cluster=~"$cluster", cell=~"$namespace[.].+", cell=~"$cell"`

// release shows how a release of a type goes through the cells of a namespace. What becomes of one object its status
// says: no label holds an object's name.
func release() *dashboard.DashboardBuilder {
	const placements = "cellfed_propagation_placements"
	b := newDashboard("cellfed-release", "Cellfed / Release", "How releases go through the cells of a namespace, by type and cell. "+
		"What becomes of one object its status says: kubectl cells status TYPE/NAME.").
		WithVariable(choice("type", "Type", "label_values("+placements+", type)")).
		WithVariable(choice("cluster", "Cluster", "label_values("+placements+", cluster)")).
		// A cell is called NAMESPACE.CELL.
		WithVariable(choice("namespace", "Namespace", "label_values("+placements+", cell)").Regex(`/^([^.]+)[.]/`)).
		WithVariable(choice("cell", "Cell", `label_values(`+placements+`{cell=~"$namespace[.].+"}, cell)`))
	releaseNow(b)
	b.WithRow(dashboard.NewRowBuilder("Cells")).
		WithPanel(areas(12, "Objects by state", "Objects in cells by what was found of them.", unitCount,
			query{`sum by (state) (cellfed_propagation_placements{` + chosen + `})`, "{{state}}"})).
		WithPanel(lines(12, "In sync by cell", "The part of what is placed in a cell that is there as released. A release that goes cell by cell shows as steps.", unitRatio,
			query{`sum by (cell) (cellfed_propagation_placements{` + chosen + `, state="in_sync"}) / sum by (cell) (cellfed_propagation_placements{` + chosen + `, state!="removing"})`, "{{cell}}"})).
		WithPanel(rows(12, "Not in sync", "What is held, failed, unreachable or being removed, by cell.", "objects",
			query{`sum by (type, cluster, cell, state) (cellfed_propagation_placements{` + chosen + `, state!="in_sync"}) > 0`, ""})).
		WithPanel(lines(12, "Held by cell", "Objects that the placement mask holds. They fall as cells are released.", unitCount,
			query{`sum by (cell) (cellfed_propagation_placements{` + chosen + `, state="held"})`, "{{cell}}"}))
	b.WithRow(dashboard.NewRowBuilder("Speed (all namespaces)")).
		WithPanel(lines(8, "Latency", "From the watch's bringing a change to the member's answer to the write.", unitSeconds,
			query{quantile("0.5", "cellfed_propagation_latency_seconds", `type=~"$type"`, "type"), "p50 {{type}}"},
			query{quantile("0.99", "cellfed_propagation_latency_seconds", `type=~"$type"`, "type"), "p99 {{type}}"})).
		WithPanel(lines(8, "Oldest change on its way", "How long the oldest change that was released has waited to arrive.", unitSeconds,
			query{`max by (type, cluster) (cellfed_propagation_oldest_change_age_seconds{type=~"$type", cluster=~"$cluster"})`, "{{type}} {{cluster}}"})).
		WithPanel(areas(8, "Writes", "Writes to members by what came of them.", unitRate,
			query{`sum by (cluster, result) (rate(cellfed_propagation_writes_total{type=~"$type", cluster=~"$cluster"}[$__rate_interval]))`, "{{cluster}} {{result}}"}))
	return b
}

func releaseNow(b *dashboard.DashboardBuilder) {
	one := new(1.0)
	b.WithRow(dashboard.NewRowBuilder("Now"))
	for _, each := range []struct {
		title, description, state string
		bad                       *float64
	}{
		{"In sync", "What the cells have as released.", `state="in_sync"`, nil},
		{"Held", "What the placement mask holds.", `state="held"`, nil},
		{"Failed", "What a cell did not take.", `state="failed"`, one},
		{"Unreachable", "What nobody can tell, because the member does not answer.", `state="unreachable"`, one},
	} {
		b.WithPanel(number(6, each.title, each.description, unitCount, each.bad,
			query{`sum(cellfed_propagation_placements{` + chosen + `, ` + each.state + `}) or vector(0)`, each.title}))
	}
}
