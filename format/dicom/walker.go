package dicom

import (
	"encoding/binary"
	"fmt"
	"slices"

	"chaperone/format"
)

// Element is one kept element. Depth 0 is the data set itself, more is inside sequences.
type Element struct {
	Tag   Tag
	Depth int
	Value []byte

	within Tag  // the greatest top-level tag up to here
	item   int  // which one it stands in, counted from 1; 0 is the data set itself
	same   bool // all sequences around it are about the patient of the data set
}

// Bounds of what a walker keeps.
const (
	maxValue    = 64 << 10  // bytes of one kept value: a list of UIDs may be long
	maxElements = 1024      // kept elements of one data set
	maxKept     = 256 << 10 // bytes of all its kept values
)

const undefined = 0xFFFFFFFF

// Walker reads one data set that is written to it in pieces of any size. It is a loop over a stack of open sequences
// and items, never recursive: nesting costs 48 bytes a level up to the depth limit.
type Walker struct {
	Elements []Element // what was asked for, in stream order
	want     func(Tag) bool
	syntax   Syntax
	depth    int // limit
	inflate  *inflater

	pos     int64     // bytes of the data set consumed
	last    Tag       // of depth 0: data sets are in ascending order (PS3.5 section 7.1)
	open    []opening // sequences and items around pos
	items   int       // begun so far
	header  [12]byte
	have    int   // bytes in header
	left    int64 // bytes of the current value still to come
	keeping bool  // the current value is the last of Elements
	peeking Tag   // whose value's first bytes tell whether it is a sequence, 0 otherwise
	suspect bool  // the current value may be taken for a sequence
	recent  Tag   // its last four bytes
	kept    int64 // bytes of the values in Elements
	err     error // why the walk stopped
	odd     error // the first thing outside the strict grammar

	strict *Strict // looks at each header, may be nil
}

// opening is a sequence or item that was begun.
type opening struct {
	end       int64 // position of its end, -1 when a delimiter ends it
	number    int   // of an item
	last      Tag   // the greatest in an item
	item      bool
	same      bool // it is about the patient of the data set
	implicit  bool // its content is implicit VR (PS3.5 section 6.2.2: UN of undefined length)
	fragments bool // encapsulated pixel data: its items are raw bytes (PS3.5 annex A.4)
}

// NewWalker starts a data set. want names the elements to keep, at any depth.
func NewWalker(s Syntax, depth int, want func(Tag) bool) *Walker {
	w := &Walker{want: want, syntax: s, depth: depth}
	if s.Deflated {
		w.inflate = &inflater{}
	}
	return w
}

// Clone gives an independent copy.
func (w *Walker) Clone() *Walker {
	if w == nil {
		return nil
	}
	c := *w
	c.open = slices.Clone(w.open)
	c.Elements = slices.Clone(w.Elements)
	if w.inflate != nil {
		inflate := *w.inflate
		inflate.in = slices.Clone(inflate.in)
		c.inflate = &inflate
	}
	if n := len(c.Elements); n > 0 && w.keeping { // the value that still grows must not share its array
		c.Elements[n-1].Value = slices.Clone(c.Elements[n-1].Value)
	}
	return &c
}

// Write takes the next bytes. It never fails: what cannot be read is said by Err and Odd.
func (w *Walker) Write(p []byte) {
	if w.inflate == nil {
		w.walk(p)
		return
	}
	w.expand(p, false)
}

// Finish says that the data set is over. What is kept of it is final then.
func (w *Walker) Finish() {
	if w.inflate != nil {
		w.expand(nil, true)
	}
	w.dropHalf()
	if w.err == nil && w.inflate == nil && (w.have > 0 || w.left > 0) {
		w.stop("the data set ends inside an element", format.ErrMalformed)
	}
}

func (w *Walker) expand(p []byte, final bool) {
	out, err := w.inflate.next(p, final)
	w.walk(out)
	if err != nil && w.err == nil {
		w.dropHalf()
		w.err = err
	}
}

func (w *Walker) walk(p []byte) {
	for len(p) > 0 && w.err == nil {
		if w.peeking != 0 {
			n := copy(w.header[w.have:4], p)
			w.have += n
			w.left -= int64(n)
			w.pos += int64(n)
			p = p[n:]
			if w.have == 4 {
				w.peeked()
			}
			continue
		}
		if w.left > 0 {
			n := int(min(w.left, int64(len(p))))
			if w.keeping {
				e := &w.Elements[len(w.Elements)-1]
				e.Value = append(e.Value, p[:n]...)
			}
			if w.suspect {
				w.scan(p[:n])
			}
			w.left -= int64(n)
			w.pos += int64(n)
			p = p[n:]
			if w.left == 0 {
				w.closeEnded()
			}
			continue
		}
		n := copy(w.header[w.have:w.headerLength()], p)
		w.have += n
		w.pos += int64(n)
		p = p[n:]
		if w.have == w.headerLength() {
			w.element()
		}
	}
}

// Skip says that the next n bytes were not seen. It reports whether the walk goes on: they all belong to a value
// that is not kept.
func (w *Walker) Skip(n int64) bool {
	if w.err == nil && !w.keeping && n <= w.left && w.inflate == nil {
		w.left -= n
		w.pos += n
		if w.left == 0 {
			w.closeEnded()
		}
		return true
	}
	w.Break()
	return false
}

// Break says that an unknown number of bytes was not seen: the walk is over.
func (w *Walker) Break() {
	if w.err == nil {
		w.dropHalf()
		w.stop("bytes are missing", format.ErrMalformed)
	}
}

// dropHalf forgets a value of which only a part is there: half an identifier is not an identifier.
func (w *Walker) dropHalf() {
	if w.keeping && w.left > 0 {
		w.Elements = w.Elements[:len(w.Elements)-1]
		w.keeping = false
	}
}

// Passed reports whether the data set has begun a group above g, or cannot be read further.
func (w *Walker) Passed(g uint16) bool { return w.err != nil || w.last.Group() > g }

// Inside reports whether the last of Elements is not whole yet.
func (w *Walker) Inside() bool { return w.keeping && w.left > 0 }

// Until gives the kept elements that stand before the first group above g.
func (w *Walker) Until(g uint16) []Element {
	n := slices.IndexFunc(w.Elements, func(e Element) bool { return e.within.Group() > g })
	if n < 0 {
		return w.Elements
	}
	return w.Elements[:n]
}

// Err says why the walk stopped, nil while it goes on.
func (w *Walker) Err() error { return w.err }

// Odd says what is outside the strict grammar although it could be read.
func (w *Walker) Odd() error {
	if w.err != nil {
		return w.err
	}
	return w.odd
}

// at gives the item around pos, and whether all sequences around it are about the patient of the data set.
func (w *Walker) at() (item int, same bool) {
	for i := len(w.open) - 1; i >= 0; i-- {
		if w.open[i].item {
			return w.open[i].number, w.open[i].same
		}
	}
	return 0, true
}

func (w *Walker) order() binary.ByteOrder {
	if w.syntax.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (w *Walker) implicit() bool {
	if n := len(w.open); n > 0 {
		return w.open[n-1].implicit
	}
	return w.syntax.Implicit
}

func (w *Walker) tag() Tag {
	o := w.order()
	return Tag(o.Uint16(w.header[:]))<<16 | Tag(o.Uint16(w.header[2:]))
}

// headerLength is how many bytes the current element's header has, as far as that is known.
func (w *Walker) headerLength() int {
	if w.have < 8 {
		return 8
	}
	if w.pos == 8 {
		w.settle()
	}
	if !w.implicit() && w.tag().Group() != 0xFFFE && longLength([2]byte(w.header[4:6])) {
		return 12
	}
	return 8
}

// settle looks at the very first element: senders declare one encoding and use another.
func (w *Walker) settle() {
	vr := [2]byte(w.header[4:6])
	explicit := longLength(vr) || shortLength(vr)
	unknown := vr[0] >= '?' && vr[0] <= 'Z' && vr[1] >= '?' && vr[1] <= 'Z' // as a length it would be a first value of 16 KB
	switch {
	case w.syntax.Guess:
		bigEndian := explicit && w.header[0] == 0 && w.header[1] != 0
		w.syntax = Syntax{Implicit: !explicit, BigEndian: bigEndian}
	case w.syntax.Implicit && explicit:
		w.syntax.Implicit = false
		w.note("explicit VR in an implicit VR data set")
	case !w.syntax.Implicit && !w.syntax.BigEndian && !explicit && !unknown && w.tag().Group() != 0xFFFE:
		w.syntax.Implicit = true
		w.note("implicit VR in an explicit VR data set")
	}
}

func (w *Walker) note(what string) {
	if w.odd == nil {
		w.odd = fmt.Errorf("dicom: %s at offset %d: %w", what, w.pos-int64(w.have), format.ErrMalformed)
	}
}

func (w *Walker) stop(what string, sentinel error) {
	w.err = fmt.Errorf("dicom: %s at offset %d: %w", what, w.pos, sentinel)
}
