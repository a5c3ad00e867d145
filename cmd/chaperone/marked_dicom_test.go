package main

import (
	"encoding/binary"
	"fmt"

	"chaperone/internal/clinicsim"
)

// markedImages is a capture in which marked patients pass by DICOM: as images, and as what is found.
func markedImages(n int) []byte {
	w := newWire()
	w.ports[1] = 11112
	for from := 0; from < n; from += 500 {
		w.association(from, min(from+500, n))
	}
	return w.out.Bytes()
}

// Send makes a wire one to which an association is written.
func (w *wire) Send(d clinicsim.Dir, b []byte) {
	for len(b) > 0 {
		n := min(len(b), 60_000)
		w.packet(int(d), ackFlag, b[:n])
		b = b[n:]
	}
}

// markedContexts are usual ones, and some whose syntax is none.
var markedContexts = []clinicsim.Context{
	{ID: 1, Abstract: clinicsim.CTImage, Offered: []string{clinicsim.ExplicitLE, mark}, Accepted: clinicsim.ExplicitLE},
	{ID: 3, Abstract: clinicsim.StudyRootFind, Offered: []string{clinicsim.ImplicitLE}, Accepted: clinicsim.ImplicitLE},
	{ID: 9, Abstract: clinicsim.StudyRootMove, Offered: []string{clinicsim.ImplicitLE}, Accepted: clinicsim.ImplicitLE},
	{ID: 5, Abstract: mark, Offered: []string{clinicsim.ImplicitLE}, Accepted: clinicsim.ImplicitLE},
	{ID: 7, Abstract: "1.2." + mark, Offered: []string{mark}, Reason: 4},
}

// association writes one in which some patients pass.
func (w *wire) association(from, until int) {
	w.ports[0]++
	w.at = w.at.Add(2 * 60 * 60 * 1e9)
	w.packet(0, synFlag, nil)
	w.packet(1, synFlag|ackFlag, nil)
	a := &clinicsim.Association{To: w, Calling: "CT1", Called: "PACS", Contexts: markedContexts, MaxPDU: [2]int{16384, 16384}}
	a.Open()
	var matches []clinicsim.DataSet
	for i := from; i < until; i++ {
		matches = append(matches, markedStudy(i))
		instance := fmt.Sprint("2.25.", i)
		if i%50 == 5 {
			instance += "." + mark
		}
		switch i % 25 {
		case 5:
			a.Store(clinicsim.FromClient, clinicsim.Object{Class: clinicsim.CTImage, Instance: instance, DataSet: markedImage(i)}, nil, clinicsim.Success)
		case 6: // of a class that there is not
			a.Store(clinicsim.FromClient, clinicsim.Object{Class: mark, Instance: mark, DataSet: markedImage(i)}, nil, clinicsim.OutOfResources)
		case 7: // what is said of an error is free text (PS3.7 section C.4)
			a.Write(clinicsim.FromServer, 1, complaint(0x8001, uint16(i)), nil)
		case 8: // neither a command set nor a data set
			a.Write(clinicsim.FromClient, 1, []byte(mark+mark), []byte(mark+" "+mark))
		}
	}
	a.Find(clinicsim.StudyRootFind, clinicsim.DataSet{clinicsim.Text(0x00080052, "CS", "STUDY"), clinicsim.Text(0x00100010, "PN", mark+"*"), clinicsim.Text(0x00100020, "LO", mark)}, matches)
	id := a.MoveRequest(clinicsim.StudyRootMove, "VIEWER1", clinicsim.DataSet{
		clinicsim.Text(0x00080052, "CS", "STUDY"), clinicsim.Text(0x00100010, "PN", mark), clinicsim.Text(0x00100020, "LO", mark), clinicsim.Text(0x0020000D, "UI", "2.25."+mark)})
	a.MoveAnswer(clinicsim.StudyRootMove, id, clinicsim.Success, clinicsim.Counts{Completed: 3})
	if from%1000 == 0 {
		a.Release()
	} else {
		a.StorePart(clinicsim.FromClient, clinicsim.Object{Class: clinicsim.CTImage, Instance: "2.25.1", DataSet: markedImage(from)})
	}
}

// complaint is an answer of an error, with what its sender says about it (PS3.7 annex C).
func complaint(field, id uint16) []byte {
	body := clinicsim.DataSet{
		clinicsim.Text(0x00000002, "UI", clinicsim.CTImage), clinicsim.Short(0x00000100, field), clinicsim.Short(0x00000120, id), clinicsim.Short(0x00000800, 0x0101),
		clinicsim.Short(0x00000900, 0xC000), clinicsim.Text(0x00000902, "LO", mark+" is there already"), clinicsim.Text(0x00001000, "UI", mark),
	}.Encode(clinicsim.ImplicitLE)
	head := []byte{0, 0, 0, 0, 4, 0, 0, 0}
	return append(binary.LittleEndian.AppendUint32(head, uint32(len(body))), body...)
}

// markedStudy is what a C-FIND finds.
func markedStudy(i int) clinicsim.DataSet { return marked(i, false) }

// markedImage is what a C-STORE brings.
func markedImage(i int) clinicsim.DataSet { return marked(i, true) }

// marked has the mark in every element that says nothing of systems. Some have only a name, some a birth date, a character set or a UID
// that is none.
func marked(i int, image bool) (list clinicsim.DataSet) {
	add := func(tag uint32, vr string, value ...any) {
		list = append(list, clinicsim.Text(tag, vr, fmt.Sprint(value...)))
	}
	id := fmt.Sprintf("%s%06d", mark, i)
	if i%20 == 8 { // the name of a file, as on a CD
		add(0x00041500, "CS", mark, `\`, mark)
	}
	if i%20 == 9 {
		add(0x00080005, "CS", mark)
	}
	if image {
		add(0x00080016, "UI", clinicsim.CTImage)
		add(0x00080018, "UI", "2.25.", i)
	}
	add(0x00080050, "SH", id) // accession number
	if !image {
		add(0x00080052, "CS", "STUDY")
	}
	add(0x00080060, "CS", "CT")
	add(0x00080080, "LO", mark) // institution
	add(0x00080090, "PN", mark, "^REFERRER")
	add(0x00081010, "SH", mark) // station name
	add(0x00081030, "LO", mark, " after a fall")
	add(0x0008103E, "LO", mark, " thorax")
	add(0x00081070, "PN", mark)
	list = append(list, clinicsim.Sequence(0x00081110, clinicsim.DataSet{clinicsim.Text(0x00081155, "UI", "2.25."+mark)}))
	add(0x00100010, "PN", mark, "SON", i, "^", mark, "INE=", mark)
	if i%20 != 3 {
		add(0x00100020, "LO", id)
		add(0x00100021, "LO", mark) // issuer
	}
	birth := fmt.Sprintf("1950%02d%02d", 1+i%12, 1+i%28)
	if i%20 == 4 {
		birth = mark
	}
	add(0x00100030, "DA", birth)
	add(0x00100032, "TM", mark)
	add(0x00100040, "CS", "F")
	add(0x00101000, "LO", id, "OLD")
	add(0x00101001, "PN", mark)
	list = append(list, clinicsim.OpenSequence(0x00101002, clinicsim.DataSet{clinicsim.Text(0x00100020, "LO", id+"B"), clinicsim.Text(0x00100021, "LO", mark)}))
	for _, e := range []struct {
		tag uint32
		vr  string
	}{{0x00101005, "PN"}, {0x00101040, "LO"}, {0x00102154, "SH"}, {0x001021B0, "LT"}, {0x00104000, "LT"}} { // birth name, address, telephone, history, comments
		add(e.tag, e.vr, mark)
	}
	study := fmt.Sprint("2.25.7", i)
	if i%20 == 6 {
		study = "2.25." + mark
	}
	add(0x0020000D, "UI", study)
	add(0x00200010, "SH", id)
	add(0x00204000, "LT", mark)
	add(0x00321060, "LO", mark)
	add(0x00401400, "LT", mark)
	if image {
		list = append(list, clinicsim.Raw(0x7FE00010, "OW", []byte(mark)))
	}
	return list
}
