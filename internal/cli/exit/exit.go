// Package exit holds the codes with which the program ends, for scripts to tell one end from another.
package exit

import (
	"errors"
	"fmt"
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
