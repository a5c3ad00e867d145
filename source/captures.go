// Package source turns captures into packets, and packets into TCP segments.
//
// It reads pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), plain or gzipped (RFC 1952), and
// merges any number of files in the order of time. What cannot be read is said, with the place; what was read before
// it counts.
package source

import (
	"container/heap"
	"context"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"chaperone"

	"github.com/gopacket/gopacket/layers"
)

// Options say how captures are read.
type Options struct {
	// Follow keeps reading named files, and the newest file of a folder, while they grow, and takes up new files that
	// appear in the folder; Next waits for more until ctx is done. Gzipped files and standard input are read to their
	// end as always. A folder is taken to have one recorder: with the next file the one before is finished. A file
	// that becomes shorter is finished with an error; a named file that is renamed is read on, its successor is not
	// (give the folder instead), and neither is a ring of files that reuses its names.
	Follow bool
	Stdin  io.Reader // what "-" reads, os.Stdin when nil
}

// Packet is one packet of a capture.
type Packet struct {
	Mark   chaperone.Mark // Time in UTC, File an index into Files, Packet counted from 1
	Length int            // on the wire
	Data   []byte         // what was captured of it; valid until the next call of Next
	Link   layers.LinkType
}

// File is what was read of one capture.
type File struct {
	Name        string
	Format      string // "pcap" or "pcapng", "" when it is not known
	Packets     int64
	Bytes       int64 // sum of the packets' lengths on the wire
	First, Last time.Time
	Err         error // why reading stopped early, one line with the file's name; nil when the file was read whole
}

// Captures reads packets from files in the order of their time. Within a file the order of the file is kept. Only
// Progress may be called by other goroutines.
type Captures struct {
	ctx     context.Context
	cancel  context.CancelFunc
	follow  bool
	all     []*capture
	queue   byTime     // those that have packets; its first is the one whose packet was given last when given is set
	given   bool       // queue[0].head was given to the caller
	waiting []*capture // those at their end that may grow
	folders []string
	known   known
	skipped []string
	buf     []byte // of the last file that was closed
	small   []byte // for a first look: thousands of files, one packet of each

	read, total atomic.Int64
	endless     bool // a stream is among the files
}

// byTime is a heap: the earliest packet first, at equal times that of the earlier file.
type byTime []*capture

func (q byTime) Len() int { return len(q) }
func (q byTime) Less(i, j int) bool {
	if d := q[i].head.Mark.Time.Compare(q[j].head.Mark.Time); d != 0 {
		return d < 0
	}
	return q[i].index < q[j].index
}
func (q byTime) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *byTime) Push(x any)   { *q = append(*q, x.(*capture)) }
func (q *byTime) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return c
}

// Next gives the next packet. At the end it gives io.EOF; when ctx is done, ctx's error, or io.EOF with Follow, where
// that is the way to end. A file that cannot be read on is no error here: Files says so.
func (c *Captures) Next() (Packet, error) {
	for {
		if err := c.ctx.Err(); err != nil {
			return Packet{}, c.stop(err)
		}
		if c.given {
			c.given = false
			c.settle(c.queue[0].advance())
			continue
		}
		if len(c.queue) == 0 {
			if err := c.wait(); err != nil {
				return Packet{}, err
			}
			continue
		}
		first := c.queue[0]
		if !first.has {
			c.reopen(first)
			continue
		}
		c.given = true
		return first.head, nil
	}
}

// reopen begins to read a file in earnest, whose first packet's time is the next.
func (c *Captures) reopen(f *capture) {
	if err := f.open(c.spare()); err != nil {
		f.Err = explainOpen(f.Name, err)
		c.settle(ended)
		return
	}
	c.settle(f.advance())
}

// settle puts the first of the queue where it belongs after it was read.
func (c *Captures) settle(s state) {
	if s == ready {
		heap.Fix(&c.queue, 0)
		return
	}
	c.place(heap.Pop(&c.queue).(*capture), s)
}

// place puts a capture that is nowhere where it belongs.
func (c *Captures) place(f *capture, s state) {
	if s == paused && c.superseded(f) {
		f.follow = false
		s = f.advance() // it may have grown since, and is complete now
	}
	switch s {
	case ready:
		heap.Push(&c.queue, f)
	case paused:
		c.waiting = append(c.waiting, f)
	default:
		c.buf = f.end()
	}
}

// stop marks what was not read and gives the error for the end.
func (c *Captures) stop(err error) error {
	for _, f := range c.queue {
		f.Err = f.explain(err)
	}
	c.queue, c.given = nil, false
	if c.follow {
		return io.EOF
	}
	return err
}

// Close closes all files. Files stays valid.
func (c *Captures) Close() error {
	_ = c.stop(context.Canceled)
	c.waiting = nil
	c.cancel()
	for _, f := range c.all {
		f.close()
	}
	return nil
}

// spare gives the buffer of a file that was closed.
func (c *Captures) spare() []byte {
	b := c.buf
	c.buf = nil
	return b
}

// Files lists the captures in the order of the paths, those of a folder in the order of their names.
func (c *Captures) Files() []File {
	files := make([]File, len(c.all))
	for i, f := range c.all {
		files[i] = f.File
	}
	return files
}

// Skipped lists what is in the folders and is not a capture: other files, pipes, links to folders (name those themselves).
func (c *Captures) Skipped() []string { return slices.Clone(c.skipped) }

// Progress gives how many bytes of the files (compressed, where they are) were read and are to be read. total is 0
// when it is unknown, because a stream is among them.
func (c *Captures) Progress() (done, total int64) {
	done = c.read.Load()
	if c.endless {
		return done, 0
	}
	return done, max(done, c.total.Load())
}
