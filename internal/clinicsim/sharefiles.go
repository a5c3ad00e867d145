package clinicsim

import (
	"encoding/binary"
	"time"
)

// file is an open file of a share.
type file struct {
	id   [16]byte
	size int64
}

// open opens a file that has a size, or makes one. Without a name it opens the folder of the share.
func (s *share) open(name string, size int64, access uint32, disposition uint32) file {
	le := binary.LittleEndian
	text := utf16le(name)
	attributes, options := uint32(0x20), uint32(0x60)
	if name == "" {
		attributes, options = 0x10, 0x21
	}
	b := append([]byte{57, 0, 0, 0, 2, 0, 0, 0}, make([]byte, 16)...)
	b = le.AppendUint32(b, access)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, 7) // others may read, write and delete
	b = le.AppendUint32(b, disposition)
	b = le.AppendUint32(b, options)
	b = le.AppendUint16(b, 120)
	b = le.AppendUint16(b, uint16(len(text)))
	b = append(append(b, make([]byte, 8)...), text...)
	f := file{size: size}
	copy(f.id[:], random(s.rand, 16))
	answer := []byte{89, 0, 0, 0, 1, 0, 0, 0}
	answer = s.times(answer)
	answer = le.AppendUint64(answer, uint64(size+4095)&^4095)
	answer = le.AppendUint64(answer, uint64(size))
	answer = le.AppendUint32(answer, attributes)
	answer = append(answer, 0, 0, 0, 0)
	answer = append(answer, f.id[:]...)
	s.call(smbCreate, 0, b, append(answer, make([]byte, 8)...))
	return f
}

// times are those of a file: made, used, written and changed.
func (s *share) times(b []byte) []byte {
	now := s.net.begin.Add(s.now)
	for _, age := range []time.Duration{900, 0, 1, 1} {
		b = binary.LittleEndian.AppendUint64(b, filetime(now.Add(-age*24*time.Hour)))
	}
	return b
}

// read gives the client bytes of a file.
func (s *share) read(f file, offset int64, data []byte) {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte{49, 0, 80, 0}, uint32(len(data)))
	b = le.AppendUint64(b, uint64(offset))
	b = append(append(b, f.id[:]...), make([]byte, 17)...)
	answer := le.AppendUint32([]byte{17, 0, 80, 0}, uint32(len(data)))
	s.call(smbRead, 0, b, append(append(answer, make([]byte, 8)...), data...))
}

// write gives the server bytes of a file.
func (s *share) write(f file, offset int64, data []byte) {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte{49, 0, 112, 0}, uint32(len(data)))
	b = le.AppendUint64(b, uint64(offset))
	b = append(append(b, f.id[:]...), make([]byte, 16)...)
	answer := le.AppendUint32([]byte{17, 0, 0, 0}, uint32(len(data)))
	s.call(smbWrite, 0, append(b, data...), append(answer, make([]byte, 8)...))
}

// lock takes a range of a file, or gives it back.
func (s *share) lock(f file, offset, length uint64, free bool) {
	le := binary.LittleEndian
	b := append([]byte{48, 0, 1, 0, 0, 0, 0, 0}, f.id[:]...)
	b = le.AppendUint64(le.AppendUint64(b, offset), length)
	flags := uint32(0x11) // shared, do not wait
	if free {
		flags = 0x04
	}
	b = append(le.AppendUint32(b, flags), 0, 0, 0, 0)
	s.call(smbLock, 0, b, []byte{4, 0, 0, 0})
}

func (s *share) shut(f file) {
	le := binary.LittleEndian
	answer := s.times([]byte{60, 0, 0, 0, 0, 0, 0, 0})
	answer = le.AppendUint64(answer, uint64(f.size+4095)&^4095)
	answer = le.AppendUint64(answer, uint64(f.size))
	answer = le.AppendUint32(answer, 0x20)
	s.call(smbClose, 0, append([]byte{24, 0, 0, 0, 0, 0, 0, 0}, f.id[:]...), answer)
}

// list gives the names in a folder (section 2.2.33, MS-FSCC section 2.4.22).
func (s *share) list(folder file, names ...string) {
	le := binary.LittleEndian
	pattern := utf16le("*")
	b := append([]byte{33, 0, 12, 0, 0, 0, 0, 0}, folder.id[:]...) // FileNamesInformation
	b = le.AppendUint16(b, 96)
	b = le.AppendUint16(b, uint16(len(pattern)))
	b = append(le.AppendUint32(b, 65536), pattern...)
	var entries []byte
	for i, name := range names {
		text := utf16le(name)
		size := (12 + len(text) + 7) &^ 7
		entry := make([]byte, 8, size)
		if i < len(names)-1 {
			le.PutUint32(entry, uint32(size))
		}
		entry = append(le.AppendUint32(entry, uint32(len(text))), text...)
		entries = append(entries, entry[:size]...)
	}
	answer := le.AppendUint32([]byte{9, 0, 72, 0}, uint32(len(entries)))
	s.call(smbList, 0, b, append(answer, entries...))
}
