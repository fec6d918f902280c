// Command chart writes the parts of charts/cellfed that follow from config/ and from the table of the usual types:
//
//	kubectl kustomize config/default | go run ./hack/chart CHART_DIR
//
// It owns templates/generated, charts/federated-crds/crds, files/types.yaml and VALUES.md, which is made from values.yaml. In the
// first two it removes what is not its own.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader) error {
	if len(args) != 1 {
		return fmt.Errorf("%d arguments: give the chart's directory, and the rendered config/default as standard input", len(args))
	}
	data, err := io.ReadAll(stdin)
	if err != nil {
		return fmt.Errorf("read config/default: %w", err)
	}
	objects, err := parse(data)
	if err != nil {
		return err
	}
	files, err := generate(objects)
	if err != nil {
		return err
	}
	if err := write(args[0], files); err != nil {
		return err
	}
	return writeReference(args[0])
}

// owned are the directories, below the chart's, in which everything is generated.
var owned = []string{"templates/generated", "charts/federated-crds/crds"}

// write puts the files in place of those that a former run wrote.
func write(chart string, files map[string]string) error {
	for _, dir := range owned {
		if err := os.RemoveAll(filepath.Join(chart, dir)); err != nil {
			return err
		}
	}
	for name, content := range files {
		path := filepath.Join(chart, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
