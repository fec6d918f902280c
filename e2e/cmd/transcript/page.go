package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// part is a piece of the page: text that is copied, or a block of commands that are run.
type part struct {
	// line is where it begins in the source, counted from 1.
	line int
	// text is copied.
	text string
	// commands are run, one after another.
	commands []string
	// quiet commands are run and not shown.
	quiet bool
	// until has a command run again until what it prints holds this.
	until string
	// code is what the last of the commands ends with.
	code int
}

// directive is a comment in the source that says how the block below is run, or names a command that is not shown:
//
//	<!-- do: COMMAND -->       run it, again until it succeeds
//	<!-- until: TEXT -->       run the block below again until it prints the text
//	<!-- fails: CODE -->       the last command of the block below ends with the code
var directive = regexp.MustCompile(`^<!-- (do|until|fails): (.*) -->$`)

// parse reads the source of the page. Its blocks of the language console hold commands, one a line.
func parse(source string) ([]part, error) {
	var parts []part
	next := part{}
	inBlock := false
	for i, line := range strings.Split(strings.TrimSuffix(source, "\n"), "\n") {
		match := directive.FindStringSubmatch(line)
		switch {
		case inBlock && line == "```":
			if len(next.commands) == 0 {
				return nil, fmt.Errorf("page.md:%d: the block has no command", next.line)
			}
			parts = append(parts, next)
			next, inBlock = part{}, false
		case inBlock:
			command, found := strings.CutPrefix(line, "$ ")
			if !found {
				return nil, fmt.Errorf("page.md:%d: %q is no command: it does not begin with $", i+1, line)
			}
			next.commands = append(next.commands, command)
		case line == "```console":
			inBlock, next.line = true, i+1
		case match == nil:
			if next.until != "" || next.code != 0 {
				return nil, fmt.Errorf("page.md:%d: what is said of a block is followed by text", i+1)
			}
			parts = append(parts, part{line: i + 1, text: line + "\n"})
		case match[1] == "do":
			parts = append(parts, part{line: i + 1, commands: []string{match[2]}, quiet: true})
		case match[1] == "until":
			next.until = match[2]
		default:
			code, err := strconv.Atoi(match[2])
			if err != nil || code == 0 {
				return nil, fmt.Errorf("page.md:%d: fails: %q: give the code that the command ends with, such as 3", i+1, match[2])
			}
			next.code = code
		}
	}
	if inBlock || next.until != "" || next.code != 0 {
		return nil, fmt.Errorf("page.md: the last block has no end")
	}
	return parts, nil
}
