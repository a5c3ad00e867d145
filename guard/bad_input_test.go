package guard

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
)

const badInputSite = `site: north
inside: [127.0.0.0/8]
identity: {authority: %[1]s/authority, certificate: %[1]s/guard.pem, key: %[1]s/guard.key}
parties:
  - {name: ct1, role: modality, titles: [CT1], applications: [LAB@NORTH], addresses: [127.0.0.0/8]}
  - {name: gone, role: modality}
  - {name: ehr, role: engine}
  - {name: pacs, role: pacs, titles: [PACS]}
grants:
  - {name: everything, parties: [ct1], actions: [hl7.send, dicom.*, tcp.connect], to: [ehr, pacs, self], whose: all}
listeners:
  - {name: hl7, protocol: hl7, listen: "127.0.0.1:2575", tls: none, because: a test, upstream: {address: "%[2]s", tls: none, party: ehr}, limits: %[4]s}
  - {name: hl7s, protocol: hl7, listen: "127.0.0.1:2576", upstream: {address: "%[2]s", tls: none, party: ehr}, limits: %[4]s}
  - {name: dicom, protocol: dicom, listen: "127.0.0.1:11112", tls: none, because: a test, upstream: {address: "%[3]s", tls: none, party: pacs}, limits: %[4]s}
  - {name: dicoms, protocol: dicom, listen: "127.0.0.1:11113", upstream: {address: "%[3]s", tls: none, party: pacs}, limits: %[4]s}
  - {name: desk, protocol: tcp, listen: "127.0.0.1:3389", tls: none, because: a test, upstream: {address: "%[2]s", tls: none, party: ehr}, limits: %[4]s}
`

const badInputLimits = `{message: 1MiB, first_byte: 1s, in_message: 2s, idle: 20s, handshake: 1s}`

// badInput is something that nobody should send.
type badInput struct {
	name, listener string
	say            func(c net.Conn)
	tls            *tls.Config // under which it is said; nil: in clear
	want           string      // the answer, see lastWord
	why            string      // of the metric; "refused": a decision's reason instead, "": it is not counted
	lines          int         // of the log; a decision's is told once in a minute and counts here
}

// TestBadInput: whatever comes to a running guard is refused in its protocol's way, where that has one; counted; one line of the log,
// which quotes nothing of it; over within the listener's limits. An honest exchange beside it goes on, and no memory stays taken, or is
// taken because somebody says how much is to come. Each comes from an address of its own, all at the same time.
func TestBadInput(t *testing.T) {
	p := newPapers(t)
	e, a := newEngine(t), newArchive(t, well)
	r := begin(t, fmt.Sprintf(badInputSite, p.dir, e.Addr(), a.Addr(), badInputLimits), func(o *Options) { o.Trust = p.trust })
	ct1, _ := p.issue(t, "ct1", false)

	honest := r.honest(client(ct1))
	honest(3)
	before, held := heap(), r.open()
	stop, beside := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				beside <- n
				return
			case <-time.After(5 * time.Millisecond): // it is not what takes the memory
				honest(1)
			}
		}
	}()

	cases := badInputs(t, p, ct1)
	counted := map[string]float64{}
	var all sync.WaitGroup
	for i, b := range cases {
		if b.why != "" && b.why != "refused" {
			counted[b.listener+" "+b.why]++
		}
		all.Go(func() {
			from := fmt.Sprintf("127.9.%d.%d", i/200, i%200+1)
			began := time.Now()
			got := r.bad(t, &b, from)
			if got != b.want {
				t.Errorf("%s: got %s, want %s", b.name, got, b.want)
			}
			if took := time.Since(began); took > 15*time.Second { // two limits, and a slow machine
				t.Errorf("%s: it took %v", b.name, took)
			}
		})
	}
	all.Wait()
	close(stop)
	if n := <-beside; n == 0 {
		t.Error("nothing passed beside it")
	}
	eventually(t, "every connection to be over", func() bool { return r.open() == held })
	after := heap()
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d bytes stay taken", grown)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 256<<20 {
		t.Errorf("%d bytes were made", made)
	}
	log := r.log.String()
	for i, b := range cases {
		at := fmt.Sprintf("127.9.%d.%d", i/200, i%200+1)
		var lines []string
		for line := range strings.Lines(log) {
			if strings.Contains(line, "client="+at+":") || strings.Contains(line, "from="+at+" ") {
				lines = append(lines, line)
			}
		}
		if len(lines) != b.lines {
			t.Errorf("%s: %d lines, want %d:\n%s", b.name, len(lines), b.lines, strings.Join(lines, ""))
		}
	}
	for key, want := range counted {
		listener, why, _ := strings.Cut(key, " ")
		if got := r.metric(`chaperone_guard_turned_away_total{listener="` + listener + `",why="` + why + `"}`); got != want {
			t.Errorf("%s: %v are counted, want %v", key, got, want)
		}
	}
	r.silentOf(t, log)
}

// bad says something to the guard from an address, and gives what the guard answered.
func (r *rig) bad(t *testing.T, b *badInput, from string) string {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", r.guard.Address(b.listener).String())
	if err != nil {
		t.Error(err)
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	if b.tls != nil {
		secured := tls.Client(c, b.tls)
		if err := secured.Handshake(); err != nil {
			return alert(err)
		}
		c = secured
	}
	if b.say != nil {
		b.say(c)
	}
	got, err := io.ReadAll(c)
	if b.tls != nil && err != nil {
		return alert(err)
	}
	return lastWord(got)
}

// alert gives the TLS alert in an error.
func alert(err error) string {
	_, text, found := strings.Cut(err.Error(), "remote error: tls: ")
	if !found {
		return "no alert: " + err.Error()
	}
	return "alert: " + text
}

// lastWord names the last thing that a guard said.
func lastWord(b []byte) string {
	if text, ok := bytes.CutPrefix(b, []byte{startBlock}); ok {
		_, msa, _ := bytes.Cut(text, []byte("\rMSA|"))
		code, _, _ := bytes.Cut(msa, []byte("|"))
		return string(code)
	}
	if len(b) > 6 && b[0] == 0x15 {
		return "alert: " + tls.AlertError(b[6]).Error()
	}
	if len(b) > 6 && b[0] == 0x16 {
		return "a hello"
	}
	last := "nothing"
	for len(b) >= 6 {
		n := 6 + int(b[5]) + int(b[4])<<8 // those of the guard are not longer
		if n > len(b) {
			return "half a PDU"
		}
		switch b[0] {
		case pduAssociateRJ:
			last = fmt.Sprintf("reject %d %d %d", b[7], b[8], b[9])
		case pduAbort:
			last = fmt.Sprintf("abort %d", b[9])
		case pduData:
			last = "an answer"
		}
		b = b[n:]
	}
	return last
}

// honest gives a function that exchanges so many HL7 messages and echoes, on connections that stay.
func (r *rig) honest(config *tls.Config) func(n int) {
	h := r.mustDialAt("hl7s", config)
	k := newTalker(r.t, r.mustDialAt("dicoms", config).Conn)
	k.associate()
	sent := 0
	return func(n int) {
		for range n {
			sent++
			if got := h.send(result("LAB|NORTH", fmt.Sprint("H", sent), "1")); !strings.Contains(got, "MSA|AA|") {
				r.t.Errorf("the honest message %d got %d bytes", sent, len(got))
			}
			k.message(9, set(9, fieldEcho, uint16(sent), false), nil)
			if got, _, _ := k.reply(); got == nil || got.status != 0 {
				r.t.Errorf("the honest echo %d got no answer", sent)
			}
		}
	}
}

func (r *rig) open() int {
	r.guard.mu.Lock()
	defer r.guard.mu.Unlock()
	return len(r.guard.conns)
}

func heap() (m runtime.MemStats) {
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

// silentOf looks for what came in the log and in what is on record.
func (r *rig) silentOf(t *testing.T, log string) {
	t.Helper()
	kept := log
	keep := func(f chaperone.Finding) error {
		f.From.Claimed, f.To.Claimed = "", "" // what somebody calls itself is on record
		kept += fmt.Sprintf("%+v\n", f)
		return nil
	}
	r.guard.refused.flush(r.guard.now(), true)
	if err := r.ledger.Findings(t.Context(), ledger.Query{}, keep); err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(kept) {
		for _, text := range []string{mark, fmt.Sprintf("%x", mark), "[302 301]", "DOE"} {
			if strings.Contains(line, text) {
				t.Errorf("%q is in log or record: %s", text, line)
			}
		}
	}
}
