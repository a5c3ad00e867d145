package clinicsim

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"time"
)

// WinEvent is one event of a Windows computer. Its record id is its place in the log, from 1 on.
type WinEvent struct {
	Time            time.Time // kept to 100 ns
	ID              uint16
	Version         uint8
	Level           uint8 // 0 always (audit), 2 error, 3 warning, 4 information
	Task            uint16
	Opcode          uint8
	Keywords        uint64
	Provider        string
	ProviderGUID    string // {XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX}, may be empty
	Channel         string
	Computer        string
	Process, Thread uint32
	User            string     // SID of Security/@UserID, may be empty
	UserData        string     // when set, Data is inside UserData and an element of this name, as for 1102 and 1149
	Data            []WinField // in order; names are those of Data elements, or element names inside UserData
}

// WinField is a named value. Numbers, SIDs, GUIDs and hexadecimal numbers are written with their own type as Windows
// does, if the text is what such a value is shown as.
type WinField struct{ Name, Value string }

// The layout of an event log file (MS-EVEN6 does not give it; it is that of the files Windows writes).
const (
	logHeader      = 4096
	chunkSize      = 64 << 10
	chunkHeader    = 512
	chunkStrings   = 128 // 64 heads of lists of names
	chunkTemplates = 384 // 32 heads of lists of template definitions
	recordMark     = 0x00002A2A
)

// chunk is 64 KiB of a log. Names and templates are written where they are first used, and found again by offset.
type chunk struct {
	b           []byte // offsets in BinXML count from here
	names       map[string]uint32
	templates   map[string]uint32
	first, last uint64
	lastAt      uint32
}

func newChunk(first uint64) *chunk {
	c := &chunk{b: make([]byte, chunkHeader, chunkSize), names: map[string]uint32{}, templates: map[string]uint32{}}
	copy(c.b, "ElfChnk\x00")
	c.first = first
	return c
}

// WriteEventLog writes a log of the events as Windows would: a file header, then chunks with their checksums.
func WriteEventLog(w io.Writer, events []WinEvent) error {
	var chunks []byte
	c := newChunk(1)
	for i, e := range events {
		id := uint64(i + 1)
		if c.record(e, id) {
			continue
		}
		if c.last > 0 {
			chunks = append(chunks, c.finish()...)
			if c = newChunk(id); c.record(e, id) {
				continue
			}
		}
		return errors.New("clinicsim: an event is larger than a chunk")
	}
	chunks = append(chunks, c.finish()...)

	le := binary.LittleEndian
	head := make([]byte, logHeader)
	copy(head, "ElfFile\x00")
	n := len(chunks) / chunkSize
	le.PutUint64(head[16:], uint64(n-1)) // the chunk written last
	le.PutUint64(head[24:], uint64(len(events)+1))
	le.PutUint32(head[32:], 128)
	le.PutUint16(head[36:], 1) // version 3.1
	le.PutUint16(head[38:], 3)
	le.PutUint16(head[40:], logHeader)
	le.PutUint16(head[42:], uint16(n))
	le.PutUint32(head[124:], crc32.ChecksumIEEE(head[:120]))
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(chunks)
	return err
}

// record adds an event, or leaves the chunk as it was and returns false because there is no room.
func (c *chunk) record(e WinEvent, id uint64) bool {
	le := binary.LittleEndian
	at := len(c.b)
	var tables [chunkHeader]byte // the lists may get new heads; names and templates are not asked for after a failure
	copy(tables[:], c.b)
	c.b = le.AppendUint32(c.b, recordMark)
	c.b = le.AppendUint32(c.b, 0)
	c.b = le.AppendUint64(c.b, id)
	c.b = le.AppendUint64(c.b, filetime(e.Time))
	c.event(e, id)
	for len(c.b)%8 != 4 { // records begin at multiples of 8
		c.b = append(c.b, 0)
	}
	size := uint32(len(c.b) + 4 - at)
	c.b = le.AppendUint32(c.b, size)
	if len(c.b) > chunkSize {
		copy(c.b, tables[:])
		c.b = c.b[:at]
		return false
	}
	le.PutUint32(c.b[at+4:], size)
	c.last, c.lastAt = id, uint32(at)
	return true
}

// finish fills in the header and gives the 64 KiB.
func (c *chunk) finish() []byte {
	le := binary.LittleEndian
	free := len(c.b)
	b := c.b[:chunkSize:chunkSize]
	clear(b[free:])
	last := c.last
	if last == 0 { // no record
		last--
	}
	le.PutUint64(b[8:], c.first)
	le.PutUint64(b[16:], last)
	le.PutUint64(b[24:], c.first)
	le.PutUint64(b[32:], last)
	le.PutUint32(b[40:], 128)
	le.PutUint32(b[44:], c.lastAt)
	le.PutUint32(b[48:], uint32(free))
	le.PutUint32(b[52:], crc32.ChecksumIEEE(b[chunkHeader:free]))
	sum := crc32.ChecksumIEEE(b[:120])
	le.PutUint32(b[124:], crc32.Update(sum, crc32.IEEETable, b[128:chunkHeader]))
	return b
}

// filetime is a time in units of 100 ns since 1601.
func filetime(t time.Time) uint64 {
	const unix = 11644473600 // seconds from 1601 to 1970
	return uint64(t.Unix()+unix)*1e7 + uint64(t.Nanosecond()/100)
}
