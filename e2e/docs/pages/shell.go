package pages

import "strings"

// Words splits a command line into its simple commands, and these into words, without what is redirected. It knows quotes, and as
// much of a shell as documentation uses.
func Words(line string) [][]string {
	s := splitter{}
	for i, r := range line {
		if i >= s.until {
			s.rune(line, i, r)
		}
	}
	s.endCommand()
	return s.commands
}

type splitter struct {
	commands [][]string
	words    []string
	word     strings.Builder
	inWord   bool
	quote    rune
	// until is where to go on after what was looked at ahead.
	until int
	// skip says that the next word is a file that something is redirected to.
	skip bool
	// done says that the rest is a here-document.
	done bool
}

func (s *splitter) rune(line string, i int, r rune) {
	switch {
	case s.done:
	case s.quote != 0 && r == s.quote:
		s.quote = 0
	case s.quote != 0:
		s.word.WriteRune(r)
	case r == '\'' || r == '"':
		s.quote, s.inWord = r, true
	case r == '\\':
		s.escape(line, i)
	case r == ' ' || r == '\t':
		s.endWord()
	case r == '|' || r == ';' || r == '&' || r == '\n' || r == '(' || r == ')':
		s.endCommand()
	case r == '<' && strings.HasPrefix(line[i:], "<<"):
		s.endCommand()
		s.done = true
	case r == '<' || r == '>':
		s.endWord()
		s.skip = true
	default:
		s.word.WriteRune(r)
		s.inWord = true
	}
}

// escape takes what a backslash stands before. A line that it ends goes on.
func (s *splitter) escape(line string, i int) {
	if i+1 >= len(line) {
		return
	}
	s.until = i + 2
	if line[i+1] != '\n' {
		s.word.WriteByte(line[i+1])
		s.inWord = true
	}
}

func (s *splitter) endWord() {
	if s.inWord && !s.skip {
		s.words = append(s.words, s.word.String())
	}
	if s.inWord {
		s.skip = false
	}
	s.word.Reset()
	s.inWord = false
}

func (s *splitter) endCommand() {
	s.endWord()
	if len(s.words) > 0 {
		s.commands = append(s.commands, s.words)
	}
	s.words, s.skip = nil, false
}
