package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"chaperone/internal/clinicsim"
)

// Titles of the third party to which images are moved. The archive reaches it past the guard under one of them: what is on record then is the
// C-MOVE alone, to the destination's party. Under the other one it does so through a listener of the guard's: then each image is on record, too.
const (
	pastTitle    = "ROOM"
	throughTitle = "WARD"
)

// third is where the third party is.
const third = "127.0.0.5"

// room is where the archive sends what is moved to a title.
type room struct{ title, address string }

// move is the errand of moving a patient's image to a title.
func move(letter, title string) errand {
	return errand{letter, 1, []string{clinicsim.StudyRootMove}, func(a *clinicsim.Association, k *known) {
		id := a.MoveRequest(clinicsim.StudyRootMove, title, keys(k.patient()))
		status, n := k.moved(), clinicsim.Counts{Completed: 1}
		if status != clinicsim.Success {
			n = clinicsim.Counts{Failed: 1}
		}
		a.MoveAnswer(clinicsim.StudyRootMove, id, status, n)
	}}
}

// keys are those of one patient's retrieval.
func keys(patient string) clinicsim.DataSet {
	return clinicsim.DataSet{clinicsim.Text(0x00080052, "CS", "STUDY"), clinicsim.Text(0x00100020, "LO", patient)}
}

// moveFailed is the status of a C-MOVE whose images do not arrive (PS3.4 table C.4-2).
const moveFailed = 0xA702

// move does what a C-MOVE asks for.
func (a *archive) move(request []byte) (status uint16) {
	for _, r := range a.rooms {
		destination := append([]byte{0, 0, 0, 6, byte(len(r.title)), 0, 0, 0}, r.title...) // (0000,0600)
		if bytes.Contains(request, destination) && r.take(string(numbers.Find(request))) == nil {
			return clinicsim.Success
		}
	}
	return moveFailed
}

// take sends a patient's image. Errors: it is not known to have arrived.
func (r *room) take(patient string) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(behind)}, Timeout: patience}
	c, err := d.Dial("tcp", r.address)
	if err != nil {
		return err
	}
	defer c.Close()
	e := &dicomEnd{conn: c, dir: clinicsim.FromClient, see: func([]byte) {}}
	script := errands[0].association(e) // that of storing
	script.Calling, script.Called = "PACS", r.title
	script.Open()
	script.Store(clinicsim.FromClient, image(patient), &clinicsim.MoveOrigin{AE: "CT", ID: 1}, clinicsim.Success)
	err = e.err
	script.Release()
	return err
}

// wardListener is the part of the site file for what the archive sends through the guard.
const wardListener = `  - name: ward
    protocol: dicom
    listen: %s
    tls: none
    because: this is a test
    upstream: {address: "%s", tls: none, because: this is a test, party: room}
`

// openRoom lets the third party listen, and gives the part of the site file that is for it. What is moved to it past the guard goes to
// storescp where it is there.
func (a *archive) openRoom(tools *dcmtk) (l net.Listener, text string, err error) {
	l, err = net.Listen("tcp", third+":0")
	if err != nil {
		return nil, "", err
	}
	guarded, err := freeAddress()
	if err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	past := l.Addr().String()
	if tools != nil {
		past = tools.archive
	}
	a.rooms = []room{{pastTitle, past}, {throughTitle, guarded}}
	go a.listen(l, "MT")
	return l, fmt.Sprintf(wardListener, guarded, l.Addr()), nil
}
