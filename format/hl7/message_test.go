package hl7

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chaperone"
	"chaperone/format"
)

const header = `MSH|^~\&|LAB|CLINIC|EHR|CLINIC|2025||ADT^A01|1|P|2.5`

func message(segments ...string) []byte { return []byte(strings.Join(segments, "\r") + "\r") }

// show writes a record down: kind@authority=value, then name, birth and sex. The people here are invented.
func show(r chaperone.Record) string {
	var b strings.Builder
	for _, id := range slices.Concat(r.Identifiers, r.Alternates) {
		fmt.Fprintf(&b, "%s@%s=%s ", strings.TrimPrefix(string(id.Kind), "hl7."), id.Authority.Reveal(), id.Value.Reveal())
	}
	fmt.Fprintf(&b, "%s %s %s", r.Name.Reveal(), r.Birth.Reveal(), r.Sex.Reveal())
	return strings.TrimRight(b.String(), " ")
}

func TestRead(t *testing.T) {
	for _, test := range []struct {
		name     string
		segments []string
		want     []string
	}{
		{"two repetitions, namespace and universal id", []string{header, `PID|1||123^^^H^MR~99^^^X&1.2.3&ISO^PI||DOE^J||19700101|M`},
			[]string{"PID-3@H=123 PID-3@X=99 DOE^J 19700101 M"}},
		{"authority by universal id only", []string{header, `PID|1||99^^^&1.2.3&ISO`}, []string{"PID-3@1.2.3=99"}},
		{"no authority, and never MSH-4", []string{header, `PID|1||99^^^^MR`}, []string{"PID-3@=99"}},
		{"CX-5 is not part of the key", []string{header, `PID|1||99^^^H^MR~99^^^H^PI`}, []string{"PID-3@H=99 PID-3@H=99"}},
		{"explicit null and empty repetitions are no identifiers", []string{header, `PID|1||""~~ ~^^^H||DOE`}, []string{"DOE"}},
		{"a no-break space is no value", []string{header, "PID|1||\xA0~7\xC2\xA0"}, []string{"PID-3@=7"}},
		{"blanks around a value", []string{header, "PID|1|| 99 ^^^ H "}, []string{"PID-3@H=99"}},
		{"PID-2, PID-4, SSN and account only without PID-3", []string{header, `PID|1|2||||||||||||||||18|123-45-6789`, `PID|2|2|3|4`, `PID|3||""|4^^^A`},
			[]string{"PID-2@=2 ssn@=123456789 PID-18@=18", "PID-3@=3", "PID-4@A=4"}},
		{"an identifier in a hexadecimal escape", []string{header, `PID|1||\X3132\`}, []string{"PID-3@=12"}},
		{"hexadecimal escapes one by one", []string{header, `PID|1||\X31\\X32\`}, []string{"PID-3@=12"}},
		{"separators in escapes", []string{header, `PID|1||a\S\b\T\c\F\d\R\e\E\f`}, []string{`PID-3@=a^b&c|d~e\f`}},
		{"what is no escape stays", []string{header, `PID|1||a\.br\b\Zx\c\X3\d\`}, []string{`PID-3@=a\.br\b\Zx\c\X3\d\`}},
		{"an escaped CR does not make a segment", []string{header, `PID|1||1\X0D\PID~2`}, []string{"PID-3@=1\rPID PID-3@=2"}},
		{"other separators", []string{`MSH#!*?$#LAB#CLINIC#EHR#CLINIC#2025##ADT!A01#1`, `PID#1##12345!!!MRN$1.2*9##DOE!JOHN!A`},
			[]string{"PID-3@MRN=12345 PID-3@=9 DOE^JOHN^A"}},
		{"MSH-2 of three characters", []string{`MSH|^~\|LAB`, `PID|1||1^^^N&U~2`}, []string{"PID-3@N=1 PID-3@=2"}},
		{"MSH-2 of five characters", []string{`MSH|^~\&#|LAB`, `PID|1||1`}, []string{"PID-3@=1"}},
		{"lower-case segment names", []string{header, `pid|1||1`}, []string{"PID-3@=1"}},
		{"several PIDs in one message", []string{header, `PID|1||1`, `PV1|1`, `PID|2||2`}, []string{"PID-3@=1", "PID-3@=2"}},
		{"other people are not patients", []string{header, `PID|1||1`, `NK1|1|DOE^JANE`, `GT1|1||DOE^JACK`, `IN1|1|2|3`}, []string{"PID-3@=1"}},
		{"nobody", []string{header, `PID`, `PID|1`}, []string{"", ""}},
		{"raw line break in a text", []string{header, `OBX|1|TX|||one`, `PID in the text`, `two`, `PID|1||1`}, []string{"PID-3@=1"}},
		{"birth with a time", []string{header, `PID|1||1||||197001011230-0500|F`}, []string{"PID-3@=1  19700101 F"}},
		{"Latin-1", []string{header + `||||||8859/1`, "PID|1||1||M\xFCller"}, []string{"PID-3@=1 Müller"}},
		{"Windows-1252 that nobody declared", []string{header, "PID|1||1||\x8Aimi\xE6"}, []string{"PID-3@=1 Šimiæ"}},
		{"UTF-8", []string{header + `||||||UNICODE UTF-8`, "PID|1||1||Müller"}, []string{"PID-3@=1 Müller"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Parse(message(test.segments...))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range m.Read().Records {
				got = append(got, show(r))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestMerges(t *testing.T) {
	for _, test := range []struct {
		event, want string
		segments    []string
	}{
		{"A40", "123 <- 77 false", []string{"PID|1||123", "MRG|77"}},
		{"A18", "123 <- 77 false", []string{"PID|1||123", "MRG|77"}},
		{"A40", "1 <- 2 false; 3 <- 4 false", []string{"PID|1||1", "MRG|2", "PID|2||3", "MRG|4"}},
		{"A40", "1 <- 44 false", []string{"PID|1||1", "MRG||||44"}}, // MRG-4, where MRG-1 is empty
		{"A40", "1~2 <- 3~4 false", []string{"PID|1||1~2", "MRG|3~4"}},
		{"A40", "", []string{"PID|1||1", `MRG|""`}},
		{"A44", "", []string{"PID|1||1", "MRG|2"}}, // an account moves, not the person
		{"A24", "1 <- 2 false", []string{"PID|1||1", "PID|2||2"}},
		{"A37", "1 <- 2 true", []string{"PID|1||1", "PID|2||2"}},
		{"A17", "", []string{"PID|1||1", "PID|2||2"}}, // two people swap beds
	} {
		t.Run(test.event, func(t *testing.T) {
			m, err := Parse(message(append([]string{strings.Replace(header, "A01", test.event, 1)}, test.segments...)...))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, merge := range m.Read().Merges {
				got = append(got, fmt.Sprintf("%s <- %s %t", values(merge.Survivor), values(merge.Prior), merge.Undo))
			}
			if strings.Join(got, "; ") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func values(ids []chaperone.Identifier) string {
	var list []string
	for _, id := range ids {
		list = append(list, id.Value.Reveal()) // invented people
	}
	return strings.Join(list, "~")
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct {
		name, raw string
		want      error
	}{
		{"empty", "", format.ErrMalformed},
		{"no MSH", "PID|1||SECRET", format.ErrMalformed},
		{"MSH alone", "MSH", format.ErrMalformed},
		{"two equal separators", `MSH|^~|&|SECRET`, nil}, // MSH-2 ends at the separator
		{"repeated separator", `MSH|^^\&|SECRET`, format.ErrMalformed},
		{"letter as separator", `MSHA^~\&ASECRET`, format.ErrMalformed},
		{"control character as separator", "MSH\x01^~\\&\x01SECRET", format.ErrMalformed},
		{"HLLP", "D23MSH|^~\\&|SECRET", format.ErrMalformed},
		{"too many segments", header + strings.Repeat("\rZZZ", maxSegments), format.ErrLimit},
		{"byte order mark and blanks in front", "\r\n\x00 \xEF\xBB\xBF" + header, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.raw))
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "SECRET") {
				t.Error("the error shows the message")
			}
		})
	}
}
