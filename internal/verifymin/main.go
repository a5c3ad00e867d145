// Verifymin checks a proof that chaperone made, and shares no line with what made it: it is for an outsider who wants to
// read all of the code he relies on. It uses the standard library only and is written from the format tables alone.
//
//	go run ./internal/verifymin PROOF.json --key VKEY [--witness VKEY]...
//
// The keys come from elsewhere, not from whoever gave the proof. All witnesses that are named must have cosigned. The exit
// status is 0 when the proof holds, 1 when it does not and 2 when it was not checked.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	var k keys
	flags := flag.NewFlagSet("verifymin PROOF.json", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Func("key", "the ledger's verifier `key`", func(text string) (err error) { k.log, err = parseKey(text, 1); return })
	flags.Func("witness", "a witness's verifier `key`; may be repeated", func(text string) error {
		w, err := parseKey(text, 4)
		k.witnesses = append(k.witnesses, w)
		return err
	})
	if err := flags.Parse(args[min(1, len(args)):]); err != nil || flags.NArg() > 0 || k.log.name == "" {
		if err == nil { // else it is said already
			flags.Usage()
		}
		return 2
	}
	text, err := os.ReadFile(args[0])
	d := new(document)
	if err == nil {
		err = d.read(text)
	}
	if err != nil {
		fmt.Fprintf(errs, "verifymin: %s was not checked: %v\n", args[0], err)
		return 2
	}
	if err := verify(d, k, out); err != nil {
		fmt.Fprintf(out, "THE PROOF DOES NOT HOLD: %v\n", err)
		return 1
	}
	return 0
}

// keys are what the reader must know already.
type keys struct {
	log       vkey
	witnesses []vkey
}

// document is the JSON of a proof. Binary fields are base64. What is proven is computed again and compared as a whole.
type document struct {
	Format, Kind, Checkpoint string
	Version                  int
	Learn                    string `json:"you_learn"`      // words for people: report has its own
	Trust                    string `json:"you_must_trust"` // likewise
	Disclosure, Count        json.RawMessage
	First                    uint64 `json:"first_batch"`
	Path                     [][]byte
	Batches                  []batch
	Claimed                  struct {
		Ways    []way
		File    string
		Objects *int64
	}
}

// way is who gave to whom, and how.
type way struct {
	Number                       uint32 `json:"way"`
	From, To, Requester          map[string]string
	Protocol, Action, Protection string
}

// read takes a file for a proof when it is one of a format that is known here.
func (d *document) read(text []byte) error {
	if err := strict(text, d); err != nil {
		return fmt.Errorf("it is no proof: %w", err)
	}
	single := d.Kind == "disclosure"
	blocks := slices.ContainsFunc(d.Batches, func(b batch) bool { return b.Block != nil || b.Path != nil })
	known := d.Format == "chaperone proof" && (d.Version == 2 || d.Version == 1 && !blocks) && (single || d.Kind == "count" && !blocks)
	if !known || single == (d.Disclosure == nil) || single == (d.Count != nil) || single == (d.Claimed.Objects != nil) ||
		len(d.Batches) == 0 || single && len(d.Batches) > 1 {
		return fmt.Errorf("a proof of format %q, version %d, kind %q is not known here, or it is not complete", d.Format, d.Version, d.Kind)
	}
	return nil
}

// verify checks everything that can be checked and says in words what follows.
func verify(d *document, k keys, out io.Writer) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case wrong:
			err = r
		default:
			panic(r)
		}
	}()
	size, signed, seen := checkpoint(d.Checkpoint, k)
	var leaves [][]byte // of the log: its headers
	for _, b := range d.Batches {
		leaves = append(leaves, b.Header)
	}
	insist(bytes.Equal(root(d.First, leaves, size, d.Path), signed), "the batches are not in the signed tree")
	return report(out, d, k, size, seen, recount(d))
}

// wrong is why a proof does not hold.
type wrong struct{ error }

// insist ends the check when something is wrong.
func insist(ok bool, format string, args ...any) {
	if !ok {
		panic(wrong{fmt.Errorf(format, args...)})
	}
}

// report says what was proven, and what was not.
func report(out io.Writer, d *document, k keys, size uint64, seen string, proven map[string]any) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "The proof holds. The ledger %s signed %d batches; this is about batches %d to %d.\n", k.log.name, size, d.First, d.First+uint64(len(d.Batches))-1)
	b.WriteString(cmp.Or(seen, "No witness was asked for: whoever has the ledger's keys can have rewritten it before signing.\n"))
	if d.Disclosure != nil {
		fmt.Fprintf(&b, "PROVEN: disclosure %v (id %v) of %v: %v records with %v bytes, of %d identifiers and of %v records without one; outcome %v.\n",
			proven["number"], proven["id"], proven["time"], proven["records"], proven["bytes"], len(proven["identifiers"].([]uint32)), proven["unidentified"], proven["outcome"])
	} else {
		fmt.Fprintf(&b, "PROVEN: from %q until %q (empty: open), of the ways %v (none: all): %v disclosures of %v distinct identifiers; %v records with %v bytes, %v records without identity; the first %q, the last %q. NOT COUNTED: %v disclosures of %v batches that are not opened, because they were purged or are kept back. CLAIMED: %d DICOM objects.\n",
			proven["from"], proven["until"], proven["ways"], proven["disclosures"], proven["identifiers"], proven["records"], proven["bytes"], proven["unidentified"], proven["first"], proven["last"], proven["disclosures_not_opened"], proven["batches_not_opened"], *d.Claimed.Objects)
	}
	for _, w := range d.Claimed.Ways {
		fmt.Fprintf(&b, "CLAIMED: way %d is %q %q, from %s to %s.\n", w.Number, w.Protocol, w.Action, fmt.Sprintf("%q", w.From)[len("map"):], fmt.Sprintf("%q", w.To)[len("map"):])
	}
	b.WriteString("What is claimed, and that the ledger recorded what happened, is to be trusted. Identifiers are not persons: one may have several.\n")
	_, err := out.Write(b.Bytes())
	return err
}

// strict reads JSON that has all of its text used and nothing unknown in it.
func strict(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the document")
	}
	return nil
}

// same reports whether a part of the document is what was computed.
func same(text json.RawMessage, computed map[string]any) bool {
	again, err := json.Marshal(computed)
	var a, b any
	return err == nil && strict(text, &a) == nil && strict(again, &b) == nil && reflect.DeepEqual(a, b)
}
