// Verifymin checks a proof that chaperone made, and shares no line with what made it: it is for an outsider who wants to
// read all of the code he relies on. It uses the standard library only and is written from the tables in docs/ledger.md.
//
//	go run ./internal/verifymin PROOF.json --key VKEY [--witness VKEY]... [--need K]
//
// The keys come from elsewhere, not from whoever gave the proof. All witnesses named must have cosigned, or K of them. The
// exit status is 0 when the proof holds, 1 when it does not and 2 when it was not checked.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

func main() {
	file, keys, err := arguments(os.Args[1:])
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "verifymin:", err)
		os.Exit(2)
	}
	if err := verify(text, keys, os.Stdout); err != nil {
		fmt.Printf("THE PROOF DOES NOT HOLD: %v\n", err)
		os.Exit(1)
	}
}

// keys are what the reader must know already.
type keys struct {
	log       vkey
	witnesses []vkey
	need      int
}

func arguments(args []string) (file string, k keys, err error) {
	usage := errors.New("usage: verifymin PROOF.json --key VKEY [--witness VKEY]... [--need K]")
	k.need = -1
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "--") && file == "" {
			file = args[i]
			continue
		}
		if i+1 == len(args) {
			return "", k, usage
		}
		name, value := args[i], args[i+1]
		i++
		switch name {
		case "--key":
			k.log, err = parseKey(value, 1)
		case "--witness":
			var w vkey
			w, err = parseKey(value, 4)
			k.witnesses = append(k.witnesses, w)
		case "--need":
			k.need, err = strconv.Atoi(value)
		default:
			err = usage
		}
		if err != nil {
			return "", k, err
		}
	}
	if k.need < 0 {
		k.need = len(k.witnesses)
	}
	if file == "" || k.log.name == "" || k.need > len(k.witnesses) {
		return "", k, usage
	}
	return file, k, nil
}

// document is the JSON of a proof. Binary fields are base64.
type document struct {
	Format     string      `json:"format"`
	Version    int         `json:"version"`
	Kind       string      `json:"kind"`
	Learn      string      `json:"you_learn"`
	Trust      string      `json:"you_must_trust"`
	Disclosure *disclosure `json:"disclosure"`
	Count      *count      `json:"count"`
	Claimed    struct {
		Ways    []way  `json:"ways"`
		File    string `json:"file"`
		Objects *int64 `json:"objects"`
	} `json:"claimed"`
	Checkpoint string   `json:"checkpoint"`
	First      uint64   `json:"first_batch"`
	Path       []string `json:"path"`
	Batches    []struct {
		Header  string `json:"header"`
		Entries string `json:"entries"`
		Key     string `json:"key"`
	} `json:"batches"`
}

type way struct {
	Number     uint32 `json:"way"`
	From       party  `json:"from"`
	To         party  `json:"to"`
	Requester  *party `json:"requester"`
	Protocol   string `json:"protocol"`
	Action     string `json:"action"`
	Protection string `json:"protection"`
}

type party struct {
	Certificate string `json:"certificate"`
	Address     string `json:"address"`
	Name        string `json:"name"`
}

func (p party) String() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s %q %s", p.Address, p.Name, p.Certificate)), " ")
}

// verify checks everything that can be checked and says in words what follows.
func verify(text []byte, k keys, out io.Writer) error {
	var d document
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the document")
	}
	if d.Format != "chaperone proof" || d.Version != 1 {
		return fmt.Errorf("format %q, version %d is not known here", d.Format, d.Version)
	}
	one := d.Kind == "disclosure" && d.Disclosure != nil && d.Count == nil && len(d.Batches) == 1 && d.Claimed.Objects == nil
	many := d.Kind == "count" && d.Count != nil && d.Disclosure == nil && len(d.Batches) > 0 && d.Claimed.Objects != nil
	if !one && !many {
		return fmt.Errorf("a document of kind %q that is not complete", d.Kind)
	}
	size, root, seen, err := checkpoint(d.Checkpoint, k)
	if err != nil {
		return err
	}
	if err := included(&d, size, root); err != nil {
		return err
	}
	if err := recount(&d); err != nil {
		return err
	}
	return report(out, &d, k, size, seen)
}

// report says what was proven.
func report(out io.Writer, d *document, k keys, size uint64, seen []string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "The proof holds. Ledger %s signed %d batches.\n", k.log.name, size)
	for _, line := range seen {
		fmt.Fprintf(&b, "Witness %s.\n", line)
	}
	if len(seen) == 0 {
		b.WriteString("No witness was asked for: who has the ledger's host could have rewritten it before.\n")
	}
	if p := d.Disclosure; p != nil {
		fmt.Fprintf(&b, "PROVEN: disclosure %s, number %d on record, on %s: %d records, %d bytes, of %d identifiers and %d records without one; outcome %q.\n",
			p.ID, p.Number, p.Time, p.Records, p.Bytes, len(p.Identifiers), p.Unidentified, p.Outcome)
	}
	if c := d.Count; c != nil {
		fmt.Fprintf(&b, "PROVEN: in batches %d to %d, from %q until %q, ways %v (none: all): %d disclosures of %d distinct identifiers; %d records, %d of them without identity, %d bytes; first %s, last %s.\n",
			d.First, d.First+uint64(c.Batches)-1, c.From, c.Until, c.Ways, c.Disclosures, c.Identifiers, c.Records, c.Unidentified, c.Bytes, c.First, c.Last)
		if c.Closed > 0 {
			fmt.Fprintf(&b, "NOT COUNTED: %d batches with %d disclosures are not opened, because they were purged or are kept back.\n", c.Closed, c.ClosedDisclosures)
		}
		fmt.Fprintf(&b, "CLAIMED: %d DICOM objects.\n", *d.Claimed.Objects)
	}
	for _, w := range d.Claimed.Ways {
		fmt.Fprintf(&b, "CLAIMED: way %d is %s %s from %v to %v.\n", w.Number, w.Protocol, w.Action, w.From, w.To)
	}
	fmt.Fprintf(&b, "You learn: %s\nYou must trust: %s\n", d.Learn, d.Trust)
	_, err := io.WriteString(out, b.String())
	return err
}
