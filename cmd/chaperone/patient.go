package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
)

// patientFlags say which patient is meant. The number itself never stands on the command line: other users of the machine
// see that, and the shell keeps it.
type patientFlags struct {
	id          string
	typed       bool
	authorities []string
}

const patientHelp = `The patient is named by --patient-id, as other answers print it, or by --patient: then the one line of standard input has the
number, or KIND AUTHORITY NUMBER, where KIND is hl7 (PID-3), dicom, external (PID-2), alternate (PID-4), account (PID-18) or
ssn, and AUTHORITY is who gave it, - for nobody; tabs separate them where a number has blanks. This needs the token key. A
number never stands on the command line.`

func (f *patientFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.id, "patient-id", "", "of the patient with this `id`, 32 hexadecimal digits")
	flags.BoolVar(&f.typed, "patient", false, "of the patient whose number is typed on standard input")
	flags.StringSliceVar(&f.authorities, "authority", nil, "`authority` that gave a number where none is named: CLINIC in 4711^^^CLINIC^MR (CX-4)")
	_ = c.RegisterFlagCompletionFunc("patient-id", cobra.NoFileCompletions)
	c.MarkFlagsMutuallyExclusive("patient-id", "patient")
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if strings.Contains(err.Error(), `for "--patient" flag`) { // it repeats what was typed
			return errors.New("--patient: takes no value; the patient's number is typed on standard input")
		}
		return flagMistake(c, err)
	})
}

// check reads the id before a ledger is opened, nil when the patient is not named by it.
func (f *patientFlags) check() (*ledger.Who, error) {
	if f.id == "" {
		return nil, nil
	}
	var who ledger.Who
	if n, err := hex.Decode(who.ID[:], []byte(f.id)[:min(len(f.id), 2*len(who.ID))]); err != nil || n != len(who.ID) || len(f.id) != 2*n {
		return nil, errors.New("--patient-id: not an id of 32 hexadecimal digits, as answers print them")
	}
	return &who, nil
}

// kinds are the words for kinds of numbers.
var kinds = []struct {
	word string
	kind chaperone.IdentifierKind
}{
	{"hl7", chaperone.HL7PatientID}, {"dicom", chaperone.DICOMPatientID}, {"external", chaperone.HL7ExternalID},
	{"alternate", chaperone.HL7AlternateID}, {"account", chaperone.HL7Account}, {"ssn", chaperone.SSN},
}

// read finds the patient in a ledger, nil when nobody is named. One number may be several persons' under several kinds and
// authorities: then nothing is answered, because an answer would mix them.
func (f *patientFlags) read(c *cobra.Command, l *disk.Ledger) (*ledger.Who, error) {
	if !f.typed {
		return f.check()
	}
	tokens, err := l.Tokens()
	if err != nil {
		return nil, err
	}
	line, err := typed(c)
	if err != nil {
		return nil, err
	}
	var found []ledger.PatientID
	for _, t := range f.tokens(tokens, line) {
		if id, ok := l.Lookup(t); ok && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("--patient: no such number is on record; try KIND AUTHORITY NUMBER, or --authority (--help says more)")
	case 1:
		return &ledger.Who{ID: found[0]}, nil
	}
	words := make([]string, len(found))
	for i, id := range found {
		words[i] = id.String()
	}
	return nil, fmt.Errorf("--patient: this is the number of %d patients, of different kinds or authorities: type KIND AUTHORITY NUMBER, or choose one with --patient-id: %s",
		len(found), strings.Join(words, ", "))
}

// tokens gives those that a typed line may mean.
func (f *patientFlags) tokens(t *patient.Tokenizer, line string) []chaperone.PatientToken {
	if kind, authority, number, ok := three(line); ok {
		return []chaperone.PatientToken{t.Token(chaperone.Identifier{Kind: kind, Authority: chaperone.NewPHI(authority), Value: chaperone.NewPHI(number)})}
	}
	var list []chaperone.PatientToken
	for _, k := range kinds {
		for _, authority := range append([]string{""}, f.authorities...) {
			list = append(list, t.Token(chaperone.Identifier{Kind: k.kind, Authority: chaperone.NewPHI(authority), Value: chaperone.NewPHI(line)}))
		}
	}
	return list
}

// three reads KIND AUTHORITY NUMBER. An authority may have blanks; a number only behind a tab.
func three(line string) (kind chaperone.IdentifierKind, authority, number string, ok bool) {
	first, last := strings.IndexByte(line, '\t'), strings.LastIndexByte(line, '\t')
	if first < 0 {
		first, last = strings.IndexByte(line, ' '), strings.LastIndexByte(line, ' ')
	}
	if first == last {
		return "", "", "", false
	}
	word := strings.TrimSpace(line[:first])
	authority, number = strings.TrimSpace(line[first:last]), strings.TrimSpace(line[last:])
	if authority == "-" {
		authority = ""
	}
	for _, k := range kinds {
		if strings.EqualFold(word, k.word) || strings.EqualFold(word, string(k.kind)) {
			return k.kind, authority, number, number != ""
		}
	}
	return "", "", "", false
}

// maxTyped bounds what is typed, in bytes.
const maxTyped = 4096

// typed reads the line that names a patient. At a terminal that is the first one; of a file or another program it must be the
// only one: an answer about the first of several would be taken for one about all.
func typed(c *cobra.Command) (string, error) {
	in := bufio.NewReader(io.LimitReader(c.InOrStdin(), maxTyped+1))
	var text string
	var err error
	if terminal(c.InOrStdin()) {
		fmt.Fprint(c.ErrOrStderr(), "Number of the patient, or KIND AUTHORITY NUMBER: ")
		text, err = in.ReadString('\n')
	} else {
		var all []byte
		all, err = io.ReadAll(in)
		text = string(all)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("--patient: standard input: %w", err)
	}
	var lines []string
	for _, line := range strings.FieldsFunc(strings.TrimPrefix(text, "\ufeff"), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	switch {
	case len(text) > maxTyped:
		return "", fmt.Errorf("--patient: standard input has more than %d bytes; one line with the patient's number is read from it", maxTyped)
	case len(lines) == 0:
		return "", errors.New("--patient: nothing was typed; the patient's number is read from standard input")
	case len(lines) > 1:
		return "", fmt.Errorf("--patient: one patient at a time: standard input has %d lines", len(lines))
	}
	return lines[0], nil
}

// terminal reports whether somebody types.
func terminal(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
