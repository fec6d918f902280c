// Package wire reads what API servers send as JSON into unstructured objects: in one pass, and without the fields that
// nobody keeps. It stands in for the decoders of client-go's dynamic client, which read an object of a watch several times over.
//
// What comes out is what those decoders make of the same JSON, but for what is left out. Two things that API servers do not send
// make a difference: an item of a list that is null is an error, and a kind of v1 other than Status that is no object, such as
// APIGroup, becomes an unstructured object in a watch.
package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Without names fields that are left out of an object: the ones with a nil value, wherever another one leads to. The items
// of a list stand where the list stands. Nil leaves out nothing.
type Without map[string]Without

// syntax is encoding/json's, which is what clients of API servers read with: of a key that comes twice the last one counts,
// and what is not UTF-8 is replaced.
var syntax = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// Decode reads a JSON object. Whole numbers that an int64 has room for are int64, all others float64, as in
// k8s.io/apimachinery/pkg/util/json. It fails for JSON that is no object or ill-formed, for numbers that a float64 has no
// room for, for more than one value, and for what nests deeper than 10,000. Nothing of data is kept.
func Decode(data []byte, without Without) (map[string]any, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(data), syntax...)
	if kind := d.PeekKind(); kind != jsontext.KindBeginObject && kind != jsontext.KindInvalid {
		return nil, fmt.Errorf("read JSON: a value of the kind %s is no object", kind)
	}
	value, err := decode(d, without)
	if err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read JSON: there is more after the object")
	}
	return value.(map[string]any), nil
}

// Object reads an object as Decode does, which must have a kind.
func Object(data []byte, without Without) (*unstructured.Unstructured, error) {
	content, err := Decode(data, without)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{Object: content}
	if object.GetKind() == "" {
		return nil, missingKind(data)
	}
	return object, nil
}

// missingKind does not repeat what may be anybody's secret.
func missingKind(data []byte) error {
	return runtime.NewMissingKindErr(fmt.Sprintf("%d bytes", len(data)))
}

func decode(d *jsontext.Decoder, without Without) (any, error) {
	switch d.PeekKind() {
	case jsontext.KindBeginObject:
		return decodeObject(d, without)
	case jsontext.KindBeginArray:
		return decodeArray(d, without)
	case jsontext.KindNumber:
		raw, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		return number(string(raw))
	}
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case jsontext.KindTrue:
		return true, nil
	case jsontext.KindFalse:
		return false, nil
	case jsontext.KindNull:
		return nil, nil
	}
	return token.String(), nil
}

func decodeObject(d *jsontext.Decoder, without Without) (any, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	object := map[string]any{}
	for d.PeekKind() != jsontext.KindEndObject {
		token, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := token.String()
		inner, found := without[key]
		if found && inner == nil {
			if err := d.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		if object[key], err = decode(d, inner); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return object, err
}

func decodeArray(d *jsontext.Decoder, without Without) (any, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	array := []any{}
	for d.PeekKind() != jsontext.KindEndArray {
		item, err := decode(d, without)
		if err != nil {
			return nil, err
		}
		array = append(array, item)
	}
	_, err := d.ReadToken()
	return array, err
}

func number(text string) (any, error) {
	if !strings.ContainsAny(text, ".eE") {
		if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
			return whole, nil
		}
	}
	return strconv.ParseFloat(text, 64)
}
