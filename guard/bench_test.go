package guard

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"

	"chaperone/ledger/disk"
	"chaperone/patient"
	"chaperone/wire"
)

// benchConn is a connection whose messages are decided and recorded, and go nowhere.
func benchConn(b *testing.B) *hl7Conn {
	dir := b.TempDir()
	l, err := disk.Open(b.Context(), disk.Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys"), Reserve: -1})
	if err != nil {
		b.Fatal(err)
	}
	tokens, err := patient.LoadKey(filepath.Join(dir, "keys"))
	if err != nil {
		b.Fatal(err)
	}
	r := &rig{t: &testing.T{}, dir: dir}
	g, err := Start(b.Context(), Options{Site: r.site(fmt.Sprintf(hl7Site, "127.0.0.1:9")), Ledger: l, Tokens: tokens, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = g.Drain(b.Context()) // nothing is connected
		_ = l.Close()
	})
	c := &conn{guard: g, listener: g.listeners["hl7"], from: side{addr: netip.MustParseAddrPort("127.0.0.1:1234")}, ended: make(chan struct{})}
	c.from.party, c.to.party = g.rules.Load().site.Party("lab"), g.rules.Load().site.Party("ehr")
	return &hl7Conn{conn: c, moved: make(chan struct{})}
}

// BenchmarkDecide reads and decides a message of one patient.
func BenchmarkDecide(b *testing.B) {
	h := benchConn(b)
	j := h.guard.judge("hl7", false)
	n := 0
	for b.Loop() {
		n++
		payload := []byte(result("LAB|NORTH", fmt.Sprint(n), fmt.Sprint(n*7919%100_000)))
		if v, _ := h.decide(j, frame{raw: payload, payload: payload}, wire.FromClient, h.guard.now()); !v.Permit {
			b.Fatal(v.Reason)
		}
	}
}

// BenchmarkRelease does that and puts it on record, many at once.
func BenchmarkRelease(b *testing.B) {
	h := benchConn(b)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		j := h.guard.judge("hl7", false)
		for n := 0; pb.Next(); n++ {
			payload := []byte(result("LAB|NORTH", fmt.Sprint(n), fmt.Sprint(n*7919%100_000)))
			v, _ := h.decide(j, frame{raw: payload, payload: payload}, wire.FromClient, h.guard.now())
			if err := h.guard.record(b.Context(), []*draft{v.draft}); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkParse reads a laboratory's result and its acknowledgement, as both directions of a connection do.
func BenchmarkParse(b *testing.B) {
	m := result("LAB|NORTH", "4711", "77001")
	for i := range 11 {
		m += fmt.Sprintf("OBX|%d|NM|%d^ANALYTE %d^L||%d.%d|mmol/l|3.5-5.1|N|||F\r", i+2, 1000+i, i, i, i)
	}
	for name, text := range map[string]string{"result": m, "answer": ack(m)} {
		b.Run(name, func(b *testing.B) {
			payload, last := []byte(text), before{}
			b.ReportAllocs()
			for b.Loop() {
				if parse(payload, &last).err != nil {
					b.Fatal("it cannot be read")
				}
			}
		})
	}
}
