package guard

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	clinic "chaperone/internal/clinicsim"
	"chaperone/policy"
)

// The patient who is asked for in these tests; every other one bears the mark.
const (
	askedNumber = "P1"
	askedUID    = "2.25.1.1"
)

// lie is what an archive does that is asked for one patient. It answers the guard's own inquiries as it should, if they do not come
// in the same words.
type lie struct {
	name   string
	ask    releasing
	tell   func(k *talker, c *command)
	status uint16 // of the last answer; 0xFFFF: the association ends before one
	rule   string // behind refused-
	rows   int    // on record
}

// askFor asks for the patient by some keys; none: by a study.
func askFor(what string, more ...clinic.Element) releasing {
	for _, r := range releases() {
		if r.name == what {
			if r.data = keys("STUDY", more...); len(more) == 0 {
				r.data = keys("STUDY", clinic.Text(0x0020000D, "UI", askedUID))
			}
			return r
		}
	}
	return releasing{}
}

// strangers are matches of others.
func strangers(n int) (all []clinic.DataSet) {
	for i := range n {
		all = append(all, study(fmt.Sprint(mark, i), fmt.Sprint("2.25.9.", i)))
	}
	return all
}

// onePending answers a C-FIND with a match, under a message number that may be another's, and with no end.
func onePending(k *talker, context byte, id uint16, match []byte) {
	_ = k.send(context, true, true, set(3, fieldFind|answerBit, id, true, clinic.Short(0x0900, statusPending))) // what does not come, its reader misses
	_ = k.send(context, false, true, match)
}

func lies() []lie {
	number := clinic.Text(0x00100020, "LO", askedNumber)
	asked, strange := study(askedNumber, askedUID), strangers(1)[0].Encode(clinic.ImplicitLE)
	ended := func(status uint16, counts ...uint16) func(k *talker, c *command) {
		return func(k *talker, c *command) { _ = k.send(c.context, true, true, c.reply(status, "", counts...)) }
	}
	brings := func(end func(*talker, *command), objects ...[]byte) func(*talker, *command) {
		return func(k *talker, c *command) {
			for i, o := range objects {
				k.bring(uint16(10+i), o)
			}
			end(k, c)
		}
	}
	good, other := imageOf(askedNumber, askedUID, 0), imageOf(mark, "2.25.9.0", 0)
	return []lie{
		{"as asked", askFor("C-FIND", number), func(k *talker, c *command) { matched(k, c, asked) }, statusSuccess, "", 1},
		{"as asked", askFor("C-GET"), brings(ended(statusSuccess, 0, 1), good), statusSuccess, "", 2},
		{"500 patients for one", askFor("C-FIND", number), func(k *talker, c *command) { matched(k, c, append([]clinic.DataSet{asked}, strangers(500)...)...) }, statusNotAllowed, "more-than-asked", 1},
		{"500 patients for a study", askFor("C-FIND"), func(k *talker, c *command) { matched(k, c, append([]clinic.DataSet{asked}, strangers(500)...)...) }, statusNotAllowed, "more-than-asked", 1},
		{"a match of two patients", askFor("C-FIND"), func(k *talker, c *command) {
			onePending(k, c.context, c.id, slices.Concat(asked.Encode(clinic.ImplicitLE), strange))
			well(k, c, nil)
		}, statusNotAllowed, "ambiguous", 0},
		{"a match of another's query", askFor("C-FIND"), func(k *talker, c *command) { onePending(k, c.context, 77, strange); well(k, c, nil) }, 0xFFFF, "", 0},
		{"a match behind the end", askFor("C-FIND"), func(k *talker, c *command) { well(k, c, nil); onePending(k, c.context, c.id, strange) }, statusSuccess, "", 0},
		{"a match of 2 MiB", askFor("C-FIND"), func(k *talker, c *command) {
			onePending(k, c.context, c.id, slices.Concat(strange, make([]byte, 2<<20)))
		}, 0xFFFF, "", 0},
		{"an object for a query", askFor("C-FIND"), brings(ended(statusSuccess), other), statusSuccess, "", 0},
		{"another patient's object", askFor("C-GET"), brings(ended(statusSuccess, 0, 2), good, other), statusSubs, "unresolved", 2},
		{"another's object in the study that was asked for", askFor("C-GET"), brings(ended(statusSuccess, 0, 1), imageOf(mark, askedUID, 0)), statusSubs, "unresolved", 1},
		{"nobody's object of another study", askFor("C-GET"), brings(ended(statusSuccess, 0, 1), imageOf("", "2.25.9.0", 1000)), statusSubs, "unresolved", 1},
		{"it warns of something else", askFor("C-GET"), brings(ended(0x0001, 0, 1), other), statusSubs, "unresolved", 1},
		{"it says that it was told to stop", askFor("C-GET"), brings(ended(statusCancelled, 0, 1), other), statusSubs, "unresolved", 1},
		{"an object behind the end", askFor("C-GET"), func(k *talker, c *command) { well(k, c, nil); k.bring(9, other) }, statusSuccess, "", 1},
		{"two objects at once", askFor("C-GET"), func(k *talker, c *command) {
			for id, o := range [][]byte{good, other} {
				_ = k.send(1, true, true, set(1, fieldStore, uint16(20+id), true, clinic.Text(0x1000, "UI", "2.25.1")))
				_ = k.send(1, false, true, o)
			}
		}, 0xFFFF, "", 2},
		{"whose it is stands behind the pixels", askFor("C-GET"), brings(ended(statusSuccess, 0, 1), func() []byte {
			at := bytes.Index(other, []byte("\x10\x00\x10\x00PN"))
			return slices.Concat(other[:at], clinic.DataSet{clinic.Raw(0x7FE00010, "OW", []byte(mark+mark))}.Encode(clinic.ExplicitLE), other[at:])
		}()), statusSubs, "ambiguous", 1},
		// An archive need not be asked for a study to have it: what the guard promises is whose records come, and that is on record.
		{"another study of the patient", askFor("C-GET"), brings(ended(statusSuccess, 0, 1), imageOf(askedNumber, "2.25.1.2", 0)), statusSuccess, "", 2},
		// Nor does the guard know how many there are: fewer than it says is the archive's own word.
		{"fewer objects than it says", askFor("C-GET"), brings(ended(statusSuccess, 0, 5), good), statusSuccess, "", 2},
		{"an object where a C-MOVE was asked for", askFor("C-MOVE"), brings(ended(statusSuccess), other), statusSuccess, "", 1},
	}
}

// TestFailClosedDICOMUpstream: what an archive makes up does not reach the client: neither others' records nor, when something was
// held back, an end that looks well.
func TestFailClosedDICOMUpstream(t *testing.T) {
	for _, test := range lies() {
		t.Run(test.ask.name+"/"+test.name, func(t *testing.T) {
			s := newSickDICOM(t, "enforce", func(k *talker, c *command, data []byte) {
				switch {
				case c.answer():
				case c.field == fieldFind && test.ask.name != "C-FIND":
					matched(k, c, study(askedNumber, askedUID))
				case c.word() == test.ask.name:
					test.tell(k, c)
				default:
					well(k, c, data)
				}
			})
			k := s.dial()
			k.associate()
			final, end := k.exchange(test.ask)
			if final == nil && (test.status != 0xFFFF || end.kind != pduAbort) || final != nil && final.status != test.status {
				t.Errorf("got %+v, PDU %d; want %04X", final, end.kind, test.status)
			}
			if final != nil { // what comes behind the end has come before the answer to this
				if k.send(9, true, true, set(9, fieldEcho, 9, false)) == nil {
					k.reply()
				}
			}
			if where := s.released(); where != "" {
				t.Errorf("somebody else was released to %s", where)
			}
			if found := s.findings(); test.rule != "" && found["refused-"+test.rule] == 0 {
				t.Errorf("got findings %v, want %s", found, test.rule)
			}
			for _, f := range s.everyFinding("refused-unresolved") { // of what an archive sends unasked, it is who acted
				if told, _ := s.toldOf(referenceOf(f.Evidence.Record)); f.From.Claimed != "PACS" || f.To.Claimed != "CT1" || told.Who() != f.From || told.Action != policy.Store {
					t.Errorf("got %+v, explained as %s", f, told.Action)
				}
			}
			if n := len(s.rows()); n != test.rows {
				t.Errorf("got %d disclosures, want %d", n, test.rows)
			}
		})
	}
}

// TestFailClosedDICOMInquiry: what an archive does not say, or says in a way that cannot be read, lets no retrieval begin.
func TestFailClosedDICOMInquiry(t *testing.T) {
	nameless := clinic.DataSet{clinic.Text(0x00080052, "CS", "STUDY"), clinic.Text(0x0020000D, "UI", markedUID)}
	for _, test := range []struct {
		name string
		tell func(k *talker, c *command)
	}{
		{"nothing is found", func(k *talker, c *command) { matched(k, c) }},
		{"it fails", func(k *talker, c *command) { _ = k.send(c.context, true, true, c.reply(statusResources, "")) }},
		{"a study of nobody", func(k *talker, c *command) { matched(k, c, nameless) }},
		{"one of nobody among others", func(k *talker, c *command) { matched(k, c, markedStudy(), nameless) }},
		{"another study", func(k *talker, c *command) { matched(k, c, study(mark, "2.25.9.1")) }},
		{"it can be read in two ways", func(k *talker, c *command) { matched(k, c, append(markedStudy(), markedStudy()...)) }},
		{"it fails behind a match", func(k *talker, c *command) {
			onePending(k, c.context, c.id, markedStudy().Encode(clinic.ImplicitLE))
			_ = k.send(c.context, true, true, c.reply(statusProcessing, ""))
		}},
		{"it aborts", func(k *talker, c *command) { k.abort(0, 0) }},
	} {
		for _, r := range releases()[1:3] {
			t.Run(r.name+"/"+test.name, func(t *testing.T) {
				var s *sickDICOM
				s = newSickDICOM(t, "enforce", func(k *talker, c *command, data []byte) {
					if c.field == fieldFind {
						test.tell(k, c)
						return
					}
					s.act(k, c, data)
				})
				k := s.dial()
				k.associate()
				final, end := k.exchange(r)
				if final == nil || !failure(final.status) || s.released() != "" || len(s.rows()) != 0 {
					t.Errorf("got %+v, PDU %d, released to %q, %d disclosures", final, end.kind, s.released(), len(s.rows()))
				}
				if found := s.findings(); found["refused-unresolved"] == 0 {
					t.Errorf("got findings %v", found)
				}
			})
		}
	}
}
