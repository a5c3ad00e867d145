package watch

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"chaperone/internal/clinicsim"
	"chaperone/source"
)

// recut sends the same bytes in other segments: cut anywhere, some joined, some twice, some again with more, and the
// packets of the whole capture out of order by up to window places.
func recut(all []source.Segment, r *rand.Rand, window int, join bool) []source.Segment {
	type placed struct {
		place   float64
		segment source.Segment
	}
	var out []placed
	put := func(i int, s source.Segment) {
		out = append(out, placed{float64(i) + r.Float64()*float64(window), s})
	}
	for i := 0; i < len(all); i++ {
		s := all[i]
		if join && i+1 < len(all) {
			if next := all[i+1]; next.Src == s.Src && next.Dst == s.Dst && next.Seq == s.Seq+uint32(len(s.Payload)) &&
				len(s.Payload) > 0 && len(next.Payload) > 0 && len(s.Payload)+len(next.Payload) < 60000 && s.Flags&source.FIN == 0 {
				s.Payload = append(bytes.Clone(s.Payload), next.Payload...)
				s.Flags |= next.Flags
				s.Ack = next.Ack
				i++
			}
		}
		whole := s
		for len(s.Payload) > 1 && r.IntN(3) > 0 { // cut
			n := 1 + r.IntN(len(s.Payload)-1)
			piece := s
			piece.Payload = s.Payload[:n]
			piece.Flags &^= source.FIN
			put(i, piece)
			s.Payload = s.Payload[n:]
			s.Seq += uint32(n)
		}
		put(i, s)
		if len(whole.Payload) > 0 && r.IntN(20) == 0 { // sent again
			put(i+1, whole)
		}
	}
	slices.SortStableFunc(out, func(a, b placed) int {
		switch {
		case a.place < b.place:
			return -1
		case a.place > b.place:
			return 1
		}
		return 0
	})
	shuffled := make([]source.Segment, len(out))
	for i, p := range out {
		shuffled[i] = p.segment
	}
	return shuffled
}

// TestRecut: a capture that is cut and ordered differently gives the same disclosures, evidence apart.
func TestRecut(t *testing.T) {
	captures := map[string][]byte{"clinic": read(t, "../testdata/clinic.pcapng")}
	for _, name := range []string{"dicom-echo", "dicom-find-one-study", "dicom-store-3assoc", "dicom-store-jpeg", "hl7-mllp-3senders"} {
		captures[name] = read(t, "../testdata/peer/"+name+".pcapng")
	}
	var small bytes.Buffer
	if _, err := clinicsim.Write(&small, clinicsim.Options{Seed: 7, Patients: 40, Hours: 3}); err != nil {
		t.Fatal(err)
	}
	captures["seed 7"] = small.Bytes()
	ways := 200
	for name, capture := range captures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original := segments(t, bytes.NewReader(capture))
			want := disclosures(lines(t, stdin(pcap(original))), "evidence")
			wantJoined := disclosures(lines(t, stdin(pcap(original))), "evidence", "id", "time")
			n := ways
			if testing.Short() || len(original) > 2000 && raceEnabled {
				n = 10
			}
			for i := range n {
				r := rand.New(rand.NewPCG(uint64(i), 2))
				window, join := 1+r.IntN(8), i%2 == 1
				all := lines(t, stdin(pcap(recut(original, r, window, join))))
				got, want, ignored := disclosures(all, "evidence"), want, "evidence"
				if join { // joined segments give later bytes an earlier time
					got, want, ignored = disclosures(all, "evidence", "id", "time"), wantJoined, "evidence, id and time"
				}
				if !slices.Equal(got, want) {
					t.Fatalf("way %d (window %d, joined %t), %s apart: %s", i, window, join, ignored, firstDifference(got, want))
				}
			}
		})
	}
}

func stdin(capture []byte) Options {
	return Options{Paths: []string{"-"}, Stdin: bytes.NewReader(capture)}
}

func firstDifference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%d and %d disclosures; the first difference:\n got %s\nwant %s", len(got), len(want), got[i], want[i])
		}
	}
	return fmt.Sprintf("got %d disclosures, want %d", len(got), len(want))
}
