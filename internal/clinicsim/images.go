package clinicsim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// charset gives (0008,0005) and the encoding for a person's name.
func (p *Person) charset() (term, hl7 string) {
	switch widest(p.Family, p.Given, p.Middle) {
	case UTF8:
		return "ISO_IR 192", UTF8
	case Latin1:
		if len(p.Birth) > 7 && p.Birth[7]%2 == 0 {
			return "ISO_IR 192", UTF8
		}
		return "ISO_IR 100", Latin1
	}
	return "", ""
}

// identity gives the elements of group 0010.
func (p *Person) identity() DataSet {
	_, charset := p.charset()
	name := strings.TrimRight(p.Family+"^"+p.Given+"^"+p.Middle, "^")
	if p.Birth[7]%3 != 0 { // most modalities know capitals only
		name = strings.ToUpper(name)
	}
	ds := DataSet{textBytes(0x00100010, "PN", encode(name, charset)), Text(0x00100020, "LO", p.Imaging)}
	if p.Issuer != "" {
		ds = append(ds, Text(0x00100021, "LO", p.Issuer))
	}
	return append(ds, Text(0x00100030, "DA", p.Birth), Text(0x00100040, "CS", p.Sex))
}

// instance gives the UID of one image.
func (s *study) instance(i int) string { return fmt.Sprintf("%s.1.%d", s.uid, i+1) }

// object makes one image, with about so many bytes of pixels.
func (s *study) object(i, pixels int, transferSyntax string) Object {
	term, _ := s.person.charset()
	var ds DataSet
	if term != "" {
		ds = append(ds, Text(0x00080005, "CS", term))
	}
	ds = append(ds,
		Text(0x00080008, "CS", `ORIGINAL\PRIMARY\AXIAL`),
		Text(0x00080016, "UI", s.class),
		Text(0x00080018, "UI", s.instance(i)),
		Text(0x00080020, "DA", s.date[:8]),
		Text(0x00080030, "TM", s.date[8:]),
		Text(0x00080050, "SH", s.accession),
		Text(0x00080060, "CS", s.modality),
		Text(0x00080070, "LO", "Invented Devices"),
		Text(0x00080080, "LO", "Clinic"),
		Text(0x00080090, "PN", "Physician^Invented"),
		Text(0x00081030, "LO", s.description),
	)
	reference := func(n int) DataSet {
		return DataSet{Text(0x00081150, "UI", s.class), Text(0x00081155, "UI", fmt.Sprintf("%s.9.%d", s.uid, n))}
	}
	switch i % 3 { // sequences before the patient, counted or open
	case 0:
		ds = append(ds, OpenSequence(0x00081115, DataSet{
			OpenSequence(0x00081199, reference(1), reference(2)),
			Text(0x0020000E, "UI", s.uid+".9"),
		}), OpenSequence(0x00081140, reference(3)))
	case 1:
		ds = append(ds, Sequence(0x00081115, DataSet{
			OpenSequence(0x00081199, reference(1)),
			Text(0x0020000E, "UI", s.uid+".9"),
		}), Sequence(0x00081140), Sequence(0x00082112, reference(4), reference(5)))
	default:
		ds = append(ds, OpenSequence(0x00081140))
	}
	ds = append(ds, Text(0x00090010, "LO", "CLINICSIM 1.0"), Text(0x00091001, "LO", "private"),
		Raw(0x00091002, "UN", []byte{1, 2, 3, byte(i)}))
	ds = append(ds, s.person.identity()...)
	ds = append(ds, Text(0x00101010, "AS", "045Y"))
	return Object{s.class, s.instance(i), append(ds, s.rest(i, pixels, transferSyntax)...)}
}

// rest gives the groups behind the patient.
func (s *study) rest(i, pixels int, transferSyntax string) DataSet {
	const rows = 64
	columns := min(max(1, pixels/2/rows), 65535)
	ds := DataSet{
		Text(0x00180050, "DS", "1.5"),
		Text(0x00181000, "LO", "SN0001"),
		Text(0x0020000D, "UI", s.uid),
		Text(0x0020000E, "UI", s.uid+".1"),
		Text(0x00200010, "SH", "1"),
		Text(0x00200011, "IS", "1"),
		Text(0x00200013, "IS", fmt.Sprint(i+1)),
		Short(0x00280002, 1),
		Text(0x00280004, "CS", "MONOCHROME2"),
		Short(0x00280010, rows),
		Short(0x00280011, uint16(columns)),
		Short(0x00280100, 16),
		Short(0x00280101, 12),
		Short(0x00280102, 11),
		Short(0x00280103, 0),
		Sequence(0x00400275, DataSet{
			Text(0x00321060, "LO", s.description),
			OpenSequence(0x00400008, DataSet{
				Text(0x00080100, "SH", "HEAD"), Text(0x00080102, "SH", "99INV"), Text(0x00080104, "LO", s.description),
			}),
			Text(0x00400009, "SH", s.accession),
		}),
	}
	samples := s.samples(i, rows*columns*2)
	if transferSyntax == JPEGLossless {
		half := len(samples) / 4 * 2
		return append(ds, Element{Tag: 0x7FE00010, VR: "OB", Fragments: [][]byte{samples[:half], samples[half:]}})
	}
	return append(ds, Raw(0x7FE00010, "OW", samples))
}

// samples gives 12-bit pixels: a gradient with noise.
func (s *study) samples(i, n int) []byte {
	r := rand.NewPCG(s.seed, uint64(i))
	b := make([]byte, 0, n+8)
	for len(b) < n {
		base := uint64(len(b)/512) & 0x7FF
		b = binary.LittleEndian.AppendUint64(b, r.Uint64()&0x000F000F000F000F+base*0x0001000100010001)
	}
	return b[:n]
}
