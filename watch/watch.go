// Package watch is the sensor: captures in, disclosures, systems and findings out. It joins the stations source, wire,
// patient, exchange, inventory and detect, and holds no rules of its own.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"chaperone"
	"chaperone/detect"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/patient"
	"chaperone/source"
	"chaperone/source/stream"
	"chaperone/wire"
)

// Options of a run.
type Options struct {
	Paths    []string // files, folders, "-" for Stdin
	Stdin    io.Reader
	Follow   bool
	Filter   Filter
	Site     inventory.Given // what the operator says of the site
	Reveal   bool
	Tokens   *patient.Tokenizer
	Limits   wire.Limits                            // zero for the defaults
	Progress func(done, total int64)                // called now and then; may be nil
	Each     func(exchange.Disclosed)               // every disclosure as it is made, from one goroutine; may be nil
	Begin    func(census *patient.Census)           // before the first disclosure; may be nil
	Seen     func(*exchange.Connection, wire.Event) // every event of a message that counts, from one goroutine; may be nil
	Ledger   *Recording                             // where disclosures, findings and coverage are recorded; may be nil
	// Logs adds what other evidence says, before findings are judged, and gives the time it covers; may be nil.
	Logs func(*detect.Set) (first, last time.Time)
}

// Filter says which messages count. The zero value takes all.
type Filter struct {
	Since, Until time.Time // of the message's first byte
	Host         netip.Addr
	Protocol     chaperone.Protocol
}

// String says what the filter takes.
func (f Filter) String() string {
	var parts []string
	if !f.Since.IsZero() {
		parts = append(parts, "since "+f.Since.Format(time.DateTime))
	}
	if !f.Until.IsZero() {
		parts = append(parts, "until "+f.Until.Format(time.DateTime))
	}
	if f.Host.IsValid() {
		parts = append(parts, "host "+f.Host.String())
	}
	if f.Protocol != "" {
		parts = append(parts, "protocol "+string(f.Protocol))
	}
	return strings.Join(parts, ", ")
}

// keeps reports whether a message passes.
func (f Filter) keeps(s exchange.Seen) bool {
	return (f.Since.IsZero() || !s.Time.Before(f.Since)) &&
		(f.Until.IsZero() || s.Time.Before(f.Until)) &&
		(!f.Host.IsValid() || s.From == f.Host || s.To == f.Host) &&
		(f.Protocol == "" || s.Protocol == f.Protocol)
}

// Run reads everything and gives the result. With an error the result holds what was read until then; it is nil only
// when nothing could be opened.
func Run(ctx context.Context, o Options) (*Result, error) {
	captures, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer captures.Close()
	if o.Limits == (wire.Limits{}) {
		o.Limits = wire.DefaultLimits
	}
	s := newSensor(o, captures)
	decoder := source.NewDecoder()
	assembler := stream.New(stream.DefaultLimits, s)
	var stopped error
	for n := 0; ; n++ {
		packet, err := captures.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				stopped = err
			}
			break
		}
		s.packet(packet.Mark)
		if segment, ok := decoder.Segment(packet); ok {
			assembler.Segment(&segment)
		}
		if o.Follow { // somebody waits for it, and more may not come soon
			s.books.send()
		}
		if o.Ledger.stopped() {
			break // finish tells why
		}
		if o.Progress != nil && n%4096 == 0 {
			o.Progress(captures.Progress())
		}
	}
	assembler.Flush()
	s.books.close()
	result := s.result(captures, decoder.Stats(), assembler.Stats)
	return result, errors.Join(o.Ledger.finish(result), whole(result, stopped, o.Follow))
}

// open opens the captures. None are needed where other evidence is there.
func open(ctx context.Context, o Options) (*source.Captures, error) {
	if len(o.Paths) == 0 && o.Logs != nil {
		return source.None(ctx), nil
	}
	return source.Open(ctx, o.Paths, source.Options{Follow: o.Follow, Stdin: o.Stdin})
}

// whole says in one line why a result is not all there was to read.
func whole(r *Result, stopped error, follow bool) error {
	if stopped != nil && !(follow && errors.Is(stopped, context.Canceled)) {
		if errors.Is(stopped, context.Canceled) {
			return errors.New("stopped before the end: the report covers what was read until then")
		}
		return stopped
	}
	for _, f := range r.Files {
		if f.Err != nil {
			return f.Err
		}
	}
	if r.Packets == 0 && len(r.Files) > 0 {
		return fmt.Errorf("%s: no packets in it", r.Files[0].Name)
	}
	if r.Packets > 0 && r.Decode.UnknownLink == r.Packets {
		return fmt.Errorf("%s: no packet of a kind of network that this program reads (Ethernet, VLAN, Linux cooked, raw IP, loopback)", r.Files[0].Name)
	}
	return nil
}
