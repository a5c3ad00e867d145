package investigate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"chaperone"
	"chaperone/detect"
	"chaperone/format/evtx"
)

// Log is what was read of one event log.
type Log struct {
	Path        string
	Computers   []string
	Records     int
	Carved      int
	Lost        int
	Damaged     int // chunks
	First, Last time.Time
}

// readLogs gives every record of every event log to the detectors.
func readLogs(ctx context.Context, files []File, set *detect.Set, m *meter) []Log {
	var all []Log
	for i := range files {
		f := &files[i]
		if f.Kind != EventLog || ctx.Err() != nil {
			continue
		}
		l, err := readLog(ctx, f.Path, set, m)
		f.Items = int64(l.Records)
		switch {
		case err != nil:
			f.Problem = problem(f.Path, err)
		case l.Damaged > 0:
			f.Problem = fmt.Sprintf("damaged: %d of its chunks; %d records were carved out of them, %d are lost", l.Damaged, l.Carved, l.Lost)
		}
		all = append(all, l)
	}
	return all
}

func readLog(ctx context.Context, path string, set *detect.Set, m *meter) (Log, error) {
	l := Log{Path: path}
	file, err := os.Open(path)
	if err != nil {
		return l, err
	}
	defer file.Close()
	r := evtx.NewReader(bufio.NewReaderSize(counted{ctx, file, m}, 128<<10))
	for {
		rec, err := r.Next()
		if err != nil {
			stats := r.Stats()
			l.Records, l.Carved, l.Lost, l.Damaged = stats.Records, stats.Carved, stats.Lost, stats.Damaged
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return l, err
		}
		if l.First.IsZero() || rec.Time.Before(l.First) {
			l.First = rec.Time
		}
		if rec.Time.After(l.Last) {
			l.Last = rec.Time
		}
		if len(l.Computers) < 16 && !slices.Contains(l.Computers, rec.Computer) {
			l.Computers = append(l.Computers, rec.Computer)
		}
		set.Log(rec, chaperone.Evidence{File: path, Record: rec.ID, Offset: rec.Offset})
	}
}
