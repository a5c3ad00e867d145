package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

	"chaperone/format"
)

// readAll reads a log to its end.
func readAll(src io.Reader) (records []*Record, stats Stats, err error) {
	r := NewReader(src)
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records, r.Stats(), r.Odd()
		}
		if err != nil {
			return records, r.Stats(), err
		}
		records = append(records, rec)
	}
}

// TestRoundTrip reads what was written.
func TestRoundTrip(t *testing.T) {
	const n = 600
	want := events(n)
	for name, src := range map[string]io.Reader{
		"whole":        bytes.NewReader(written(t, n)),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(written(t, n))),
	} {
		t.Run(name, func(t *testing.T) {
			records, stats, err := readAll(src)
			if err != nil || len(records) != n || stats.Chunks < 3 || stats != (Stats{Chunks: stats.Chunks, Records: n}) {
				t.Fatalf("got %+v and %v", stats, err)
			}
			for i, got := range records {
				w := want[i]
				expected := &Record{ID: uint64(i + 1), EventID: w.ID, Level: w.Level, Keywords: w.Keywords, Provider: w.Provider,
					Channel: w.Channel, Computer: w.Computer, User: w.User, Time: w.Time.Truncate(100), Offset: got.Offset}
				for _, f := range w.Data {
					expected.Data = append(expected.Data, Field(f))
				}
				if !reflect.DeepEqual(got, expected) {
					t.Fatalf("record %d: got\n%+v\nwant\n%+v", i+1, got, expected)
				}
			}
			if got := records[0].Get("IpAddress"); got != "203.0.113.66" || records[0].Get("no such field") != "" {
				t.Errorf("got %q", got)
			}
			if got := records[0].Offset; got != headerSize+chunkHeader {
				t.Errorf("got offset %d", got)
			}
		})
	}
}

// log is a written log that is damaged, chunk by chunk.
type log struct {
	b []byte
	n []int // records of each chunk
}

func newLog(t testing.TB) *log {
	l := &log{b: written(t, 600)}
	for i := range (len(l.b) - headerSize) / chunkSize {
		c := l.chunk(i)
		l.n = append(l.n, int(binary.LittleEndian.Uint64(c[16:])-binary.LittleEndian.Uint64(c[8:]))+1)
	}
	return l
}

func (l *log) chunk(i int) []byte { return l.b[headerSize+i*chunkSize:][:chunkSize] }

func (l *log) free(i int) int { return int(binary.LittleEndian.Uint32(l.chunk(i)[48:])) }

// record gives where the k-th record of a chunk is in it.
func (l *log) record(i, k int) int {
	at := chunkHeader
	for range k {
		at += int(binary.LittleEndian.Uint32(l.chunk(i)[at+4:]))
	}
	return at
}

// sum makes the checksums of a chunk right.
func sum(c []byte) {
	le := binary.LittleEndian
	if free := le.Uint32(c[48:]); free >= chunkHeader && int(free) <= len(c) {
		le.PutUint32(c[52:], crc32.ChecksumIEEE(c[chunkHeader:free]))
	}
	le.PutUint32(c[124:], crc32.Update(crc32.ChecksumIEEE(c[:120]), crc32.IEEETable, c[128:chunkHeader]))
}

func TestDamage(t *testing.T) {
	le := binary.LittleEndian
	whole := newLog(t)
	n, last := whole.n, len(whole.n)-1
	if last < 3 {
		t.Fatalf("got %d chunks, want several", last+1)
	}
	const all = 600
	for _, test := range []struct {
		name   string
		damage func(l *log)
		want   Stats
		odd    bool
	}{
		{"none", func(*log) {}, Stats{Chunks: last + 1, Records: all}, false},
		{"dirty flag", func(l *log) { l.b[120] = 1 }, Stats{Chunks: last + 1, Records: all}, false},
		{"chunk count of 1", func(l *log) { le.PutUint16(l.b[42:], 1) }, Stats{Chunks: last + 1, Records: all}, true},
		{"chunk count of 9999", func(l *log) { le.PutUint16(l.b[42:], 9999) }, Stats{Chunks: last + 1, Records: all}, true},
		{"no file header", func(l *log) { l.b = l.b[headerSize:] }, Stats{Chunks: last + 1, Records: all}, false},
		{"wrong checksum of a chunk's header", func(l *log) { l.chunk(1)[52]++ },
			Stats{Chunks: last + 1, Damaged: 1, Records: all, Carved: n[1]}, true},
		{"wrong checksum of a chunk's records", func(l *log) { l.chunk(1)[bytes.Index(l.chunk(1), []byte("k\x00a\x00l\x00i\x00"))]++ },
			Stats{Chunks: last + 1, Damaged: 1, Records: all, Carved: n[1]}, true},
		{"last chunk cut in a record", func(l *log) { l.b = l.b[:headerSize+last*chunkSize+l.record(last, 3)+100] },
			Stats{Chunks: last + 1, Damaged: 1, Records: all - n[last] + 3, Carved: 3, Lost: n[last] - 3}, true},
		{"last chunk cut behind its records", func(l *log) { l.b = l.b[:headerSize+last*chunkSize+l.free(last)] },
			Stats{Chunks: last + 1, Damaged: 1, Records: all}, true},
		{"cut in a chunk's header", func(l *log) { l.b = l.b[:headerSize+last*chunkSize+100] },
			Stats{Chunks: last + 1, Damaged: 1, Records: all - n[last]}, true},
		{"unsigned chunk", func(l *log) { clear(l.chunk(1)[:8]) }, Stats{Chunks: last + 1, Damaged: 1, Records: all, Carved: n[1]}, true},
		{"no chunk header", func(l *log) { clear(l.chunk(1)[:chunkHeader]) }, Stats{Chunks: last + 1, Damaged: 1, Records: all, Carved: n[1]}, true},
		{"chunk of zeros", func(l *log) { clear(l.chunk(1)) }, Stats{Chunks: last + 1, Empty: 1, Records: all - n[1]}, false},
		{"chunk without records", func(l *log) {
			c := l.chunk(1)
			clear(c[chunkHeader:])
			le.PutUint64(c[16:], 1<<64-1)
			le.PutUint32(c[48:], chunkHeader)
			sum(c)
		}, Stats{Chunks: last + 1, Empty: 1, Records: all - n[1]}, false},
		{"garbage between", func(l *log) {
			l.b = slices.Insert(l.b, headerSize+chunkSize, bytes.Repeat([]byte{0xAA}, 1000)...)
		}, Stats{Chunks: last + 2, Damaged: 1, Records: all}, true},
		{"a mark across a window", func(l *log) {
			l.b = slices.Insert(l.b, headerSize+chunkSize, bytes.Repeat([]byte{0xAA}, 2*chunkSize-3)...)
		}, Stats{Chunks: last + 3, Damaged: 2, Records: all}, true},
		{"a piece is missing", func(l *log) {
			at := headerSize + chunkSize + l.record(1, 7)
			l.b = slices.Delete(l.b, at, headerSize+2*chunkSize-100)
		}, Stats{Chunks: last + 1, Damaged: 1, Records: all - n[1] + 7, Carved: 7, Lost: n[1] - 7}, true},
		{"size of zero", func(l *log) { le.PutUint32(l.chunk(1)[l.record(1, 9)+4:], 0) },
			Stats{Chunks: last + 1, Damaged: 1, Records: all - 1, Carved: n[1] - 1, Lost: 1}, true},
		{"size over the chunk's end", func(l *log) { le.PutUint32(l.chunk(1)[l.record(1, 9)+4:], chunkSize) },
			Stats{Chunks: last + 1, Damaged: 1, Records: all - 1, Carved: n[1] - 1, Lost: 1}, true},
		{"sizes that differ", func(l *log) { l.chunk(1)[l.record(1, 10)-4]++ },
			Stats{Chunks: last + 1, Damaged: 1, Records: all - 1, Carved: n[1] - 1, Lost: 1}, true},
		{"records overwritten", func(l *log) { clear(l.chunk(1)[l.record(1, 9):l.record(1, 14)]) },
			Stats{Chunks: last + 1, Damaged: 1, Records: all - 5, Carved: n[1] - 5, Lost: 5}, true},
		{"records overwritten, right checksum", func(l *log) {
			clear(l.chunk(1)[l.record(1, 9):l.record(1, 14)])
			sum(l.chunk(1))
		}, Stats{Chunks: last + 1, Damaged: 1, Records: all - 5, Carved: n[1] - 14, Lost: 5}, true},
		{"unknown token", func(l *log) { l.chunk(1)[l.record(1, 9)+recordHead] = 0x7F },
			Stats{Chunks: last + 1, Damaged: 1, Records: all - 1, Carved: n[1] - 1, Lost: 1}, true},
		{"remains behind the end", func(l *log) { // of an older use of the chunk; its templates are there
			c := l.chunk(last)
			at := l.free(last) + 40
			copy(c[at:], c[l.record(last, 6):l.record(last, 7)])
		}, Stats{Chunks: last + 1, Records: all + 1, Carved: 1}, false},
		{"remains that cannot be read", func(l *log) {
			c := l.chunk(last)
			at := l.free(last)
			copy(c[at:], c[l.record(last, 6):l.record(last, 7)])
			c[at+recordHead] = 0x7F
		}, Stats{Chunks: last + 1, Records: all}, false},
		{"header older than the records", func(l *log) { // a copy of a log that is being written
			c := l.chunk(last)
			le.PutUint32(c[48:], uint32(l.record(last, 4)))
			le.PutUint64(c[16:], le.Uint64(c[8:])+3)
			sum(c)
		}, Stats{Chunks: last + 1, Records: all, Carved: n[last] - 4}, false},
		{"header claims more", func(l *log) {
			c := l.chunk(last)
			le.PutUint64(c[16:], le.Uint64(c[16:])+5)
			sum(c)
		}, Stats{Chunks: last + 1, Damaged: 1, Records: all, Lost: 5}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLog(t)
			test.damage(l)
			records, got, err := readAll(bytes.NewReader(l.b))
			if got != test.want {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
			if len(records) != got.Records || (err != nil) != test.odd || err != nil && !errors.Is(err, format.ErrMalformed) {
				t.Errorf("got %d records and %v", len(records), err)
			}
			_, cut, _ := readAll(iotest.HalfReader(bytes.NewReader(l.b)))
			if cut != got {
				t.Errorf("read in pieces: got %+v, want %+v", cut, got)
			}
		})
	}
}

func TestNoLog(t *testing.T) {
	noise := make([]byte, 300_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for name, b := range map[string][]byte{"nothing": nil, "a few bytes": []byte("ElfFi"), "zeros": make([]byte, 200_000), "noise": noise} {
		if records, _, err := readAll(bytes.NewReader(b)); len(records) > 0 || !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: got %d records and %v, want format.ErrMalformed", name, len(records), err)
		}
	}
	broken := errors.New("the disk is gone")
	l := newLog(t)
	src := io.MultiReader(bytes.NewReader(l.b[:headerSize+chunkSize]), iotest.ErrReader(broken))
	if records, _, err := readAll(src); len(records) != l.n[0] || !errors.Is(err, broken) {
		t.Errorf("got %d records and %v, want the first chunk's and the error", len(records), err)
	}
}

func TestHeader(t *testing.T) {
	b := written(t, 600)
	b[120] = 3
	r := NewReader(bytes.NewReader(b))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	want := Header{Present: true, Major: 3, Minor: 1, Chunks: uint16(len(b) / chunkSize), NextRecord: 601, Dirty: true, Full: true}
	if got := r.Header(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !Sniff(b) || !Sniff(b[headerSize:]) || Sniff(b[8:]) || Sniff(nil) {
		t.Error("a log is not known by its first bytes")
	}
}

// TestMemory reads a log of 20000 events and holds on to none.
func TestMemory(t *testing.T) {
	src := bytes.NewReader(written(t, 20_000))
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := live(), uint64(0)
	r := NewReader(src)
	for i := 0; ; i++ {
		if _, err := r.Next(); err != nil {
			break
		}
		if i%4000 == 0 {
			most = max(most, live())
		}
	}
	if r.Stats().Records != 20_000 || most > before+2<<20 {
		t.Errorf("%d records, %d KB held", r.Stats().Records, (most-before)>>10)
	}
}
