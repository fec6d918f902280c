package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// fleet shows how the cells, the members and the manager are.
func fleet() *dashboard.DashboardBuilder {
	b := newDashboard("cellfed-fleet", "Cellfed / Fleet", "Cells, members, and the manager that releases to them.").
		WithVariable(choice("cluster", "Cluster", "label_values(cellfed_member_healthy, cluster)")).
		WithVariable(choice("type", "Type", "label_values(cellfed_federatedtypepolicy_types, type)"))
	fleetOverview(b)
	fleetMembers(b)
	fleetPropagation(b)
	fleetServing(b)
	fleetManager(b)
	return b
}

func fleetOverview(b *dashboard.DashboardBuilder) {
	one := new(1.0)
	b.WithRow(dashboard.NewRowBuilder("Now")).
		WithPanel(number(4, "Cells", "All cells.", unitCount, nil,
			query{`sum(cellfed_cell_cells{cluster=~"$cluster"}) or vector(0)`, "cells"})).
		WithPanel(number(4, "Cells not ready", "Cells to which nothing can be released now.", unitCount, one,
			query{`sum(cellfed_cell_cells{cluster=~"$cluster", ready!="True"}) or vector(0)`, "not ready"})).
		WithPanel(number(4, "Members not healthy", "Physical clusters that the manager cannot use.", unitCount, one,
			query{`count(cellfed_member_healthy{cluster=~"$cluster"} == 0) or vector(0)`, "not healthy"})).
		WithPanel(number(4, "Objects failed", "Federated objects that a topology does not get.", unitCount, one,
			query{`sum(cellfed_propagation_objects{type=~"$type", state="failed"}) or vector(0)`, "failed"})).
		WithPanel(number(4, "Objects held", "Federated objects of which the placement mask holds a topology.", unitCount, nil,
			query{`sum(cellfed_propagation_objects{type=~"$type", state="held"}) or vector(0)`, "held"})).
		WithPanel(number(4, "Types nobody propagates", "Policies whose condition Propagating is not True.", unitCount, one,
			query{`count(cellfed_federatedtypepolicy_types{type=~"$type", propagating!="True"}) or vector(0)`, "types"}))
}

func fleetMembers(b *dashboard.DashboardBuilder) {
	b.WithRow(dashboard.NewRowBuilder("Members")).
		WithPanel(lines(8, "Health", "1 while the manager can use a member.", unitCount,
			query{`min by (cluster) (cellfed_member_healthy{cluster=~"$cluster"})`, "{{cluster}}"})).
		WithPanel(areas(8, "Cells by readiness", "Cells by the status of their condition Ready.", unitCount,
			query{`sum by (ready) (cellfed_cell_cells{cluster=~"$cluster"})`, "ready: {{ready}}"},
			query{`sum(cellfed_cell_deleting_cells{cluster=~"$cluster", blocked="True"})`, "deletion blocked"})).
		WithPanel(lines(8, "Types not read", "Types of which it is not known what a member holds.", unitCount,
			query{`max by (cluster) (cellfed_member_unread_types{cluster=~"$cluster"})`, "{{cluster}}"})).
		WithPanel(areas(8, "Requests", "Requests of the manager's controllers to members.", unitRate,
			query{`sum by (cluster) (rate(cellfed_member_requests_total{cluster=~"$cluster"}[$__rate_interval]))`, "{{cluster}}"})).
		WithPanel(lines(8, "Errors", "The part of the requests that got no answer or one of 5xx, probes excepted.", unitRatio,
			query{`sum by (cluster) (rate(cellfed_member_requests_total{cluster=~"$cluster", verb!="probe", code=~"5xx|none"}[$__rate_interval])) / sum by (cluster) (rate(cellfed_member_requests_total{cluster=~"$cluster", verb!="probe"}[$__rate_interval]))`, "{{cluster}}"})).
		WithPanel(lines(8, "Answer times (p99)", "How long members take to answer, watches and lists excepted.", unitSeconds,
			query{quantile("0.99", "cellfed_member_request_duration_seconds", `cluster=~"$cluster", verb!~"watch|list"`, "cluster"), "{{cluster}}"}))
}

func fleetPropagation(b *dashboard.DashboardBuilder) {
	b.WithRow(dashboard.NewRowBuilder("Propagation")).
		WithPanel(areas(8, "Writes to members", "Writes of the push reconciler by what came of them.", unitRate,
			query{`sum by (result) (rate(cellfed_propagation_writes_total{cluster=~"$cluster", type=~"$type"}[$__rate_interval]))`, "{{result}}"})).
		WithPanel(lines(8, "Latency", "From the watch's bringing a change to the member's answer to the write.", unitSeconds,
			query{quantile("0.5", "cellfed_propagation_latency_seconds", `type=~"$type"`, "type"), "p50 {{type}}"},
			query{quantile("0.99", "cellfed_propagation_latency_seconds", `type=~"$type"`, "type"), "p99 {{type}}"})).
		WithPanel(lines(8, "Status lag (p99)", "From something to report to its being in the status.", unitSeconds,
			query{quantile("0.99", "cellfed_propagation_status_lag_seconds", `type=~"$type"`, "type"), "{{type}}"})).
		WithPanel(lines(8, "Queues of members", "Objects that wait to be written to a member.", unitCount,
			query{`sum by (cluster) (cellfed_engine_member_queue_depth{cluster=~"$cluster"})`, "{{cluster}}"})).
		WithPanel(lines(8, "Queues of types", "Objects that wait to be planned or reported on.", unitCount,
			query{`sum by (type, queue) (cellfed_engine_type_queue_depth{type=~"$type"})`, "{{queue}} {{type}}"})).
		WithPanel(lines(8, "Hand-overs", "Hand-overs of types over the last hour.", unitCount,
			query{`sum by (type, direction, outcome) (increase(cellfed_federatedtypepolicy_handovers_total{type=~"$type"}[1h])) > 0`, "{{type}} {{direction}} {{outcome}}"})).
		WithPanel(rows(whole, "Types", "Who propagates each federated type.", "policies",
			query{`sum by (type, wanted, propagator, propagating, reason) (cellfed_federatedtypepolicy_types{type=~"$type"})`, ""}))
}

func fleetServing(b *dashboard.DashboardBuilder) {
	b.WithRow(dashboard.NewRowBuilder("Webhooks and façades")).
		WithPanel(lines(8, "Admission (p99)", "How long it takes to decide about a write.", unitSeconds,
			query{quantile("0.99", "cellfed_admission_duration_seconds", "", "webhook"), "{{webhook}}"})).
		WithPanel(lines(8, "Refused writes", "Writes that admission refused.", unitRate,
			query{`sum by (webhook, operation) (rate(cellfed_admission_duration_seconds_count{allowed="false"}[$__rate_interval]))`, "{{webhook}} {{operation}}"})).
		WithPanel(lines(8, "Conversion", "How long conversions take, and how many fail.", unitSeconds,
			query{quantile("0.99", "cellfed_conversion_duration_seconds", "", "to"), "p99 to {{to}}"},
			query{`sum by (reason) (rate(cellfed_conversion_failures_total[$__rate_interval]))`, "failures/s {{reason}}"})).
		WithPanel(areas(8, "Façade requests", "Requests to façades by verb.", unitRate,
			query{`sum by (verb) (rate(cellfed_facade_requests_total[$__rate_interval]))`, "{{verb}}"})).
		WithPanel(lines(8, "Façade answer times (p99)", "Watches excepted.", unitSeconds,
			query{quantile("0.99", "cellfed_facade_request_duration_seconds", "", "verb"), "{{verb}}"})).
		WithPanel(lines(8, "Façade watches", "Watches that are open through façades.", unitCount,
			query{`sum by (cluster) (cellfed_facade_watches{cluster=~"$cluster"})`, "{{cluster}}"}))
}

func fleetManager(b *dashboard.DashboardBuilder) {
	// What every Go program exports is the manager's where a metric of its own has the same job and instance.
	const ours = ` and on (job, instance) cellfed_federatedtype_types{state="Served"}`
	b.WithRow(dashboard.NewRowBuilder("Manager")).
		WithPanel(lines(6, "Leader", "1 for the replica that leads.", unitCount,
			query{`max by (instance) (leader_election_master_status{name="cellfed-manager"})`, "{{instance}}"})).
		WithPanel(lines(6, "Memory", "Resident memory.", unitBytes,
			query{`process_resident_memory_bytes` + ours, "{{instance}}"})).
		WithPanel(lines(6, "CPU", "Cores in use.", unitCount,
			query{`rate(process_cpu_seconds_total[$__rate_interval])` + ours, "{{instance}}"})).
		WithPanel(number(6, "Certificates end in", "The certificate that ends first, the CA included.", unitSeconds, nil,
			query{`min(cellfed_certificate_expiry_timestamp_seconds) - time()`, "left"})).
		WithPanel(lines(12, "Federated types", "Federated types by the state of their CRD.", unitCount,
			query{`max by (state) (cellfed_federatedtype_types) > 0`, "{{state}}"})).
		WithPanel(lines(12, "Tokens and tenants", "Façade tokens, and objects that were given their tenant.", unitRate,
			query{`sum(rate(cellfed_cell_tokens_issued_total[$__rate_interval]))`, "tokens issued"},
			query{`sum(rate(cellfed_cell_tokens_revoked_total[$__rate_interval]))`, "tokens revoked"},
			query{`sum by (kind) (rate(cellfed_tenant_relabeled_objects_total[$__rate_interval]))`, "relabeled {{kind}}"}))
}
