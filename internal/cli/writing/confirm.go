package writing

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cellfed/cellfed/internal/cli/exit"
)

// Confirm has the user agree. Where nobody can be asked, only --yes does.
func Confirm(streams genericiooptions.IOStreams, question string, yes bool) error {
	if yes {
		return nil
	}
	if file, ok := streams.In.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return exit.Usagef("nobody can be asked here: give --yes if what is told above is to be done, or --dry-run to be told it alone")
	}
	return ask(streams.In, streams.ErrOut, question)
}

// ask fails unless the answer is yes.
func ask(in io.Reader, out io.Writer, question string) error {
	fmt.Fprintf(out, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && line == "" {
		fmt.Fprintln(out)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	default:
		return &exit.Error{Code: exit.Failure, Err: fmt.Errorf("nothing was changed: the answer was not yes")}
	}
}
