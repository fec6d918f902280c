package printing

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Mood is what a piece of text means to its reader.
type Mood int

// The moods. On a terminal each but Plain has a color.
const (
	Plain Mood = iota
	Good
	Bad
	Waiting
	Dim
)

// defaultWidth is how wide a terminal is taken for that does not say so.
const defaultWidth = 80

// IsTerminal reports whether a person reads what is written.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Width returns how many characters a line may have: the terminal's width, or what is usual where there is no terminal.
func Width(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return defaultWidth
	}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
		return width
	}
	return defaultWidth
}

// Colored reports whether text may be colored: on a terminal that knows colors, unless NO_COLOR says otherwise.
func Colored(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(w)
}

// Paint colors text. Without colored it returns the text as it is.
func Paint(text string, mood Mood, colored bool) string {
	codes := map[Mood]string{Good: "32", Bad: "31", Waiting: "33", Dim: "2"}
	code, ok := codes[mood]
	if !ok || !colored || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
