package lsp

import (
	"bufio"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"sync"
)

// maxMessage bounds one message of an editor: 64 MiB.
const maxMessage = 64 << 20

// frames are the messages of a connection, each behind its length. The library's
// own framing would believe any length.
type frames struct {
	in  *bufio.Reader
	out io.Writer

	closing sync.Once
	closed  func() error
}

// Recv gives the next message, and io.EOF when the editor is gone.
func (f *frames) Recv() ([]byte, error) {
	head, err := textproto.NewReader(f.in).ReadMIMEHeader()
	if err != nil {
		return nil, err //nolint:wrapcheck // io.EOF has a meaning to the caller
	}
	size, err := strconv.Atoi(head.Get("Content-Length"))
	if err != nil || size < 0 || size > maxMessage {
		return nil, fmt.Errorf("a message of %q bytes", head.Get("Content-Length"))
	}
	message := make([]byte, size)
	_, err = io.ReadFull(f.in, message)
	return message, err //nolint:wrapcheck // as above
}

// Send writes one message.
func (f *frames) Send(message []byte) error {
	_, err := f.out.Write(append(fmt.Appendf(nil, "Content-Length: %d\r\n\r\n", len(message)), message...))
	return err //nolint:wrapcheck // the server says what it was doing
}

// Close ends the connection, and with it a Recv that waits.
func (f *frames) Close() (err error) {
	f.closing.Do(func() { err = f.closed() })
	return err
}
