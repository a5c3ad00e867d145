package dicom

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"chaperone/format"
)

// pixels is encapsulated pixel data with something inside that looks like an element.
var pixels = slices.Concat(explicitLE.element(pixelData, "OB", "", undefined), explicitLE.element(item, "", ""),
	explicitLE.element(item, "", string(explicitLE.id("DECOY1"))), explicitLE.element(sequenceEnd, "", ""))

func TestWalker(t *testing.T) {
	implicitBody, explicitBody := implicitLE.id("ID12"), explicitLE.id("ID12")
	unknown := Syntax{Guess: true}
	for _, test := range []struct {
		name   string
		syntax Syntax
		data   []byte
		want   string
		odd    error
	}{
		{"implicit", Syntax{Implicit: true}, implicitBody, "=ID12", nil},
		{"explicit", Syntax{}, explicitBody, "=ID12", nil},
		{"big endian", Syntax{BigEndian: true}, explicitBE.id("ID12"), "=ID12", nil},
		{"guessed implicit", unknown, implicitBody, "=ID12", nil},
		{"guessed explicit", unknown, explicitBody, "=ID12", nil},
		{"guessed big endian", unknown, explicitBE.id("ID12"), "=ID12", nil},
		{"implicit that is explicit", Syntax{Implicit: true}, explicitBody, "=ID12", format.ErrMalformed},
		{"explicit that is implicit", Syntax{}, implicitBody, "=ID12", format.ErrMalformed},
		{"empty", Syntax{}, nil, "", nil},
		{"blanks and NULs around", Syntax{}, explicitLE.id(" ID12 \x00"), "=ID12", nil},
		{"explicit null", Syntax{}, explicitLE.id(`""`), "", nil},
		{"odd length", Syntax{}, slices.Concat(explicitLE.id("ID1"), explicitLE.element(StudyInstanceUID, "UI", "1.2.3")), "=ID1 1.2.3", nil},
		{"issuer", Syntax{}, slices.Concat(explicitBody, explicitLE.element(IssuerOfPatientID, "LO", "HOSP")), "HOSP=ID12", nil},
		{"the same number twice", Syntax{}, slices.Concat(explicitBody, explicitBody), "=ID12", format.ErrMalformed},
		{"two numbers", Syntax{}, slices.Concat(explicitBody, explicitLE.id("ID34")), "=ID12; =ID34", format.ErrMalformed},
		{"a number behind its group", Syntax{}, slices.Concat(explicitLE.element(StudyInstanceUID, "UI", "1.2"), explicitBody), "=ID12 1.2", format.ErrMalformed},
		{"unknown VR", Syntax{}, slices.Concat(explicitLE.element(0x00080008, "??", "AB"), explicitBody), "=ID12", format.ErrMalformed},
		{"number in a sequence of counted length", Syntax{}, explicitLE.sequence(OtherPatientIDsSeq, "SQ", false, explicitBody), "(=ID12)", nil},
		{"number in a sequence of undefined length", Syntax{}, explicitLE.sequence(OtherPatientIDsSeq, "SQ", true, explicitBody), "(=ID12)", nil},
		{"number before coercion", Syntax{Implicit: true}, implicitLE.sequence(0x04000561, "", false, implicitLE.sequence(0x04000550, "", false, implicitBody)), "(=ID12)", nil},
		{"a private sequence as UN of undefined length", Syntax{}, explicitLE.sequence(0x00091001, "UN", true, implicitBody), "(=ID12)", nil},
		{"private implicit sequence of undefined length", Syntax{Implicit: true}, implicitLE.sequence(0x00091001, "", true, implicitBody), "(=ID12)", nil},
		{"numbers of the data set outrank those in sequences", Syntax{}, slices.Concat(explicitBody, explicitLE.sequence(OtherPatientIDsSeq, "SQ", true, explicitLE.id("ID34"))), "=ID12", nil},
		{"retired other patient IDs", Syntax{}, explicitLE.element(OtherPatientIDs, "LO", `A1\ B2\`), "(=A1) (=B2)", nil},
		{"pixel data is not read", Syntax{}, slices.Concat(explicitBody, pixels), "=ID12", nil},
		{"deflated", Syntax{Deflated: true}, append(deflate(explicitBody), 0), "=ID12", nil},
		{"deflated and cut", Syntax{Deflated: true}, deflate(explicitBody)[:9], "", format.ErrMalformed},
		{"zlib instead of raw deflate", Syntax{Deflated: true}, append([]byte{0x78, 0x9C}, deflate(explicitBody)...), "", format.ErrMalformed},
		{"deflated and empty", Syntax{Deflated: true}, nil, "", nil},
		{"half a number is no number", Syntax{}, explicitBody[:10], "", format.ErrMalformed},
		{"half a header", Syntax{}, explicitBody[:5], "", format.ErrMalformed},
		{"longer than its sequence", Syntax{}, explicitLE.element(OtherPatientIDsSeq, "SQ", string(slices.Concat(explicitLE.element(item, "", "", 8), explicitBody))), "(=ID12)", format.ErrMalformed},
		{"undefined length of a text", Syntax{}, slices.Concat(explicitLE.element(0x00080008, "UT", "", undefined), explicitBody), "", format.ErrMalformed},
		{"delimiter without its beginning", Syntax{}, slices.Concat(explicitLE.element(sequenceEnd, "", ""), explicitBody), "=ID12", format.ErrMalformed},
		{"item outside a sequence", Syntax{}, slices.Concat(explicitLE.element(item, "", "", undefined), explicitBody, explicitLE.element(itemEnd, "", "")), "=ID12", format.ErrMalformed},
		{"a number too long to keep", Syntax{Implicit: true}, implicitLE.id(strings.Repeat("1", maxValue+2)), "", format.ErrMalformed},
		{"4 GB that are not there", Syntax{Implicit: true}, implicitLE.element(PatientID, "", "ID", 0xFFFFFFFE), "", format.ErrMalformed},
		{"name in three groups", Syntax{}, explicitLE.element(PatientName, "PN", "DOE^JOHN^A^JR^DR=X=Y"), "DOE^JOHN^A", nil},
		{"Latin-1", Syntax{}, slices.Concat(explicitLE.element(SpecificCharacterSet, "CS", "ISO_IR 100"), explicitLE.element(PatientName, "PN", "M\xDCLLER")), "MÜLLER", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := walk(test.syntax, test.data)
			if got := show(w); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if odd := w.Odd(); !errors.Is(odd, test.odd) || test.odd == nil && odd != nil {
				t.Errorf("got %v, want %v", odd, test.odd)
			}
			checkCuts(t, test.syntax, test.data)
		})
	}
}

// checkCuts writes a data set byte by byte and compares.
func checkCuts(t *testing.T, s Syntax, data []byte) {
	t.Helper()
	want := walk(s, data)
	w := NewWalker(s, 64, Identifying)
	for i := range data {
		w.Write(data[i : i+1])
	}
	w.Finish()
	if show(w) != show(want) || (w.Odd() == nil) != (want.Odd() == nil) {
		t.Errorf("byte by byte: got %q and %v, want %q and %v", show(w), w.Odd(), show(want), want.Odd())
	}
}

// TestDepth nests sequences as deep as the inputs that killed other readers.
func TestDepth(t *testing.T) {
	for _, test := range []struct {
		levels int
		ok     bool
	}{{1, true}, {64, true}, {65, false}, {1_100, false}, {3_000_000, false}} {
		level := slices.Concat(implicitLE.element(0x00081120, "", "", undefined), implicitLE.element(item, "", "", undefined))
		data := slices.Concat(bytes.Repeat(level, test.levels), implicitLE.id("ID12"))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := NewWalker(Syntax{Implicit: true}, 64, Identifying)
		w.Write(data)
		runtime.ReadMemStats(&after)
		if got := errors.Is(w.Err(), format.ErrLimit); got == test.ok {
			t.Errorf("%d levels: got %v", test.levels, w.Err())
		}
		if found := len(w.Elements) == 1; found != test.ok {
			t.Errorf("%d levels: got %d elements", test.levels, len(w.Elements))
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<10 {
			t.Errorf("%d levels: got %d bytes allocated", test.levels, took)
		}
	}
}

// TestDeflateBomb expands about 1028 times; what identifies it stands in front.
func TestDeflateBomb(t *testing.T) {
	bomb := deflate(slices.Concat(explicitLE.id("ID12"), explicitLE.element(pixelData, "OW", strings.Repeat("\x00", 64<<20))))
	if ratio := (64 << 20) / len(bomb); ratio < 1000 {
		t.Fatalf("got a ratio of %d, want a bomb", ratio)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := walk(Syntax{Deflated: true}, bomb)
	runtime.ReadMemStats(&after)
	if show(w) != "=ID12" || !errors.Is(w.Err(), format.ErrLimit) {
		t.Errorf("got %q and %v, want the number and the limit", show(w), w.Err())
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("got %d MB allocated", took>>20)
	}
}

// TestKeptIsBounded writes more identifying elements than are kept.
func TestKeptIsBounded(t *testing.T) {
	w := NewWalker(Syntax{Implicit: true}, 64, Identifying)
	for range 200 {
		w.Write(implicitLE.id(strings.Repeat("1", 60<<10)))
	}
	for range 5000 {
		w.Write(implicitLE.id("2"))
	}
	w.Finish()
	kept := 0
	for _, e := range w.Elements {
		kept += len(e.Value)
	}
	if kept > maxKept || len(w.Elements) > maxElements || w.Odd() == nil {
		t.Errorf("got %d bytes in %d elements, odd %v", kept, len(w.Elements), w.Odd())
	}
}

// TestClone goes on in two ways inside the same sequence.
func TestClone(t *testing.T) {
	begin := slices.Concat(explicitLE.element(OtherPatientIDsSeq, "SQ", "", undefined), explicitLE.element(item, "", "", undefined), explicitLE.id("ID12")[:10])
	rest := slices.Concat([]byte("12"), explicitLE.element(0x00091001, "UN", "", undefined), explicitLE.element(item, "", "", undefined), implicitLE.id("ID34"))
	other := slices.Concat([]byte("XX"), explicitLE.element(0x00081120, "SQ", "", undefined), explicitLE.element(item, "", "", undefined), explicitLE.id("ID99"))
	w := NewWalker(Syntax{}, 64, Identifying)
	w.Write(begin)
	clone := w.Clone()
	for i := range max(len(rest), len(other)) { // in turns, so that anything shared is overwritten
		w.Write(rest[min(i, len(rest)):min(i+1, len(rest))])
		clone.Write(other[min(i, len(other)):min(i+1, len(other))])
	}
	if got, want := show(w), "(=ID12) (=ID34)"; got != want {
		t.Errorf("the original: got %q, want %q", got, want)
	}
	if got, want := show(clone), "(=IDXX) (=ID99)"; got != want {
		t.Errorf("the clone: got %q, want %q", got, want)
	}
}

// TestSkip leaves out bytes: inside a value that is not kept the walk goes on, anywhere else it is over.
func TestSkip(t *testing.T) {
	number, comment := explicitLE.id("ID12"), explicitLE.element(0x00104000, "LT", "0123456789")
	data := slices.Concat(number, comment, explicitLE.element(StudyInstanceUID, "UI", "1.2"))
	for _, test := range []struct {
		name     string
		from, to int
		want     string
		goesOn   bool
	}{
		{"in a value that is not kept", len(number) + 10, len(number) + 14, "=ID12 1.2", true},
		{"to the end of one", len(number) + 10, len(number) + len(comment), "=ID12 1.2", true},
		{"in a header", len(number) + 2, len(number) + 4, "=ID12", false},
		{"in the number", 9, 10, "", false},
		{"over an end", len(number) + 10, len(number) + len(comment) + 1, "=ID12", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := NewWalker(Syntax{}, 64, Identifying)
			w.Write(data[:test.from])
			if got := w.Skip(int64(test.to - test.from)); got != test.goesOn {
				t.Errorf("got %t, want %t", got, test.goesOn)
			}
			if !test.goesOn && show(w) != test.want {
				t.Errorf("before Finish: got %q, want %q", show(w), test.want)
			}
			w.Write(data[test.to:])
			w.Finish()
			if got := show(w); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
