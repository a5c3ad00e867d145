package ask

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/page"
)

// Format is how a list of disclosures is written.
type Format uint8

// Formats of lists.
const (
	Table Format = iota // for people
	CSV                 // RFC 4180, safe to open in a spreadsheet
	JSON                // JSON Lines
)

// Disclosures writes the disclosures that a query means, one after the other as the ledger gives them, and says how many.
// Errors are of the ledger or of out.
func Disclosures(ctx context.Context, out io.Writer, s ledger.Store, q ledger.Query, format Format, style Style) (n int, err error) {
	buffered := bufio.NewWriterSize(out, 1<<16)
	each, end := style.table(buffered)
	switch format {
	case CSV:
		each, end = style.csv(buffered)
	case JSON:
		each, end = func(r ledger.Row) error { return page.JSONLine(buffered, style.disclosure(r)) }, func() error { return nil }
	}
	err = s.Disclosures(ctx, q, func(r ledger.Row) error {
		n++
		return each(r)
	})
	if err != nil {
		_ = buffered.Flush() // what was found before the error is worth having
		return n, err
	}
	if err := end(); err != nil {
		return n, err
	}
	return n, buffered.Flush()
}

// table gives the functions that write a row, and the end. The heading comes again where the clock was put forward or back.
func (s Style) table(out io.Writer) (each func(ledger.Row) error, end func() error) {
	p := report{Style: s, Writer: page.Writer{Out: out}}
	n, heading := 0, ""
	each = func(r ledger.Row) error {
		n++
		if zone := s.zoneName(r.Time); zone != heading {
			heading = zone
			p.Line("%s %s %s %s %8s %7s", page.Cell("time ("+page.Clean(zone, 12)+")", 19), page.Cell("from", 21), page.Cell("to", 21), page.Cell("what", 16), "patients", "records")
		}
		what := page.Clean(strings.ToUpper(string(r.Protocol))+" "+r.Action, 16)
		p.Line("%s %s %s %s %8s %7s", s.moment(r.Time), page.Cell(s.party(r.From, 21), 21), page.Cell(s.party(r.To, 21), 21), page.Cell(what, 16),
			persons(r.Persons, int64(r.Unidentified)), page.Number(r.Records))
		return p.Err
	}
	return each, func() error {
		p.Line("%s", page.Count(n, "disclosure"))
		return p.Err
	}
}

var csvHeading = []string{
	"time", "id", "protocol", "action", "from_addr", "from_port", "from_claimed", "from_proven", "from_name", "to_addr", "to_port", "to_claimed", "to_proven", "to_name",
	"requested_by_addr", "requested_by_port", "requested_by_claimed", "requested_by_proven", "requested_by_name", "patients", "patients_weak", "unidentified", "records", "bytes",
	"protection", "outcome", "seen", "evidence_file", "evidence_packet", "evidence_record", "evidence_offset", "seq", "batch", "patient_ids",
}

// csv gives the functions that write a row, and the end.
func (s Style) csv(out io.Writer) (each func(ledger.Row) error, end func() error) {
	w := csv.NewWriter(out)
	head := w.Write(csvHeading)
	var fields []string
	each = func(r ledger.Row) error {
		if head != nil {
			return head
		}
		e := r.Evidence
		fields = append(fields[:0], r.Time.UTC().Format(time.RFC3339Nano), hex.EncodeToString(r.ID[:]), cell(string(r.Protocol)), cell(r.Action))
		fields = s.cells(fields, &r.From)
		fields = s.cells(fields, &r.To)
		fields = s.cells(fields, r.RequestedBy)
		fields = append(fields, strconv.Itoa(r.Persons), strconv.Itoa(r.Weak), strconv.Itoa(r.Unidentified), strconv.Itoa(r.Records), strconv.FormatInt(r.Bytes, 10),
			string(r.Protection), string(r.Outcome), strconv.FormatBool(!r.Unseen), cell(e.File), strconv.FormatInt(e.Packet, 10), strconv.FormatUint(e.Record, 10),
			strconv.FormatInt(e.Offset, 10), strconv.FormatUint(r.Seq, 10), strconv.FormatUint(r.Batch, 10))
		people := make([]string, len(r.People))
		for i, id := range r.People {
			people[i] = id.String()
		}
		return w.Write(append(fields, strings.Join(people, " ")))
	}
	return each, func() error {
		w.Flush()
		if err := w.Error(); err != nil {
			return fmt.Errorf("ask: csv: %w", err)
		}
		return nil
	}
}

// cells gives the five columns of a party.
func (s Style) cells(fields []string, p *chaperone.Party) []string {
	if p == nil {
		return append(fields, "", "", "", "", "")
	}
	j := s.json(*p)
	port := ""
	if p.Port != 0 {
		port = strconv.Itoa(int(p.Port))
	}
	return append(fields, j.Addr, port, cell(j.Claimed), cell(j.Proven), cell(j.Name))
}

// formulas are what a spreadsheet takes for the beginning of a formula, in both widths.
const formulas = "=+-@＝＋－＠"

// cell makes text from outside safe in a spreadsheet. What begins like a formula gets an apostrophe before it, also behind
// characters that some spreadsheets take for the end of a cell, and behind blanks, which some leave out.
func cell(s string) string {
	s = strings.ReplaceAll(page.Printable(s), "\n", "?")
	var b strings.Builder
	begins := true
	for _, r := range s {
		if begins && strings.ContainsRune(formulas, r) {
			b.WriteByte('\'')
		}
		begins = strings.ContainsRune(",;|\"'", r) || begins && r == ' '
		b.WriteRune(r)
	}
	return b.String()
}
