package guard

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger/disk"
)

// mark is in everything of the patient whose records are asked for, and in nothing that they are asked with: where it is, a
// patient was released.
const mark = "MARKED"

const markedUID = "2.25.4711.1"

// markedStudy is a match of that patient.
func markedStudy() clinic.DataSet {
	return clinic.DataSet{
		clinic.Text(0x00080052, "CS", "STUDY"), clinic.Text(0x00100010, "PN", mark+"^JANE"), clinic.Text(0x00100020, "LO", mark+"1"),
		clinic.Text(0x0020000D, "UI", markedUID),
	}
}

// imageOf is an object of a patient and a study with so many bytes of pixels, which bear the mark too.
func imageOf(patient, study string, pixels int) []byte {
	return clinic.DataSet{
		clinic.Text(0x00080016, "UI", clinic.CTImage), clinic.Text(0x00080018, "UI", study+".1.1"), clinic.Text(0x00100010, "PN", patient+"^JANE"),
		clinic.Text(0x00100020, "LO", patient), clinic.Text(0x0020000D, "UI", study), clinic.Text(0x0020000E, "UI", study+".1"),
		clinic.Raw(0x7FE00010, "OW", bytes.Repeat([]byte(mark), pixels/len(mark)&^1)),
	}.Encode(clinic.ExplicitLE)
}

// marked is an object of the patient.
func marked() []byte { return imageOf(mark+"1", markedUID, 24<<10) }

// tap keeps what passes a connection.
type tap struct {
	net.Conn
	mu          sync.Mutex
	read, wrote []byte
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = append(c.read, b[:n]...)
	return n, err
}

func (c *tap) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.wrote = append(c.wrote, b...) // before the other side may have it
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// kept gives what arrived here, and what was sent from here.
func (c *tap) kept() (read, wrote []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.read), slices.Clone(c.wrote)
}

// taps keeps what passes every connection of a listener.
type taps struct {
	net.Listener
	mu  sync.Mutex
	all []*tap
}

func (l *taps) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	kept := &tap{Conn: c}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, kept)
	return kept, nil
}

// sickDICOM is a site with an archive, a client and a room where all that arrives is kept, and with something that can fail.
type sickDICOM struct {
	*rig
	ledger  *faulty
	clock   *settable
	archive *archive
	at      *taps // what passes the archive
	client  *tap  // of the last client

	mu   sync.Mutex
	room []byte // what the archive sent to where a C-MOVE said
}

// newSickDICOM starts a guard before an archive that acts; nil: it has one study of one patient, and always says that all is well.
func newSickDICOM(t *testing.T, mode string, act func(k *talker, c *command, data []byte)) *sickDICOM {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sickDICOM{ledger: &faulty{}, clock: &settable{}, at: &taps{Listener: l}}
	if act == nil {
		act = s.act
	}
	s.archive = archiveOn(t, s.at, act)
	s.rig = begin(t, s.file(mode), func(o *Options) {
		s.ledger.Ledger = o.Ledger.(*disk.Ledger)
		o.Ledger, o.Now, o.pace = s.ledger, s.clock.now, quick
		o.pace.clock = time.Hour
	})
	t.Cleanup(s.heal)
	return s
}

// heal ends what the ledger fails at.
func (s *sickDICOM) heal() {
	s.ledger.set(func(f *faulty) { f.record, f.resolve, f.forgets = nil, nil, false })
}

func (s *sickDICOM) file(mode string) string {
	return strings.Replace(fmt.Sprintf(dicomSite, 100, s.at.Addr()), "    upstream:", "    mode: "+mode+"\n    upstream:", 1)
}

// reload has the guard take a site file with the same listener.
func (s *sickDICOM) reload(file string) error {
	rules := s.site(file)
	rules.Listeners[0].Listen = s.guard.rules.Load().site.Listeners[0].Listen
	return s.guard.Reload(s.t.Context(), rules)
}

func (s *sickDICOM) act(k *talker, c *command, data []byte) {
	switch c.field {
	case fieldFind:
		matched(k, c, markedStudy())
		return
	case fieldGet:
		k.bring(9, marked())
	case fieldMove:
		s.mu.Lock()
		s.room = append(s.room, marked()...)
		s.mu.Unlock()
		_ = k.send(c.context, true, true, c.reply(statusSuccess, "", 0, 1, 0, 0)) // the test sees what does not come
		return
	}
	well(k, c, data)
}

// bring sends an object as an archive does that was asked for it, and gives the status of the answer.
func (k *talker) bring(id uint16, object []byte) (status uint16) {
	_ = k.send(1, true, true, set(1, fieldStore, id, true, clinic.Text(0x1000, "UI", markedUID+".1.1"))) // what does not come, its reader misses
	_ = k.send(1, false, true, object)
	if answer, _, _ := k.reply(); answer != nil {
		return answer.status
	}
	return 0xFFFF
}

// dial connects a client of which all that arrives is kept.
func (s *sickDICOM) dial() *talker {
	s.t.Helper()
	c, err := net.Dial("tcp", s.guard.Address("dicom").String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.client = &tap{Conn: c}
	return newTalker(s.t, s.client)
}

// released says where records of the patient have arrived: "" nowhere.
func (s *sickDICOM) released() (where string) {
	if read, _ := s.client.kept(); bytes.Contains(read, []byte(mark)) {
		where += "client "
	}
	s.at.mu.Lock()
	for _, c := range s.at.all {
		if read, _ := c.kept(); bytes.Contains(read, []byte(mark)) {
			where += "archive "
		}
	}
	s.at.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.room) > 0 {
		where += "room "
	}
	return strings.TrimSpace(where)
}

// releasing is one exchange that brings records of the patient to somebody.
type releasing struct {
	name          string
	context       byte
	command, data []byte
	to            string // who gets them
}

func releases() []releasing {
	one := keys("STUDY", clinic.Text(0x0020000D, "UI", markedUID))
	return []releasing{
		{"C-FIND", 3, set(3, fieldFind, 1, true), one, "client"},
		{"C-GET", 5, set(5, fieldGet, 2, true), one, "client"},
		{"C-MOVE", 7, set(7, fieldMove, 3, true, clinic.Text(0x0600, "AE", "ROOM")), one, "room"},
		{"C-STORE", 1, set(1, fieldStore, 4, true, clinic.Text(0x1000, "UI", markedUID+".1.1")), marked(), "archive"},
	}
}

// exchange asks, takes the objects that come, and gives the final answer, or the PDU that ended the association before one.
func (k *talker) exchange(r releasing) (final *command, end pdu) {
	k.t.Helper()
	k.message(r.context, r.command, r.data)
	for {
		c, _, end := k.reply()
		switch {
		case c == nil:
			return nil, end
		case c.field == fieldStore:
			k.message(c.context, c.reply(statusSuccess, ""), nil)
		case !pending(c.status):
			return c, end
		}
	}
}

// failure reports whether a status says that it failed, and is neither success, nor pending, nor a cancellation, nor a warning
// (PS3.7 annex C).
func failure(status uint16) bool {
	switch status {
	case statusSuccess, statusCancelled, 0x0001, 0x0107, 0x0116:
		return false
	}
	return !pending(status) && status>>12 != 0xB
}
