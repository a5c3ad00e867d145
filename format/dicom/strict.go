package dicom

import (
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"iter"

	"chaperone/format"
)

// Strict walks a data set that is passed on while it is read, and says when it leaves the grammar that all receivers read
// alike: ascending tags, each once; value representations that are there and true; even lengths; undefined lengths only where
// they are allowed; nothing open at the end. Unlike Walker's, its reading of a deflated data set goes to the end.
type Strict struct {
	*Walker
	encapsulated bool
	patient      bool // an element of group 0010 has passed
	begun        bool // an element of the innermost data set has passed
	first        Tag  // of the data set itself
	inflate      *pull
}

// NewStrict starts a data set in a transfer syntax. want names the elements to keep, at any depth. Close must be called.
func NewStrict(transferSyntax string, want func(Tag) bool) *Strict {
	const depth = 64
	syntax := SyntaxOf(transferSyntax)
	s := &Strict{encapsulated: Encapsulated(transferSyntax)}
	deflated := syntax.Deflated
	syntax.Deflated = false // what comes out is walked
	s.Walker = NewWalker(syntax, depth, want)
	s.Walker.strict = s
	if deflated {
		s.inflate = newPull(s.Walker.walk)
	}
	return s
}

// Write takes the next bytes. Errors: format.ErrMalformed or format.ErrLimit for what is outside the grammar; it stays.
func (s *Strict) Write(p []byte) error {
	if s.inflate == nil {
		s.Walker.walk(p)
	} else if err := s.inflate.write(p); err != nil && s.Walker.err == nil {
		s.Walker.err = err
	}
	return s.Odd()
}

// Finish says that the data set is over. Errors as of Write.
func (s *Strict) Finish() error {
	if s.inflate != nil {
		if err := s.inflate.finish(); err != nil && s.Walker.err == nil {
			s.Walker.err = err
		}
	}
	s.Walker.Finish()
	if s.Odd() == nil && len(s.open) > 0 {
		s.note("the data set ends inside a sequence")
	}
	return s.Odd()
}

// Swapped reports whether the data set begins with a group by which those who are not told its encoding take it for the one in
// big endian: pydicom from 0400 on.
func (s *Strict) Swapped() bool { return !s.syntax.BigEndian && s.first.Group() >= 0x0400 }

// Close gives back what a deflated data set needs. It may be called at any time, and again.
func (s *Strict) Close() {
	if s.inflate != nil {
		s.inflate.stop()
	}
}

// element checks one header against the grammar; Walker has checked the rest.
func (s *Strict) element(tag Tag, vr [2]byte, length uint32) {
	if length == undefined {
		s.undefined(tag, vr)
	} else if length%2 == 1 { // PS3.5 section 7.1.1
		s.note("value of odd length")
	}
	first := !s.begun
	s.begun = tag != item
	if tag.Group() == 0xFFFE {
		return
	}
	if first && s.implicit() && isUpper(s.header[4]) && isUpper(s.header[5]) { // by this some tell what they have before them
		s.note("implicit VR that looks like explicit")
	}
	if !s.implicit() && !rightVR(tag, vr) {
		s.note("value representation that is not its own")
	}
	if n := len(s.open); n > 0 {
		around := &s.open[n-1]
		if tag <= around.last && ownVR(tag) != "" { // of two, some take the first and some the last
			s.note("identity in an item that is not in order")
		}
		around.last = max(tag, around.last)
		return
	}
	if s.first == 0 {
		s.first = tag
	}
	switch g := tag.Group(); {
	case g < 0x0008: // command and file meta elements (PS3.5 section 7.1): some take their values for the data set's
		s.note("group before 0008")
	case g == 0x0010:
		s.patient = true
	case g >= 0x7FE0 && !s.patient:
		s.note("pixel data, and nothing of whose it is before it")
	}
}

func isUpper(b byte) bool { return b >= 'A' && b <= 'Z' }

// undefined says where a length may be undefined: sequences, unknown elements that are sequences, items, and the fragments of
// encapsulated pixel data (PS3.5 sections 6.2.2, 7.5 and A.4).
func (s *Strict) undefined(tag Tag, vr [2]byte) {
	allowed := tag == item || string(vr[:]) == "SQ" || string(vr[:]) == "UN" && !s.syntax.BigEndian || s.implicit() && ownVR(tag) == ""
	if tag == pixelData {
		allowed = s.encapsulated && len(s.open) == 0 && (string(vr[:]) == "OB" || string(vr[:]) == "OW")
	}
	if !allowed {
		s.note("undefined length of a value that cannot have one")
	}
}

// rightVR reports whether an element that identifies, or that may hold one, has its own representation (PS3.6): in another one,
// receivers differ in whether they see it. A sequence may be of unknown representation, and is looked into all the same.
func rightVR(tag Tag, vr [2]byte) bool {
	if isSequence(tag) {
		return string(vr[:]) == "SQ" || string(vr[:]) == "UN" && tag != OtherPatientIDsSeq
	}
	own := ownVR(tag)
	return own == "" || own == string(vr[:])
}

// ownVR gives the representation of what identifies and is no sequence, "" of anything else.
func ownVR(tag Tag) string {
	switch tag {
	case PatientID, IssuerOfPatientID, OtherPatientIDs:
		return "LO"
	case PatientName:
		return "PN"
	case PatientBirthDate:
		return "DA"
	case StudyInstanceUID, SeriesInstanceUID:
		return "UI"
	case SpecificCharacterSet, QueryRetrieveLevel, PatientSex:
		return "CS"
	}
	return ""
}

// pull inflates what is written to it. The standard library's reader pulls, so it runs as a coroutine that is resumed for each
// piece and never at the same time as its caller.
type pull struct {
	in      []byte
	taken   int64
	out     int64
	final   bool
	err     error
	resume  func() (struct{}, bool)
	stop    func()
	suspend func(struct{}) bool
}

func newPull(to func([]byte)) *pull {
	p := &pull{}
	p.resume, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		p.suspend = yield
		p.err = p.run(to)
	})
	return p
}

func (p *pull) write(b []byte) error {
	p.in = b
	p.resume()
	if p.err == nil && len(p.in) > 0 {
		p.err = fmt.Errorf("dicom: more behind a deflated data set: %w", format.ErrMalformed)
	}
	return p.err
}

func (p *pull) finish() error {
	p.final = true
	p.resume()
	p.stop()
	return p.err
}

// run inflates to the end, and one byte behind it that makes the length even (PS3.5 section A.5).
func (p *pull) run(to func([]byte)) error {
	r := flate.NewReader(p)
	buffer := make([]byte, 32<<10)
	for {
		n, err := r.Read(buffer)
		p.out += int64(n)
		if p.out > maxRatio*p.taken {
			return fmt.Errorf("dicom: deflated data set expands more than %d times: %w", maxRatio, format.ErrLimit)
		}
		to(buffer[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("dicom: deflated data set: %w", format.ErrMalformed)
		}
	}
	if b, err := p.ReadByte(); err == nil && b != 0 {
		return fmt.Errorf("dicom: more behind a deflated data set: %w", format.ErrMalformed)
	}
	if _, err := p.ReadByte(); err == nil {
		return fmt.Errorf("dicom: more behind a deflated data set: %w", format.ErrMalformed)
	}
	return nil
}

var errNoMore = errors.New("no more")

// ReadByte gives the next byte, and lets the caller go on until there is one. As flate reads by bytes, it takes none behind
// its end.
func (p *pull) ReadByte() (byte, error) {
	for len(p.in) == 0 {
		if p.final {
			return 0, io.EOF
		}
		if !p.suspend(struct{}{}) {
			return 0, errNoMore
		}
	}
	b := p.in[0]
	p.in = p.in[1:]
	p.taken++
	return b, nil
}

// Read gives what is there.
func (p *pull) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	first, err := p.ReadByte()
	if err != nil {
		return 0, err
	}
	b[0] = first
	n := copy(b[1:], p.in)
	p.in = p.in[n:]
	p.taken += int64(n)
	return 1 + n, nil
}
