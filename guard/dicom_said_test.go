package guard

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	clinic "chaperone/internal/clinicsim"
)

// saying gives an answer with more in it, in the order of its tags.
func saying(c *command, status uint16, dataSet bool, more ...clinic.Element) []byte {
	return set(c.context, c.field|answerBit, c.id, dataSet, append(more, clinic.Short(0x0900, status))...)
}

// TestDICOMTalk: an archive that writes patients into its command sets does not get them past the guard; everything else of them passes.
func TestDICOMTalk(t *testing.T) {
	name, long := mark+"^JANE", strings.Repeat(mark, 11)
	comment := func(s string) clinic.Element { return clinic.Raw(0x0902, "LO", []byte(s)) }
	for _, test := range []struct {
		name   string
		status uint16
		more   []clinic.Element
		passes bool // what is said is there
	}{
		{"why it failed", 0xC001, []clinic.Element{comment("the index is away, ask for MARKED")}, true},
		{"which elements", 0xA900, []clinic.Element{clinic.Raw(0x0901, "AT", []byte("MARKED\x20\x00"))}, true},
		{"why it failed, at length", 0xC001, []clinic.Element{comment(long[:66])}, false},
		{"lines of it", 0xC001, []clinic.Element{comment(name + "\r\n" + "x")}, false},
		{"64 KiB of it", 0xC001, []clinic.Element{comment(strings.Repeat(mark, 10_000))}, false},
		{"a success with a comment", statusSuccess, []clinic.Element{comment(name)}, false},
		{"many elements", 0xA900, []clinic.Element{clinic.Raw(0x0901, "AT", bytes.Repeat([]byte(mark+"\x00\x00"), 1000))}, false},
		{"an element of its own", 0xC001, []clinic.Element{clinic.Raw(0x7777, "LO", []byte(name))}, false},
		{"one that was retired", 0xC001, []clinic.Element{clinic.Raw(0x4000, "LO", []byte(name))}, false},
		{"no UID", 0xC001, []clinic.Element{clinic.Raw(0x1000, "UI", []byte(name))}, false},
		{"a number that is none", 0xC001, []clinic.Element{clinic.Raw(0x0903, "US", []byte(name))}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSickDICOM(t, "enforce", func(k *talker, c *command, _ []byte) {
				_ = k.send(c.context, true, true, saying(c, test.status, false, test.more...))
			})
			k := s.dial()
			k.associate()
			final, end := k.exchange(askFor("C-FIND"))
			if final == nil || final.status != test.status {
				t.Fatalf("got %+v, PDU %d; want %04X", final, end.kind, test.status)
			}
			if where := s.released(); (where != "") != test.passes {
				t.Errorf("got what was said at %q, want it there: %t", where, test.passes)
			}
			if told := strings.Contains(s.log.String(), "said more than is passed on"); told == test.passes || strings.Contains(s.log.String(), mark) {
				t.Errorf("got log %q", s.log.String())
			}
		})
	}
}

// TestDICOMTalkPending: nor in each of many matches; and matches pass without it.
func TestDICOMTalkPending(t *testing.T) {
	s := newSickDICOM(t, "enforce", func(k *talker, c *command, _ []byte) {
		for range 3 {
			_ = k.send(c.context, true, true, saying(c, statusPending, true, clinic.Raw(0x0902, "LO", []byte(mark+"2"))))
			_ = k.send(c.context, false, true, study(askedNumber, askedUID).Encode(clinic.ImplicitLE))
		}
		well(k, c, nil)
	})
	k := s.dial()
	k.associate()
	r := askFor("C-FIND")
	k.message(r.context, r.command, r.data)
	if n, final := k.answers(); n != 3 || final.status != statusSuccess || s.released() != "" {
		t.Errorf("got %d matches, %04X, released to %q", n, final.status, s.released())
	}
	if n := strings.Count(s.log.String(), "said more than is passed on"); n != 1 {
		t.Errorf("it is told of %d times", n)
	}
}

// TestDICOMTalkWithheld: of a retrieval of which something was held back the archive says nothing in its own words, also when it failed;
// and nothing beside what is needed in the request that brings an object.
func TestDICOMTalkWithheld(t *testing.T) {
	s := newSickDICOM(t, "enforce", func(k *talker, c *command, _ []byte) {
		switch c.field {
		case fieldFind:
			matched(k, c, study(askedNumber, askedUID))
		case fieldGet:
			_ = k.send(1, true, true, set(1, fieldStore, 10, true, clinic.Short(0x0700, 0), clinic.Text(0x1000, "UI", "2.25.1"), clinic.Text(0x1030, "AE", "CT1"),
				clinic.Short(0x1031, c.id), clinic.Raw(0x5555, "LO", []byte(mark+"3X"))))
			_ = k.send(1, false, true, imageOf(askedNumber, askedUID, 0))
			k.reply()
			k.bring(11, imageOf(mark, "2.25.9.0", 0))
			_ = k.send(c.context, true, true, saying(c, 0xC001, false, clinic.Raw(0x0902, "LO", []byte(mark+"^JANE  ")), clinic.Short(0x1021, 1)))
		}
	})
	k := s.dial()
	k.associate()
	final, _ := k.exchange(askFor("C-GET"))
	if final == nil || final.status != 0xC001 || final.counts[1] != 1 || s.released() != "" {
		t.Errorf("got %+v, released to %q", final, s.released())
	}
}

// TestKeepTo: what says nothing else is not touched, and what stays is a command set again.
func TestKeepTo(t *testing.T) {
	for _, more := range [][]clinic.Element{nil, {clinic.Short(0x0903, 7), clinic.Raw(0x0902, "LO", []byte("the disk is full"))}, {clinic.Short(0x1021, 1), clinic.Short(0x1022, 1)}} {
		raw := set(5, fieldGet|answerBit, 1, false, append(more, clinic.Short(0x0900, 0xC001))...)
		c, err := readCommand(5, raw)
		if err != nil {
			t.Fatal(err)
		}
		if out := c.keepTo(nil); out != nil || !bytes.Equal(c.raw, raw) || &c.raw[0] != &raw[0] {
			t.Errorf("%s was left out of what says nothing else", out)
		}
	}
	raw := set(3, fieldFind|answerBit, 1, true, clinic.Short(0x0900, statusPending), clinic.Raw(0x0902, "LO", []byte("x ")), clinic.Raw(0x9999, "LO", []byte("y ")))
	c, err := readCommand(3, raw)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.keepTo(nil), []string{"(0000,0902)", "(0000,9999)"}; !slices.Equal(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	again, err := readCommand(3, c.raw)
	if err != nil || !again.dataSet || again.status != statusPending || again.id != 1 || fmt.Sprint(again.class) != c.class {
		t.Errorf("got %+v, %v", again, err)
	}
}

// oldName is what a system called its objects that knew no UIDs.
const oldName = "CT^7_IMAGE-12"

// named is an object of who is asked for under a name of its own.
func named(instance string) []byte {
	return clinic.DataSet{
		clinic.Text(0x00080016, "UI", clinic.CTImage), clinic.Text(0x00080018, "UI", instance), clinic.Text(0x00100020, "LO", askedNumber), clinic.Text(0x0020000D, "UI", askedUID),
	}.Encode(clinic.ExplicitLE)
}

// TestDICOMTalkObject: the request that brings an object is never cut. An instance that is no UID passes when the object bears it too;
// otherwise, as when something else that the request needs is not in its form, that object is held back, and not on record.
func TestDICOMTalkObject(t *testing.T) {
	priority := clinic.Short(0x0700, 0)
	for _, test := range []struct {
		name, instance string // in the object
		more           []clinic.Element
		passes         bool
	}{
		{"a UID", "2.25.1", []clinic.Element{priority, clinic.Text(0x1000, "UI", "2.25.1")}, true},
		{"a name that the object bears", oldName, []clinic.Element{priority, clinic.Text(0x1000, "UI", oldName)}, true},
		{"a name that it bears otherwise padded", oldName, []clinic.Element{priority, clinic.Raw(0x1000, "UI", []byte(oldName+" "))}, true},
		{"a name that it does not bear", oldName, []clinic.Element{priority, clinic.Text(0x1000, "UI", mark)}, false},
		{"a name, and the object none", "", []clinic.Element{priority, clinic.Text(0x1000, "UI", mark)}, false},
		{"two values", mark + `\2.25.1`, []clinic.Element{priority, clinic.Text(0x1000, "UI", mark+`\2.25.1`)}, false},
		{"lines", mark + "\n1", []clinic.Element{priority, clinic.Text(0x1000, "UI", mark+"\n1")}, false},
		{"a priority that is no number", oldName, []clinic.Element{clinic.Raw(0x0700, "US", []byte(mark)), clinic.Text(0x1000, "UI", oldName)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSickDICOM(t, "enforce", func(k *talker, c *command, _ []byte) {
				switch c.field {
				case fieldFind:
					matched(k, c, study(askedNumber, askedUID))
				case fieldGet:
					_ = k.send(1, true, true, set(1, fieldStore, 10, true, test.more...))
					_ = k.send(1, false, true, named(test.instance))
					if answer, _, _ := k.reply(); answer == nil || (answer.status == statusSuccess) != test.passes {
						t.Errorf("the archive was answered %+v", answer)
					}
					well(k, c, nil)
				}
			})
			k := s.dial()
			k.associate()
			r := askFor("C-GET")
			k.message(r.context, r.command, r.data)
			c, _, end := k.reply()
			if c == nil || (c.field == fieldStore) != test.passes {
				t.Fatalf("got %+v, PDU %d", c, end.kind)
			}
			if !test.passes {
				if !failure(c.status) || strings.Contains(s.released(), "client") || len(s.rows()) != 1 {
					t.Errorf("got %04X, released to %q, %d on record", c.status, s.released(), len(s.rows()))
				}
				return
			}
			if want := set(1, fieldStore, 10, true, test.more...); !bytes.Equal(c.raw, want) {
				t.Errorf("got % x, want % x", c.raw, want)
			}
			k.message(c.context, c.reply(statusSuccess, ""), nil)
			if c, _, _ := k.reply(); c == nil || c.status != statusSuccess || len(s.rows()) != 2 {
				t.Errorf("got %+v, %d on record", c, len(s.rows()))
			}
		})
	}
}

// TestDICOMTalkReport: nor is a report cut: it is refused when what it needs is not in its form.
func TestDICOMTalkReport(t *testing.T) {
	uid, event := clinic.Text(0x1000, "UI", "2.25.9"), clinic.Short(0x1002, 1)
	reports := [][]clinic.Element{{clinic.Text(0x1000, "UI", mark), event}, {uid, clinic.Raw(0x1002, "US", []byte(mark))}, {uid, event}}
	s := newSickDICOM(t, "enforce", func(k *talker, c *command, _ []byte) {
		if c.field != fieldEcho {
			return
		}
		for i, more := range reports {
			for _, data := range [][]byte{nil, clinic.DataSet{clinic.Text(0x00400252, "CS", "COMPLETED")}.Encode(clinic.ImplicitLE)} {
				k.message(11, set(11, fieldEventReport, uint16(i), data != nil, more...), data)
				want := []uint16{statusProcessing, statusProcessing, statusSuccess}[i]
				if answer, _, _ := k.reply(); answer == nil || answer.status != want {
					t.Errorf("report %d was answered %+v, want %04X", i, answer, want)
				}
			}
		}
		well(k, c, nil)
	})
	k := s.dial()
	k.associate()
	k.message(9, set(9, fieldEcho, 1, false), nil)
	for range 2 {
		c, _, end := k.reply()
		if want := set(11, fieldEventReport, 2, c != nil && c.dataSet, uid, event); c == nil || !bytes.Equal(c.raw, want) {
			t.Fatalf("got %+v, PDU %d", c, end.kind)
		}
		k.message(c.context, c.reply(statusSuccess, ""), nil)
	}
	if c, _, _ := k.reply(); c == nil || c.field != fieldEcho|answerBit || strings.Contains(s.released(), "client") {
		t.Errorf("got %+v, released to %q", c, s.released())
	}
}

// TestDICOMTalkEcho: an answer to a C-STORE keeps the client's own instance, whatever it is, and no other name.
func TestDICOMTalkEcho(t *testing.T) {
	for instance, want := range map[string]string{oldName: oldName, mark: ""} {
		s := newSickDICOM(t, "enforce", func(k *talker, c *command, _ []byte) {
			_ = k.send(c.context, true, true, saying(c, statusSuccess, false, clinic.Text(0x1000, "UI", instance)))
		})
		k := s.dial()
		k.associate()
		k.message(1, set(1, fieldStore, 1, true, clinic.Text(0x1000, "UI", oldName)), named(oldName))
		if c, _, end := k.reply(); c == nil || c.status != statusSuccess || c.instance != want {
			t.Errorf("got %+v, PDU %d, want instance %q", c, end.kind, want)
		}
	}
}

// TestKeepToMessage: each message has its own elements (PS3.7 chapters 9.3 and 10.3), and no other message has them.
func TestKeepToMessage(t *testing.T) {
	uid, number, tags := []byte("2.25.1"), []byte{1, 0}, []byte{0x10, 0, 0x20, 0}
	values := map[uint32][]byte{
		0x0003: uid, 0x0110: {0, 0}, 0x0120: {0, 0}, 0x0600: []byte("ROOM"), 0x0700: number, 0x0900: {1, 0xC0}, 0x0901: tags, 0x0902: uid, 0x0903: number, 0x1000: uid, 0x1001: uid,
		0x1002: number, 0x1005: tags, 0x1008: number, 0x1020: number, 0x1021: number, 0x1022: number, 0x1023: number, 0x1030: []byte("CT1 "), 0x1031: number, 0x4000: uid,
	}
	talk, counts := []uint32{0x0900, 0x0901, 0x0902, 0x0903}, []uint32{0x1020, 0x1021, 0x1022, 0x1023}
	for field, has := range map[uint16][]uint32{
		fieldStore:                   {0x0700, 0x1000, 0x1030, 0x1031},
		fieldStore | answerBit:       append(talk, 0x1000),
		fieldFind | answerBit:        talk,
		fieldGet | answerBit:         append(counts, talk...),
		fieldMove | answerBit:        append(counts, talk...),
		fieldEcho | answerBit:        talk,
		fieldEventReport:             {0x1000, 0x1002},
		fieldEventReport | answerBit: append([]uint32{0x1000, 0x1002}, talk...),
		0x0110 | answerBit:           append([]uint32{0x1000, 0x1005}, talk...),
		0x0120 | answerBit:           append([]uint32{0x1000, 0x1005}, talk...),
		fieldAction | answerBit:      append([]uint32{0x1000, 0x1008}, talk...),
		0x0140 | answerBit:           append([]uint32{0x1000, 0x1005}, talk...),
		0x0150 | answerBit:           append([]uint32{0x1000}, talk...),
	} {
		for tag, value := range values {
			more := []clinic.Element{clinic.Raw(tag, "UN", value)}
			switch answer := field&answerBit != 0; {
			case tag == 0x0110 && !answer || tag == 0x0120 && answer:
				continue // it is there
			case answer && tag != 0x0900:
				more = append(more, clinic.Short(0x0900, 0xC001))
			}
			c, err := readCommand(0, set(0, field, 0, false, more...))
			if err != nil {
				t.Fatal(err)
			}
			out := c.keepTo(&operation{command: &command{instance: "2.25.1"}})
			if passes := out == nil && c.amiss == ""; passes != slices.Contains(has, tag) {
				t.Errorf("(0000,%04X) of %04X passes: %t", tag, field, passes)
			}
		}
	}
}

// TestKeepToInstance: an answer to a C-STORE names what was stored and nothing else; those of N-services may name what they made.
func TestKeepToInstance(t *testing.T) {
	for field, want := range map[uint16][3]bool{fieldStore: {true, false, false}, 0x0140: {true, true, false}} {
		for i, instance := range []string{oldName, "2.25.1", mark} {
			c, err := readCommand(1, set(1, field|answerBit, 1, false, clinic.Short(0x0900, 0), clinic.Text(0x1000, "UI", instance)))
			if err != nil {
				t.Fatal(err)
			}
			if out := c.keepTo(&operation{command: &command{instance: oldName}}); (out == nil) != want[i] {
				t.Errorf("%s in an answer to %04X: %s was left out", instance, field, out)
			}
		}
	}
}

// TestKeepToAttributes: an answer to N-GET, N-SET or N-CREATE that failed or warns names the attributes at fault, at most 16 of them, unless something
// was held back.
func TestKeepToAttributes(t *testing.T) {
	for _, test := range []struct {
		field, status uint16
		bytes         int
		withheld      int
		passes        bool
	}{
		{0x0110, 0x0105, 4, 0, true}, {0x0120, 0x0107, 64, 0, true}, {0x0140, 0x0120, 8, 0, true}, {0x0140, 0x0120, 0, 0, true},
		{0x0140, statusSuccess, 4, 0, false}, {0x0140, 0x0120, 68, 0, false}, {0x0140, 0x0120, 6, 0, false}, {0x0140, 0x0120, 4, 1, false}, {fieldStore, 0x0120, 4, 0, false},
	} {
		raw := set(11, test.field|answerBit, 1, false, clinic.Short(0x0900, test.status), clinic.Raw(0x1005, "AT", make([]byte, test.bytes)))
		c, err := readCommand(11, raw)
		if err != nil {
			t.Fatal(err)
		}
		if out := c.keepTo(&operation{command: &command{}, withheld: test.withheld}); (out == nil) != test.passes {
			t.Errorf("%+v: %s was left out", test, out)
		}
	}
}
