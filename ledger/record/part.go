package record

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
)

const (
	partHead  = nonceSize + 32 + 4 // before the table of ends
	tagSize   = 16
	firstRead = 4096 // most parts' tables fit
)

// Opened is a part's key and table: what is needed to open single blocks of it wherever they are. It is safe for
// concurrent use and worth caching.
type Opened struct {
	aead   cipher.AEAD
	nonce  [8]byte // of all blocks; the number follows
	ends   []byte  // 4 bytes a block
	at     int64   // of the first block, in the file
	length uint32  // of all blocks
	blocks []byte  // of a part that was read as a whole; else nil
}

// Blocks gives how many blocks there are.
func (o *Opened) Blocks() int { return len(o.ends) / 4 }

// Memory gives about how many bytes it takes.
func (o *Opened) Memory() int { return 1200 + cap(o.ends) + cap(o.blocks) }

// ReadPart opens a part of size bytes in a file, reading its table only, most often in one read. A part that is no longer
// than such a read is kept as a whole.
//
// Errors: ErrKey, ErrMalformed, and the file's.
func ReadPart(f io.ReaderAt, off int64, size int, m *Master) (*Opened, error) {
	if size < partHead {
		return nil, fmt.Errorf("record: part of %d bytes: %w", size, ErrMalformed)
	}
	buffer := firstReads.Get().(*[firstRead]byte)
	defer firstReads.Put(buffer)
	b := buffer[:min(size, firstRead)]
	if err := readFull(f, b, off); err != nil {
		return nil, err
	}
	table, err := tableSize(b, size)
	if err != nil {
		return nil, err
	}
	if table > len(b) {
		if b, err = readGrowing(f, off, table); err != nil {
			return nil, err
		}
	}
	o, err := open(b[:table], size, m.PartKey([24]byte(b)))
	if err != nil {
		return nil, err
	}
	o.ends, o.at = slices.Clone(o.ends), off+int64(table)
	if size <= firstRead {
		o.blocks = slices.Clone(b[table:size])
	}
	return o, nil
}

var firstReads = sync.Pool{New: func() any { return new([firstRead]byte) }}

// Block reads block i from the part's file, if need be, and opens it in scratch, which grows when it is too small. The
// answer lies in it. Errors: ErrMalformed, and the file's.
func (o *Opened) Block(f io.ReaderAt, i int, scratch []byte) ([]byte, error) {
	start, end, err := o.span(i)
	if err != nil {
		return nil, err
	}
	if o.blocks != nil {
		return o.unseal(scratch[:0], o.blocks[start:end], i)
	}
	n := int(end - start)
	scratch = scratch[:0]
	if cap(scratch) < n+12 {
		if scratch, err = readGrowing(f, o.at+int64(start), n); err != nil {
			return nil, err
		}
	} else if err := readFull(f, scratch[:n], o.at+int64(start)); err != nil {
		return nil, err
	}
	return o.unseal(scratch[:0], scratch[:n], i)
}

// span gives where block i lies among the blocks.
func (o *Opened) span(i int) (start, end uint32, err error) {
	if i < 0 || i >= o.Blocks() {
		return 0, 0, fmt.Errorf("record: block %d of %d: %w", i, o.Blocks(), ErrMalformed)
	}
	if i > 0 {
		start = binary.BigEndian.Uint32(o.ends[4*i-4:])
	}
	end = binary.BigEndian.Uint32(o.ends[4*i:])
	if end > o.length || start > end || end-start < tagSize {
		return 0, 0, fmt.Errorf("record: end of block %d: %w", i, ErrMalformed)
	}
	return start, end, nil
}

// unseal appends the plain text of a block to dst. Behind it dst has room for the nonce, which would need memory of its
// own otherwise.
func (o *Opened) unseal(dst, sealed []byte, i int) ([]byte, error) {
	dst = slices.Grow(dst, len(sealed)+12)
	at := len(dst) + len(sealed)
	nonce := dst[at : at+12]
	copy(nonce, o.nonce[:])
	binary.BigEndian.PutUint32(nonce[8:], uint32(i))
	plain, err := o.aead.Open(dst, nonce, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("record: block %d does not open: %w", i, ErrMalformed)
	}
	return plain, nil
}

// Part is a part in memory, opened. It is safe for concurrent use. The zero value is an empty part.
type Part struct {
	table  Opened
	blocks []byte
}

// Blocks gives how many blocks there are.
func (p *Part) Blocks() int { return p.table.Blocks() }

// OpenPart opens a part with the key of its day or of the dictionary. The part must stay as it is. An empty one needs no
// key. Errors: ErrKey, ErrMalformed.
func OpenPart(part []byte, m *Master) (*Part, error) {
	if len(part) == 0 {
		return &Part{}, nil
	}
	if len(part) < partHead {
		return nil, fmt.Errorf("record: part of %d bytes: %w", len(part), ErrMalformed)
	}
	return OpenPartWith(part, m.PartKey([24]byte(part)))
}

// OpenPartWith opens a part with its own key. Errors: ErrKey, ErrMalformed.
func OpenPartWith(part []byte, k PartKey) (*Part, error) {
	if len(part) == 0 {
		return &Part{}, nil
	}
	table, err := tableSize(part, len(part))
	if err != nil {
		return nil, err
	}
	o, err := open(part[:table], len(part), k)
	if err != nil {
		return nil, err
	}
	return &Part{*o, part[table:]}, nil
}

// PartNonce gives the nonce of a part, from which its key is derived. ok is false for an empty part.
func PartNonce(part []byte) (nonce [24]byte, ok bool) {
	if len(part) < partHead {
		return nonce, false
	}
	return [24]byte(part), true
}

// Open appends the entries of block i to dst: see Next. Error: ErrMalformed.
func (p *Part) Open(i int, dst []byte) ([]byte, error) {
	start, end, err := p.table.span(i)
	if err != nil {
		return nil, err
	}
	return p.table.unseal(dst, p.blocks[start:end], i)
}

// Each gives all entries in their order; an error of each ends it. An entry is valid until each returns.
// Errors: ErrMalformed, and that of each.
func (p *Part) Each(each func(entry []byte) error) error {
	var block []byte
	for i := range p.Blocks() {
		var err error
		if block, err = p.Open(i, block[:0]); err != nil {
			return err
		}
		for rest := block; len(rest) > 0; {
			var entry []byte
			if entry, rest, err = Next(rest); err != nil {
				return err
			}
			if err := each(entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// Next cuts the first entry off an opened block. Error: ErrMalformed.
func Next(block []byte) (entry, rest []byte, err error) {
	length, n := binary.Uvarint(block)
	if n <= 0 || length > uint64(len(block)-n) {
		return nil, nil, fmt.Errorf("record: length of an entry: %w", ErrMalformed)
	}
	return block[n : n+int(length)], block[n+int(length):], nil
}

// tableSize gives the length of everything before the first block, from a part's first bytes.
func tableSize(first []byte, size int) (int, error) {
	if len(first) < partHead || size > MaxParts {
		return 0, fmt.Errorf("record: part of %d bytes: %w", size, ErrMalformed)
	}
	n := binary.BigEndian.Uint32(first[partHead-4:])
	table := partHead + 4*int64(n)
	if table+tagSize*int64(n) > int64(size) {
		return 0, fmt.Errorf("record: part of %d bytes with %d blocks: %w", size, n, ErrMalformed)
	}
	return int(table), nil
}

// open checks the key and the table of a part.
func open(table []byte, size int, k PartKey) (*Opened, error) {
	if k.commitment() != [32]byte(table[nonceSize:]) {
		return nil, fmt.Errorf("record: part: %w", ErrKey)
	}
	o := &Opened{
		aead:   k.aead(),
		nonce:  [8]byte(table[12:]),
		ends:   table[partHead:],
		length: uint32(size - len(table)),
	}
	var last uint32
	if n := len(o.ends); n > 0 {
		last = binary.BigEndian.Uint32(o.ends[n-4:])
	}
	if last != o.length {
		return nil, fmt.Errorf("record: blocks of %d bytes, not %d: %w", o.length, last, ErrMalformed)
	}
	return o, nil
}
