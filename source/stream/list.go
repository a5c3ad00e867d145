package stream

// list is a doubly linked list of flows through one of their two links.
type list struct {
	first, last *Flow
	of          func(*Flow) *link
}

func byActivity(f *Flow) *link { return &f.activity }
func byWaiting(f *Flow) *link  { return &f.wait }

// toBack moves or adds f to the end.
func (l *list) toBack(f *Flow) {
	if l.last == f {
		return
	}
	l.remove(f)
	k := l.of(f)
	k.in, k.prev, k.next = true, l.last, nil
	if l.last != nil {
		l.of(l.last).next = f
	} else {
		l.first = f
	}
	l.last = f
}

// remove takes f out, if it is in.
func (l *list) remove(f *Flow) {
	k := l.of(f)
	if !k.in {
		return
	}
	if k.prev != nil {
		l.of(k.prev).next = k.next
	} else {
		l.first = k.next
	}
	if k.next != nil {
		l.of(k.next).prev = k.prev
	} else {
		l.last = k.prev
	}
	*k = link{}
}

// pool keeps buffers for waiting segments, in two sizes.
type pool struct{ small, large [][]byte }

const (
	smallBuffer = 2 << 10
	largeBuffer = 64 << 10
	poolDepth   = 256 // buffers of a size that are kept
)

func (p *pool) copy(b []byte) []byte {
	from, size := &p.small, smallBuffer
	if len(b) > smallBuffer {
		from, size = &p.large, largeBuffer
	}
	if len(b) > size {
		return append([]byte(nil), b...)
	}
	if n := len(*from); n > 0 {
		buffer := (*from)[n-1]
		*from = (*from)[:n-1]
		return append(buffer[:0], b...)
	}
	return append(make([]byte, 0, size), b...)
}

// put takes a buffer back; one that has lost its front is left to the collector.
func (p *pool) put(b []byte) {
	switch {
	case cap(b) == smallBuffer && len(p.small) < poolDepth:
		p.small = append(p.small, b)
	case cap(b) == largeBuffer && len(p.large) < poolDepth:
		p.large = append(p.large, b)
	}
}
