package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"chaperone/internal/clinicsim"
)

// dcmtk is storescu and storescp of DCMTK on either side of the guard, and storescp as where images are moved to: another maker's programs.
type dcmtk struct {
	files, received string // folders
	listen, archive string // addresses: of the guard, and of storescp
}

// dcmtkListener is the part of the site file that is for it.
const dcmtkListener = `  - name: dcmtk
    protocol: dicom
    listen: %s
    tls: none
    because: this is a test
    upstream: {address: "%s", tls: none, because: this is a test, party: pacs}
`

// hasDCMTK says what is missing.
func hasDCMTK() error {
	_, err := exec.LookPath("storescu")
	_, scp := exec.LookPath("storescp")
	return errors.Join(err, scp)
}

// startDCMTK starts storescp; nil when it is not on this machine.
func startDCMTK(ctx context.Context, dir string) (*dcmtk, error) {
	if hasDCMTK() != nil {
		return nil, nil
	}
	t := &dcmtk{files: filepath.Join(dir, "sent"), received: filepath.Join(dir, "received")}
	var err error
	for _, address := range []*string{&t.listen, &t.archive} {
		if *address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	for _, folder := range []string{t.files, t.received} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return nil, err
		}
	}
	scp, err := t.storescp(ctx, "--fork")
	if err == nil {
		go func() { _ = scp.Wait() }() // it ends with the context
	}
	return t, err
}

// storescp starts the archive, and waits until it listens.
func (t *dcmtk) storescp(ctx context.Context, more ...string) (*exec.Cmd, error) {
	_, port, _ := net.SplitHostPort(t.archive) // it is one
	scp := exec.CommandContext(ctx, "storescp", append(more, "+xa", "+B", "-aet", "PACS", "-od", t.received, port)...)
	if err := scp.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if c, err := net.Dial("tcp", t.archive); err == nil {
			return scp, c.Close()
		}
	}
	_ = scp.Process.Kill() // it is of no use
	_ = scp.Wait()
	return nil, broken("storescp does not listen")
}

// together is how many images storescu sends on an association.
const together = 10

// send lets storescu send images of new patients, and gives whose were acknowledged, and whether one may be on its way.
func (t *dcmtk) send(ctx context.Context, next *atomic.Int64) (acknowledged []string, unknown bool, err error) {
	_, port, _ := net.SplitHostPort(t.listen) // it is one
	args := []string{"-v", "-aet", "CT", "-aec", "PACS", "127.0.0.1", port}
	var patients []string
	for i := range together {
		patient := fmt.Sprintf("S%07d", next.Add(1))
		path := filepath.Join(t.files, fmt.Sprint(i))
		if err := os.WriteFile(path, part10(image(patient)), 0o600); err != nil {
			return nil, false, err
		}
		patients, args = append(patients, patient), append(args, path)
	}
	out, _ := exec.CommandContext(ctx, "storescu", args...).CombinedOutput() // how it ended is in what it says
	n := bytes.Count(out, []byte("Received Store Response (Success)"))
	return patients[:min(n, together)], n < together && bytes.Contains(out, []byte("Association Accepted")), nil
}

// sendOn sends until it is over. It gives whose images were acknowledged, and of how many it is not known what became of them.
func (t *dcmtk) sendOn(ctx context.Context, over <-chan struct{}, next *atomic.Int64) (acknowledged []string, unknown int, err error) {
	for err == nil {
		select {
		case <-over:
			return acknowledged, unknown, nil
		default:
		}
		var patients []string
		var more bool
		if patients, more, err = t.send(ctx, next); more {
			unknown++ // it sends one after the other
		}
		acknowledged = append(acknowledged, patients...)
	}
	return acknowledged, unknown, err
}

// part10 is an image as a file (PS3.10 section 7.1).
func part10(o clinicsim.Object) []byte {
	meta := clinicsim.DataSet{
		clinicsim.Raw(0x00020001, "OB", []byte{0, 1}), clinicsim.Text(0x00020002, "UI", o.Class), clinicsim.Text(0x00020003, "UI", o.Instance),
		clinicsim.Text(0x00020010, "UI", clinicsim.ExplicitLE), clinicsim.Text(0x00020012, "UI", "2.25.302604112"),
	}.Encode(clinicsim.ExplicitLE)
	b := append(make([]byte, 128), "DICM\x02\x00\x00\x00UL\x04\x00"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(meta)))
	return append(append(b, meta...), o.DataSet.Encode(clinicsim.ExplicitLE)...)
}

var receivedName = regexp.MustCompile(fmt.Sprintf(`\.2\.25\.(%d|%d)([0-9]{7})\.`, 'S', 'M'))

// arrived gives whose images storescp has.
func (t *dcmtk) arrived() (patients []string, err error) {
	entries, err := os.ReadDir(t.received)
	for _, e := range entries {
		if m := receivedName.FindStringSubmatch(e.Name()); m != nil {
			letter, _ := strconv.Atoi(m[1]) // it is one
			patients = append(patients, string(rune(letter))+m[2])
		}
	}
	return patients, err
}
