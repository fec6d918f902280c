package datastore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// sqliteMagic begins every SQLite database that is not empty.
const sqliteMagic = "SQLite format 3\x00"

// prepareSQLite makes the directory of a SQLite file, which SQLite itself does not, and refuses a file
// that holds something else, on which kine would retry for minutes. Other endpoints are left alone.
func prepareSQLite(e *Endpoint) error {
	file, ok, err := sqliteFile(e)
	if err != nil || !ok {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("%s %q: directory of the database: %w: give a file in a directory that this user can write", FlagEndpoint, e, err)
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%s %q: %w: give a file that this user can read and write", FlagEndpoint, e, err)
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, len(sqliteMagic))
	switch n, err := io.ReadFull(f, head); {
	case errors.Is(err, io.EOF) && n == 0:
		return nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s %q: reading the database: %w", FlagEndpoint, e, err)
	case !bytes.Equal(head, []byte(sqliteMagic)):
		return fmt.Errorf("%s %q: %s is not a SQLite database: restore it from a backup, or move it away to start with an empty one", FlagEndpoint, e, file)
	}
	return nil
}

// sqliteFile is the database file of an endpoint, and whether it has one.
func sqliteFile(e *Endpoint) (file string, ok bool, err error) {
	dsn, ok := strings.CutPrefix(e.Raw, "sqlite://")
	if !ok {
		return "", false, nil
	}
	file, _, _ = strings.Cut(dsn, "?")
	escaped, isURI := strings.CutPrefix(file, "file:")
	if !isURI {
		return file, true, nil
	}
	if file, err = url.PathUnescape(escaped); err != nil {
		return "", false, fmt.Errorf("%s %q: %w: percent-encode what is special in the path", FlagEndpoint, e, err)
	}
	return file, true, nil
}
