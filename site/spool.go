package site

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// Spool says what is kept on disk while the system behind a listener is away. The zero value keeps nothing.
type Spool struct {
	Bytes    int64
	Messages int
	Age      time.Duration // of the oldest: beyond it somebody is told
}

// DefaultSpool is what holds of a spool that says only how many bytes.
var DefaultSpool = Spool{Messages: 1_000_000, Age: time.Hour}

// spoolBlock is a block that a file need not have: without it the spool is the zero value, and with it the defaults hold.
type spoolBlock struct {
	block
	to *Spool
}

func (v spoolBlock) standard() { *v.to = Spool{} }

func (v spoolBlock) read(r *reader, key string, n *yaml.Node) {
	v.block.standard()
	v.block.read(r, key, n)
}

func (v spoolBlock) node(w *writer, path string) *yaml.Node {
	if v.to.Bytes == 0 {
		return nil
	}
	return v.block.node(w, path)
}

// spool: only what comes into care is kept, and what is kept must have room.
func (c *checker) spool(l *Listener) {
	s := &l.Spool
	if s.Bytes == 0 {
		return
	}
	to := c.parties[l.Upstream.Party]
	switch {
	case l.Protocol == TCP:
		c.fail(s, "%s: spool is of protocols hl7 and dicom; leave it out", l.label())
	case to != nil && to.Outside:
		c.fail(s, "%s: spool keeps what comes into care, and %s is outside; leave it out", l.label(), to.Name)
	case l.Protocol != DICOM && s.Bytes < 2*l.Limits.Message: // an object may be of any length
		c.fail(s, "%s: the spool has no room for two of the longest messages (limits: message); give it more bytes", l.label())
	case l.Mode == Observe:
		c.warn(s, "%s observes, and then nothing is kept; the spool begins with mode: enforce", l.label())
	}
}
