// Package manifest reads manifests and keeps where everything in them stands: the file, the document, the line. It writes
// objects with their keys in the order in which they were written.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Format is how a document is written.
type Format int

const (
	// YAML is what a document is that is not JSON.
	YAML Format = iota
	// JSON is what a document is that begins like an object of it and can be read so.
	JSON
)

// Document is one document of a file, or an item of a list that is one.
type Document struct {
	// File is the name of the file as it was given, "-" for standard input.
	File string
	// Index counts the file's documents that hold something, from 1.
	Index int
	// Line is where the document's content begins, from 1.
	Line   int
	Format Format
	// Text is the document as it is written, without the line that divides it from the one before.
	Text []byte
	// JSON is the content, its keys in the order in which they are written. It is nil where Err is not.
	JSON []byte
	// Err says why the document cannot be read. It does not name the file.
	Err error

	// node is the content with its lines; offset is what they lack to those of the file.
	node   *yamlnode.Node
	offset int
}

// Empty reports whether the document holds nothing, or comments alone.
func (d *Document) Empty() bool { return d.Index == 0 }

// String names the document for messages.
func (d *Document) String() string {
	name := d.File
	if name == Stdin {
		name = "standard input"
	}
	return fmt.Sprintf("%s, document %d", name, d.Index)
}

// Object returns the content as an object. It fails where there is no apiVersion and kind.
func (d *Document) Object() (*unstructured.Unstructured, error) {
	if d.Err != nil {
		return nil, d.Err
	}
	var about struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(d.JSON, &about); err != nil || about.APIVersion == "" || about.Kind == "" {
		return nil, errors.New("it is no Kubernetes object: it has no apiVersion and kind")
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(d.JSON); err != nil {
		return nil, fmt.Errorf("it cannot be read as an object: %w", err)
	}
	return object, nil
}

// Parse returns the documents of a file, those that cannot be read and those that are empty included.
func Parse(file string, data []byte) []Document {
	if documents, ok := parseJSON(file, data); ok {
		return documents
	}
	var documents []Document
	index := 0
	for _, part := range split(data) {
		d := Document{File: file, Text: part.text, offset: part.line - 1, Line: part.line}
		d.read()
		if d.Err != nil || d.node != nil {
			index++
			d.Index = index
		}
		documents = append(documents, d)
	}
	return documents
}

// parseJSON reads a stream of JSON objects. It reports false for what is none.
func parseJSON(file string, data []byte) ([]Document, bool) {
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, false
	}
	var documents []Document
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return documents, true
		}
		if err != nil {
			return nil, false
		}
		begin := int(decoder.InputOffset()) - len(raw)
		d := Document{File: file, Index: len(documents) + 1, Format: JSON, Text: raw, offset: bytes.Count(data[:begin], []byte("\n"))}
		d.Line = d.offset + 1
		d.read()
		documents = append(documents, d)
	}
}

// read fills in what is known from the text.
func (d *Document) read() {
	var root yamlnode.Node
	if err := yamlnode.Unmarshal(d.Text, &root); err == nil && len(root.Content) > 0 {
		d.node = root.Content[0]
		d.Line = d.offset + d.node.Line
	} else if err != nil && d.Format == YAML {
		d.Err = fmt.Errorf("it is not valid YAML: %s", d.shifted(err))
		return
	}
	if d.Format == JSON {
		d.JSON = d.Text
		return
	}
	if d.node == nil {
		return
	}
	// What a value is, kubectl's own reader says: the nodes are for the order and the lines.
	content, err := yaml.YAMLToJSONStrict(d.Text)
	if err != nil {
		d.Err = fmt.Errorf("it is not valid YAML: %s", d.shifted(err))
		return
	}
	if d.JSON, err = ordered(content, d.node); err != nil {
		d.Err = err
	}
}

// shifted returns an error of a YAML reader in one line, without its prefix and with the file's lines.
func (d *Document) shifted(err error) string {
	text := strings.Join(strings.Fields(strings.NewReplacer("error converting YAML to JSON: ", "", "yaml: ", "", "unmarshal errors:", "").Replace(err.Error())), " ")
	rest, ok := strings.CutPrefix(text, "line ")
	var line int
	if !ok || d.offset == 0 {
		return text
	}
	if _, err := fmt.Sscanf(rest, "%d", &line); err != nil {
		return text
	}
	_, after, _ := strings.Cut(rest, ":")
	return fmt.Sprintf("line %d:%s", line+d.offset, after)
}

// part is a document's text, and the line on which it begins.
type part struct {
	text []byte
	line int
}

// split divides a YAML stream at its markers. A marker that has content behind it makes place for it.
func split(data []byte) []part {
	parts := []part{{line: 1}}
	line := 0
	for text := range bytes.Lines(data) {
		line++
		current := &parts[len(parts)-1]
		switch rest, isMarker := marker(text, "---"); {
		case isMarker:
			content := bytes.TrimSpace(rest)
			if len(content) == 0 || content[0] == '#' {
				parts = append(parts, part{line: line + 1})
				continue
			}
			parts = append(parts, part{line: line, text: append([]byte("   "), rest...)})
		default:
			if _, ends := marker(text, "..."); ends {
				text = []byte("\n")
			}
			current.text = append(current.text, text...)
		}
	}
	if len(parts) > 1 && len(bytes.TrimSpace(parts[0].text)) == 0 {
		parts = parts[1:]
	}
	return parts
}

// marker returns what follows a marker of YAML at the start of a line.
func marker(line []byte, mark string) (rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(line, []byte(mark))
	return rest, ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\n')
}

// Comments returns the comments before the content.
func (d *Document) Comments() []byte {
	var comments []byte
	line := d.offset
	for text := range bytes.Lines(d.Text) {
		if line++; line >= d.Line || d.Format == JSON {
			break
		}
		if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '#' {
			comments = append(append(comments, bytes.TrimRight(text, "\r\n")...), '\n')
		}
	}
	return comments
}
