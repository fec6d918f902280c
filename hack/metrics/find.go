package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// metric is what the code says of one.
type metric struct {
	name, help, kind string
	labels           []string
	// at is where it is declared.
	at string
}

// find returns all metrics that are declared in the folders below dir.
func find(dir string, folders []string) ([]metric, error) {
	var all []metric
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(dir, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			found, err := findIn(path)
			all = append(all, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no metric is declared below %q: name the root of the repository", dir)
	}
	return all, nil
}

// findIn returns the metrics of one package.
func findIn(dir string) ([]metric, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	p := &pkg{files: token.NewFileSet(), descs: map[string]metric{}, kinds: map[string]string{}}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(p.files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, p.visit)
	}
	for variable, m := range p.descs {
		if m.kind = p.kinds[variable]; m.kind == "" {
			p.errs = append(p.errs, fmt.Errorf("%s: %s: no prometheus.MustNewConstMetric(%s, ...) says what kind it is of", m.at, m.name, variable))
		}
		p.metrics = append(p.metrics, m)
	}
	return p.metrics, errors.Join(p.errs...)
}

// pkg is what was found in a package so far.
type pkg struct {
	files   *token.FileSet
	metrics []metric
	// descs are descriptions by the variable that holds them, and kinds what is sent with it.
	descs map[string]metric
	kinds map[string]string
	errs  []error
}

func (p *pkg) visit(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.ValueSpec:
		for i, value := range n.Values {
			if call, ok := value.(*ast.CallExpr); ok && called(call) == "NewDesc" && i < len(n.Names) {
				p.describe(n.Names[i].Name, call)
			}
		}
	case *ast.CallExpr:
		p.call(n)
	}
	return true
}

// called returns the name of the function of package prometheus that a call calls.
func called(call *ast.CallExpr) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if from, ok := selector.X.(*ast.Ident); !ok || from.Name != "prometheus" {
		return ""
	}
	return selector.Sel.Name
}

func (p *pkg) call(call *ast.CallExpr) {
	name := called(call)
	switch name {
	case "MustNewConstMetric":
		variable, ok := call.Args[0].(*ast.Ident)
		kind, ok2 := call.Args[1].(*ast.SelectorExpr)
		if ok && ok2 {
			p.kinds[variable.Name] = strings.ToLower(strings.TrimSuffix(kind.Sel.Name, "Value"))
		}
	case "NewCounter", "NewCounterVec", "NewGauge", "NewGaugeVec", "NewHistogram", "NewHistogramVec", "NewSummary", "NewSummaryVec":
		m := metric{at: p.at(call), kind: strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(name, "New"), "Vec"))}
		options, ok := call.Args[0].(*ast.CompositeLit)
		if !ok {
			p.refuse(call, "the options of a metric are a literal")
			return
		}
		for _, element := range options.Elts {
			if field, ok := element.(*ast.KeyValueExpr); ok {
				p.option(&m, field)
			}
		}
		if m.name == "" || m.help == "" {
			p.refuse(call, "a metric has a Name and a Help, each a literal, and no Namespace or Subsystem")
		}
		if strings.HasSuffix(name, "Vec") {
			m.labels = p.words(call.Args[1])
		}
		p.metrics = append(p.metrics, m)
	}
}

func (p *pkg) option(m *metric, field *ast.KeyValueExpr) {
	switch name, _ := field.Key.(*ast.Ident); name.Name {
	case "Name":
		m.name = text(field.Value)
	case "Help":
		m.help = text(field.Value)
	case "NativeHistogramBucketFactor":
		m.kind = "native histogram"
	case "Namespace", "Subsystem", "ConstLabels":
		p.refuse(field, "a metric's name and labels stand in one place")
	}
}

func (p *pkg) describe(variable string, call *ast.CallExpr) {
	p.descs[variable] = metric{at: p.at(call), name: text(call.Args[0]), help: text(call.Args[1]), labels: p.words(call.Args[2])}
}

// text returns the value of a literal, and nothing of anything else.
func text(e ast.Expr) string {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return ""
	}
	value, _ := strconv.Unquote(literal.Value) // The parser has read it.
	return value
}

func (p *pkg) words(e ast.Expr) []string {
	switch n := e.(type) {
	case *ast.Ident:
		if n.Name == "nil" {
			return nil
		}
	case *ast.CompositeLit:
		words := make([]string, 0, len(n.Elts))
		for _, element := range n.Elts {
			word := text(element)
			if word == "" {
				break
			}
			words = append(words, word)
		}
		if len(words) == len(n.Elts) {
			return words
		}
	}
	p.refuse(e, "the labels of a metric are a literal")
	return nil
}

func (p *pkg) refuse(node ast.Node, rule string) {
	p.errs = append(p.errs, fmt.Errorf("%s: %s, or the reference cannot name it", p.at(node), rule))
}

func (p *pkg) at(node ast.Node) string { return p.files.Position(node.Pos()).String() }
