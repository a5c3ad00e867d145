package record_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"chaperone/ledger/record"
)

func FuzzDecode(f *testing.F) {
	d := disclosure(1)
	f.Add(record.AppendDisclosure(nil, day, &d))
	f.Add(record.AppendFinding(nil, &record.Finding{}))
	f.Add(record.AppendNote(nil, &record.Note{}))
	f.Add(record.AppendWay(nil, &record.Way{Requested: true}))
	f.Add(record.AppendMerge(nil, d.Numbers, d.Numbers, true, written))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e record.Entry
		if record.Decode(b, day, &e) == nil && e.Kind == record.KindDisclosure {
			var again record.Entry
			if err := record.Decode(record.AppendDisclosure(nil, day, &e.Disclosure), day, &again); err != nil {
				t.Fatal(err)
			}
			if again.Disclosure.Numbers == nil {
				again.Disclosure.Numbers = e.Disclosure.Numbers
			}
			if !reflect.DeepEqual(e.Disclosure, again.Disclosure) {
				t.Fatalf("got %+v, want %+v", again.Disclosure, e.Disclosure)
			}
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add(frames(1)[0][:record.HeaderSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := record.ParseHeader(b); err == nil && !bytes.Equal(h.Append(nil), b) {
			t.Fatalf("got %x, want %x", h.Append(nil), b)
		}
		_, _ = record.ParseHead(b)
	})
}

func FuzzOpenPart(f *testing.F) {
	frame := seal(f, 3, 20)
	f.Add(frame.Entries)
	f.Add(frame.Dictionary)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range []*record.Master{dictionaryKey, dayKey} {
			part, err := record.OpenPart(b, m)
			if err != nil {
				continue
			}
			_ = part.Each(func([]byte) error { return nil })
			opened, err := record.ReadPart(bytes.NewReader(b), 0, len(b), m)
			if err != nil {
				continue
			}
			for i := range opened.Blocks() {
				_, _ = opened.Block(bytes.NewReader(b), i, nil)
			}
		}
	})
}

func FuzzWalker(f *testing.F) {
	dir, _ := write(f, 3)
	f.Add(load(f, segment(dir, 0)))
	f.Add(load(f, segment(dir, 0))[:300])
	f.Add(append(load(f, segment(dir, 0)), make([]byte, 300)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		store(t, segment(dir, 0), b)
		for _, o := range []record.WalkOptions{{}, {HeadersOnly: true, From: 1}} {
			w, err := record.Walk(dir, id, o)
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = w.Next()
			}
			var d *record.Damage
			if err != io.EOF && !errors.As(err, &d) && !errors.Is(err, record.ErrNewer) {
				t.Error(err)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
