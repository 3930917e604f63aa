package registry

import (
	"io"
	"sync"
)

// Four chunks are under way between two stages of a transfer: enough that a
// stage rarely waits for its neighbour, little enough to forget.
const (
	chunkSize = 256 << 10
	chunks    = 4
)

// ring reads ahead of its reader in a goroutine of its own, so that the network,
// the hash and the disk work at once.
type ring struct {
	r       io.Reader
	buffers *sync.Pool
	cancel  func() // unblocks r.Read
	full    chan chunk
	free    chan *[chunkSize]byte
	stop    chan struct{}
	closing sync.Once
	gone    sync.WaitGroup

	cur  chunk
	rest []byte
}

type chunk struct {
	buf *[chunkSize]byte
	n   int
	err error
}

// readAhead starts reading r. Close ends it: it calls cancel, which must make a
// pending r.Read return, and waits for that.
func (c *Client) readAhead(r io.Reader, cancel func()) *ring {
	g := &ring{
		r: r, buffers: &c.buffers, cancel: cancel,
		full: make(chan chunk, chunks), free: make(chan *[chunkSize]byte, chunks), stop: make(chan struct{}),
	}
	for range chunks {
		g.free <- g.buffers.Get().(*[chunkSize]byte)
	}
	g.gone.Go(g.fill)
	return g
}

func (g *ring) fill() {
	for {
		select {
		case <-g.stop:
			return
		case buf := <-g.free:
			k := chunk{buf: buf}
			for k.n < chunkSize && k.err == nil {
				var n int
				n, k.err = g.r.Read(buf[k.n:])
				k.n += n
			}
			g.full <- k // never blocks: there are as many places as buffers
			if k.err != nil {
				return
			}
		}
	}
}

// next gives the bytes of the next chunk, good until the following call, and
// io.EOF after the last.
func (g *ring) next() ([]byte, error) {
	if g.cur.err != nil {
		return nil, g.cur.err
	}
	if g.cur.buf != nil {
		g.free <- g.cur.buf
	}
	g.cur = <-g.full
	if g.cur.n == 0 {
		return nil, g.cur.err
	}
	return g.cur.buf[:g.cur.n], nil
}

// Read gives the bytes piecemeal.
func (g *ring) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		b, err := g.next()
		if err != nil {
			return 0, err
		}
		g.rest = b
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// WriteTo gives whole chunks to w, uncopied.
func (g *ring) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		b, err := g.next()
		if err == io.EOF { //nolint:errorlint // a connection's end wraps io.EOF too: only the bare one is the end of the content
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(b)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Close ends the reading ahead. It may be called twice.
func (g *ring) Close() error {
	g.closing.Do(func() {
		close(g.stop)
		g.cancel()
		g.gone.Wait()
		g.give(g.cur.buf)
		for {
			select {
			case b := <-g.free:
				g.give(b)
			case k := <-g.full:
				g.give(k.buf)
			default:
				return
			}
		}
	})
	return nil
}

func (g *ring) give(b *[chunkSize]byte) {
	if b != nil {
		g.buffers.Put(b)
	}
}
