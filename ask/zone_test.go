package ask

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/mem"
)

// nameless is how Go reads the time zone of a machine in Berlin that has no $TZ: with its rules, and called Local (RFC 9636).
func nameless(t *testing.T) *time.Location {
	t.Helper()
	block := append([]byte("TZif2"), make([]byte, 15+4*4)...)
	for _, n := range []uint32{1, 4, 3600} { // one type of local time, four bytes of names, the seconds that it is ahead
		block = binary.BigEndian.AppendUint32(block, n)
	}
	block = append(block, "\x00\x00CET\x00"...)
	zone, err := time.LoadLocationFromTZData("Local", append(append(block, block...), "\nCET-1CEST,M3.5.0,M10.5.0/3\n"...))
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestZoneName: nobody reads "Local" in an answer that may lie on another desk tomorrow.
func TestZoneName(t *testing.T) {
	berlin := nameless(t)
	winter, summer := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name        string
		zone        *time.Location
		from, until time.Time
		want        string
	}{
		{"none is UTC", nil, winter, time.Time{}, "from 2026-01-01 00:00:00 on (UTC)"},
		{"one with a name", time.FixedZone("CET", 3600), winter, time.Time{}, "from 2026-01-01 01:00:00 on (CET)"},
		{"one without", berlin, winter, time.Time{}, "from 2026-01-01 01:00:00 on (UTC+01:00)"},
		{"in summer", berlin, time.Time{}, summer, "before 2026-07-01 02:00:00 (UTC+02:00)"},
		{"from winter to summer", berlin, winter, summer, "from 2026-01-01 01:00:00 until 2026-07-01 02:00:00 (UTC+01:00, then UTC+02:00)"},
		{"on UTC", time.FixedZone("Local", 0), winter, summer, "from 2026-01-01 00:00:00 until 2026-07-01 00:00:00 (UTC)"},
		{"west of it", time.FixedZone("Local", -(3*60+30)*60), winter, time.Time{}, "from 2025-12-31 20:30:00 on (UTC-03:30)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := (Style{Zone: test.zone}).period(test.from, test.until); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestZoneOfTable: where the clock was put forward between two lines, the table says so.
func TestZoneOfTable(t *testing.T) {
	s := mem.New()
	var b ledger.Batch
	for i, month := range []time.Month{1, 2, 7} {
		b.Disclosures = append(b.Disclosures, ledger.Disclosure{Disclosure: chaperone.Disclosure{
			ID: [16]byte{byte(i + 1)}, Time: time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC), Protocol: chaperone.HL7, Action: "ADT^A08", Outcome: chaperone.Delivered,
		}})
	}
	if _, err := s.Record(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := Disclosures(t.Context(), &out, s, ledger.Query{}, Table, Style{Zone: nameless(t)}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(out.String(), "\n") {
		if len(line) > 19 {
			got = append(got, strings.TrimSpace(line[:19]))
		}
	}
	want := "time (UTC+01:00)|2026-01-01 01:00:00|2026-02-01 01:00:00|time (UTC+02:00)|2026-07-01 02:00:00"
	if text := strings.Join(got, "|"); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	scope, err := s.Scope(t.Context(), ledger.Query{})
	if err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := Scope(&out, ledger.Query{}, scope, Style{Zone: nameless(t)}); err != nil || !strings.Contains(strings.Join(strings.Fields(out.String()), " "), "(UTC+01:00, then UTC+02:00)") {
		t.Errorf("%v: got\n%s", err, &out)
	}
}
