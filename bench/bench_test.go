package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/patient"
	"chaperone/source"
	"chaperone/source/stream"
	"chaperone/watch"
)

var megabytesFlag = flag.Int("mb", 20, "MB of each capture of BenchmarkWatch")

// BenchmarkWatch is for profiles:
//
//	go test ./bench -run '^$' -bench Watch/hl7/json -mb 100 -cpuprofile cpu.out
func BenchmarkWatch(b *testing.B) {
	for _, k := range kinds {
		dir := b.TempDir()
		made := false
		for name, read := range map[string]func(testing.TB, string, io.Writer){"json": watchJSON, "report": watchReport} {
			b.Run(k.name+"/"+name, func(b *testing.B) {
				if !made {
					made = true
					if err := makeCapture(k.name, strconv.Itoa(*megabytesFlag*1e6), dir); err != nil {
						b.Fatal(err)
					}
				}
				path := filepath.Join(dir, captureName)
				info, err := os.Stat(path)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(info.Size())
				for b.Loop() {
					read(b, path, io.Discard)
				}
			})
		}
	}
}

func watchJSON(t testing.TB, path string, out io.Writer) {
	t.Helper()
	j := watch.NewJSON(out, watch.Names{}, false, false)
	r, err := watch.Run(context.Background(), watch.Options{Paths: []string{path}, Tokens: patient.NewTokenizer([32]byte{}), Begin: j.Begin, Each: j.Each})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(r); err != nil {
		t.Fatal(err)
	}
}

func watchReport(t testing.TB, path string, out io.Writer) {
	t.Helper()
	r, err := watch.Run(context.Background(), watch.Options{Paths: []string{path}, Tokens: patient.NewTokenizer([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&watch.Report{Zone: time.UTC}).Write(out, r); err != nil {
		t.Fatal(err)
	}
}

// TestContenders checks on small captures that both readers see the same bytes, that a right answer is right, and that
// a wrong one is noticed.
func TestContenders(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := makeCapture(k.name, "1000000", dir); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, captureName)
			truth, err := readTruth(dir)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			if err := countStreams(path, &got); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintln(truth.Counters["packets"], streamBytes(t, path), 0); got.String() != want {
				t.Errorf("gopacket: got packets, bytes, lost %s, want %s", got.String(), want)
			}
			var out bytes.Buffer
			watchJSON(t, path, &out)
			answer := out.Bytes()
			if err := compare(truth, bytes.NewReader(answer)); err != nil {
				t.Error(err)
			}
			fewer := answer[bytes.IndexByte(answer, '\n')+1:]
			if compare(truth, bytes.NewReader(fewer)) == nil {
				t.Error("got no difference without the first disclosure")
			}
			truth.Counters["records"]++
			if compare(truth, bytes.NewReader(answer)) == nil {
				t.Error("got no difference from another truth")
			}
		})
	}
}

// streamBytes counts what chaperone's own reassembly gives.
func streamBytes(t *testing.T, path string) int64 {
	t.Helper()
	captures, err := source.Open(context.Background(), []string{path}, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer captures.Close()
	var sum adder
	decoder, assembler := source.NewDecoder(), stream.New(stream.DefaultLimits, &sum)
	for {
		p, err := captures.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := decoder.Segment(p); ok {
			assembler.Segment(&s)
		}
	}
	assembler.Flush()
	return int64(sum)
}

type adder int64

func (a *adder) Data(_ *stream.Flow, _ int, _ chaperone.Dir, p []byte, _ chaperone.Mark) {
	*a += adder(len(p))
}
func (a *adder) Gap(*stream.Flow, chaperone.Dir, int64, chaperone.Mark) {}
func (a *adder) Fork(*stream.Flow, chaperone.Dir, chaperone.Mark)       {}
func (a *adder) Close(*stream.Flow, chaperone.Mark)                     {}
