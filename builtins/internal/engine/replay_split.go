package engine

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/policyhost/policy/runtime/fault"
)

// maxRecord bounds one document of a stream: 64 MiB.
const maxRecord = 64 << 20

// Split gives the documents of a stream in their order: those of JSON lines, one
// JSON document, several in a row, and instead of an array its elements. What is
// compressed with gzip is inflated. n counts from one; for JSON lines it is the
// line. The text of a line need not be JSON: logs are cut off and interleaved.
//
// It fails with Invalid, naming name, for a stream that is neither, with Limit for a document of
// more than 64 MiB, and with what yield returns.
func Split(name string, r io.Reader, yield func(n int, text string) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		inflated, err := gzip.NewReader(in)
		if err != nil {
			return fault.New(fault.Invalid, name, "not gzip: %w", err)
		}
		r = inflated
	} else {
		r = in
	}
	s := splitter{r: r, name: name, buf: make([]byte, 0, 256<<10)}
	err := s.all(yield)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		return fault.New(fault.Invalid, name, "it ends in the middle: %w", err)
	}
	return err
}

// splitter holds the part of a stream that was read and not given yet: buf[at:].
type splitter struct {
	name  string
	r     io.Reader
	buf   []byte
	at    int
	ended bool
	n     int
}

func (s *splitter) all(yield func(n int, text string) error) error {
	c, err := s.peek()
	if err != nil || s.ended && s.at >= len(s.buf) {
		return err
	}
	if c != '[' && s.startsWithLine(c) {
		return s.lines(yield)
	}
	inArray := false
	for {
		c, err := s.peek()
		switch {
		case err != nil:
			return err
		case s.at >= len(s.buf) && inArray:
			return fault.New(fault.Invalid, s.name, "the array does not end")
		case s.at >= len(s.buf):
			return nil
		case c == '[' && !inArray, c == ']' && inArray:
			inArray = !inArray
			s.at++
			continue
		case c == ',' && inArray:
			s.at++
			continue
		}
		text, err := s.value()
		if err != nil {
			return err
		}
		s.n++
		if err := yield(s.n, text); err != nil {
			return err
		}
	}
}

// startsWithLine reports whether the stream looks like JSON lines: its first line
// is a whole document and another line follows, or it is no JSON at all.
func (s *splitter) startsWithLine(c byte) bool {
	if c != '{' {
		return true
	}
	line := bytes.IndexByte(s.buf[s.at:], '\n')
	for ; line < 0 && !s.ended && len(s.buf)-s.at < maxRecord; line = bytes.IndexByte(s.buf[s.at:], '\n') {
		if s.more() != nil {
			return false
		}
	}
	if line < 0 {
		return false
	}
	first := strings.TrimRight(string(s.buf[s.at:s.at+line]), " \r\t")
	return skipValue(first, 0) == len(first)
}

func (s *splitter) lines(yield func(n int, text string) error) error {
	for {
		line := bytes.IndexByte(s.buf[s.at:], '\n')
		for from := 0; line < 0 && !s.ended; {
			from = len(s.buf) - s.at
			if err := s.more(); err != nil {
				return err
			}
			if line = bytes.IndexByte(s.buf[s.at+from:], '\n'); line >= 0 {
				line += from
			}
		}
		s.n++
		end, next := len(s.buf), len(s.buf)
		if line >= 0 {
			end, next = s.at+line, s.at+line+1
		}
		text := bytes.TrimSpace(s.buf[s.at:end])
		s.at = next
		if len(text) > 0 {
			if err := yield(s.n, string(text)); err != nil {
				return err
			}
		}
		if line < 0 {
			return nil
		}
	}
}

// value takes the document that begins at s.at.
func (s *splitter) value() (string, error) {
	for tried := 0; ; {
		// A document that is much longer than the buffer is not scanned again for each piece of it.
		if size := len(s.buf) - s.at; size >= 2*tried || s.ended {
			tried = size
			text := asText(s.buf[s.at:])
			end := skipValue(text, 0)
			whole := end > 0 && (end < len(text) || s.ended || text[0] == '{' || text[0] == '[' || text[0] == '"')
			if whole {
				taken := strings.Clone(text[:end])
				s.at += end
				return taken, nil
			}
			if s.ended {
				return "", fault.New(fault.Invalid, s.name, "document %d does not end", s.n+1)
			}
		}
		if err := s.more(); err != nil {
			return "", err
		}
	}
}

// peek skips blanks and gives the byte behind them, 0 at the end.
func (s *splitter) peek() (byte, error) {
	for {
		for ; s.at < len(s.buf); s.at++ {
			switch s.buf[s.at] {
			case ' ', '\n', '\r', '\t':
			default:
				return s.buf[s.at], nil
			}
		}
		if s.ended {
			return 0, nil
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
}

// more reads on, behind what is there.
func (s *splitter) more() error {
	if s.at > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.at:])]
		s.at = 0
	}
	if len(s.buf) > maxRecord {
		return fault.New(fault.Limit, s.name, "document %d is larger than %d bytes", s.n+1, maxRecord)
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = append(s.buf, 0)[:len(s.buf)]
	}
	n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if errors.Is(err, io.EOF) {
		s.ended = true
		return nil
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.File(s.name, err)
	}
	return err
}
