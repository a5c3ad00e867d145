package watch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"chaperone"
	"chaperone/exchange"
	"chaperone/page"
	"chaperone/patient"
)

// JSON writes a run as JSON Lines: disclosures, systems, findings, and the summary last. Times are UTC.
//
// The patients of a disclosure are named as the whole run knows them, so that counting distinct ones over all lines
// gives the summary's number. Therefore the lines wait in a temporary file until the run is over, unless it follows a
// growing capture.
type JSON struct {
	out     *bufio.Writer
	names   Names
	census  *patient.Census
	now     bool
	secret  bool
	spool   *os.File
	memory  bytes.Buffer
	w       *bufio.Writer
	n       int
	scratch []byte
	err     error // of the goroutine that encodes, until it is done
	queue   chan exchange.Disclosed
	done    chan struct{}
}

// NewJSON makes a writer. now: write each line as it comes. secret: the lines hold patient data, so they wait in memory
// and not in a file.
func NewJSON(out io.Writer, names Names, now, secret bool) *JSON {
	return &JSON{out: bufio.NewWriter(out), names: names, now: now, secret: secret}
}

// Begin is for Options.Begin.
func (j *JSON) Begin(c *patient.Census) { j.census = c }

// Each is for Options.Each. A goroutine of its own encodes and writes, beside the decoding; Close waits for it. When it
// is behind, Each blocks.
func (j *JSON) Each(d exchange.Disclosed) {
	if j.now {
		j.encode(d)
		return
	}
	if j.queue == nil {
		j.queue, j.done = make(chan exchange.Disclosed, 256), make(chan struct{})
		go func() {
			defer close(j.done)
			for d := range j.queue {
				j.encode(d)
			}
		}()
	}
	j.queue <- d
}

// encode writes one disclosure, or lets it wait in the temporary file.
func (j *JSON) encode(d exchange.Disclosed) {
	if j.err != nil {
		return
	}
	j.scratch = j.disclosure(j.scratch[:0], &d)
	if j.now {
		j.line(j.scratch, d.Nodes)
		j.err = errors.Join(j.err, j.out.Flush())
		return
	}
	if j.w == nil && !j.open() {
		return
	}
	var size [binary.MaxVarintLen64]byte
	b := append(j.scratch, size[:binary.PutUvarint(size[:], uint64(len(d.Nodes)))]...)
	for _, n := range d.Nodes {
		b = binary.AppendUvarint(b, uint64(n))
	}
	_, j.err = j.w.Write(size[:binary.PutUvarint(size[:], uint64(len(j.scratch)))])
	if j.err != nil {
		return
	}
	_, j.err = j.w.Write(b)
	j.n++
}

// open makes the place where lines wait.
func (j *JSON) open() bool {
	if j.secret {
		j.w = bufio.NewWriter(&j.memory)
		return true
	}
	f, err := os.CreateTemp("", "chaperone-*.spool") // mode 0600; it holds tokens, no patient data
	if err != nil {
		j.err = err
		return false
	}
	_ = os.Remove(f.Name()) // where an open file can be removed, nothing is left behind whatever happens
	j.spool, j.w = f, bufio.NewWriterSize(f, 1<<20)
	return true
}

// Err tells why lines can no longer be written as they come, nil when they can. It is for Options.Each.
func (j *JSON) Err() error {
	if !j.now {
		return nil // Close tells: another goroutine writes
	}
	return j.err
}

// Close writes what waits and the rest of the result. r may be nil. With last, these values take the place of the summary.
func (j *JSON) Close(r *Result, last ...any) error {
	if j.queue != nil {
		close(j.queue)
		<-j.done
	}
	if j.spool != nil {
		defer os.Remove(j.spool.Name())
		defer j.spool.Close()
	}
	if j.w != nil && j.err == nil {
		j.err = j.replay()
	}
	if j.err == nil && r != nil {
		j.rest(r)
		if len(last) == 0 {
			last = []any{r.Summary()}
		}
		for _, v := range last {
			j.put(v)
		}
	}
	if err := j.out.Flush(); j.err == nil {
		j.err = err
	}
	return j.err
}

func (j *JSON) replay() error {
	if err := j.w.Flush(); err != nil {
		return err
	}
	r := bufio.NewReader(&j.memory)
	if j.spool != nil {
		if _, err := j.spool.Seek(0, io.SeekStart); err != nil {
			return err
		}
		r = bufio.NewReaderSize(j.spool, 1<<20)
	}
	var line []byte
	var nodes []patient.Node
	for range j.n {
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return fmt.Errorf("temporary file: %w", err)
		}
		line = append(line[:0], make([]byte, size)...)
		if _, err := io.ReadFull(r, line); err != nil {
			return fmt.Errorf("temporary file: %w", err)
		}
		count, _ := binary.ReadUvarint(r)
		nodes = nodes[:0]
		for range count {
			n, err := binary.ReadUvarint(r)
			if err != nil {
				return fmt.Errorf("temporary file: %w", err)
			}
			nodes = append(nodes, patient.Node(n))
		}
		j.line(line, nodes)
	}
	return nil
}

// line completes a disclosure with its patients and writes it.
func (j *JSON) line(line []byte, nodes []patient.Node) {
	tokens := make([]chaperone.PatientToken, 0, len(nodes))
	for _, n := range nodes {
		tokens = append(tokens, j.census.Person(n))
	}
	slices.SortFunc(tokens, func(a, b chaperone.PatientToken) int { return bytes.Compare(a[:], b[:]) })
	tokens = slices.Compact(tokens)
	j.out.Write(line)
	j.out.WriteString(`,"patients":[`)
	var digits [32]byte
	for i, t := range tokens {
		if i > 0 {
			j.out.WriteByte(',')
		}
		j.out.WriteByte('"')
		hex.Encode(digits[:], t[:])
		j.out.Write(digits[:])
		j.out.WriteByte('"')
	}
	j.out.WriteString("]}\n") // bufio keeps the first error; Close reports it
}

func (j *JSON) put(v any) {
	if j.err == nil {
		j.err = page.JSONLine(j.out, v)
	}
}
