package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/cellfed/cellfed/internal/cli/exit"
)

// Stdin stands for standard input among names of files.
const Stdin = "-"

// Files are what a command is told to read.
type Files struct {
	Names     []string
	Recursive bool
}

// AddFlags adds -f and -R.
func (f *Files) AddFlags(flags *pflag.FlagSet) {
	flags.StringSliceVarP(&f.Names, "filename", "f", f.Names, "File or directory to read, or - for standard input. Can be given several times.")
	flags.BoolVarP(&f.Recursive, "recursive", "R", f.Recursive, "Read the directories below those of -f too.")
}

// Read returns the documents of all files, in the order given and by name within directories, of which those that end in
// .yaml, .yml and .json are read.
func (f *Files) Read(in io.Reader) ([]Document, error) {
	var documents []Document
	for _, name := range f.Names {
		switch {
		case name == Stdin:
			data, err := io.ReadAll(in)
			if err != nil {
				return nil, fmt.Errorf("read standard input: %w", err)
			}
			documents = append(documents, Parse(Stdin, data)...)
			continue
		case strings.HasPrefix(name, "http://"), strings.HasPrefix(name, "https://"):
			return nil, exit.Usagef("--filename: %q is a URL: download it and name the file", name)
		}
		files, err := f.list(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("--filename: %w", err)
			}
			documents = append(documents, Parse(file, data)...)
		}
	}
	return documents, nil
}

// list returns the files that a name stands for.
func (f *Files) list(name string) ([]string, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, exit.Usagef("--filename: there is no file %q: correct the name", name)
	case err != nil:
		return nil, fmt.Errorf("--filename: %w", err)
	case !info.IsDir():
		return []string{name}, nil
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != name && !f.Recursive:
			return filepath.SkipDir
		case !entry.IsDir() && isManifest(path):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("--filename: %w", err)
	}
	if len(files) == 0 {
		return nil, exit.Usagef("--filename: the directory %q holds no file that ends in .yaml, .yml or .json: name another, or add -R to read those below it", name)
	}
	return files, nil
}

func isManifest(path string) bool {
	switch filepath.Ext(path) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// Required fails where nothing is named.
func (f *Files) Required() error {
	if len(f.Names) == 0 {
		return exit.Usagef("--filename: name a file or a directory with -f, or - for standard input")
	}
	return nil
}
