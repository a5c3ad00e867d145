package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"chaperone"
)

// capture reads one file. A regular file is opened twice: once to learn the time of its first packet, and again when
// the merge has come to that time, so that thousands of files need few descriptors.
type capture struct {
	File
	index  int32
	folder string // the folder that was asked for, "" for a file that was named
	follow bool   // more may be written behind its end

	src     io.ReadCloser // nil while it is closed
	w       window
	records records

	head Packet    // the next packet
	has  bool      // head is filled
	last time.Time // of the packet before, for packets without a time

	start time.Time // of the first packet; known from the first look on

	size int64         // of a regular file when it was found; -1 for a stream
	read *atomic.Int64 // bytes read of all files; taken back by reset
	done int64         // its share in read
}

// state says how far a capture is.
type state uint8

const (
	ready  state = iota // head is the next packet
	paused              // at the end of a file that may grow
	ended               // read, as far as it can be; Err says why not whole
)

// open opens the file (not a stream, which is open from the beginning).
func (c *capture) open(buf []byte) error {
	if c.src == nil {
		f, err := os.Open(c.Name)
		if err != nil {
			return err
		}
		c.src = f
	}
	c.w = window{r: counter{c}, buf: buf}
	return nil
}

// counter counts what is read of the file itself, before decompression.
type counter struct{ c *capture }

func (k counter) Read(p []byte) (int, error) {
	n, err := k.c.src.Read(p)
	k.c.done += int64(n)
	k.c.read.Add(int64(n))
	return n, err
}

// reset closes a file that was only looked into.
func (c *capture) reset() {
	c.close()
	c.read.Add(-c.done)
	c.done, c.last, c.records = 0, time.Time{}, nil
	c.has, c.head.Data = false, nil
	c.File = File{Name: c.Name, Format: c.Format}
}

// close gives the buffer for the next file.
func (c *capture) close() []byte {
	if c.src != nil {
		_ = c.src.Close() // it was only read
		c.src = nil
	}
	buf := c.w.buf
	c.w = window{}
	return buf
}

// end closes the file for good.
func (c *capture) end() []byte {
	if c.size > c.done { // what is not read now never will be
		c.read.Add(c.size - c.done)
		c.done = c.size
	}
	c.has, c.head.Data = false, nil
	return c.close()
}

// advance reads the next packet into head.
func (c *capture) advance() state {
	c.has = false
	r, err := c.next()
	if err == nil {
		c.take(r)
		return ready
	}
	var f *flaw
	more := c.follow && !c.w.zipped && c.shrunk() == nil
	switch {
	case err == io.EOF:
		if more {
			return paused
		}
		c.Err = c.whole()
	case errors.As(err, &f) && f.cut && more:
		return paused
	default:
		c.Err = c.explain(err)
	}
	if c.Err == nil && c.follow {
		c.Err = c.shrunk()
	}
	return ended
}

func (c *capture) next() (record, error) {
	if c.records == nil {
		var err error
		if c.Format, c.records, err = identify(&c.w); err != nil {
			return record{}, err
		}
	}
	return c.records.next(&c.w)
}

// take makes a record the next packet.
func (c *capture) take(r record) {
	if r.time.IsZero() {
		r.time = c.last
	}
	c.last = r.time
	if c.Packets == 0 {
		c.start = r.time
	}
	c.Packets++
	c.Bytes += int64(r.length)
	if c.First.IsZero() || r.time.Before(c.First) {
		c.First = r.time
	}
	if r.time.After(c.Last) {
		c.Last = r.time
	}
	c.has = true
	c.head = Packet{
		Mark:   chaperone.Mark{Time: r.time, File: c.index, Packet: c.Packets},
		Length: r.length,
		Data:   r.data,
		Link:   r.link,
	}
}

// stopped says that somebody wanted no more to be read. Its cause is the context's error, whose words are for programmers.
type stopped struct {
	text  string
	cause error
}

func (s stopped) Error() string { return s.text }
func (s stopped) Unwrap() error { return s.cause }

// whole judges a file that ended where a packet may end.
func (c *capture) whole() error {
	if c.records == nil {
		return fmt.Errorf("%s: %w", c.Name, looks(c.w.rest()))
	}
	if ng, ok := c.records.(*pcapng); ok && ng.skipped != nil {
		return fmt.Errorf("%s: %w", c.Name, ng.skipped)
	}
	return nil
}

// explain says where and why reading stopped: one line, without a byte of the content.
func (c *capture) explain(err error) error {
	if !isCapture(err) {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return stopped{fmt.Sprintf("%s: reading was stopped behind packet %d", c.Name, c.Packets), err}
	}
	var f *flaw
	inPacket := true
	if errors.As(err, &f) {
		inPacket = f.inside == "packet"
	} else {
		err = readError(err)
	}
	at := "at byte"
	if c.w.zipped {
		at = "at uncompressed byte"
	}
	switch {
	case c.records == nil || !inPacket && c.Packets == 0:
		return fmt.Errorf("%s: %s %d: %w", c.Name, at, c.w.record, err)
	case inPacket:
		return fmt.Errorf("%s: packet %d, %s %d: %w", c.Name, c.Packets+1, at, c.w.record, err)
	}
	return fmt.Errorf("%s: behind packet %d, %s %d: %w", c.Name, c.Packets, at, c.w.record, err)
}

// shrunk tells whether a file that is followed became shorter than what was read of it: then its recorder has begun
// it anew, and what follows is not what was expected.
func (c *capture) shrunk() error {
	f, ok := c.src.(fs.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err == nil && info.Size() < c.done {
		return fmt.Errorf("%s: behind packet %d: the file became shorter while it was read", c.Name, c.Packets)
	}
	return nil
}
