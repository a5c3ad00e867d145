package disk

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// BenchmarkLoad records batches of 5,000 disclosures of 9 patients each; the figure is pairs in a second.
func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	l, err := Open(b.Context(), Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys")})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	random := rand.New(rand.NewPCG(1, 2))
	const patients, disclosures, each = 1_000_000, 5_000, 9
	batch := func(n int) ledger.Batch {
		var out ledger.Batch
		for i := range disclosures {
			d := ledger.Disclosure{Disclosure: chaperone.Disclosure{
				Time: noon.Add(time.Duration(n*disclosures+i) * 50 * time.Millisecond), Protocol: chaperone.DICOM, Action: "C-FIND",
				From:    chaperone.Party{Addr: netip.AddrFrom4([4]byte{10, 1, 0, byte(i % 20)}), Port: 104, Claimed: "PACS"},
				To:      chaperone.Party{Addr: netip.AddrFrom4([4]byte{10, 2, byte(i % 2), byte(i % 250)}), Port: uint16(random.Uint32()), Claimed: "VIEWER"},
				Records: each, Bytes: 4000, Protection: chaperone.InClear, Outcome: chaperone.Delivered,
				Evidence: chaperone.Evidence{File: "day.pcap", Packet: int64(n*disclosures + i), Offset: int64(i)},
			}}
			binary.BigEndian.PutUint64(d.ID[:], random.Uint64())
			binary.BigEndian.PutUint64(d.ID[8:], random.Uint64())
			for range each {
				var t chaperone.PatientToken
				binary.BigEndian.PutUint64(t[:], uint64(1+random.IntN(patients))*0x9E3779B97F4A7C15)
				d.Covered = append(d.Covered, ledger.Covered{Numbers: []chaperone.PatientToken{t}})
			}
			out.Disclosures = append(out.Disclosures, d)
		}
		return out
	}
	b.ResetTimer()
	for n := range b.N {
		b.StopTimer()
		one := batch(n)
		b.StartTimer()
		if _, err := l.Record(b.Context(), one); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*disclosures*each/b.Elapsed().Seconds(), "pairs/s")
}

// BenchmarkCommit records five disclosures at a time, alone.
func BenchmarkCommit(b *testing.B) {
	dir := b.TempDir()
	l, err := Open(b.Context(), Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys")})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	n := 0
	for b.Loop() {
		one := someBatch(n, 5)
		for i := range one.Disclosures {
			binary.BigEndian.PutUint64(one.Disclosures[i].ID[:], uint64(n+i+1))
			one.Disclosures[i].Time = noon
		}
		n += 5
		if _, err := l.Record(b.Context(), one); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHistory asks for one patient's 2,336 disclosures of 30 days among 300,000.
func BenchmarkHistory(b *testing.B) {
	l, err := Open(b.Context(), Options{Dir: filepath.Join(b.TempDir(), "ledger"), Keys: filepath.Join(b.TempDir(), "keys")})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	random := rand.New(rand.NewPCG(3, 4))
	const total, often = 300_000, 2_336
	for n := 0; n < total; {
		var one ledger.Batch
		for range 5_000 {
			d := ledger.Disclosure{Disclosure: chaperone.Disclosure{
				Time: noon.Add(time.Duration(n) * 30 * 24 * time.Hour / total), Protocol: chaperone.DICOM, Action: "C-FIND",
				From:    chaperone.Party{Addr: netip.AddrFrom4([4]byte{10, 1, 0, byte(n % 20)}), Port: 104, Claimed: "PACS"},
				To:      chaperone.Party{Addr: netip.AddrFrom4([4]byte{10, 2, byte(n % 2), byte(n % 250)}), Port: uint16(random.Uint32()), Claimed: "VIEWER"},
				Records: 9, Bytes: 4000, Protection: chaperone.InClear, Outcome: chaperone.Delivered,
			}}
			binary.BigEndian.PutUint64(d.ID[:], uint64(n+1))
			for range 8 {
				d.Covered = append(d.Covered, ledger.Covered{Numbers: []chaperone.PatientToken{{byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()) % 8, 2}}})
			}
			if n%(total/often) == 0 {
				d.Covered = append(d.Covered, ledger.Covered{Numbers: []chaperone.PatientToken{{1}}})
			}
			one.Disclosures = append(one.Disclosures, d)
			n++
		}
		if _, err := l.Record(b.Context(), one); err != nil {
			b.Fatal(err)
		}
	}
	q := ledger.Query{Patient: &ledger.Who{Tokens: []chaperone.PatientToken{{1}}}}
	for b.Loop() {
		rows := 0
		if err := l.Disclosures(b.Context(), q, func(ledger.Row) error { rows++; return nil }); err != nil || rows < often {
			b.Fatal(rows, err)
		}
	}
}
