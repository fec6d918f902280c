package printing

import (
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"
)

// Column is a column of a table.
type Column struct {
	// Name is its title.
	Name string
	// Wide says that it is printed under -o wide alone.
	Wide bool
}

// Table is what people read.
type Table struct {
	// Columns are its columns.
	Columns []Column
	// Rows hold a cell for each column, the wide ones included.
	Rows [][]Cell
}

// Cell is a square of a table.
type Cell struct {
	// Text is what is in it.
	Text string
	// Mood colors it on a terminal.
	Mood Mood
}

// Line returns text that somebody else wrote in one line, and without what a terminal would obey rather than show.
func Line(text string) string {
	shown := func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}
	return strings.Join(strings.Fields(strings.Map(shown, text)), " ")
}

// Text returns a cell without a color.
func Text(s string) Cell { return Cell{Text: s} }

// gap is how many blanks are between two columns.
const gap = 3

// print lays the table out. Nothing is printed for a table without rows.
func (t Table) print(out io.Writer, wide, headers bool) error {
	if len(t.Rows) == 0 {
		return nil
	}
	var rows [][]Cell
	if headers {
		titles := make([]Cell, 0, len(t.Columns))
		for _, c := range t.Columns {
			titles = append(titles, Text(c.Name))
		}
		rows = append(rows, titles)
	}
	rows = append(rows, t.Rows...)
	widths := make([]int, len(t.Columns))
	for _, row := range rows {
		for i := range t.Columns {
			widths[i] = max(widths[i], utf8.RuneCountInString(at(row, i).Text))
		}
	}
	colored := Colored(out)
	var b strings.Builder
	for _, row := range rows {
		blanks := 0
		for i, column := range t.Columns {
			if column.Wide && !wide {
				continue
			}
			// A blank is written once something follows it.
			if cell := at(row, i); cell.Text != "" {
				b.WriteString(strings.Repeat(" ", blanks) + Paint(cell.Text, cell.Mood, colored))
				blanks = -utf8.RuneCountInString(cell.Text)
			}
			blanks += widths[i] + gap
		}
		b.WriteString("\n")
	}
	return write(out, b.String())
}

func at(row []Cell, i int) Cell {
	if i >= len(row) {
		return Cell{}
	}
	return row[i]
}

// Age returns how long ago a time was, as kubectl tells it.
func Age(t, now time.Time) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(now.Sub(t))
}
