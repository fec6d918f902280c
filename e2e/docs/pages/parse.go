package pages

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

var (
	directive = regexp.MustCompile(`^<!--\s*(run|output|file|test):\s*(.*?)\s*-->$`)
	fence     = regexp.MustCompile("^ {0,6}(```+|~~~+)\\s*([A-Za-z]*)")
	span      = regexp.MustCompile("(`+)([^`]+)`+")
	link      = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	linkText  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// parser is where Parse is.
type parser struct {
	page Page
	// next is what is said of the block to come.
	next Step
	said int
	// end closes the block, if the parser is in one.
	end   string
	prose []string
	slugs map[string]int
}

// Parse reads a page.
func Parse(path, text string) (Page, error) {
	p := parser{page: Page{Path: path, Anchors: map[string]bool{}}, slugs: map[string]int{}}
	for i, line := range strings.Split(text, "\n") {
		prose, err := p.line(i+1, line)
		if err != nil {
			return Page{}, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		// A line of a block leaves an empty one, so that lines count.
		p.prose = append(p.prose, prose)
	}
	if p.end != "" {
		return Page{}, fmt.Errorf("%s: a block has no end", path)
	}
	if p.said != 0 {
		return Page{}, fmt.Errorf("%s:%d: no block follows what is said of one", path, p.said)
	}
	p.spansAndLinks()
	return p.page, nil
}

// line takes a line, and returns what of it is text.
func (p *parser) line(number int, line string) (string, error) {
	trimmed := strings.TrimSpace(line)
	if p.end != "" {
		if trimmed == p.end {
			p.page.Steps = append(p.page.Steps, p.next)
			p.next, p.end, p.said = Step{}, "", 0
		} else {
			p.next.Lines = append(p.next.Lines, line)
		}
		return "", nil
	}
	if match := directive.FindStringSubmatch(trimmed); match != nil {
		return "", p.directive(number, match[1], match[2])
	}
	if match := fence.FindStringSubmatch(line); match != nil {
		p.end, p.next.Language, p.next.Line = match[1], match[2], number
		return "", nil
	}
	if trimmed != "" && p.said != 0 {
		return "", fmt.Errorf("what line %d says of a block is followed by text", p.said)
	}
	if level := len(line) - len(strings.TrimLeft(line, "#")); level > 0 && strings.HasPrefix(line[level:], " ") {
		p.heading(line[level:])
	}
	return line, nil
}

func (p *parser) directive(number int, kind, value string) error {
	if kind == "test" {
		p.page.Steps = append(p.page.Steps, Step{Line: number, Test: value})
		return nil
	}
	p.said = number
	switch kind {
	case "file":
		name, option, _ := strings.Cut(value, " ")
		if option != "" && option != "lint=skip" {
			return fmt.Errorf("%q is said of a file: there is lint=skip", option)
		}
		p.next.File, p.next.LintSkip = name, option != ""
	case "output":
		text, found := strings.CutPrefix(value, "contains ")
		if !found || text == "" {
			return fmt.Errorf("%q is said of an output: there is contains TEXT", value)
		}
		p.next.Contains = append(p.next.Contains, text)
	case "run":
		return p.next.Run.set(value)
	}
	return nil
}

func (r *Run) set(value string) error {
	name, argument, _ := strings.Cut(value, "=")
	switch {
	case name == "until" && argument == "":
		r.Until = true
	case name == "skip" && argument != "":
		r.Skip = argument
	case name == "instead" && argument != "":
		r.Instead = argument
	case name == "fails":
		code, err := strconv.Atoi(argument)
		if err != nil || code == 0 {
			return fmt.Errorf("fails=%q: give the code that the command ends with, such as 1", argument)
		}
		r.Fails = code
	default:
		return fmt.Errorf("%q is said of a run: there are skip=REASON, instead=COMMAND, fails=CODE and until", value)
	}
	return nil
}

// heading adds the anchor that GitHub gives a heading.
func (p *parser) heading(text string) {
	slug := Slug(text)
	if n := p.slugs[slug]; n > 0 {
		p.page.Anchors[fmt.Sprintf("%s-%d", slug, n)] = true
	} else {
		p.page.Anchors[slug] = true
	}
	p.slugs[slug]++
}

// Slug returns the anchor of a heading: letters, digits, - and _ stay, blanks become -, and all else goes.
func Slug(heading string) string {
	heading = linkText.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.TrimSpace(heading))
}

// spansAndLinks finds what is in the text, which may go over lines.
func (p *parser) spansAndLinks() {
	prose := strings.Join(p.prose, "\n")
	at := func(offset int) int { return strings.Count(prose[:offset], "\n") + 1 }
	for _, m := range span.FindAllStringSubmatchIndex(prose, -1) {
		// In a table the bar is escaped, also in code.
		text := strings.ReplaceAll(strings.Join(strings.Fields(prose[m[4]:m[5]]), " "), `\|`, "|")
		p.page.Spans = append(p.page.Spans, Text{Text: text, Line: at(m[0])})
	}
	// Brackets in code are no links. The length stays, so that lines count.
	hidden := span.ReplaceAllStringFunc(prose, func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == '\n' {
				return r
			}
			return '`'
		}, s)
	})
	prose = hidden
	for _, m := range link.FindAllStringSubmatchIndex(prose, -1) {
		p.page.Links = append(p.page.Links, Text{Text: prose[m[2]:m[3]], Line: at(m[0])})
	}
}
