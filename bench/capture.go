package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"chaperone"
	"chaperone/internal/clinicsim"
)

// kind is a sort of traffic.
type kind struct {
	name     string
	options  clinicsim.Options
	protocol chaperone.Protocol // of the only packets that are kept; "" keeps the whole day
	ports    []uint16           // of that protocol
}

var kinds = []kind{
	{"hl7", clinicsim.Options{Images: 512, ImagesPerStudy: 1}, chaperone.HL7, []uint16{2575, 6661}},
	{"dicom", clinicsim.Options{Images: 500_000}, "", nil},
	{"mixed", clinicsim.Options{Images: 32 << 10}, "", nil},
}

func kindNames() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

const (
	captureName = "clinic.pcapng"
	truthName   = "truth.json"
)

// truth is what the capture holds, from the generator's books.
type truth struct {
	Counters map[string]int64 `json:"counters"` // by their names in chaperone's summary
	Edges    []clinicsim.Edge `json:"edges"`
}

// makeCapture writes a capture of a size, about, and its truth into a folder.
func makeCapture(name, size, dir string) error {
	want, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return err
	}
	k := kinds[slices.Index(kindNames(), name)]
	const few, more = 64, 256 // the first patients have more traffic than the others, so one try does not tell
	var small, large counted
	if _, err := k.write(&small, few); err != nil {
		return err
	}
	if _, err := k.write(&large, more); err != nil {
		return err
	}
	patients := max(16, int(few+(want-small.n)*(more-few)/(large.n-small.n)))
	f, err := os.Create(filepath.Join(dir, captureName))
	if err != nil {
		return err
	}
	t, err := k.write(f, patients)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, truthName), b, 0o600)
}

type counted struct{ n int64 }

func (c *counted) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// write plays a clinic that 20 patients visit in an hour, as clinicsim's usual day has it: more patients make a longer
// capture, not a busier clinic.
func (k kind) write(w io.Writer, patients int) (truth, error) {
	o := k.options
	o.Seed, o.Patients, o.Hours = 1, patients, float64(patients)/20
	buffered := bufio.NewWriterSize(w, 1<<20)
	if k.protocol == "" {
		day, err := clinicsim.Write(buffered, o)
		return wholeTruth(day), errors.Join(err, buffered.Flush())
	}
	r, all := io.Pipe()
	done := make(chan filtered, 1)
	go func() {
		f, err := keepPorts(buffered, r, k.ports)
		r.CloseWithError(err)
		f.err = err
		done <- f
	}()
	day, err := clinicsim.Write(all, o)
	all.CloseWithError(err) // nil ends the pipe
	f := <-done
	return partTruth(day, k.protocol, f), errors.Join(err, f.err, buffered.Flush())
}

// filtered counts what a filter has let through.
type filtered struct {
	packets, flows int64
	err            error
}

// keepPorts copies a pcapng file without the packets of other ports.
func keepPorts(w io.Writer, r io.Reader, ports []uint16) (f filtered, err error) {
	for block, err := range blocks(r) {
		if err != nil {
			return f, err
		}
		if b := frame(block); b != nil {
			tcp := b[tcpAt:]
			from, to := binary.BigEndian.Uint16(tcp), binary.BigEndian.Uint16(tcp[2:])
			if b[transportAt] != 6 || !slices.Contains(ports, from) && !slices.Contains(ports, to) {
				continue
			}
			f.packets++
			if tcp[13]&0x12 == 0x02 { // SYN without ACK opens a connection
				f.flows++
			}
		}
		if _, err := w.Write(block); err != nil {
			return f, err
		}
	}
	return f, nil
}

// wholeTruth is the truth of a whole day.
func wholeTruth(t clinicsim.Truth) truth {
	return truth{Edges: t.Edges, Counters: map[string]int64{
		"packets": t.Packets, "flows": int64(t.Flows), "lost_bytes": t.LostBytes,
		"hl7_messages": int64(t.HL7Messages), "hl7_acks": int64(t.HL7Acks),
		"dicom_associations": int64(t.DICOMAssociations), "dicom_objects": int64(t.DICOMObjects),
		"disclosures": int64(t.Disclosures), "records": int64(t.Records), "unidentified": int64(t.Unidentified),
		"patients": int64(t.Patients), "patients_weak": int64(t.PatientsWeak), "patients_unmerged": int64(t.PatientsUnmerged),
		"patients_min": int64(t.PatientsMin), "patients_max": int64(t.PatientsMax), "malformed": int64(t.Malformed),
	}}
}

// partTruth is the truth of a day of which only HL7 is left. The distinct patients of the day are not those of a part
// of it; those of each edge are.
func partTruth(t clinicsim.Truth, p chaperone.Protocol, f filtered) truth {
	part := truth{Counters: map[string]int64{
		"packets": f.packets, "flows": f.flows, "lost_bytes": 0, "malformed": 0, "dicom_associations": 0, "dicom_objects": 0,
		"hl7_messages": int64(t.HL7Messages), "hl7_acks": int64(t.HL7Acks),
	}}
	for _, e := range t.Edges {
		if e.Protocol != string(p) {
			continue
		}
		part.Edges = append(part.Edges, e)
		part.Counters["disclosures"] += int64(e.Disclosures)
		part.Counters["records"] += int64(e.Records)
		part.Counters["unidentified"] += int64(e.Unidentified)
	}
	return part
}

func readTruth(dir string) (truth, error) {
	var t truth
	b, err := os.ReadFile(filepath.Join(dir, truthName))
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return t, fmt.Errorf("bench: %s: %w", truthName, err)
	}
	return t, nil
}
