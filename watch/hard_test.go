package watch

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/patient"
	"chaperone/source"
)

// talk makes the segments of one connection between a sender and a receiver.
type talk struct {
	all  []source.Segment
	seq  [2]uint32
	ends [2]netip.AddrPort
}

func newTalk() *talk {
	k := &talk{seq: [2]uint32{1000, 5000}, ends: [2]netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.1:50000"), netip.MustParseAddrPort("192.0.2.2:2575")}}
	k.put(0, source.SYN, "")
	k.seq[0]++
	k.put(1, source.SYN|source.ACK, "")
	k.seq[1]++
	return k
}

// put adds a segment of side i at the current sequence number, which stays.
func (k *talk) put(i int, flags source.Flags, text string) {
	k.all = append(k.all, source.Segment{Src: k.ends[i], Dst: k.ends[1-i], Seq: k.seq[i], Ack: k.seq[1-i], Flags: flags,
		Payload: []byte(text), Mark: chaperone.Mark{Time: epoch.Add(time.Duration(len(k.all)) * time.Millisecond)}})
}

// say sends text from side i.
func (k *talk) say(i int, text string) {
	k.put(i, source.ACK|source.PSH, text)
	k.seq[i] += uint32(len(text))
}

func admission(control, number string) string {
	return "\x0bMSH|^~\\&|REG|C|EHR|C|20250303080000||ADT^A01|" + control + "|P|2.5\rPID|1||" + number + "^^^C^MR||Doe^Jo\r\x1c\r"
}

func acknowledgement(control string) string {
	return "\x0bMSH|^~\\&|EHR|C|REG|C|20250303080000||ACK^A01|" + control + "A|P|2.5\rMSA|AA|" + control + "\r\x1c\r"
}

// TestOverlap: two versions of the same bytes. Whichever the receiver took, its patient is among those reported.
func TestOverlap(t *testing.T) {
	k := newTalk()
	k.put(0, source.ACK, strings.Replace(admission("1", "1001"), "1001", "6666", 1)) // a version the receiver may not see
	k.say(0, admission("1", "1001"))
	k.say(1, acknowledgement("1"))
	k.say(0, admission("2", "2002"))
	k.say(1, acknowledgement("2"))
	all := lines(t, stdin(pcap(k.all)))
	got := all[len(all)-1]
	for field, want := range map[string]float64{"patients": 3, "disclosures": 3, "hl7_messages": 2, "hl7_acks": 2} {
		if got[field] != want {
			t.Errorf("%s: got %v, want %v", field, got[field], want)
		}
	}
	if !slices.ContainsFunc(all, func(m map[string]any) bool { return m["rule"] == "ambiguous-overlap" && m["severity"] == "high" }) {
		t.Error("no finding of an ambiguous overlap")
	}
}

// TestLoss: a capture that lost packets says how much, and never names a patient who is not in the whole one.
func TestLoss(t *testing.T) {
	capture := read(t, "../testdata/clinic.pcapng")
	original := segments(t, bytes.NewReader(capture))
	known := identifiers(t, original, true)
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			var kept []source.Segment
			lost := 0
			for _, s := range original {
				if r.IntN(100) == 0 {
					lost++
					continue
				}
				kept = append(kept, s)
			}
			for token := range identifiers(t, kept, false) {
				if !known[token] {
					t.Fatal("a patient who is not in the whole capture")
				}
			}
			all := lines(t, stdin(pcap(kept)))
			if got := all[len(all)-1]["lost_bytes"].(float64); got == 0 {
				t.Errorf("%d packets are missing, but no bytes are reported lost", lost)
			}
		})
	}
}

// identifiers gives the tokens of everybody a capture discloses; with names also those of their names: where the number
// is lost, the name may be all that is left.
func identifiers(t *testing.T, all []source.Segment, names bool) map[chaperone.PatientToken]bool {
	t.Helper()
	o := stdin(pcap(all))
	o.Tokens, o.Reveal = patient.NewTokenizer(testKey), names
	tokens := map[chaperone.PatientToken]bool{}
	var census *patient.Census
	o.Begin = func(c *patient.Census) { census = c }
	o.Each = func(d exchange.Disclosed) {
		for _, n := range d.Nodes {
			tokens[census.Token(n)] = true
		}
		for _, record := range d.People {
			tokens[o.Tokens.Identify(record).Demographic] = true
		}
	}
	if _, err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	return tokens
}

// TestFilter: what is counted with a filter is what the filter says.
func TestFilter(t *testing.T) {
	capture := read(t, "../testdata/clinic.pcapng")
	all := lines(t, stdin(capture))
	noon := time.Date(2025, 3, 3, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		filter Filter
		keep   func(m map[string]any) bool
	}{
		{"protocol", Filter{Protocol: chaperone.DICOM}, func(m map[string]any) bool { return m["protocol"] == "dicom" }},
		{"since", Filter{Since: noon}, func(m map[string]any) bool { return m["time"].(string) >= "2025-03-03T12" }},
		{"until", Filter{Until: noon}, func(m map[string]any) bool { return m["time"].(string) < "2025-03-03T12" }},
		{"host", Filter{Host: netip.MustParseAddr("192.0.2.20")}, func(m map[string]any) bool {
			from, to := m["from"].(map[string]any), m["to"].(map[string]any)
			return from["addr"] == "192.0.2.20" || to["addr"] == "192.0.2.20"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := 0
			for _, m := range all {
				if m["kind"] == "disclosure" && m["seen"] == true && test.keep(m) {
					want++
				}
			}
			o := stdin(capture)
			o.Filter = test.filter
			got := 0
			for _, m := range lines(t, o) {
				if m["kind"] == "disclosure" && m["seen"] == true {
					got++
				}
			}
			if got != want || want == 0 {
				t.Errorf("got %d disclosures, want %d", got, want)
			}
		})
	}
}
