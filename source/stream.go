package source

import (
	"context"
	"io"
)

// stream reads a pipe in the background, because nothing else can end a read that waits for a silent peer. Its
// goroutine ends with ctx, at the latest when the read that it is in returns: standard input cannot be interrupted,
// so nobody waits for it. At most two chunks are in flight; a full channel blocks the pipe.
type stream struct {
	ctx    context.Context
	from   io.Reader
	chunks chan chunk
	free   chan []byte
	now    chunk
	rest   []byte
}

type chunk struct {
	b   []byte
	err error
}

func newStream(ctx context.Context, from io.Reader) *stream {
	s := &stream{ctx: ctx, from: from, chunks: make(chan chunk), free: make(chan []byte, 2)}
	for range cap(s.free) {
		s.free <- make([]byte, windowSize/2)
	}
	go s.pump()
	return s
}

func (s *stream) pump() {
	for {
		var c chunk
		select {
		case b := <-s.free:
			n, err := s.from.Read(b)
			c = chunk{b[:n], err}
		case <-s.ctx.Done():
			return
		}
		select {
		case s.chunks <- c:
		case <-s.ctx.Done():
			return
		}
		if c.err != nil {
			return
		}
	}
}

func (s *stream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.now.err != nil {
			return 0, s.now.err
		}
		if s.now.b != nil {
			s.free <- s.now.b[:cap(s.now.b)]
		}
		s.now = chunk{}
		select {
		case s.now = <-s.chunks:
			s.rest = s.now.b
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Close closes a pipe that was opened by name. Standard input comes without its Close: it belongs to the caller.
func (s *stream) Close() error {
	if c, ok := s.from.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// onlyReader hides the Close of standard input.
type onlyReader struct{ io.Reader }
