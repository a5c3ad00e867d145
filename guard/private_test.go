package guard

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger"
)

// sign stands in every name and every number of the patients of TestPrivate.
const sign = "QZMARKQZ"

// TestPrivate passes 10,000 marked patients through a guard, and many more messages that are refused for each reason there is: no
// mark is in its log, its metrics, its health page, an answer that it makes itself or a file that it writes.
func TestPrivate(t *testing.T) {
	r, e := hl7Rig(t)
	const senders, each = 8, 1250
	var sending sync.WaitGroup
	for k := range senders {
		sending.Go(func() {
			c := r.call("hl7")
			for i := range each {
				m := signed(k*each + i)
				if got := c.send(m); got != ack(m) {
					t.Errorf("sender %d, message %d: got an answer of %d bytes", k, i, len(got))
					return
				}
			}
		})
	}
	sending.Wait()
	whole := signed(0)
	var answers []string
	for i, m := range []string{
		strings.Replace(whole, "ORU^R01", "ADT^A01", 1),
		strings.Replace(whole, "LAB|NORTH", "EVIL|NORTH", 1),
		strings.Replace(whole, "\rOBX", "\rPID|2||"+sign+"2^^^NORTH^MR||"+sign+"^B\rOBX", 1),
		strings.ReplaceAll(whole, "^", "#"),
		strings.ReplaceAll(whole, "\r", "\n"),
		strings.Replace(whole, sign+"0", sign+"\\X41\\", 1),
		strings.Replace(whole, sign+"0", sign+"\x01", 1),
		strings.Replace(whole, sign+"0", sign+"é", 1),
		strings.Replace(whole, "PID|", sign+"|", 1),
		strings.Replace(whole, "MSH|", "MSH|"+sign, 1),
		strings.Replace(whole, "ORU^R01^ORU_R01", "QBP^Q22^QBP_Q21", 1) + "QPD|Q22^Find^HL7|t|@PID.5.1^" + sign + "\r",
		strings.Replace(whole, "ORU^R01^ORU_R01", "ACK", 1) + "MSA|AA|" + sign + "\r",
		whole[20:], sign, "",
	} {
		answers = append(answers, r.raw("\x0b"+m+"\x1c\r"))
		e.mu.Lock()
		e.answer = func(payload string) string { return ack(payload) + strings.Join(strings.Split(m, "\r")[1:], "\r") }
		e.mu.Unlock()
		answers = append(answers, r.raw("\x0b"+strings.Replace(signed(1), "|1|P|", fmt.Sprintf("|odd%d|P|", i), 1)+"\x1c\r"))
	}
	for _, raw := range []string{"GET /" + sign + " HTTP/1.1\r\n\r\n", "\x0b" + whole, "\x0b\x0b" + whole + "\x1c\r", whole + "\x1c\r"} {
		answers = append(answers, r.raw(raw))
	}
	r.guard.refused.flush(r.guard.now(), false)
	s, err := r.ledger.Scope(t.Context(), ledger.Query{})
	if err != nil || s.Patients != senders*each {
		t.Fatalf("got %d patients, %v; want %d", s.Patients, err, senders*each)
	}
	if !slices.ContainsFunc(e.frames(), func(b []byte) bool { return bytes.Contains(b, []byte(sign)) }) {
		t.Fatal("the engine got no mark: the test shows nothing")
	}
	if found := r.findings(); len(found) < 4 {
		t.Errorf("got findings %v: too few reasons", found)
	}
	r.unmarked()
	for i, answer := range answers { // what the engine answers does; and a question is said again to whoever asked it (HL7 v2.5 section 5.3)
		own, _, _ := strings.Cut(answer, "QPD|")
		if strings.Contains(own, sign) && strings.Contains(own, "CHAP") {
			t.Errorf("answer %d of the guard has a mark", i)
		}
	}
}

// TestPrivateDICOM is the same for images and questions.
func TestPrivateDICOM(t *testing.T) {
	a := newArchive(t, well)
	r := dicomRig(t, a.Addr().String(), 100)
	data := func(n int) []byte {
		return clinic.DataSet{
			clinic.Text(0x00080016, "UI", clinic.CTImage), clinic.Text(0x00080018, "UI", "2.25.1"), clinic.Text(0x00080060, "CS", "CT"),
			clinic.Text(0x00100010, "PN", sign+"^JANE"), clinic.Text(0x00100020, "LO", fmt.Sprint(sign, n)), clinic.Text(0x0020000D, "UI", fmt.Sprint("2.25.2.", n)),
			clinic.Raw(0x7FE00010, "OW", make([]byte, 512)),
		}.Encode(clinic.ExplicitLE)
	}
	for i := range 50 { // most are beyond the budget
		b := data(i)
		switch i % 10 {
		case 7:
			b = b[:len(b)/2]
		case 8:
			b = bytes.Replace(b, []byte("LO"), []byte("ZZ"), 1)
		}
		k := r.talk()
		k.associate()
		k.must(k.send(1, true, true, set(1, fieldStore, 1, true, clinic.Text(0x1000, "UI", "2.25.1"))))
		_ = k.send(1, false, true, b) // it may end before
		_, _, _ = k.reply()
		_ = k.conn.Close()
	}
	k := r.talk()
	k.associate()
	k.must(k.send(3, true, true, set(1, fieldFind, 3, true)))
	k.must(k.send(3, false, true, clinic.DataSet{clinic.Text(0x00080052, "CS", "STUDY"), clinic.Text(0x00100010, "PN", sign+"*")}.Encode(clinic.ImplicitLE)))
	_, _, _ = k.reply()
	if len(r.rows()) < 10 || len(r.findings()) < 2 {
		t.Errorf("got %d disclosures and findings %v: the test shows nothing", len(r.rows()), r.findings())
	}
	r.unmarked()
}

// raw sends bytes and gives the answer that comes soon, if any.
func (r *rig) raw(b string) string {
	c := r.call("hl7")
	defer c.Close()
	_, _ = c.Write([]byte(b)) // it may end before
	_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	answer, _ := readFrame(c.in)
	return string(answer)
}

// signed is a message of a marked patient.
func signed(n int) string {
	id := fmt.Sprint(sign, n)
	return "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ORU^R01^ORU_R01|" + fmt.Sprint(n) + "|P|2.5\rPID|1|" + id + "|" + id + "^^^NORTH^MR|" + id + "|DOE" + sign + "^JANE||19700101|F|||" +
		sign + " STREET\rNK1|1|" + sign + "^MOTHER\rOBX|1|TX|A||" + sign + " is fine\r"
}

// unmarked looks for marks in everything that a guard says and writes.
func (r *rig) unmarked() {
	r.t.Helper()
	has := func(what string, b []byte) {
		r.t.Helper()
		if bytes.Contains(bytes.ToUpper(b), []byte(sign)) {
			r.t.Errorf("%s has a mark", what)
		}
	}
	for _, path := range []string{"/metrics", "/healthz"} {
		w := httptest.NewRecorder()
		r.guard.Status().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Body.Len() == 0 {
			r.t.Errorf("%s is empty", path)
		}
		has(path, w.Body.Bytes())
	}
	r.end()
	has("the log", []byte(r.log.String()))
	err := filepath.WalkDir(r.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		has(entry.Name(), b)
		return err
	})
	if err != nil {
		r.t.Error(err)
	}
}
