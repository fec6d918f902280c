// Package exit holds the codes with which the program ends, for scripts to tell one end from another.
package exit

import (
	"errors"
	"fmt"
	"strings"
)

// The codes beside 0, which means success. The verb diff follows kubectl instead: 0 means the same, 1 that something
// differs, and what is above 1 that it failed.
const (
	// Failure means that what was asked for could not be done.
	Failure = 1
	// Usage means that the command line is wrong.
	Usage = 2
	// NotSo means that what was asked about is not so: not in sync, not ready, not so in time.
	NotSo = 3
)

// Error ends the program with a code of its own.
type Error struct {
	// Code is the program's exit code.
	Code int
	// Err is what is told to the user. Nil means that there is nothing more to say.
	Err error
}

// Error returns what is told to the user.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns what is told to the user, as an error.
func (e *Error) Unwrap() error { return e.Err }

// Usagef returns an error for a command line that is wrong.
func Usagef(format string, args ...any) error {
	return &Error{Code: Usage, Err: fmt.Errorf(format, args...)}
}

// NotSof returns an error for something that was asked about and is not so.
func NotSof(format string, args ...any) error {
	return &Error{Code: NotSo, Err: fmt.Errorf(format, args...)}
}

// Code returns the exit code that an error stands for: 0 for nil, Failure for one that names none.
func Code(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Failure
}

// Message returns what there is to be told of an error. It is empty where there is nothing more to say.
func Message(err error) string {
	if e, ok := errors.AsType[*Error](err); err == nil || ok && e.Err == nil {
		return ""
	}
	return err.Error()
}

// Reasons returns an error that says what was not done and why not, in one sentence, or in a line for each of several reasons. It is
// nil where there is none.
func Reasons(what string, reasons []error) error {
	switch len(reasons) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s: %w", what, reasons[0])
	}
	text := fmt.Sprintf("%s, for %d reasons:", what, len(reasons))
	for _, reason := range reasons {
		text += "\n- " + reason.Error()
	}
	return errors.New(text)
}

// Messages returns what there is to be told of an error, each of several errors that were joined by itself.
func Messages(err error) []string {
	message := Message(err)
	if message == "" {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Error() == message {
		err = e.Err
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{message}
	}
	var all []string
	for _, one := range joined.Unwrap() {
		all = append(all, Messages(one)...)
	}
	if strings.Join(all, "\n") != message {
		// It is one sentence about several errors.
		return []string{message}
	}
	return all
}
