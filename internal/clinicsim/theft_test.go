package clinicsim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// committedTheft is what testdata/clinic-2016 holds.
var committedTheft = TheftOptions{Seed: 2087, Days: 4, Intruder: true}

// TestCommittedTheft fails when the folder in testdata is not that of its seed.
func TestCommittedTheft(t *testing.T) {
	f, err := Theft(committedTheft)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "testdata", "clinic-2016")
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := f.Write(dir); err != nil {
			t.Fatal(err)
		}
	}
	f.Files["truth.json"] = f.Truth.JSON()
	there, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "logs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(there) + len(logs); n != len(f.Files) {
		t.Errorf("got %d files, want %d", n, len(f.Files))
	}
	for _, name := range f.Names() {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, f.Files[name]) {
			t.Errorf("%s is not what seed %d gives: run go generate ./internal/clinicsim", name, committedTheft.Seed)
		}
	}
}

// played plays a week and keeps its packets.
func played(t *testing.T, o TheftOptions) (*week, Truth, []Packet) {
	t.Helper()
	var list []Packet
	w := newWeek(o, func(p Packet) error {
		list = append(list, p)
		return nil
	})
	truth, err := w.play()
	if err != nil {
		t.Fatal(err)
	}
	return w, truth, list
}

// TestTheft plays many, checks each against itself, and wants every way to do it among them.
func TestTheft(t *testing.T) {
	ways := map[string]int{}
	for seed := range uint64(48) {
		days := []int{5, 5, 3, 5, 4, 5, 5, 8}[seed%8]
		f, err := Theft(TheftOptions{Seed: seed, Days: days, Intruder: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("seed %d, %d days", seed, days), func(t *testing.T) {
			f.Truth.check(t)
			captures := len(f.Files["inside.pcapng"]) + len(f.Files["border.pcapng"])
			if days <= 5 && (captures > 12e6 || f.Size() > 15e6) {
				t.Errorf("got %d bytes of captures, %d in all", captures, f.Size())
			}
			earlier := f.Files["logs/"+f.Truth.EntryName+"-Security-before.evtx"] != nil
			if f.Truth.LogCleared != earlier {
				t.Errorf("the log was cleared: %t; an earlier export is there: %t", f.Truth.LogCleared, earlier)
			}
		})
		f.ways(ways)
	}
	for _, way := range []string{"delimiter ,", "delimiter ;", "delimiter |", "delimiter \t", "entry PRAXIS-TS1", "entry PRAXIS-TS2",
		"console " + scanner.Addr.String(), "console " + magnet.Addr.String(), "outside addresses 2", "outside addresses 3", "compromised 2", "compromised 3",
		"received inside true", "received inside false", "read by the console true", "read by the console false",
		"cleared true", "cleared false", "begins on day 2", "begins on day 3"} {
		if ways[way] == 0 {
			t.Errorf("no %q in %v", way, ways)
		}
	}
}

// ways counts how it was done.
func (f *Folder) ways(count map[string]int) {
	truth := f.Truth
	header, _, _ := strings.Cut(string(f.Files["dump.csv"]), "\n")
	for _, delimiter := range []string{",", ";", "|", "\t"} {
		if strings.Count(header, delimiter) >= 6 {
			count["delimiter "+delimiter]++
		}
	}
	count["entry "+truth.EntryName]++
	count["console "+truth.Console]++
	count[fmt.Sprint("outside addresses ", len(truth.Intruder))]++
	count[fmt.Sprint("compromised ", len(truth.Compromised))]++
	count[fmt.Sprint("received inside ", inside(netip.MustParseAddr(truth.Receiver)))]++
	count[fmt.Sprint("read by the console ", truth.Reader == truth.Console)]++
	count[fmt.Sprint("cleared ", truth.LogCleared)]++
	count[fmt.Sprint("begins on day ", 1+int(truth.StageTimes["scanned"].First.Sub(truth.Begin)/(24*time.Hour)))]++
}

// check compares a theft's numbers with each other.
func (truth TheftTruth) check(t *testing.T) {
	t.Helper()
	if !slices.Equal(truth.Stages, theftStages) {
		t.Errorf("got stages %v", truth.Stages)
	}
	last := truth.Begin.Add(24 * time.Hour)
	end := truth.Begin.AddDate(0, 0, truth.Days)
	for _, stage := range theftStages {
		span := truth.StageTimes[stage]
		if span.First.Before(last) || span.Last.Before(span.First) {
			t.Errorf("%s begins before the stage before it", stage)
		}
		if last = span.First; stage != "offered" && span.Last.After(end) {
			t.Errorf("%s ends after the week", stage)
		}
	}
	if left := truth.StageTimes["left"]; left.Last.Sub(left.First) < 59*time.Minute {
		t.Errorf("it takes %v to leave", left.Last.Sub(left.First))
	}
	if truth.PatientsTaken < 100 || truth.RecordsTaken <= truth.PatientsTaken || truth.OutsideBytes < 1e9 || truth.AccessBytes < 300000 {
		t.Errorf("got %d patients, %d records, %d bytes outside, an Access file of %d", truth.PatientsTaken, truth.RecordsTaken, truth.OutsideBytes, truth.AccessBytes)
	}
	if truth.Proven < 30 || truth.Proven > truth.PatientsTaken || truth.Unmatched < truth.DumpPadding || truth.DumpRows < truth.Proven+truth.Unmatched {
		t.Errorf("got %d proven of %d taken, %d rows, %d of them without a match", truth.Proven, truth.PatientsTaken, truth.DumpRows, truth.Unmatched)
	}
	if truth.Claimed <= int64(truth.PatientsTaken) {
		t.Errorf("got a claim of %d for %d patients", truth.Claimed, truth.PatientsTaken)
	}
	guilty := slices.Concat(truth.Intruder, truth.Compromised, truth.Victims)
	for _, a := range truth.HonestHosts {
		if slices.Contains(guilty, a) {
			t.Errorf("%s is honest and is not", a)
		}
	}
	if len(truth.HonestHosts)+len(guilty) != len(truth.Hosts) {
		t.Errorf("got %d honest and %d other systems of %d", len(truth.HonestHosts), len(guilty), len(truth.Hosts))
	}
}

// TestTheftOptions plays the shortest and a long week.
func TestTheftOptions(t *testing.T) {
	for _, o := range []TheftOptions{{Days: 1}, {Days: 2}, {Days: 12}, {Days: 1, Intruder: true}, {Days: 12, Intruder: true, Patients: 1200}, {Patients: 1}} {
		f, err := Theft(o)
		if err != nil {
			t.Fatal(err)
		}
		if want := max(o.Days, 3); o.Intruder && f.Truth.Days != want || o.Intruder != (len(f.Truth.Stages) > 0) {
			t.Errorf("%+v: got %d days and %v", o, f.Truth.Days, f.Truth.Stages)
		}
	}
}

// TestHonestWeek finds nothing of a theft where there is none.
func TestHonestWeek(t *testing.T) {
	for seed := range uint64(10) {
		f, err := Theft(TheftOptions{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		truth := f.Truth
		if len(truth.Stages)+len(truth.Intruder)+len(truth.Compromised)+len(truth.Victims)+truth.PatientsTaken+truth.DumpRows != 0 {
			t.Errorf("seed %d: got %+v", seed, truth)
		}
		if len(truth.HonestHosts) != len(truth.Hosts) || f.Files["post.txt"] != nil || f.Files["dump.csv"] != nil {
			t.Errorf("seed %d: somebody is not honest", seed)
		}
	}
}

// TestStreams puts all connections together and reads what they carry in the plainest way.
func TestStreams(t *testing.T) {
	for seed := range uint64(8) {
		_, truth, packets := played(t, TheftOptions{Seed: seed, Intruder: seed%3 != 0})
		packets = slices.DeleteFunc(packets, func(p Packet) bool { // some of them carry bulk, of which only the heads are there
			return outbound(p.Frame) && p.Frame[23] == protocolTCP && slices.Contains([]uint16{
				binary.BigEndian.Uint16(p.Frame[34:]), binary.BigEndian.Uint16(p.Frame[36:])}, portHTTPS)
		})
		var n tallied
		streams := reassemble(t, packets)
		for _, s := range streams {
			for d, b := range s.bytes {
				switch s.port {
				case portHL7:
					n.readMLLP(t, b)
				case portOrders:
					n.readMLLP(t, b)
				case portDICOM, portDICOMUp:
					n.readDICOM(t, b)
				case portShares:
					readShares(t, b)
				case portDesktop:
					readDesktop(t, Dir(d), b)
				}
			}
		}
		if n.messages != truth.HL7Messages || n.acks != truth.HL7Acks || n.associations != truth.DICOMAssociations || n.objects != truth.DICOMObjects {
			t.Errorf("seed %d: got %+v, want %+v", seed, n, truth)
		}
	}
}

// readShares checks the lengths of all messages in one direction of an SMB2 connection.
func readShares(t *testing.T, b []byte) {
	t.Helper()
	for len(b) > 0 {
		n := int(binary.BigEndian.Uint32(b))
		if n > len(b)-4 || n < 66 || !bytes.Equal(b[4:10], []byte{0xFE, 'S', 'M', 'B', 64, 0}) {
			t.Fatalf("%d bytes begin with no message", len(b))
		}
		b = b[4+n:]
	}
}

// readDesktop checks one direction of a remote desktop connection: a negotiation, then nothing but TLS records.
func readDesktop(t *testing.T, d Dir, b []byte) {
	t.Helper()
	if len(b) == 0 {
		return // somebody only knocked
	}
	if want := []byte{0xE0, 0xD0}[d]; b[0] != 3 || int(b[3]) != int(b[4])+5 || b[5] != want {
		t.Fatalf("got no negotiation but %x", b[:6])
	}
	for b = b[b[3]:]; len(b) > 0; {
		n := 5 + int(binary.BigEndian.Uint16(b[3:]))
		if b[0] < 20 || b[0] > 23 || b[1] != 3 || n > len(b) {
			t.Fatalf("%d bytes begin with no record", len(b))
		}
		b = b[n:]
	}
}
