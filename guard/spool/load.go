package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"chaperone/ledger/durable"
)

// list is names, and removes what a write that did not end left under another name.
func list(dir string) (firsts []uint64, err error) {
	left, _ := filepath.Glob(filepath.Join(dir, "*"+ending+".new")) // its only error is a bad pattern
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return names(dir)
}

// names gives the segments in a folder by their first numbers, in order.
func names(dir string) (firsts []uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		digits, ok := strings.CutSuffix(entry.Name(), ending)
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && entry.Name() == segmentName(n) {
			firsts = append(firsts, n)
		}
	}
	slices.Sort(firsts)
	return firsts, nil
}

// load finds what waits. lost: it is not known what is delivered.
func (s *Spool) load(lost bool) error {
	firsts, err := list(s.o.Dir)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	delivered := s.cursor.number
	if lost && len(firsts) > 0 {
		delivered = firsts[0] - 1
	}
	if lost {
		delivered = max(delivered, s.rejected.last)
	}
	s.next = delivered + 1
	if err := s.listObjects(); err != nil {
		return err
	}
	for i, first := range firsts {
		path, until := filepath.Join(s.o.Dir, segmentName(first)), uint64(0)
		if i+1 < len(firsts) {
			until = firsts[i+1]
		}
		if until > 0 && until-1 <= delivered {
			if err := durable.Remove(path); err != nil {
				return fmt.Errorf("spool: %w", err)
			}
			continue
		}
		if first > s.next {
			return &Damage{File: path, Why: fmt.Sprintf("the messages from number %d to it are missing", s.next)}
		}
		g, err := s.scan(path, first, until, delivered)
		if err != nil {
			return err
		}
		if g.last < first || g.last <= delivered { // until is 0: it is the last
			if err := durable.Remove(path); err != nil {
				return fmt.Errorf("spool: %w", err)
			}
			continue
		}
		s.segments = append(s.segments, g)
		s.next = g.last + 1
	}
	s.waiting = int(s.next - 1 - delivered)
	if s.cursor.number != delivered {
		if err := s.cursor.set(delivered, s.o.Disk); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	if lost {
		s.unsure = s.next - 1
	}
	return errors.Join(s.freeUnnamed(), s.countUnnamed())
}

// scan reads a segment, every record of it, and notes the objects that are named behind what is delivered. until is the first number of the one behind it, 0 when there is none:
// then its end may be one that a crash left, and is cut off.
func (s *Spool) scan(path string, first, until, delivered uint64) (g *segment, err error) {
	r, err := s.o.open(path)
	if err != nil {
		return nil, err
	}
	defer r.file.Close()
	if r.first != first {
		return nil, &Damage{File: path, Why: "it has another segment's name"}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	size := info.Size()
	for until == 0 || r.number < until {
		var k Kept
		if k, err = r.next(size); err != nil {
			break
		}
		if k.Number > delivered {
			s.holding.queued(&k)
			if err := s.identify(k.Object, &k.Entry); err != nil {
				return nil, err
			}
		}
	}
	g = &segment{path: path, first: first, last: r.number - 1, size: r.at}
	switch {
	case err == nil, until == 0 && errors.Is(err, io.EOF): // what stands behind until nobody was told of
		return g, nil
	case !errors.Is(err, io.EOF) && !errors.Is(err, errBroken):
		return nil, fmt.Errorf("spool: %w", err)
	case until > 0 && errors.Is(err, io.EOF):
		return nil, &Damage{File: path, Offset: r.at, Why: fmt.Sprintf("the messages from number %d to %d are missing behind it", r.number, until-1)}
	case until > 0:
		return nil, &Damage{File: path, Offset: r.at, Why: fmt.Sprintf("message number %d cannot be read", r.number)}
	}
	later, err := r.later(size)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if later {
		return nil, &Damage{File: path, Offset: r.at, Why: fmt.Sprintf("message number %d cannot be read", r.number)}
	}
	s.Repairs = append(s.Repairs, Repair{File: path, Offset: r.at, Bytes: size - r.at})
	return g, cut(path, r.at)
}

// cut shortens a file, on disk.
func cut(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err = f.Truncate(size); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
