package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// mark is in every number, name and text of the invented patients, and nowhere else in the world.
const mark = "QZXVKJWY"

const markedPatients = 10_000

// TestPrivate brings marked patients through every command and then looks at every byte that was written anywhere, but for
// what was asked for by name: --reveal, and the list of --roster.
func TestPrivate(t *testing.T) {
	if raceDetector {
		t.Skip("thousands of patients take too long under the race detector; the other tests run the same code under it")
	}
	dir := t.TempDir()
	evidence, written, asked := filepath.Join(dir, "evidence"), filepath.Join(dir, "written"), filepath.Join(dir, "asked")
	for _, folder := range []string{evidence, asked, filepath.Join(written, "temp"), filepath.Join(written, "said")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, filepath.Join(written, "temp"))
	}
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(written, "config"))
	t.Setenv(ledgerVariable, "")
	put := func(name string, b []byte) string {
		t.Helper()
		path := filepath.Join(evidence, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	marked := markedCapture(markedPatients)
	capture := put("lan.pcap", marked)
	cut := put("cut.pcap", marked[:len(marked)/3*2+7])
	put("dump.csv", markedTable(500))
	put("offer.txt", []byte("Selling 10k patient records of a clinic, fresh. Price 2 BTC. Sample: dump.csv\n"))
	roster := filepath.Join(asked, "roster.csv")
	if err := os.WriteFile(roster, markedTable(3000), 0o600); err != nil {
		t.Fatal(err)
	}

	said := 0
	call := func(want int, stdin string, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if got := run(t.Context(), args, strings.NewReader(stdin), &out, &errs); got != want {
			t.Errorf("%s: got exit status %d, want %d", strings.Join(args[:2], " "), got, want)
		}
		for _, b := range [][]byte{out.Bytes(), errs.Bytes()} {
			said++
			if err := os.WriteFile(filepath.Join(written, "said", fmt.Sprint(said)), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return out.String()
	}
	l, k := filepath.Join(written, "l"), filepath.Join(written, "k")
	at := func(args ...string) []string { return append(args, "--ledger", l, "--keys", k) }
	call(0, "", "watch", "--propose-site", filepath.Join(written, "site.yaml"), capture)
	call(0, "", "watch", "--json", capture)
	call(0, "", at("watch", capture)...)
	call(2, "", at("watch", "--json", cut)...)
	call(0, "", "inspect", capture)
	call(0, "", at("investigate", "--out", filepath.Join(written, "report"), "--html", filepath.Join(written, "page.html"), evidence)...)
	call(0, "", at("investigate", "--json", evidence)...)
	call(0, "", at("scope", "--detail")...)
	scope := call(0, "", at("scope", "--detail", "--json")...)
	call(0, "", at("scope", "--authority", mark, "--roster", roster, "--out", filepath.Join(asked, "notify.csv"))...)
	call(0, "", at("scope", "--authority", mark, "--roster", roster, "--out", filepath.Join(asked, "notify2.csv"), "--json")...)
	call(0, "", at("disclosures")...)
	rows := call(0, "", at("disclosures", "--json")...)
	call(0, "", at("disclosures", "--csv")...)
	number := "hl7 " + mark + " " + mark + "000017\n"
	call(0, number, at("disclosures", "--patient", "--json")...)
	call(0, number, at("report", "--as", "accounting", "--patient")...)
	call(0, number, at("report", "--as", "accounting", "--patient", "--json")...)
	call(2, mark+"000017\n", at("scope", "--patient")...)
	call(2, mark+" unknown\n", at("scope", "--patient", "--authority", mark)...)
	call(0, "", "ledger", "checkpoint", "--ledger", l)
	call(0, "", at("ledger", "status")...)
	call(0, "", at("ledger", "status", "--json")...)
	call(0, "", at("ledger", "verify", "--deep", "--json")...)
	call(0, "", at("ledger", "verify")...)
	call(0, "", at("ledger", "prove", "--count")...)
	call(0, "", at("ledger", "prove", firstID(t, rows))...)
	call(0, "", at("ledger", "export", "--json", "--csv", "--log", "--out", filepath.Join(written, "exported"))...)
	call(0, "", at("ledger", "backup", filepath.Join(written, "copy"))...)
	call(0, "", "ledger", "restore", filepath.Join(written, "copy"), "--keys", k, "--ledger", filepath.Join(written, "back"))
	call(0, "", at("ledger", "note", "nothing to see")...)
	call(0, "", at("ledger", "reindex")...)
	call(0, "", at("ledger", "purge", "--day", "2025-03-04", "--yes")...)

	var summary struct{ Patients int }
	if err := json.Unmarshal([]byte(lastLine(scope)), &summary); err != nil || summary.Patients < markedPatients {
		t.Fatalf("got %d patients on record, want at least %d: the test looks at nothing (%v)", summary.Patients, markedPatients, err)
	}
	if b, err := os.ReadFile(filepath.Join(asked, "notify.csv")); err != nil || len(search(b)) == 0 {
		t.Errorf("the list of people to notify names nobody: the test looks at nothing (%v)", err)
	}
	files := 0
	err := filepath.WalkDir(written, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		name := strings.TrimPrefix(path, written)
		for _, how := range search(append([]byte(name+"\n"), b...)) {
			t.Errorf("%s has a patient, %s", name, how)
		}
		return err
	})
	if err != nil || files < 60 {
		t.Errorf("looked at %d files: %v", files, err)
	}
}

// TestSearch: what TestPrivate looks for is found wherever it hides.
func TestSearch(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(w, "some "+mark+" text")
	_ = w.Close()
	little, big := wide16(mark)
	for name, b := range map[string][]byte{
		"plain": []byte("x" + mark + "0001"), "lower case": []byte(strings.ToLower(mark)), "UTF-16LE": little, "UTF-16BE": big,
		"base64 0": []byte(base64.StdEncoding.EncodeToString([]byte(mark + "12"))), "base64 1": []byte(base64.StdEncoding.EncodeToString([]byte("a" + mark + "12"))),
		"base64 2": []byte(base64.URLEncoding.EncodeToString([]byte("ab" + mark + "12"))), "hex": []byte(hex.EncodeToString([]byte("1" + mark))),
		"gzip": append([]byte("before"), zipped.Bytes()...),
	} {
		if len(search(b)) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	if how := search([]byte("QZXV KJWY and other text")); len(how) > 0 {
		t.Errorf("found where it is not: %s", how)
	}
}

// needle is one spelling of the mark.
type needle struct {
	how  string
	text []byte
}

var needles = func() (list []needle) {
	for _, m := range []string{mark, strings.ToLower(mark), mark[:1] + strings.ToLower(mark[1:])} {
		little, big := wide16(m)
		list = append(list, needle{"as it is", []byte(m)}, needle{"UTF-16LE", little}, needle{"UTF-16BE", big},
			needle{"hexadecimal", []byte(hex.EncodeToString([]byte(m)))}, needle{"hexadecimal", []byte(strings.ToUpper(hex.EncodeToString([]byte(m))))})
		for shift := range 3 {
			b := []byte(base64.StdEncoding.EncodeToString(append(make([]byte, shift), m...)))
			from := []int{0, 2, 3}[shift] // behind it, bits are of the mark alone
			list = append(list, needle{"base64", b[from : (len(m)+shift)*8/6]})
		}
	}
	return list
}()

func wide16(text string) (little, big []byte) {
	for _, u := range utf16.Encode([]rune(text)) {
		little, big = append(little, byte(u), byte(u>>8)), append(big, byte(u>>8), byte(u))
	}
	return little, big
}

// search says how the mark is in some bytes, also inside gzip.
func search(b []byte) (how []string) {
	for _, n := range needles {
		if bytes.Contains(b, n.text) {
			how = append(how, n.how)
		}
	}
	for rest := b; ; {
		i := bytes.Index(rest, []byte{0x1f, 0x8b, 8})
		if i < 0 {
			return how
		}
		if r, err := gzip.NewReader(bytes.NewReader(rest[i:])); err == nil {
			plain, _ := io.ReadAll(io.LimitReader(r, 64<<20)) // what comes before an error counts
			for _, found := range search(plain) {
				how = append(how, "gzip, "+found)
			}
		}
		rest = rest[i+1:]
	}
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// firstID gives the id of the first disclosure in JSON Lines.
func firstID(t *testing.T, rows string) string {
	t.Helper()
	line, _, _ := strings.Cut(rows, "\n")
	var row struct{ ID string }
	if err := json.Unmarshal([]byte(line), &row); err != nil {
		t.Fatalf("no disclosure is on record: %v", err)
	}
	return row.ID
}
