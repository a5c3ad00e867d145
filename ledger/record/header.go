package record

import (
	"encoding/binary"
	"fmt"
	"time"

	"chaperone/ledger"
)

const (
	headMagic   = "chaprec1"
	headerMagic = "CHB" // and the version as a digit
)

// Version is the format of segments that this program writes: see record.go. It reads this one and those before it. Head keeps
// its layout in all of them.
const Version = 2

// Head is the beginning of a segment:
//
//	offset  size  field
//	0       8     magic "chaprec1"
//	8       4     version of the format, of all its frames
//	12      16    id of the ledger
//	28      4     number of the segment
//	32      8     number of its first batch
//	40      8     when it was begun
//	48      12    zero
//	60      4     CRC-32C of bytes 0 to 60
type Head struct {
	Version uint32
	ID      [16]byte
	Segment uint32
	First   uint64
	Made    time.Time
}

// Append appends the 64 bytes.
func (h *Head) Append(b []byte) []byte {
	start := len(b)
	b = append(b, headMagic...)
	b = binary.BigEndian.AppendUint32(b, h.Version)
	b = append(b, h.ID[:]...)
	b = binary.BigEndian.AppendUint32(b, h.Segment)
	b = binary.BigEndian.AppendUint64(b, h.First)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Made.UnixMicro()))
	b = append(b, make([]byte, 12)...)
	return binary.BigEndian.AppendUint32(b, checksum(b[start:]))
}

// ParseHead reads a head of exactly 64 bytes. Errors: ErrNewer, ErrMalformed.
func ParseHead(b []byte) (Head, error) {
	if len(b) != HeadSize {
		return Head{}, fmt.Errorf("record: head of %d bytes: %w", len(b), ErrMalformed)
	}
	if string(b[:8]) != headMagic || binary.BigEndian.Uint32(b[60:]) != checksum(b[:60]) {
		return Head{}, fmt.Errorf("record: head of a segment: %w", ErrMalformed)
	}
	v := binary.BigEndian.Uint32(b[8:])
	switch {
	case v > Version:
		return Head{}, fmt.Errorf("record: format version %d: %w", v, ErrNewer)
	case v == 0:
		return Head{}, fmt.Errorf("record: format version 0: %w", ErrMalformed)
	}
	return Head{
		Version: v,
		ID:      [16]byte(b[12:28]),
		Segment: binary.BigEndian.Uint32(b[28:]),
		First:   binary.BigEndian.Uint64(b[32:]),
		Made:    timeOf(b[40:]),
	}, nil
}

// Header is the beginning of a frame, and the leaf of its batch in the log:
//
//	offset  size  field
//	0       4     magic "CHB" and the version of the format as a digit
//	4       4     CRC-32C of bytes 8 to 128
//	8       8     number of the batch
//	16      8     when it was written
//	24      4     day of its entries, days since 1970
//	28      4     length of the dictionary part
//	32      4     length of the entries part
//	36      4     entries in the entries part
//	40      8     disclosures before it in the record
//	48      4     disclosures in it
//	52      4     persons' numbers before it
//	56      4     words before it
//	60      4     ways before it
//	64      32    sum of the dictionary part
//	96      32    sum of the entries part
type Header struct {
	Version        uint32
	Batch          uint64
	Written        time.Time
	Day            ledger.Day
	DictionarySize uint32
	EntriesSize    uint32
	Entries        uint32
	Before         uint64
	Disclosures    uint32
	Numbers        uint32
	Words          uint32
	Ways           uint32
	DictionarySum  [32]byte
	EntriesSum     [32]byte
}

// Size gives the length of the whole frame.
func (h *Header) Size() int64 {
	return HeaderSize + int64(h.DictionarySize) + int64(h.EntriesSize)
}

// EntriesAt gives where the entries part begins in the frame.
func (h *Header) EntriesAt() int64 { return HeaderSize + int64(h.DictionarySize) }

// Append appends the 128 bytes.
func (h *Header) Append(b []byte) []byte {
	start := len(b)
	b = append(append(b, headerMagic...), '0'+byte(h.Version))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, h.Batch)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Written.UnixMicro()))
	b = binary.BigEndian.AppendUint32(b, uint32(h.Day))
	b = binary.BigEndian.AppendUint32(b, h.DictionarySize)
	b = binary.BigEndian.AppendUint32(b, h.EntriesSize)
	b = binary.BigEndian.AppendUint32(b, h.Entries)
	b = binary.BigEndian.AppendUint64(b, h.Before)
	b = binary.BigEndian.AppendUint32(b, h.Disclosures)
	b = binary.BigEndian.AppendUint32(b, h.Numbers)
	b = binary.BigEndian.AppendUint32(b, h.Words)
	b = binary.BigEndian.AppendUint32(b, h.Ways)
	b = append(b, h.DictionarySum[:]...)
	b = append(b, h.EntriesSum[:]...)
	binary.BigEndian.PutUint32(b[start+4:], checksum(b[start+8:]))
	return b
}

// ParseHeader reads a header of exactly 128 bytes, and checks magic, CRC and lengths. Error: ErrMalformed.
func ParseHeader(b []byte) (Header, error) {
	switch {
	case len(b) != HeaderSize:
		return Header{}, fmt.Errorf("record: header of %d bytes: %w", len(b), ErrMalformed)
	case string(b[:3]) != headerMagic || b[3] < '1' || b[3] > '0'+Version:
		return Header{}, fmt.Errorf("record: no frame begins here: %w", ErrMalformed)
	case binary.BigEndian.Uint32(b[4:]) != checksum(b[8:]):
		return Header{}, fmt.Errorf("record: checksum of a header: %w", ErrMalformed)
	}
	h := Header{
		Version:        uint32(b[3] - '0'),
		Batch:          binary.BigEndian.Uint64(b[8:]),
		Written:        timeOf(b[16:]),
		Day:            ledger.Day(binary.BigEndian.Uint32(b[24:])),
		DictionarySize: binary.BigEndian.Uint32(b[28:]),
		EntriesSize:    binary.BigEndian.Uint32(b[32:]),
		Entries:        binary.BigEndian.Uint32(b[36:]),
		Before:         binary.BigEndian.Uint64(b[40:]),
		Disclosures:    binary.BigEndian.Uint32(b[48:]),
		Numbers:        binary.BigEndian.Uint32(b[52:]),
		Words:          binary.BigEndian.Uint32(b[56:]),
		Ways:           binary.BigEndian.Uint32(b[60:]),
		DictionarySum:  [32]byte(b[64:96]),
		EntriesSum:     [32]byte(b[96:128]),
	}
	if h.Size() > HeaderSize+MaxParts {
		return Header{}, fmt.Errorf("record: a frame of more than %d bytes: %w", MaxParts, ErrMalformed)
	}
	return h, nil
}

// HasEntries reports whether an entries part is the one that the header has the sum of.
func (h *Header) HasEntries(part []byte) bool { return fits(h.Version, part, h.EntriesSum) }

// Frame is one batch as it stands in a segment.
type Frame struct {
	Header
	Leaf       []byte // the header's 128 bytes
	Dictionary []byte // the parts, sealed; nil when they were not read
	Entries    []byte
	Segment    uint32
	Offset     int64 // of the header in the segment
}

// Check compares the parts with their sums. Those of a purged day's entries need not fit: they may have been punched out.
// Error: ErrMalformed.
func (f *Frame) Check(purged bool) error {
	if !fits(f.Version, f.Dictionary, f.DictionarySum) {
		return fmt.Errorf("record: sum of a dictionary part: %w", ErrMalformed)
	}
	if !purged && !f.HasEntries(f.Entries) {
		return fmt.Errorf("record: sum of an entries part: %w", ErrMalformed)
	}
	return nil
}

func timeOf(b []byte) time.Time { return time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC() }
