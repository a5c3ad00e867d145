package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"chaperone/internal/clinicsim"
)

// evidence is the kind that is a folder: a week with a theft, whose images make most of its size, and a long event log.
const evidence = "evidence"

// The folder holds an image's bytes about so often; one part in logShare of the size is an event log.
const (
	imagesSent = 420
	logShare   = 10
	eventBytes = 430
)

// byHand is what a person would begin with: tshark on each capture, evtxexport on each log, digests of everything.
const byHand = `cd "$1"
for f in *.pcapng; do tshark -n -r "$f" -d tcp.port==11112,dicom -d tcp.port==2575,hl7 -d tcp.port==6661,hl7 \
  -Y 'hl7 || dicom || smb2 || rdp || tls.handshake' -T fields -e frame.number -e frame.time_epoch -e ip.src -e ip.dst \
  -e hl7.field -e dicom.tag -e dicom.tag.value.str -e smb2.filename -e rdp.rt_cookie -e tls.handshake.extensions_server_name; done
for f in logs/*.evtx; do evtxexport -f xml "$f"; done
sha256sum *.pcapng logs/*.evtx`

// makeEvidence plays a week into a folder of a size, about.
func makeEvidence(size, dir string) error {
	want, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return err
	}
	images := max(500, int(want-want/logShare)/imagesSent)
	t, err := clinicsim.WriteTheft(filepath.Join(dir, evidence), clinicsim.TheftOptions{Seed: 1, Intruder: true, Images: images})
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, evidence, "truth.json"), filepath.Join(dir, truthName)); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, evidence, "logs", "EHR-Security.evtx"))
	if err != nil {
		return err
	}
	var events []clinicsim.WinEvent
	for i := range want / logShare / eventBytes {
		at := t.Begin.Add(time.Duration(i) * 200 * time.Millisecond)
		events = append(events, clinicsim.WinEvent{Time: at, ID: 4624, Provider: "Microsoft-Windows-Security-Auditing", Channel: "Security",
			Computer: "EHR.clinic.example", Data: []clinicsim.WinField{{Name: "TargetUserName", Value: "svc-interface"}, {Name: "TargetLogonId", Value: fmt.Sprintf("0x%x", 4096+i)},
				{Name: "LogonType", Value: "3"}, {Name: "IpAddress", Value: "192.0.2.10"}, {Name: "IpPort", Value: fmt.Sprint(49152 + i%16384)}}})
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := clinicsim.WriteEventLog(w, events); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// measureEvidence lets everybody read the folder in turn, and prints the table.
func measureEvidence(ctx context.Context, o options, base string, stdout io.Writer) error {
	dir := filepath.Join(base, evidence)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := job(ctx, "evidence", strconv.FormatInt(o.size, 10), dir); err != nil {
		return err
	}
	folder := filepath.Join(dir, evidence)
	contenders := []contender{{name: "chaperone", command: []string{filepath.Join(base, "chaperone"), "investigate", "--json", "--keys", base}, checked: true}}
	_, noShark := exec.LookPath("tshark")
	_, noExport := exec.LookPath("evtxexport")
	if noShark == nil && noExport == nil {
		contenders = append(contenders, contender{name: "by hand", command: []string{"sh", "-c", byHand, "by hand"}})
	} else {
		fmt.Fprintln(stdout, "tshark or evtxexport is not installed: going on WITHOUT them (Debian: apt install tshark libevtx-utils)")
	}
	best := make([]measure, len(contenders))
	for range o.runs {
		for i, c := range contenders {
			m, err := c.measure(ctx, dir, folder)
			if err != nil {
				return err
			}
			if c.checked {
				if err := job(ctx, "judge", dir, filepath.Join(dir, c.name+".out")); err != nil {
					return err
				}
			}
			best[i].better(m)
		}
	}
	packets, err := packetsOf(filepath.Join(dir, "chaperone.out"))
	if err != nil {
		return err
	}
	printTable(stdout, evidence, folderSize(folder), packets, contenders, best)
	return nil
}

// story is what judge reads of a summary.
type story struct {
	Kind          string   `json:"kind"`
	Packets       int64    `json:"packets"`
	Stages        []string `json:"stages"`
	PatientsTaken int      `json:"patients_taken"`
	Proven        int      `json:"proven"`
	Claimed       int64    `json:"claimed"`
}

// judge compares the story that was told with the one that was played.
func judge(dir, output string) error {
	var want clinicsim.TheftTruth
	b, err := os.ReadFile(filepath.Join(dir, truthName))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &want); err != nil {
		return err
	}
	got, err := lastLine(output)
	if err != nil {
		return err
	}
	if !slices.Equal(got.Stages, want.Stages) || got.PatientsTaken != want.PatientsTaken || got.Proven != want.Proven || got.Claimed != want.Claimed {
		return fmt.Errorf("got stages %v, %d patients taken, %d of %d proven; want %v, %d, %d of %d",
			got.Stages, got.PatientsTaken, got.Proven, got.Claimed, want.Stages, want.PatientsTaken, want.Proven, want.Claimed)
	}
	return nil
}

func packetsOf(output string) (int64, error) {
	s, err := lastLine(output)
	return s.Packets, err
}

// lastLine reads the summary.
func lastLine(output string) (s story, err error) {
	f, err := os.Open(output)
	if err != nil {
		return s, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	var last []byte
	for lines.Scan() {
		last = append(last[:0], lines.Bytes()...)
	}
	if err := lines.Err(); err != nil {
		return s, err
	}
	return s, json.Unmarshal(last, &s)
}

func folderSize(dir string) int64 {
	n := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}
