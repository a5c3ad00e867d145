// Package dicom reads DICOM data sets (PS3.5) as they stream by: it keeps the few elements that say whose they are
// and skips the rest. Pixel data is never copied.
package dicom

import (
	"fmt"
	"strings"
)

// Tag is group<<16 | element.
type Tag uint32

func (t Tag) String() string { return fmt.Sprintf("(%04X,%04X)", uint16(t>>16), uint16(t)) }

// Group is the upper half.
func (t Tag) Group() uint16 { return uint16(t >> 16) }

// The tags this program reads (PS3.6).
const (
	SpecificCharacterSet Tag = 0x00080005
	SOPClassUID          Tag = 0x00080016
	SOPInstanceUID       Tag = 0x00080018
	AccessionNumber      Tag = 0x00080050
	QueryRetrieveLevel   Tag = 0x00080052
	PatientName          Tag = 0x00100010
	PatientID            Tag = 0x00100020
	IssuerOfPatientID    Tag = 0x00100021
	PatientBirthDate     Tag = 0x00100030
	PatientSex           Tag = 0x00100040
	OtherPatientIDs      Tag = 0x00101000 // retired
	OtherPatientIDsSeq   Tag = 0x00101002
	StudyInstanceUID     Tag = 0x0020000D
	SeriesInstanceUID    Tag = 0x0020000E
	PatientLocation      Tag = 0x00380300 // current
	pixelData            Tag = 0x7FE00010
	item                 Tag = 0xFFFEE000
	itemEnd              Tag = 0xFFFEE00D
	sequenceEnd          Tag = 0xFFFEE0DD
)

// sequences are the sequences that can hold a patient's number. An implicit VR stream does not mark sequences of
// defined length, so these are opened by name.
var sequences = map[Tag]bool{
	OtherPatientIDsSeq: true,
	0x00081110:         true, // Referenced Study
	0x00081120:         true, // Referenced Patient
	0x00400275:         true, // Request Attributes
	0x04000561:         true, // Original Attributes: the numbers before coercion
	0x04000550:         true, // Modified Attributes
}

// samePatient reports whether the items of a sequence are about the patient of the data set: numbers that somebody else gives, and
// those before coercion (PS3.3 sections C.7.1.1 and C.12.1.1.9).
func samePatient(t Tag) bool {
	return t == OtherPatientIDsSeq || t == 0x04000561 || t == 0x04000550
}

// Syntax is how a data set is encoded (PS3.5 section 10 and annex A).
type Syntax struct {
	Implicit  bool // implicit VR, little endian
	BigEndian bool // explicit VR, big endian (retired)
	Deflated  bool // explicit VR, little endian, in a raw deflate stream
	Guess     bool // not known: the negotiation was not seen
}

// SyntaxOf gives the encoding for a transfer syntax UID. All others, the compressed ones included, are explicit VR
// little endian.
func SyntaxOf(uid string) Syntax {
	switch uid {
	case "":
		return Syntax{Guess: true}
	case "1.2.840.10008.1.2":
		return Syntax{Implicit: true}
	case "1.2.840.10008.1.2.2":
		return Syntax{BigEndian: true}
	case "1.2.840.10008.1.2.1.99":
		return Syntax{Deflated: true}
	}
	return Syntax{}
}

// Walkable reports whether the elements of a data set in a transfer syntax can be told apart without knowing more: those of
// PS3.5 section 10, without those whose pixel data lies behind a URL (JPIP) and those of single manufacturers.
func Walkable(uid string) bool {
	const standard = "1.2.840.10008.1.2"
	switch uid {
	case standard, standard + ".1", standard + ".1.98", standard + ".1.99", standard + ".2", standard + ".5", standard + ".8.1":
		return true
	case standard + ".4.94", standard + ".4.95", standard + ".4.204", standard + ".4.205":
		return false
	}
	return strings.HasPrefix(uid, standard+".4.")
}

// Encapsulated reports whether the pixel data of a transfer syntax is a list of fragments (PS3.5 annex A.4).
func Encapsulated(uid string) bool {
	const standard = "1.2.840.10008.1.2"
	return strings.HasPrefix(uid, standard+".4.") || uid == standard+".5" || uid == standard+".8.1" || uid == standard+".1.98"
}

// longLength lists the value representations with a 32-bit length (PS3.5 table 7.1-1); the others have 16 bits.
func longLength(vr [2]byte) bool {
	switch string(vr[:]) {
	case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
		return true
	}
	return false
}

func shortLength(vr [2]byte) bool {
	switch string(vr[:]) {
	case "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US":
		return true
	}
	return false
}
