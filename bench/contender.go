package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// contender is a program that reads a capture, named as the last argument of its command.
type contender struct {
	name    string
	command []string
	checked bool // its output is kept and compared with the truth
}

// tsharkCommand asks for what chaperone reports: who, when, what, and the fields that hold names and numbers of
// patients. tshark has no field for PID-3 or (0010,0020) alone: hl7.field and dicom.tag.value.str are all of them.
// Both protocols are told their ports, names are not looked up, and everything else is as it comes.
var tsharkCommand = []string{
	"tshark", "-n", "-d", "tcp.port==2575,hl7", "-d", "tcp.port==6661,hl7", "-d", "tcp.port==104,dicom", "-d", "tcp.port==11112,dicom",
	"-Y", "hl7 || dicom", "-T", "fields", "-e", "frame.number", "-e", "frame.time_epoch", "-e", "ip.src", "-e", "ip.dst",
	"-e", "hl7.message.type", "-e", "hl7.event.type", "-e", "hl7.field",
	"-e", "dicom.assoc.ae.calling", "-e", "dicom.assoc.ae.called", "-e", "dicom.pdu.type", "-e", "dicom.tag", "-e", "dicom.tag.value.str",
	"-r",
}

// measure is what one run cost.
type measure struct {
	wall, cpu time.Duration
	peak      int64 // bytes of memory, 0 where the system does not say
}

// better keeps the best of two runs.
func (m *measure) better(other measure) {
	if m.wall == 0 {
		*m = other
		return
	}
	m.wall, m.cpu, m.peak = min(m.wall, other.wall), min(m.cpu, other.cpu), min(m.peak, other.peak)
}

// measure runs it once on what path names. Its output goes into dir, where it is looked at.
func (c contender) measure(ctx context.Context, dir, path string) (measure, error) {
	args := append(c.command[1:len(c.command):len(c.command)], path)
	run := exec.CommandContext(ctx, c.command[0], args...)
	run.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir, "WIRESHARK_CONFIG_DIR="+dir) // nobody's own settings
	var stderr bytes.Buffer
	run.Stderr = &stderr
	if c.checked {
		out, err := os.Create(filepath.Join(dir, c.name+".out"))
		if err != nil {
			return measure{}, err
		}
		defer out.Close()
		run.Stdout = out
	}
	begin := time.Now()
	if err := run.Run(); err != nil {
		return measure{}, fmt.Errorf("bench: %s: %w\n%s", c.name, err, stderr.Bytes())
	}
	wall := time.Since(begin)
	state := run.ProcessState
	return measure{wall, state.UserTime() + state.SystemTime(), peakMemory(state)}, nil
}

// printTable prints what one capture cost everybody, and how chaperone, the first, compares.
func printTable(w io.Writer, kind string, size, packets int64, contenders []contender, best []measure) {
	fmt.Fprintf(w, "\n%s: %.0f MB, %d packets; chaperone's answer is right\n", kind, float64(size)/1e6, packets)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tseconds\tCPU seconds\tMB/s\tpackets/s\tpeak MB\tchaperone is\tand takes\t")
	first := best[0]
	for i, c := range contenders {
		m := best[i]
		seconds := m.wall.Seconds()
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.0f\t%.0f\t%s\t", c.name, seconds, m.cpu.Seconds(), float64(size)/1e6/seconds, float64(packets)/seconds, megabytes(m.peak))
		if i > 0 {
			fmt.Fprintf(t, "%.2f× as fast\t", seconds/first.wall.Seconds())
			if first.peak > 0 && m.peak > 0 {
				fmt.Fprintf(t, "%.2f× the memory", float64(first.peak)/float64(m.peak))
			}
			fmt.Fprint(t, "\t")
		} else {
			fmt.Fprint(t, "\t\t")
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // the writer behind it is a terminal or a pipe: nobody reads the error
}

func megabytes(n int64) string {
	if n == 0 {
		return "n/a"
	}
	return fmt.Sprintf("%.0f", float64(n)/1e6)
}
