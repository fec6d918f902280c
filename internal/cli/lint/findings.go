package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/cellfed/cellfed/internal/cli/printing"
)

// Severity says how bad a finding is.
type Severity string

const (
	// Error is what admission would refuse.
	Error Severity = "error"
	// Warning is what it would warn of.
	Warning Severity = "warning"
)

// Finding is one thing that is wrong or odd.
type Finding struct {
	// File is named as it was given, and Document counts in it from 1.
	File     string `json:"file"`
	Document int    `json:"document"`
	// Line is that of the field, or of the nearest one that is there.
	Line     int      `json:"line"`
	Severity Severity `json:"severity"`
	// Kind, Namespace and Name are the object's.
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// Field is the path of the field, which Message begins with.
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// object names the object.
func (f *Finding) object() string {
	switch {
	case f.Kind == "":
		return ""
	case f.Namespace == "":
		return f.Kind + " " + f.Name
	}
	return f.Kind + " " + f.Namespace + "/" + f.Name
}

// Report is all that was found, in the order of the files.
type Report struct {
	Findings []Finding `json:"findings"`
	// Checked counts the objects that were judged, Skipped those of kinds that there are no rules for.
	Checked int `json:"checked"`
	Skipped int `json:"skipped"`
}

func (r *Report) count(s Severity) int {
	n := 0
	for i := range r.Findings {
		if r.Findings[i].Severity == s {
			n++
		}
	}
	return n
}

// summary says in a line what came of it.
func (r *Report) summary() string {
	return fmt.Sprintf("%s checked, %s and %s found; %s of other kinds skipped\n", counted(r.Checked, "object"),
		counted(r.count(Error), "error"), counted(r.count(Warning), "warning"), counted(r.Skipped, "document"))
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// text prints a line for each finding, as compilers do.
func (r *Report) text(out io.Writer) error {
	var b strings.Builder
	for i := range r.Findings {
		f := &r.Findings[i]
		fmt.Fprintf(&b, "%s:%d: %s: ", f.File, f.Line, f.Severity)
		if object := f.object(); object != "" {
			b.WriteString(object + ": ")
		}
		b.WriteString(printing.Line(f.Message) + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// github prints the commands by which a GitHub workflow marks lines of a change.
func (r *Report) github(out io.Writer) error {
	value := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var b strings.Builder
	for i := range r.Findings {
		f := &r.Findings[i]
		fmt.Fprintf(&b, "::%s file=%s,line=%d", f.Severity, property.Replace(f.File), f.Line)
		if object := f.object(); object != "" {
			b.WriteString(",title=" + property.Replace(object))
		}
		b.WriteString("::" + value.Replace(f.Message) + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *Report) json(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "    ")
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return encoder.Encode(r)
}
