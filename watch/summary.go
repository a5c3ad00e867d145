package watch

import "time"

// Summary is the last JSON line of a run. Packets to LostBytes are of the whole input; the rest is of the messages
// that pass the filter.
type Summary struct {
	Kind              string    `json:"kind"`
	Files             int       `json:"files"`
	Packets           int64     `json:"packets"`
	Bytes             int64     `json:"bytes"`
	Flows             int       `json:"flows"`
	FlowsDecoded      int       `json:"flows_decoded"`
	FlowsEncrypted    int       `json:"flows_encrypted"`
	FlowsOther        int       `json:"flows_other"`
	FlowsOneSided     int       `json:"flows_one_sided"`
	LostBytes         int64     `json:"lost_bytes"`
	HL7Messages       int64     `json:"hl7_messages"`
	HL7Acks           int64     `json:"hl7_acks"`
	DICOMAssociations int64     `json:"dicom_associations"`
	DICOMObjects      int64     `json:"dicom_objects"`
	Disclosures       int64     `json:"disclosures"`
	Records           int64     `json:"records"`
	Patients          int       `json:"patients"`
	PatientsWeak      int       `json:"patients_weak"`
	PatientsUnmerged  int       `json:"patients_unmerged"`
	PatientsMin       int       `json:"patients_min"`
	PatientsMax       int       `json:"patients_max"`
	Unidentified      int64     `json:"unidentified"`
	Malformed         int64     `json:"malformed"`
	Findings          int       `json:"findings"`
	Coverage          Coverage  `json:"coverage"`
	Recorded          *int      `json:"recorded,omitempty"`         // with a ledger: disclosures that are new in it
	AlreadyRecorded   *int      `json:"already_recorded,omitempty"` // and those that were in it
	From              time.Time `json:"from"`
	Until             time.Time `json:"until"`
}

// Coverage is what the numbers do not cover. An answer that hides its holes is half an answer.
type Coverage struct {
	Filter         string       `json:"filter,omitempty"`
	Errors         []string     `json:"errors"`  // of files that could not be read, or not to their end
	Skipped        []string     `json:"skipped"` // files of folders that are no captures
	Hidden         []HiddenFlow `json:"hidden"`  // connections whose content could not be seen
	Gaps           int          `json:"flows_with_gaps"`
	CutBytes       int64        `json:"cut_bytes"` // by the snap length; part of lost_bytes
	UnknownLink    int64        `json:"packets_of_unknown_link"`
	OtherTransport int64        `json:"packets_not_tcp"`
	Damaged        int64        `json:"packets_damaged"`
	GivenUp        int64        `json:"flows_given_up"`
}

// HiddenFlow is the JSON of Hidden.
type HiddenFlow struct {
	Server      string `json:"server"`
	Encrypted   bool   `json:"encrypted"`
	Connections int    `json:"connections"`
	Bytes       int64  `json:"bytes"`
}

func (r *Result) coverage() Coverage {
	d := r.Decode
	c := Coverage{
		Filter: r.Filter, Errors: []string{}, Skipped: list(r.Skipped), Hidden: []HiddenFlow{}, Gaps: r.Connections.Gaps, CutBytes: r.CutBytes,
		UnknownLink: d.UnknownLink, OtherTransport: d.OtherTransport, Damaged: d.Damaged + d.FragmentsDropped + d.FragmentsHeld, GivenUp: r.GivenUp,
	}
	for _, f := range r.Files {
		if f.Err != nil {
			c.Errors = append(c.Errors, f.Err.Error())
		}
	}
	for _, h := range r.Hidden {
		c.Hidden = append(c.Hidden, HiddenFlow{h.Server.String(), h.Encrypted, h.Connections, h.Bytes})
	}
	return c
}

// Summary gives the numbers of a result.
func (r *Result) Summary() Summary {
	s := r.summary()
	if r.Receipt != nil {
		s.Recorded, s.AlreadyRecorded = &r.Receipt.Recorded, &r.Receipt.Already
	}
	return s
}

func (r *Result) summary() Summary {
	return Summary{
		Kind: "summary", Files: len(r.Files), Packets: r.Packets, Bytes: r.Bytes,
		Flows: r.Connections.Total, FlowsDecoded: r.Connections.Decoded, FlowsEncrypted: r.Connections.Encrypted,
		FlowsOther: r.Connections.Other, FlowsOneSided: r.Connections.OneSided, LostBytes: r.LostBytes,
		HL7Messages: r.Counters.HL7Messages, HL7Acks: r.Counters.HL7Acks,
		DICOMAssociations: r.Counters.DICOMAssociations, DICOMObjects: r.Counters.DICOMObjects,
		Disclosures: r.Counters.Disclosures, Records: r.Counters.Records,
		Patients: r.Patients.Patients, PatientsWeak: r.Patients.Weak, PatientsUnmerged: r.Patients.Unmerged,
		PatientsMin: r.Patients.Min, PatientsMax: r.Patients.Max,
		Unidentified: r.Counters.Unidentified, Malformed: r.Counters.Malformed, Findings: len(r.Findings),
		Coverage: r.coverage(), From: r.First.UTC(), Until: r.Last.UTC(),
	}
}
