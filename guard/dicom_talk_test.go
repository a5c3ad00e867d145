package guard

import (
	"encoding/binary"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	clinic "chaperone/internal/clinicsim"
)

// talker is one side of an association in a test, written by hand: it can say what no correct system says.
type talker struct {
	asking
	t    *testing.T
	last *command
	half []byte // of the data set of last, when the association ended in it
}

func newTalker(t *testing.T, c net.Conn) *talker {
	t.Cleanup(func() { _ = c.Close() })
	in := newPDUReader(c, 20*time.Second)
	return &talker{asking: asking{leg: leg{conn: c, in: in, patient: 20 * time.Second, most: 16384}}, t: t}
}

// talk connects to the guard.
func (r *rig) talk() *talker {
	r.t.Helper()
	c, err := net.Dial("tcp", r.guard.Address("dicom").String())
	if err != nil {
		r.t.Fatal(err)
	}
	return newTalker(r.t, c)
}

// must writes, or ends the test.
func (k *talker) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// request is an A-ASSOCIATE-RQ of CT1 or VIEWER.
func request(calling, called string, contexts ...proposed) *association {
	a := &association{contexts: contexts, most: 16384, kept: [][2][]byte{{{itemClassUID}, []byte("1.2.3")}}}
	copy(a.head[4:], called+"                ")
	copy(a.head[20:36], calling+"                ")
	return a
}

// offer is one presentation context.
func offer(id byte, class string, transfer ...string) proposed {
	return proposed{id: id, abstract: class, transfer: transfer}
}

// open makes an association of usual contexts: 1 storage, 3 find, 5 get, 7 move, 9 echo, 11 MPPS.
func (k *talker) associate() *association {
	k.t.Helper()
	return k.associateAs("CT1")
}

func (k *talker) associateAs(calling string) *association {
	k.t.Helper()
	q := request(calling, "PACS",
		offer(1, clinic.CTImage, clinic.ExplicitLE), offer(3, studyRootFind, implicitVR), offer(5, clinic.StudyRootGet, implicitVR),
		offer(7, clinic.StudyRootMove, implicitVR), offer(9, clinic.Verification, implicitVR), offer(11, mppsClass, implicitVR))
	q.roles = []role{{clinic.CTImage, 1, 1}}
	k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
	p, err := k.pdu()
	k.must(err)
	if p.kind != pduAssociateAC {
		k.t.Fatalf("got PDU %d % x", p.kind, p.body)
	}
	a, err := readAssociation(pduAssociateAC, p.body)
	k.must(err)
	return a
}

const mppsClass = "1.2.840.10008.3.1.2.3.3"

// classes are the contexts of associate.
var classes = map[byte]string{1: clinic.CTImage, 3: studyRootFind, 5: clinic.StudyRootGet, 7: clinic.StudyRootMove, 9: clinic.Verification, 11: mppsClass, 13: "1.2.840.10008.1.20.1"}

// set is a command set, in the order of its tags.
func set(context byte, field, id uint16, dataSet bool, more ...clinic.Element) []byte {
	kind, idTag := uint16(noDataSet), uint32(0x0110)
	if dataSet {
		kind = 1
	}
	if field&answerBit != 0 || field == fieldCancel {
		idTag = 0x0120
	}
	list := clinic.DataSet{clinic.Text(0x0002, "UI", classes[context]), clinic.Short(0x0100, field), clinic.Short(idTag, id), clinic.Short(0x0800, kind)}
	list = append(list, more...)
	slices.SortStableFunc(list, func(a, b clinic.Element) int { return int(a.Tag) - int(b.Tag) })
	return withLength(list.Encode(clinic.ImplicitLE))
}

// message sends a message whole.
func (k *talker) message(context byte, command, data []byte) {
	k.t.Helper()
	k.must(k.send(context, true, true, command))
	if data != nil {
		k.must(k.send(context, false, true, data))
	}
}

// reply gives the next message; nil when the association ends, with the PDU that ended it.
func (k *talker) reply() (*command, []byte, pdu) {
	k.t.Helper()
	_ = k.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	var b []byte
	var context byte
	for command := true; ; {
		for len(k.queue) == 0 {
			p, err := k.pdu()
			if err != nil || p.kind != pduData {
				if !command {
					k.half = b
				}
				return nil, nil, p
			}
			k.must(fragments(p.body, func(f fragment) error { k.queue = append(k.queue, f); return nil }))
		}
		f := k.queue[0]
		k.queue = k.queue[1:]
		context = f.context
		b = append(b, f.data...)
		if !f.last {
			continue
		}
		if command {
			c, err := readCommand(context, b)
			k.must(err)
			if !c.dataSet {
				return c, nil, pdu{}
			}
			k.last, b, command = c, nil, false
			continue
		}
		return k.last, b, pdu{}
	}
}

// archive is a system behind the guard that does what a test says.
type archive struct {
	net.Listener
	mu       sync.Mutex
	requests []*association
	messages []*command
	data     [][]byte
	halves   []half
	ends     []pdu
}

// half is a message whose data set did not come to its end.
type half struct {
	*command
	data []byte
}

// newArchive starts one. For each message of a client it calls act, which may be nil.
func newArchive(t *testing.T, act func(k *talker, c *command, data []byte)) *archive {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return archiveOn(t, l, act)
}

func archiveOn(t *testing.T, l net.Listener, act func(k *talker, c *command, data []byte)) *archive {
	t.Helper()
	a := &archive{Listener: l}
	var work sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); work.Wait() })
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { defer c.Close(); a.serve(newTalker(t, c), act) })
		}
	})
	return a
}

func (a *archive) serve(k *talker, act func(*talker, *command, []byte)) {
	p, err := k.pdu()
	if err != nil || p.kind != pduAssociateRQ {
		return
	}
	q, err := readAssociation(pduAssociateRQ, p.body)
	if err != nil {
		k.t.Error(err)
		return
	}
	a.mu.Lock()
	a.requests = append(a.requests, q)
	a.mu.Unlock()
	answer := *q
	answer.contexts, answer.most = nil, 16384
	for _, c := range q.contexts {
		answer.contexts = append(answer.contexts, proposed{id: c.id, accepted: c.transfer[0]})
	}
	if k.control(pduAssociateAC, answer.body(pduAssociateAC)) != nil {
		return
	}
	for {
		c, data, end := k.reply()
		a.mu.Lock()
		if c == nil {
			a.ends = append(a.ends, end)
			if len(k.half) > 0 {
				a.halves = append(a.halves, half{k.last, k.half})
			}
			a.mu.Unlock()
			if end.kind == pduReleaseRQ {
				_ = k.control(pduReleaseRP, make([]byte, 4))
			}
			return
		}
		a.messages, a.data = append(a.messages, c), append(a.data, data)
		a.mu.Unlock()
		if act != nil {
			act(k, c, data)
		}
	}
}

// got gives the words of the messages that came, without the guard's own inquiries.
func (a *archive) got() (words []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.messages {
		words = append(words, c.word())
	}
	return words
}

// well answers with success.
func well(k *talker, c *command, _ []byte) {
	if c.answer() || c.field == fieldCancel {
		return
	}
	_ = k.send(c.context, true, true, c.reply(statusSuccess, "")) // the test sees what does not come
}

// matched answers a C-FIND with matches.
func matched(k *talker, c *command, matches ...clinic.DataSet) {
	for _, m := range matches {
		b := element(nil, 0x0002, []byte(c.class+"\x00"[:len(c.class)%2]))
		for _, n := range [][2]uint16{{0x0100, fieldFind | answerBit}, {0x0120, c.id}, {0x0800, 1}, {0x0900, statusPending}} {
			b = element(b, n[0], binary.LittleEndian.AppendUint16(nil, n[1]))
		}
		_ = k.send(c.context, true, true, withLength(b))
		_ = k.send(c.context, false, true, m.Encode(clinic.ImplicitLE))
	}
	well(k, c, nil)
}

// study is a match of a patient.
func study(patient, uid string) clinic.DataSet {
	return clinic.DataSet{clinic.Text(0x00080052, "CS", "STUDY"), clinic.Text(0x00100020, "LO", patient), clinic.Text(0x0020000D, "UI", uid)}
}

// keys are those of a retrieval.
func keys(level string, more ...clinic.Element) []byte {
	return append(clinic.DataSet{clinic.Text(0x00080052, "CS", level)}, more...).Encode(clinic.ImplicitLE)
}
