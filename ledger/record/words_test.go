package record_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/record"
)

// dictionary numbers words as a ledger does.
type dictionary struct {
	t     *testing.T
	texts []string
}

func (d *dictionary) word(text string) uint32 {
	if text == "" || len(text) > record.MaxWord {
		d.t.Errorf("asked for a word of %d bytes", len(text))
	}
	d.texts = append(d.texts, text)
	return uint32(len(d.texts))
}

func (d *dictionary) words(n uint32) string {
	if n == 0 || int(n) > len(d.texts) {
		d.t.Errorf("asked for word %d of %d", n, len(d.texts))
		return ""
	}
	return d.texts[n-1]
}

// fill sets every field to something of its own, so that one that gets lost is seen.
func fill(t *testing.T, v reflect.Value, next *int) {
	t.Helper()
	*next++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(day.Time().Add(time.Duration(*next) * 1003 * time.Microsecond)))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{10, 0, 0, byte(*next)})))
		return
	case chaperone.Outcome:
		v.SetString(string(chaperone.Partial))
		return
	case chaperone.Protection:
		v.SetString(string(chaperone.MutualTLS))
		return
	case chaperone.Severity:
		v.SetInt(int64(chaperone.High))
		return
	case []chaperone.PatientToken:
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), next)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), next)
		}
	case reflect.Array:
		v.Index(0).SetUint(uint64(*next))
	case reflect.String:
		v.SetString(strings.Repeat("w", *next))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*next))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*next))
	default:
		t.Fatalf("a field of type %s is new: teach fill, and the record", v.Type())
	}
}

func filled[T any](t *testing.T) (all T) {
	next := 0
	fill(t, reflect.ValueOf(&all).Elem(), &next)
	return all
}

// through sends an entry through its bytes.
func through(t *testing.T, b []byte) (e record.Entry) {
	t.Helper()
	if err := record.Decode(b, day, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSpell(t *testing.T) {
	d := &dictionary{t: t}
	t.Run("finding", func(t *testing.T) {
		for _, want := range []chaperone.Finding{filled[chaperone.Finding](t), {}} {
			f := record.FindingOf(&want, d.word)
			e := through(t, record.AppendFinding(nil, &f))
			if got := e.Finding.Spell(d.words); !reflect.DeepEqual(got, utc(want)) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
	t.Run("note", func(t *testing.T) {
		for _, want := range []ledger.Note{filled[ledger.Note](t), {}} {
			n := record.NoteOf(&want, d.word)
			e := through(t, record.AppendNote(nil, &n))
			if got := e.Note.Spell(d.words); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
	t.Run("disclosure", func(t *testing.T) {
		empty := chaperone.Disclosure{Time: day.Time()}
		for _, want := range []chaperone.Disclosure{filled[chaperone.Disclosure](t), empty} {
			if !record.Fits(&want) {
				t.Errorf("it does not fit: %+v", want)
			}
			w := record.WayOf(&want, d.word)
			dis := record.DisclosureOf(&want, 1, nil, d.word)
			way := through(t, record.AppendWay(nil, &w)).Way
			e := through(t, record.AppendDisclosure(nil, day, &dis))
			if got := e.Disclosure.Spell(&way, d.words); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
}

// utc is what the zero time comes back as.
func utc(f chaperone.Finding) chaperone.Finding {
	f.First, f.Last = f.First.UTC(), f.Last.UTC()
	return f
}

func TestFits(t *testing.T) {
	for _, test := range []struct {
		name string
		d    chaperone.Disclosure
		want bool
	}{
		{"nothing said", chaperone.Disclosure{}, true},
		{"known words", chaperone.Disclosure{Outcome: chaperone.Refused, Protection: chaperone.TLS}, true},
		{"unknown outcome", chaperone.Disclosure{Outcome: "lost"}, false},
		{"unknown protection", chaperone.Disclosure{Protection: "rot13"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := record.Fits(&test.d); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}
