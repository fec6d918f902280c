package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// framer cuts the answer to a watch into its events.
type framer struct{ runtime.Framer }

// NewFrameReader implements runtime.Framer.
func (framer) NewFrameReader(r io.ReadCloser) io.ReadCloser {
	return &frames{body: r, decoder: jsontext.NewDecoder(r, syntax...)}
}

// frames reads one JSON value after the other.
type frames struct {
	body    io.ReadCloser
	decoder *jsontext.Decoder
	// rest is what a buffer had no room for. It is good until the decoder reads on.
	rest []byte
}

// Read implements io.Reader as runtime.Framer wants it: a call returns a value, or io.ErrShortBuffer with a part of it, which
// the next call goes on with.
func (f *frames) Read(into []byte) (int, error) {
	if len(f.rest) == 0 {
		value, err := f.decoder.ReadValue()
		if err != nil {
			return 0, plain(err)
		}
		f.rest = value
	}
	n := copy(into, f.rest)
	f.rest = f.rest[n:]
	if len(f.rest) > 0 {
		return n, io.ErrShortBuffer
	}
	return n, nil
}

// Close implements io.Closer.
func (f *frames) Close() error { return f.body.Close() }

// plain returns what went wrong with the connection as it was. Who watches compares it with io.EOF.
func plain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return err
}

// events reads the frames of a watch.
type events struct{ runtime.Serializer }

// Decode implements runtime.Decoder. The object of an event is a part of data.
func (e events) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	event, ok := into.(*metav1.WatchEvent)
	if !ok {
		return e.Serializer.Decode(data, defaults, into)
	}
	if err := readEvent(data, event); err != nil {
		return nil, nil, fmt.Errorf("read an event of a watch: %w", err)
	}
	return event, &schema.GroupVersionKind{Version: "v1", Kind: "WatchEvent"}, nil
}

func readEvent(data []byte, event *metav1.WatchEvent) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(data), syntax...)
	if token, err := d.ReadToken(); err != nil {
		return err
	} else if token.Kind() != jsontext.KindBeginObject {
		return fmt.Errorf("a value of the kind %s is no event", token.Kind())
	}
	for d.PeekKind() != jsontext.KindEndObject {
		key, err := d.ReadToken()
		if err != nil {
			return err
		}
		switch key.String() {
		case "type":
			kind, err := d.ReadToken()
			if err != nil {
				return err
			}
			event.Type = kind.String()
		case "object":
			raw, err := d.ReadValue()
			if err != nil {
				return err
			}
			end := int(d.InputOffset())
			event.Object.Raw = data[end-len(raw) : end]
		default:
			if err := d.SkipValue(); err != nil {
				return err
			}
		}
	}
	_, err := d.ReadToken()
	return err
}
