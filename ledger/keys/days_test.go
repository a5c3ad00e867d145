package keys

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"chaperone/ledger"
)

const testDay = ledger.Day(20785) // 2026-11-28

// madeDay makes one day's key in a new folder.
func madeDay(t *testing.T) (dir string, d *Days, key [32]byte) {
	t.Helper()
	dir = t.TempDir()
	d = OpenDays(dir, testData, testID)
	key, err := d.Make(testDay)
	if err != nil {
		t.Fatal(err)
	}
	return dir, d, key
}

func dayFile(dir string) string { return filepath.Join(dir, "keys", "20261128.key") }

func TestDays(t *testing.T) {
	dir, d, want := madeDay(t)
	if want == [32]byte{} {
		t.Fatal("the key is zero")
	}
	if other, err := d.Make(testDay - 1); err != nil || other == want {
		t.Errorf("got %v and equal keys %t", err, other == want)
	}
	if got, err := d.Key(testDay); err != nil || got != want {
		t.Errorf("got %v, or another key", err)
	}
	if got, err := OpenDays(dir, testData, testID).Key(testDay); err != nil || got != want {
		t.Errorf("opened again: got %v, or another key", err)
	}
	if _, err := d.Make(testDay); !errors.Is(err, os.ErrExist) {
		t.Errorf("made again: got %v, want os.ErrExist", err)
	}
	put(t, filepath.Join(dir, DaysFolder, "notes.txt"), nil)
	put(t, filepath.Join(dir, DaysFolder, "20261399.key"), nil)
	put(t, filepath.Join(dir, DaysFolder, "19691231.key"), nil)
	if got, err := d.List(); err != nil || !slices.Equal(got, []ledger.Day{testDay - 1, testDay}) {
		t.Errorf("got %v and %v, want both days", got, err)
	}
	if bytes.Contains(get(t, dayFile(dir)), want[:8]) {
		t.Error("the key lies open in its file")
	}
}

func TestDaysEmpty(t *testing.T) {
	d := OpenDays(t.TempDir(), testData, testID)
	if got, err := d.List(); err != nil || len(got) != 0 {
		t.Errorf("got %v and %v, want none", got, err)
	}
	if err := d.Destroy(testDay); err != nil {
		t.Errorf("destroying what is not there: got %v", err)
	}
}

func TestDestroy(t *testing.T) {
	dir, d, key := madeDay(t)
	path := dayFile(dir)
	put(t, path+unfinished, get(t, path)) // what a crash may leave
	if err := os.Link(path, filepath.Join(dir, "looked at")); err != nil {
		t.Skip("no links here")
	}
	for range 2 {
		if err := d.Destroy(testDay); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
		t.Errorf("got %d files and %v, want none", len(entries), err)
	}
	if left := get(t, filepath.Join(dir, "looked at")); !bytes.Equal(left, make([]byte, dayFileSize)) {
		t.Error("its bytes were not overwritten")
	}
	if got, err := d.Key(testDay); !errors.Is(err, ErrPurged) || got == key {
		t.Errorf("got %v, want ErrPurged", err)
	}
	if _, err := d.Make(testDay); !errors.Is(err, ErrPurged) {
		t.Errorf("made anew: got %v, want ErrPurged", err)
	}
	again := OpenDays(dir, testData, testID)
	if _, err := again.Key(testDay); !errors.Is(err, ErrNoKey) {
		t.Errorf("opened again: got %v, want ErrNoKey as long as the record was not read", err)
	}
	again.Purged(testDay)
	if _, err := again.Key(testDay); !errors.Is(err, ErrPurged) {
		t.Errorf("opened again: got %v, want ErrPurged", err)
	}
}

// TestDestroyOther does not write through a link that somebody put in the place of a key.
func TestDestroyOther(t *testing.T) {
	dir, d, _ := madeDay(t)
	victim := filepath.Join(dir, "victim")
	put(t, victim, []byte("text"))
	if err := os.Remove(dayFile(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, dayFile(dir)); err != nil {
		t.Skip("no links here")
	}
	if err := d.Destroy(testDay); err == nil {
		t.Error("a link was destroyed as if it were a key")
	}
	if string(get(t, victim)) != "text" {
		t.Error("another file was overwritten")
	}
}

// seal gives a copy a right checksum again.
func seal(b []byte) {
	for at := 0; at+copySize <= len(b); at += copyDistance {
		c := b[at : at+copySize]
		binary.BigEndian.PutUint32(c[copySize-4:], crc32.Checksum(c[:copySize-4], castagnoli))
	}
}

func TestKey(t *testing.T) {
	dir, d, want := madeDay(t)
	path := dayFile(dir)
	good := get(t, path)
	both := func(at int, b ...byte) []byte {
		changed := bytes.Clone(good)
		copy(changed[at:], b)
		copy(changed[copyDistance+at:], b)
		seal(changed)
		return changed
	}
	one := bytes.Clone(good)
	one[dayHead] ^= 1
	seal(one)
	for _, test := range []struct {
		name string
		file []byte // nil: none
		days *Days
		want error // nil: the key
	}{
		{"as made", good, d, nil},
		{"first copy zero", append(make([]byte, copyDistance), good[copyDistance:]...), d, nil},
		{"second copy zero", append(bytes.Clone(good[:copyDistance]), make([]byte, copyDistance)...), d, nil},
		{"cut behind the first copy", good[:copySize], d, nil},
		{"cut in the first copy", good[:copySize-1], d, ErrDamaged},
		{"empty", []byte{}, d, ErrDamaged},
		{"zeros", make([]byte, dayFileSize), d, ErrDamaged},
		{"longer", append(bytes.Clone(good), 0), d, ErrDamaged},
		{"missing", nil, d, ErrNoKey},
		{"wrong data key", good, OpenDays(dir, Data{9}, testID), ErrWrongKey},
		{"another ledger", good, OpenDays(dir, testData, [16]byte{9}), ErrWrongKey},
		{"later version", both(8, 0, 0, 0, 2), d, ErrNewer},
		{"version 0", both(8, 0, 0, 0, 0), d, ErrDamaged},
		{"another day", both(12, 0, 0, 0, 1), d, ErrDamaged},
		{"edited with a right checksum", both(dayHead, 1, 2, 3), d, ErrDamaged},
		{"copies that contradict each other", one, d, ErrDamaged},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if test.file != nil {
				put(t, path, test.file)
			}
			got, err := test.days.Key(testDay)
			if test.want == nil {
				if err != nil || got != want {
					t.Errorf("got %v, or another key", err)
				}
				return
			}
			if !errors.Is(err, test.want) || got != [32]byte{} {
				t.Fatalf("got %v, want %v and no key", err, test.want)
			}
			checkLine(t, err, path)
			if test.file != nil {
				if _, err := test.days.Make(testDay); !errors.Is(err, os.ErrExist) {
					t.Errorf("made over it: got %v, want os.ErrExist", err)
				}
			}
		})
	}
}

// TestKeyRenamed puts the key of one day under the name of another.
func TestKeyRenamed(t *testing.T) {
	dir, d, _ := madeDay(t)
	if err := os.Rename(dayFile(dir), d.path(testDay+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Key(testDay + 1); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

// TestKeyTorn overwrites every kind of window of up to 4096 bytes: the key opens or the file is damaged, and a wrong data
// key is still told apart.
func TestKeyTorn(t *testing.T) {
	dir, d, want := madeDay(t)
	wrong := OpenDays(dir, Data{9}, testID)
	good := get(t, dayFile(dir))
	random := rand.New(rand.NewPCG(1, 2))
	opened := 0
	check := func(at, size int, fill func(i int) byte) {
		t.Helper()
		b := bytes.Clone(good)
		for i := at; i < min(at+size, len(b)); i++ {
			b[i] = fill(i)
		}
		key, err := d.unwrap(b, testDay)
		switch {
		case err == nil && key == want:
			opened++
			if _, err := wrong.unwrap(b, testDay); !errors.Is(err, ErrWrongKey) {
				t.Fatalf("%d bytes at %d: a wrong data key gets %v, want ErrWrongKey", size, at, err)
			}
		case errors.Is(err, ErrDamaged):
			if at >= copySize || at == 0 { // one copy is whole
				t.Fatalf("%d bytes at %d: got %v, want the key of the other copy", size, at, err)
			}
		default:
			t.Fatalf("%d bytes at %d: got %v, or a wrong key", size, at, err)
		}
	}
	zero := func(int) byte { return 0 }
	noise := func(int) byte { return byte(random.Uint32()) }
	flip := func(i int) byte { return good[i] ^ 0xFF }
	for at := range len(good) {
		check(at, 1, flip)
	}
	for range 5000 {
		at, size := random.IntN(len(good)), 1+random.IntN(copyDistance)
		check(at, size, zero)
		check(at, size, noise)
		at %= 2 * copySize // near the copies
		check(at, 1+random.IntN(16), noise)
		check(copyDistance-copySize+at, 1+random.IntN(copyDistance), flip)
	}
	for size := 1; size <= copyDistance; size++ {
		check(0, size, noise)
		check(copyDistance, size, zero)
	}
	if opened < len(good) {
		t.Errorf("only %d files opened", opened)
	}
	for size := range len(good) {
		if key, err := d.unwrap(good[:size], testDay); err == nil && key != want || err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d bytes: got %v, or a wrong key", size, err)
		}
	}
}

func FuzzKey(f *testing.F) {
	d := OpenDays("", testData, testID)
	want := [32]byte{1, 2, 3}
	good := d.wrap(want, testDay)
	f.Add(good)
	f.Add(good[:copySize])
	f.Add(OpenDays("", Data{9}, testID).wrap(want, testDay))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := d.unwrap(b, testDay)
		if err == nil && key != want {
			t.Error("a wrong key")
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey) && !errors.Is(err, ErrNewer) {
			t.Errorf("got %v, want a known error", err)
		}
	})
}
