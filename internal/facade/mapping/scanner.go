package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits of a Scanner.
const (
	// MaxValue is the size, in bytes, of the largest single JSON value that is held: an object, a watch event, a
	// table's columns. API servers store no object of more than a few MiB.
	MaxValue = 32 << 20

	// WatchBuffer and ListBuffer are sizes of a Scanner's first buffer: one for streams that mostly wait, one for
	// streams that come at once.
	WatchBuffer = 2 << 10
	ListBuffer  = 64 << 10

	idleBuffer = 16 << 10
)

// ErrMalformed is what a Scanner reports of input that is not JSON, or that is none of what was to be expected.
var ErrMalformed = errors.New("malformed JSON")

// ErrTooLarge is what a Scanner reports of a single value of more than MaxValue bytes.
var ErrTooLarge = errors.New("JSON value too large")

// Scanner reads JSON values from a stream one by one, without holding more than one of them, and without parsing them:
// it finds where a value ends and leaves it as it is. What is malformed inside a value is for who reads it.
type Scanner struct {
	r   io.Reader
	err error
	// buf[pos:end] is what was read and not consumed.
	buf      []byte
	pos, end int
}

// NewScanner returns a Scanner of r whose buffer holds size bytes at first, and grows with the values.
func NewScanner(r io.Reader, size int) *Scanner { return &Scanner{r: r, buf: make([]byte, size)} }

// Buffered says whether input is there that was read and not consumed yet, white space excepted.
func (s *Scanner) Buffered() bool {
	for s.pos < s.end {
		switch s.buf[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return true
		}
	}
	return false
}

// Release lets a large buffer go while nothing is in it, so that a watch that waits costs little.
func (s *Scanner) Release() {
	if s.pos == s.end && len(s.buf) > idleBuffer {
		s.buf, s.pos, s.end = nil, 0, 0
	}
}

// fill reads more input behind buf[pos:end], moving and growing as needed.
func (s *Scanner) fill() error {
	if s.err != nil {
		return s.err
	}
	if s.pos > 0 && (s.pos == s.end || s.end == len(s.buf)) {
		copy(s.buf, s.buf[s.pos:s.end])
		s.end -= s.pos
		s.pos = 0
	}
	if s.end == len(s.buf) {
		size := max(WatchBuffer, 2*len(s.buf))
		if s.end >= MaxValue {
			s.err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxValue)
			return s.err
		}
		grown := make([]byte, size)
		copy(grown, s.buf[:s.end])
		s.buf = grown
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.err = err
		}
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// Peek returns the next byte that is not white space, without consuming it. At the end it returns io.EOF.
func (s *Scanner) Peek() (byte, error) {
	for {
		if s.Buffered() {
			return s.buf[s.pos], nil
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
}

// expect consumes the next byte that is not white space, which must be one of those given.
func (s *Scanner) expect(set string) (byte, error) {
	c, err := s.Peek()
	if err != nil {
		return 0, unexpected(err)
	}
	for i := range len(set) {
		if set[i] == c {
			s.pos++
			return c, nil
		}
	}
	return 0, fmt.Errorf("%w: %q where one of %q must be", ErrMalformed, c, set)
}

// unexpected is err, with an end of input that comes too early told apart from one that is in order.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Value returns the next value. It is valid until the next call of any method. At the end it returns io.EOF.
func (s *Scanner) Value() ([]byte, error) {
	c, err := s.Peek()
	if err != nil {
		return nil, err
	}
	switch c {
	case '{', '[':
		return s.nested()
	case '"':
		return s.text()
	case ',', ':', ']', '}':
		return nil, fmt.Errorf("%w: %q where a value must be", ErrMalformed, c)
	default:
		return s.literal()
	}
}

// nested returns an object or an array.
func (s *Scanner) nested() ([]byte, error) {
	depth := 0
	for i := 0; ; {
		b := s.buf[s.pos:s.end]
		for i < len(b) {
			switch b[i] {
			case '"':
				end := stringEnd(b, i)
				if end < 0 {
					// The string goes on in what is not read yet: look at it again from its beginning.
					b = b[:i]
					continue
				}
				i = end
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					s.pos += i + 1
					return b[:i+1], nil
				}
			}
			i++
		}
		if err := s.fill(); err != nil {
			return nil, unexpected(err)
		}
	}
}

// text returns a string, quotes included.
func (s *Scanner) text() ([]byte, error) {
	for {
		b := s.buf[s.pos:s.end]
		if end := stringEnd(b, 0); end > 0 {
			s.pos += end
			return b[:end], nil
		}
		if err := s.fill(); err != nil {
			return nil, unexpected(err)
		}
	}
}

// stringEnd returns the index behind the string that begins at b[start], or -1 when b does not hold all of it.
func stringEnd(b []byte, start int) int {
	i, quote := start+1, -1
	for {
		if quote < i {
			n := bytes.IndexByte(b[min(i, len(b)):], '"')
			if n < 0 {
				return -1
			}
			quote = i + n
		}
		escape := bytes.IndexByte(b[i:quote], '\\')
		if escape < 0 {
			return quote + 1
		}
		i += escape + 2
	}
}

// literal returns a number, true, false or null.
func (s *Scanner) literal() ([]byte, error) {
	for i := 0; ; {
		b := s.buf[s.pos:s.end]
		for ; i < len(b); i++ {
			switch c := b[i]; {
			case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c == '-', c == '+', c == '.', c == 'E':
			case i == 0:
				return nil, fmt.Errorf("%w: %q where a value must be", ErrMalformed, c)
			default:
				s.pos += i
				return b[:i], nil
			}
		}
		if err := s.fill(); err != nil {
			if errors.Is(err, io.EOF) && i > 0 {
				s.pos += i
				return b[:i], nil
			}
			return nil, unexpected(err)
		}
	}
}
