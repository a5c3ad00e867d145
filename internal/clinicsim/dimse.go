package clinicsim

import "encoding/binary"

// SOP classes (PS3.6 Table A-1).
const (
	Verification    = "1.2.840.10008.1.1"
	CTImage         = "1.2.840.10008.5.1.4.1.1.2"
	MRImage         = "1.2.840.10008.5.1.4.1.1.4"
	PatientRootFind = "1.2.840.10008.5.1.4.1.2.1.1"
	PatientRootMove = "1.2.840.10008.5.1.4.1.2.1.2"
	StudyRootFind   = "1.2.840.10008.5.1.4.1.2.2.1"
	StudyRootMove   = "1.2.840.10008.5.1.4.1.2.2.2"
	StudyRootGet    = "1.2.840.10008.5.1.4.1.2.2.3"
	WorklistFind    = "1.2.840.10008.5.1.4.31"
)

// Status codes (PS3.7 Annex C).
const (
	Success        = 0x0000
	OutOfResources = 0xA700
	Canceled       = 0xFE00
	Pending        = 0xFF00
)

const (
	noDataSet = 0x0101
	aDataSet  = 0x0102
)

// Command fields (PS3.7 Table E.1-1); an answer has bit 15 set.
const (
	cStore  = 0x0001
	cGet    = 0x0010
	cFind   = 0x0020
	cMove   = 0x0021
	cEcho   = 0x0030
	cCancel = 0x0FFF
	answer  = 0x8000
)

// Object is one instance that a C-STORE carries.
type Object struct {
	Class, Instance string
	DataSet         DataSet
}

// Counts are the sub-operations that an answer to C-MOVE or C-GET tells.
type Counts struct{ Remaining, Completed, Failed, Warning int }

// MoveOrigin says on whose behalf a C-STORE is sent (PS3.7 section 9.3.1.1).
type MoveOrigin struct {
	AE string
	ID uint16
}

// Echo is a C-ECHO and its answer.
func (a *Association) Echo() {
	context, _ := a.Context(Verification)
	id := a.nextID()
	a.Write(FromClient, context, command(Verification, cEcho, id, noDataSet), nil)
	a.Write(FromServer, context, command(Verification, cEcho|answer, id, noDataSet, Short(0x00000900, Success)), nil)
}

// Store is a C-STORE in direction d and its answer. origin is nil unless it serves a C-MOVE.
func (a *Association) Store(d Dir, o Object, origin *MoveOrigin, status uint16) {
	context, ts := a.Context(o.Class)
	id := a.nextID()
	a.Write(d, context, storeRequest(id, o, origin), o.DataSet.Encode(ts))
	a.Write(d.Other(), context, command(o.Class, cStore|answer, id, noDataSet,
		Short(0x00000900, status), Text(0x00001000, "UI", o.Instance)), nil)
}

// StorePart begins a C-STORE and stops within its pixel data, after half of them.
func (a *Association) StorePart(d Dir, o Object) {
	context, ts := a.Context(o.Class)
	data := o.DataSet.Encode(ts)
	pixels := len(o.DataSet[:len(o.DataSet)-1].Encode(ts)) // pixel data is the last element
	a.writePart(d, context, storeRequest(a.nextID(), o, nil), data, pixels+(len(data)-pixels)/2)
}

// FindRequest sends C-FIND and gives its message ID.
func (a *Association) FindRequest(class string, keys DataSet) uint16 {
	return a.request(class, cFind, keys)
}

// FindAnswers sends the pending answers of a C-FIND, one a match.
func (a *Association) FindAnswers(class string, id uint16, matches []DataSet) {
	context, ts := a.Context(class)
	for _, m := range matches {
		a.Write(FromServer, context, command(class, cFind|answer, id, aDataSet, Short(0x00000900, Pending)), m.Encode(ts))
	}
}

// FindEnd sends the final answer of a C-FIND.
func (a *Association) FindEnd(class string, id, status uint16) {
	context, _ := a.Context(class)
	a.Write(FromServer, context, command(class, cFind|answer, id, noDataSet, Short(0x00000900, status)), nil)
}

// Find is a whole C-FIND.
func (a *Association) Find(class string, keys DataSet, matches []DataSet) {
	id := a.FindRequest(class, keys)
	answers := func() {
		a.FindAnswers(class, id, matches)
		a.FindEnd(class, id, Success)
	}
	if a.Rand != nil && a.Rand.IntN(2) == 0 {
		a.together(FromServer, answers) // several answers in one segment
		return
	}
	answers()
}

// Cancel sends C-CANCEL for a message; it has no answer of its own (PS3.7 section 9.3.2.3).
func (a *Association) Cancel(class string, id uint16) {
	context, _ := a.Context(class)
	a.Write(FromClient, context, commandSet(Short(0x00000100, cCancel), Short(0x00000120, id), Short(0x00000800, noDataSet)), nil)
}

// MoveRequest sends C-MOVE and gives its message ID.
func (a *Association) MoveRequest(class, destination string, keys DataSet) uint16 {
	return a.request(class, cMove, keys, Text(0x00000600, "AE", destination))
}

// MoveAnswer sends an answer to C-MOVE.
func (a *Association) MoveAnswer(class string, id, status uint16, n Counts) {
	a.counted(class, cMove, id, status, n)
}

// GetRequest sends C-GET and gives its message ID.
func (a *Association) GetRequest(class string, keys DataSet) uint16 {
	return a.request(class, cGet, keys)
}

// GetAnswer sends an answer to C-GET.
func (a *Association) GetAnswer(class string, id, status uint16, n Counts) {
	a.counted(class, cGet, id, status, n)
}

func (a *Association) request(class string, field uint16, keys DataSet, more ...Element) uint16 {
	context, ts := a.Context(class)
	id := a.nextID()
	more = append(more, Short(0x00000700, 0))
	a.Write(FromClient, context, command(class, field, id, aDataSet, more...), keys.Encode(ts))
	return id
}

func (a *Association) counted(class string, field, id, status uint16, n Counts) {
	context, _ := a.Context(class)
	more := []Element{Short(0x00000900, status)}
	if status == Pending || status == Canceled {
		more = append(more, Short(0x00001020, uint16(n.Remaining))) // PS3.7 9.1.4.1.7: not in a final answer
	}
	more = append(more, Short(0x00001021, uint16(n.Completed)), Short(0x00001022, uint16(n.Failed)), Short(0x00001023, uint16(n.Warning)))
	a.Write(FromServer, context, command(class, field|answer, id, noDataSet, more...), nil)
}

func (a *Association) nextID() uint16 {
	a.lastID++
	return a.lastID
}

func storeRequest(id uint16, o Object, origin *MoveOrigin) []byte {
	more := []Element{Short(0x00000700, 0), Text(0x00001000, "UI", o.Instance)}
	if origin != nil {
		more = append(more, Text(0x00001030, "AE", origin.AE), Short(0x00001031, origin.ID))
	}
	return command(o.Class, cStore, id, aDataSet, more...)
}

// command builds a command set; more holds the elements that only this command has, in the order of their tags.
func command(class string, field, id uint16, dataSet uint16, more ...Element) []byte {
	idTag := uint32(0x00000110)
	if field&answer != 0 {
		idTag = 0x00000120
	}
	list := []Element{Text(0x00000002, "UI", class), Short(0x00000100, field), Short(idTag, id)}
	placed := false
	for _, e := range more {
		if e.Tag > 0x00000800 && !placed {
			list, placed = append(list, Short(0x00000800, dataSet)), true
		}
		list = append(list, e)
	}
	if !placed {
		list = append(list, Short(0x00000800, dataSet))
	}
	return commandSet(list...)
}

// commandSet encodes a command set behind its group length (PS3.7 section 6.3.1: always implicit VR little endian).
func commandSet(list ...Element) []byte {
	body := DataSet(list).Encode(ImplicitLE)
	head := appendHead(nil, 0x00000000, "UL", 4, false)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(body)))
	return append(head, body...)
}
