package wiretest

import (
	"errors"
	"io"
	"testing"

	"chaperone"
	"chaperone/source"
	"chaperone/source/stream"
)

// Capture reads the TCP connections of a capture as conversations, in the order of their first bytes. Where a
// connection can be read in two ways it is read as the bytes came first.
func Capture(t testing.TB, path string) []Conversation {
	t.Helper()
	captures, err := source.Open(t.Context(), []string{path}, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer captures.Close()
	r := &recorder{}
	assembler := stream.New(stream.DefaultLimits, r)
	decoder := source.NewDecoder()
	for {
		packet, err := captures.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if segment, ok := decoder.Segment(packet); ok {
			assembler.Segment(&segment)
		}
	}
	assembler.Flush()
	for _, f := range captures.Files() {
		if f.Err != nil {
			t.Fatal(f.Err)
		}
	}
	var conversations []Conversation
	for _, c := range r.heard {
		conversations = append(conversations, *c)
	}
	return conversations
}

// recorder keeps what an assembler gives on.
type recorder struct{ heard []*Conversation }

func (r *recorder) of(f *stream.Flow) *Conversation {
	c, ok := f.Data.(*Conversation)
	if !ok {
		c = &Conversation{}
		f.Data = c
		r.heard = append(r.heard, c)
	}
	return c
}

func (r *recorder) Data(f *stream.Flow, view int, d chaperone.Dir, p []byte, _ chaperone.Mark) {
	if c := r.of(f); view == 0 {
		c.Turns = append(c.Turns, Turn{Dir: d, Bytes: append([]byte(nil), p...)})
	}
}

func (r *recorder) Gap(f *stream.Flow, d chaperone.Dir, n int64, _ chaperone.Mark) {
	c := r.of(f)
	c.Turns = append(c.Turns, Turn{Dir: d, Gap: n})
}

func (r *recorder) Fork(*stream.Flow, chaperone.Dir, chaperone.Mark) {}

func (r *recorder) Close(*stream.Flow, chaperone.Mark) {}
