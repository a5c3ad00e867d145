package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/internal/clinicsim"
)

// patience is how long anybody in these tests waits for anybody.
const patience = 20 * time.Second

// peer is a system behind a guard. It can go away and come back.
type peer struct {
	address string
	serve   func(net.Conn)

	mu     sync.Mutex
	socket net.Listener
	conns  []net.Conn
}

// newPeer is one that serves each connection.
func newPeer(t *testing.T, serve func(net.Conn)) *peer {
	t.Helper()
	e := &peer{address: "127.0.0.1:0", serve: serve}
	e.come(t)
	t.Cleanup(e.leave)
	return e
}

func (e *peer) come(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", e.address)
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); time.Sleep(50 * time.Millisecond) { // its connections may not be gone yet
		l, err = net.Listen("tcp", e.address)
	}
	if err != nil {
		t.Fatal(err)
	}
	e.socket, e.address = l, l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.mu.Lock()
			e.conns = append(e.conns, c)
			e.mu.Unlock()
			go func() {
				defer c.Close()
				e.serve(c)
			}()
		}
	}()
}

func (e *peer) leave() {
	_ = e.socket.Close() // twice, at the end
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		_ = c.Close()
	}
	e.conns = nil
}

// engine answers HL7 messages, and says more of a patient in its answers than it has to.
type engine struct {
	rejects atomic.Bool
	got     atomic.Int64
}

func (e *engine) serve(c net.Conn) {
	for in := bufio.NewReader(c); ; {
		payload, err := in.ReadString(0x1C)
		if err != nil {
			return
		}
		e.got.Add(1)
		fields := strings.Split(strings.TrimLeft(payload, "\r\n\v"), "|")
		if len(fields) < 10 {
			return
		}
		head := clinicsim.Header{From: "EHR|NORTH", To: "LAB|NORTH", Time: "20260301", Type: "ACK", Control: "a" + fields[9]}
		segments := []string{"MSA|AA|" + fields[9]}
		switch {
		case e.rejects.Load() && strings.HasSuffix(fields[9], "50"): // a code that is none
			segments = []string{"MSA|" + mark + "|" + fields[9]}
		case e.rejects.Load():
			segments = []string{"MSA|AR|" + fields[9] + "|" + mark + " is not known", "ERR|" + mark + "|" + mark + "|" + mark + "|E||" + mark}
		case strings.HasPrefix(fields[8], "QBP"):
			head.Type = "RSP^K22^RSP_K21"
			segments = append(segments, "QAK|t|OK", "QPD|Q22^Find^HL7|t|@PID.5.1^"+mark, "PID|1||"+mark+"000001^^^NORTH^MR||"+mark+"^JANE")
		case strings.HasSuffix(fields[9], "9"):
			segments = append(segments, "PID|1||"+mark+"000001^^^NORTH^MR||"+mark+"^JANE") // an answer that is none
		}
		if _, err := c.Write(clinicsim.Frame(clinicsim.Message(head, segments...))); err != nil {
			return
		}
	}
}

// dicomSide is one side of an association. Both play the same script: each sends what is its own to send, and waits where it is the other's turn.
type dicomSide struct {
	c    net.Conn
	own  clinicsim.Dir
	last []byte
	err  error // the script is over
}

func (s *dicomSide) Send(d clinicsim.Dir, b []byte) {
	_ = s.c.SetDeadline(time.Now().Add(patience))
	switch {
	case s.err != nil:
	case d == s.own:
		_, s.err = s.c.Write(b)
	default:
		s.err = s.take()
	}
}

var errAssociationOver = errors.New("the association is over")

// take takes a whole message, or a PDU that is none (PS3.8 section 9.3).
func (s *dicomSide) take() error {
	s.last = nil
	for {
		var head [6]byte
		if _, err := io.ReadFull(s.c, head[:]); err != nil {
			return err
		}
		body := make([]byte, min(binary.BigEndian.Uint32(head[2:]), 1<<20))
		if _, err := io.ReadFull(s.c, body); err != nil {
			return err
		}
		s.last = append(s.last, body...)
		switch head[0] {
		case 1, 2, 6:
			return nil
		case 4:
			ends, failed := whole(body)
			if failed {
				return errAssociationOver
			}
			if ends {
				return nil
			}
		case 5:
			_, err := s.c.Write([]byte{6, 0, 0, 0, 0, 4, 0, 0, 0, 0})
			return errors.Join(errAssociationOver, err)
		default:
			return errAssociationOver
		}
	}
}

// whole reports whether a message ends in a P-DATA-TF PDU: with the last fragment of its data set, or of a command set that has none (PS3.8 annex E);
// and whether it is an answer that something failed.
func whole(body []byte) (ends, failed bool) {
	for len(body) > 6 {
		n := max(6, min(int(binary.BigEndian.Uint32(body))+4, len(body)))
		control, value := body[5], body[6:n]
		body = body[n:]
		if control == 2 {
			ends = true
		}
		if control == 3 {
			ends = number(value, 0x0800) == 0x0101
			status := number(value, 0x0900)
			failed = failed || status != clinicsim.Success && status != clinicsim.Pending
		}
	}
	return ends, failed
}

// number gives an element of a command set, 0 when it is not there (PS3.7 annex E).
func number(set []byte, element uint16) uint16 {
	_, value, _ := bytes.Cut(set, []byte{0, 0, byte(element), byte(element >> 8), 2, 0, 0, 0})
	if len(value) < 2 {
		return 0
	}
	return binary.LittleEndian.Uint16(value)
}

// associationOf is one by which images are stored, or asked for.
func associationOf(s *dicomSide, calling, class string) *clinicsim.Association {
	return &clinicsim.Association{To: s, Calling: calling, Called: "PACS", MaxPDU: [2]int{16384, 16384},
		Contexts: []clinicsim.Context{{ID: 1, Abstract: class, Offered: []string{clinicsim.ImplicitLE}, Accepted: clinicsim.ImplicitLE}}}
}

// foundTogether is how many patients an archive finds at once.
const foundTogether = 400

// archive takes images, and finds other patients whenever it is asked: the first time such as a guard lets pass.
type archive struct{ finds atomic.Int64 }

func (a *archive) serve(c net.Conn) {
	s := &dicomSide{c: c, own: clinicsim.FromServer}
	if s.err = s.take(); s.err != nil {
		return
	}
	if !bytes.Contains(s.last, []byte(clinicsim.StudyRootFind)) {
		script := associationOf(s, "CT1", clinicsim.CTImage)
		for script.Accept(); s.err == nil; {
			storeOne(script, 0)
		}
		return
	}
	script := associationOf(s, "VIEWER1", clinicsim.StudyRootFind)
	for script.Accept(); s.err == nil; {
		n := int(a.finds.Add(1))
		findSome(script, n*2*foundTogether, n > 1)
	}
}

func storeOne(a *clinicsim.Association, i int) {
	a.Store(clinicsim.FromClient, clinicsim.Object{Class: clinicsim.CTImage, Instance: fmt.Sprint("2.25.", i), DataSet: markedImage(i)}, nil, clinicsim.Success)
}

// findSome finds patients from a number on. Only the archive's side needs it.
func findSome(a *clinicsim.Association, from int, odd bool) {
	var matches []clinicsim.DataSet
	for i := from; len(matches) < foundTogether; i++ {
		if odd || i%20 < 3 || i%20 > 9 {
			matches = append(matches, markedStudy(i))
		}
	}
	a.Find(clinicsim.StudyRootFind, clinicsim.DataSet{clinicsim.Text(0x00080052, "CS", "STUDY"), clinicsim.Text(0x00100010, "PN", mark+"*")}, matches)
}

// echo is a remote desktop: it says everything back.
func echo(c net.Conn) { _, _ = io.Copy(c, c) }
