package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cellfed/cellfed/e2e/framework"
)

// The colors, for a terminal.
const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
	cyan  = "36"
)

// narrator prints what the demo does.
type narrator struct {
	out   io.Writer
	color bool
	start time.Time
	steps int
}

// newNarrator prints in color when out is a terminal and NO_COLOR is not set.
func newNarrator(out *os.File) *narrator {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
	return &narrator{out: out, color: terminal, start: time.Now()}
}

func (n *narrator) paint(color, text string) string {
	if !n.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (n *narrator) line(text string) {
	// Nobody is left to be told when standard output is gone.
	_, _ = fmt.Fprintln(n.out, text)
}

// title begins a step.
func (n *narrator) title(text string) {
	n.steps++
	n.line("")
	n.line(n.paint(bold, fmt.Sprintf("%d. %s", n.steps, text)))
}

// progress tells of something that takes a while.
func (n *narrator) progress(text string) {
	n.line(n.paint(dim, fmt.Sprintf("   %5.1fs  %s", time.Since(n.start).Seconds(), text)))
}

// command prints a command as somebody would type it, and its output.
func (n *narrator) command(args []string, output string) {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = quote(arg)
	}
	n.line("   " + n.paint(cyan, "$ kubectl "+strings.Join(words, " ")))
	for line := range strings.Lines(strings.TrimRight(output, "\n")) {
		n.line("   " + strings.TrimRight(line, "\n"))
	}
}

// quote returns the word as a shell takes it.
func quote(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n\"'`$&|;<>()[]{}*?!#~\\") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// check prints a check that held.
func (n *narrator) check(text string) {
	n.line("   " + n.paint(green, "✓ ") + text)
}

// failure prints why the demo failed.
func (n *narrator) failure(err error) {
	n.line("")
	n.line(n.paint(red, "✗ "+err.Error()))
}

// logs prints the end of the logs of what matters most and of whatever has ended.
func (n *narrator) logs(env *framework.Environment) {
	for _, process := range env.Processes() {
		ended := process.Err() != nil
		if ended || process.Name == "manager" || process.Name == "kubefed" {
			n.line("")
			n.line(n.paint(bold, "The end of "+process.LogPath))
			n.line(process.LogTail(20))
		}
	}
}

// kept says how to use a demo that was left running, and how to stop it.
func (n *narrator) kept(dir string) {
	n.line("")
	n.line("Everything is left running. Its kubeconfig has the contexts host (the current one), " + hangzhou + ", " + shanghai +
		", and " + strings.Join(cellNames(), ", ") + " for the cells' façades:")
	n.line("")
	n.line("   export KUBECONFIG=" + dir + "/kubeconfig")
	n.line("")
	n.line("Stop it with: make demo-stop")
}
