package matrix

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// grouping is how many cells a cluster has at least, in the mean, for columns to be grouped by cluster.
	grouping = 3
	// maxTitle is how many characters of a column's title are shown, the last ones.
	maxTitle = 24
	// minColumns is how many columns a block has at least, however narrow the terminal is.
	minColumns = 8
	// notPlaced is the mark of a topology that the object is not placed on.
	notPlaced = "."
)

// marks are what stands in a square, one character that every terminal has.
var marks = map[State]string{InSync: "+", Progressing: "~", Held: "h", Failed: "!", Removing: "x", Unknown: "?"}

// meanings are what the legend says.
var meanings = map[State]string{
	InSync: "in sync", Progressing: "on its way", Held: "held", Failed: "failed", Removing: "being removed", Unknown: "not known",
}

// Paint colors a mark of a state.
type Paint func(text string, state State) string

// Legend returns the line that says what the marks mean.
func Legend(paint Paint) string {
	parts := make([]string, 0, len(States)+1)
	for _, s := range States {
		parts = append(parts, paint(marks[s], s)+" "+meanings[s])
	}
	return strings.Join(append(parts, notPlaced+" not placed"), "   ")
}

// Column is a topology that a grid has a column for.
type Column struct {
	// KubeFedCluster is the KubeFedCluster that stands for it.
	KubeFedCluster string
	// Title is what is above the column, Cluster the physical cluster by which columns are grouped.
	Title, Cluster string
}

// Grid is objects by topologies, one mark a square.
type Grid struct {
	// Columns are sorted by cluster and title.
	Columns []Column
	// Rows are the objects, in the order given.
	Rows []Matrix
}

// NewGrid returns the grid of objects. It has a column for each of the columns given, and for every other topology of an
// object.
func NewGrid(objects []Matrix, columns []Column) Grid {
	g := Grid{Columns: slices.Clone(columns), Rows: objects}
	known := map[string]bool{}
	for _, c := range columns {
		known[c.KubeFedCluster] = true
	}
	for i := range objects {
		for _, row := range objects[i].Rows {
			if !known[row.KubeFedCluster] {
				known[row.KubeFedCluster] = true
				g.Columns = append(g.Columns, Column{KubeFedCluster: row.KubeFedCluster, Title: row.Name, Cluster: row.Cluster})
			}
		}
	}
	slices.SortFunc(g.Columns, func(a, b Column) int {
		return cmp.Or(byCluster(a.Cluster, b.Cluster), cmp.Compare(a.Title, b.Title), cmp.Compare(a.KubeFedCluster, b.KubeFedCluster))
	})
	return g
}

// Lines lays the grid out in lines of at most width characters: blocks of columns one below the other, each with all
// objects.
func (g Grid) Lines(width int, paint Paint) []string {
	labels := 0
	for i := range g.Rows {
		labels = max(labels, utf8.RuneCountInString(g.Rows[i].label()))
	}
	blocks := g.blocks(max(width-labels-2, minColumns))
	byObject := make([]map[string]State, len(g.Rows))
	for i := range g.Rows {
		byObject[i] = map[string]State{}
		for _, row := range g.Rows[i].Rows {
			byObject[i][row.KubeFedCluster] = row.State
		}
	}
	var lines []string
	for n, block := range blocks {
		if n > 0 {
			lines = append(lines, "")
		}
		for _, title := range block.titles() {
			lines = append(lines, strings.TrimRight(strings.Repeat(" ", labels+2)+title, " "))
		}
		for i := range g.Rows {
			label := g.Rows[i].label()
			squares := block.line(func(c Column) string {
				if state, ok := byObject[i][c.KubeFedCluster]; ok {
					return paint(marks[state], state)
				}
				return notPlaced
			})
			lines = append(lines, label+strings.Repeat(" ", labels+2-utf8.RuneCountInString(label))+strings.TrimRight(squares, " "))
		}
	}
	return lines
}

// label is what stands before an object's row.
func (m *Matrix) label() string { return m.Type + "/" + m.Name }

// span is neighboring columns under one cluster's name, which may be wider than they are.
type span struct {
	cluster string
	columns []Column
	width   int
}

// block is spans that fit one line. Without clusters there is one, and no line for its name.
type block []span

// blocks distributes the columns.
func (g Grid) blocks(width int) []block {
	spans := g.spans(width)
	var all []block
	used := 0
	for _, s := range spans {
		if len(all) == 0 || used+1+s.width > width {
			all = append(all, nil)
			used = -1
		}
		all[len(all)-1] = append(all[len(all)-1], s)
		used += 1 + s.width
	}
	return all
}

// spans groups the columns by cluster, where they fit one line so or the groups are large enough.
func (g Grid) spans(width int) []span {
	clusters := map[string]bool{}
	for _, c := range g.Columns {
		clusters[c.Cluster] = true
	}
	grouped := g.split(width, true)
	if used := length(grouped); used <= width || len(g.Columns) >= grouping*len(clusters) {
		return grouped
	}
	return g.split(width, false)
}

// length is how many characters the spans take in one line.
func length(spans []span) int {
	n := max(len(spans)-1, 0)
	for _, s := range spans {
		n += s.width
	}
	return n
}

// split makes a span of the columns of each cluster, or of all, and more of those that are wider than the width.
func (g Grid) split(width int, grouped bool) []span {
	var spans []span
	for _, c := range g.Columns {
		last := len(spans) - 1
		if last < 0 || grouped && spans[last].cluster != c.Cluster || len(spans[last].columns) == width {
			cluster := ""
			if grouped {
				cluster = c.Cluster
			}
			spans = append(spans, span{cluster: cluster})
			last++
		}
		spans[last].columns = append(spans[last].columns, c)
	}
	for i := range spans {
		s := &spans[i]
		s.cluster = cut(s.cluster, width)
		s.width = max(len(s.columns), utf8.RuneCountInString(s.cluster))
	}
	return spans
}

// cut returns the beginning of a name that is too long.
func cut(name string, width int) string {
	if runes := []rune(name); len(runes) > width {
		return string(runes[:width])
	}
	return name
}

// titles returns the lines above a block: the clusters' names, and below them the columns' from top to bottom.
func (b block) titles() []string {
	var lines []string
	height := 0
	grouped := false
	for _, s := range b {
		grouped = grouped || s.cluster != ""
		for _, c := range s.columns {
			height = max(height, len(title(c)))
		}
	}
	if grouped {
		var names []string
		for _, s := range b {
			names = append(names, s.cluster+strings.Repeat(" ", s.width-utf8.RuneCountInString(s.cluster)))
		}
		lines = append(lines, strings.Join(names, " "))
	}
	for h := range height {
		lines = append(lines, b.line(func(c Column) string {
			if t := title(c); h < len(t) {
				return string(t[h])
			}
			return " "
		}))
	}
	return lines
}

// title returns the end of a column's title: where names are long, their ends differ.
func title(c Column) []rune {
	t := []rune(c.Title)
	return t[max(0, len(t)-maxTitle):]
}

// line returns a line of the block, one character a column.
func (b block) line(square func(Column) string) string {
	var line strings.Builder
	for i, s := range b {
		if i > 0 {
			line.WriteString(" ")
		}
		for _, c := range s.columns {
			line.WriteString(square(c))
		}
		line.WriteString(strings.Repeat(" ", s.width-len(s.columns)))
	}
	return line.String()
}
