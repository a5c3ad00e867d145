package source

import (
	"io"
	"time"
)

const pollEvery = 200 * time.Millisecond

// wait returns when there are packets again, with io.EOF when there will be none or ctx is done.
func (c *Captures) wait() error {
	for c.follow && len(c.waiting)+len(c.folders) > 0 {
		c.newer()
		waiting := c.waiting
		c.waiting = nil
		for _, f := range waiting {
			c.place(f, f.advance())
		}
		if len(c.queue) > 0 {
			return nil
		}
		select {
		case <-c.ctx.Done():
			return io.EOF
		case <-time.After(pollEvery):
		}
	}
	return io.EOF
}

// newer takes up files that have appeared in the folders.
func (c *Captures) newer() {
	for _, folder := range c.folders {
		for _, f := range walk(folder, c.known.names) {
			if f.err != nil || f.info.Size() == 0 || c.known.has(f) {
				continue
			}
			if _, err := c.look(f); err != errTooShort { // of other errors Files and Skipped tell
				c.known.add(f)
			}
		}
	}
}

// superseded tells whether the folder of a capture that is at its end has a later one: then its recorder has moved on.
func (c *Captures) superseded(f *capture) bool {
	if f.folder == "" {
		return false
	}
	for _, g := range c.all {
		if g == f || g.folder != f.folder || g.Format == "" {
			continue
		}
		later := g.start.After(f.Last)
		if f.Last.IsZero() || g.start.IsZero() { // one is without packets
			later = g.index > f.index
		}
		if later {
			return true
		}
	}
	return false
}
