package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"chaperone/ledger"
)

// runsFile lists the runs of an index that was closed cleanly; it is removed when the index is opened for writing. Pebble
// takes a damaged MANIFEST for one that ends there: only with this list is a table missed that no longer is in it.
//
//	offset  size     field
//	     0  8        magic
//	     8  4        CRC-32C of what follows
//	    12  uvarint  version
//	        uvarint  number of runs; of each, uvarints: day, number, and the fields of run
const runsFile = "runs"

const runsMagic = "chapidx1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func isManifest(name string) bool { return strings.HasPrefix(name, "MANIFEST-") }

// compareRuns orders runs by day, then number.
func compareRuns(a, b run) int {
	return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.number, b.number))
}

// bare gives what Pebble's own list says of runs.
func bare(runs []run) []run {
	out := make([]run, len(runs))
	for i, r := range runs {
		out[i] = run{day: r.day, number: r.number, tables: r.tables, size: r.size}
	}
	return out
}

func readRuns(fs vfs.FS, dir string) ([]run, error) {
	path := fs.PathJoin(dir, runsFile)
	f, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	runs, err := parseRuns(b)
	if err != nil {
		return nil, fmt.Errorf("%w: in %s", err, path)
	}
	return runs, nil
}

func parseRuns(b []byte) ([]run, error) {
	const head = len(runsMagic) + 4
	if len(b) < head || string(b[:len(runsMagic)]) != runsMagic {
		return nil, fmt.Errorf("%w: not a list of runs", ErrDamaged)
	}
	sum, b := binary.BigEndian.Uint32(b[len(runsMagic):]), b[head:]
	if crc32.Checksum(b, castagnoli) != sum {
		return nil, fmt.Errorf("%w: a list of runs with a wrong checksum", ErrDamaged)
	}
	v, b, err := uvarint(b, "version of a list of runs")
	if err != nil {
		return nil, err
	}
	if v != version {
		return nil, fmt.Errorf("%w: version %d, this program knows %d", ErrNewer, v, version)
	}
	n, b, err := uvarint(b, "length of a list of runs")
	if err != nil {
		return nil, err
	}
	var runs []run
	for ; n > 0; n-- {
		var day, number uint64
		var r run
		fields := r.fields()
		for _, f := range append([]*uint64{&day, &number}, fields...) {
			if *f, b, err = uvarint(b, "list of runs"); err != nil {
				return nil, err
			}
		}
		if day > math.MaxUint32 || number > math.MaxUint32 {
			return nil, fmt.Errorf("%w: run %d of day %d", ErrDamaged, number, day)
		}
		r.day, r.number = ledger.Day(day), uint32(number)
		runs = append(runs, r)
	}
	if len(b) > 0 || !slices.IsSortedFunc(runs, compareRuns) {
		return nil, fmt.Errorf("%w: a list of runs that does not end where it should, or is out of order", ErrDamaged)
	}
	return runs, nil
}

func appendRuns(b []byte, runs []run) []byte {
	body := binary.AppendUvarint(binary.AppendUvarint(nil, version), uint64(len(runs)))
	for i := range runs {
		r := &runs[i]
		body = binary.AppendUvarint(binary.AppendUvarint(body, uint64(r.day)), uint64(r.number))
		for _, f := range r.fields() {
			body = binary.AppendUvarint(body, *f)
		}
	}
	b = binary.BigEndian.AppendUint32(append(b, runsMagic...), crc32.Checksum(body, castagnoli))
	return append(b, body...)
}

// writeRuns puts the list in place: after a crash it is there as a whole, or not at all.
func writeRuns(fs vfs.FS, dir string, runs []run) error {
	path := fs.PathJoin(dir, runsFile)
	f, err := fs.Create(path+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	_, err = f.Write(appendRuns(nil, runs))
	err = cmp.Or(err, f.Sync())
	if err = cmp.Or(err, f.Close()); err == nil {
		err = fs.Rename(path+".tmp", path)
	}
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return syncDir(fs, dir)
}

// removeRuns says that the index is being written.
func removeRuns(fs vfs.FS, dir string) error {
	err := fs.Remove(fs.PathJoin(dir, runsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return syncDir(fs, dir)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	err = d.Sync()
	if err = cmp.Or(err, d.Close()); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}

// each calls a function with every table that Pebble has.
func (x *Index) each(visit func(t pebble.SSTableInfo) error) error {
	levels, err := x.db.SSTables()
	if err != nil {
		return readError(err)
	}
	for _, level := range levels {
		for _, t := range level {
			if err := visit(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// listed gives the runs that Pebble has tables of: day, number, and how many tables of which size.
func (x *Index) listed() ([]run, error) {
	of := map[[runKey]byte]*run{}
	err := x.each(func(t pebble.SSTableInfo) error {
		from, until := t.Smallest.UserKey, t.Largest.UserKey
		if len(from) < runKey || len(until) < runKey || !bytes.Equal(from[:runKey], until[:runKey]) || t.Virtual {
			return fmt.Errorf("%w: %s: table %s is not of one run", ErrDamaged, x.dir, t.FileNum)
		}
		r := of[[runKey]byte(from)]
		if r == nil {
			r = &run{day: ledger.Day(binary.BigEndian.Uint32(from)), number: binary.BigEndian.Uint32(from[4:])}
			of[[runKey]byte(from)] = r
		}
		r.tables++
		r.size += t.Size
		return nil
	})
	var runs []run
	for _, r := range of {
		runs = append(runs, *r)
	}
	slices.SortFunc(runs, compareRuns)
	return runs, err
}

// readHeads fills in what only the heads of the runs say.
func (x *Index) readHeads(runs []run) error {
	it, err := x.db.NewIter(nil)
	if err != nil {
		return readError(err)
	}
	for i := range runs {
		r := &runs[i]
		head, ok, err := get(it, appendKey(nil, r.day, r.number, headRow))
		if err == nil && !ok {
			err = fmt.Errorf("%w: run %d of %s has no head", ErrDamaged, r.number, r.day)
		}
		if err == nil {
			_, err = parseHead(head, r, nil)
		}
		if err != nil {
			_ = it.Close()
			return readError(err)
		}
	}
	return readError(it.Close())
}
