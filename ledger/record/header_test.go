package record_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chaperone/ledger"
	"chaperone/ledger/record"
)

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := record.Header{
			Version:        rapid.Uint32Range(1, record.Version).Draw(t, "version"),
			Batch:          rapid.Uint64().Draw(t, "batch"),
			Written:        moment(t),
			Day:            ledger.Day(rapid.Uint32().Draw(t, "day")),
			DictionarySize: rapid.Uint32Max(record.MaxParts/2).Draw(t, "dictionary"),
			EntriesSize:    rapid.Uint32Max(record.MaxParts/2).Draw(t, "entries"),
			Entries:        rapid.Uint32().Draw(t, "count"),
			Before:         rapid.Uint64().Draw(t, "before"),
			Disclosures:    rapid.Uint32().Draw(t, "disclosures"),
			Numbers:        rapid.Uint32().Draw(t, "numbers"),
			Words:          rapid.Uint32().Draw(t, "words"),
			Ways:           rapid.Uint32().Draw(t, "ways"),
			DictionarySum:  [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sum")),
			EntriesSum:     [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "other sum")),
		}
		b := want.Append([]byte("before"))[6:]
		got, err := record.ParseHeader(b)
		if err != nil || got != want {
			t.Fatalf("got %+v and %v, want %+v", got, err, want)
		}
		flipped := rapid.IntRange(0, 8*record.HeaderSize-1).Draw(t, "bit")
		b[flipped/8] ^= 1 << (flipped % 8)
		if _, err := record.ParseHeader(b); !errors.Is(err, record.ErrMalformed) {
			t.Fatalf("bit %d flipped: got %v, want ErrMalformed", flipped, err)
		}
	})
}

func TestHeaderTooLarge(t *testing.T) {
	h := record.Header{Version: record.Version, DictionarySize: record.MaxParts, EntriesSize: 1}
	if _, err := record.ParseHeader(h.Append(nil)); !errors.Is(err, record.ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
}

func TestHead(t *testing.T) {
	want := record.Head{Version: record.Version, ID: id, Segment: 7, First: 1 << 40, Made: written}
	b := want.Append(nil)
	got, err := record.ParseHead(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v and %v, want %+v", got, err, want)
	}
	for bit := range 8 * record.HeadSize {
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := record.ParseHead(b); !errors.Is(err, record.ErrMalformed) {
			t.Errorf("bit %d flipped: got %v, want ErrMalformed", bit, err)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	for size := range record.HeadSize {
		if _, err := record.ParseHead(b[:size]); !errors.Is(err, record.ErrMalformed) {
			t.Errorf("%d bytes: got %v, want ErrMalformed", size, err)
		}
	}
}

// moment draws a time that a record keeps as it is.
func moment(t *rapid.T) time.Time {
	return time.UnixMicro(rapid.Int64Range(-1<<55, 1<<55).Draw(t, "time")).UTC()
}
