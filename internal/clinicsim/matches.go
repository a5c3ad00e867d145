package clinicsim

import "fmt"

// keys asks for studies (PS3.4 Table C.6-5). A value "" asks for all.
func keys(level, patient, uid string) DataSet {
	return DataSet{
		Text(0x00080052, "CS", level),
		Text(0x00100020, "LO", patient),
		Text(0x0020000D, "UI", uid),
	}
}

// match answers a query at study level. Some archives leave out what they were not asked for.
func (s *study) match(withNumber, withName bool) (DataSet, Record) {
	term, _ := s.person.charset()
	rec := s.record()
	ds := DataSet{}
	if term != "" && withName {
		ds = append(ds, Text(0x00080005, "CS", term))
	}
	ds = append(ds,
		Text(0x00080020, "DA", s.date[:8]),
		Text(0x00080030, "TM", s.date[8:]),
		Text(0x00080050, "SH", s.accession),
		Text(0x00080052, "CS", "STUDY"),
		Text(0x00080054, "AE", archive.Name),
		Text(0x00080061, "CS", s.modality),
		Text(0x00081030, "LO", s.description),
	)
	for _, e := range s.person.identity() {
		number := e.Tag == 0x00100020 || e.Tag == 0x00100021
		if number && withNumber || !number && withName {
			ds = append(ds, e)
		} else if e.Tag == 0x00100020 {
			ds = append(ds, Text(e.Tag, e.VR, ""))
		}
	}
	if !withNumber {
		rec.Numbers = nil
	}
	if !withName {
		rec.Name, rec.Birth, rec.Sex = "", "", ""
	}
	return append(ds, Text(0x0020000D, "UI", s.uid), Text(0x00201208, "IS", fmt.Sprint(s.images))), rec
}

// series answers a query at series level: it names the study only.
func (s *study) series(n int) (DataSet, Record) {
	return DataSet{
		Text(0x00080052, "CS", "SERIES"),
		Text(0x00080060, "CS", s.modality),
		Text(0x0020000D, "UI", s.uid),
		Text(0x0020000E, "UI", fmt.Sprintf("%s.%d", s.uid, n)),
		Text(0x00200011, "IS", fmt.Sprint(n)),
	}, Record{Study: s.uid}
}

// scheduled answers a worklist query (PS3.4 Table K.6-1).
func (s *study) scheduled(station string) (DataSet, Record) {
	term, _ := s.person.charset()
	ds := DataSet{}
	if term != "" {
		ds = append(ds, Text(0x00080005, "CS", term))
	}
	ds = append(ds, Text(0x00080050, "SH", s.accession), Text(0x00080090, "PN", "Physician^Invented"))
	ds = append(ds, s.person.identity()...)
	ds = append(ds, Text(0x0020000D, "UI", s.uid), Text(0x00321060, "LO", s.description),
		Sequence(0x00400100, DataSet{
			Text(0x00080060, "CS", s.modality),
			Text(0x00400001, "AE", station),
			Text(0x00400002, "DA", s.date[:8]),
			Text(0x00400003, "TM", s.date[8:]),
			Text(0x00400007, "LO", s.description),
			Text(0x00400009, "SH", s.accession),
		}),
		Text(0x00401001, "SH", s.accession))
	return ds, s.record()
}
