// Package pages reads the documentation as a reader does: commands, manifests, links and headings, in their order.
//
// A fenced block of the language console holds commands: a line that begins with "$ " is one, with the lines that a
// backslash or a here-document add to it; what is between them is what they print, to be read by people. HTML comments above
// a block say how it is tested:
//
//	<!-- run: skip=REASON -->        it is not run; its programs' help is asked whether they know the flags
//	<!-- run: instead=COMMAND -->    that is run in its place
//	<!-- run: fails=CODE -->         its one command ends with this code
//	<!-- run: until -->              it is run again until it does what is expected
//	<!-- output: contains TEXT -->   what it prints holds this text; several may be given
//	<!-- file: NAME -->              the block is a file that the reader saves; lint=skip after the name leaves it unjudged
//	<!-- test: kill NAME -->         not about a block: the member is killed; or, with start, started again
package pages

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Guides are the pages whose commands are run, in the order of a reader that begins with nothing.
var Guides = []string{
	"docs/install.md", "docs/first-canary.md", "docs/disaster-drill.md", "docs/tenants.md", "docs/migrating.md", "docs/operations.md",
}

// Page is one file.
type Page struct {
	// Path is relative to the repository's root, with slashes.
	Path string
	// Steps are the blocks, and what a test does between them, in their order.
	Steps []Step
	// Links are those in the text, Spans the code in it.
	Links, Spans []Text
	// Anchors are what a link can name after the #.
	Anchors map[string]bool
}

// Step is a block, or what a test does where it stands.
type Step struct {
	// Line is where it begins, counted from 1.
	Line int
	// Language is a block's.
	Language string
	// Lines are a block's.
	Lines []string
	// Run and Output say how it is tested.
	Run Run
	// Contains are texts that its output holds.
	Contains []string
	// File is the name to save it under.
	File string
	// LintSkip says that the file is refused on purpose.
	LintSkip bool
	// Test is what a test does, such as "kill sh-b". Then there is no block.
	Test string
}

// Run says how the commands of a block are run.
type Run struct {
	// Skip is why they are not.
	Skip string
	// Instead is run in their place.
	Instead string
	// Fails is the code that the one command ends with.
	Fails int
	// Until has them run until they do what is expected.
	Until bool
}

// Text is a piece of a page.
type Text struct {
	Text string
	// Line is where it begins, counted from 1.
	Line int
}

// Load reads the pages of a repository that people read: those of docs, and the READMEs of what they are sent to.
func Load(root string) ([]Page, error) {
	files := []string{"README.md", "charts/cellfed/README.md", "charts/cellfed/VALUES.md", "examples/README.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		path, err = filepath.Rel(root, path)
		files = append(files, filepath.ToSlash(path))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the pages: %w", err)
	}
	slices.Sort(files)
	var all []Page
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			return nil, fmt.Errorf("read a page: %w", err)
		}
		page, err := Parse(file, string(data))
		if err != nil {
			return nil, err
		}
		all = append(all, page)
	}
	return all, nil
}

// Commands returns a block's commands.
func (s *Step) Commands() []string {
	var commands []string
	for i := 0; i < len(s.Lines); i++ {
		command, found := strings.CutPrefix(s.Lines[i], "$ ")
		if !found {
			continue
		}
		for strings.HasSuffix(command, `\`) && i+1 < len(s.Lines) {
			i++
			command += "\n" + s.Lines[i]
		}
		if end := hereDocument(command); end != "" {
			for i+1 < len(s.Lines) {
				i++
				command += "\n" + s.Lines[i]
				if s.Lines[i] == end {
					break
				}
			}
		}
		commands = append(commands, command)
	}
	return commands
}

// hereDocument returns the word that ends the here-document which a command begins, or nothing.
func hereDocument(command string) string {
	_, word, found := strings.Cut(command, "<<")
	if !found || strings.HasPrefix(word, "<") {
		return ""
	}
	word, _, _ = strings.Cut(strings.TrimPrefix(word, "-"), " ")
	return strings.Trim(word, `'"`)
}

// Text returns a block's lines.
func (s *Step) Text() string { return strings.Join(s.Lines, "\n") + "\n" }
