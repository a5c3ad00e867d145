package people

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chaperone/ledger"
)

// plainSeal and plainOpen seal nothing.
func plainSeal(dst, chunk []byte, _ uint64) []byte          { return append(dst, chunk...) }
func plainOpen(dst, chunk []byte, _ uint64) ([]byte, error) { return append(dst, chunk...), nil }

// gcm is a true seal.
func gcm() (Seal, Open) {
	block, _ := aes.NewCipher(make([]byte, 32))
	aead, _ := cipher.NewGCM(block)
	nonce := func(i uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 4, 12), i) }
	return func(dst, chunk []byte, i uint64) []byte { return aead.Seal(dst, nonce(i), chunk, nil) },
		func(dst, chunk []byte, i uint64) ([]byte, error) { return aead.Open(dst, nonce(i), chunk, nil) }
}

func saved(t fataler, table *Table, seal Seal, extra ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := table.Save(&b, seal, extra...); err != nil {
		t.Fatalf("save: %v", err)
	}
	return b.Bytes()
}

func loaded(t fataler, b []byte, open Open) (*Table, [][]byte) {
	t.Helper()
	table, extra, err := Load(bytes.NewReader(b), int64(len(b)), open)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return table, extra
}

func reload(t fataler, table *Table) *Table {
	t.Helper()
	seal, open := gcm()
	again, _ := loaded(t, saved(t, table, seal), open)
	return again
}

// crowd makes a table of n identifiers with some of everything.
func crowd(n int, seed uint64) *Table {
	random := rand.New(rand.NewPCG(seed, 1))
	t := New()
	number := func() ledger.Number { return ledger.Number(random.IntN(t.Len()) + 1) }
	for i := range n {
		added := t.Add(tokenOf('n', i), i%50 == 0)
		t.Alike(tokenOf('d', random.IntN(n)), added)
		if i%5 == 0 {
			t.Join(added, number())
		}
		if i%20 == 0 {
			some := []ledger.Number{number(), number()}
			t.Merge(some, []ledger.Number{added}, i%100 == 0, time.UnixMicro(int64(i%7)))
		}
	}
	return t
}

func TestSaveAndLoad(t *testing.T) {
	extras := [][]byte{[]byte("words"), {}, bytes.Repeat([]byte{7}, 3*pieceSize/2)}
	for _, n := range []int{0, 1, 63, 64, 5000, 70_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			table := crowd(n, 1)
			seal, open := gcm()
			again, extra := loaded(t, saved(t, table, seal, extras...), open)
			if !slices.EqualFunc(extra, extras, bytes.Equal) {
				t.Error("extra parts are not what was saved")
			}
			random := rand.New(rand.NewPCG(2, 2))
			for _, share := range []float64{0, 0.001, 0.2, 1} {
				asked := NewBits(0)
				for i := range n {
					if random.Float64() < share {
						asked.Add(ledger.Number(i + 1))
					}
				}
				if got, want := again.Answer(asked), table.Answer(asked); got != want {
					t.Errorf("share %g: got %+v, want %+v", share, got, want)
				}
			}
			for i := range n {
				if got, ok := again.Find(tokenOf('n', i)); !ok || got != ledger.Number(i+1) {
					t.Fatalf("find: got %d, want %d", got, i+1)
				}
			}
			if got, want := again.Add(tokenOf('x', 1), false), ledger.Number(n+1); got != want {
				t.Errorf("next number: got %d, want %d", got, want)
			}
			if !again.Alike(tokenOf('y', 1), ledger.Number(n+1)) {
				t.Error("a new demographic is known")
			}
		})
	}
}

func TestSaveErrors(t *testing.T) {
	table := crowd(100, 1)
	growing := func(dst, chunk []byte, i uint64) []byte { return append(append(dst, chunk...), make([]byte, i%3)...) }
	if err := table.Save(io.Discard, growing); err == nil {
		t.Error("a seal of changing size: no error")
	}
	if err := table.Save(io.Discard, plainSeal, make([][]byte, maxExtra+1)...); err == nil {
		t.Error("too many extra parts: no error")
	}
	broken := errors.New("broken")
	for calls := range 5 {
		if err := table.Save(&failing{calls, broken}, plainSeal); !errors.Is(err, broken) {
			t.Errorf("write %d: got %v, want %v", calls, err, broken)
		}
	}
}

// failing takes a number of writes.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(b []byte) (int, error) {
	if f.left == 0 {
		return 0, f.err
	}
	f.left--
	return len(b), nil
}

// TestDamage: whatever is done to a sealed file, it is an error.
func TestDamage(t *testing.T) {
	seal, open := gcm()
	good := saved(t, crowd(40, 1), seal, []byte("words"))
	check := func(what string, at int, b []byte) {
		t.Helper()
		if _, _, err := Load(bytes.NewReader(b), int64(len(b)), open); err == nil {
			t.Errorf("%s at %d: no error", what, at)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		check("flipped", i, bad)
	}
	for i := 0; i < len(good); i += 17 {
		check("cut", i, good[:i])
		check("missing", i, slices.Delete(bytes.Clone(good), i, min(i+16, len(good))))
	}
	check("longer", len(good), append(bytes.Clone(good), 0))
	if _, _, err := Load(bytes.NewReader(good[:100]), int64(len(good)), open); !errors.Is(err, ErrDamaged) {
		t.Errorf("a file that ends early: got %v, want %v", err, ErrDamaged)
	}
}

func TestVersion(t *testing.T) {
	b := saved(t, New(), plainSeal)
	b[8]++
	binary.LittleEndian.PutUint32(b[20:], crc32.Checksum(b[:20], castagnoli))
	if _, _, err := Load(bytes.NewReader(b), int64(len(b)), plainOpen); !errors.Is(err, ErrVersion) {
		t.Errorf("got %v, want %v", err, ErrVersion)
	}
}

// TestWrongInside: a file that is genuine and wrong may give a table, and nothing that is asked of it panics or does not
// end.
func TestWrongInside(t *testing.T) {
	good := saved(t, crowd(40, 1), plainSeal, []byte("words"))
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= []byte{1, 0x80, 0xff, 0x10}[i/4%4] // another one for the same place of the next integer
		exercise(bad)
	}
}

// exercise loads bytes and, if that is a table, asks everything.
func exercise(b []byte) {
	t, _, err := Load(bytes.NewReader(b), int64(len(b)), plainOpen)
	if err != nil || t.Len() > 10_000 {
		return
	}
	asked := NewBits(0)
	asked.AddRange(0, ledger.Number(t.Len()+70))
	t.Answer(asked)
	t.PersonsOf(asked, func(ledger.Number) {})
	for n := range ledger.Number(t.Len() + 2) {
		t.Person(n)
		t.Everybody(n)
		t.Find(t.Token(n))
	}
	for i := range 40 {
		t.Alike(tokenOf('d', i), t.Add(tokenOf('n', i), false))
		t.Join(ledger.Number(i), ledger.Number(i/2))
	}
	t.Answer(asked)
}

// FuzzLoad: no bytes make a panic, a search without end or much memory. The sum at the start is made right first.
func FuzzLoad(f *testing.F) {
	for _, n := range []int{0, 1, 40, 300} {
		f.Add(saved(f, crowd(n, 1), plainSeal, []byte("words")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= prefaceSize {
			binary.LittleEndian.PutUint32(b[20:], crc32.Checksum(b[:20], castagnoli))
		}
		exercise(b)
	})
}
