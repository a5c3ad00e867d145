package guard

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/guard/spool"
	"chaperone/identity"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/policy"
)

// everyFinding gives what is on record of a rule, with what is counted still.
func (r *rig) everyFinding(rule string) (list []chaperone.Finding) {
	r.t.Helper()
	r.guard.refused.flush(r.guard.now(), true)
	err := r.ledger.Findings(r.t.Context(), ledger.Query{}, func(f chaperone.Finding) error {
		if f.Rule == rule {
			list = append(list, f)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// TestRefusedActs: who acted is who sent what was refused, or asked for it: on record, in the log and when its reference is explained, with
// what it did.
func TestRefusedActs(t *testing.T) {
	const ct1, pacs = "spiffe://north/party/ct1", "spiffe://north/party/pacs"
	noDisk := errors.New("no disk")
	for _, test := range []struct {
		name     string
		sent     string
		answer   func(payload string) string
		ill      error // what the ledger says to anything
		full     bool  // nothing waits any more
		rule     string
		from, to string
		action   policy.Action
	}{
		{"results that nobody asked for", result("LAB|NORTH", "m1", "1"), func(string) string { return result("EHR|NORTH", "u1", "4712") }, nil, false, "unasked", pacs, ct1, policy.Send},
		{"a query that nobody asked for", result("LAB|NORTH", "m1", "1"), func(string) string { return fromBehind(ask("s1", "1")) }, nil, false, "no-grant", pacs, ct1, policy.Ask},
		{"a master file that nobody asked for", result("LAB|NORTH", "m1", "1"), func(string) string {
			return "MSH|^~\\&|EHR|NORTH|LAB|NORTH|20260301||MFN^M02|f1|P|2.5\rMFI|PRA\r"
		}, nil, false, "no-grant", pacs, ct1, policy.Send},
		{"an answer that names others than its message", result("LAB|NORTH", "m1", "1"), func(p string) string { return ack(p) + "PID|1||2^^^NORTH^MR\r" }, nil, false, "unasked", pacs, ct1, policy.Send},
		{"an answer of more than was asked for", ask("q1", "1"), func(p string) string { return found(controlID(p), "1", "2") }, nil, false, "more-than-asked", ct1, pacs, policy.Ask},
		{"a message that is not on record", result("LAB|NORTH", "m1", "1"), ack, noDisk, false, "not-recorded", ct1, pacs, policy.Send},
		{"an answer that is not on record", ask("q1", "1"), func(p string) string { return found(controlID(p), "1") }, noDisk, false, "not-recorded", ct1, pacs, policy.Ask},
		{"a message to a busy guard", result("LAB|NORTH", "m1", "1"), ack, nil, true, "busy", ct1, pacs, policy.Send},
		{"a query to a busy guard", ask("q1", "1"), ack, nil, true, "busy", ct1, pacs, policy.Ask},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPapers(t)
			own, _ := p.issue(t, "pacs", true)
			cert, _ := p.issue(t, "ct1", false)
			e := secure(t, own)
			e.answer = func(payload string) string {
				if strings.Contains(payload, "MSA|") {
					return ""
				}
				return test.answer(payload)
			}
			var books faulty
			file := fmt.Sprintf(declineSite, p.dir, e.Addr(), soon, soon)
			if test.rule != "no-grant" {
				file = strings.Replace(file, "actions: [hl7.send,", "actions: [hl7.send, hl7.query,", 1)
			}
			r := begin(t, file, func(o *Options) {
				books.Ledger = o.Ledger.(*disk.Ledger)
				o.Trust, o.pace, o.Ledger = p.trust, quick, &books
			})
			books.set(func(f *faulty) { f.record = test.ill })
			if test.full {
				r.guard.room.most = 0
			}
			r.mustDialAt("hl7", client(cert)).write(test.sent)
			eventually(t, "it is refused", func() bool { return r.counted(RefusedRule+test.rule) == 1 })
			books.set(func(f *faulty) { f.record = nil })
			list := r.everyFinding(RefusedRule + test.rule)
			if len(list) != 1 {
				t.Fatalf("got %d findings", len(list))
			}
			f := list[0]
			told, _ := r.toldOf(referenceOf(f.Evidence.Record))
			if f.From.Proven != test.from || f.To.Proven != test.to || told.Who() != f.From || told.Other() != f.To || told.Action != test.action {
				t.Errorf("got %s to %s, explained as %s, by %s", f.From.Proven, f.To.Proven, told.Action, told.Who().Proven)
			}
			if line := "from=" + test.from + " to=" + test.to + " "; !strings.Contains(r.log.String(), line) {
				t.Errorf("the log has no %q:\n%s", line, r.log)
			}
		})
	}
}

// TestRefusedElsewhere: a certificate that is shown from several addresses is told of for each: on record, in the log, and when the
// reference is explained that was given there.
func TestRefusedElsewhere(t *testing.T) {
	p := newPapers(t)
	cert := p.boundTo(t, "ct1", "10.1.0.5")
	r, _ := declineRig(t, p, soon, soon)
	given := map[string]string{}
	for _, from := range []string{"127.0.0.1", "127.0.0.31", "127.0.0.31", "127.0.0.32"} {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		raw, err := d.Dial("tcp", r.guard.Address("hl7").String())
		if err != nil {
			t.Fatal(err)
		}
		c := tls.Client(raw, client(cert))
		_, _ = io.WriteString(c, "\x0b"+result("LAB|NORTH", "m1", "4711")+"\x1c\r") // what is not answered, the next line tells
		b, _ := io.ReadAll(c)
		_ = c.Close()
		reference := regexp.MustCompile(`CHAP([0-9a-f]{12})`).FindStringSubmatch(string(b))
		if reference == nil {
			t.Fatalf("%s got %q", from, b)
		}
		given[reference[1]] = from
	}
	if n := len(r.everyFinding("refused-identity-address")); n != 4 {
		t.Errorf("got %d findings, want one for each address and one for what was tried again", n)
	}
	for reference, from := range given {
		if told, ok := r.toldOf(reference); !ok || told.Who().Addr.String() != from || told.Who().Proven != "spiffe://north/party/ct1" {
			t.Errorf("%s: explained as of %+v", from, told.Who())
		}
		line := regexp.MustCompile(`reason=identity-address from=spiffe://north/party/ct1 .*client=` + regexp.QuoteMeta(from) + `( |\n)`)
		if !line.MatchString(r.log.String()) {
			t.Errorf("%s is not in the log:\n%s", from, r.log)
		}
	}
}

// TestObserveLongName: whoever has a certificate with a name of any length has one name, of some length, on record and in the log.
func TestObserveLongName(t *testing.T) {
	p, outside := newPapers(t), newPapers(t)
	p.believing(t, outside, nil)
	cert := outside.named(t, strings.Repeat("x", 20_000)+"\u202e")
	r, _ := declineRig(t, p, "mode: observe, "+soon, soon)
	message := result("LAB|NORTH", "m1", "4711")
	if got := r.mustDialAt("hl7", client(cert)).send(message); got != ack(message) {
		t.Fatalf("got %q", got)
	}
	eventually(t, "on record", func() bool { return len(r.rows()) == 1 })
	names := map[string]bool{r.rows()[0].From.Proven: true}
	for _, rule := range []string{"would-refuse-identity-name", "would-refuse-identity-unknown"} {
		list := r.everyFinding(rule)
		if len(list) != 1 {
			t.Errorf("%s: got %d findings", rule, len(list))
		}
		for _, f := range list {
			names[f.From.Proven] = true
		}
	}
	for name := range names {
		if len(names) != 1 || len(name) > mostSubject+3 || !strings.HasPrefix(name, "CN=xxx") { // the ellipsis has three bytes
			t.Errorf("one of %d names has %d bytes", len(names), len(name))
		}
	}
	for line := range strings.Lines(r.log.String()) {
		if len(line) > 1000 {
			t.Errorf("a line of the log has %d characters", len(line))
		}
	}
}

// TestLongSubject: a long name that the site file binds to a party is that party's for as long as the connection lives, and whole on record.
func TestLongSubject(t *testing.T) {
	p, outside := newPapers(t), newPapers(t)
	name := strings.Repeat("x", 2*mostSubject)
	cert := outside.named(t, name)
	p.believing(t, outside, map[string]string{"CN=" + name: "ct1"})
	own, _ := p.issue(t, "pacs", true)
	e := secure(t, own)
	file := strings.Replace(fmt.Sprintf(declineSite, p.dir, e.Addr(), soon, soon), "{name: ct1,", "{name: ct1, subject: CN="+name+",", 1)
	r := begin(t, file, func(o *Options) { o.Trust, o.pace = p.trust, quick })
	c := r.mustDialAt("hl7", client(cert))
	for i := range 2 {
		if got := answered(c.send(result("LAB|NORTH", fmt.Sprint("m", i), "4711"))); got != fmt.Sprint("AA m", i) {
			t.Errorf("got %q", got)
		}
		r.guard.mu.Lock()
		for c := range r.guard.conns {
			if err := c.checkNow(); err != nil {
				t.Errorf("it does not stay: %v", err)
			}
		}
		r.guard.mu.Unlock()
	}
	for _, row := range r.rows() {
		if row.From.Proven != "CN="+name {
			t.Errorf("on record is a name of %d bytes", len(row.From.Proven))
		}
	}
}

// TestObserveRevokedMeanwhile: a certificate that is revoked between its handshake and the first look at it does not pass, whatever the
// mode: it proves nobody.
func TestObserveRevokedMeanwhile(t *testing.T) {
	p := newPapers(t)
	cert, serial := p.issue(t, "ct1", false)
	r, _ := declineRig(t, p, "mode: observe, "+soon, soon)
	l := r.guard.listeners["hl7"]
	near, far := net.Pipe()
	secured := tls.Server(far, r.guard.trust.Load().server)
	go func() {
		c := tls.Client(near, client(cert))
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.Copy(io.Discard, c) // the server sees what is wrong
	}()
	if err := secured.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	for _, revoked := range []bool{false, true} {
		if revoked {
			p.revoke(t, serial)
		}
		c := &conn{guard: r.guard, listener: l, client: secured, state: secured.ConnectionState(), secured: true}
		err := c.identify(l.spec.Load())
		var u *unwelcome
		if (err != nil) != revoked || revoked && (!errors.As(err, &u) || u.observed || u.reason != policy.Reason(identity.Revoked)) {
			t.Errorf("revoked %t: got %v", revoked, err)
		}
	}
}

// TestRefusedActsAway: a query to a system that is away is whose it is who asks, and a query.
func TestRefusedActsAway(t *testing.T) {
	r := begin(t, fmt.Sprintf(spoolSite, nowhere(t)), spooling(t.TempDir(), spool.Disk{}))
	c := r.call("hl7")
	if got := c.send(ask("q1", "1")); !strings.Contains(got, string(away)) {
		t.Fatalf("got %q", got)
	}
	f := r.everyFinding(RefusedRule + string(away))[0]
	told, _ := r.toldOf(referenceOf(f.Evidence.Record))
	if at := c.LocalAddr().(*net.TCPAddr).AddrPort(); f.From.Addr != at.Addr() || f.From.Port != at.Port() || told.Who() != f.From || told.Action != policy.Ask {
		t.Errorf("got %+v, explained as %s", f.From, told.Action)
	}
}
