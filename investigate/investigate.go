// Package investigate reads a folder of evidence, whatever there is, and joins it into one story. It joins the stations
// watch, format, detect and incident, and holds no rules of its own.
package investigate

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"chaperone/detect"
	"chaperone/exchange"
	"chaperone/incident"
	"chaperone/inventory"
	"chaperone/page"
	"chaperone/patient"
	"chaperone/source"
	"chaperone/watch"
)

// Options of a run.
type Options struct {
	Paths    []string // folders and files
	Leave    string   // a folder inside them that is not evidence: where the report goes; may be ""
	Inside   []netip.Prefix
	Names    watch.Names // added to those found in the evidence
	Tokens   *patient.Tokenizer
	Progress func(done, total int64)            // called now and then; may be nil
	Begin    func(watch.Names, *patient.Census) // before the first disclosure; may be nil
	Each     func(exchange.Disclosed)           // every disclosure as it is made; may be nil
	Ledger   *watch.Recording                   // where disclosures, findings and coverage are recorded; may be nil
}

// Report is everything a run has to say.
type Report struct {
	Files    []File // the evidence, in the order of its names
	Watch    *watch.Result
	Logs     []Log
	Story    incident.Story
	Findings []Ranked // what to fix first
	Names    watch.Names
	Clocks   []detect.Clock
	Stopped  bool // before everything was read
	Read     time.Time
	Took     time.Duration
}

// Site is what the evidence says of the operator's own systems.
func (r *Report) Site() *inventory.Site { return r.Watch.Site }

// Check says why nothing could be read, so that nothing is made for what would come of it.
func Check(paths []string, leave string) error {
	_, err := survey(paths, leave)
	return err
}

// Run reads everything. The error is of a folder that cannot be read, or of ctx; then what was read so far is in the
// report, which is nil only when there was nothing to read.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := &Report{Read: time.Now(), Names: watch.Names{}}
	files, err := survey(o.Paths, o.Leave)
	if err != nil {
		return nil, err
	}
	r.Files = files
	for a, name := range namesIn(r.Files) {
		r.Names[a] = name
	}
	for a, name := range o.Names {
		r.Names[a] = name
	}
	meter := newMeter(r.Files, o.Progress)
	hashed := hashAll(ctx, r.Files, meter)

	var captures []string
	for i := range r.Files {
		if r.Files[i].Kind == Capture {
			captures = append(captures, r.Files[i].Path)
		}
	}
	w := watch.Options{
		Paths: captures, Tokens: o.Tokens, Each: o.Each, Site: inventory.Given{Own: o.Inside, Names: r.Names}, Progress: meter.captures, Ledger: o.Ledger,
		Logs: func(set *detect.Set) (first, last time.Time) {
			r.Logs = readLogs(ctx, r.Files, set, meter)
			for _, l := range r.Logs {
				first, last = span(first, last, l)
			}
			return first, last
		},
		Begin: func(census *patient.Census) {
			if o.Begin != nil {
				o.Begin(r.Names, census)
			}
		},
	}
	r.Watch, _ = watch.Run(ctx, w) // what could not be read stands with its file
	if r.Watch == nil {            // no capture could be opened at all; the rest is still worth reading
		w.Paths = nil
		r.blame(ctx)
		if r.Watch, err = watch.Run(ctx, w); r.Watch == nil {
			return nil, err
		}
	}
	r.note()
	claims := readClaims(ctx, r.Files, o.Tokens, r.Watch.Census, meter)
	hashed()
	if r.Stopped = ctx.Err() != nil; r.Stopped {
		for i := range r.Files {
			if f := &r.Files[i]; f.Items == 0 && f.Kind != Other {
				f.Problem = "not read: the run was stopped"
			}
		}
	}
	r.Story = incident.Build(incident.Evidence{
		Site: r.Watch.Site, Findings: slices.Clone(r.Watch.Findings), Trails: r.Watch.Detected.Trails.All(),
		Copies: r.Watch.Detected.Copies(r.Watch.Site), Census: r.Watch.Census, Claims: claims,
		Captured: len(captures) > 0, Logged: r.Watch.Detected.Logged(),
		Ways: r.Watch.Detected.Ways(),
	})
	r.Findings, r.Clocks = rank(r), r.Watch.Detected.Clocks()
	r.Took = time.Since(r.Read)
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	return r, r.nothing(o.Paths)
}

// nothing says that there was no evidence, if so.
func (r *Report) nothing(paths []string) error {
	items := int64(0)
	for _, f := range r.Files {
		items += f.Items
	}
	if items > 0 {
		return nil
	}
	return fmt.Errorf("%s: nothing was read of the %s in it; put captures, Windows event logs, and what is offered for sale there",
		paths[0], page.Count(len(r.Files), "file"))
}

// span widens a time to that of a log.
func span(first, last time.Time, l Log) (time.Time, time.Time) {
	if l.Records == 0 {
		return first, last
	}
	if first.IsZero() || l.First.Before(first) {
		first = l.First
	}
	if l.Last.After(last) {
		last = l.Last
	}
	return first, last
}

// blame notes why captures could not be read.
func (r *Report) blame(ctx context.Context) {
	for i := range r.Files {
		f := &r.Files[i]
		if f.Kind != Capture {
			continue
		}
		c, err := source.Open(ctx, []string{f.Path}, source.Options{})
		if err != nil {
			f.Problem = problem(f.Path, err)
			continue
		}
		_ = c.Close()
	}
}

// note takes over what the sensor says of each capture.
func (r *Report) note() {
	for _, c := range r.Watch.Files {
		for i := range r.Files {
			f := &r.Files[i]
			if f.Path != c.Name {
				continue
			}
			f.Items = c.Packets
			if c.Packets == 0 && c.Err == nil {
				f.Problem = "no packets in it"
			}
			if c.Err != nil && f.Problem == "" {
				f.Problem = problem(f.Path, c.Err)
			}
		}
	}
}
