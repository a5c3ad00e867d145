package guard

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
	"chaperone/site"
)

// rig is a guard with a ledger of its own, for one test.
type rig struct {
	t      *testing.T
	dir    string
	ledger *disk.Ledger
	guard  *Guard
	log    *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// begin starts a guard with a site file.
func begin(t *testing.T, file string, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), log: &syncBuffer{}}
	r.start(file, change...)
	t.Cleanup(r.end)
	return r
}

// start starts the guard, again when it has ended.
func (r *rig) start(file string, change ...func(*Options)) {
	t := r.t
	t.Helper()
	l, err := disk.Open(t.Context(), disk.Options{Dir: filepath.Join(r.dir, "ledger"), Keys: filepath.Join(r.dir, "keys"), Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	r.ledger = l
	tokens, err := patient.LoadKey(filepath.Join(r.dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Site: r.site(file), Ledger: l, Tokens: tokens, Log: slog.New(slog.NewTextHandler(r.log, nil)), Approvals: filepath.Join(r.dir, "approvals")}
	for _, f := range change {
		f(&o)
	}
	g, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.guard = g
}

func (r *rig) end() {
	if r.guard == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.guard.Drain(ctx) // connections that a test left open are cut
	r.guard = nil
	if err := r.ledger.Close(); err != nil {
		r.t.Error(err)
	}
	if r.t.Failed() {
		r.t.Log(r.log.String())
	}
}

func (r *rig) site(file string) *site.Site {
	r.t.Helper()
	path := filepath.Join(r.dir, "site.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		r.t.Fatal(err)
	}
	s, err := site.Load(path)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range s.Listeners { // any free port, which a file may not say
		s.Listeners[i].Listen = netip.AddrPortFrom(s.Listeners[i].Listen.Addr(), 0)
	}
	return s
}

// rows gives what is on record.
func (r *rig) rows() (rows []ledger.Row) {
	r.t.Helper()
	if err := r.ledger.Disclosures(context.Background(), ledger.Query{}, func(row ledger.Row) error { rows = append(rows, row); return nil }); err != nil {
		r.t.Fatal(err)
	}
	return rows
}

// findings gives what was found, by rule.
func (r *rig) findings() map[string]int {
	r.t.Helper()
	r.guard.refused.flush(r.guard.now(), false)
	found := map[string]int{}
	err := r.ledger.Findings(context.Background(), ledger.Query{}, func(f chaperone.Finding) error { found[f.Rule] += f.Count; return nil })
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

// engine is a system that takes HL7 messages.
type engine struct {
	net.Listener
	mu     sync.Mutex
	got    [][]byte // frames
	raw    []byte   // everything
	conns  []net.Conn
	answer func(payload string) string
	host   string
}

// has reports whether something arrived, framed or not.
func (e *engine) has(text string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return bytes.Contains(e.raw, []byte(text))
}

// closeAll ends the connections that are there, once there is one.
func (e *engine) closeAll(t *testing.T) {
	t.Helper()
	eventually(t, "a connection", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.conns) > 0
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		_ = c.Close()
	}
	e.conns = nil
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{answer: ack}
	e.listen(t, func(l net.Listener) net.Listener { return l })
	return e
}

func (e *engine) listen(t *testing.T, wrap func(net.Listener) net.Listener) {
	t.Helper()
	l, err := net.Listen("tcp", cmp.Or(e.host, "127.0.0.1")+":0")
	if err != nil {
		t.Fatal(err)
	}
	l = wrap(l)
	e.Listener = l
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.mu.Lock()
			e.conns = append(e.conns, c)
			e.mu.Unlock()
			go e.serve(c)
		}
	}()
}

// Write keeps everything that arrives.
func (e *engine) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.raw = append(e.raw, b...)
	return len(b), nil
}

func (e *engine) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(io.TeeReader(c, e))
	for {
		b, err := readFrame(in)
		if err != nil {
			return
		}
		e.mu.Lock()
		e.got = append(e.got, b)
		answer := e.answer
		e.mu.Unlock()
		if text := answer(string(b[1 : len(b)-2])); text != "" {
			if _, err := c.Write([]byte("\x0b" + text + "\x1c\r")); err != nil {
				return
			}
		}
	}
}

func (e *engine) frames() [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([][]byte(nil), e.got...)
}

func readFrame(in *bufio.Reader) ([]byte, error) {
	var b []byte
	for {
		part, err := in.ReadBytes('\r')
		b = append(b, part...)
		if err != nil || bytes.HasSuffix(b, []byte{endBlock, carriage}) {
			return b, err
		}
	}
}

// ack is what a usual receiver says; nothing to what is no HL7: another test's peer may still be trying a port that it had.
func ack(payload string) string {
	f := strings.Split(strings.Split(payload, "\r")[0], "|")
	if len(f) < 10 {
		return ""
	}
	return "MSH|^~\\&|" + f[4] + "|" + f[5] + "|" + f[2] + "|" + f[3] + "|20260301||ACK|a" + f[9] + "|P|2.5\rMSA|AA|" + f[9] + "\r"
}

// result is an ORU of one patient.
func result(from, id, number string) string {
	return "MSH|^~\\&|" + from + "|EHR|NORTH|20260301||ORU^R01^ORU_R01|" + id + "|P|2.5\rPID|1||" + number + "^^^NORTH^MR||DOE^JANE||19700101|F\rOBX|1|TX|A||fine\r"
}

// caller is a client of the guard.
type caller struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func (r *rig) call(listener string) *caller {
	r.t.Helper()
	c, err := net.Dial("tcp", r.guard.Address(listener).String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return &caller{c, r.t, bufio.NewReader(c)}
}

// send sends a message and gives the answer; "" when the connection ends.
func (c *caller) send(payload string) string {
	c.t.Helper()
	if _, err := c.Write([]byte("\x0b" + payload + "\x1c\r")); err != nil {
		c.t.Fatal(err)
	}
	return c.answer()
}

func (c *caller) answer() string {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	b, err := readFrame(c.in)
	if err != nil {
		return ""
	}
	return string(b[1 : len(b)-2])
}

const hl7Site = `site: north
inside: [127.0.0.0/8]
parties:
  - name: lab
    role: lab
    applications: [LAB@NORTH]
    addresses: [127.0.0.1/32]
  - name: ehr
    role: engine
    addresses: [127.0.0.2/32]
grants:
  - name: results
    roles: [lab]
    actions: [hl7.send]
    details: [ORU^R01]
    to: [ehr]
listeners:
  - name: hl7
    protocol: hl7
    listen: 127.0.0.1:2575
    tls: none
    because: this is a test
    upstream: {address: "%s", tls: none, because: this is a test, party: ehr}
`

func hl7Rig(t *testing.T) (*rig, *engine) {
	t.Helper()
	e := newEngine(t)
	return begin(t, fmt.Sprintf(hl7Site, e.Addr())), e
}

// TestHL7Passes: what is permitted arrives byte for byte, and is on record with who got whose.
func TestHL7Passes(t *testing.T) {
	r, e := hl7Rig(t)
	c := r.call("hl7")
	for i := range 3 {
		m := result("LAB|NORTH", fmt.Sprint("m", i), fmt.Sprint(4711+i%2))
		if got, want := c.send(m), ack(m); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		frames := e.frames()
		if got := string(frames[len(frames)-1]); got != "\x0b"+m+"\x1c\r" {
			t.Errorf("the engine got %q", got)
		}
	}
	rows := r.rows()
	if len(rows) != 3 || rows[0].Persons != 1 || rows[0].From.Claimed != "LAB@NORTH" || rows[0].Action != "ORU^R01" || rows[0].Outcome != chaperone.Unknown {
		t.Fatalf("got %+v", rows)
	}
	if got := rows[0].Evidence.File; !strings.HasPrefix(got, "guard hl7, policy ") {
		t.Errorf("got evidence %q", got)
	}
	s, err := r.ledger.Scope(t.Context(), ledger.Query{})
	if err != nil || s.Patients != 2 || s.Disclosures != 3 {
		t.Errorf("got %+v, %v; want 2 patients in 3 disclosures", s.Counts, err)
	}
}

// TestHL7Cut: it does not matter how the bytes are cut, or how many messages come at once.
func TestHL7Cut(t *testing.T) {
	r, e := hl7Rig(t)
	c := r.call("hl7")
	var all []byte
	for i := range 5 {
		all = append(all, "\x0b"+result("LAB|NORTH", fmt.Sprint("m", i), fmt.Sprint(i))+"\x1c\r"...)
	}
	for _, size := range []int{1, 7, len(all)} {
		for part := all; len(part) > 0; {
			n := min(size, len(part))
			if _, err := c.Write(part[:n]); err != nil {
				t.Fatal(err)
			}
			part = part[n:]
		}
		for i := range 5 {
			if got := c.answer(); !strings.Contains(got, fmt.Sprint("MSA|AA|m", i)) {
				t.Fatalf("size %d: got %q, want the answer to m%d", size, got, i)
			}
		}
	}
	if got := bytes.Join(e.frames(), nil); !bytes.Equal(got, bytes.Repeat(all, 3)) {
		t.Error("other bytes arrived than were sent")
	}
}

// TestHL7Refused: what is not permitted never arrives, is answered in HL7's words, and the link goes on.
func TestHL7Refused(t *testing.T) {
	r, e := hl7Rig(t)
	for _, test := range []struct{ name, message, answer, rule string }{
		{"another's name", result("EVIL|NORTH", "m1", "1"), "MSA|AR|m1\rERR||MSH^1^3|", "refused-identity-application"},
		{"two readings", strings.Replace(result("LAB|NORTH", "m3", "1"), "\rOBX", "\nPID|2||9\rOBX", 1), "MSA|AR|m3", "refused-ambiguous"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, before := r.call("hl7"), len(e.frames())
			if got := c.send(test.message); !strings.Contains(got, test.answer) || strings.Contains(got, "DOE") {
				t.Errorf("got %q, want %s in it and no name", got, test.answer)
			}
			m := result("LAB|NORTH", "after", "2")
			if got := c.send(m); got != ack(m) {
				t.Errorf("the next message: got %q", got)
			}
			if got := len(e.frames()) - before; got != 1 {
				t.Errorf("the engine got %d messages, want the permitted one", got)
			}
			if found := r.findings(); found[test.rule] == 0 {
				t.Errorf("got findings %v, want %s", found, test.rule)
			}
		})
	}
	for _, row := range r.rows() {
		if row.From.Claimed != "LAB@NORTH" || row.Persons != 1 {
			t.Errorf("a refused message is on record as a disclosure: %+v", row.Disclosure)
		}
	}
	if log := r.log.String(); strings.Contains(log, "DOE") || strings.Contains(log, "|") {
		t.Errorf("the log has content: %s", log)
	}
}

// TestHL7Rubbish: what is no HL7 ends its connection, and no other.
func TestHL7Rubbish(t *testing.T) {
	r, e := hl7Rig(t)
	good := r.call("hl7")
	for name, bytes := range map[string]string{
		"http": "GET / HTTP/1.1\r\n\r\n", "tls": "\x16\x03\x01\x02\x00\x01\x00", "a frame in a frame": "\x0b" + result("LAB|NORTH", "m", "1") + "\x0b",
		"end block and no CR": "\x0bMSH|^~\\&|\x1cA", "hybrid framing": "\x0bD23" + result("LAB|NORTH", "m", "1") + "\x1c\r",
		"no message": "\x0bhello\x1c\r", "nothing in it": "\x0b\x1c\r",
	} {
		c := r.call("hl7")
		if _, err := c.Write([]byte(bytes)); err != nil {
			t.Fatal(err)
		}
		if got := c.answer(); got != "" {
			t.Errorf("%s: got an answer: %q", name, got)
		}
	}
	m := result("LAB|NORTH", "good", "2")
	if got := good.send(m); got != ack(m) {
		t.Errorf("the good connection: got %q", got)
	}
	if n := len(e.frames()); n != 1 {
		t.Errorf("the engine got %d messages, want 1", n)
	}
}

// TestDrain: a guard that ends lets a message that has begun to arrive pass, and is answered; who is silent is let go at once.
func TestDrain(t *testing.T) {
	r, e := hl7Rig(t)
	silent, busy := r.call("hl7"), r.call("hl7")
	first := result("LAB|NORTH", "m1", "1")
	for _, c := range []*caller{silent, busy} {
		if got := c.send(first); got != ack(first) {
			t.Fatalf("got %q", got)
		}
	}
	m := "\x0b" + result("LAB|NORTH", "m2", "2") + "\x1c\r"
	if _, err := busy.Write([]byte(m[:40])); err != nil {
		t.Fatal(err)
	}
	for len(e.frames()) < 2 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // the half message has arrived
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- r.guard.Drain(ctx) }()
	if got := silent.answer(); got != "" {
		t.Errorf("the silent one: got %q", got)
	}
	if _, err := busy.Write([]byte(m[40:])); err != nil {
		t.Fatal(err)
	}
	if got := busy.answer(); !strings.Contains(got, "MSA|AA|m2") {
		t.Errorf("the busy one: got %q, want its answer", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
}
