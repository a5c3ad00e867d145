package clinicsim

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestCommitted fails when the files in testdata are not those of seed 1.
func TestCommitted(t *testing.T) {
	var capture bytes.Buffer
	truth, err := Write(&capture, Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"clinic.pcapng": capture.Bytes(), "clinic.truth.json": truth.JSON(), "hosts.csv": HostsCSV()} {
		path := filepath.Join("..", "..", "testdata", name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what seed 1 gives: run go run ./internal/clinicsim/gen", name)
		}
	}
}

func TestGenerateIsWrite(t *testing.T) {
	o := Options{Seed: 7, Patients: 60, Hours: 3}
	c := Generate(o)
	var kept, streamed bytes.Buffer
	n, err := c.WriteTo(&kept)
	if err != nil || n != int64(kept.Len()) {
		t.Fatalf("got %d bytes and %v, want %d", n, err, kept.Len())
	}
	truth, err := Write(&streamed, o)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept.Bytes(), streamed.Bytes()) {
		t.Error("got other bytes when streaming")
	}
	if !bytes.Equal(c.Truth.JSON(), truth.JSON()) {
		t.Error("got another truth when streaming")
	}
	if len(c.Truth.Disclosed) != truth.Disclosures || len(truth.Disclosed) != 0 {
		t.Errorf("got %d disclosures kept, want %d", len(c.Truth.Disclosed), truth.Disclosures)
	}
}

func TestWriteError(t *testing.T) {
	if _, err := Write(full{}, Options{Seed: 1}); err == nil {
		t.Error("got no error from a full disk")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// TestTruth reads the bytes in the plainest way and compares the counts.
func TestTruth(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := Generate(Options{Seed: seed, Patients: 16 + int(seed)*5, Hours: 1 + float64(seed), Images: 3000})
			var n tallied
			streams := reassemble(t, c.Packets())
			for _, s := range streams {
				for _, b := range s.bytes {
					switch s.port {
					case portHL7, portOrders:
						n.readMLLP(t, b)
					case portDICOM, portDICOMUp:
						n.readDICOM(t, b)
					}
				}
			}
			records := n.pids + n.objects + n.aborted + n.matches
			for _, d := range c.Truth.Disclosed {
				if d.Unseen {
					records += len(d.Records) + d.Extra
				}
			}
			size := int64(0)
			for _, p := range c.Packets() {
				size += int64(len(p.Frame))
			}
			truth := c.Truth
			for _, v := range []struct {
				name      string
				got, want int
			}{
				{"packets", int(truth.Packets), len(c.Packets())},
				{"bytes", int(truth.Bytes), int(size)},
				{"flows", truth.Flows, len(streams)},
				{"messages", truth.HL7Messages, n.messages},
				{"acks", truth.HL7Acks, n.acks},
				{"associations", truth.DICOMAssociations, n.associations},
				{"objects", truth.DICOMObjects, n.objects},
				{"records", truth.Records, records},
			} {
				if v.got != v.want {
					t.Errorf("%s: got %d, want %d", v.name, v.got, v.want)
				}
			}
			if n.aborted != 1 || n.rejected == 0 {
				t.Errorf("got %d aborted stores and %d rejected associations", n.aborted, n.rejected)
			}
			truth.checkSums(t)
		})
	}
}

// checkSums compares the counts with each other.
func (truth Truth) checkSums(t *testing.T) {
	t.Helper()
	var disclosures, recordsOf, unidentified int
	for _, e := range truth.Edges {
		disclosures, recordsOf, unidentified = disclosures+e.Disclosures, recordsOf+e.Records, unidentified+e.Unidentified
		if e.Patients > e.PatientsUnmerged || e.PatientsUnmerged > truth.PatientsUnmerged {
			t.Errorf("an edge has %d patients, %d before merges", e.Patients, e.PatientsUnmerged)
		}
	}
	if disclosures != truth.Disclosures || recordsOf != truth.Records || unidentified != truth.Unidentified {
		t.Errorf("edges: got %d, %d, %d, want %d, %d, %d", disclosures, recordsOf, unidentified, truth.Disclosures, truth.Records, truth.Unidentified)
	}
	if !(truth.PatientsMin < truth.Patients && truth.Patients < truth.PatientsUnmerged && truth.PatientsUnmerged < truth.PatientsMax) {
		t.Errorf("got patients %d < %d < %d < %d", truth.PatientsMin, truth.Patients, truth.PatientsUnmerged, truth.PatientsMax)
	}
	if truth.PatientsWeak == 0 || truth.Unidentified == 0 {
		t.Error("nobody is weak or unidentified")
	}
}

// TestVariety looks for everything that a day may have, in a few days.
func TestVariety(t *testing.T) {
	actions := map[string]int{}
	outcome := map[string]int{}
	var text strings.Builder
	unseen, undone := 0, 0
	for seed := range uint64(12) {
		c := Generate(Options{Seed: seed, Patients: 100, Images: 512})
		for _, d := range c.Truth.Disclosed {
			actions[d.Action]++
			outcome[d.Outcome]++
			if d.Unseen {
				unseen++
			}
			for _, m := range d.Merges {
				if m.Undo {
					undone++
				}
			}
		}
		for _, s := range reassemble(t, c.Packets()) {
			text.Write(s.bytes[0])
			text.Write(s.bytes[1])
		}
	}
	for _, a := range []string{"ADT^A01", "ADT^A04", "ADT^A08", "ADT^A03", "ADT^A31", "ADT^A40", "ADT^A18", "ADT^A34", "ADT^A47", "ADT^A24", "ADT^A37",
		"ORU^R01", "ORM^O01", "RSP^K22", "ADR^A19", "C-STORE", "C-FIND", "C-MOVE"} {
		if actions[a] == 0 {
			t.Errorf("no %s", a)
		}
	}
	for _, o := range []string{"delivered", "refused", "partial", "unknown"} {
		if outcome[o] == 0 {
			t.Errorf("nothing is %s", o)
		}
	}
	if unseen == 0 || undone == 0 {
		t.Errorf("got %d unseen deliveries and %d un-merges", unseen, undone)
	}
	for _, piece := range []string{"|8859/1\r", "|UNICODE UTF-8\r", `\T\`, `\X31\`, "MSA|AE|", "MSA|AR|", "MSA|CA|", "FHS|", "QAK|", "PID|2|", "~", "^^^STATE&" + stateOID + "&ISO^PI",
		"^^^&" + otherOID + "&ISO^MR", `||""||`, "NK1|", "GT1|", "IN1|", "|NF|", "LAPTOP7", "TELERAD", "ISO_IR 192", "ISO_IR 100"} {
		if !strings.Contains(text.String(), piece) {
			t.Errorf("no %q", piece)
		}
	}
}

// TestSamples checks the conversations that decoder tests feed.
func TestSamples(t *testing.T) {
	for seed := range uint64(8) {
		var n tallied
		s := MLLPSample(seed)
		n.readMLLP(t, s.Bytes(FromClient))
		n.readMLLP(t, s.Bytes(FromServer))
		if n.messages != s.Messages || n.acks != s.Acks || n.pids != count(s) {
			t.Errorf("MLLP: got %d messages, %d acks, %d records, want %+v", s.Messages, s.Acks, count(s), n)
		}
		n = tallied{}
		s = DICOMSample(seed, 6000)
		n.readDICOM(t, s.Bytes(FromClient))
		n.readDICOM(t, s.Bytes(FromServer))
		if n.objects != s.Objects || n.objects+n.matches != count(s) || n.cancelled != 1 {
			t.Errorf("DICOM: got %d objects, %d records, want %+v", s.Objects, count(s), n)
		}
		if !slices.EqualFunc(s.Chunks, DICOMSample(seed, 6000).Chunks, func(a, b Chunk) bool { return a.Dir == b.Dir && bytes.Equal(a.Bytes, b.Bytes) }) {
			t.Error("the same seed gives other bytes")
		}
	}
}

func TestConversationPackets(t *testing.T) {
	for seed := range uint64(20) {
		s := DICOMSample(seed, 50000)
		got := reassemble(t, s.Packets(seed, 104))
		if len(got) != 1 || !bytes.Equal(got[0].bytes[0], s.Bytes(FromClient)) || !bytes.Equal(got[0].bytes[1], s.Bytes(FromServer)) {
			t.Errorf("seed %d: got other bytes from the packets", seed)
		}
	}
}

func TestSinglePieces(t *testing.T) {
	o, rec := Image(3, 4000, ExplicitLE)
	if len(o.DataSet) == 0 || len(rec.Numbers) != 1 || rec.Study == "" {
		t.Errorf("got an image with %d elements and %d numbers", len(o.DataSet), len(rec.Numbers))
	}
	pid, rec := PID(3)
	if !strings.HasPrefix(pid, "PID|1|") || len(rec.Numbers) != 2 || widest(pid) != "" {
		t.Errorf("got a PID with %d numbers", len(rec.Numbers))
	}
}

func count(s *Sample) int {
	n := 0
	for _, list := range s.Disclosures {
		n += len(list)
	}
	return n
}

func BenchmarkWrite(b *testing.B) {
	for b.Loop() {
		truth, err := Write(io.Discard, Options{Seed: 1, Images: 1 << 18})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(truth.Bytes)
	}
}
