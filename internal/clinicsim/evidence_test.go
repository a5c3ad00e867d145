package clinicsim

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// talk is what one TCP connection amounts to, counted from headers alone.
type talk struct {
	client, server netip.Addr
	port           uint16
	first, last    time.Time
	bytes          [2]int64
	answered       bool
}

// talks counts the connections of a capture; a client port that is used again while its connection lives is an error.
func talks(t *testing.T, packets []Packet) []*talk {
	t.Helper()
	open := map[string]*talk{}
	var list []*talk
	for _, p := range packets {
		b := p.Frame
		if b[23] != protocolTCP {
			continue
		}
		from, to := netip.AddrFrom4([4]byte(b[26:30])), netip.AddrFrom4([4]byte(b[30:34]))
		source, target := binary.BigEndian.Uint16(b[34:]), binary.BigEndian.Uint16(b[36:])
		size := int64(binary.BigEndian.Uint16(b[16:])) - 20 - int64(b[46]>>4)*4
		flags := b[47]
		key := fmt.Sprint(from, source, to, target)
		if flags&(flagSYN|flagACK) == flagSYN {
			if old := open[key]; old != nil && (old.answered || p.Time.Sub(old.last) > time.Second) {
				t.Fatalf("port %d of %s is used twice", source, from)
			} else if old != nil {
				continue // asked once more
			}
			open[key] = &talk{client: from, server: to, port: target, first: p.Time, last: p.Time}
			list = append(list, open[key])
			continue
		}
		d := FromClient
		c := open[key]
		if c == nil {
			d, c = FromServer, open[fmt.Sprint(to, target, from, source)]
		}
		if c == nil {
			t.Fatal("a packet of no connection")
		}
		c.answered = c.answered || flags&(flagSYN|flagACK) == flagSYN|flagACK
		c.last = p.Time
		c.bytes[d] += size
	}
	return list
}

// TestTheftOnTheWire looks at the connections for what each stage must leave.
func TestTheftOnTheWire(t *testing.T) {
	for seed := range uint64(12) {
		w, _, packets := played(t, TheftOptions{Seed: seed, Intruder: true})
		h := w.theft
		contacts := map[string]bool{}
		knocks, short, long, opened := 0, 0, 0, 0
		out := int64(0)
		for _, c := range talks(t, packets) {
			total := c.bytes[0] + c.bytes[1]
			switch {
			case c.client == h.from.Addr && c.first.Before(w.time(h.times["scanned"][1])):
				contacts[fmt.Sprint(c.server, c.port)] = true
				if !c.answered {
					knocks++
				}
			case c.client == h.guesser.Addr && c.server == h.entry.Addr && total < 10000 && c.last.Sub(c.first) < 30*time.Second:
				short++
			case c.client == h.guesser.Addr && c.server == h.entry.Addr && total > 200000 && c.last.Sub(c.first) > 10*time.Minute:
				long++
			case c.client == h.console.Addr && (c.port == portShares || c.port == portDesktop):
				opened++
				if c.first.Before(w.time(h.times["moved"][0])) {
					t.Errorf("seed %d: the console acts before it is taken over", seed)
				}
			case c.server == h.drop.Addr:
				out += c.bytes[FromClient]
			}
		}
		if len(contacts) < 25 || knocks*10 < len(contacts)*8 {
			t.Errorf("seed %d: got %d contacts, %d without an answer", seed, len(contacts), knocks)
		}
		if short < 60 || short > 300 || long < 1 || opened < 2 || out < 1<<30 {
			t.Errorf("seed %d: got %d guesses, %d long sessions, %d connections of the console, %d bytes out", seed, short, long, opened, out)
		}
	}
}

// TestTheftInTheLogs looks for what the entry's logs must say.
func TestTheftInTheLogs(t *testing.T) {
	for seed := range uint64(12) {
		w, _, _ := played(t, TheftOptions{Seed: seed, Intruder: true})
		h := w.theft
		field := func(e WinEvent, name string) string {
			i := slices.IndexFunc(e.Data, func(f WinField) bool { return f.Name == name })
			if i < 0 {
				return ""
			}
			return e.Data[i].Value
		}
		count := map[string]int{}
		for _, e := range slices.Concat(w.logs.events[logFile(h.entry, channelSecurity)], w.logs.events[logFile(h.entry, channelSystem)]) {
			switch {
			case e.ID == 4625 && field(e, "IpAddress") == h.guesser.Addr.String():
				count["failed"]++
			case e.ID == 4624 && field(e, "IpAddress") == h.guesser.Addr.String():
				count["logon "+field(e, "LogonType")]++
			case (e.ID == 4672 || e.ID == 4720 || e.ID == 1102) && field(e, "SubjectLogonId") == h.logonID:
				count[fmt.Sprint(e.ID)]++
			case e.ID == 7045 && e.User == sid(h.account):
				count["7045"]++
			}
		}
		if count["failed"] < 40 || count["logon 3"] == 0 || count["logon 10"] == 0 || count["4672"] == 0 || count["4720"] == 0 || count["7045"] == 0 {
			t.Errorf("seed %d: got %v", seed, count)
		}
		if h.clears != (count["1102"] == 1) {
			t.Errorf("seed %d: the log was cleared or not: %v", seed, count)
		}
	}
}

// TestHonestVariety looks for what a hasty judge would take for a theft.
func TestHonestVariety(t *testing.T) {
	for seed := range uint64(8) {
		w, _, packets := played(t, TheftOptions{Seed: seed})
		ids := map[uint16]int{}
		for _, list := range w.logs.events {
			for _, e := range list {
				ids[e.ID]++
			}
		}
		for _, id := range []uint16{4624, 4625, 4634, 4672, 4720, 7036, 7045} {
			if ids[id] == 0 {
				t.Errorf("seed %d: no event %d", seed, id)
			}
		}
		if ids[1102] > 0 || ids[7045] > 3 {
			t.Errorf("seed %d: got %v", seed, ids)
		}
		first := map[string]int{}
		unanswered := map[netip.Addr][2]int{}
		for _, c := range talks(t, packets) {
			day := int(c.first.Sub(w.net.begin) / (24 * time.Hour))
			for _, what := range []string{fmt.Sprint(c.client, c.server, c.port)} {
				if _, ok := first[what]; !ok {
					first[what] = day
				}
			}
			n := unanswered[c.client]
			n[0]++
			if !c.answered {
				n[1]++
			}
			unanswered[c.client] = n
		}
		for _, what := range []string{
			fmt.Sprint(backup.Addr, files.Addr, portShares), fmt.Sprint(backup.Addr, vault.Addr, portHTTPS),
			fmt.Sprint(vendor.Addr, terminal.Addr, portDesktop), fmt.Sprint(teaching.Addr, archive.Addr, portDICOM),
			fmt.Sprint(cardiogram.Addr, engine.Addr, portHL7), fmt.Sprint(engine.Addr, records.Addr, portHL7),
		} {
			if day, ok := first[what]; !ok || day > 0 {
				t.Errorf("seed %d: %s did not happen from the first day on", seed, what)
			}
		}
		if n := unanswered[monitor.Addr]; n[1] == 0 || n[1]*5 > n[0] {
			t.Errorf("seed %d: the monitoring host got no answer %d times of %d", seed, n[1], n[0])
		}
		for a, n := range unanswered {
			if !inside(a) && n[0] > 20 && n[1]*2 > n[0] {
				t.Errorf("seed %d: %s scans", seed, a)
			}
		}
	}
}
