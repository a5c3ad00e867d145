package keys

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"chaperone/ledger"
)

// DaysFolder is the folder of the days' keys inside a ledger's folder.
const DaysFolder = "keys"

// A day's key file holds the same copy twice, at 0 and at copyDistance, so that a page that was not written as a whole
// harms one of them. Between and behind them are zeros. A copy, integers big-endian:
//
//	  0   8  magic "chapkey1"
//	  8   4  version 1
//	 12   4  day, since 1970-01-01
//	 16  16  id of the ledger
//	 32   8  id of the data key
//	 40  12  nonce
//	 52  48  the day's key: AES-256-GCM under a key of data.key and ledger, with bytes 0 to 40 as additional data
//	100   4  CRC32C of bytes 0 to 100
const (
	dayMagic     = "chapkey1"
	dayVersion   = 1
	dayHead      = 40
	copySize     = 104
	copyDistance = 4096
	dayFileSize  = 2 * copyDistance
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Days are the keys of a ledger's days, one file each. A day's key is made once, and destroyed by a purge. It is safe for
// concurrent use by one process.
type Days struct {
	dir  string
	data ID
	id   [16]byte
	aead cipher.AEAD

	mu     sync.Mutex
	purged map[ledger.Day]bool
}

// OpenDays gives the keys in a ledger's folder; it touches nothing. id is the ledger's.
func OpenDays(dir string, data Data, id [16]byte) *Days {
	key := data.derive("chaperone/day-key/v1", id[:]...)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // the block is one of AES
	}
	return &Days{dir: filepath.Join(dir, DaysFolder), data: data.ID(), id: id, aead: aead, purged: map[ledger.Day]bool{}}
}

// Purged notes that the record says of a day that it was purged. The record alone knows: a mark in a folder, anybody can put
// there.
func (d *Days) Purged(day ledger.Day) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.purged[day] = true
}

// restoreDay is what to do about a day's key.
const restoreDay = "restore it from a backup of the ledger (ledger backup), which has the keys of the days in its folder keys; nothing was touched"

// Key gives a day's key.
//
// Errors: ErrPurged for a day that is known as purged; ErrNoKey without a file; ErrWrongKey when it was made with another data
// key or for another ledger; ErrNewer; ErrDamaged when no copy of it can be read. Never another key.
func (d *Days) Key(day ledger.Day) (key [32]byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := d.path(day)
	if d.purged[day] {
		return key, fmt.Errorf("keys: %s: %w", path, ErrPurged)
	}
	b, err := readFile(path, dayFileSize)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return key, fmt.Errorf("keys: %s: %w; %s", path, ErrNoKey, restoreDay)
	case errors.Is(err, errTooLong):
		return key, fmt.Errorf("keys: %s: %w: longer than a day's key; %s", path, ErrDamaged, restoreDay)
	case err != nil:
		return key, fmt.Errorf("keys: %w; %s", err, access)
	}
	if key, err = d.unwrap(b, day); err != nil {
		return [32]byte{}, fmt.Errorf("keys: %s: %w; %s", path, err, restoreDay)
	}
	return key, nil
}

// Made gives when a day's key was made, as far as its file tells: when the first of the day was recorded, or later. Errors: ErrNoKey.
func (d *Days) Made(day ledger.Day) (time.Time, error) {
	info, err := os.Stat(d.path(day))
	if errors.Is(err, os.ErrNotExist) {
		return time.Time{}, fmt.Errorf("keys: %s: %w", d.path(day), ErrNoKey)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("keys: %w", err)
	}
	return info.ModTime(), nil
}

// unwrap opens the first good copy.
func (d *Days) unwrap(b []byte, day ledger.Day) (key [32]byte, err error) {
	var whole [][]byte
	for at := 0; at+copySize <= len(b); at += copyDistance {
		c := b[at : at+copySize]
		if string(c[:8]) == dayMagic && crc32.Checksum(c[:copySize-4], castagnoli) == binary.BigEndian.Uint32(c[copySize-4:]) {
			whole = append(whole, c)
		}
	}
	if len(whole) == 0 {
		return key, fmt.Errorf("%w: neither of its two copies is whole", ErrDamaged)
	}
	c := whole[0]
	if len(whole) == 2 && !bytes.Equal(c, whole[1]) {
		return key, fmt.Errorf("%w: its two copies contradict each other", ErrDamaged)
	}
	version := binary.BigEndian.Uint32(c[8:])
	switch {
	case version > dayVersion:
		return key, fmt.Errorf("format %d, where this version reads up to %d: %w", version, dayVersion, ErrNewer)
	case [16]byte(c[16:]) != d.id:
		return key, fmt.Errorf("%w: it belongs to the ledger %s", ErrWrongKey, Origin([16]byte(c[16:])))
	case ID(c[32:]) != d.data:
		return key, fmt.Errorf("%w: it was made with the data key %s, and %s is %s", ErrWrongKey, ID(c[32:]), DataFile, d.data)
	case ledger.Day(binary.BigEndian.Uint32(c[12:])) != day:
		return key, fmt.Errorf("%w: it holds the key of another day, %s", ErrDamaged, ledger.Day(binary.BigEndian.Uint32(c[12:])))
	}
	if _, err := d.aead.Open(key[:0], nil, c[dayHead:copySize-4], c[:dayHead]); err != nil || version != dayVersion {
		return [32]byte{}, fmt.Errorf("%w: it does not open", ErrDamaged)
	}
	return key, nil
}

// wrap makes a day's file.
func (d *Days) wrap(key [32]byte, day ledger.Day) []byte {
	c := make([]byte, 0, copySize)
	c = append(c, dayMagic...)
	c = binary.BigEndian.AppendUint32(c, dayVersion)
	c = binary.BigEndian.AppendUint32(c, uint32(day))
	c = append(append(c, d.id[:]...), d.data[:]...)
	c = d.aead.Seal(c, nil, key[:], c)
	c = binary.BigEndian.AppendUint32(c, crc32.Checksum(c, castagnoli))
	b := make([]byte, dayFileSize)
	copy(b, c)
	copy(b[copyDistance:], c)
	return b
}

// Make makes the key of a day that has none. It is on disk when Make returns. It MUST NOT be called for a day that has
// entries: theirs cannot be made again.
//
// Errors: os.ErrExist when the day has a file, whole or not; ErrPurged for a day that is known as purged.
func (d *Days) Make(day ledger.Day) (key [32]byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := d.path(day)
	if d.purged[day] {
		return key, fmt.Errorf("keys: %s: %w", path, ErrPurged)
	}
	if _, err := os.Lstat(path); err == nil {
		return key, fmt.Errorf("keys: %s: %w", path, os.ErrExist)
	}
	if err := makeFolder(d.dir); err != nil {
		return key, fmt.Errorf("keys: %w", err)
	}
	_, _ = rand.Read(key[:]) // it never fails (crypto/rand)
	// One process has the ledger: no file comes to be there between the look and the rename.
	if err := replace(path, path+unfinished, d.wrap(key, day)); err != nil {
		return [32]byte{}, fmt.Errorf("keys: %w", err)
	}
	return key, nil
}

// unfinished is the end of the name of a file that was not put in place yet.
const unfinished = ".new"

// Destroy makes a day's key unreadable and removes it; the day is known as purged from here on. Once it returned without an
// error the key is gone from this folder, though not from backups. It may be repeated: without a file there is nothing to do.
func (d *Days) Destroy(day ledger.Day) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.purged[day] = true
	for _, path := range []string{d.path(day), d.path(day) + unfinished} {
		if err := erase(path); err != nil {
			return fmt.Errorf("keys: %w; the key of the day is not destroyed yet, purge it again", err)
		}
	}
	if _, err := os.Stat(d.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := syncFolder(d.dir); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// erase overwrites a file before it removes it: removing alone leaves its bytes on the disk.
func erase(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a plain file", path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := fill(f, make([]byte, dayFileSize)); err != nil {
		return err
	}
	return os.Remove(path)
}

// List gives the days that have a key, in order. Other files in the folder are passed over.
func (d *Days) List() ([]ledger.Day, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var days []ledger.Day
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), dayEnding)
		if t, err := time.Parse(dayLayout, name); ok && err == nil && t.Unix() >= 0 {
			days = append(days, ledger.DayOf(t))
		}
	}
	slices.Sort(days)
	return days, nil
}

const (
	dayLayout = "20060102"
	dayEnding = ".key"
)

// DayFile is the name of a day's file in DaysFolder.
func DayFile(day ledger.Day) string { return day.Time().Format(dayLayout) + dayEnding }

func (d *Days) path(day ledger.Day) string { return filepath.Join(d.dir, DayFile(day)) }
