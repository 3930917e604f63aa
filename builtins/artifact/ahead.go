package artifact

import (
	"io"

	"github.com/policyhost/policy/runtime/fault"
)

// ahead reads from another reader in the background, so that inflating and
// checking go on at once on two cores.
type ahead struct {
	blocks chan block
	free   chan []byte
	stop   chan struct{}
	done   chan struct{}
	now    block
	at     int
	closed bool
}

type block struct {
	data []byte
	err  error
}

const (
	aheadBlocks = 4
	aheadSize   = 128 << 10
)

func readAhead(r io.Reader) *ahead {
	a := &ahead{
		blocks: make(chan block, aheadBlocks),
		free:   make(chan []byte, aheadBlocks),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	go a.run(r)
	return a
}

func (a *ahead) run(r io.Reader) {
	defer close(a.done)
	for made := 0; ; made++ {
		var buf []byte
		if made < aheadBlocks {
			buf = make([]byte, aheadSize)
		} else {
			select {
			case buf = <-a.free:
			case <-a.stop:
				return
			}
		}
		n, err := fill(r, buf)
		select {
		case a.blocks <- block{buf[:n], err}:
		case <-a.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// fill reads until buf is full or r gives an error, which it keeps as it is.
func fill(r io.Reader, buf []byte) (n int, err error) {
	defer fault.Recover("inflate", &err) // r may be a decompressor with hostile input
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// Read gives what the other reader gave, and its error behind it.
func (a *ahead) Read(p []byte) (int, error) {
	for a.at == len(a.now.data) {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.data != nil {
			a.free <- a.now.data[:cap(a.now.data)]
		}
		a.now, a.at = <-a.blocks, 0
	}
	n := copy(p, a.now.data[a.at:])
	a.at += n
	return n, nil
}

// Close ends the reading and returns when the other reader is no longer used. No Read
// may follow.
func (a *ahead) Close() {
	if !a.closed {
		a.closed = true
		close(a.stop)
		<-a.done
	}
}
