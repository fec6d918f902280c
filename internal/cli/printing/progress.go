package printing

import (
	"fmt"
	"io"
)

// clearLine goes to the beginning of a terminal's line and clears it.
const clearLine = "\r\x1b[K"

// Progress tells what is waited for: on a terminal in one line that changes, elsewhere in a line for each change.
type Progress struct {
	out      io.Writer
	terminal bool
	told     string
}

// NewProgress returns a Progress that writes to out, which is the program's standard error.
func NewProgress(out io.Writer) *Progress {
	return &Progress{out: out, terminal: IsTerminal(out)}
}

// Clear returns what clears the line of a Progress on a terminal, for a line that is there to stay.
func Clear(out io.Writer) string {
	if IsTerminal(out) {
		return clearLine
	}
	return ""
}

// Tell tells, unless the same was told just before.
func (p *Progress) Tell(text string) {
	switch {
	case text == p.told:
		return
	case p.terminal:
		if width := Width(p.out) - 1; len([]rune(text)) > width {
			text = string([]rune(text)[:width])
		}
		fmt.Fprintf(p.out, clearLine+"%s", text)
	default:
		fmt.Fprintln(p.out, text)
	}
	p.told = text
}

// End leaves the line free for what follows. It can be called again.
func (p *Progress) End() {
	if p.terminal && p.told != "" {
		fmt.Fprint(p.out, clearLine)
	}
	p.told = ""
}
