package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"chaperone/internal/clinicsim"
)

// answer is an archive that accepts every association, and answers each question with so many studies, each of another patient.
func answer(l net.Listener, matches int) {
	list := make([]clinicsim.DataSet, matches)
	for i := range list {
		list[i] = clinicsim.DataSet{
			clinicsim.Text(0x00080020, "DA", "20260301"),
			clinicsim.Text(0x00080052, "CS", "STUDY"),
			clinicsim.Text(0x00100010, "PN", fmt.Sprintf("DOE^JANE^%d", i)),
			clinicsim.Text(0x00100020, "LO", fmt.Sprintf("P%d", i+1)),
			clinicsim.Text(0x0020000D, "UI", fmt.Sprintf("2.25.2.%d", i+1)),
		}
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_ = associate(conn, list) // the one who asks sees that it ended
		}()
	}
}

// toClient sends what an archive says.
type toClient struct{ to io.Writer }

func (c toClient) Send(d clinicsim.Dir, b []byte) {
	if d == clinicsim.FromServer {
		_, _ = c.to.Write(b) // reading ends with the connection
	}
}

// associate serves one association (PS3.8 section 9.3): of what is proposed, the first context of studies.
func associate(conn net.Conn, matches []clinicsim.DataSet) error {
	var room bytes.Buffer
	a := clinicsim.Association{To: toClient{&room}, Called: "PACS", Calling: "CT", MaxPDU: [2]int{16384, 16384}}
	for {
		kind, body, err := readPDU(conn)
		if err != nil {
			return err
		}
		switch kind {
		case 1:
			a.Contexts = []clinicsim.Context{{ID: body[firstContext(body)], Abstract: clinicsim.StudyRootFind, Accepted: clinicsim.ExplicitLE}}
			a.Accept()
		case 4:
			if body[5]&3 != 2 {
				continue // a command, or not the last of the identifier
			}
			a.FindAnswers(clinicsim.StudyRootFind, 1, matches)
			a.FindEnd(clinicsim.StudyRootFind, 1, clinicsim.Success)
		case 5:
			room.Write([]byte{6, 0, 0, 0, 0, 4, 0, 0, 0, 0})
		default:
			return fmt.Errorf("PDU of type %d", kind)
		}
		if _, err := room.WriteTo(conn); err != nil {
			return err
		}
	}
}

// firstContext gives where the ID of the first presentation context stands in an A-ASSOCIATE-RQ.
func firstContext(body []byte) int {
	at := 68
	for at+4 < len(body) && body[at] != 0x20 {
		at += 4 + int(binary.BigEndian.Uint16(body[at+2:]))
	}
	return at + 4
}

func readPDU(r io.Reader) (kind byte, body []byte, err error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, min(binary.BigEndian.Uint32(head[2:]), 1<<20))
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}
