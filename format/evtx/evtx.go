// Package evtx reads Windows event logs (.evtx), whole ones and damaged ones.
//
// A file is a header of 4 KiB and chunks of 64 KiB, each with two checksums and its own strings and templates. A record
// is an event in BinXML (MS-EVEN6 section 2.2.12): a template and the values to put in it. Nothing that a header says
// about the rest of the file is believed: every chunk is looked at, and what a damaged one still holds is carved.
package evtx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"chaperone/format"
)

// Record is one event.
type Record struct {
	ID       uint64 // EventRecordID: it counts up over the life of a log, and stays when events are exported
	EventID  uint16
	Level    uint8 // 0 always (audits), 1 critical, 2 error, 3 warning, 4 information, 5 verbose
	Keywords uint64
	Provider string
	Channel  string
	Computer string
	User     string    // SID of System/Security
	Time     time.Time // of the event, or of its writing when the event does not say; UTC
	Data     []Field   // the leaves of EventData or UserData, in order
	Offset   int64     // of the record in the file
	Carved   bool      // no checksum vouches for it: its chunk is damaged, or it stands behind the chunk's end
}

// Field is a value as the event viewer's XML shows it. Its name is the Name attribute, or else the element's own name.
// An array is several fields of one name.
type Field struct{ Name, Value string }

// Get gives the first field of a name, "" when there is none.
func (r *Record) Get(name string) string {
	for i := range r.Data {
		if r.Data[i].Name == name {
			return r.Data[i].Value
		}
	}
	return ""
}

// Keyword bits of audits (winmeta.h).
const (
	AuditFailure uint64 = 1 << 52
	AuditSuccess uint64 = 1 << 53
)

// Stats counts what was read so far.
type Stats struct {
	Chunks  int // chunks of all kinds, and pieces of the file that should be chunks
	Damaged int // of these, those with a wrong checksum, without their header, cut off, or with something missing
	Empty   int // of these, those that never held an event
	Records int // records given
	Carved  int // of these, those that no checksum vouches for
	Lost    int // records that are known to have been there and could not be read
}

// Header is what the file says about itself. It is shown and not believed.
type Header struct {
	Present      bool
	Wrong        bool // its checksum is wrong
	Major, Minor uint16
	Chunks       uint16
	NextRecord   uint64
	Dirty        bool // it was not closed: the machine was on, or crashed, or was switched off
	Full         bool
}

const (
	headerSize  = 4096
	chunkSize   = 64 << 10
	lookahead   = 64 // behind a chunk, to find one that begins there
	fileMark    = "ElfFile\x00"
	chunkMark   = "ElfChnk\x00"
	chunkHeader = 512
)

// Sniff reports whether a file begins as an event log, or as a chunk of one.
func Sniff(b []byte) bool {
	return len(b) >= 8 && (string(b[:8]) == fileMark || string(b[:8]) == chunkMark)
}

// Reader gives the records of a log in the order of the file. It holds one chunk and one record.
type Reader struct {
	src    io.Reader
	err    error // of src, when it ends
	window [chunkSize + lookahead]byte
	have   int // bytes in window
	used   int // of these, given to the chunk
	offset int64

	header  Header
	signed  bool // a chunk was seen
	chunk   chunk
	decoder decoder
	stats   Stats
	odd     error
}

// NewReader starts to read a log.
func NewReader(src io.Reader) *Reader { return &Reader{src: src} }

// Next gives the next record, and io.EOF after the last. Damage is no error: Stats counts it and Odd says where it
// begins. Other errors are those of the source, or format.ErrMalformed when nothing in it is an event log.
func (r *Reader) Next() (*Record, error) {
	for {
		if rec := r.record(); rec != nil {
			r.stats.Records++
			if rec.Carved {
				r.stats.Carved++
			}
			return rec, nil
		}
		r.close()
		if err := r.nextChunk(); err != nil {
			return nil, err
		}
	}
}

// Stats counts what was read so far.
func (r *Reader) Stats() Stats { return r.stats }

// Header gives the file's own header, after the first Next.
func (r *Reader) Header() Header { return r.header }

// Odd says what the first damage is, and its offset.
func (r *Reader) Odd() error { return r.odd }

func (r *Reader) note(what string, at int64, sentinel error) {
	if r.odd == nil {
		r.odd = fmt.Errorf("evtx: %s at offset %d: %w", what, at, sentinel)
	}
}

// nextChunk finds the next piece that may hold records. A piece ends after 64 KiB or where another chunk begins.
func (r *Reader) nextChunk() error {
	for {
		r.have = copy(r.window[:], r.window[r.used:r.have])
		r.offset += int64(r.used)
		r.used = 0
		if r.err == nil {
			var n int
			n, r.err = io.ReadFull(r.src, r.window[r.have:])
			r.have += n
		}
		if r.have == 0 {
			return r.end()
		}
		if r.offset == 0 && r.fileHeader() {
			continue
		}
		if r.open() {
			return nil
		}
	}
}

func (r *Reader) end() error {
	switch {
	case !errors.Is(r.err, io.EOF) && !errors.Is(r.err, io.ErrUnexpectedEOF):
		return fmt.Errorf("evtx: offset %d: %w", r.offset, r.err)
	case !r.header.Present && !r.signed && r.stats.Records == 0:
		return fmt.Errorf("evtx: no event log: %w", format.ErrMalformed)
	}
	return io.EOF
}

// fileHeader reads the header and uses it up; a file may be without one.
func (r *Reader) fileHeader() bool {
	b := r.window[:min(r.have, headerSize)]
	if len(b) < 8 || string(b[:8]) != fileMark {
		return false
	}
	r.used = len(b)
	h := &r.header
	h.Present = true
	if len(b) < 128 {
		h.Wrong = true
		r.note("the file header is cut off", 0, format.ErrMalformed)
		return true
	}
	le := binary.LittleEndian
	h.NextRecord = le.Uint64(b[24:])
	h.Minor, h.Major = le.Uint16(b[36:]), le.Uint16(b[38:])
	h.Chunks = le.Uint16(b[42:])
	h.Dirty, h.Full = b[120]&1 != 0, b[120]&2 != 0
	if h.Wrong = crc32.ChecksumIEEE(b[:120]) != le.Uint32(b[124:]); h.Wrong {
		r.note("wrong checksum of the file header", 0, format.ErrMalformed)
	}
	return true
}
