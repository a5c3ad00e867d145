package guard

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"weak"

	"chaperone/format"
)

// readAll gives all frames of some bytes, and the error that ended it.
func readAll(from io.Reader, limit int) (frames []string, payloads []string, err error) {
	in := frameReader(from, limit)
	for {
		list, err := in.next(func(bool) error { return nil })
		if err != nil {
			return frames, payloads, err
		}
		for _, f := range list {
			frames, payloads = append(frames, string(f.raw)), append(payloads, string(f.payload))
		}
	}
}

func frameReader(from io.Reader, limit int) *frames { return &frames{from: from, limit: limit} }

// TestFrames: every pair of state and byte.
func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for _, test := range []struct {
		name, bytes string
		payloads    []string
		want        error
	}{
		{"nothing", "", nil, io.EOF},
		{"one", "\x0ba\x1c\r", []string{"a"}, io.EOF},
		{"two", "\x0ba\x1c\r\x0bb\r\x1c\r", []string{"a", "b\r"}, io.EOF},
		{"returns between", "\r\r\x0ba\x1c\r\r\x0bb\x1c\r\r", []string{"a", "b"}, nil},
		{"empty", "\x0b\x1c\r", []string{""}, io.EOF},
		{"long", "\x0b" + long + "\x1c\r\x0bb\x1c\r", []string{long, "b"}, io.EOF},
		{"text before", "a\x0b", nil, format.ErrMalformed},
		{"text between", "\x0ba\x1c\ra\x0bb\x1c\r", []string{"a"}, format.ErrMalformed},
		{"end block between", "\x0ba\x1c\r\x1c", []string{"a"}, format.ErrMalformed},
		{"start block within", "\x0ba\x0bb\x1c\r", nil, format.ErrMalformed},
		{"start block behind a start block", "\x0b\x0b", nil, format.ErrMalformed},
		{"end block without a return", "\x0ba\x1cb", nil, format.ErrMalformed},
		{"two end blocks", "\x0ba\x1c\x1c\r", nil, format.ErrMalformed},
		{"start block behind an end block", "\x0ba\x1c\x0b", nil, format.ErrMalformed},
		{"cut", "\x0ba", nil, format.ErrMalformed},
		{"cut before the return", "\x0ba\x1c", nil, format.ErrMalformed},
		{"too long", "\x0b" + strings.Repeat("y", 200<<10), nil, format.ErrLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			for way, from := range map[string]io.Reader{
				"whole": strings.NewReader(test.bytes), "by byte": iotest.OneByteReader(strings.NewReader(test.bytes)), "halves": iotest.HalfReader(strings.NewReader(test.bytes)),
			} {
				raw, payloads, err := readAll(from, 128<<10)
				if test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("%s: got %v, want %v", way, err, test.want)
				}
				if way == "by byte" || test.want == io.EOF { // what lies behind a whole frame may be seen with it
					if strings.Join(payloads, "|") != strings.Join(test.payloads, "|") {
						t.Errorf("%s: got %d frames, want %d", way, len(payloads), len(test.payloads))
					}
				}
				if test.want == io.EOF && strings.Join(raw, "") != test.bytes {
					t.Errorf("%s: the frames are not the bytes that came", way)
				}
			}
		})
	}
}

// FuzzFrames: frames are the bytes that came, in their order, however they are cut; no start or end block is within one.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x0ba\x1c\r\r\x0bb\x1c\r"))
	f.Add([]byte("\x0ba\x1cb"))
	f.Fuzz(func(t *testing.T, b []byte) {
		raw, payloads, err := readAll(bytes.NewReader(b), 1<<10)
		if err == nil {
			t.Fatal("it does not end")
		}
		if !strings.HasPrefix(string(b), strings.Join(raw, "")) {
			t.Fatal("the frames are not what came")
		}
		for _, p := range payloads {
			if strings.ContainsAny(p, "\x0b\x1c") {
				t.Fatal("a block character is within a frame")
			}
		}
		again, _, _ := readAll(iotest.OneByteReader(bytes.NewReader(b)), 1<<10)
		if len(again) < len(raw) || !strings.HasPrefix(strings.Join(again, ""), strings.Join(raw, "")) {
			t.Fatal("cut otherwise, it is read otherwise")
		}
	})
}

// TestRoomLetsGo: what a connection keeps for its next message keeps nothing of the one before alive, however long that was.
func TestRoomLetsGo(t *testing.T) {
	const long = 4 << 20
	text := result("LAB|NORTH", "m1", "1") + strings.Repeat("OBX|2|TX|A||fine\r", 10) + "OBX|3|ED|A||" + strings.Repeat("x", long) + "\r"
	var last before
	in := frameReader(io.MultiReader(strings.NewReader("\x0b"+text+"\x1c\r"), &woken{}), 2*long)
	old := func() weak.Pointer[byte] {
		list, err := in.next(func(bool) error { return nil })
		if err != nil || len(list) != 1 {
			t.Fatalf("got %d frames, %v", len(list), err)
		}
		if m := parse(list[0].payload, &last); m.err != nil || !m.bears() {
			t.Fatalf("got %v", m.err)
		}
		return weak.Make(&list[0].raw[0])
	}()
	if _, err := in.next(func(bool) error { return nil }); err == nil {
		t.Fatal("there is another frame")
	}
	parse([]byte(result("LAB|NORTH", "m2", "1")), &last)
	runtime.GC()
	if old.Value() != nil {
		t.Error("the buffer of the long one is alive")
	}
	if cap(last.segments) == 0 {
		t.Error("no room is kept")
	}
	runtime.KeepAlive(in)
	runtime.KeepAlive(&last)
}

// woken is a connection from which nothing comes any more.
type woken struct{}

func (*woken) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
