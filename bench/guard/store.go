package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// errand is one piece of work that is done on each way to an archive.
type errand struct {
	name    string
	archive string
	program string
	args    []string // between the options and the address
	files   []string // behind the address
	rounds  int
	answers int // that a question has
	images  int // that are sent, each of which is on record before it leaves
}

// errands makes the images that are sent, and says what is done.
func (h *hospital) errands(o options) ([]errand, error) {
	many, size, large, matches := 200, 512<<10, 51<<20, o.matches()
	if o.Smoke {
		many, size, large = 4, 64<<10, 1<<20
	}
	small, err := writeImages(h.path("small"), many, size)
	if err != nil {
		return nil, err
	}
	big, err := writeImages(h.path("large"), 4, large)
	if err != nil {
		return nil, err
	}
	images := fmt.Sprintf("C-STORE, %d × %d KB", many, size>>10)
	send := []string{"+sd"}
	list := []errand{
		{images + ", both ends with their defaults", "plain", "storescu", send, []string{small}, 1, 0, many},
		{images + ", TCP_NODELAY and 128 KB PDUs", "tuned", "storescu", send, []string{small}, 5, 0, many},
		{images + ", the same and TLS", "secure", "storescu", send, []string{small}, 5, 0, many},
		{fmt.Sprintf("C-STORE, 4 × %d MB, TCP_NODELAY and 128 KB PDUs", large>>20), "tuned", "storescu", send, []string{big}, 5, 0, 4},
		{fmt.Sprintf("C-FIND with %d matches", matches), "find", "findscu",
			[]string{"-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyDate=20260301", "-k", "PatientID", "-k", "PatientName", "-k", "StudyInstanceUID"}, nil, 5, matches, 0},
	}
	if h.network != nil {
		list = slices.Insert(list, 1, errand{images + ", the same across namespaces", "apart", "storescu", send, []string{small}, 1, 0, many})
	}
	return list, nil
}

// matches is how many a question has.
func (o *options) matches() int {
	if o.Smoke {
		return 200
	}
	return 10_000
}

// images lets dcmtk's programs do each errand on each way, and prints the medians.
func images(ctx context.Context, o options, c *clinic, stdout io.Writer) error {
	h, err := newHospital(ctx, c, o.matches())
	if err != nil {
		return err
	}
	defer h.close()
	list, err := h.errands(o)
	if err != nil {
		return err
	}
	disk, err := fdatasyncs(o)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\none fdatasync of 600 bytes: %s on average\n", mean(disk).Round(time.Microsecond))
	fmt.Fprintf(stdout, "\n%-58s %-8s %10s %10s %16s\n", "DICOM", "way", "time", "to direct", "memory, so far")
	if h.alone != nil {
		fmt.Fprintf(stdout, "across network namespaces nothing is measured, because they cannot be made (root and iproute2 can): %v\n", h.alone)
	}
	for _, e := range list {
		times := map[string]time.Duration{}
		for _, way := range []string{"direct", "HAProxy", "guard"} {
			took, err := h.do(ctx, e, way)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", e.name, way, err)
			}
			if took == 0 {
				continue // there is no such way
			}
			times[way] = took
			memory := ""
			if way == "guard" {
				most, err := peak(h.gate)
				if err != nil {
					return err
				}
				memory = fmt.Sprintf("%.0f MB", most)
			}
			fmt.Fprintf(stdout, "%-58s %-8s %10s %9.2f× %16s\n", e.name, way, took.Round(time.Millisecond), float64(times["direct"])/float64(took), memory)
		}
		e.compare(stdout, times, mean(disk))
	}
	return nil
}

// compare says what the guard's throughput is of HAProxy's, and of what a proxy as quick as HAProxy would reach that waits for one
// fdatasync before it passes an image on.
func (e *errand) compare(stdout io.Writer, times map[string]time.Duration, disk time.Duration) {
	proxy, mine := times["HAProxy"], times["guard"]
	if proxy == 0 || mine == 0 || e.images == 0 {
		return
	}
	waiting := proxy + time.Duration(e.images)*disk
	fmt.Fprintf(stdout, "  the guard's throughput: %.2f of HAProxy's; %.2f of HAProxy's way and one fdatasync for each image\n",
		float64(proxy)/float64(mine), float64(waiting)/float64(mine))
}

// do does an errand some times on one way, and gives the median.
func (h *hospital) do(ctx context.Context, e errand, way string) (time.Duration, error) {
	i := slices.IndexFunc(h.archives, func(a *archive) bool { return a.name == e.archive })
	a := h.archives[i]
	address, ok := a.ways[way]
	if !ok {
		return 0, nil
	}
	args := append(h.options(a, "ct"), "-aet", "CT", "-aec", "PACS")
	if e.answers > 0 { // once, not measured, to see that all come
		out, err := exec.CommandContext(ctx, e.program, append(append(slices.Clip(args), "-v"), append(e.args, host(address), port(address))...)...).CombinedOutput()
		if got := bytes.Count(out, []byte("(Pending)")); err != nil || got != e.answers {
			return 0, fmt.Errorf("%d answers, not %d: %v", got, e.answers, err)
		}
	}
	args = append(append(args, e.args...), host(address), port(address))
	args = append(append(slices.Clip(a.sender), e.program), append(args, e.files...)...)
	var times []time.Duration
	for range e.rounds {
		p := exec.CommandContext(ctx, args[0], args[1:]...)
		p.Env = a.environment()
		began := time.Now()
		out, err := p.CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("%s: %w: %s", filepath.Base(e.program), err, out[:min(len(out), 500)])
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
