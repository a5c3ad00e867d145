package people

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// Seal appends a sealed chunk to dst, as cipher.AEAD.Seal does, and adds the same number of bytes to every chunk. i is the
// place of the chunk in the file and MUST go into what is authenticated, and each file MUST have a key of its own: or
// chunks could be swapped within a file or with those of an older one.
type Seal func(dst, chunk []byte, i uint64) []byte

// Open appends what a chunk held to dst, as cipher.AEAD.Open does, or says that it is not genuine. It MUST be safe for
// concurrent use.
type Open func(dst, chunk []byte, i uint64) ([]byte, error)

// Errors of Load. With either the table must be made anew from the record.
var (
	ErrDamaged = errors.New("damaged")
	ErrVersion = errors.New("written by another version")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Save writes the table and extra parts, at most 64, that Load gives back. It writes each chunk with one call.
func (t *Table) Save(w io.Writer, seal Seal, extra ...[]byte) error {
	if len(extra) > maxExtra {
		return fmt.Errorf("people: %d extra parts: at most %d can be saved", len(extra), maxExtra)
	}
	m := imageOf(t, extra)
	head := m.head()
	sealed := seal(nil, head, 0)
	added := len(sealed) - len(head)
	if added < 0 || added > maxAdded {
		return fmt.Errorf("people: sealing adds %d bytes to a chunk: 0 to %d can be", added, maxAdded)
	}
	if _, err := w.Write(preface(added, len(head))); err != nil {
		return fmt.Errorf("people: saving: %w", err)
	}
	if _, err := w.Write(sealed); err != nil {
		return fmt.Errorf("people: saving: %w", err)
	}
	var buffer []byte
	for i, p := range m.pieces() {
		plain := p.plain(buffer[:0])
		if p.bytes == nil {
			buffer = plain
		}
		sealed = seal(sealed[:0], plain, uint64(i)+1)
		if len(sealed)-len(plain) != added {
			return fmt.Errorf("people: sealing adds %d bytes to one chunk and %d to another", added, len(sealed)-len(plain))
		}
		if _, err := w.Write(sealed); err != nil {
			return fmt.Errorf("people: saving: %w", err)
		}
	}
	return nil
}

const maxAdded = 1024

func preface(added, head int) []byte {
	b := append(make([]byte, 0, prefaceSize), magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, uint32(added))
	b = binary.LittleEndian.AppendUint32(b, uint32(head))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// Load reads what Save wrote. The table is whole and its own, or there is an error: ErrVersion, ErrDamaged, or one of r or
// of open.
func Load(r io.ReaderAt, size int64, open Open) (t *Table, extra [][]byte, err error) {
	m, err := load(r, size, open)
	if err != nil {
		return nil, nil, fmt.Errorf("people: %w", err)
	}
	return m.t, m.extra, nil
}

func load(r io.ReaderAt, size int64, open Open) (*image, error) {
	var start [prefaceSize]byte
	if size < prefaceSize {
		return nil, fmt.Errorf("%d bytes: %w", size, ErrDamaged)
	}
	if err := readAt(r, start[:], 0); err != nil {
		return nil, err
	}
	little := binary.LittleEndian
	if string(start[:8]) != magic || little.Uint32(start[20:]) != crc32.Checksum(start[:20], castagnoli) {
		return nil, fmt.Errorf("offset 0: not a saved table: %w", ErrDamaged)
	}
	if v := little.Uint32(start[8:]); v != version {
		return nil, fmt.Errorf("version %d, not %d: %w", v, version, ErrVersion)
	}
	added, headSize := int64(little.Uint32(start[12:])), int64(little.Uint32(start[16:]))
	if added > maxAdded || headSize > leastHead+8*maxExtra || prefaceSize+headSize+added > size {
		return nil, fmt.Errorf("offset 12: sizes that the file has no room for: %w", ErrDamaged)
	}
	f := file{r, open, added}
	head, err := f.chunk(prefaceSize, int(headSize), 0, nil, make([]byte, headSize+added))
	if err != nil {
		return nil, err
	}
	sizes, err := parseHead(head)
	if err != nil {
		return nil, fmt.Errorf("offset %d: %w", prefaceSize, err)
	}
	if body := sizes.body(uint64(size)); body > uint64(size) { // before memory is taken for it
		return nil, fmt.Errorf("%d bytes where more than %d should be: %w", size, body, ErrDamaged)
	}
	m := sizes.image()
	if err := f.read(m, prefaceSize+headSize+added, size); err != nil {
		return nil, err
	}
	return m, m.finish()
}

// file is what is read.
type file struct {
	r     io.ReaderAt
	open  Open
	added int64 // bytes by sealing
}

// read fills all pieces, which follow each other from an offset on and end where the file does.
func (f *file) read(m *image, offset, size int64) error {
	pieces := m.pieces()
	offsets := make([]int64, len(pieces))
	largest := 0
	for i := range pieces {
		offsets[i] = offset
		largest = max(largest, pieces[i].size())
		offset += int64(pieces[i].size()) + f.added
	}
	if offset != size {
		return fmt.Errorf("%d bytes where %d should be: %w", size, offset, ErrDamaged)
	}
	return parallel(len(pieces), func() func(i int) error {
		buffer := make([]byte, int64(largest)+f.added)
		var spare []byte
		return func(i int) error {
			p := &pieces[i]
			into := p.bytes
			if into == nil {
				into = spare
			}
			plain, err := f.chunk(offsets[i], p.size(), uint64(i)+1, into, buffer)
			if err != nil {
				return err
			}
			if p.bytes == nil {
				spare = plain
			} else if &plain[0] == &p.bytes[0] {
				return nil // was opened in place
			}
			p.fill(plain)
			return nil
		}
	})
}

// chunk reads and opens one chunk, in place if into has room for it.
func (f *file) chunk(offset int64, size int, i uint64, into, buffer []byte) ([]byte, error) {
	sealed := buffer[:int64(size)+f.added]
	if err := readAt(f.r, sealed, offset); err != nil {
		return nil, err
	}
	plain, err := f.open(into[:0], sealed, i)
	if err != nil {
		return nil, fmt.Errorf("chunk %d at offset %d: %w", i, offset, err)
	}
	if len(plain) != size {
		return nil, fmt.Errorf("chunk %d at offset %d: %d bytes, not %d: %w", i, offset, len(plain), size, ErrDamaged)
	}
	return plain, nil
}

// readAt reads all of b. A file that ends before is damaged.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	n, err := r.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fmt.Errorf("offset %d: ends early: %w", offset, ErrDamaged)
	}
	return err
}

// parallel does n things on all processors and gives the first error. worker makes what each goroutine calls.
func parallel(n int, worker func() func(i int) error) error {
	var (
		next  atomic.Int64
		wait  sync.WaitGroup
		once  sync.Once
		first error
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			do := worker()
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					once.Do(func() { first = err })
					next.Store(math.MaxInt64 / 2) // nobody takes another one
					return
				}
			}
		})
	}
	wait.Wait()
	return first
}
