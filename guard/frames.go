package guard

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"

	"chaperone/format"
)

// Frame bytes of MLLP release 1 (HL7 MLLP: <SB> data <EB><CR>).
const (
	startBlock = 0x0B
	endBlock   = 0x1C
	carriage   = 0x0D
)

// frame is one MLLP frame as it came, carriage returns before it included.
type frame struct {
	raw     []byte
	payload []byte
	offset  int64 // of its first byte in its direction
}

// frames reads MLLP frames in the strict grammar: what stands between them may only be carriage returns, and no start block
// within one. (state, next byte) → act:
//
//	          VT      CR         FS       other
//	between   begin   keep       refuse   refuse
//	within    refuse  keep       end?     keep
//	end?      refuse  frame      refuse   refuse
type frames struct {
	from   io.Reader
	limit  int
	buffer []byte
	have   int   // bytes in buffer
	looked int   // of them, there is no end of a frame in these behind the frames of list
	offset int64 // of the buffer's first byte
	list   []frame
	large  *large // of all connections together; nil: not counted
	taken  int    // of it
}

// large is the memory that messages of all connections that enforce may take beyond the first room of each, and that of all that observe. Where
// the guard enforces, a message that finds none ends its connection, and is sent again later; where it observes it passes unread. A few clients who
// begin large messages and do not end them must not take all of a machine's.
type large struct {
	most int64
	held atomic.Int64
}

// take takes so many bytes of it, if there are as many; less than none gives them back.
func (l *large) take(n int) bool {
	if l.held.Add(int64(n)) <= l.most || n <= 0 {
		return true
	}
	l.held.Add(-int64(n))
	return false
}

// mostLarge is 16 messages of the longest that listeners take by themselves.
const mostLarge = 256 << 20

var errLarge = fmt.Errorf("%w: more large messages come at once than there is memory for", errRefused)

// grow makes more room.
func (f *frames) grow(n int) error {
	if f.large != nil {
		if !f.large.take(n) {
			return errLarge
		}
		f.taken += n
	}
	f.buffer = append(f.buffer, make([]byte, n)...)
	return nil
}

// end gives back what is more than the first room.
func (f *frames) end() {
	f.buffer = nil
	if f.large != nil {
		f.large.take(-f.taken)
		f.taken = 0
	}
}

// firstRoom holds nearly every message; there is more when one needs it, and it is given back after.
const firstRoom = 16 << 10

// next gives the frames that have come, at least one. They are valid until it is called again. before is called before each read
// with whether a frame has begun.
//
// Errors: that of reading; format.ErrMalformed for bytes outside the grammar, format.ErrLimit for a frame that is too long.
func (f *frames) next(before func(begun bool) error) ([]frame, error) {
	used := 0
	for _, one := range f.list {
		used += len(one.raw)
	}
	at := max(0, f.looked-used) // bytes that were looked at
	f.have = copy(f.buffer, f.buffer[used:f.have])
	f.offset += int64(used)
	clear(f.list) // it would keep the buffer alive
	f.list = f.list[:0]
	if f.have == 0 && cap(f.buffer) > 4*firstRoom {
		f.end()
	}
	if f.buffer == nil {
		f.buffer = make([]byte, firstRoom)
	}
	for {
		var err error
		if at, err = f.scan(at); err != nil || len(f.list) > 0 {
			f.looked = at
			return f.list, err
		}
		if f.have == len(f.buffer) {
			if f.have >= f.limit {
				return nil, fmt.Errorf("mllp: frame at offset %d of more than %d bytes: %w", f.offset, f.limit, format.ErrLimit)
			}
			if err := f.grow(min(len(f.buffer), f.limit-f.have)); err != nil {
				return nil, err
			}
		}
		if err := before(f.have > 0); err != nil {
			return nil, err
		}
		n, err := f.from.Read(f.buffer[f.have:])
		f.have += n
		if n == 0 && err != nil {
			f.looked = at
			if err == io.EOF && f.have > 0 {
				err = f.cut()
			}
			return nil, err
		}
	}
}

// within reports whether something of a frame was read, and not all of it.
func (f *frames) within() bool { return len(f.list) == 0 && f.have > 0 }

// cut says that the connection ends within a frame.
func (f *frames) cut() error {
	return fmt.Errorf("mllp: the connection ends inside the frame at offset %d: %w", f.offset, format.ErrMalformed)
}

// rest gives what stands behind the frames that were given.
func (f *frames) rest() []byte {
	b := f.buffer[:f.have]
	for _, one := range f.list {
		b = b[len(one.raw):]
	}
	return b
}

// ahead reads, once, what stands behind the frames that were given, if there is room. Those stay valid.
func (f *frames) ahead() error {
	if f.have == len(f.buffer) {
		if f.have >= f.limit+firstRoom {
			return nil
		}
		if err := f.grow(firstRoom); err != nil {
			return err
		}
	}
	n, err := f.from.Read(f.buffer[f.have:])
	f.have += n
	if n > 0 {
		return nil
	}
	return err
}

// scan finds whole frames. at is where the search for the end of the first may go on.
func (f *frames) scan(at int) (int, error) {
	b := f.buffer[:f.have]
	for start := 0; start < len(b); {
		body := start
		for body < len(b) && b[body] == carriage {
			body++
		}
		if body == len(b) {
			return start, nil
		}
		if b[body] != startBlock {
			return 0, fmt.Errorf("mllp: byte outside a frame at offset %d: %w", f.offset+int64(body), format.ErrMalformed)
		}
		from := max(at, body+1)
		end := bytes.IndexByte(b[from:], endBlock)
		until := len(b)
		if end >= 0 {
			until = from + end
		}
		if i := bytes.IndexByte(b[from:until], startBlock); i >= 0 {
			return 0, fmt.Errorf("mllp: a frame starts inside the frame at offset %d: %w", f.offset+int64(body), format.ErrMalformed)
		}
		if end < 0 || until+1 == len(b) {
			return max(body+1, until), nil
		}
		if b[until+1] != carriage {
			return 0, fmt.Errorf("mllp: end block without CR at offset %d: %w", f.offset+int64(until), format.ErrMalformed)
		}
		f.list = append(f.list, frame{b[start : until+2], b[body+1 : until], f.offset + int64(start)})
		start, at = until+2, 0
	}
	return len(b), nil
}
