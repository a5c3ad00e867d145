// Package inspect says what a file is and, for those it reads, what is in it.
package inspect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"chaperone/format"
	"chaperone/format/evtx"
	"chaperone/page"
	"chaperone/source"
)

// File is what a file is.
type File struct {
	Path   string
	Size   int64 // -1: it is a stream
	Format string
	Advice string // what reads it, "" when nothing here does
	Log    *Log   // of an event log
}

// Formats.
const (
	EventLog = "Windows event log"
	Capture  = "network capture"
	Zipped   = "compressed with gzip"
	Empty    = "empty"
	Unknown  = "format unknown"
)

// Log is what an event log holds.
type Log struct {
	Header            evtx.Header
	Stats             evtx.Stats
	Odd               error // the first damage
	First, Last       time.Time
	FirstID, LastID   uint64
	Computers         map[string]int // events of each; at most maxNames of them
	Kinds             map[Kind]int   // at most maxKinds of them
	MoreNames, Others int            // events for which there was no room in Computers, in Kinds
}

// Kind is what an event is: its id says it only together with the channel.
type Kind struct {
	Channel string
	ID      uint16
}

// Bounds: a log may be made so that each event has a name of its own.
const (
	maxNames = 1000
	maxKinds = 4000
	maxName  = 256
)

// Read says what a file is, by its content. Each event of a log is shown to each, which may be nil. An error is one of
// the source, of each or of the context; what was read until then is given with it.
func Read(ctx context.Context, f File, src io.Reader, each func(*evtx.Record) error) (File, error) {
	b := bufio.NewReaderSize(src, 128<<10)
	head, err := b.Peek(64)
	if err != nil && !errors.Is(err, io.EOF) {
		return f, err
	}
	switch {
	case len(head) == 0:
		f.Format = Empty
	case evtx.Sniff(head):
		f.Format = EventLog
		f.Log, err = readLog(ctx, b, each)
		return f, err
	case source.Sniff(head):
		f.Format, f.Advice = Capture, "chaperone watch "+f.Path+" says whose patient records are in it"
	case strings.HasPrefix(string(head), "\x1F\x8B"): // RFC 1952 section 2.3.1
		f.Format, f.Advice = Zipped, "if it is a network capture, chaperone watch "+f.Path+" reads it"
	default:
		if f.Format = source.Describe(head); f.Format == "" {
			f.Format = Unknown
		}
	}
	return f, nil
}

func readLog(ctx context.Context, src io.Reader, each func(*evtx.Record) error) (*Log, error) {
	l := &Log{Computers: map[string]int{}, Kinds: map[Kind]int{}}
	r := evtx.NewReader(src)
	for {
		rec, err := r.Next()
		l.Header, l.Stats, l.Odd = r.Header(), r.Stats(), r.Odd()
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			l.add(rec)
			if each != nil {
				err = each(rec)
			}
		}
		if err != nil {
			return l, err
		}
	}
}

func (l *Log) add(rec *evtx.Record) {
	if l.First.IsZero() || rec.Time.Before(l.First) {
		l.First = rec.Time
	}
	if rec.Time.After(l.Last) {
		l.Last = rec.Time
	}
	if l.FirstID == 0 || rec.ID < l.FirstID {
		l.FirstID = rec.ID
	}
	l.LastID = max(l.LastID, rec.ID)

	// Keys are copies: the strings of a record keep its whole text.
	if n, ok := l.Computers[rec.Computer]; ok {
		l.Computers[rec.Computer] = n + 1
	} else if len(l.Computers) < maxNames && len(rec.Computer) <= maxName {
		l.Computers[strings.Clone(rec.Computer)] = 1
	} else {
		l.MoreNames++
	}
	kind := Kind{rec.Channel, rec.EventID}
	if n, ok := l.Kinds[kind]; ok {
		l.Kinds[kind] = n + 1
	} else if len(l.Kinds) < maxKinds && len(rec.Channel) <= maxName {
		l.Kinds[Kind{strings.Clone(rec.Channel), rec.EventID}] = 1
	} else {
		l.Others++
	}
}

// Missing says how many record ids between the first and the last are not there.
func (l *Log) Missing() uint64 {
	if span := l.LastID - l.FirstID + 1; l.Stats.Records > 0 && span > uint64(l.Stats.Records) {
		return span - uint64(l.Stats.Records)
	}
	return 0
}

// kinds gives the kinds, the most frequent first.
func (l *Log) kinds() []Kind {
	all := make([]Kind, 0, len(l.Kinds))
	for k := range l.Kinds {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b Kind) int {
		if n := l.Kinds[b] - l.Kinds[a]; n != 0 {
			return n
		}
		if a.ID != b.ID {
			return int(a.ID) - int(b.ID)
		}
		return strings.Compare(a.Channel, b.Channel)
	})
	return all
}

// computers gives the names, the most frequent first.
func (l *Log) computers() []string {
	all := make([]string, 0, len(l.Computers))
	for name := range l.Computers {
		all = append(all, name)
	}
	slices.SortFunc(all, func(a, b string) int {
		if n := l.Computers[b] - l.Computers[a]; n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	return all
}

// Damage says in sentences what cannot be read or cannot be trusted, none for a sound log.
func (l *Log) Damage() []string {
	var all []string
	say := func(text string, args ...any) { all = append(all, fmt.Sprintf(text, args...)) }
	s, h := l.Stats, l.Header
	switch {
	case !h.Present:
		say("The file header is missing: this is a piece of a log.")
	case h.Wrong:
		say("The checksum of the file header is wrong: it was damaged, or changed by something other than Windows.")
	}
	if h.Dirty {
		say("The log was not closed: it was copied from a running machine, or the machine crashed or was switched off. The newest events may be missing, and wrong checksums in the last chunks are to be expected.")
	}
	if s.Damaged > 0 {
		say("%s of %s (64 KiB of the log each) cannot be trusted or are not whole: a wrong checksum, a missing header or part.",
			page.Number(s.Damaged), page.Count(s.Chunks, "chunk"))
	}
	if s.Carved > 0 {
		say("%s carved: no checksum vouches for what is said there, and it may be altered, or remain from an older log.", page.Count(s.Carved, "event was", "events were"))
	}
	if s.Lost > 0 {
		say("At least %s here and cannot be read.", page.Count(s.Lost, "more event was", "more events were"))
	}
	if l.Odd != nil {
		what := strings.TrimPrefix(l.Odd.Error(), "evtx: ")
		say("The first damage: %s.", strings.TrimSuffix(what, ": "+format.ErrMalformed.Error()))
	}
	return all
}
