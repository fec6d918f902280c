package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Grafana's names of units.
const (
	unitCount   = "short"
	unitSeconds = "s"
	unitRate    = "ops"
	unitRatio   = "percentunit"
	unitBytes   = "bytes"
)

// whole is the width of a dashboard, of which panels take a part.
const whole = 24

// query is one line, or family of lines, of a panel.
type query struct{ expr, legend string }

var source = common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}

// newDashboard returns a dashboard that lets one choose a data source.
func newDashboard(uid, title, description string) *dashboard.DashboardBuilder {
	return dashboard.NewDashboardBuilder(title).
		Uid(uid).Description(description).Tags([]string{"cellfed"}).Editable().
		Refresh("30s").Time("now-3h", "now").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus"))
}

// choice is a variable with all values of a label, of which several can be chosen.
func choice(name, label, values string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source).
		Query(dashboard.StringOrMap{String: &values}).
		Multi(true).IncludeAll(true).AllValue(".*").
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
}

func target(q query) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(q.expr).LegendFormat(q.legend).Datasource(source)
}

// lines is a panel of what is over time. Width is in 24ths.
func lines(width uint32, title, description, unit string, queries ...query) *timeseries.PanelBuilder {
	p := timeseries.NewPanelBuilder().Title(title).Description(description).Unit(unit).Min(0).
		Datasource(source).Height(8).Span(width).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeTable).
			Placement(common.LegendPlacementBottom).ShowLegend(true).Calcs([]string{"lastNotNull", "max"}))
	for _, q := range queries {
		p.WithTarget(target(q))
	}
	return p
}

// areas is a panel of parts of a whole over time.
func areas(width uint32, title, description, unit string, queries ...query) *timeseries.PanelBuilder {
	return lines(width, title, description, unit, queries...).FillOpacity(40).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
}

// number is a panel of how many there are now. It is red from bad on, and green before; without a bad it has no color.
func number(width uint32, title, description, unit string, bad *float64, q query) *stat.PanelBuilder {
	steps := []dashboard.Threshold{{Color: "text"}}
	if bad != nil {
		steps = []dashboard.Threshold{{Color: "green"}, {Color: "red", Value: bad}}
	}
	return stat.NewPanelBuilder().Title(title).Description(description).Unit(unit).
		Datasource(source).Height(4).Span(width).ColorMode(common.BigValueColorModeValue).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}).Values(false)).
		Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)).
		WithTarget(target(q))
}

// rows is a table of what is now: one row for each series, one column for each label, and the value under its name.
func rows(width uint32, title, description, value string, q query) cog.Builder[dashboard.Panel] {
	return table.NewPanelBuilder().Title(title).Description(description).
		Datasource(source).Height(10).Span(width).ShowHeader(true).
		WithTarget(target(q).Instant().Format(prometheus.PromQueryFormatTable)).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]bool{"Time": true}, "renameByName": map[string]string{"Value": value},
		}})
}

// quantile returns a query of a quantile of a histogram by labels.
func quantile(q, histogram, matchers, by string) string {
	return "histogram_quantile(" + q + ", sum by (" + by + ", le) (rate(" + histogram + "_bucket{" + matchers + "}[$__rate_interval])))"
}
