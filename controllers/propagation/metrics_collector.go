package propagation

import (
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
)

var (
	placementsDesc = prometheus.NewDesc("cellfed_propagation_placements",
		"What the push reconciler found of federated objects in topologies, by federated type, physical cluster, cell (the name of its KubeFedCluster; empty for the physical cluster itself) and state: in_sync, held, removing, unreachable or failed. All but removing are placed there. The leader alone has it.",
		[]string{"type", "cluster", "cell", "state"}, nil)
	objectsDesc = prometheus.NewDesc("cellfed_propagation_objects",
		"Federated objects by federated type and state: in_sync, progressing, failed (a topology failed or cannot be reached), held (a topology is, and the others are in sync), unplaced (placed nowhere), unplaceable (nobody can tell where it belongs) or deleting. The leader alone has it.",
		[]string{"type", "state"}, nil)
	oldestDesc = prometheus.NewDesc("cellfed_propagation_oldest_change_age_seconds",
		"How long ago the watch brought the oldest change of a federated object that a topology which it is released to has not received, by federated type and physical cluster. What an outage of the member or a refusal holds up is included. There is no series where nothing is waited for. The leader alone has it.",
		[]string{"type", "cluster"}, nil)
)

// ledgerCollector tells what a ledger holds. Only the leader propagates, so that the ledgers of others are empty.
type ledgerCollector struct {
	ledger *Ledger
	clock  clock.PassiveClock
}

// Describe implements prometheus.Collector.
func (c *ledgerCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- placementsDesc
	descs <- objectsDesc
	descs <- oldestDesc
}

// Collect implements prometheus.Collector.
func (c *ledgerCollector) Collect(samples chan<- prometheus.Metric) {
	placements, objects, oldest := c.ledger.counts()
	for p, n := range placements {
		samples <- prometheus.MustNewConstMetric(placementsDesc, prometheus.GaugeValue, float64(n), p.typeName, p.cluster, p.cell, p.state)
	}
	for o, n := range objects {
		samples <- prometheus.MustNewConstMetric(objectsDesc, prometheus.GaugeValue, float64(n), o.typeName, o.state)
	}
	now := c.clock.Now()
	for key, since := range oldest {
		samples <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, now.Sub(since).Seconds(), key.typeName, key.cluster)
	}
}

// typeInCluster is what the oldest changes are told by.
type typeInCluster struct{ typeName, cluster string }

// counts returns what there is of each kind, and since when the oldest changes are waited for. It goes through what is on
// its way, and not through what has arrived.
func (l *Ledger) counts() (placements map[placement]int, objects map[objectState]int, oldest map[typeInCluster]time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest = map[typeInCluster]time.Time{}
	for key, waiting := range l.tally.deliveries {
		for _, d := range waiting {
			k := typeInCluster{key.Type, d.member}
			if since, ok := oldest[k]; !ok || d.marks[0].since.Before(since) {
				oldest[k] = d.marks[0].since
			}
		}
	}
	return maps.Clone(l.tally.placements), maps.Clone(l.tally.objects), oldest
}
