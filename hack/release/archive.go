package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// file is a file in an archive.
type file struct {
	name string
	mode fs.FileMode
	data []byte
}

// tarball writes the files as a tar.gz that says nothing of the machine: one time, and no owner but the number 0.
func tarball(out io.Writer, files []file, at time.Time) error {
	compressed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: at, Format: tar.FormatUSTAR,
		}
		if err := w.WriteHeader(header); err != nil {
			return fmt.Errorf("archive %s: %w", f.name, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return fmt.Errorf("archive %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("end the archive: %w", err)
	}
	if err := compressed.Close(); err != nil {
		return fmt.Errorf("end the archive: %w", err)
	}
	return nil
}

// zipped is tarball as a zip.
func zipped(out io.Writer, files []file, at time.Time) error {
	w := zip.NewWriter(out)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		header.SetMode(f.mode)
		entry, err := w.CreateHeader(header)
		if err != nil {
			return fmt.Errorf("archive %s: %w", f.name, err)
		}
		if _, err := entry.Write(f.data); err != nil {
			return fmt.Errorf("archive %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("end the archive: %w", err)
	}
	return nil
}

// unpack reads an archive that tarball has written, or, with zip set, zipped.
func unpack(data []byte, zip bool) ([]file, error) {
	if zip {
		return unzip(data)
	}
	compressed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	var files []file
	for r := tar.NewReader(compressed); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the archive: %w", err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("read %s in the archive: %w", header.Name, err)
		}
		files = append(files, file{header.Name, fs.FileMode(header.Mode), content})
	}
}

func unzip(data []byte) ([]file, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	var files []file
	for _, entry := range r.File {
		opened, err := entry.Open()
		if err != nil {
			return nil, fmt.Errorf("read %s in the archive: %w", entry.Name, err)
		}
		content, err := io.ReadAll(opened)
		if err != nil {
			return nil, fmt.Errorf("read %s in the archive: %w", entry.Name, err)
		}
		files = append(files, file{entry.Name, entry.Mode().Perm(), content})
	}
	return files, nil
}
