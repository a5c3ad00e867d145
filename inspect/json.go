package inspect

import (
	"bufio"
	"io"
	"time"

	"chaperone/format/evtx"
	"chaperone/page"
)

// JSON writes JSON Lines: event, when events are asked for, file after its events, and summary last. Times are UTC.
type JSON struct {
	out *bufio.Writer
	err error
	sum summaryLine
}

// NewJSON writes to out.
func NewJSON(out io.Writer) *JSON {
	return &JSON{out: bufio.NewWriter(out), sum: summaryLine{Kind: "summary"}}
}

type eventLine struct {
	Kind     string         `json:"kind"`
	File     string         `json:"file"`
	Time     time.Time      `json:"time"`
	Record   uint64         `json:"record"`
	ID       uint16         `json:"id"`
	Meaning  string         `json:"meaning,omitempty"`
	Level    uint8          `json:"level"`
	Provider string         `json:"provider"`
	Channel  string         `json:"channel"`
	Computer string         `json:"computer"`
	User     string         `json:"user,omitempty"`
	Carved   bool           `json:"carved,omitempty"`
	Data     map[string]any `json:"data"` // text, or a list of texts when a name comes more than once
}

type fileLine struct {
	Kind      string     `json:"kind"`
	File      string     `json:"file"`
	Format    string     `json:"format"`
	Bytes     int64      `json:"bytes,omitempty"`
	Advice    string     `json:"advice,omitempty"`
	Version   string     `json:"version,omitempty"`
	Dirty     bool       `json:"dirty,omitempty"`
	First     *time.Time `json:"first,omitempty"`
	Last      *time.Time `json:"last,omitempty"`
	Records   int        `json:"records"`
	FirstID   uint64     `json:"first_record,omitempty"`
	LastID    uint64     `json:"last_record,omitempty"`
	Missing   uint64     `json:"missing_ids,omitempty"`
	Computers []string   `json:"computers,omitempty"`
	Events    []kindLine `json:"events,omitempty"`
	Others    int        `json:"other_events,omitempty"`
	Chunks    int        `json:"chunks,omitempty"`
	Damaged   int        `json:"damaged_chunks,omitempty"`
	Carved    int        `json:"carved,omitempty"`
	Lost      int        `json:"lost,omitempty"`
	Damage    []string   `json:"damage,omitempty"`
}

type kindLine struct {
	Channel string `json:"channel"`
	ID      uint16 `json:"id"`
	Count   int    `json:"count"`
	Meaning string `json:"meaning,omitempty"`
}

type summaryLine struct {
	Kind    string `json:"kind"`
	Files   int    `json:"files"`
	Logs    int    `json:"logs"`
	Records int    `json:"records"`
	Damaged int    `json:"damaged_chunks"`
	Carved  int    `json:"carved"`
	Lost    int    `json:"lost"`
	Unknown int    `json:"unknown"`
}

func (j *JSON) line(v any) {
	if j.err == nil {
		j.err = page.JSONLine(j.out, v)
	}
}

// Event writes an event.
func (j *JSON) Event(path string, e *evtx.Record) error {
	data := make(map[string]any, len(e.Data))
	for _, f := range e.Data {
		switch before := data[f.Name].(type) {
		case nil:
			data[f.Name] = f.Value
		case string:
			data[f.Name] = []string{before, f.Value}
		case []string:
			data[f.Name] = append(before, f.Value)
		}
	}
	j.line(eventLine{"event", path, e.Time.UTC(), e.ID, e.EventID, Kind{e.Channel, e.EventID}.Meaning(), e.Level,
		e.Provider, e.Channel, e.Computer, e.User, e.Carved, data})
	return j.err
}

// File writes what a file is.
func (j *JSON) File(f File) {
	line := fileLine{Kind: "file", File: f.Path, Format: f.Format, Bytes: max(f.Size, 0), Advice: f.Advice}
	j.sum.Files++
	if f.Format == Unknown {
		j.sum.Unknown++
	}
	if l := f.Log; l != nil {
		line.fill(l)
		j.sum.Logs++
		j.sum.Records += l.Stats.Records
		j.sum.Damaged += l.Stats.Damaged
		j.sum.Carved += l.Stats.Carved
		j.sum.Lost += l.Stats.Lost
	}
	j.line(line)
}

func (line *fileLine) fill(l *Log) {
	if h := l.Header; h.Present {
		line.Version, line.Dirty = version(h), h.Dirty
	}
	if l.Stats.Records > 0 {
		first, last := l.First.UTC(), l.Last.UTC()
		line.First, line.Last = &first, &last
		line.FirstID, line.LastID, line.Missing = l.FirstID, l.LastID, l.Missing()
	}
	line.Records, line.Chunks, line.Damaged = l.Stats.Records, l.Stats.Chunks, l.Stats.Damaged
	line.Carved, line.Lost, line.Damage = l.Stats.Carved, l.Stats.Lost, l.Damage()
	line.Computers, line.Others = l.computers(), l.Others
	for _, k := range l.kinds() {
		line.Events = append(line.Events, kindLine{k.Channel, k.ID, l.Kinds[k], k.Meaning()})
	}
}

// Close writes the summary.
func (j *JSON) Close() error {
	j.line(j.sum)
	if err := j.out.Flush(); j.err == nil {
		j.err = err
	}
	return j.err
}
