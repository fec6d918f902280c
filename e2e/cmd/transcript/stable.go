package main

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// span is how kubectl writes a time that has passed.
const span = `(?:\d+[dhms])+`

// replacements are what differs from run to run, and what is written for it.
var replacements = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(127\.0\.0\.1|\[::1\]|localhost):\d+`), "192.0.2.1:6443"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "2026-01-01T00:00:00Z"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "00000000-0000-0000-0000-000000000000"},
	{regexp.MustCompile(`\S+_(00000000-0000-0000-0000-000000000000)`), "HOST_$1"},
	{regexp.MustCompile(`(resourceVersion"?: )"\d+"`), `$1"1"`},
	{regexp.MustCompile(`(eady for )` + span), "${1}1m"},
	{regexp.MustCompile(`^(Age: +)` + span + `$`), "${1}1m"},
	{regexp.MustCompile(`^(Client: +)\S+ \((go\S+), .*\)$`), "${1}VERSION ($2, linux/amd64)"},
	{regexp.MustCompile(`^(secret/[a-z0-9-]+-)[0-9a-f]{8} `), "${1}00000000 "},
}

// progressLines begin with one of these. Whether they are printed depends on how fast the clusters are.
var progressLines = regexp.MustCompile(`^(Waiting for |waiting until |generation \d+ is not reported yet|not available: |not in sync: |on its way: ` +
	`|the CRD \S+ is not |Note: the stored objects are being migrated |KubeFed has just started, ` +
	`|nothing reports on |KubeFed has not reported yet |KubeFed has (stopped|let go)|cellfed has (stopped|KubeFed let go)` +
	`|(Cellfed|KubeFed) propagates the type: (all objects|objects|\d+ of \d+ objects) )`)

// stable takes out of an output what another run would print otherwise.
func stable(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, " \n")
		if progressLines.MatchString(line) {
			continue
		}
		for _, r := range replacements {
			line = r.pattern.ReplaceAllString(line, r.with)
		}
		lines = append(lines, line)
	}
	for i := 0; i < len(lines); i++ {
		if columns := header(lines[i]); columns != nil {
			end := i + 1
			for end < len(lines) && belongs(lines[end], columns[0]) {
				end++
			}
			copy(lines[i:end], layOut(lines[i:end], columns))
			i = end - 1
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

var title = regexp.MustCompile(`[A-Z][A-Z0-9-]*`)

// header returns where the columns of a table begin, if the line is the head of one that tells ages.
func header(line string) []int {
	words := title.FindAllString(line, -1)
	if strings.Join(words, " ") != strings.Join(strings.Fields(line), " ") || len(words) < 2 {
		return nil
	}
	if !slices.Contains(words, "AGE") && !slices.Contains(words, "SINCE") {
		return nil
	}
	var columns []int
	for _, at := range title.FindAllStringIndex(line, -1) {
		columns = append(columns, at[0])
	}
	return columns
}

// belongs says whether a line is a row of a table that is indented so far.
func belongs(line string, indent int) bool {
	return len(line) > indent && strings.TrimSpace(line[:indent]) == "" && line[indent] != ' '
}

var age = regexp.MustCompile(`^` + span + `$`)

// gap is how many blanks are between two columns.
const gap = 3

// layOut writes a table anew, with one age for all.
func layOut(lines []string, columns []int) []string {
	widths := make([]int, len(columns))
	var rows [][]string
	for _, line := range lines {
		row := cut([]rune(line), columns)
		for i, text := range row {
			if len(rows) > 0 && (rows[0][i] == "AGE" || rows[0][i] == "SINCE") && age.MatchString(text) {
				row[i] = "1m"
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		rows = append(rows, row)
	}
	var out []string
	for _, row := range rows {
		line := strings.Repeat(" ", columns[0])
		for i, text := range row {
			line += text + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+gap)
		}
		out = append(out, strings.TrimRight(line, " "))
	}
	return out
}

// cut returns the columns of a line.
func cut(line []rune, columns []int) []string {
	row := make([]string, len(columns))
	for i, from := range columns {
		to := len(line)
		if i+1 < len(columns) {
			to = min(to, columns[i+1])
		}
		if from < to {
			row[i] = strings.TrimSpace(string(line[from:to]))
		}
	}
	return row
}
