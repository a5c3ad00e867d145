package guard

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaperone"
	"chaperone/guard/spool"
	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// spoolSite is hl7Site with a spool, and with queries.
var spoolSite = strings.Replace(hl7Site, "listeners:", `  - {name: questions, roles: [lab], actions: [hl7.query], to: [self]}
listeners:`, 1) + "    spool: {bytes: 64MiB, age: 1s}\n"

var spoolPace = pace{files: 20 * time.Millisecond, recheck: 20 * time.Millisecond, hold: 20 * time.Millisecond, clock: 20 * time.Millisecond,
	patience: 500 * time.Millisecond, answer: time.Second, retry: 5 * time.Millisecond}

// spooling gives what a guard with a spool needs; the same for each start of one rig.
func spooling(dir string, disk spool.Disk) func(*Options) {
	return func(o *Options) {
		o.Spool, o.SpoolKey, o.pace, o.disk = dir, func(id [16]byte) [32]byte { return sha256.Sum256(id[:]) }, spoolPace, disk
	}
}

// nowhere is an address at which nobody is, and at which somebody may come to be.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// comeBack makes an engine at an address.
func comeBack(t *testing.T, address string, answer func(string) string) *engine {
	t.Helper()
	e := &engine{answer: answer}
	var l net.Listener
	eventually(t, "the address", func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	e.adopt(t, l)
	return e
}

// leave ends an engine with its connections.
func (e *engine) leave() {
	_ = e.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		_ = c.Close()
	}
	e.conns = nil
}

func question1(id string) string {
	return "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||QBP^Q22^QBP_Q21|" + id + "|P|2.5\rQPD|Q22^Find^HL7|q1|@PID.3.1^4711\rRCP|I\r"
}

// kept gives how many messages wait.
func (r *rig) kept() int {
	r.t.Helper()
	return r.guard.spools.all["hl7"].spool.Stats().Messages
}

func numbered(n int) string { return result("LAB|NORTH", fmt.Sprint("m", n), fmt.Sprint(4711+n)) }

// checkArrived insists on which messages arrived, byte for byte and in their order.
func checkArrived(t *testing.T, e *engine, from, until int) {
	t.Helper()
	eventually(t, "all messages", func() bool { return len(e.frames()) >= until-from })
	var want []byte
	for n := from; n < until; n++ {
		want = append(want, "\x0b"+numbered(n)+"\x1c\r"...)
	}
	if got := bytes.Join(e.frames(), nil); !bytes.Equal(got, want) {
		t.Errorf("the engine got %d messages, want %d to %d once each, in their order", len(e.frames()), from, until)
	}
}

// TestSpool: while nobody is behind the listener pushes are acknowledged by the guard and are on record, queries and what is not
// permitted are refused, and when somebody is back everything arrives, once and in its order. The connection lives through all of it.
func TestSpool(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	r := begin(t, fmt.Sprintf(spoolSite, address), spooling(dir, spool.Disk{}))
	c := r.call("hl7")
	for n := range 4 {
		if got := c.send(numbered(n)); !strings.Contains(got, fmt.Sprintf("\rMSA|AA|m%d\r", n)) {
			t.Fatalf("got %q", got)
		}
	}
	enhanced := strings.Replace(numbered(4), "|P|2.5\r", "|P|2.5|||AL|NE\r", 1)
	if got := c.send(enhanced); !strings.Contains(got, "\rMSA|CA|m4\r") {
		t.Errorf("enhanced mode: got %q", got)
	}
	if got := c.send(question1("q1")); !strings.Contains(got, "MSA|AE|q1") || !strings.Contains(got, "upstream-away") {
		t.Errorf("a query: got %q", got)
	}
	if got := c.send(strings.Replace(numbered(9), "ORU^R01^ORU_R01", "ADT^A01^ADT_A01", 1)); !strings.Contains(got, "MSA|AR|m9") {
		t.Errorf("what is not granted: got %q", got)
	}
	if n := r.kept(); n != 5 {
		t.Errorf("%d are kept, want 5", n)
	}
	if rows := r.rows(); len(rows) != 5 || rows[0].Evidence.File == "" || !strings.Contains(rows[0].Evidence.File, ", spooled, grant results") || rows[0].Outcome != chaperone.Unknown ||
		rows[0].To.Addr.String() != "127.0.0.2" {
		t.Errorf("got %+v", rows)
	} else if j, ok := JudgedBy(&rows[0].Evidence); !ok || j.Listener != "hl7" || strings.Contains(j.Version, ",") || j.Grant != "results" {
		t.Errorf("got %+v", j)
	}
	w := httptest.NewRecorder()
	r.guard.Status().ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if got := w.Body.String(); w.Code != 200 || !strings.Contains(got, "spooling hl7: 5 messages") {
		t.Errorf("healthz: got %d %q", w.Code, got)
	}
	w = httptest.NewRecorder()
	r.guard.Status().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if got := w.Body.String(); !strings.Contains(got, `chaperone_guard_spool_messages{listener="hl7"} 5`) {
		t.Errorf("metrics: got %q", got)
	}
	e := comeBack(t, address, ack)
	eventually(t, "the enhanced one", func() bool { return len(e.frames()) == 5 })
	if got := string(e.frames()[4]); got != "\x0b"+enhanced+"\x1c\r" {
		t.Errorf("got %q", got)
	}
	e.mu.Lock()
	e.got = e.got[:4]
	e.mu.Unlock()
	checkArrived(t, e, 0, 4)
	eventually(t, "an empty spool", func() bool { return r.kept() == 0 })
	m := numbered(5)
	eventually(t, "the answer of the system itself", func() bool { return c.send(m) == ack(m) })
	found := r.findings()
	if found[SpoolBeganRule] != 1 || found["refused-upstream-away"] != 1 || found["refused-detail"] != 1 {
		t.Errorf("got findings %v", found)
	}
	if log := r.log.String(); strings.Contains(log, "DOE") {
		t.Errorf("the log has content: %s", log)
	}
}

// TestSpoolBroken: a push whose answer the connection's end swallowed is acknowledged by the guard, and arrives again; the client does
// not notice.
func TestSpoolBroken(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	e := comeBack(t, address, ack)
	r := begin(t, fmt.Sprintf(spoolSite, address), spooling(dir, spool.Disk{}))
	c := r.call("hl7")
	if m := numbered(0); c.send(m) != ack(m) {
		t.Fatal("not passed on")
	}
	e.mu.Lock()
	e.answer = func(string) string { return "" } // it takes it, and dies before it answers
	e.mu.Unlock()
	if _, err := c.Write([]byte("\x0b" + numbered(1) + "\x1c\r")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message", func() bool { return len(e.frames()) == 2 })
	e.leave()
	if got := c.answer(); !strings.Contains(got, "\rMSA|AA|m1\r") || got == ack(numbered(1)) {
		t.Fatalf("got %q", got)
	}
	for n := 2; n < 5; n++ {
		if got := c.send(numbered(n)); !strings.Contains(got, fmt.Sprintf("\rMSA|AA|m%d\r", n)) {
			t.Fatalf("got %q", got)
		}
	}
	checkArrived(t, comeBack(t, address, ack), 1, 5)
}

// TestSpoolQuery: a query that the system behind took with it is refused, to be sent again.
func TestSpoolQuery(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	e := comeBack(t, address, func(string) string { return "" })
	r := begin(t, fmt.Sprintf(spoolSite, address), spooling(dir, spool.Disk{}))
	c := r.call("hl7")
	if _, err := c.Write([]byte("\x0b" + question1("q1") + "\x1c\r")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the query", func() bool { return len(e.frames()) == 1 })
	e.leave()
	if got := c.answer(); !strings.Contains(got, "MSA|AE|q1") {
		t.Errorf("got %q", got)
	}
	if n := r.kept(); n != 0 {
		t.Errorf("%d are kept", n)
	}
}

// TestSpoolRestart: what is kept outlives the guard, and is delivered before anything newer.
func TestSpoolRestart(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	with := spooling(dir, spool.Disk{})
	file := fmt.Sprintf(spoolSite, address)
	r := begin(t, file, with)
	for round := range 3 {
		c := r.call("hl7")
		for n := range 2 {
			if got := c.send(numbered(2*round + n)); !strings.Contains(got, "MSA|AA|") {
				t.Fatalf("got %q", got)
			}
		}
		r.end()
		r.start(file, with)
	}
	e := comeBack(t, address, ack)
	c := r.call("hl7")
	if got := c.send(numbered(6)); !strings.Contains(got, "MSA|AA|m6") {
		t.Fatalf("got %q", got)
	}
	checkArrived(t, e, 0, 7)
}

// TestSpoolKilled: a guard that is killed after the receiver answered, and before that was on disk, delivers once more; nothing is lost.
func TestSpoolKilled(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	file := fmt.Sprintf(spoolSite, address)
	r := begin(t, file, spooling(dir, spool.Disk{}))
	c := r.call("hl7")
	for n := range 3 {
		if got := c.send(numbered(n)); !strings.Contains(got, "MSA|AA|") {
			t.Fatalf("got %q", got)
		}
	}
	before := filepath.Join(t.TempDir(), "before")
	if err := os.CopyFS(before, os.DirFS(filepath.Join(dir, "hl7"))); err != nil {
		t.Fatal(err)
	}
	e := comeBack(t, address, ack)
	checkArrived(t, e, 0, 3)
	r.end()
	e.leave()
	if err := os.RemoveAll(filepath.Join(dir, "hl7")); err != nil { // the disk as it was
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "hl7"), os.DirFS(before)); err != nil {
		t.Fatal(err)
	}
	r.start(file, spooling(dir, spool.Disk{}))
	checkArrived(t, comeBack(t, address, ack), 0, 3)
}

// TestSpoolLeft: what waits, or was to be sent again, for a listener that the site file does not name is told of.
func TestSpoolLeft(t *testing.T) {
	for _, folder := range []string{"gone", filepath.Join("gone", "again")} {
		dir := filepath.Join(t.TempDir(), "spool")
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, "00000000000000000001.spool"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r := begin(t, fmt.Sprintf(spoolSite, nowhere(t)), spooling(dir, spool.Disk{}))
		eventually(t, "a finding", func() bool { return r.findings()[SpoolLeftRule] == 1 })
		if log := r.log.String(); !strings.Contains(log, "listener=gone folder="+filepath.Join(dir, "gone")+"\n") {
			t.Errorf("got %s", log)
		}
		r.end()
	}
}

// TestSpoolDisk: what the disk does not take is not acknowledged.
func TestSpoolDisk(t *testing.T) {
	var ill atomic.Bool
	disk := spool.Disk{Sync: func(f *os.File) error {
		if ill.Load() {
			return errors.New("input/output error")
		}
		return f.Sync()
	}}
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	r := begin(t, fmt.Sprintf(spoolSite, address), spooling(dir, disk))
	c := r.call("hl7")
	ill.Store(true)
	if got := c.send(numbered(0)); !strings.Contains(got, "MSA|AE|m0") {
		t.Fatalf("got %q", got)
	}
	ill.Store(false)
	if got := c.send(numbered(0)); !strings.Contains(got, "MSA|AA|m0") {
		t.Fatalf("got %q", got)
	}
	checkArrived(t, comeBack(t, address, ack), 0, 1)
}

// TestSpoolFull: a full spool takes nothing, and nothing of it is put on record.
func TestSpoolFull(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	file := strings.Replace(fmt.Sprintf(spoolSite, address), "bytes: 64MiB", "bytes: 64MiB, messages: 5", 1)
	r := begin(t, file, spooling(dir, spool.Disk{}))
	c := r.call("hl7")
	for n := range 6 {
		want := map[bool]string{true: "AA", false: "AE"}[n < 5]
		if got := c.send(numbered(n)); !strings.Contains(got, fmt.Sprintf("MSA|%s|m%d", want, n)) {
			t.Fatalf("message %d: got %q, want %s", n, got, want)
		}
	}
	if n := len(r.rows()); n != 5 {
		t.Errorf("got %d disclosures, want 5", n)
	}
	eventually(t, "a finding", func() bool { return r.findings()[SpoolFillingRule] > 0 })
	eventually(t, "a finding", func() bool { return r.findings()[SpoolOldRule] > 0 })
	e := comeBack(t, address, ack)
	checkArrived(t, e, 0, 5)
	eventually(t, "an empty spool", func() bool { return r.kept() == 0 })
	if m := numbered(6); !strings.Contains(c.send(m), "MSA|AA|m6") {
		t.Error("it is full for ever")
	}
}

// TestSpoolRejected: what its receiver does not take is kept apart and told; what comes behind it arrives.
func TestSpoolRejected(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	r := begin(t, fmt.Sprintf(spoolSite, address), spooling(dir, spool.Disk{}))
	c := r.call("hl7")
	for n := range 3 {
		c.send(numbered(n))
	}
	e := comeBack(t, address, func(m string) string {
		if strings.Contains(m, "|m1|") {
			return strings.Replace(ack(m), "MSA|AA", "MSA|AR", 1)
		}
		return ack(m)
	})
	checkArrived(t, e, 0, 3)
	eventually(t, "a finding", func() bool { return r.findings()[SpoolRejectedRule] == 1 })
	eventually(t, "a word that one is kept apart", func() bool {
		return strings.Contains(r.log.String(), `not all of it is delivered" listener=hl7 "kept apart"=1`)
	})
	if strings.Contains(r.log.String(), "everything that was kept is delivered") {
		t.Error("the log says that everything is delivered")
	}
	files, err := filepath.Glob(filepath.Join(dir, "hl7", "rejected", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got %v, %v", files, err)
	}
	var got []spool.Kept
	if err := spool.Read(files[0], r.guard.spools.key, func(k spool.Kept) error { got = append(got, k); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || string(got[0].Message) != "\x0b"+numbered(1)+"\x1c\r" || got[0].Answer != "AR" {
		t.Errorf("got %+v", got)
	}
}

// TestSpoolDamaged: a spool that cannot be read stops its listener's pushes, and says so; nothing overtakes what waits.
func TestSpoolDamaged(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	file, with := fmt.Sprintf(spoolSite, address), spooling(dir, spool.Disk{})
	r := begin(t, file, with)
	c := r.call("hl7")
	for n := range 3 {
		c.send(numbered(n))
	}
	r.end()
	path := filepath.Join(dir, "hl7", "00000000000000000001.spool")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(whole)
	broken[80] ^= 1
	if err := os.WriteFile(path, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	e := comeBack(t, address, ack)
	r.start(file, with)
	if got := r.call("hl7").send(numbered(3)); !strings.Contains(got, "MSA|AE|m3") {
		t.Errorf("got %q", got)
	}
	if n := len(e.frames()); n != 0 || r.findings()[SpoolDamagedRule] != 1 || !strings.Contains(r.log.String(), path) {
		t.Errorf("%d messages arrived; findings %v; log %s", n, r.findings(), r.log)
	}
	w := httptest.NewRecorder()
	r.guard.Status().ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if w.Code != 503 {
		t.Errorf("healthz: got %d %q", w.Code, w.Body)
	}
	r.end()
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	r.start(file, with)
	checkArrived(t, e, 0, 3)
}

// TestSpoolParty: what was decided for one party is not delivered to another, which the site file names now.
func TestSpoolParty(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	file, with := fmt.Sprintf(spoolSite, address), spooling(dir, spool.Disk{})
	r := begin(t, file, with)
	r.call("hl7").send(numbered(0))
	r.end()
	e := comeBack(t, address, ack)
	r.start(strings.NewReplacer("party: ehr}", "party: other}", "grants:", "  - {name: other, role: engine}\ngrants:").Replace(file), with)
	eventually(t, "a finding", func() bool { return r.findings()[SpoolRejectedRule] == 1 })
	if n := len(e.frames()); n != 0 {
		t.Errorf("%d messages arrived at another party", n)
	}
}

// TestSpoolTLS: with certificates, too, the record names who gets it, and somebody else at its address gets nothing.
func TestSpoolTLS(t *testing.T) {
	p := newPapers(t)
	ehr, _ := p.issue(t, "ehr", true)
	lab, _ := p.issue(t, "lab", false)
	other, _ := p.issue(t, "other", true)
	dir := filepath.Join(t.TempDir(), "spool")
	impostor := secure(t, other)
	address := impostor.Addr().String()
	r := begin(t, fmt.Sprintf(tlsSite, p.dir, address, "")+"    spool: {bytes: 64MiB}\n", spooling(dir, spool.Disk{}), func(o *Options) { o.Trust = p.trust })
	c := r.mustDial(client(lab))
	for n := range 2 {
		if got := c.send(numbered(n)); !strings.Contains(got, "MSA|AA|") {
			t.Fatalf("got %q", got)
		}
	}
	rows := r.rows()
	if len(rows) != 2 || rows[0].To.Proven != "spiffe://north/party/ehr" || rows[0].Protection != chaperone.MutualTLS {
		t.Fatalf("got %+v", rows)
	}
	eventually(t, "a finding", func() bool {
		return r.findings()["refused-identity-other"] > 0 || r.counted("refused-identity-other") > 0
	})
	if n := len(impostor.frames()); n != 0 {
		t.Fatalf("an impostor got %d messages", n)
	}
	impostor.leave()
	e := &engine{answer: ack}
	var l net.Listener
	eventually(t, "the address", func() bool { var err error; l, err = net.Listen("tcp", address); return err == nil })
	e.adopt(t, tlsListener(l, ehr))
	checkArrived(t, e, 0, 2)
}

// TestSpoolSenders: many senders at once, while the system behind comes and goes: every message that was acknowledged arrives.
func TestSpoolSenders(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	r := begin(t, fmt.Sprintf(spoolSite, address), spooling(dir, spool.Disk{}))
	const senders, each = 4, 30
	done := make(chan error, senders)
	for i := range senders {
		go func() {
			done <- func() error {
				c, err := net.Dial("tcp", r.guard.Address("hl7").String())
				if err != nil {
					return err
				}
				defer c.Close()
				in := bufio.NewReader(c)
				for n := range each {
					id := i*each + n
					if _, err := io.WriteString(c, "\x0b"+numbered(id)+"\x1c\r"); err != nil {
						return err
					}
					_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
					b, err := readFrame(in)
					if err != nil || !bytes.Contains(b, []byte(fmt.Sprintf("MSA|AA|m%d\r", id))) {
						return fmt.Errorf("message %d: got %q, %w", id, b, err)
					}
				}
				return nil
			}()
		}()
	}
	arrived := map[string]bool{}
	var all []*engine
	for over := 0; over < senders; {
		e := comeBack(t, address, ack)
		all = append(all, e)
		select {
		case err := <-done:
			over++
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Millisecond):
		}
		if over < senders {
			e.leave()
		}
	}
	eventually(t, "an empty spool", func() bool { return r.kept() == 0 })
	for _, e := range all {
		for _, f := range e.frames() {
			arrived[string(f)] = true
		}
	}
	for id := range senders * each {
		if !arrived["\x0b"+numbered(id)+"\x1c\r"] {
			t.Errorf("message %d was acknowledged and did not arrive", id)
		}
	}
	s, err := r.ledger.Scope(t.Context(), ledger.Query{})
	if err != nil || s.Disclosures != senders*each {
		t.Errorf("got %+v, %v", s.Counts, err)
	}
}

func tlsListener(l net.Listener, c tls.Certificate) net.Listener {
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{c}, ClientAuth: tls.RequireAnyClientCert})
}

// adopt serves a listener.
func (e *engine) adopt(t *testing.T, l net.Listener) {
	t.Helper()
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

// TestSpoolReload: a spool that is turned on holds for connections that are there already, and what waits for a listener that is gone
// is told.
func TestSpoolReload(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	file, with := fmt.Sprintf(spoolSite, address), spooling(dir, spool.Disk{})
	e := comeBack(t, address, ack)
	r := begin(t, fmt.Sprintf(hl7Site, address), with)
	c := r.call("hl7")
	if m := numbered(0); c.send(m) != ack(m) {
		t.Fatal("not passed on")
	}
	s := r.site(file)
	s.Listeners[0].Listen = r.guard.rules.Load().site.Listeners[0].Listen
	if err := r.guard.Reload(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := c.answer(); got != "" {
		t.Errorf("the connection from before: got %q, want its end", got)
	}
	e.leave()
	if got := r.call("hl7").send(numbered(1)); !strings.Contains(got, "MSA|AA|m1") {
		t.Errorf("got %q", got)
	}
	r.end()
	r.start(strings.Replace(file, "name: hl7", "name: hl8", 1), with)
	if found := r.findings(); found[SpoolLeftRule] != 1 {
		t.Errorf("got findings %v", found)
	}
	r.end()
	r.start(fmt.Sprintf(hl7Site, address), with) // it keeps nothing any more, and delivers what it has
	checkArrived(t, comeBack(t, address, ack), 1, 2)
}

// TestSpoolElsewhere: what is decided for one party is given to no other, whom a reload has put behind the listener since the client connected:
// what was kept is kept apart, and the client comes again.
func TestSpoolElsewhere(t *testing.T) {
	file := strings.Replace(fmt.Sprintf(spoolSite, nowhere(t)), "grants:", "  - name: other\n    role: engine\n    addresses: [127.0.0.3/32]\ngrants:", 1)
	r := begin(t, file, spooling(filepath.Join(t.TempDir(), "spool"), spool.Disk{}))
	c := r.call("hl7")
	if got := c.send(numbered(0)); !strings.Contains(got, "MSA|AA|m0") {
		t.Fatalf("got %q", got)
	}
	other := newEngine(t)
	other.answer = ack
	s := r.site(strings.Replace(file, "party: ehr", "party: other", 1))
	s.Listeners[0].Listen, s.Listeners[0].Upstream.Address = r.guard.rules.Load().site.Listeners[0].Listen, other.Addr().String()
	if err := r.guard.Reload(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 20; n++ {
		c.write(numbered(n))
		if c.answer() == "" {
			break
		}
	}
	stats := r.guard.spools.all["hl7"].spool.Stats
	eventually(t, "nothing waits", func() bool { return stats().Messages == 0 })
	if len(other.frames()) > 0 || stats().Rejected == 0 {
		t.Errorf("the other party got %d messages, and %d were kept apart", len(other.frames()), stats().Rejected)
	}
	if got := r.call("hl7").send(numbered(20)); !strings.Contains(got, "MSA|AR|m20") { // nothing is granted to it
		t.Errorf("a new connection: got %q", got)
	}
}

// TestSpoolOneAtATime: of messages that came together the next one is not passed on before the one before is answered, so that when
// the system behind the listener leaves, what it has not answered is kept.
func TestSpoolOneAtATime(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	first := comeBack(t, address, func(payload string) string {
		if strings.Contains(payload, "|m0|") {
			return ack(payload)
		}
		return ""
	})
	r := begin(t, fmt.Sprintf(spoolSite, address), spooling(dir, spool.Disk{}))
	c := r.call("hl7")
	var all string
	for n := range 4 {
		all += "\x0b" + numbered(n) + "\x1c\r"
	}
	if _, err := c.Write([]byte(all)); err != nil {
		t.Fatal(err)
	}
	if got := c.answer(); !strings.Contains(got, "MSA|AA|m0") {
		t.Fatalf("got %q", got)
	}
	time.Sleep(200 * time.Millisecond) // more than the rest needs
	if got := len(first.frames()); got != 2 {
		t.Errorf("the engine got %d messages, want 2: it has not answered the second", got)
	}
	first.leave()
	for n := 1; n < 4; n++ {
		if got := c.answer(); !strings.Contains(got, fmt.Sprint("MSA|AA|m", n)) {
			t.Errorf("got %q, want an answer to m%d", got, n)
		}
	}
	checkArrived(t, comeBack(t, address, ack), 1, 4)
}

// TestSpoolCode: what a system says in place of an acknowledgement code goes into no log.
func TestSpoolCode(t *testing.T) {
	dir, address := filepath.Join(t.TempDir(), "spool"), nowhere(t)
	r := begin(t, fmt.Sprintf(spoolSite, address), spooling(dir, spool.Disk{}))
	r.call("hl7").send(numbered(0))
	comeBack(t, address, func(payload string) string { return strings.Replace(ack(payload), "MSA|AA", "MSA|DOE^JANE", 1) })
	eventually(t, "a rejected message", func() bool { return strings.Contains(r.log.String(), "kept apart") })
	if got := r.log.String(); strings.Contains(got, "JANE") {
		t.Error("the log has what the system said")
	}
}

// TestSpoolRoom: messages behind one that cannot be kept give their places back when the connection ends with it.
func TestSpoolRoom(t *testing.T) {
	gate := make(chan struct{})
	r := begin(t, fmt.Sprintf(spoolSite, nowhere(t)), spooling(filepath.Join(t.TempDir(), "spool"), spool.Disk{}), func(o *Options) {
		o.Ledger = &faulty{Ledger: o.Ledger.(*disk.Ledger), record: ledger.ErrFull, gate: gate}
	})
	c := r.call("hl7")
	c.write(numbered(0), question1("q1"))
	eventually(t, "both wait", func() bool { return r.guard.room.waiting.Load() == 2 })
	_ = c.Conn.(*net.TCPConn).SetLinger(0) // its end is told at once
	_ = c.Close()
	time.Sleep(50 * time.Millisecond)
	close(gate)
	eventually(t, "the connection is over", func() bool {
		r.guard.mu.Lock()
		defer r.guard.mu.Unlock()
		return len(r.guard.conns) == 0
	})
	if n := r.guard.room.waiting.Load(); n != 0 {
		t.Errorf("%d places are taken by nobody", n)
	}
}

// TestSpooledMark: a disclosure is marked once, however often it is tried.
func TestSpooledMark(t *testing.T) {
	once := spooledEvidence("guard hl7, policy 1, grant results")
	if j, ok := JudgedBy(&chaperone.Evidence{File: spooledEvidence(once)}); !ok || j.Version != "1" || once == "guard hl7, policy 1, grant results" {
		t.Errorf("got %+v", j)
	}
}
